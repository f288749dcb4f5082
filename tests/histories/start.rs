//! The server's own start, as it is: every record of every segment once more,
//! all on one database, in place. Nothing of the crate's reading of it.

use super::bytes::{Operation, Table, Value};
use super::server::{Segment, Server};

type Tables = std::collections::BTreeMap<String, Table>;

impl Server {
    /// Killed and started again; `first` is the database that its map yields
    /// first. `false`, and nothing done, where the start would fail and leave
    /// an empty instance.
    pub fn restart(&mut self, first: &str) -> bool {
        let started = self.replay_all(first);
        if started {
            self.checkpoint();
        }
        started
    }

    /// The same, and killed before the mark of the checkpoint at start.
    pub fn restart_unmarked(&mut self, first: &str) {
        if self.replay_all(first) {
            self.dies_in_checkpoint();
        }
    }

    /// The same with a clock that had stepped back: its segment is not one of the
    /// two newest by name, and the checkpoint at start deletes it with the mark.
    pub fn restart_behind(&mut self, first: &str) {
        self.restart_unmarked(first);
        self.segments.pop();
    }

    fn replay_all(&mut self, first: &str) -> bool {
        let mut databases = self.held.clone();
        let Some(tables) = databases.get_mut(first) else {
            return false;
        };
        let logged = self.segments.iter().flat_map(|one| &one.operations);
        for operation in logged {
            if !replay(tables, operation) {
                return false;
            }
        }
        self.databases = databases;
        self.xid = 1;
        self.clock += 60;
        let opened = self.segments.last().unwrap().opened + 60;
        self.segments.push(Segment {
            opened,
            ..Segment::default()
        });
        true
    }
}

/// `false` where the server gives up.
fn replay(tables: &mut Tables, operation: &Operation) -> bool {
    let name = match operation {
        Operation::Checkpoint(_) => return true,
        Operation::CreateTable(name, table) => {
            let known = tables.contains_key(name);
            let parents = table.columns.iter().filter_map(|c| c.foreign_key.as_ref());
            let mut stands = parents.map(|(parent, key)| {
                let parent = tables.get(parent);
                parent.is_some_and(|t| t.columns.iter().any(|c| c.name == *key && c.primary_key))
            });
            if known {
                return true;
            }
            let stands = stands.all(|stands| stands);
            tables.insert(name.clone(), table.clone());
            return stands;
        }
        Operation::DropTable(name) => {
            tables.remove(name);
            return true;
        }
        Operation::Rename(old, new) => {
            if let Some(mut table) = tables.remove(old) {
                table.name.clone_from(new);
                tables.insert(new.clone(), table);
            }
            return true;
        }
        Operation::Insert(name, _)
        | Operation::Update(name, ..)
        | Operation::Delete(name, _)
        | Operation::AddColumn(name, _)
        | Operation::DropColumn(name, _)
        | Operation::RenameColumn(name, ..) => name,
    };
    tables
        .get_mut(name)
        .is_none_or(|table| replay_on(table, operation))
}

fn replay_on(table: &mut Table, operation: &Operation) -> bool {
    let position = |table: &Table, name: &str| table.columns.iter().position(|c| c.name == name);
    match operation {
        Operation::Insert(_, row) => {
            if row.values.len() != table.columns.len() {
                return false;
            }
            table.rows.push(row.clone());
        }
        Operation::Update(_, index, row) => {
            if let Some(old) = table.rows.get_mut(*index as usize) {
                *old = row.clone();
            }
        }
        Operation::Delete(_, index) => {
            let index = *index as usize;
            if index < table.rows.len() {
                table.rows.remove(index);
            }
        }
        Operation::AddColumn(_, column) => {
            table.columns.push(column.clone());
            for row in &mut table.rows {
                row.values.push(Value::Null);
            }
        }
        Operation::DropColumn(_, column) => {
            if let Some(at) = position(table, column) {
                table.columns.remove(at);
                for row in &mut table.rows {
                    if at >= row.values.len() {
                        return false;
                    }
                    row.values.remove(at);
                }
            }
        }
        Operation::RenameColumn(_, old, new) => {
            if let Some(at) = position(table, old) {
                table.columns[at].name.clone_from(new);
            }
        }
        _ => {}
    }
    // An Update of another time can leave rows of another width, and no file
    // of such a table loads again.
    let width = table.columns.len();
    table.rows.iter().all(|row| row.values.len() == width)
}
