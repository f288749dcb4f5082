//! Keys and foreign keys, in bounded memory.
//!
//! A column whose values rise, as numbers that a server gave out do, has no
//! value twice: one pass shows it. Those of any other are compared by hashes of
//! 128 bits, which are sorted through a temporary file. When two values are
//! equal is said by a [`KeyOf`]: the server goes by tag and value, other
//! servers do not.

use std::ops::ControlFlow;

use crate::codec::{ByteWriter, ContentHash, sortable};
use crate::engine::{Entry, Sorter};
use crate::error::Result;
use crate::legacy::encode_value;
use crate::model::{RowSource, ValueRef};
use crate::work::Threads;

use super::Tally;

/// Values of a referenced column that are held: 16 MiB of hashes. Rows that
/// refer to more are sorted together with them.
const MAX_HELD: u64 = 1 << 20;

/// Before the integers of a stored key; no tag of the encoding starts with it.
const SMALL_INT: u8 = b's';
const INTEGER: u8 = b'i';

/// Appends bytes that are the same for equal values; false for what equals nothing.
/// Values that a server gave out one after the other get bytes that rise.
pub(in crate::commands) type KeyOf<'k> = &'k dyn Fn(&mut Vec<u8>, &ValueRef<'_>) -> bool;

/// One column of one table, and when two of its values are equal.
#[derive(Clone, Copy)]
pub(in crate::commands) struct ColumnAt<'k> {
    /// Positions of database and table.
    pub table: (usize, usize),
    /// Position of the column.
    pub column: usize,
    /// When two values are equal.
    pub key: KeyOf<'k>,
}

/// As the server goes by: tag and value, and NULL equals nothing.
pub(super) fn stored_key(out: &mut Vec<u8>, value: &ValueRef<'_>) -> bool {
    match *value {
        ValueRef::Null => return false,
        ValueRef::SmallInt(value) => {
            out.push(SMALL_INT);
            out.extend_from_slice(&sortable(value.into()).to_be_bytes());
        }
        ValueRef::Integer(value) => {
            out.push(INTEGER);
            out.extend_from_slice(&sortable(value).to_be_bytes());
        }
        _ => {
            let mut writer = ByteWriter::from(std::mem::take(out));
            encode_value(&mut writer, value);
            *out = writer.into_vec();
        }
    }
    true
}

/// Visible rows whose value another visible row has too.
pub(in crate::commands) fn repeated(rows: &dyn RowSource, at: ColumnAt<'_>) -> Result<Tally> {
    match rise(rows, at)? {
        true => Ok(Tally::default()),
        false => repeated_of_any_order(rows, at),
    }
}

/// Whether each value comes after all before it.
fn rise(rows: &dyn RowSource, at: ColumnAt<'_>) -> Result<bool> {
    let mut last = Vec::new();
    let mut rise = true;
    each_key(rows, at, |_, key| {
        rise = last.as_slice() < key;
        last.clear();
        last.extend_from_slice(key);
        Ok(match rise {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        })
    })?;
    Ok(rise)
}

fn repeated_of_any_order(rows: &dyn RowSource, at: ColumnAt<'_>) -> Result<Tally> {
    let mut sorter = Sorter::in_scratch();
    each_hash(rows, at, |row, key| sorter.push(Entry { key, value: row }))?;
    let mut tally = Tally::default();
    // The entry before, and whether it was counted.
    let mut before: Option<(Entry, bool)> = None;
    sorter.finish(Threads::ONE, |entry| {
        let same = before.filter(|(before, _)| before.key == entry.key);
        if let Some((before, counted)) = same {
            if !counted {
                tally.add(before.value);
            }
            tally.add(entry.value);
        }
        before = Some((entry, same.is_some()));
        Ok(())
    })?;
    Ok(tally)
}

/// Visible rows whose value no visible row of the referenced column has.
pub(in crate::commands) fn missing(
    rows: &dyn RowSource,
    at: ColumnAt<'_>,
    referenced: ColumnAt<'_>,
) -> Result<Tally> {
    match rows.row_count(referenced.table.0, referenced.table.1) <= MAX_HELD {
        true => missing_of_held(rows, at, referenced),
        false => missing_of_sorted(rows, at, referenced),
    }
}

fn missing_of_held(
    rows: &dyn RowSource,
    at: ColumnAt<'_>,
    referenced: ColumnAt<'_>,
) -> Result<Tally> {
    let mut held = Vec::new();
    each_hash(rows, referenced, |_, hash| {
        held.push(hash);
        Ok(())
    })?;
    held.sort_unstable();
    let mut tally = Tally::default();
    each_hash(rows, at, |row, hash| {
        if held.binary_search(&hash).is_err() {
            tally.add(row);
        }
        Ok(())
    })?;
    Ok(tally)
}

fn missing_of_sorted(
    rows: &dyn RowSource,
    at: ColumnAt<'_>,
    referenced: ColumnAt<'_>,
) -> Result<Tally> {
    let mut sorter = Sorter::in_scratch();
    // Of a hash, what is referred to comes before the rows that refer to it.
    each_hash(rows, referenced, |_, key| {
        sorter.push(Entry { key, value: 0 })
    })?;
    each_hash(rows, at, |row, key| {
        let value = row.saturating_add(1);
        sorter.push(Entry { key, value })
    })?;
    let mut tally = Tally::default();
    let mut found = None;
    sorter.finish(Threads::ONE, |entry| {
        match entry.value.checked_sub(1) {
            None => found = Some(entry.key),
            Some(row) if found != Some(entry.key) => tally.add(row),
            Some(_) => {}
        }
        Ok(())
    })?;
    Ok(tally)
}

/// Hashes of the values of visible rows that equal anything.
fn each_hash(
    rows: &dyn RowSource,
    at: ColumnAt<'_>,
    mut each: impl FnMut(u64, u128) -> Result<()>,
) -> Result<()> {
    each_key(rows, at, |row, key| {
        each(row, ContentHash::of(key).0).map(ControlFlow::Continue)
    })
}

/// Keys of the values of visible rows that equal anything, until `each` breaks.
fn each_key(
    rows: &dyn RowSource,
    at: ColumnAt<'_>,
    mut each: impl FnMut(u64, &[u8]) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let mut stream = rows.open_rows(at.table.0, at.table.1)?;
    let mut key = Vec::new();
    let mut index = 0_u64;
    while let Some(batch) = stream.next_batch()? {
        for (row, index) in batch.rows().zip(index..) {
            let value = row.values.get(at.column).filter(|_| row.is_visible());
            key.clear();
            if value.is_some_and(|value| (at.key)(&mut key, value)) && each(index, &key)?.is_break()
            {
                return Ok(());
            }
        }
        index = index.saturating_add(batch.len() as u64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{RowBatch, RowStream};

    /// A table of one column for each list, whose rows end with some lists.
    struct Columns([Vec<Option<i64>>; 2]);

    struct Batches<'c>(std::slice::Chunks<'c, Option<i64>>);

    impl RowSource for Columns {
        fn row_count(&self, _: usize, table: usize) -> u64 {
            self.0[table].len() as u64
        }

        fn open_rows(&self, _: usize, table: usize) -> Result<Box<dyn RowStream + '_>> {
            Ok(Box::new(Batches(self.0[table].chunks(7))))
        }
    }

    impl RowStream for Batches<'_> {
        fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
            Ok(self.0.next().map(|values| {
                let mut batch = RowBatch::new();
                for value in values {
                    batch.push_value(value.map_or(ValueRef::Null, ValueRef::Integer));
                    // Those of a number that 10 divides were deleted.
                    let deleted = value.is_some_and(|value| value % 10 == 0);
                    batch.end_row(1, deleted.then_some(2));
                }
                batch
            }))
        }
    }

    fn column(table: usize) -> ColumnAt<'static> {
        ColumnAt {
            table: (0, table),
            column: 0,
            key: &stored_key,
        }
    }

    /// Visible rows of a column and their values, NULL left out.
    fn visible(column: &[Option<i64>]) -> impl Iterator<Item = (u64, i64)> {
        let numbered = (0..).zip(column.iter().copied());
        numbered.filter_map(|(row, value)| Some((row, value.filter(|value| value % 10 != 0)?)))
    }

    fn tally(rows: impl Iterator<Item = u64>) -> Tally {
        let mut tally = Tally::default();
        rows.for_each(|row| tally.add(row));
        tally
    }

    fn values() -> impl Strategy<Value = Vec<Option<i64>>> {
        proptest::collection::vec(proptest::option::of(-20..40_i64), 0..60)
    }

    proptest! {
        #[test]
        fn rows_are_those_that_a_map_finds(from in values(), to in values()) {
            let mut counts = HashMap::new();
            visible(&from).for_each(|(_, value)| *counts.entry(value).or_insert(0) += 1);
            let shared = visible(&from).filter(|(_, value)| counts[value] > 1);
            let shared = tally(shared.map(|(row, _)| row));
            let there: HashMap<i64, u64> = visible(&to).map(|(row, value)| (value, row)).collect();
            let lost = visible(&from).filter(|(_, value)| !there.contains_key(value));
            let lost = tally(lost.map(|(row, _)| row));
            let rows = Columns([from, to]);
            prop_assert_eq!(&repeated(&rows, column(0)).unwrap(), &shared);
            prop_assert_eq!(&repeated_of_any_order(&rows, column(0)).unwrap(), &shared);
            let both = (column(0), column(1));
            prop_assert_eq!(&missing_of_held(&rows, both.0, both.1).unwrap(), &lost);
            prop_assert_eq!(&missing_of_sorted(&rows, both.0, both.1).unwrap(), &lost);
        }
    }

    #[test]
    fn integers_that_rise_are_seen_to() {
        let numbers = [i64::MIN, -257, -1, 1, 2, 255, 256, i64::MAX];
        let mut values: Vec<_> = numbers.map(Some).into();
        values.insert(3, None);
        let rows = Columns([values.clone(), Vec::new()]);
        assert!(rise(&rows, column(0)).unwrap());
        for at in [0, 4, values.len() - 1] {
            let mut twice = values.clone();
            twice.insert(at, values[at]);
            let rows = Columns([twice, Vec::new()]);
            assert!(!rise(&rows, column(0)).unwrap(), "{at}");
        }
    }
}
