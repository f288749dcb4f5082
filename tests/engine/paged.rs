//! The layout paged: what is written comes back, and lies as the format page
//! says.

use std::fs;
use std::path::Path;

use rustdb_migrate::engine::{CreateOptions, Layout, Level, MAX_PAGES_PER_FILE, Store, create};
use rustdb_migrate::error::Error;
use rustdb_migrate::model::Value;
use tempfile::TempDir;

use crate::bytes::{crc, page_crc, seed, u32_at, u64_at};
use crate::sample::{
    Rows, catalog, database, every_value, files_below, full, one_table, origin, paged, read_all,
    read_back, row, row_of_len, same, table, verified, write_as,
};

/// Names of the files of the only table, and what they hold.
pub fn files_of(dir: &TempDir) -> Vec<(String, Vec<u8>)> {
    let files = files_below(&dir.path().join("db_d/t")).into_keys();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.map(|p| (name(&p), fs::read(&p).unwrap())).collect()
}

/// The pages of the only table, each with the checksum of its place.
pub fn pages_of(dir: &TempDir) -> Vec<Vec<u8>> {
    let files = files_of(dir)
        .into_iter()
        .filter(|(n, _)| n != "free_space.map");
    let bytes: Vec<u8> = files.flat_map(|(_, bytes)| bytes).collect();
    let pages: Vec<_> = bytes.chunks(8192).map(<[u8]>::to_vec).collect();
    for (number, page) in pages.iter().enumerate() {
        let crc = page_crc(&seed(0, 0, number), page);
        assert_eq!(u32_at(page, 12), crc, "page {number}");
    }
    pages
}

fn u16_at(bytes: &[u8], at: usize) -> usize {
    u16::from_le_bytes([bytes[at], bytes[at + 1]]).into()
}

/// State, offset and length of each line pointer.
fn slots_of(page: &[u8]) -> Vec<(usize, usize, usize)> {
    let slots = page[44..u16_at(page, 40)].chunks(4);
    let slot = |s: &[u8]| (u16_at(s, 2) >> 13, u16_at(s, 0), u16_at(s, 2) & 0x1fff);
    slots.map(slot).collect()
}

#[test]
fn every_value_type_comes_back() {
    for pages_per_file in [1, 2, MAX_PAGES_PER_FILE] {
        let (catalog, rows) = full();
        let dir = write_as(paged(pages_per_file), &catalog, &rows);
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.layout(), Layout::Paged);
        for (read, written) in read_all(&store).unwrap().iter().zip(&rows.0) {
            for (read, written) in read.iter().zip(written) {
                assert!(same(read, written));
            }
        }
        let users = dir.path().join("db_shop/users");
        assert_eq!(
            store.files(0, 0).unwrap(),
            [users.join("page_0000.dat"), users.join("free_space.map")]
        );
        let empty = dir.path().join("db_shop/empty/free_space.map");
        assert_eq!(store.files(0, 1).unwrap(), [empty]);
        assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
    }
}

#[test]
fn a_heap_page_is_that_of_the_format_page() {
    let mut rows = vec![row(vec![Value::Integer(5)]), row(vec![Value::Null])];
    rows[1].xmax = Some(7);
    let dir = one_table(paged(1), rows);
    let pages = pages_of(&dir);
    assert_eq!(pages.len(), 1);
    let mut expected = vec![0; 8192];
    expected[..12].copy_from_slice(b"RDBXPAGE\x01\0\0\0");
    expected[12..16].copy_from_slice(&pages[0][12..16]);
    // No LSN, database 0, table 0, page 0; a heap page.
    expected[36] = 1;
    expected[40..42].copy_from_slice(&52u16.to_le_bytes());
    expected[42..44].copy_from_slice(&8180u16.to_le_bytes());
    expected[44..48].copy_from_slice(&[0xfa, 0x1f, 5, 0x20]);
    expected[48..52].copy_from_slice(&[0xf4, 0x1f, 5, 0x20]);
    expected[8186..8191].copy_from_slice(&[0, 1, 1, 2, 10]);
    expected[8180..8185].copy_from_slice(&[1, 1, 7, 1, 0]);
    assert_eq!(pages[0], expected);
}

#[test]
fn a_page_names_its_table_and_its_number() {
    let rows: Vec<_> = (0..3).map(|_| row_of_len(8000)).collect();
    let tables = vec![table("a", 1), table("t", 1)];
    let catalog = catalog(vec![database("x", vec![]), database("d", tables)]);
    let dir = write_as(paged(2), &catalog, &Rows(vec![vec![], vec![vec![], rows]]));
    let files = files_of(&dir);
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["free_space.map", "page_0000.dat", "page_0002.dat"]);
    assert_eq!((files[1].1.len(), files[2].1.len()), (16384, 8192));
    let page = &files[2].1;
    assert_eq!(
        (u32_at(page, 24), u32_at(page, 28), u32_at(page, 32)),
        (1, 1, 2)
    );
    assert_eq!(u32_at(page, 12), page_crc(&seed(1, 1, 2), page));
}

#[test]
fn the_control_file_keeps_the_pages_per_file() {
    for (options, expected) in [
        (paged(7), 7),
        (Layout::Paged.into(), 131_072),
        (Layout::PerTable.into(), 0),
    ] {
        let dir = one_table(options, vec![]);
        let bytes = fs::read(dir.path().join("control")).unwrap();
        for slot in [0, 4096] {
            assert_eq!(u32_at(&bytes, slot + 4088), expected);
            assert_eq!(bytes[slot + 44] == 1, expected != 0);
        }
    }
}

#[test]
fn pages_per_file_out_of_range_are_a_usage_error() {
    for pages_per_file in [0, MAX_PAGES_PER_FILE + 1] {
        let (catalog, rows) = full();
        let dir = tempfile::tempdir().unwrap();
        let options = paged(pages_per_file);
        let error = create(dir.path(), options, &catalog, &rows, &origin()).unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{error}");
        assert_eq!(files_below(dir.path()).len(), 0);
    }
}

#[test]
fn a_row_of_8144_bytes_fills_a_page_and_a_wider_one_overflows() {
    let lens = [8144, 8145];
    let rows: Vec<_> = lens.iter().map(|len| row_of_len(*len)).collect();
    let dir = one_table(Layout::Paged, rows.clone());
    let pages = pages_of(&dir);
    assert_eq!(pages.len(), 3);
    assert_eq!((u16_at(&pages[0], 40), u16_at(&pages[0], 42)), (48, 48));
    assert_eq!(slots_of(&pages[0]), [(1, 48, 8144)]);
    // 8145 = 29 in the head + 8116 in the only overflow page.
    assert_eq!(slots_of(&pages[1]), [(2, 8192 - 37, 37)]);
    assert_eq!(u32_at(&pages[1], 8192 - 37), 8145);
    assert_eq!(u32_at(&pages[1], 8192 - 33), 2);
    let overflow = &pages[2];
    assert_eq!(overflow[36], 2);
    assert_eq!((u16_at(overflow, 40), u16_at(overflow, 42)), (76, 76));
    assert_eq!((u32_at(overflow, 44), u32_at(overflow, 48)), (1, 0));
    assert_eq!((u32_at(overflow, 52), u32_at(overflow, 56)), (0, u32::MAX));
    assert_eq!(u32_at(overflow, 60), 8145);
    assert!(overflow[64..76].iter().all(|byte| *byte == 0));
    assert!(overflow[76..].iter().all(|byte| *byte == b'x'));
    assert_eq!(
        read_back(&Store::open(dir.path()).unwrap(), 0, 0).unwrap(),
        rows
    );
    assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
}

#[test]
fn the_first_11_bytes_of_a_wide_row_stay_in_its_heap_page() {
    // Twice 8116 and 10 would leave 10 for the head: one overflow page less.
    for (len, inline, pages) in [(16_241, 8125, 2), (16_242, 8126, 2), (16_243, 11, 3)] {
        let dir = one_table(Layout::Paged, vec![row_of_len(len)]);
        let all = pages_of(&dir);
        assert_eq!(all.len(), pages, "{len}");
        assert_eq!(slots_of(&all[0]), [(2, 8192 - 8 - inline, 8 + inline)]);
        assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
    }
}

#[test]
fn short_rows_share_pages_and_take_at_least_6_bytes() {
    let rows = vec![row(vec![]); 2000];
    let catalog = catalog(vec![database("d", vec![table("t", 0)])]);
    let dir = write_as(Layout::Paged, &catalog, &Rows(vec![vec![rows.clone()]]));
    let pages = pages_of(&dir);
    // 10 bytes each of the 8148.
    assert_eq!(slots_of(&pages[0]).len(), 814);
    assert_eq!(slots_of(&pages[0])[..2], [(1, 8186, 3), (1, 8180, 3)]);
    assert_eq!(pages.len(), 3);
    assert_eq!(
        read_back(&Store::open(dir.path()).unwrap(), 0, 0).unwrap(),
        rows
    );
    assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
}

#[test]
fn rows_of_any_width_come_back_in_their_order() {
    let text = |len: usize| row(vec![Value::Text("y".repeat(len))]);
    // The widest takes more pages than are written at once.
    let lens = [10, 20_000, 10, 3_000_000, 8_000, 10, 9_000, 100_000];
    let rows: Vec<_> = lens.iter().map(|len| text(*len)).collect();
    for pages_per_file in [1, 2, 100, MAX_PAGES_PER_FILE] {
        let dir = one_table(paged(pages_per_file), rows.clone());
        let store = Store::open(dir.path()).unwrap();
        assert!(read_back(&store, 0, 0).unwrap() == rows);
        assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
        let files = store.files(0, 0).unwrap().len() as u64 - 1;
        let pages = pages_of_store(&store);
        assert_eq!(files, pages.div_ceil(pages_per_file.into()));
    }
}

fn pages_of_store(store: &Store) -> u64 {
    let files = store.files(0, 0).unwrap();
    let lens = files.iter().map(|path| fs::metadata(path).unwrap().len());
    lens.filter(|len| len % 8192 == 0).sum::<u64>() / 8192
}

#[test]
fn many_rows_come_back() {
    let rows: Vec<_> = (0..30_000)
        .map(|n| row(vec![Value::Text(format!("row {n} {}", "z".repeat(n % 97)))]))
        .collect();
    let dir = one_table(paged(3), rows.clone());
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(read_back(&store, 0, 0).unwrap(), rows);
    assert_eq!(store.live_count(0, 0), 30_000);
    let full: usize = pages_of(&dir).iter().map(|page| slots_of(page).len()).sum();
    assert_eq!(full, 30_000);
}

#[test]
fn batches_that_print_much_text_are_cut_and_lose_nothing() {
    let near = |second: usize| format!("2020-01-01T00:00:{:02}Z", second % 32);
    let rows: Vec<_> = (0..20_000)
        .map(|n| row(vec![Value::TimestampTz(near(n)); 8]))
        .collect();
    let wide = row((0..40_000).map(|n| Value::TimestampTz(near(n))).collect());
    let tables = vec![table("narrow", 8), table("wide", 40_000)];
    let catalog = catalog(vec![database("d", tables)]);
    let rows = Rows(vec![vec![rows, vec![wide.clone(), wide]]]);
    let dir = write_as(Layout::Paged, &catalog, &rows);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(read_all(&store).unwrap(), rows.0);
    assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
}

#[test]
fn the_free_space_map_has_a_byte_a_page() {
    let lens = [8144, 8145, 8000, 200];
    let rows: Vec<_> = lens.iter().map(|len| row_of_len(*len)).collect();
    let dir = one_table(paged(1), rows);
    let (name, map) = files_of(&dir).remove(0);
    assert_eq!(name, "free_space.map");
    assert_eq!(&map[..8], b"RDBXFREE");
    assert_eq!(u32_at(&map, 8), 1);
    assert_eq!(&map[12..28], origin().cluster_id.to_le_bytes());
    assert_eq!((u64_at(&map, 28), u64_at(&map, 36)), (0, 0));
    assert_eq!(u32_at(&map, 44), crc(&[&map[..44]]));
    // Full; head and the row of 8000 bytes; its overflow page; the last row.
    assert_eq!(map[48..52], [0, 3, 0, 248]);
    let free = 8192 - 48 - 37 - 4 - 8000;
    assert_eq!(free / 32, 3);
    assert_eq!(u32_at(&map, 52), crc(&[&seed(0, 0, 48), &map[48..52]]));
    assert_eq!(map.len(), 56);
}

#[test]
fn the_map_has_blocks_of_4092_pages() {
    // A row of 4092 overflow pages and its head.
    let len = 4092 * 8116 + 100;
    let dir = one_table(Layout::Paged, vec![row(vec![Value::Text("w".repeat(len))])]);
    let (_, map) = files_of(&dir).remove(0);
    assert_eq!(map.len(), 48 + 4092 + 4 + 1 + 4);
    for (at, len) in [(48, 4092), (48 + 4096, 1)] {
        let end = at + len;
        let parts = [&seed(0, 0, at), &map[at..end]];
        assert_eq!(u32_at(&map, end), crc(&parts));
    }
    assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
}

#[test]
fn a_table_without_rows_has_a_map_and_no_pages() {
    let dir = one_table(Layout::Paged, vec![]);
    let files = files_of(&dir);
    assert_eq!(files.len(), 1);
    assert_eq!(
        (files[0].0.as_str(), files[0].1.len()),
        ("free_space.map", 48)
    );
    assert_eq!(
        read_back(&Store::open(dir.path()).unwrap(), 0, 0).unwrap(),
        []
    );
    assert_eq!(verified(dir.path(), Level::Structure).findings(), []);
}

#[test]
fn reading_needs_no_free_space_map() {
    let dir = one_table(Layout::Paged, every_value()[..0].to_vec());
    fs::remove_file(dir.path().join("db_d/t/free_space.map")).unwrap();
    assert_eq!(
        read_back(&Store::open(dir.path()).unwrap(), 0, 0).unwrap(),
        []
    );
    let dir = one_table(CreateOptions::from(Layout::Paged), vec![row_of_len(200)]);
    fs::remove_file(dir.path().join("db_d/t/free_space.map")).unwrap();
    let rows = read_back(&Store::open(dir.path()).unwrap(), 0, 0).unwrap();
    assert_eq!(rows, [row_of_len(200)]);
    let report = verified(dir.path(), Level::Checksums);
    assert_eq!(report.findings().len(), 1);
}
