//! Trees against ordered sets, and every byte of a file of one.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::engine::address::Lsn;
use crate::engine::buffer_pool::BufferPool;
use crate::engine::live::{Batch, carry_out};
use crate::engine::verify::{Level, check_table};
use crate::error::Error;
use crate::file::{LocalDisk, SourceFile};
use crate::finding::Code;

fn place(dir: &TempDir) -> TreePlace {
    TreePlace {
        disk: LocalDisk::shared(),
        path: dir.path().join("t.index"),
        address: TableAddress {
            cluster_id: 77,
            database: 1,
            table: 2,
        },
    }
}

fn entry(key: u64, value: u64) -> Entry {
    Entry {
        key: key.into(),
        value,
    }
}

/// Writes a new file of entries in order.
fn bulk(place: &TreePlace, entries: impl IntoIterator<Item = Entry>, stamp: u64) {
    let mut writer = TreeWriter::create(place.clone(), Lsn(3)).unwrap();
    for entry in entries {
        writer.push(entry).unwrap();
    }
    writer.finish(stamp).unwrap().sync().unwrap();
}

fn open(place: &TreePlace, pool: &Arc<BufferPool>) -> Tree {
    Tree::open(place.clone(), pool).unwrap().unwrap()
}

fn all(tree: &Tree) -> Vec<Entry> {
    let entries = tree.range(0..=u128::MAX);
    entries.map(Result::unwrap).collect()
}

fn first_from(tree: &Tree, key: u128) -> Option<Entry> {
    tree.range(key..=u128::MAX).next().transpose().unwrap()
}

fn checkpoint(tree: &mut Tree) {
    let mut batch = Batch::new();
    tree.checkpoint(Lsn(9), &mut batch);
    carry_out(&LocalDisk, &batch);
    // Once more, as after a crash.
    carry_out(&LocalDisk, &batch);
    tree.checkpointed().unwrap();
    assert_eq!(tree.pending_len(), 0);
}

/// What verification finds, and the entries that it saw.
fn verified(place: &TreePlace, level: Level) -> (Vec<Code>, Vec<Entry>) {
    let mut entries = Vec::new();
    let codes = check_table(|check| {
        let file = SourceFile::open(&place.path).unwrap();
        let take = |entry: &Entry| entries.push(*entry);
        verify_tree(&file, &place.address, level, check, take).unwrap();
    });
    (codes, entries)
}

fn whole(place: &TreePlace) -> Vec<Entry> {
    let (codes, entries) = verified(place, Level::Structure);
    assert_eq!(codes, []);
    entries
}

/// Entries of a file by the offsets of the format page, from its root.
fn decoded(bytes: &[u8], page: usize, level: u32, entries: &mut Vec<Entry>) {
    let u16_at = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap());
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let (start, end) = (
        page * 8192 + 32,
        page * 8192 + usize::from(u16_at(page * 8192 + 28)),
    );
    assert_eq!(bytes[page * 8192 + 5], if level == 0 { 4 } else { 5 });
    let width = if level == 0 { 24 } else { 28 };
    for at in (start..end).step_by(width) {
        if level > 0 {
            decoded(bytes, u32_at(at + 24) as usize, level - 1, entries);
        } else {
            let key = u128::from_le_bytes(bytes[at..at + 16].try_into().unwrap());
            let value = u64_at(at + 16);
            entries.push(Entry { key, value });
        }
    }
}

#[test]
fn a_bulk_tree_is_that_of_the_format_page() {
    // A leaf, a full leaf, one more, a full inner page, one more, three levels.
    for count in [0u64, 1, 340, 341, 340 * 291, 340 * 291 + 1, 250_000] {
        let dir = tempfile::tempdir().unwrap();
        let place = place(&dir);
        let entries: Vec<_> = (0..count).map(|n| entry(n / 3, n)).collect();
        bulk(&place, entries.iter().copied(), 5);
        let bytes = fs::read(&place.path).unwrap();
        let number = |at: usize, len: usize| {
            let mut le = [0; 8];
            le[..len].copy_from_slice(&bytes[at..at + len]);
            u64::from_le_bytes(le)
        };
        assert_eq!((bytes[5], number(28, 2), number(30, 2)), (3, 64, 8192));
        assert_eq!((number(8, 8), number(16, 4), number(20, 4)), (3, 1, 2));
        let leaves = count.div_ceil(340).max(1);
        let inner = if leaves > 1 { leaves.div_ceil(291) } else { 0 };
        let top = u64::from(inner > 1);
        let pages = 1 + leaves + inner + top;
        let height = 1 + u64::from(inner > 0) + top;
        assert_eq!((number(36, 4), number(40, 4)), (height, pages));
        assert_eq!((number(48, 8), number(56, 8)), (count, 5));
        assert_eq!(bytes.len() as u64, pages * 8192);
        let mut found = Vec::new();
        let root = usize::try_from(number(32, 4)).unwrap();
        decoded(&bytes, root, u32::try_from(height - 1).unwrap(), &mut found);
        assert!(found == entries);
        assert!(whole(&place) == entries);
        // Equal entries give equal bytes.
        fs::rename(&place.path, dir.path().join("first")).unwrap();
        bulk(&place, entries, 5);
        assert!(fs::read(&place.path).unwrap() == bytes);
    }
}

#[test]
fn entries_that_rise_fill_the_pages() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(&dir);
    let pool = Arc::new(BufferPool::new(64));
    let mut tree = Tree::empty(place.clone(), &pool);
    assert_eq!((tree.stamp(), tree.entry_count()), (0, 0));
    for n in 0..120_000 {
        assert!(tree.insert(entry(n, 1)).unwrap());
    }
    tree.set_stamp(8);
    checkpoint(&mut tree);
    // 353 leaves, 2 inner pages, a root and the first page.
    let len = fs::metadata(&place.path).unwrap().len();
    assert_eq!(len, (353 + 2 + 1 + 1) * 8192);
    assert_eq!(whole(&place).len(), 120_000);
    drop(tree);
    let tree = open(&place, &pool);
    assert_eq!((tree.stamp(), tree.entry_count()), (8, 120_000));
    assert_eq!(tree.values(77_777).unwrap(), [1]);
    assert_eq!(first_from(&tree, 119_999), Some(entry(119_999, 1)));
    assert_eq!(first_from(&tree, 120_000), None);
}

#[test]
fn values_of_a_key_run_over_many_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let pool = Arc::new(BufferPool::new(16));
    let mut tree = Tree::empty(place(&dir), &pool);
    for n in 0..3000 {
        // From both ends to the middle.
        let value = if n % 2 == 0 { n } else { 6001 - n };
        for key in [7, 8, 9] {
            assert!(tree.insert(entry(key, value)).unwrap());
            assert!(!tree.insert(entry(key, value)).unwrap());
        }
    }
    let values = tree.values(8).unwrap();
    assert!(values.len() == 3000 && values.is_sorted());
    assert!(tree.values(10).unwrap().is_empty());
    for value in values {
        assert!(tree.remove(entry(8, value)).unwrap());
        assert!(!tree.remove(entry(8, value)).unwrap());
    }
    // Leaves that became empty are passed over.
    assert!(tree.values(8).unwrap().is_empty());
    assert_eq!(first_from(&tree, 8), Some(entry(9, 0)));
    assert_eq!(tree.entry_count(), 6000);
}

#[derive(Debug, Clone)]
enum Op {
    Insert(u16, u8),
    Remove(u16, u8),
    Serial(u16),
    Lookup(u16),
    Reopen,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        600 => (any::<u16>(), 0..4u8).prop_map(|(key, value)| Op::Insert(key, value)),
        400 => (any::<u16>(), 0..4u8).prop_map(|(key, value)| Op::Remove(key, value)),
        30 => (0..400u16).prop_map(Op::Serial),
        100 => any::<u16>().prop_map(Op::Lookup),
        2 => Just(Op::Reopen),
    ];
    proptest::collection::vec(op, 2000..5000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_is_an_ordered_set(ops in ops(), bulk_count in 0..60_000u64) {
        let dir = tempfile::tempdir().unwrap();
        let place = place(&dir);
        let mut model: BTreeSet<_> = (0..bulk_count).map(|n| entry(n * 7 % 65_536, n)).collect();
        bulk(&place, model.iter().copied(), 0);
        let pool = Arc::new(BufferPool::new(32));
        let mut tree = open(&place, &pool);
        let mut serial = 1 << 20;
        for op in ops {
            match op {
                Op::Insert(key, value) => {
                    let entry = entry(key.into(), value.into());
                    prop_assert_eq!(tree.insert(entry).unwrap(), model.insert(entry));
                }
                Op::Remove(key, value) => {
                    // Mostly one that is there.
                    let from = entry(key.into(), value.into());
                    let entry = model.range(from..).next().copied().unwrap_or(from);
                    prop_assert_eq!(tree.remove(entry).unwrap(), model.remove(&entry));
                }
                Op::Serial(count) => for _ in 0..count {
                    serial += 1;
                    prop_assert!(tree.insert(entry(serial, 0)).unwrap());
                    model.insert(entry(serial, 0));
                },
                Op::Lookup(key) => {
                    let (key, from) = (u128::from(key), entry(key.into(), 0));
                    let of_key = model.range(from..).take_while(|entry| entry.key == key);
                    let values: Vec<_> = of_key.map(|entry| entry.value).collect();
                    prop_assert_eq!(tree.values(key).unwrap(), values);
                    prop_assert_eq!(first_from(&tree, key), model.range(from..).next().copied());
                    let range = tree.range(key..=key + 500).map(Result::unwrap);
                    let expected = model.range(from..).take_while(|entry| entry.key <= key + 500);
                    prop_assert!(range.eq(expected.copied()));
                }
                Op::Reopen => {
                    checkpoint(&mut tree);
                    drop(tree);
                    tree = open(&place, &pool);
                }
            }
            prop_assert_eq!(tree.entry_count(), model.len() as u64);
        }
        prop_assert!(all(&tree).into_iter().eq(model.iter().copied()));
        checkpoint(&mut tree);
        prop_assert!(whole(&place).into_iter().eq(model));
    }

    /// Whatever stands under right checksums, readers come to an end.
    #[test]
    fn any_bytes_with_right_checksums_are_read_or_refused(
        page in 0..6usize,
        at in prop_oneof![5..6usize, 28..64usize, 32..400usize],
        with in any::<[u8; 4]>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let place = place(&dir);
        bulk(&place, (0..1200).map(|n| entry(n, n)), 0);
        patch(&place, page, at, &with);
        let (codes, _) = verified(&place, Level::Structure);
        let pool = Arc::new(BufferPool::new(16));
        let read = Tree::open(place, &pool).and_then(|tree| {
            let mut tree = tree.unwrap();
            let entries = tree.range(0..=u128::MAX).take(10_000).collect::<Result<Vec<_>, _>>()?;
            assert!(entries.len() < 5000);
            tree.insert(entry(600, 1))?;
            tree.remove(entry(700, 700))?;
            Ok(())
        });
        if let Err(error) = read {
            prop_assert!(!codes.is_empty(), "{error}");
        }
    }
}

/// Changes bytes of a page and gives it its checksum again.
fn patch(place: &TreePlace, page: usize, at: usize, with: &[u8]) {
    let mut bytes = fs::read(&place.path).unwrap();
    let page_bytes = &mut bytes[page * 8192..][..8192];
    page_bytes[at..at + with.len()].copy_from_slice(with);
    let mut crc = place.address.seed(1 << 32 | page as u64);
    crc.update(&page_bytes[4..]);
    let crc = crc.finalize().to_le_bytes();
    page_bytes[..4].copy_from_slice(&crc);
    fs::write(&place.path, bytes).unwrap();
}

#[test]
fn every_changed_byte_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(&dir);
    bulk(&place, (0..400).map(|n| entry(n, n)), 0);
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
        bulk(&place, (0..1200).map(|n| entry(n, n)), 0);
        patch(&place, page, at, with);
        verified(&place, Level::Structure).0
    };
    assert_eq!(found(1, 8, &[9]), []);
    let child = |n: usize| 32 + 28 * n + 24;
    // To itself, to another child, to the first page, to none.
    for to in [5u8, 3, 0, 6, 255] {
        assert_eq!(found(5, child(1), &[to]), [Code::BrokenChain], "{to}");
    }
    // A bound above and below what stands in the leaves.
    assert_eq!(found(5, 32 + 28, &[1]), [Code::BadPage]);
    assert_eq!(found(5, 32 + 28, &[0x55]), [Code::BadPage]);
    assert_eq!(found(5, 32, &[1]), [Code::BadPage]);
    assert_eq!(found(2, 32, &[0xff, 0xff]), [Code::BadPage]);
    // Counts, levels, root and kinds.
    assert_eq!(found(0, 48, &[0xaf]), [Code::CountMismatch]);
    assert_eq!(found(0, 36, &[1]), [Code::BrokenChain]);
    assert_eq!(found(0, 36, &[3]), [Code::BrokenChain]);
    assert_eq!(found(0, 36, &[9]), [Code::OutOfRange]);
    assert_eq!(found(0, 32, &[6]), [Code::OutOfRange]);
    assert_eq!(found(0, 40, &[5]), [Code::OutOfRange]);
    assert_eq!(found(0, 40, &[7]), [Code::Truncated]);
    assert_eq!(found(2, 5, &[1]), [Code::BadTag]);
    assert_eq!(found(2, 28, &[33]), [Code::BadPage]);
    // A root of one child: what the others hold is out of reach.
    let dir = tempfile::tempdir().unwrap();
    let place = place(&dir);
    bulk(&place, (0..400).map(|n| entry(n, n)), 0);
    patch(&place, 0, 32, &[1]);
    patch(&place, 0, 36, &[1]);
    patch(&place, 0, 48, &[84, 1]);
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
