//! The layout append: what is written comes back, and lies as the format page
//! says.

use std::fs;

use rustdb_migrate::engine::{Layout, Level, Store};
use rustdb_migrate::model::{Row, Value};
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_128;

use crate::bytes::{crc, page_crc, seed, u32_at, u64_at};
use crate::sample::{
    Rows, catalog, database, full, one_table, origin, read_all, read_back, row, row_of_len, same,
    table, verified, write_as,
};

/// Data and index of the only table.
pub fn files_of(dir: &TempDir) -> (Vec<u8>, Vec<u8>) {
    let read = |name| fs::read(dir.path().join("db_d").join(name)).unwrap();
    (read("t.dat"), read("t.index"))
}

/// Offset, rows and payload length of each record, each checked.
pub fn records_of(data: &[u8]) -> Vec<(usize, u32, u32)> {
    let (mut at, mut records, mut first_row) = (48, Vec::new(), 0);
    while at < data.len() {
        assert_eq!(&data[at..at + 4], b"RREC");
        let (len, rows) = (u32_at(data, at + 4), u32_at(data, at + 8));
        assert_eq!(data[at + 12..at + 24], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(u64_at(data, at + 24), first_row);
        let end = at + 36 + len as usize;
        let parts = [&seed(0, 0, at), &data[at..at + 32], &data[at + 36..end]];
        assert_eq!(u32_at(data, at + 32), crc(&parts));
        records.push((at, rows, len));
        first_row += u64::from(rows);
        at = end;
    }
    assert_eq!(at, data.len());
    records
}

/// Key and value of each entry of an index of at most two levels, every page
/// checked.
pub fn entries_of(index: &[u8], data_len: usize) -> Vec<(u128, u64)> {
    let page = |number: usize| &index[number * 8192..][..8192];
    let count = index.len() / 8192;
    for number in 0..count {
        let crc = page_crc(&seed(0, 0, 1 << 32 | number), page(number));
        assert_eq!(&page(number)[..12], b"RDBXINDX\x01\0\0\0");
        assert_eq!(u32_at(page(number), 12), crc);
        assert_eq!(u32_at(page(number), 32) as usize, number);
        assert_eq!(page(number)[42..44], [0, 0x20]);
    }
    let first = page(0);
    assert_eq!(first[36], 3);
    assert_eq!(u32_at(first, 52) as usize, count);
    assert_eq!(u64_at(first, 68), data_len as u64);
    let (root, levels) = (u32_at(first, 44) as usize, u32_at(first, 48));
    assert_eq!(root, count - 1);
    let lower = |page: &[u8]| usize::from(u16::from_le_bytes([page[40], page[41]]));
    let leaves: Vec<_> = match levels {
        1 => vec![root],
        _ => {
            let root = page(root);
            let children = root[44..lower(root)].chunks(28);
            children.map(|child| u32_at(child, 24) as usize).collect()
        }
    };
    assert!(leaves.iter().copied().eq(1..=leaves.len()));
    let mut entries = Vec::new();
    for leaf in leaves {
        let leaf = page(leaf);
        assert_eq!((leaf[36], leaf[71]), (6, 0));
        let [skip, key_len, value_len] = [68, 69, 70].map(|at| usize::from(leaf[at]));
        for stored in leaf[72..lower(leaf)].chunks(key_len + value_len) {
            // What entries have in common, and what this one has itself.
            let mut entry: [u8; 24] = leaf[44..68].try_into().unwrap();
            entry[skip..skip + key_len].copy_from_slice(&stored[..key_len]);
            entry[16..16 + value_len].copy_from_slice(&stored[key_len..]);
            let key = u128::from_le_bytes(entry[..16].try_into().unwrap());
            entries.push((key, u64_at(&entry, 16)));
        }
        assert!(leaf[lower(leaf)..].iter().all(|byte| *byte == 0));
    }
    assert_eq!(u64_at(first, 60), entries.len() as u64);
    assert!(entries.is_sorted());
    entries
}

/// The key of a value that is no integer, by its bytes.
fn hashed(value: &[u8]) -> u128 {
    let class = u128::from(value[0] + 1) << 120;
    class | xxh3_128(value) & ((1 << 120) - 1)
}

/// The key of an Integer.
fn number(number: i64) -> u128 {
    3 << 120 | u128::from(number.cast_unsigned() ^ 1 << 63) << 56
}

fn dead(row: Row) -> Row {
    Row {
        xmax: Some(9),
        ..row
    }
}

#[test]
fn every_value_type_comes_back() {
    let (catalog, rows) = full();
    let dir = write_as(Layout::Append, &catalog, &rows);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.layout(), Layout::Append);
    assert_eq!(store.catalog(), &catalog);
    for (read, written) in read_all(&store).unwrap().iter().zip(&rows.0) {
        for (read, written) in read.iter().zip(written) {
            assert!(same(read, written));
        }
    }
    let file = |name: &str| dir.path().join(name);
    assert_eq!(
        store.files(0, 0).unwrap(),
        [file("db_shop/users.dat"), file("db_shop/users.index")]
    );
    // A table without columns has no key.
    assert_eq!(store.files(1, 0).unwrap(), [file("db_%53hop/none.dat")]);
    assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
}

#[test]
fn the_data_is_that_of_the_format_page() {
    let rows = vec![
        row(vec![Value::Integer(5)]),
        dead(row(vec![Value::Integer(6)])),
        row(vec![Value::Null]),
    ];
    let dir = one_table(Layout::Append, rows);
    let (data, index) = files_of(&dir);
    assert_eq!(&data[..8], b"RDBXAPND");
    assert_eq!(u32_at(&data, 8), 1);
    assert_eq!(&data[12..28], origin().cluster_id.to_le_bytes());
    assert_eq!((u64_at(&data, 28), u64_at(&data, 36)), (0, 0));
    assert_eq!(u32_at(&data, 44), crc(&[&data[..44]]));
    assert_eq!(records_of(&data), [(48, 3, 15)]);
    let rows = [0, 1, 1, 2, 10, 1, 1, 9, 1, 2, 12, 0, 1, 1, 0];
    assert_eq!(data[84..], rows);
    // One entry for each visible row.
    let expected = [(hashed(&[0]), 48 << 14 | 2), (number(5), 48 << 14)];
    assert_eq!(entries_of(&index, data.len()), expected);
}

#[test]
fn rows_share_a_record_up_to_16_kib_with_its_head() {
    let records = |lens: &[usize]| {
        let rows: Vec<_> = lens.iter().map(|len| row_of_len(*len)).collect();
        let dir = one_table(Layout::Append, rows.clone());
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(read_back(&store, 0, 0).unwrap(), rows);
        assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
        let records = records_of(&files_of(&dir).0);
        let of = records.iter().map(|(_, rows, len)| (*rows, *len));
        of.collect::<Vec<_>>()
    };
    assert_eq!(records(&[8174, 8174]), [(2, 16_348)]);
    assert_eq!(records(&[8174, 8175]), [(1, 8174), (1, 8175)]);
    assert_eq!(
        records(&[200, 16_349, 200]),
        [(1, 200), (1, 16_349), (1, 200)]
    );
}

#[test]
fn a_wide_row_has_a_record_of_its_own() {
    let wide = row(vec![Value::Text("w".repeat(3_000_000))]);
    let rows = vec![row_of_len(200), wide, row_of_len(200)];
    let dir = one_table(Layout::Append, rows.clone());
    assert_eq!(records_of(&files_of(&dir).0).len(), 3);
    assert_eq!(
        read_back(&Store::open(dir.path()).unwrap(), 0, 0).unwrap(),
        rows
    );
}

#[test]
fn tables_without_rows_or_columns_come_back() {
    let tables = vec![table("t", 1), table("none", 0)];
    let catalog = catalog(vec![database("d", tables)]);
    let rows = Rows(vec![vec![vec![], vec![row(vec![]); 20_000]]]);
    let dir = write_as(Layout::Append, &catalog, &rows);
    assert_eq!(read_all(&Store::open(dir.path()).unwrap()).unwrap(), rows.0);
    let (data, index) = files_of(&dir);
    assert_eq!((data.len(), index.len()), (48, 2 * 8192));
    assert!(!dir.path().join("db_d/none.index").exists());
    assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
}

#[test]
fn many_rows_come_back_and_each_visible_one_is_indexed() {
    let rows: Vec<_> = (0..30_000)
        .map(|n| {
            let row = row(vec![Value::Text(format!("row {n}"))]);
            if n % 10 == 9 { dead(row) } else { row }
        })
        .collect();
    let dir = one_table(Layout::Append, rows.clone());
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(read_back(&store, 0, 0).unwrap(), rows);
    let (data, index) = files_of(&dir);
    let records = records_of(&data);
    assert!(records.len() > 10);
    let entries = entries_of(&index, data.len());
    assert_eq!(entries.len(), 27_000);
    // Of a hash all bytes but the highest differ, of a value the lowest five.
    let leaves = 27_000usize.div_ceil((8192 - 60) / (15 + 5));
    assert_eq!(index.len(), (1 + leaves + 1) * 8192);
    // An entry leads to the row of its key.
    let mut row_index = 0;
    for (offset, count, _) in records {
        for n in row_index..row_index + count {
            let text = format!("row {n}");
            let key = [&[5, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
            let row = (offset as u64) << 14 | u64::from(n - row_index);
            let entry = (hashed(&key), row);
            assert_eq!(entries.binary_search(&entry).is_ok(), n % 10 != 9);
        }
        row_index += count;
    }
    assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
}

#[test]
fn a_key_that_stands_more_than_once_has_all_its_entries() {
    let twice = row(vec![Value::Integer(1)]);
    let between = row_of_len(16_340);
    let rows = vec![twice.clone(), twice.clone(), between, twice];
    let dir = one_table(Layout::Append, rows.clone());
    let (data, index) = files_of(&dir);
    assert_eq!(records_of(&data), [(48, 2, 10), (94, 2, 16_345)]);
    let entries = entries_of(&index, data.len());
    let of_key = entries.iter().filter(|(key, _)| *key == number(1));
    let rows_of_key: Vec<_> = of_key.map(|(_, row)| *row).collect();
    assert_eq!(rows_of_key, [48 << 14, 48 << 14 | 1, 94 << 14 | 1]);
    assert_eq!(
        read_back(&Store::open(dir.path()).unwrap(), 0, 0).unwrap(),
        rows
    );
    assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
}

#[test]
fn equal_input_gives_equal_bytes() {
    let rows: Vec<_> = (0..1000).map(|n| row(vec![Value::Integer(n)])).collect();
    let (a, b) = (
        one_table(Layout::Append, rows.clone()),
        one_table(Layout::Append, rows),
    );
    assert_eq!(files_of(&a), files_of(&b));
}
