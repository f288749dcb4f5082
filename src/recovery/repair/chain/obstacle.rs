//! Why nothing can be proven of a name, whatever the starts did.

use std::collections::BTreeMap;

use crate::legacy::{Snapshot, WalRecord};
use crate::model::Operation;

use crate::recovery::repair::names::alters;

use super::timeline::{Event, Timeline};

const ALTERED: &str = "the log drops or renames the table, or gives it other columns";
const ARITY: &str = "the log holds rows with another number of values";
const TRANSACTIONS: &str = "transactions may have changed its rows without a record";

/// What the whole log says against names.
#[derive(Debug)]
pub(super) struct Obstacles<'w> {
    records: &'w [WalRecord],
    names: BTreeMap<&'w str, &'static str>,
    /// Whether an UPDATE or DELETE is logged.
    logs_changes: bool,
    /// Whether no transaction had begun when any row was pushed.
    no_transaction: bool,
}

impl<'w> Obstacles<'w> {
    pub fn new(records: &'w [WalRecord], snapshot: &Snapshot) -> Self {
        let mut names = BTreeMap::new();
        let mut logs_changes = false;
        for record in records {
            let operation = &record.operation;
            let Some(name) = operation.table() else {
                continue;
            };
            logs_changes |= changes(operation);
            if alters(operation) {
                names.insert(name, ALTERED);
            }
            if let Operation::RenameTable { new, .. } = operation {
                names.insert(new, ALTERED);
            }
            let databases = snapshot.catalog.databases.iter();
            let mut tables =
                databases.filter_map(|database| database.tables.get(database.table_index(name)?));
            let mut fits = |arity| tables.all(|table| table.columns.len() == arity);
            if operation.pushed_row().is_some_and(|row| !fits(row.arity())) {
                names.entry(name).or_insert(ARITY);
            }
        }
        let mut pushed = records.iter().filter_map(|r| r.operation.pushed_row());
        Obstacles {
            records,
            names,
            logs_changes,
            no_transaction: pushed.all(|row| row.xmin <= 1),
        }
    }

    /// Whether the log holds changes of rows; where it does, none goes without.
    pub fn logs_changes(&self) -> bool {
        self.logs_changes
    }

    /// Why nothing can be proven of a name.
    pub fn of(&self, name: &str, timeline: &Timeline) -> Option<&'static str> {
        if let Some(why) = self.names.get(name) {
            return Some(why);
        }
        let changes_it = |record: &WalRecord| {
            changes(&record.operation) && record.operation.table() == Some(name)
        };
        let changed = self.records.iter().any(changes_it);
        let doubtful = changed && (!self.no_transaction || self.is_uncertified(name, timeline));
        doubtful.then_some(TRANSACTIONS)
    }

    /// Whether a DELETE that no snapshot held may follow a transaction: only a
    /// row that is pushed says that none has begun.
    fn is_uncertified(&self, name: &str, timeline: &Timeline) -> bool {
        let mut uncertified = false;
        let mut events = timeline.events.iter();
        events.any(|event| {
            match event {
                Event::Record(at) => {
                    let operation = self.records.get(*at).map(|record| &record.operation);
                    let pushes = operation.is_some_and(|o| o.pushed_row().is_some());
                    let deletes = operation.is_some_and(|operation| {
                        matches!(operation, Operation::Delete { table, .. } if **table == *name)
                    });
                    uncertified = (uncertified && !pushes) || deletes;
                }
                Event::Save => uncertified = false,
                Event::Start(_) => return uncertified,
                Event::Snapshot => {}
            }
            false
        })
    }
}

fn changes(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::Update { .. } | Operation::Delete { .. }
    )
}
