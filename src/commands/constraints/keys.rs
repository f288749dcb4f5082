//! Keys and foreign keys, in bounded memory.
//!
//! A column whose values rise, as numbers that a server gave out do, has no
//! value twice: one pass shows it. Those of any other are compared by hashes of
//! 128 bits, which are sorted through a temporary file. When two values are
//! equal is said by a [`KeyOf`]: the server goes by tag and value, other
//! servers do not.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::codec::{ByteWriter, ContentHash, encode_value, sortable};
use crate::engine::{Entry, Sorter};
use crate::error::Result;
use crate::model::{RowSource, ValueRef};
use crate::work::Threads;

use super::{Rising, Tally};

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

/// Visible rows whose value another visible row has too, for each of some columns of
/// one table: all of them in the same passes, so that a table of very many keys is
/// not read as often.
pub(in crate::commands) fn repeated_in(
    rows: &dyn RowSource,
    columns: &[ColumnAt<'_>],
) -> Result<Vec<Tally>> {
    repeated_but(rows, columns, &rise(rows, columns)?)
}

/// As [`repeated_in`], where it is known of which columns the values rise.
pub(super) fn repeated_but(
    rows: &dyn RowSource,
    columns: &[ColumnAt<'_>],
    rise: &[bool],
) -> Result<Vec<Tally>> {
    let mut tallies = vec![Tally::default(); columns.len()];
    let others = (0..).zip(columns).zip(rise).filter(|(_, rise)| !**rise);
    let (numbers, others): (Vec<usize>, Vec<ColumnAt<'_>>) = others
        .map(|((number, column), _)| (number, *column))
        .unzip();
    if others.is_empty() {
        return Ok(tallies);
    }
    for (number, tally) in numbers
        .into_iter()
        .zip(repeated_of_any_order(rows, &others)?)
    {
        if let Some(own) = tallies.get_mut(number) {
            *own = tally;
        }
    }
    Ok(tallies)
}

/// For each column whether each value comes after all before it.
fn rise(rows: &dyn RowSource, columns: &[ColumnAt<'_>]) -> Result<Vec<bool>> {
    let mut states: Vec<Rising> = columns.iter().map(|_| Rising::default()).collect();
    let mut left = columns.len();
    each_key(rows, columns, |column, _, key| {
        if let Some(state) = states.get_mut(column)
            && !state.fell()
        {
            state.add(|own| {
                own.extend_from_slice(key);
                true
            });
            left = left.saturating_sub(state.fell().into());
        }
        Ok(match left {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
    })?;
    Ok(states.iter().map(|state| !state.fell()).collect())
}

fn repeated_of_any_order(rows: &dyn RowSource, columns: &[ColumnAt<'_>]) -> Result<Vec<Tally>> {
    let places = CellNumbers::of(columns.len());
    let mut sorter = Sorter::in_scratch();
    each_hash(rows, columns, |column, row, key| {
        let value = places.value(column, row);
        sorter.push(Entry { key, value })
    })?;
    let mut tallies = vec![Tally::default(); columns.len()];
    // The entry before, and whether it was counted.
    let mut before: Option<(Entry, bool)> = None;
    sorter.finish(Threads::ONE, |entry| {
        let same = before.filter(|(before, _)| before.key == entry.key);
        if let Some((before, counted)) = same {
            if !counted {
                places.add(&mut tallies, before.value);
            }
            places.add(&mut tallies, entry.value);
        }
        before = Some((entry, same.is_some()));
        Ok(())
    })?;
    Ok(tallies)
}

/// A column's number and a row's in one number.
#[derive(Clone, Copy)]
struct CellNumbers {
    columns: u64,
}

impl CellNumbers {
    fn of(columns: usize) -> Self {
        CellNumbers {
            columns: (columns as u64).max(1),
        }
    }

    fn value(self, column: usize, row: u64) -> u64 {
        row.saturating_mul(self.columns)
            .saturating_add(column as u64)
    }

    fn add(self, tallies: &mut [Tally], value: u64) {
        let column = usize::try_from(value % self.columns).unwrap_or(usize::MAX);
        if let Some(tally) = tallies.get_mut(column) {
            tally.add(value / self.columns);
        }
    }
}

/// A column, and the one whose values its own must be among.
pub(in crate::commands) type Reference<'k> = (ColumnAt<'k>, ColumnAt<'k>);

/// Visible rows whose value no visible row of the referenced column has, for each of
/// some references; all that lead to one column have the same key of it. Each table is
/// read once for as many as their memory allows.
pub(in crate::commands) fn missing_in(
    rows: &dyn RowSource,
    references: &[Reference<'_>],
) -> Result<Vec<Tally>> {
    let mut tallies = vec![Tally::default(); references.len()];
    let mut by_target: BTreeMap<((usize, usize), usize), Vec<usize>> = BTreeMap::new();
    for (number, (_, referenced)) in references.iter().enumerate() {
        let target = by_target.entry((referenced.table, referenced.column));
        target.or_default().push(number);
    }
    let (mut group, mut held) = (Vec::new(), 0_u64);
    for (((d, t), _), numbers) in by_target {
        let count = rows.row_count(d, t);
        if count > MAX_HELD {
            missing_of_sorted(rows, references, &numbers, &mut tallies)?;
            continue;
        }
        if held.saturating_add(count) > MAX_HELD {
            missing_of_held(rows, references, &group, &mut tallies)?;
            (group, held) = (Vec::new(), 0);
        }
        held = held.saturating_add(count);
        group.push(numbers);
    }
    missing_of_held(rows, references, &group, &mut tallies)?;
    Ok(tallies)
}

/// Columns by their tables, each with a number of the caller's.
type ByTable<'k> = BTreeMap<(usize, usize), (Vec<ColumnAt<'k>>, Vec<usize>)>;

fn add_column<'k>(tables: &mut ByTable<'k>, column: ColumnAt<'k>, number: usize) {
    let (columns, numbers) = tables.entry(column.table).or_default();
    columns.push(column);
    numbers.push(number);
}

/// The hash of a key among those of one target.
fn target_hash(target: usize, key: u128) -> u128 {
    let mut bytes = [0; 24];
    let (number, hash) = bytes.split_at_mut(8);
    number.copy_from_slice(&(target as u64).to_be_bytes());
    hash.copy_from_slice(&key.to_be_bytes());
    ContentHash::of(&bytes).0
}

/// `targets` are groups of references to one column each.
fn missing_of_held(
    rows: &dyn RowSource,
    references: &[Reference<'_>],
    targets: &[Vec<usize>],
    tallies: &mut [Tally],
) -> Result<()> {
    let (mut referenced, mut referring) = (ByTable::new(), ByTable::new());
    // The target of each reference of the group.
    let mut target_of = BTreeMap::new();
    for (target, numbers) in targets.iter().enumerate() {
        let of = |number: &usize| references.get(*number);
        if let Some((_, column)) = numbers.first().and_then(of) {
            add_column(&mut referenced, *column, target);
        }
        for number in numbers {
            if let Some((column, _)) = of(number) {
                add_column(&mut referring, *column, *number);
                target_of.insert(*number, target);
            }
        }
    }
    let mut held = Vec::new();
    for (columns, numbers) in referenced.values() {
        each_plain_hash(rows, columns, |column, _, hash| {
            let target = numbers.get(column).copied().unwrap_or_default();
            held.push(target_hash(target, hash));
            Ok(())
        })?;
    }
    held.sort_unstable();
    for (columns, numbers) in referring.values() {
        each_plain_hash(rows, columns, |column, row, hash| {
            let number = numbers.get(column).copied().unwrap_or_default();
            let target = target_of.get(&number).copied().unwrap_or_default();
            if held.binary_search(&target_hash(target, hash)).is_err()
                && let Some(tally) = tallies.get_mut(number)
            {
                tally.add(row);
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// `numbers` are references to one column.
fn missing_of_sorted(
    rows: &dyn RowSource,
    references: &[Reference<'_>],
    numbers: &[usize],
    tallies: &mut [Tally],
) -> Result<()> {
    let places = CellNumbers::of(references.len());
    let mut sorter = Sorter::in_scratch();
    // Of a hash, what is referred to comes before the rows that refer to it.
    let of = |number: &usize| references.get(*number);
    if let Some((_, column)) = numbers.first().and_then(of) {
        each_plain_hash(rows, &[*column], |_, _, key| {
            sorter.push(Entry { key, value: 0 })
        })?;
    }
    let mut referring = ByTable::new();
    for number in numbers {
        if let Some((column, _)) = of(number) {
            add_column(&mut referring, *column, *number);
        }
    }
    for (columns, numbers) in referring.values() {
        each_plain_hash(rows, columns, |column, row, key| {
            let number = numbers.get(column).copied().unwrap_or_default();
            let value = places.value(number, row).saturating_add(1);
            sorter.push(Entry { key, value })
        })?;
    }
    let mut found = None;
    sorter.finish(Threads::ONE, |entry| {
        match entry.value.checked_sub(1) {
            None => found = Some(entry.key),
            Some(place) if found != Some(entry.key) => places.add(tallies, place),
            Some(_) => {}
        }
        Ok(())
    })
}

/// Hashes of the values of visible rows that equal anything, other ones for other
/// columns.
fn each_hash(
    rows: &dyn RowSource,
    columns: &[ColumnAt<'_>],
    mut each: impl FnMut(usize, u64, u128) -> Result<()>,
) -> Result<()> {
    each_plain_hash(rows, columns, |column, row, hash| {
        each(column, row, target_hash(column, hash))
    })
}

/// Hashes of the values of visible rows that equal anything.
fn each_plain_hash(
    rows: &dyn RowSource,
    columns: &[ColumnAt<'_>],
    mut each: impl FnMut(usize, u64, u128) -> Result<()>,
) -> Result<()> {
    each_key(rows, columns, |column, row, key| {
        each(column, row, ContentHash::of(key).0).map(ControlFlow::Continue)
    })
}

/// Keys of the values of visible rows that equal anything, until `each` breaks:
/// the number of the column among `columns`, which are of one table, the row and
/// the key.
fn each_key(
    rows: &dyn RowSource,
    columns: &[ColumnAt<'_>],
    mut each: impl FnMut(usize, u64, &[u8]) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let Some((d, t)) = columns.first().map(|column| column.table) else {
        return Ok(());
    };
    let mut stream = rows.open_rows(d, t)?;
    let mut key = Vec::new();
    let mut index = 0_u64;
    while let Some(batch) = stream.next_batch()? {
        let mut values = Vec::new();
        for (row, index) in batch.rows().zip(index..) {
            if !row.is_visible() {
                continue;
            }
            values.clear();
            values.extend(row.values());
            for (number, column) in columns.iter().enumerate() {
                let value = values.get(column.column);
                key.clear();
                if value.is_some_and(|value| (column.key)(&mut key, value))
                    && each(number, index, &key)?.is_break()
                {
                    return Ok(());
                }
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
    use crate::codec::RowBuffer;
    use crate::model::{RowBatch, RowStream};

    /// A table of one column for each list, whose rows end with some lists.
    struct Columns([Vec<Option<i64>>; 2]);

    struct Batches<'c>(std::slice::Chunks<'c, Option<i64>>, RowBuffer);

    impl RowSource for Columns {
        fn row_count(&self, _: usize, table: usize) -> u64 {
            self.0[table].len() as u64
        }

        fn open_rows(&self, _: usize, table: usize) -> Result<Box<dyn RowStream + '_>> {
            Ok(Box::new(Batches(
                self.0[table].chunks(7),
                RowBuffer::default(),
            )))
        }
    }

    impl RowStream for Batches<'_> {
        fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
            let Some(values) = self.0.next() else {
                return Ok(None);
            };
            self.1.clear();
            for value in values {
                // Those of a number that 10 divides were deleted.
                let deleted = value.is_some_and(|value| value % 10 == 0);
                let value = value.map_or(ValueRef::Null, ValueRef::Integer);
                self.1.push([value], 1, deleted.then_some(2));
            }
            Ok(Some(self.1.batch()))
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
            prop_assert_eq!(&repeated_in(&rows, &[column(0)]).unwrap()[..], &[shared.clone()][..]);
            let any_order = repeated_of_any_order(&rows, &[column(0)]).unwrap();
            prop_assert_eq!(any_order, std::slice::from_ref(&shared));
            // The same twice, and what refers to itself between them.
            let references = [(column(0), column(1)), (column(0), column(0)), (column(0), column(1))];
            let expected = [lost.clone(), Tally::default(), lost];
            prop_assert_eq!(missing_in(&rows, &references).unwrap(), expected.clone());
            let mut sorted = vec![Tally::default(); 3];
            for numbers in [&[0, 2][..], &[1]] {
                missing_of_sorted(&rows, &references, numbers, &mut sorted).unwrap();
            }
            prop_assert_eq!(sorted, expected);
        }
    }

    #[test]
    fn integers_that_rise_are_seen_to() {
        let numbers = [i64::MIN, -257, -1, 1, 2, 255, 256, i64::MAX];
        let mut values: Vec<_> = numbers.map(Some).into();
        values.insert(3, None);
        let rows = Columns([values.clone(), Vec::new()]);
        assert_eq!(rise(&rows, &[column(0)]).unwrap(), [true]);
        for at in [0, 4, values.len() - 1] {
            let mut twice = values.clone();
            twice.insert(at, values[at]);
            let rows = Columns([twice, Vec::new()]);
            assert_eq!(rise(&rows, &[column(0)]).unwrap(), [false], "{at}");
        }
    }
}
