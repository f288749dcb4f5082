//! Rows through a window: units wider than it, exactly as wide, and access by
//! index past its marks.

use std::fs;

use rustdb_migrate::file::DEFAULT_WINDOW_LEN;
use rustdb_migrate::legacy::{RowExtent, RowReader, Snapshot, read_rows_at};

use crate::support::content::{column, fresh_instance, int, table, text};
use crate::support::convert::{instance, reencode, row, scan, stream};
use crate::support::model::{DataType, Family, Instance, Row, Table, Value, encode_instance};

const FAMILY: Family = Family::V1_4;
/// Bytes of a row of one text value, beside the text: value count, tag, text
/// length, xmin, no xmax.
const ROW_OVERHEAD: usize = 8 + 4 + 8 + 8 + 1;

fn version(values: Vec<Value>) -> Row {
    Row {
        values,
        xmin: 1,
        xmax: None,
    }
}

fn wide(len: usize) -> Row {
    version(vec![text(&"w".repeat(len))])
}

/// A table `t` of one text column.
fn texts(rows: Vec<Row>) -> Table {
    Table {
        rows,
        ..table("t", vec![column("c", DataType::Text)])
    }
}

/// An instance of one database with one table.
fn holding(table: Table) -> Instance {
    let mut instance = fresh_instance();
    let tables = &mut instance.databases[0].1.tables;
    tables.push((table.name.clone(), table));
    instance
}

struct Scanned {
    snapshot: Snapshot,
    rows: Vec<Row>,
    // Kept so that the file outlives the test.
    _path: tempfile::TempPath,
}

impl Scanned {
    /// Writes a table's snapshot with bincode and reads it with the tool.
    fn of(table: Table) -> Self {
        let rows = table.rows.clone();
        let original = holding(table);
        let bytes = encode_instance(FAMILY, &original);
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        fs::write(&path, &bytes).unwrap();
        let snapshot = scan(&path, Some(FAMILY)).unwrap();
        let mut expected = original;
        // Family 1.4 has no owner.
        expected.databases[0].1.tables[0].1.owner.0.clear();
        assert!(instance(&snapshot).unwrap() == expected);
        assert!(reencode(&snapshot, None) == bytes);
        Scanned {
            snapshot,
            rows,
            _path: path,
        }
    }

    fn extent(&self) -> &RowExtent {
        self.snapshot.extent(0, 0).unwrap()
    }

    fn at(&self, indexes: &[u64]) -> Vec<(u64, Row)> {
        let mut found = Vec::new();
        read_rows_at(
            self.extent(),
            indexes.iter().copied(),
            |index, found_row| {
                found.push((index, row(&found_row)));
            },
        )
        .unwrap();
        found
    }
}

#[test]
fn a_row_of_exactly_the_window_and_one_byte_around_it() {
    for len in [
        DEFAULT_WINDOW_LEN - 1,
        DEFAULT_WINDOW_LEN,
        DEFAULT_WINDOW_LEN + 1,
    ] {
        let rows = vec![wide(3), wide(len - ROW_OVERHEAD), wide(5)];
        let scanned = Scanned::of(texts(rows));
        assert_eq!(scanned.extent().count, 3, "{len}");
    }
}

#[test]
fn a_value_of_exactly_the_window() {
    let scanned = Scanned::of(texts(vec![wide(DEFAULT_WINDOW_LEN), wide(0)]));
    let range = &scanned.extent().range;
    let expected = DEFAULT_WINDOW_LEN + 2 * ROW_OVERHEAD;
    assert_eq!(range.end - range.start, expected as u64);
}

#[test]
fn rows_wider_than_several_windows_between_narrow_ones() {
    let lens = [
        0,
        3 * DEFAULT_WINDOW_LEN + 17,
        1,
        2 * DEFAULT_WINDOW_LEN,
        700_001,
        2,
    ];
    let scanned = Scanned::of(texts(lens.map(wide).to_vec()));
    assert_eq!(scanned.at(&[1, 4, 5]).len(), 3);
    for (index, found) in scanned.at(&[0, 1, 2, 3, 4, 5]) {
        assert!(
            found == scanned.rows[usize::try_from(index).unwrap()],
            "{index}"
        );
    }
}

#[test]
fn columns_wider_than_the_window() {
    let name = "n".repeat(DEFAULT_WINDOW_LEN + 1);
    let mut wide = table("t", vec![column(&name, DataType::Text)]);
    wide.rows.push(version(vec![text("x")]));
    assert_eq!(Scanned::of(wide).extent().live, 1);
}

/// 3,000 rows of varied width, every third dead.
fn three_thousand() -> Scanned {
    let rows = (0..3000u64).map(|at| {
        let width = usize::try_from(at * 37 % 401).unwrap();
        let values = vec![int(at.cast_signed()), text(&"v".repeat(width))];
        Row {
            values,
            xmin: 1 + at % 7,
            xmax: at.is_multiple_of(3).then_some(9),
        }
    });
    let columns = vec![column("id", DataType::Integer), column("v", DataType::Text)];
    Scanned::of(Table {
        rows: rows.collect(),
        ..table("t", columns)
    })
}

#[test]
fn a_walk_counts_live_dead_and_the_largest_xmin() {
    let scanned = three_thousand();
    let extent = scanned.extent();
    assert_eq!(
        (extent.count, extent.live, extent.dead()),
        (3000, 2000, 1000)
    );
    assert_eq!((extent.max_xmin, extent.arity), (7, 2));
}

#[test]
fn starting_at_any_index_equals_the_rest_of_the_plain_stream() {
    let scanned = three_thousand();
    for index in [
        0,
        1,
        1023,
        1024,
        1025,
        2047,
        2048,
        2049,
        2999,
        3000,
        3001,
        u64::MAX,
    ] {
        let mut reader = RowReader::starting_at(scanned.extent(), index).unwrap();
        let rest = stream(&mut reader).unwrap();
        let from = usize::try_from(index.min(3000)).unwrap();
        assert!(rest == scanned.rows[from..], "{index}");
    }
}

#[test]
fn rows_at_indexes_equal_the_plain_stream() {
    let scanned = three_thousand();
    let around = [0, 1, 2, 1022, 1023, 1024, 1025, 2047, 2048, 2998, 2999];
    for indexes in [
        &around[..],
        &[2999],
        &[],
        &[5, 5, 1024, 1024],
        &[2048, 3, 2048],
    ] {
        let found = scanned.at(indexes);
        let expected: Vec<_> = indexes
            .iter()
            .map(|at| (*at, scanned.rows[usize::try_from(*at).unwrap()].clone()))
            .collect();
        assert!(found == expected, "{indexes:?}");
    }
    let all: Vec<u64> = (0..3000).collect();
    let rows: Vec<_> = scanned.at(&all).into_iter().map(|(_, row)| row).collect();
    assert!(rows == scanned.rows);
}

#[test]
fn indexes_past_the_end_are_passed_over() {
    let scanned = three_thousand();
    assert_eq!(scanned.at(&[3000, u64::MAX]), []);
    assert_eq!(scanned.at(&[2999, 3000]).len(), 1);
}

#[test]
fn tables_of_1023_1024_1025_and_no_rows() {
    for count in [0, 1023, 1024, 1025] {
        let scanned = Scanned::of(texts(vec![wide(1); count]));
        let last = count as u64;
        assert_eq!(scanned.extent().count, last);
        let mut reader = RowReader::starting_at(scanned.extent(), last.saturating_sub(1)).unwrap();
        assert_eq!(stream(&mut reader).unwrap().len(), count.min(1), "{count}");
    }
}

#[test]
fn two_thousand_rows_without_a_column() {
    let mut empty = table("t", vec![]);
    empty.rows = vec![version(vec![]); 2000];
    let scanned = Scanned::of(empty);
    assert_eq!(scanned.extent().count, 2000);
    assert_eq!(scanned.at(&[1999]), [(1999, version(vec![]))]);
}

#[test]
fn a_file_that_shrank_after_the_walk_is_an_error() {
    let scanned = three_thousand();
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&scanned._path)
        .unwrap();
    file.set_len(scanned.extent().range.start + 10).unwrap();
    assert!(stream(&mut RowReader::new(scanned.extent())).is_err());
}
