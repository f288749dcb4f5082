//! The databases as the server last had them: the snapshot, and over it what
//! the tail changed. Snapshot rows are streamed through, never held.

use crate::error::{Error, Result};
use crate::legacy::{RowExtent, RowReader, Snapshot, read_rows_at};
use crate::model::{
    Catalog, Database, Operation, Row, RowBatch, RowSource, RowStream, TableGrants, ValueRef,
};

use super::replay::{ColumnOrigin, Effect, TableState};

/// One table of the overlay, with the snapshot's rows where it has any.
#[derive(Debug, Clone)]
pub struct OverlayTable {
    state: TableState,
    extent: Option<RowExtent>,
}

impl OverlayTable {
    /// The table and what happened to it.
    pub fn state(&self) -> &TableState {
        &self.state
    }

    /// The snapshot's rows of it, if it was there.
    pub fn extent(&self) -> Option<&RowExtent> {
        self.extent.as_ref()
    }
}

/// The snapshot with the tail applied so far.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    /// Names, enums, views and grants; its tables are brought up to date by
    /// [`finish`](Overlay::finish).
    catalog: Catalog,
    tables: Vec<Vec<OverlayTable>>,
}

impl Overlay {
    /// The snapshot as it stands.
    pub fn new(snapshot: &Snapshot) -> Self {
        let tables = snapshot
            .catalog
            .databases
            .iter()
            .enumerate()
            .map(|(d, database)| {
                let tables = database.tables.iter().enumerate();
                tables
                    .map(|(t, table)| {
                        let extent = snapshot.extent(d, t).cloned();
                        let count = extent.as_ref().map_or(0, |extent| extent.count);
                        OverlayTable {
                            state: TableState::of_snapshot(table, (d, t), count),
                            extent,
                        }
                    })
                    .collect()
            });
        Overlay {
            tables: tables.collect(),
            catalog: snapshot.catalog.clone(),
        }
    }

    /// A database by name, made when it is not there: one that was created
    /// after the last checkpoint is named by no file.
    pub fn database_or_new(&mut self, name: &str) -> usize {
        if let Some(index) = self.catalog.database_index(name) {
            return index;
        }
        self.catalog.databases.push(Database {
            name: name.to_owned(),
            tables: Vec::new(),
            enums: Vec::new(),
            views: Vec::new(),
            table_grants: Vec::new(),
        });
        self.tables.push(Vec::new());
        self.tables.len() - 1
    }

    /// Whether a database has a table now.
    pub fn has_table(&self, database: usize, name: &str) -> bool {
        self.table(database, name).is_some()
    }

    /// A table of a database as it is now.
    pub fn table(&self, database: usize, name: &str) -> Option<&OverlayTable> {
        let mut tables = self.tables.get(database)?.iter();
        tables.find(|table| table.state.schema.name == name)
    }

    /// How many databases there are now.
    pub fn database_count(&self) -> usize {
        self.tables.len()
    }

    /// Applies one operation to one database. `xmax` is what a Delete writes.
    pub fn apply(&mut self, database: usize, operation: &Operation, xmax: u64) -> Effect {
        let Some(tables) = self.tables.get_mut(database) else {
            return Effect::Impossible("the database does not exist");
        };
        let Some(name) = operation.table() else {
            return Effect::Applied;
        };
        let position = tables
            .iter()
            .position(|table| table.state.schema.name == name);
        if let Operation::CreateTable { schema, rows, .. } = operation {
            if position.is_some() {
                return Effect::None("the table exists already");
            }
            let state = TableState::created(schema, rows);
            tables.push(OverlayTable {
                state,
                extent: None,
            });
            self.grant_created(database, name);
            return Effect::Applied;
        }
        let Some(position) = position else {
            return match operation {
                Operation::DropTable { .. } => Effect::None("the table does not exist"),
                _ => Effect::Impossible("the table does not exist"),
            };
        };
        if let Operation::DropTable { .. } = operation {
            tables.remove(position);
            if let Some(grants) = self.grants(database) {
                grants.retain(|grant| grant.table != name);
            }
            return Effect::Applied;
        }
        if let Operation::RenameTable { new, .. } = operation {
            if tables.iter().any(|table| table.state.schema.name == *new) {
                return Effect::Impossible("the new table name is taken");
            }
            let Some(table) = tables.get_mut(position) else {
                return Effect::Applied;
            };
            table.state.schema.name = new.clone();
            for grant in self.grants(database).into_iter().flatten() {
                if grant.table == name {
                    grant.table = new.clone();
                }
            }
            return Effect::Applied;
        }
        let Some(OverlayTable { state, .. }) = tables.get_mut(position) else {
            return Effect::Applied;
        };
        match operation {
            Operation::Insert { row, .. } => state.insert(row),
            Operation::Update { index, row, .. } => state.update(*index, row),
            Operation::Delete { index, .. } => state.delete(*index, xmax),
            Operation::AddColumn { column, .. } => state.add_column(column),
            Operation::DropColumn { column, .. } => state.drop_column(column),
            Operation::RenameColumn { old, new, .. } => state.rename_column(old, new),
            Operation::CreateTable { .. }
            | Operation::DropTable { .. }
            | Operation::RenameTable { .. }
            | Operation::Checkpoint { .. } => Effect::Applied,
        }
    }

    fn grants(&mut self, database: usize) -> Option<&mut Vec<TableGrants>> {
        self.catalog
            .databases
            .get_mut(database)
            .map(|database| &mut database.table_grants)
    }

    /// A server of family 2.3 gives every table's owner all privileges on it.
    fn grant_created(&mut self, database: usize, table: &str) {
        let Some(owner) = self.tables.get(database).and_then(|tables| {
            let created = tables.iter().find(|t| t.state.schema.name == table)?;
            created.state.schema.owner.clone()
        }) else {
            return;
        };
        let grant = TableGrants::owned_by(table, &owner);
        if let Some(grants) = self.grants(database) {
            grants.push(grant);
        }
    }

    /// Visible row versions of a table; reads the snapshot rows that the tail
    /// marked dead, because some may have been dead before.
    ///
    /// # Errors
    /// When the snapshot cannot be read.
    pub fn live_count(&self, database: usize, table: usize) -> Result<u64> {
        let Some(table) = self.table_at(database, table) else {
            return Ok(0);
        };
        let appended = table
            .state
            .appended
            .iter()
            .filter(|row| row.is_visible())
            .count() as u64;
        let Some(extent) = &table.extent else {
            return Ok(appended);
        };
        let mut ended = 0;
        read_rows_at(extent, table.state.dead.keys().copied(), |_, row| {
            ended += u64::from(row.is_visible());
        })?;
        Ok(extent.live.saturating_sub(ended).saturating_add(appended))
    }

    /// Brings the catalog up to date and gives it out.
    pub fn finish(&mut self) -> &Catalog {
        for (database, tables) in self.catalog.databases.iter_mut().zip(&self.tables) {
            database.tables = tables
                .iter()
                .map(|table| table.state.schema.clone())
                .collect();
        }
        &self.catalog
    }

    /// The catalog as of the last [`finish`](Overlay::finish).
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// A table by its positions in the catalog.
    pub fn table_at(&self, database: usize, table: usize) -> Option<&OverlayTable> {
        self.tables.get(database)?.get(table)
    }
}

impl RowSource for Overlay {
    fn row_count(&self, database: usize, table: usize) -> u64 {
        self.table_at(database, table)
            .map_or(0, |table| table.state.row_count())
    }

    fn open_rows(&self, database: usize, table: usize) -> Result<Box<dyn RowStream + '_>> {
        let table = self
            .table_at(database, table)
            .ok_or_else(|| Error::Usage("internal: no such table".into()))?;
        Ok(Box::new(OverlayReader {
            state: &table.state,
            base: table.extent.as_ref().map(RowReader::new),
            unchanged: table.is_unchanged(),
            next_index: 0,
            appended: table.state.appended.chunks(APPENDED_ROWS_PER_BATCH),
        }))
    }
}

impl OverlayTable {
    /// Whether the snapshot's rows pass through as they stand.
    fn is_unchanged(&self) -> bool {
        let stored = self.state.columns.iter().enumerate();
        let mut same_columns = stored.map(|(i, origin)| *origin == ColumnOrigin::Stored(i));
        let arity = self.extent.as_ref().map_or(0, |extent| extent.arity);
        self.state.dead.is_empty()
            && self.state.columns.len() == arity
            && same_columns.all(|same| same)
    }
}

/// Appended rows handed out at once.
const APPENDED_ROWS_PER_BATCH: usize = 1024;

/// Streams a table's snapshot rows with the changes, then the appended rows.
struct OverlayReader<'o> {
    state: &'o TableState,
    base: Option<RowReader>,
    unchanged: bool,
    next_index: u64,
    appended: std::slice::Chunks<'o, Row>,
}

impl RowStream for OverlayReader<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        if let Some(base) = &mut self.base {
            // Decided before the batch borrows the reader.
            if self.next_index < self.state.base_count {
                let Some(batch) = base.next_batch()? else {
                    return Err(Error::Usage("internal: fewer rows than were walked".into()));
                };
                let first = self.next_index;
                self.next_index = first.saturating_add(batch.len() as u64);
                let batch = if self.unchanged {
                    batch
                } else {
                    self.state.changed(batch, first)
                };
                return Ok(Some(batch));
            }
        }
        let Some(rows) = self.appended.next() else {
            return Ok(None);
        };
        let mut batch = RowBatch::new();
        for row in rows {
            row.values
                .iter()
                .for_each(|value| batch.push_value(value.as_ref()));
            batch.end_row(row.xmin, row.xmax);
        }
        Ok(Some(batch))
    }
}

impl TableState {
    /// Snapshot rows as they are now: columns moved, versions marked dead.
    fn changed<'b>(&self, batch: RowBatch<'b>, first: u64) -> RowBatch<'b> {
        let mut changed = RowBatch::new();
        for (index, (values, xmin, xmax)) in (first..).zip(batch.into_rows()) {
            for origin in &self.columns {
                let stored = match origin {
                    ColumnOrigin::Stored(at) => values.get(*at).copied(),
                    ColumnOrigin::Added => None,
                };
                changed.push_value(stored.unwrap_or(ValueRef::Null));
            }
            changed.end_row(xmin, self.dead.get(&index).copied().or(xmax));
        }
        changed
    }
}
