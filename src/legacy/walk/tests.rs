#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::num::NonZeroUsize;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::codec::{ByteWriter, encode_row, pack_row};
use crate::legacy::RowReader;
use crate::model::{RowStream, ValueRef};

/// A row of a number and a text; every seventh is dead.
fn push_row(w: &mut ByteWriter, number: u64, text: &str) {
    let values = [
        ValueRef::Integer(i64::try_from(number).unwrap()),
        ValueRef::Text(text),
    ];
    let xmax = (number % 7 == 3).then_some(number);
    encode_row(w, &pack_row(values, number / 3 + 1, xmax).as_row());
}

/// Rows that a text holds: whoever looks for rows finds them.
fn rows_in_a_text(count: u64) -> String {
    let mut w = ByteWriter::new();
    // Numbers of one byte, so that all of it is UTF-8.
    (0..count).for_each(|number| push_row(&mut w, number % 100, "inside"));
    String::from_utf8(w.into_vec()).unwrap()
}

fn file(rows: &[String], after: &[u8]) -> (Arc<SourceFile>, u64) {
    let mut w = ByteWriter::new();
    (0..)
        .zip(rows)
        .for_each(|(n, text)| push_row(&mut w, n, text));
    let end = w.len() as u64;
    w.raw(after);
    (SourceFile::in_memory(Path::new("rows"), w.into_vec()), end)
}

fn walk(file: &Arc<SourceFile>, count: u64, stretch_len: u64, threads: usize) -> Result<RowExtent> {
    let mut window = Window::new(file.clone(), 0..file.len());
    let walk = Walk {
        threads: Threads::new(NonZeroUsize::new(threads).unwrap()),
        stretch_len,
    };
    let extent = walk.rows(&mut window, count, 2)?;
    assert_eq!(window.offset(), extent.range.end);
    Ok(extent)
}

/// In one stretch, as every walk could be done.
fn undivided(file: &Arc<SourceFile>, count: u64) -> Result<RowExtent> {
    walk(file, count, u64::MAX, 1)
}

type Told = (u64, u64, u64, u64);

fn told(extent: &RowExtent) -> Told {
    let RowExtent {
        count,
        live,
        max_xmin,
        ..
    } = *extent;
    (extent.range.end, count, live, max_xmin)
}

/// The numbers of all rows, read part by part.
fn numbers(extent: &RowExtent) -> Vec<i64> {
    let mut numbers = Vec::new();
    for part in 0..extent.part_count() {
        let mut reader = RowReader::of_part(extent, part);
        while let Some(batch) = reader.next_batch().unwrap() {
            numbers.extend(batch.rows().map(|row| match row.value(0) {
                Some(ValueRef::Integer(number)) => number,
                other => panic!("{other:?}"),
            }));
        }
    }
    numbers
}

#[test]
fn a_divided_walk_finds_what_an_undivided_one_finds() {
    let rows: Vec<_> = (0..20_000).map(|n| "x".repeat(n % 97)).collect();
    let (file, end) = file(&rows, b"and what follows the table");
    let whole = undivided(&file, 20_000).unwrap();
    assert_eq!(whole.range.end, end);
    for stretch_len in [500, 4096, 100_000] {
        for threads in [1, 2, 5] {
            let divided = walk(&file, 20_000, stretch_len, threads).unwrap();
            assert_eq!(told(&divided), told(&whole));
            assert_eq!(numbers(&divided), Vec::from_iter(0..20_000));
        }
    }
}

#[test]
fn parts_do_not_depend_on_the_threads() {
    let rows: Vec<_> = (0..20_000).map(|n| "x".repeat(n % 97)).collect();
    let (file, _) = file(&rows, b"");
    let parts = |threads| {
        let extent = walk(&file, 20_000, 20_000, threads).unwrap();
        let parts = 0..extent.part_count();
        parts.map(|part| extent.part(part)).collect::<Vec<_>>()
    };
    assert!(parts(1).len() > 50);
    assert_eq!(parts(1), parts(2));
    assert_eq!(parts(1), parts(7));
}

#[test]
fn rows_inside_a_text_are_no_rows() {
    // Stretches start inside the texts.
    let inside = rows_in_a_text(400);
    let mut rows = vec!["a".to_owned(); 1200];
    rows.extend((0..60).map(|_| inside.clone()));
    rows.extend(vec!["b".to_owned(); 3000]);
    let (file, _) = file(&rows, b"");
    let count = rows.len() as u64;
    let whole = undivided(&file, count).unwrap();
    for stretch_len in [700, 5000, 50_000] {
        let divided = walk(&file, count, stretch_len, 2).unwrap();
        assert_eq!(told(&divided), told(&whole));
        assert_eq!(numbers(&divided), Vec::from_iter(0..count.cast_signed()));
    }
}

#[test]
fn rows_wider_than_stretches_are_walked_too() {
    let wide = "w".repeat(3 << 20);
    let mut rows = vec!["narrow".to_owned(); 1100];
    rows.extend([wide.clone(), "between".into(), wide]);
    rows.extend(vec!["narrow".to_owned(); 5000]);
    let (file, _) = file(&rows, b"");
    let count = rows.len() as u64;
    let whole = undivided(&file, count).unwrap();
    for threads in [1, 2] {
        let divided = walk(&file, count, 10_000, threads).unwrap();
        assert_eq!(told(&divided), told(&whole));
        assert_eq!(numbers(&divided), Vec::from_iter(0..count.cast_signed()));
    }
}

#[test]
fn rows_of_the_next_table_are_not_taken() {
    let mut rows = vec!["long enough that fewer are expected".repeat(8); 1100];
    rows.extend(vec![String::new(); 900]);
    let mut next = ByteWriter::new();
    (0..9000).for_each(|number| push_row(&mut next, number, "of the next table"));
    let (file, end) = file(&rows, next.as_slice());
    for threads in [1, 2, 4] {
        let divided = walk(&file, 2000, 3000, threads).unwrap();
        assert_eq!((divided.range.end, divided.count), (end, 2000));
        assert_eq!(numbers(&divided), Vec::from_iter(0..2000));
    }
}

#[test]
fn a_count_that_nothing_stands_behind_is_refused() {
    let (file, end) = file(&vec![String::new(); 3000], b"");
    let error = walk(&file, 3001, 1000, 2).unwrap_err();
    let Error::Damage(damage) = error else {
        panic!("{error}");
    };
    assert_eq!((damage.offset, damage.code), (end, Code::Truncated));
    let error = walk(&file, u64::MAX, 1000, 2).unwrap_err();
    assert!(matches!(error, Error::Damage(damage) if damage.code == Code::BadLength));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Also of damaged bytes the divided walk says what the undivided one says.
    #[test]
    fn damage_is_where_an_undivided_walk_finds_it(
        lens in prop::collection::vec(0_usize..80, 1100..1800),
        stretch_len in 200_u64..20_000,
        threads in 1_usize..4,
        damaged in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let rows: Vec<_> = lens.iter().map(|len| "y".repeat(*len)).collect();
        let mut w = ByteWriter::new();
        (0..).zip(&rows).for_each(|(n, text)| push_row(&mut w, n, text));
        let mut bytes = w.into_vec();
        if let Some((at, byte)) = damaged {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let file = SourceFile::in_memory(Path::new("rows"), bytes);
        let count = rows.len() as u64;
        let found = |extent: Result<RowExtent>| match extent {
            Ok(extent) => Ok(told(&extent)),
            Err(error) => Err(error.to_string()),
        };
        let divided = found(walk(&file, count, stretch_len, threads));
        prop_assert_eq!(divided, found(undivided(&file, count)));
    }
}
