//! The databases as the server last had them: the snapshot, and over it what
//! the tail changed. Snapshot rows are streamed through, never held.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::legacy::{RowExtent, Snapshot};
use crate::model::{
    Catalog, Database, Operation, RowPart, RowSource, RowStream, Table, TableGrants,
};

use super::overlay_reader::{self, OverlayReader};
use super::replay::{Effect, TableState};
use super::stored::{Extra, Piece, StoredRows};

/// One table of the overlay, with the stored rows where it has any.
#[derive(Debug, Clone)]
pub struct OverlayTable {
    state: TableState,
    pieces: Vec<Piece>,
}

impl OverlayTable {
    /// A table as the snapshot holds it.
    fn stored(table: &Table, at: (usize, usize), snapshot: &Snapshot) -> Self {
        let extent = snapshot
            .extent(at.0, at.1)
            .filter(|extent| extent.count > 0);
        let piece = |extent: &RowExtent| Piece {
            first_index: 0,
            rows: StoredRows::Snapshot(extent.clone()),
        };
        OverlayTable {
            state: TableState::of_snapshot(table, at, extent.map_or(0, |extent| extent.count)),
            pieces: extent.map(piece).into_iter().collect(),
        }
    }

    /// The table and what happened to it.
    pub fn state(&self) -> &TableState {
        &self.state
    }

    /// Its stored rows, in index order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Row versions that can be read.
    fn readable_count(&self) -> u64 {
        let stored: u64 = self.pieces.iter().map(|piece| piece.rows.row_count()).sum();
        stored.saturating_add(self.state.appended.len() as u64)
    }
}

/// The snapshot with the tail applied so far.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    /// Names, enums, views and grants; its tables are brought up to date by
    /// [`finish`](Overlay::finish).
    catalog: Catalog,
    tables: Vec<Vec<OverlayTable>>,
    /// Of each database its tables' positions by name; of two of one name, the
    /// first.
    positions: Vec<BTreeMap<String, usize>>,
    /// The databases' positions by name, likewise.
    databases: BTreeMap<String, usize>,
}

/// Positions by name; of two of one name, the first.
fn positions<'n>(names: impl Iterator<Item = &'n str>) -> BTreeMap<String, usize> {
    let mut positions = BTreeMap::new();
    for (position, name) in names.enumerate() {
        positions.entry(name.to_owned()).or_insert(position);
    }
    positions
}

impl Overlay {
    /// The snapshot as it stands.
    pub fn new(snapshot: &Snapshot) -> Self {
        let databases = snapshot.catalog.databases.iter().enumerate();
        let tables = databases.map(|(d, database)| {
            let tables = database.tables.iter().enumerate();
            tables
                .map(|(t, table)| OverlayTable::stored(table, (d, t), snapshot))
                .collect()
        });
        let databases = snapshot.catalog.databases.iter();
        let of_tables = databases.clone().map(|database| {
            let tables = database.tables.iter();
            positions(tables.map(|table| table.name.as_str()))
        });
        Overlay {
            tables: tables.collect(),
            positions: of_tables.collect(),
            databases: positions(databases.map(|database| database.name.as_str())),
            catalog: snapshot.catalog.clone(),
        }
    }

    /// The position of a database, by name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.databases.get(name).copied()
    }

    /// A database by name, made when it is not there: one that was created
    /// after the last checkpoint is named by no file.
    pub fn database_or_new(&mut self, name: &str) -> usize {
        if let Some(at) = self.position(name) {
            return at;
        }
        self.catalog.databases.push(Database {
            name: name.to_owned(),
            tables: Vec::new(),
            enums: Vec::new(),
            views: Vec::new(),
            table_grants: Vec::new(),
        });
        self.tables.push(Vec::new());
        self.positions.push(BTreeMap::new());
        let index = self.tables.len() - 1;
        self.databases.insert(name.to_owned(), index);
        index
    }

    /// A table of a database as it is now.
    pub fn table(&self, database: usize, name: &str) -> Option<&OverlayTable> {
        let position = self.positions.get(database)?.get(name)?;
        self.tables.get(database)?.get(*position)
    }

    /// The tables of a database as they are now, with their row versions.
    pub fn row_counts(&self, database: usize) -> Vec<(String, u64)> {
        let tables = self.tables.get(database).into_iter().flatten();
        tables
            .map(|table| (table.state.name.clone(), table.state.row_count()))
            .collect()
    }

    /// How many databases there are now.
    pub fn database_count(&self) -> usize {
        self.tables.len()
    }

    /// Applies one operation to one database. `xmax` is what a Delete writes.
    pub fn apply(&mut self, database: usize, operation: &Operation, xmax: u64) -> Effect {
        let tables = self.tables.get_mut(database);
        let Some((tables, positions)) = tables.zip(self.positions.get_mut(database)) else {
            return Effect::Impossible("the database does not exist");
        };
        let Some(name) = operation.table() else {
            return Effect::Applied;
        };
        let position = positions.get(name).copied();
        if let Operation::CreateTable { schema, rows, .. } = operation {
            if position.is_some() {
                return Effect::None("the table exists already");
            }
            let state = TableState::created(schema, rows);
            positions.insert(name.to_owned(), tables.len());
            tables.push(OverlayTable {
                state,
                pieces: Vec::new(),
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
            forget(positions, name, position, tables);
            if let Some(grants) = self.grants(database) {
                grants.retain(|grant| grant.table != name);
            }
            return Effect::Applied;
        }
        if let Operation::RenameTable { new, .. } = operation {
            if positions.contains_key(new) {
                return Effect::Impossible("the new table name is taken");
            }
            let Some(table) = tables.get_mut(position) else {
                return Effect::Applied;
            };
            table.state.name = new.clone();
            positions.remove(name);
            positions.insert(new.clone(), position);
            let another = tables.iter().position(|t| t.state.name == name);
            positions.extend(another.map(|another| (name.to_owned(), another)));
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
            let created = tables.last().filter(|t| t.state.name == table)?;
            created.state.owner.clone()
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
        let mut live = appended;
        for piece in &table.pieces {
            let end = piece.first_index.saturating_add(piece.rows.row_count());
            let dead = table.state.dead.range(piece.first_index..end);
            let own = dead.map(|(index, _)| index - piece.first_index);
            live += piece
                .rows
                .live()
                .saturating_sub(piece.rows.visible_at(own)?);
        }
        Ok(live)
    }

    /// Adds what a table has beside the rows of the snapshot.
    pub(super) fn add_extra(&mut self, at: (usize, usize), extra: Extra) {
        let table = self
            .tables
            .get_mut(at.0)
            .and_then(|tables| tables.get_mut(at.1));
        let Some(OverlayTable { state, pieces }) = table else {
            return;
        };
        let total: u64 = extra.found.iter().map(StoredRows::row_count).sum();
        let first = state.base_count;
        state.base_count = extra.announced.max(first.saturating_add(total));
        // Rows are announced by number, so the last ones are those before the
        // table's end; where others were found again, nobody knows their index.
        let last = extra.found.last().map_or(0, StoredRows::row_count);
        let last_start = state.base_count.saturating_sub(last);
        state.lost = first..last_start;
        state.lost_holds_rows = extra.found.len() > 1;
        if extra.indexes_unknown {
            state.lost = 0..u64::MAX;
            state.lost_holds_rows = true;
        }
        let mut next = first;
        let pieces_found = extra.found.len();
        for (number, rows) in extra.found.into_iter().enumerate() {
            let first_index = if number + 1 == pieces_found {
                last_start
            } else {
                next
            };
            next = next.saturating_add(rows.row_count());
            pieces.push(Piece { first_index, rows });
        }
    }

    /// Brings the catalog up to date and gives it out.
    pub fn finish(&mut self) -> &Catalog {
        for (database, tables) in self.catalog.databases.iter_mut().zip(&self.tables) {
            database.tables = tables.iter().map(|table| table.state.schema()).collect();
        }
        &self.catalog
    }

    /// The catalog as of the last [`finish`](Overlay::finish).
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    fn known(&self, database: usize, table: usize) -> Result<&OverlayTable> {
        self.table_at(database, table)
            .ok_or_else(|| Error::Internal("no such table".into()))
    }

    /// A table by its positions in the catalog.
    pub fn table_at(&self, database: usize, table: usize) -> Option<&OverlayTable> {
        self.tables.get(database)?.get(table)
    }
}

/// The table of a position is gone: those after it move up, and another of its
/// name comes to light.
fn forget(positions: &mut BTreeMap<String, usize>, name: &str, gone: usize, left: &[OverlayTable]) {
    positions.remove(name);
    let later = positions.values_mut().filter(|position| **position > gone);
    later.for_each(|position| *position -= 1);
    let another = left.iter().position(|t| t.state.name == name);
    positions.extend(another.map(|another| (name.to_owned(), another)));
}

impl RowSource for Overlay {
    fn row_count(&self, database: usize, table: usize) -> u64 {
        self.table_at(database, table)
            .map_or(0, OverlayTable::readable_count)
    }

    fn open_rows(&self, database: usize, table: usize) -> Result<Box<dyn RowStream + '_>> {
        let table = self.known(database, table)?;
        let parts = overlay_reader::parts(&table.state, &table.pieces);
        Ok(Box::new(OverlayReader::new(
            &table.state,
            &table.pieces,
            parts,
        )))
    }

    fn parts(&self, database: usize, table: usize) -> Result<Vec<RowPart>> {
        let table = self.known(database, table)?;
        Ok(overlay_reader::parts(&table.state, &table.pieces))
    }

    fn open_part(
        &self,
        database: usize,
        table: usize,
        part: &RowPart,
    ) -> Result<Box<dyn RowStream + '_>> {
        let table = self.known(database, table)?;
        Ok(Box::new(OverlayReader::new(
            &table.state,
            &table.pieces,
            vec![*part],
        )))
    }
}
