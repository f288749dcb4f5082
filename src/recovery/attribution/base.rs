//! What the snapshot says about the tables that the tail touches: row counts,
//! the rows that records point at, and where the values that records ask for
//! stand. Rows are streamed; only hashes of what was asked for stay.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use xxhash_rust::xxh3::xxh3_64;

use crate::codec::{ByteWriter, RowValues};
use crate::error::Result;
use crate::legacy::{RowExtent, RowReader, Snapshot, read_rows_at};
use crate::model::{Operation, RowRef, RowStream, Table, ValueRef};

use super::hashed::HashedMap;
use super::problem::{NameId, Problem, Slot, hash, number, reference_hashes};

/// Places of one value that are kept; a value that stands more often separates
/// nothing, and a longer list would grow with the table.
const PLACES_MAX: usize = 2048;
/// Places kept in all.
const PLACES_IN_ALL: usize = 8_000_000;

/// Where a value stands in a column.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Row index and whether the row is visible, ascending.
    pub rows: Vec<(u64, bool)>,
    /// Whether there are more than are listed.
    pub overflow: bool,
}

/// One table of the snapshot.
#[derive(Debug)]
pub(super) struct BaseTable {
    /// Its database.
    pub slot: Slot,
    /// Its name.
    pub name: NameId,
    /// Its schema.
    pub table: Rc<Table>,
    /// Row versions.
    pub count: u64,
    /// Row versions that are visible.
    pub live: u64,
    /// Value hashes of the rows that records point at, and whether they are visible.
    pub rows: HashMap<u64, (Rc<[u64]>, bool)>,
    /// Places of the values that records ask for, by column and hash.
    places: HashedMap<(usize, u64), Places>,
    /// Largest integer of each column, where there is one.
    pub largest: Vec<Option<i64>>,
}

impl BaseTable {
    /// Where a value stands.
    pub fn places(&self, column: usize, value: u64) -> Option<&Places> {
        self.places.get(&(column, value))
    }
}

/// The snapshot, as far as the tail asks for it.
#[derive(Debug, Default)]
pub(super) struct Base {
    /// The tables that the tail names.
    pub tables: Vec<Rc<BaseTable>>,
    /// Databases that hold a row by its hash, for rows logged before the tail.
    pub holders: HashMap<u64, Vec<Slot>>,
}

/// What records ask the snapshot for.
#[derive(Default)]
pub(super) struct Questions {
    /// Row indexes.
    pub indexes: BTreeSet<u64>,
    /// Value hashes.
    pub values: HashSet<u64>,
    /// Hashes of whole rows.
    pub rows: HashSet<u64>,
}

impl Questions {
    /// What the tail asks for; `streamed` says whether whole tables are read.
    pub fn of_tail(problem: &Problem<'_>) -> Self {
        let mut questions = Questions::default();
        for record in &problem.records {
            questions.values.extend(record.values.iter().copied());
            match record.operation {
                Operation::Insert { row, .. } => {
                    for value in row.values() {
                        questions.values.extend(reference_hashes(&value));
                    }
                }
                Operation::Update { index, .. } | Operation::Delete { index, .. } => {
                    questions.indexes.insert(*index);
                }
                _ => {}
            }
        }
        questions
    }
}

/// The hash of a whole row.
pub(super) fn row_hash(values: impl Iterator<Item = u64>) -> u64 {
    let mut bytes = ByteWriter::new();
    values.for_each(|value| bytes.u64(value));
    xxh3_64(bytes.as_slice())
}

impl Base {
    /// Reads what the tail asks for. Tables for which `streamed` is false are
    /// read only at the rows that records point at.
    ///
    /// # Errors
    /// When the snapshot's rows cannot be read.
    pub fn read(
        problem: &Problem<'_>,
        snapshot: &Snapshot,
        mut questions: Questions,
        streamed: impl Fn(NameId) -> bool,
    ) -> Result<Self> {
        let mut places_left = PLACES_IN_ALL;
        let mut base = Base::default();
        let mut found = Vec::new();
        for (slot, database) in snapshot.catalog.databases.iter().enumerate() {
            for (at, table) in database.tables.iter().enumerate() {
                let (Some(name), Some(extent)) =
                    (problem.name_id(&table.name), snapshot.extent(slot, at))
                else {
                    continue;
                };
                let read = BaseTable {
                    slot: number(slot),
                    name,
                    table: Rc::new(table.clone()),
                    count: extent.count,
                    live: extent.live,
                    rows: HashMap::new(),
                    places: HashedMap::default(),
                    largest: vec![None; table.columns.len()],
                };
                found.push((read, extent));
            }
        }
        for (table, extent) in &mut found {
            table.read_rows(extent, &mut questions)?;
        }
        for (mut table, extent) in found {
            if streamed(table.name) {
                table.stream(extent, &questions, &mut places_left, &mut base.holders)?;
            }
            base.tables.push(Rc::new(table));
        }
        Ok(base)
    }
}

impl BaseTable {
    /// Reads the rows that records point at; what they hold is asked for too,
    /// because a predicate that selects them selects its equals.
    fn read_rows(&mut self, extent: &RowExtent, questions: &mut Questions) -> Result<()> {
        let mut bytes = ByteWriter::new();
        let indexes: Vec<u64> = questions.indexes.iter().copied().collect();
        read_rows_at(extent, indexes, |at, row| {
            let values: Rc<[u64]> = row.values().map(|v| hash(&mut bytes, &v)).collect();
            questions.values.extend(values.iter().copied());
            self.rows.insert(at, (values, row.is_visible()));
        })
    }

    fn stream(
        &mut self,
        extent: &RowExtent,
        questions: &Questions,
        places_left: &mut usize,
        holders: &mut HashMap<u64, Vec<Slot>>,
    ) -> Result<()> {
        let mut reader = RowReader::new(extent);
        let mut bytes = ByteWriter::new();
        let mut at = 0;
        let mut values = Vec::new();
        while let Some(batch) = reader.next_batch()? {
            for row in batch.rows() {
                values.clear();
                values.extend(row.values.iter().map(|value| hash(&mut bytes, value)));
                self.note(at, &row, &values, questions, places_left);
                if !questions.rows.is_empty() {
                    let whole = row_hash(values.iter().copied());
                    if questions.rows.contains(&whole) {
                        let slots = holders.entry(whole).or_default();
                        if !slots.contains(&self.slot) {
                            slots.push(self.slot);
                        }
                    }
                }
                at += 1;
            }
        }
        Ok(())
    }

    fn note(
        &mut self,
        at: u64,
        row: &RowRef<'_>,
        values: &[u64],
        questions: &Questions,
        places_left: &mut usize,
    ) {
        for (column, (value, hash)) in row.values.iter().zip(values).enumerate() {
            let number = match value {
                ValueRef::SmallInt(n) => Some(i64::from(*n)),
                ValueRef::Integer(n) => Some(*n),
                _ => None,
            };
            if let (Some(largest), Some(_)) = (self.largest.get_mut(column), number) {
                *largest = (*largest).max(number);
            }
            if *value == ValueRef::Null || !questions.values.contains(hash) {
                continue;
            }
            let places = self.places.entry((column, *hash)).or_default();
            if places.rows.len() < PLACES_MAX && *places_left > 0 {
                places.rows.push((at, row.is_visible()));
                *places_left -= 1;
            } else {
                places.overflow = true;
            }
        }
    }

    /// Number of a column by name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.table.column_index(name)
    }

    /// The row at an index, by its hashes.
    pub fn row(&self, at: u64) -> Option<&Rc<[u64]>> {
        self.rows.get(&at).map(|(values, _)| values)
    }

    /// Whether the row at an index is visible, where it was asked for.
    pub fn is_visible(&self, at: u64) -> bool {
        self.rows.get(&at).is_some_and(|(_, visible)| *visible)
    }
}

/// The first slot of a list that stands alone.
pub(super) fn only(slots: &[Slot]) -> Option<Slot> {
    match slots {
        [only] => Some(*only),
        _ => None,
    }
}
