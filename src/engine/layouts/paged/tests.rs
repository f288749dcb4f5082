//! Files of a table that was changed, damaged: indexes, maps, places of rows
//! that have moved.

use std::fs;
use std::os::unix::fs::FileExt;

use super::free_space_map::encode_block;
use super::heap::{LinePointer, State};
use super::key_index;
use crate::engine::layouts::paged::live::tests::{Bench, FILES, access, row};
use crate::engine::log::Batch;
use crate::engine::pages::address::{Lsn, RowId};
use crate::engine::pages::buffer_pool::PageBytes;
use crate::engine::pages::page::{PagePos, reseal};
use crate::engine::store::carry_out::tests::carry_out;
use crate::engine::table::{Ended, Level, TableFiles, check_table};
use crate::engine::tree::Tree;
use crate::file::LocalDisk;
use crate::finding::Code;

#[test]
fn an_index_that_is_missing_damaged_or_stale_is_made_anew() {
    let mut bench = Bench::new(Some(&[100; 500]));
    bench.insert(500, 100);
    bench.reopen();
    let path = bench.file("key.index");
    let whole = fs::read(&path).unwrap();
    let mut stale = Bench::new(Some(&[100; 502]));
    stale.reopen();
    let other = fs::read(stale.file("key.index")).unwrap();
    for bytes in [&b""[..], &whole[..8192], &other, &vec![0; 30_000]] {
        fs::write(&path, bytes).unwrap();
        // Left by a crash.
        fs::write(bench.file("key.index.new"), "half").unwrap();
        bench.live = FILES
            .live(&bench.table, bench.stored, &access(true))
            .unwrap();
        bench.check(&*bench.live, true);
        assert!(!bench.file("key.index.new").exists());
        assert_eq!(bench.codes(), []);
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(bench.codes(), [], "a table does without");
    // Who only reads writes nothing.
    drop(
        FILES
            .live(&bench.table, bench.stored, &access(false))
            .unwrap(),
    );
    assert!(!path.exists());
    fs::write(&path, &other).unwrap();
    assert_eq!(bench.codes(), [Code::DerivedDiffers]);
    // Of this state, with an entry less.
    fs::write(&path, &whole).unwrap();
    assert_eq!(bench.codes(), []);
    let place = key_index::index_place(&FILES.place(&bench.table));
    let mut tree = Tree::open(place, &access(true).pool).unwrap().unwrap();
    let first = tree.range(0..=u128::MAX).next().unwrap().unwrap();
    assert!(tree.remove(first).unwrap());
    let mut batch = Batch::new();
    tree.checkpoint(Lsn(1), &mut batch);
    carry_out(&LocalDisk, &batch);
    assert_eq!(bench.codes(), [Code::DerivedDiffers]);
}

#[test]
fn every_changed_byte_of_what_a_checkpoint_left_is_found() {
    let mut bench = Bench::new(Some(&[8144, 4000, 4088]));
    (0..3).for_each(|at| bench.end(at, u64::MAX));
    bench.insert(7, 9000);
    assert_eq!(bench.moved, 2);
    bench.reopen();
    let files = fs::read_dir(bench.dir.path().join("t")).unwrap();
    let paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    assert_eq!(paths.len(), 4);
    for path in paths {
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        for (offset, byte) in (0..).zip(fs::read(&path).unwrap()) {
            file.write_all_at(&[byte ^ (1 << (offset % 8))], offset)
                .unwrap();
            let codes = check_table(|check| {
                let verified = FILES.verify(&bench.table, bench.stored, Level::Checksums, check);
                verified.unwrap();
            });
            assert_eq!(codes.len(), 1, "{} at {offset}", path.display());
            file.write_all_at(&[byte], offset).unwrap();
        }
    }
    assert_eq!(bench.codes(), []);
}

/// Changes a line pointer of a directory with rows that have moved, gives the
/// page its checksum again, and says what is found.
fn with_pointer(slot: u16, change: impl FnOnce(&mut PageBytes, usize)) -> Vec<Code> {
    let mut bench = Bench::new(Some(&[199; 40]));
    (0..40).for_each(|at| bench.end(at, u64::MAX));
    bench.checkpoint();
    let path = bench.file("page_0000.dat");
    let mut bytes = fs::read(&path).unwrap();
    let page: &mut PageBytes = bytes.first_chunk_mut().unwrap();
    let moved: Vec<_> = (0..40)
        .filter(|slot| LinePointer::read(&page[..], *slot).state() == Some(State::Moved))
        .collect();
    assert_eq!(moved.len(), bench.moved);
    assert!(bench.moved > 1);
    let slot = *moved.get(usize::from(slot)).unwrap_or(&slot);
    change(page, LinePointer::read(&page[..], slot).offset);
    reseal(
        &mut page[..],
        &bench.table.address,
        PagePos {
            number: 0,
            lsn: Lsn(7),
        },
    );
    fs::write(&path, &bytes).unwrap();
    let codes = bench.codes();
    let read = FILES.open(&bench.table, bench.stored).and_then(|mut rows| {
        while rows.next_batch()?.is_some() {}
        Ok(())
    });
    // What verification calls whole can be read.
    assert!(read.is_ok() || !codes.is_empty());
    codes
}

#[test]
fn places_that_no_row_has_moved_to_are_found() {
    assert_eq!(with_pointer(0, |_, _| {}), []);
    // To a page that is not there, one of rows that have not moved, and a slot
    // that is not there.
    for (at, to) in [(0, 9), (0, 0), (4, 200)] {
        let codes = with_pointer(0, |page, tuple| page[tuple + at] = to);
        assert_eq!(codes[0], Code::BrokenChain, "{at} {to}");
    }
    // To where another row has moved.
    let codes = with_pointer(1, |page, tuple| page[tuple + 4] ^= 1);
    assert_eq!(codes, [Code::BrokenChain]);
    // A row that says that it has moved here, and nothing leads to it.
    let codes = with_pointer(39, |page, _| {
        let LinePointer { offset, len, .. } = LinePointer::read(&page[..], 5);
        let pointer = LinePointer::new(offset, len, State::MovedRow);
        page[LinePointer::position(5)..][..4].copy_from_slice(&pointer.encode());
    });
    assert_eq!(codes, [Code::BrokenChain, Code::CountMismatch]);
}

#[test]
fn a_wrong_map_breaks_no_insert() {
    let mut bench = Bench::new(Some(&[3000, 10_000, 3000, 3000, 3000]));
    bench.reopen();
    let path = bench.file("free_space.map");
    let count = fs::read(&path).unwrap().len() - 52;
    let offset = 48;
    let entries = |entry: u8| {
        let block = encode_block(&vec![entry; count], &bench.table.address, offset);
        [&fs::read(&path).unwrap()[..48], &block].concat()
    };
    let maps = [entries(255), entries(0), b"no map".to_vec(), vec![]];
    for map in maps {
        fs::write(&path, map).unwrap();
        bench.live = FILES
            .live(&bench.table, bench.stored, &access(true))
            .unwrap();
        for len in [10, 3000, 9000] {
            bench.insert(7, len);
        }
        bench.check(&*bench.live, true);
        // Not checkpointed: the next one starts from the same files.
        bench.versions.truncate(5);
        bench.log.clear();
    }
    fs::remove_file(&path).unwrap();
    bench.live = FILES
        .live(&bench.table, bench.stored, &access(true))
        .unwrap();
    bench.insert(7, 100);
    bench.reopen();
    bench.check(&*bench.live, true);
}

#[test]
fn what_is_not_there_is_not_ended() {
    let mut bench = Bench::new(Some(&[100, 10_000]));
    bench.end(0, 5);
    for id in [0, 9, 1 << 16, 2 << 16, 3 << 16, 1 << 48, u64::MAX] {
        assert_eq!(bench.live.end(RowId(id), 6, None).unwrap(), Ended::Not);
        let there = bench.live.read(RowId(id)).unwrap();
        assert_eq!(there.is_some(), id == 0, "{id}");
    }
    bench.check(&*bench.live, true);
}

#[test]
fn a_log_that_says_the_impossible_is_damage() {
    let bench = Bench::new(Some(&[100, 10_000]));
    let (_, bytes) = row(1, 1, 50);
    let insert = |at: u64| {
        let mut live = bench.replayed(false);
        live.insert(&bytes, Some(RowId(at)))
    };
    // The next slot, and that of a new page.
    assert!(insert(2).is_ok());
    assert!(insert(3 << 16).is_err() && insert(2 << 16).is_ok());
    // In use, not the next one, in an overflow page, beyond the next page.
    for at in [1, 3, 1 << 16, 2 << 16 | 1, 3 << 16, u64::MAX] {
        assert!(insert(at).is_err(), "{at}");
    }
}
