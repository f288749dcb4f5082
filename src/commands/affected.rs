//! What records of a log are about: the row that each pushes, and the row that
//! an Update or Delete ends in each database that could own it.
//!
//! Positions of row versions never shift, so a row is found in what the log
//! comes to in the end.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::finding::Code;
use crate::legacy::{LegacyDir, WalRecord};
use crate::model::{Operation, RowSource, ValueRef};
use crate::recovery::Recovery;

/// Databases whose rows are looked at for one record.
const DATABASES_MAX: usize = 16;

/// Values, with the names of their columns where these are known.
#[derive(Debug)]
pub struct NamedValues<'v> {
    /// One a value, or none.
    pub columns: Vec<&'v str>,
    /// In the order of the columns.
    pub values: Vec<ValueRef<'v>>,
}

/// What one record is about, rows as whoever asked wants them shown.
#[derive(Debug)]
pub struct Affected<T> {
    /// The row that it pushes.
    pub pushed: Option<T>,
    /// The row that it ends, by database that could own it.
    pub ended: Vec<EndedRow<T>>,
}

impl<T> Default for Affected<T> {
    fn default() -> Self {
        Affected {
            pushed: None,
            ended: Vec::new(),
        }
    }
}

/// A row that a record ends if the record is a database's.
#[derive(Debug)]
pub struct EndedRow<T> {
    /// The database that the record is tried on.
    pub database: String,
    /// Position among the row versions of the table.
    pub index: u64,
    /// The row, or why it is not known.
    pub row: Result<T, &'static str>,
    /// Whether it can be another: rows that are not placed, or were never
    /// logged, could stand before it.
    pub doubtful: bool,
}

const CHANGED: &str = "the table was made, dropped or renamed since";
const NO_TABLE: &str = "there is no such table";
const BEYOND: &str = "it lies behind the rows that are placed";
const UNREADABLE: &str = "it cannot be read";

/// Looks up what records are about, given by their positions in the log; every
/// table is read once at most.
///
/// # Errors
/// When rows cannot be read.
pub fn affected<T: Clone>(
    legacy: &LegacyDir,
    recovery: &Recovery,
    positions: impl IntoIterator<Item = usize>,
    show: impl Fn(&NamedValues<'_>) -> T,
) -> Result<BTreeMap<usize, Affected<T>>> {
    let since = Since::new(legacy, recovery);
    let unlogged = recovery.report.has(Code::UnloggedRows);
    let mut all: BTreeMap<usize, Affected<T>> = BTreeMap::new();
    let mut wanted: BTreeMap<(usize, usize), BTreeMap<u64, Option<T>>> = BTreeMap::new();
    let mut places: Vec<(usize, usize, (usize, usize), u64)> = Vec::new();
    for position in positions {
        let Some(record) = legacy.wal.records.get(position) else {
            continue;
        };
        let owners = since.owners(recovery, position, record);
        let pushed = record.operation.pushed_row().map(|row| {
            let values: Vec<ValueRef<'_>> = row.values().collect();
            let columns = since.columns(recovery, position, record, &owners, values.len());
            show(&NamedValues { columns, values })
        });
        let mut ended = Vec::new();
        if let Operation::Update { table, index, .. } | Operation::Delete { table, index } =
            &record.operation
        {
            for &database in &owners {
                let meant = since.meant.get(&(position, database));
                let index = meant.unwrap_or(index);
                let found = since.place(recovery, position, database, table, *index);
                let row = match found {
                    Ok((at, stream)) => {
                        wanted.entry(at).or_default().insert(stream, None);
                        places.push((position, ended.len(), at, stream));
                        Err(UNREADABLE)
                    }
                    Err(why) => Err(why),
                };
                ended.push(EndedRow {
                    database: database_name(recovery, database).to_owned(),
                    index: *index,
                    row,
                    doubtful: (unlogged && meant.is_none())
                        || since.is_doubtful(position, database, table, *index),
                });
            }
        }
        all.insert(position, Affected { pushed, ended });
    }
    for (at, rows) in &mut wanted {
        read_rows(recovery, *at, rows, &show)?;
    }
    for (position, nth, at, stream) in places {
        let row = wanted.get(&at).and_then(|rows| rows.get(&stream)?.clone());
        let affected = all.get_mut(&position);
        let ended = affected.and_then(|affected| affected.ended.get_mut(nth));
        if let (Some(ended), Some(row)) = (ended, row) {
            ended.row = Ok(row);
        }
    }
    Ok(all)
}

fn database_name(recovery: &Recovery, database: usize) -> &str {
    let known = recovery.overlay.catalog().databases.get(database);
    known.map_or("", |database| database.name.as_str())
}

/// What was applied to each table, by database and name at that time.
struct Since<'r> {
    /// Databases by name.
    databases: BTreeMap<&'r str, usize>,
    /// Tables of now by database and name, as far as they were asked for.
    tables: RefCell<BTreeMap<(usize, String), Option<usize>>>,
    /// Records that made, dropped or renamed it, in log order.
    reshaped: BTreeMap<(usize, &'r str), Vec<usize>>,
    /// Records that pushed a row, in log order.
    pushed: BTreeMap<(usize, &'r str), Vec<usize>>,
    /// The row that a record meant, by record and database, where it is not the
    /// one that it says.
    meant: BTreeMap<(usize, usize), u64>,
    /// Records set aside that could be its, with the row versions before each.
    aside: BTreeMap<(usize, &'r str), Vec<(usize, u64)>>,
}

impl<'r> Since<'r> {
    fn new(legacy: &'r LegacyDir, recovery: &'r Recovery) -> Self {
        let catalog = recovery.overlay.catalog();
        let databases = catalog.databases.iter().enumerate();
        let mut since = Since {
            databases: databases.map(|(at, one)| (one.name.as_str(), at)).collect(),
            tables: RefCell::default(),
            reshaped: BTreeMap::new(),
            pushed: BTreeMap::new(),
            meant: BTreeMap::new(),
            aside: BTreeMap::new(),
        };
        let operation = |at: usize| legacy.wal.records.get(at).map(|record| &record.operation);
        for applied in &recovery.applied {
            let Some(logged) = operation(applied.record) else {
                continue;
            };
            let operation = applied.realigned.as_deref().unwrap_or(logged);
            if let Some(Operation::Update { index, .. } | Operation::Delete { index, .. }) =
                applied.realigned.as_deref()
            {
                let at = (applied.record, applied.database);
                since.meant.insert(at, *index);
            }
            let Some(table) = logged.table() else {
                continue;
            };
            let at = (applied.database, table);
            match operation {
                Operation::Insert { .. } | Operation::Update { .. } => {
                    since.pushed.entry(at).or_default().push(applied.record);
                }
                Operation::RenameTable { new, .. } => {
                    let new = (applied.database, new.as_str());
                    since.reshaped.entry(at).or_default().push(applied.record);
                    since.reshaped.entry(new).or_default().push(applied.record);
                }
                Operation::CreateTable { .. } | Operation::DropTable { .. } => {
                    since.reshaped.entry(at).or_default().push(applied.record);
                }
                _ => {}
            }
        }
        for aside in &recovery.set_aside {
            let table = operation(aside.record).and_then(Operation::table);
            for (name, before) in aside.rows_before.iter() {
                let database = since.databases.get(name.as_str()).copied();
                if let (Some(database), Some(table)) = (database, table) {
                    let records = since.aside.entry((database, table)).or_default();
                    records.push((aside.record, *before));
                }
            }
        }
        since
    }

    /// The first databases that could own a record, likeliest first: the one it
    /// was given to, those that no fact rules out; for a record that the
    /// snapshot holds, those with such a table.
    fn owners(&self, recovery: &Recovery, position: usize, record: &WalRecord) -> Vec<usize> {
        let Some(attributed) = recovery.attribution.of_record(position) else {
            let table = record.operation.table().unwrap_or_default();
            let with = self.databases.values().copied();
            let with = with.filter(|database| self.table(recovery, *database, table).is_some());
            return with.take(DATABASES_MAX).collect();
        };
        let own = attributed.database.as_deref();
        let others = attributed.possible().filter(|name| Some(*name) != own);
        let names = own.into_iter().chain(others).take(DATABASES_MAX);
        names
            .filter_map(|name| self.databases.get(name).copied())
            .collect()
    }

    /// The position of a table of now.
    fn table(&self, recovery: &Recovery, database: usize, name: &str) -> Option<usize> {
        let mut tables = self.tables.borrow_mut();
        let known = tables
            .entry((database, name.to_owned()))
            .or_insert_with(|| {
                let databases = &recovery.overlay.catalog().databases;
                databases.get(database)?.table_index(name)
            });
        *known
    }

    /// Whether the table of that name is another than at that record.
    fn is_reshaped(&self, position: usize, at: (usize, &str)) -> bool {
        let records = self.reshaped.get(&at);
        records.is_some_and(|records| records.last() > Some(&position))
    }

    /// The names of the columns of a record's row, where all databases that
    /// could own it agree.
    fn columns<'v>(
        &self,
        recovery: &'v Recovery,
        position: usize,
        record: &WalRecord,
        owners: &[usize],
        arity: usize,
    ) -> Vec<&'v str> {
        let name = record.operation.table().unwrap_or_default();
        let tables = owners
            .iter()
            .filter(|database| !self.is_reshaped(position, (**database, name)));
        let tables = tables.filter_map(|database| {
            let table = self.table(recovery, *database, name)?;
            recovery.overlay.table_at(*database, table)
        });
        let mut columns = tables
            .map(|table| table.state())
            .filter(|state| state.column_count() == arity)
            .map(|state| state.columns().map(|c| c.name.as_str()).collect());
        let first: Vec<&str> = columns.next().unwrap_or_default();
        match columns.all(|other| other == first) {
            true => first,
            false => Vec::new(),
        }
    }

    /// Where a row version stands: the table, and its position among the rows
    /// that can be read.
    fn place(
        &self,
        recovery: &Recovery,
        position: usize,
        database: usize,
        name: &str,
        index: u64,
    ) -> Result<((usize, usize), u64), &'static str> {
        if self.is_reshaped(position, (database, name)) {
            return Err(CHANGED);
        }
        let table = self.table(recovery, database, name);
        let Some((at, table)) = table.and_then(|table| {
            let at = (database, table);
            Some((at, recovery.overlay.table_at(at.0, at.1)?))
        }) else {
            return Err(NO_TABLE);
        };
        let state = table.state();
        let pushed = self.pushed.get(&(database, name));
        let later = pushed.map_or(0, |records| {
            let before = records.partition_point(|record| *record < position);
            records.len().saturating_sub(before) as u64
        });
        if index >= state.row_count().saturating_sub(later) {
            return Err(BEYOND);
        }
        let mut before = 0;
        for piece in table.pieces() {
            let count = piece.rows.row_count();
            let inside = index
                .checked_sub(piece.first_index)
                .filter(|at| *at < count);
            if let Some(inside) = inside {
                return Ok((at, before + inside));
            }
            before += count;
        }
        match index.checked_sub(state.base_count) {
            Some(appended) => Ok((at, before + appended)),
            None => Err(UNREADABLE),
        }
    }

    /// Whether undecided records before it could have pushed rows before it.
    fn is_doubtful(&self, position: usize, database: usize, name: &str, index: u64) -> bool {
        let first = self
            .aside
            .get(&(database, name))
            .and_then(|records| records.first());
        first.is_some_and(|(record, before)| *record < position && *before <= index)
    }
}

/// Reads the rows at some positions of a table.
fn read_rows<T>(
    recovery: &Recovery,
    at: (usize, usize),
    wanted: &mut BTreeMap<u64, Option<T>>,
    show: impl Fn(&NamedValues<'_>) -> T,
) -> Result<()> {
    let table = recovery.overlay.table_at(at.0, at.1);
    let columns = table.into_iter().flat_map(|table| table.state().columns());
    let columns: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
    let mut missing: BTreeSet<u64> = wanted.keys().copied().collect();
    let mut rows = recovery.overlay.open_rows(at.0, at.1)?;
    let mut position = 0;
    while !missing.is_empty()
        && let Some(batch) = rows.next_batch()?
    {
        for row in batch.rows() {
            if missing.remove(&position) {
                let named = NamedValues {
                    columns: columns.clone(),
                    values: row.values().collect(),
                };
                wanted.insert(position, Some(show(&named)));
            }
            position += 1;
        }
    }
    Ok(())
}
