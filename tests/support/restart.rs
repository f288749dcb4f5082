//! What a real server does when it is started again (format page, "What the
//! server's own recovery does to the data"): it loads the snapshot, applies every
//! record of every segment to one database, wrongly, and checkpoints.

use super::builder::record_offsets;
use super::model::{Database, Operation, Table, Value, WalEntry, decode_entry, decode_instance};
use super::server::Server;

impl Server {
    /// Killed and started again; `first` is the database that its map yields first.
    pub fn restart(&mut self, first: &str) {
        self.restart_after(60, first);
    }

    /// The same so many seconds later: a segment that is opened within the
    /// second of another is that one.
    pub fn restart_after(&mut self, seconds: u64, first: &str) {
        self.replay_after(seconds, first);
        self.checkpoint();
    }

    /// A start that is killed once its snapshot is written, before the mark.
    pub fn die_in_restart(&mut self, first: &str) {
        self.replay_after(60, first);
        self.dies_in_checkpoint = true;
        self.checkpoint();
    }

    fn replay_after(&mut self, seconds: u64, first: &str) {
        let replayed = self.logged();
        self.instance = decode_instance(self.family, &self.snapshot).unwrap();
        for entry in replayed {
            wrongly(self.database(first), entry.operation);
        }
        (self.dead, self.dies_in_checkpoint) = (false, false);
        self.transaction = 1;
        self.clock += seconds;
        self.open_segment();
    }

    /// Every record that is still there.
    pub fn logged(&self) -> Vec<WalEntry> {
        let mut entries = Vec::new();
        for (_, segment) in &self.segments {
            let starts = record_offsets(segment);
            let ends = starts.iter().skip(1).copied().chain([segment.len()]);
            for (start, end) in starts.iter().zip(ends) {
                entries.push(decode_entry(self.family, &segment[start + 4..end]).unwrap());
            }
        }
        entries
    }
}

fn wrongly(database: &mut Database, operation: Operation) {
    let find = |database: &mut Database, name: &str| {
        let mut tables = database.tables.iter();
        tables.position(|(key, _)| key == name)
    };
    let name = match &operation {
        Operation::Checkpoint(_) => return,
        Operation::CreateTable(name, _)
        | Operation::DropTable(name)
        | Operation::Insert(name, _)
        | Operation::Update(name, _, _)
        | Operation::Delete(name, _)
        | Operation::AddColumn(name, _)
        | Operation::DropColumn(name, _)
        | Operation::RenameColumn(name, _, _)
        | Operation::RenameTable(name, _) => name.clone(),
    };
    match (find(database, &name), operation) {
        (None, Operation::CreateTable(name, table)) => database.tables.push((name, table)),
        (Some(at), Operation::DropTable(_)) => drop(database.tables.remove(at)),
        (Some(at), operation) => rows_wrongly(&mut database.tables[at].1, operation),
        (None, _) => {}
    }
}

fn rows_wrongly(table: &mut Table, operation: Operation) {
    match operation {
        Operation::Insert(_, row) | Operation::Update(_, _, row) if has_numeric(&row.values) => {}
        Operation::Insert(_, row) => table.rows.push(row),
        Operation::Update(_, index, row) => {
            if let Some(old) = table.rows.get_mut(usize::try_from(index).unwrap()) {
                *old = row;
            }
        }
        Operation::Delete(_, index) => {
            let index = usize::try_from(index).unwrap();
            if index < table.rows.len() {
                table.rows.remove(index);
            }
        }
        _ => {}
    }
}

fn has_numeric(values: &[Value]) -> bool {
    values
        .iter()
        .any(|value| matches!(value, Value::Numeric(_)))
}
