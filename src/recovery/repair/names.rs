//! What the log says of the tables of one name, before and after a start of
//! the server.

use std::collections::{BTreeMap, BTreeSet};

use crate::legacy::{Snapshot, WalRecord};
use crate::model::{Column, Operation, PackedRow};

use crate::recovery::server_replay::{Start, is_read_back};

/// The records about the tables of one name.
#[derive(Debug, Default)]
pub(super) struct NameLog<'w> {
    /// Records before the start that its snapshot held, by position.
    pub held: Vec<(usize, &'w Operation)>,
    /// Records before the start that its snapshot did not hold.
    pub unheld: Vec<(usize, &'w Operation)>,
    /// Rows inserted since the start that the snapshot of now holds.
    pub later: Vec<(usize, &'w PackedRow)>,
    /// Why nothing can be said about what the start changed.
    pub obstacle: Option<&'static str>,
}

const ALTERED_BEFORE: &str =
    "before the start the table was dropped, renamed or given other columns";
const CHANGED_SINCE: &str = "records since the start count the rows that it added, \
     or change the table itself";

impl<'w> NameLog<'w> {
    /// Every record before the start, in order.
    pub fn replayed(&self) -> impl Iterator<Item = &'w Operation> {
        let both = self.held.iter().chain(&self.unheld);
        both.map(|(_, operation)| *operation)
    }

    /// The rows that the replay pushed, if it did nothing but push.
    pub fn pushes(&self) -> Vec<&'w PackedRow> {
        let read = self.replayed().filter(|operation| is_read_back(operation));
        read.filter_map(Operation::pushed_row).collect()
    }

    /// Whether the replay put rows in the place of others.
    pub fn is_rewritten(&self) -> bool {
        self.replayed().any(|operation| operation.ends_version())
    }

    /// Whether the replay creates the table where there is none.
    pub fn creates(&self) -> bool {
        self.replayed().any(is_create)
    }

    /// How many CREATE TABLEs the snapshot held.
    pub fn held_creates(&self) -> usize {
        let held = self.held.iter();
        held.filter(|(_, operation)| is_create(operation)).count()
    }
}

fn is_create(operation: &Operation) -> bool {
    matches!(operation, Operation::CreateTable { .. })
}

/// The records by table name, for names that stand before the start.
/// `first_tail` is the first record that the snapshot of now does not hold.
pub(super) fn by_name<'w>(
    records: &'w [WalRecord],
    start: Start,
    first_tail: usize,
) -> BTreeMap<&'w str, NameLog<'w>> {
    let mut names: BTreeMap<&str, NameLog<'_>> = BTreeMap::new();
    for (at, record) in records.iter().take(start.marker).enumerate() {
        let operation = &record.operation;
        let Some(name) = operation.table() else {
            continue;
        };
        let log = names.entry(name).or_default();
        match at < start.unheld {
            true => log.held.push((at, operation)),
            false => log.unheld.push((at, operation)),
        }
        if alters(operation) {
            log.obstacle = Some(ALTERED_BEFORE);
        }
        if let Operation::RenameTable { new, .. } = operation {
            names.entry(new).or_default().obstacle = Some(ALTERED_BEFORE);
        }
    }
    for (at, record) in records.iter().enumerate().skip(start.marker + 1) {
        let touched = match &record.operation {
            Operation::RenameTable { old, new } => [Some(&**old), Some(new.as_str())],
            other => [other.table(), None],
        };
        for name in touched.into_iter().flatten() {
            let Some(log) = names.get_mut(name) else {
                continue;
            };
            match &record.operation {
                Operation::Insert { row, .. } if at < first_tail => log.later.push((at, row)),
                Operation::Insert { .. } => {}
                _ => log.obstacle = log.obstacle.or(Some(CHANGED_SINCE)),
            }
        }
    }
    names
}

/// Whether an operation takes a table away or gives it other columns.
pub(super) fn alters(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::DropTable { .. }
            | Operation::AddColumn { .. }
            | Operation::DropColumn { .. }
            | Operation::RenameColumn { .. }
            | Operation::RenameTable { .. }
    )
}

/// Names, each with those that a foreign key joins to it.
pub(super) type Joined<'w> = BTreeMap<&'w str, BTreeSet<&'w str>>;

/// Names that a foreign key joins, in both directions.
pub(super) fn neighbours<'w>(
    snapshot: &'w Snapshot,
    names: &BTreeMap<&'w str, NameLog<'w>>,
) -> Joined<'w> {
    let mut joined = Joined::new();
    let mut join = |name: &'w str, columns: &'w [Column]| {
        for key in columns.iter().filter_map(|c| c.foreign_key.as_ref()) {
            joined.entry(name).or_default().insert(&key.table);
            joined.entry(&key.table).or_default().insert(name);
        }
    };
    let databases = snapshot.catalog.databases.iter();
    for table in databases.flat_map(|database| &database.tables) {
        join(&table.name, &table.columns);
    }
    for (name, log) in names {
        for operation in log.replayed() {
            if let Operation::CreateTable { schema, .. } = operation {
                join(name, &schema.columns);
            }
        }
    }
    joined
}
