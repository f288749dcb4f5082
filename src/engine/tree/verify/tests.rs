//! Every byte of a tree's file, and bytes that no writer produces.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use proptest::prelude::*;

use crate::engine::pages::buffer_pool::BufferPool;
use crate::engine::table::Level;
use crate::engine::tree::entry::Entry;
use crate::engine::tree::place::TreePlace;
use crate::engine::tree::tests::{bulk, entry, place, verified, wide};
use crate::engine::tree::tree_file::Tree;
use crate::error::Error;
use crate::finding::Code;

/// Changes bytes of a page and gives it its checksum again.
fn patch(place: &TreePlace, page: usize, at: usize, with: &[u8]) {
    let mut bytes = fs::read(&place.path).unwrap();
    let page_bytes = &mut bytes[page * 8192..][..8192];
    page_bytes[at..at + with.len()].copy_from_slice(with);
    let mut crc = place.address.seed(1 << 32 | page as u64);
    crc.update(&page_bytes[..12]);
    crc.update(&page_bytes[16..]);
    let crc = crc.finalize().to_le_bytes();
    page_bytes[12..16].copy_from_slice(&crc);
    fs::write(&place.path, bytes).unwrap();
}

#[test]
fn every_changed_byte_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(&dir);
    bulk(&place, (0..400).map(wide), 0);
    let bytes = fs::read(&place.path).unwrap();
    assert_eq!(bytes.len(), 4 * 8192);
    let file = OpenOptions::new().write(true).open(&place.path).unwrap();
    for (offset, byte) in bytes.iter().enumerate() {
        let offset = offset as u64;
        file.write_all_at(&[byte ^ (1 << (offset % 8))], offset)
            .unwrap();
        let (codes, _) = verified(&place, Level::Checksums);
        assert_eq!(codes.len(), 1, "at {offset}");
        file.write_all_at(&[*byte], offset).unwrap();
    }
    for len in [0, 1, 8191, 8192, 3 * 8192, 4 * 8192 - 1] {
        fs::write(&place.path, &bytes[..len]).unwrap();
        assert!(!verified(&place, Level::Checksums).0.is_empty(), "{len}");
        let pool = Arc::new(BufferPool::new(16));
        assert!(matches!(
            Tree::open(place.clone(), &pool),
            Err(Error::Damage(_))
        ));
    }
    fs::write(&place.path, [&bytes[..], &[0]].concat()).unwrap();
    assert_eq!(verified(&place, Level::Checksums).0, [Code::TrailingBytes]);
}

#[test]
fn pages_in_the_wrong_place_and_links_that_lead_astray_are_found() {
    // Pages 1 to 4 are leaves, 5 is the root.
    let found = |page: usize, at: usize, with: &[u8]| {
        let dir = tempfile::tempdir().unwrap();
        let place = place(&dir);
        bulk(&place, (0..1200).map(wide), 0);
        patch(&place, page, at, with);
        verified(&place, Level::Structure).0
    };
    assert_eq!(found(1, 16, &[9]), []);
    let child = |n: usize| 44 + 28 * n + 24;
    // To itself, to another child, to the first page, to none.
    for to in [5u8, 3, 0, 6, 255] {
        assert_eq!(found(5, child(1), &[to]), [Code::BrokenChain], "{to}");
    }
    // A bound above and below what stands in the leaves.
    assert_eq!(found(5, 44 + 28 + 12, &[1]), [Code::BadPage]);
    assert_eq!(found(5, 44 + 28 + 12, &[0x72]), [Code::BadPage]);
    assert_eq!(found(5, 44, &[1]), [Code::BadPage]);
    // A first entry that is above the next one, and what leaves have in common.
    assert_eq!(found(2, 72 + 12, &[0xff, 0xff]), [Code::BadPage]);
    assert_eq!(found(2, 44, &[0xff, 0xff]), [Code::BadPage]);
    assert_eq!(found(2, 44 + 15, &[1]), [Code::BadPage]);
    assert_eq!(found(2, 68, &[3]), [Code::OutOfRange]);
    // Counts, levels, root and kinds.
    assert_eq!(found(0, 60, &[0xaf]), [Code::CountMismatch]);
    assert_eq!(found(0, 48, &[1]), [Code::BrokenChain]);
    assert_eq!(found(0, 48, &[3]), [Code::BrokenChain]);
    assert_eq!(found(0, 48, &[9]), [Code::OutOfRange]);
    assert_eq!(found(0, 44, &[6]), [Code::OutOfRange]);
    assert_eq!(found(0, 52, &[5]), [Code::OutOfRange]);
    assert_eq!(found(0, 52, &[7]), [Code::Truncated]);
    assert_eq!(found(2, 36, &[1]), [Code::UnsupportedVersion]);
    assert_eq!(found(2, 40, &[45]), [Code::BadPage]);
    // A root of one child: what the others hold is out of reach.
    let dir = tempfile::tempdir().unwrap();
    let place = place(&dir);
    bulk(&place, (0..400).map(wide), 0);
    patch(&place, 0, 44, &[1]);
    patch(&place, 0, 48, &[1]);
    patch(&place, 0, 60, &369u16.to_le_bytes());
    assert_eq!(verified(&place, Level::Structure).0, [Code::OrphanPage]);
}

#[test]
fn a_missing_file_is_none_and_one_of_another_table_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(&dir);
    let pool = Arc::new(BufferPool::new(16));
    assert!(Tree::open(place.clone(), &pool).unwrap().is_none());
    bulk(&place, [entry(1, 1)], 0);
    let mut other = place.clone();
    other.address.table += 1;
    let error = Tree::open(other, &pool).unwrap_err();
    assert!(error.to_string().contains("wrong-place"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    /// Whatever stands under right checksums, readers come to an end.
    #[test]
    fn any_bytes_with_right_checksums_are_read_or_refused(
        page in 0..6usize,
        at in prop_oneof![36..38usize, 40..76usize, 68..72usize, 44..400usize],
        with in any::<[u8; 4]>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let place = place(&dir);
        bulk(&place, (0..1200).map(wide), 0);
        patch(&place, page, at, &with);
        let (codes, _) = verified(&place, Level::Structure);
        let pool = Arc::new(BufferPool::new(16));
        let read = Tree::open(place, &pool).and_then(|tree| {
            let mut tree = tree.unwrap();
            // No page has more entries than bytes.
            let entries = tree.range(0..=u128::MAX).take(100_000).collect::<Result<Vec<_>, _>>()?;
            assert!(entries.len() < 6 * 8192);
            for n in [0, 300, 600, 1199] {
                tree.insert(Entry { value: 1, ..wide(n) })?;
                tree.remove(wide(n + 1))?;
            }
            Ok(())
        });
        if let Err(error) = read {
            prop_assert!(!codes.is_empty(), "{error}");
        }
    }
}
