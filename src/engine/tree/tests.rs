//! Trees against ordered sets, and their bytes.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::engine::log::Batch;
use crate::engine::pages::address::{Lsn, TableAddress};
use crate::engine::pages::buffer_pool::BufferPool;
use crate::engine::store::carry_out::tests::carry_out;
use crate::engine::table::{Level, check_table};
use crate::engine::tree::writer::TreeWriter;
use crate::file::{LocalDisk, SourceFile};
use crate::finding::Code;

pub(super) fn place(dir: &TempDir) -> TreePlace {
    TreePlace {
        disk: LocalDisk::shared(),
        path: dir.path().join("t.index"),
        address: TableAddress {
            cluster_id: 77,
            lsns: crate::engine::pages::address::Lsns::ANY,
            database: 1,
            table: 2,
        },
    }
}

pub(super) fn entry(key: u64, value: u64) -> Entry {
    Entry {
        key: key.into(),
        value,
    }
}

/// One that has little in common with its neighbours: 369 of them fill a leaf.
pub(super) fn wide(n: u64) -> Entry {
    let low = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Entry {
        key: u128::from(n) << 96 | u128::from(low),
        value: low.swap_bytes(),
    }
}

/// Writes a new file of entries in order.
pub(super) fn bulk(place: &TreePlace, entries: impl IntoIterator<Item = Entry>, stamp: u64) {
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
pub(super) fn verified(place: &TreePlace, level: Level) -> (Vec<Code>, Vec<Entry>) {
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
    let page = page * 8192;
    let end = page + usize::from(u16_at(page + 40));
    assert_eq!(bytes[page + 36], if level == 0 { 6 } else { 5 });
    if level > 0 {
        for at in (page + 44..end).step_by(28) {
            decoded(bytes, u32_at(at + 24) as usize, level - 1, entries);
        }
        return;
    }
    let [skip, key_len, value_len, 0] = bytes[page + 68..page + 72] else {
        panic!("no leaf");
    };
    let [skip, key_len, value_len] = [skip, key_len, value_len].map(usize::from);
    for at in (page + 72..end).step_by(key_len + value_len) {
        let mut whole: [u8; 24] = bytes[page + 44..page + 68].try_into().unwrap();
        whole[skip..skip + key_len].copy_from_slice(&bytes[at..at + key_len]);
        let value = &bytes[at + key_len..at + key_len + value_len];
        whole[16..16 + value_len].copy_from_slice(value);
        let (key, value) = whole.split_at(16);
        let key = u128::from_le_bytes(key.try_into().unwrap());
        let value = u64::from_le_bytes(value.try_into().unwrap());
        entries.push(Entry { key, value });
    }
}

/// The first entry of each leaf of a new tree, and the end: a leaf takes entries
/// as long as those bytes in which they differ have room.
fn leaf_starts(entries: &[Entry]) -> Vec<u64> {
    let (mut starts, mut first) = (vec![0], 0);
    let mut differs = [false; 24];
    for (at, entry) in entries.iter().enumerate() {
        let mut with = differs;
        let pairs = entry.to_bytes().into_iter().zip(entries[first].to_bytes());
        for (differs, (a, b)) in with.iter_mut().zip(pairs) {
            *differs |= a != b;
        }
        let span = |part: &[bool]| {
            let first = part.iter().position(|differs| *differs);
            let last = part.iter().rposition(|differs| *differs);
            first.zip(last).map_or(0, |(first, last)| last + 1 - first)
        };
        let value_len = with[16..].iter().rposition(|differs| *differs);
        let width = span(&with[..16]) + value_len.map_or(1, |last| last + 1);
        if (at - first + 1) * width > 8192 - 72 {
            starts.push(at as u64);
            (first, with) = (at, [false; 24]);
        }
        differs = with;
    }
    starts.push(entries.len() as u64);
    starts
}

#[test]
fn a_bulk_tree_is_that_of_the_format_page() {
    let entries: Vec<_> = (0..700_000).map(|n| entry(n * 0x1_0001, n)).collect();
    let starts = leaf_starts(&entries);
    // A leaf, a full leaf, one more, a full inner page, one more, three levels.
    let (leaf, inner) = (starts[1], starts[291]);
    for count in [0u64, 1, leaf, leaf + 1, inner, inner + 1, 700_000] {
        let dir = tempfile::tempdir().unwrap();
        let place = place(&dir);
        let entries = &entries[..usize::try_from(count).unwrap()];
        bulk(&place, entries.iter().copied(), 5);
        let bytes = fs::read(&place.path).unwrap();
        let number = |at: usize, len: usize| {
            let mut le = [0; 8];
            le[..len].copy_from_slice(&bytes[at..at + len]);
            u64::from_le_bytes(le)
        };
        assert_eq!((bytes[36], number(40, 2), number(42, 2)), (3, 76, 8192));
        assert_eq!((number(16, 8), number(24, 4), number(28, 4)), (3, 1, 2));
        let leaves = starts.partition_point(|start| *start < count).max(1) as u64;
        let inner = if leaves > 1 { leaves.div_ceil(291) } else { 0 };
        let top = u64::from(inner > 1);
        let pages = 1 + leaves + inner + top;
        let height = 1 + u64::from(inner > 0) + top;
        assert_eq!((number(48, 4), number(52, 4)), (height, pages));
        assert_eq!((number(60, 8), number(68, 8)), (count, 5));
        assert_eq!(bytes.len() as u64, pages * 8192);
        let mut found = Vec::new();
        let root = usize::try_from(number(44, 4)).unwrap();
        decoded(&bytes, root, u32::try_from(height - 1).unwrap(), &mut found);
        assert!(found == entries);
        assert!(whole(&place) == entries);
        // Equal entries give equal bytes.
        fs::rename(&place.path, dir.path().join("first")).unwrap();
        bulk(&place, entries.iter().copied(), 5);
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
    let entries: Vec<_> = (0..120_000).map(wide).collect();
    for entry in &entries {
        assert!(tree.insert(*entry).unwrap());
    }
    tree.set_stamp(8);
    checkpoint(&mut tree);
    // As many leaves as in a new tree, 2 inner pages, a root and the first page.
    let leaves = leaf_starts(&entries).len() - 1;
    assert_eq!(leaves, 326);
    let len = fs::metadata(&place.path).unwrap().len();
    assert_eq!(len, (leaves as u64 + 2 + 1 + 1) * 8192);
    assert!(whole(&place) == entries);
    drop(tree);
    let tree = open(&place, &pool);
    assert_eq!((tree.stamp(), tree.entry_count()), (8, 120_000));
    let (some, last) = (wide(77_777), wide(119_999));
    assert_eq!(tree.values(some.key).unwrap(), [some.value]);
    assert_eq!(first_from(&tree, last.key), Some(last));
    assert_eq!(first_from(&tree, last.key + 1), None);
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
    /// Among narrow entries, so that full leaves have to be halved again and again.
    Wide(u16),
    Serial(u16),
    Lookup(u16),
    Reopen,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        600 => (any::<u16>(), 0..4u8).prop_map(|(key, value)| Op::Insert(key, value)),
        400 => (any::<u16>(), 0..4u8).prop_map(|(key, value)| Op::Remove(key, value)),
        20 => any::<u16>().prop_map(Op::Wide),
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
                Op::Wide(n) => {
                    let wide = Entry { key: wide(n.into()).key >> 96, ..wide(n.into()) };
                    prop_assert_eq!(tree.insert(wide).unwrap(), model.insert(wide));
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
}
