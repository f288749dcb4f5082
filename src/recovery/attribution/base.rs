//! What the snapshot says about the tables that the tail touches: row counts,
//! the rows that records point at, and where the values that records ask for
//! stand. Rows are streamed; only hashes of what was asked for stay.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::codec::ByteWriter;
use crate::error::Result;
use crate::legacy::{RowExtent, RowReader, Snapshot, read_rows_at};
use crate::model::{Operation, RowRef, RowStream, ValueRef};

use super::columns::Columns;
use super::hashed::HashedMap;
use super::problem::{NameId, Problem, Slot, hash, number, reference_hashes};
use super::sequences::sequence_of;

/// Places of one value that are kept; a value that stands more often separates
/// nothing, and a longer list would grow with the table.
const PLACES_MAX: usize = 2048;
/// Places kept in all.
const PLACES_IN_ALL: usize = 8_000_000;

/// No transaction ended the version.
const NEVER: u64 = u64::MAX;

/// The transactions that made and ended a row version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Standing {
    xmin: u64,
    /// [`NEVER`] for a version that was not ended.
    xmax: u64,
}

impl Standing {
    /// Of a version with these marks.
    pub fn new(xmin: u64, xmax: Option<u64>) -> Self {
        let xmax = xmax.map_or(NEVER, |xmax| xmax.min(NEVER - 1));
        Standing { xmin, xmax }
    }

    /// Whether a run of the server saw the version in a transaction. Numbers
    /// restart at 1 with the server, so a version can vanish, and one that was
    /// ended can be back (format page, "Server rules", 7 and 8).
    pub fn shows(self, transaction: u64) -> bool {
        self.xmin <= transaction && self.xmax > transaction
    }

    /// Whether nothing ended the version.
    pub fn is_live(self) -> bool {
        self.xmax == NEVER
    }

    /// The version once a transaction ended it, as a later one ends it anew.
    pub fn ended(self, transaction: u64) -> Self {
        Standing::new(self.xmin, Some(transaction))
    }

    fn write(self, bytes: &mut ByteWriter) {
        bytes.u64(self.xmin);
        bytes.u64(self.xmax);
    }
}

/// Where a value stands in a column.
#[derive(Debug, Default)]
pub(super) struct RowPlaces {
    /// Row index and what the row's marks say, ascending.
    pub rows: Vec<(u64, Standing)>,
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
    /// Its columns.
    pub columns: Columns,
    /// Its sequences by the hashes of their names, ascending, and their next values.
    pub sequences: Vec<(u64, i64)>,
    /// Row versions.
    pub count: u64,
    /// Row versions that are visible.
    pub live: u64,
    /// Value hashes of the rows that records point at, and the rows' marks.
    pub rows: HashMap<u64, (Rc<[u64]>, Standing)>,
    /// Whether all rows were read: where not, nothing is known of places.
    pub streamed: bool,
    /// Places of the values that records ask for, by column and hash.
    places: HashedMap<(usize, u64), RowPlaces>,
    /// Largest integer of each column, where there is one.
    pub largest: Vec<Option<i64>>,
    /// What tells this table from one of another database, as far as the tail
    /// asks for it: tables of one digest are the same to every record.
    pub digest: u128,
}

impl BaseTable {
    /// Where a value stands.
    pub fn places(&self, column: usize, value: u64) -> Option<&RowPlaces> {
        self.places.get(&(column, value))
    }
}

/// The snapshot, as far as the tail asks for it.
#[derive(Debug, Default)]
pub(super) struct Base {
    /// The tables that the tail names, ascending by name, then by database.
    tables: Vec<Rc<BaseTable>>,
}

/// What records ask the snapshot for.
#[derive(Default)]
pub(super) struct Questions {
    /// Row indexes.
    pub indexes: BTreeSet<u64>,
    /// Value hashes.
    pub values: HashSet<u64>,
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
                let sequences = table.sequences_by_name().into_iter();
                let mut sequences: Vec<(u64, i64)> = sequences
                    .map(|(name, next)| (sequence_of(name), next))
                    .collect();
                sequences.sort_unstable();
                let read = BaseTable {
                    slot: number(slot),
                    name,
                    columns: Columns::new(&table.columns),
                    sequences,
                    count: extent.count,
                    live: extent.live,
                    rows: HashMap::new(),
                    streamed: false,
                    places: HashedMap::default(),
                    largest: vec![None; table.columns.len()],
                    digest: 0,
                };
                found.push((read, extent));
            }
        }
        for (table, extent) in &mut found {
            table.read_rows(extent, &mut questions)?;
        }
        for (mut table, extent) in found {
            if streamed(table.name) {
                table.stream(extent, &questions, &mut places_left)?;
            }
            table.digest = table.digest();
            base.tables.push(Rc::new(table));
        }
        base.tables.sort_by_key(|table| table.name);
        Ok(base)
    }

    /// The tables of some names: a tail of as many tables as records asks for
    /// those of each.
    pub fn named<'b>(
        &'b self,
        names: &'b BTreeSet<NameId>,
    ) -> impl Iterator<Item = &'b Rc<BaseTable>> {
        names.iter().flat_map(|name| {
            let first = self.tables.partition_point(|table| table.name < *name);
            let from = self.tables.get(first..).unwrap_or_default();
            from.iter().take_while(|table| table.name == *name)
        })
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
            let standing = Standing::new(row.xmin, row.xmax);
            self.rows.insert(at, (values, standing));
        })
    }

    fn stream(
        &mut self,
        extent: &RowExtent,
        questions: &Questions,
        places_left: &mut usize,
    ) -> Result<()> {
        self.streamed = true;
        let mut reader = RowReader::new(extent);
        let mut bytes = ByteWriter::new();
        let mut at = 0;
        let mut values = Vec::new();
        while let Some(batch) = reader.next_batch()? {
            for row in batch.rows() {
                values.clear();
                values.extend(row.values().map(|value| hash(&mut bytes, &value)));
                self.note(at, &row, &values, questions, places_left);
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
        for (column, (value, hash)) in row.values().zip(values).enumerate() {
            let number = match value {
                ValueRef::SmallInt(n) => Some(i64::from(n)),
                ValueRef::Integer(n) => Some(n),
                _ => None,
            };
            if let (Some(largest), Some(_)) = (self.largest.get_mut(column), number) {
                *largest = (*largest).max(number);
            }
            if value == ValueRef::Null || !questions.values.contains(hash) {
                continue;
            }
            let places = self.places.entry((column, *hash)).or_default();
            if places.rows.len() < PLACES_MAX && *places_left > 0 {
                places.rows.push((at, Standing::new(row.xmin, row.xmax)));
                *places_left -= 1;
            } else {
                places.overflow = true;
            }
        }
    }

    /// Number of a column by name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.first(name).map(|(at, _)| at)
    }

    /// The row at an index, by its hashes.
    pub fn row(&self, at: u64) -> Option<&Rc<[u64]>> {
        self.rows.get(&at).map(|(values, _)| values)
    }

    /// The marks of the row at an index, where it was asked for.
    pub fn standing(&self, at: u64) -> Option<Standing> {
        self.rows.get(&at).map(|(_, standing)| *standing)
    }

    fn digest(&self) -> u128 {
        let mut bytes = ByteWriter::new();
        bytes.u64(xxh3_64(format!("{:?}", self.columns.to_vec()).as_bytes()));
        bytes.u64(self.count);
        bytes.u64(self.live);
        bytes.u64(self.sequences.len() as u64);
        for (name, next) in &self.sequences {
            bytes.u64(*name);
            bytes.i64(*next);
        }
        for largest in &self.largest {
            bytes.bool(largest.is_some());
            bytes.i64(largest.unwrap_or_default());
        }
        // Sums, because the order of a map is all one.
        let rows = self.rows.iter().map(|(at, (values, standing))| {
            let mut bytes = ByteWriter::new();
            bytes.u64(*at);
            values.iter().for_each(|value| bytes.u64(*value));
            standing.write(&mut bytes);
            xxh3_128(bytes.as_slice())
        });
        bytes.u128(rows.fold(0, u128::wrapping_add));
        let places = self.places.iter().map(|((column, value), places)| {
            let mut bytes = ByteWriter::new();
            bytes.u64(*column as u64);
            bytes.u64(*value);
            bytes.bool(places.overflow);
            for (at, standing) in &places.rows {
                bytes.u64(*at);
                standing.write(&mut bytes);
            }
            xxh3_128(bytes.as_slice())
        });
        bytes.u128(places.fold(0, u128::wrapping_add));
        xxh3_128(bytes.as_slice())
    }
}
