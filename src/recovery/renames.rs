//! What tables are called after the tail. Findings name them as their records do, and
//! who reads them looks for the names of now.

use std::collections::BTreeMap;

use crate::legacy::Wal;
use crate::model::Operation;
use crate::report::Report;

use super::Overlay;
use super::apply::Applied;

/// A record that took a name from a table.
#[derive(Debug)]
struct NameTaken<'w> {
    sequence: u64,
    /// What the table is called now, if it was not dropped.
    now: Option<&'w str>,
}

/// The tables that the tail renamed.
#[derive(Debug, Default)]
pub struct Renames<'w> {
    /// By database and the name before, in the order of the records.
    by_name: BTreeMap<(usize, &'w str), Vec<NameTaken<'w>>>,
}

impl<'w> Renames<'w> {
    /// Those among the records that were applied.
    pub(super) fn new(applied: &[Applied], wal: &'w Wal) -> Self {
        let mut by_name: BTreeMap<_, Vec<NameTaken<'_>>> = BTreeMap::new();
        let mut now: BTreeMap<(usize, &str), Option<&str>> = BTreeMap::new();
        for one in applied.iter().rev() {
            let Some(record) = wal.records.get(one.record) else {
                continue;
            };
            let sequence = record.sequence;
            match &record.operation {
                Operation::RenameTable { old, new } => {
                    let last = now.remove(&(one.database, &**new));
                    let last = last.unwrap_or(Some(new));
                    now.insert((one.database, old), last);
                    let changes = by_name.entry((one.database, &**old)).or_default();
                    changes.push(NameTaken {
                        sequence,
                        now: last,
                    });
                }
                Operation::DropTable { table } => {
                    now.insert((one.database, table), None);
                    let changes = by_name.entry((one.database, &**table)).or_default();
                    changes.push(NameTaken {
                        sequence,
                        now: None,
                    });
                }
                // What had the name until then is another table.
                Operation::CreateTable { table, .. } => {
                    now.remove(&(one.database, &**table));
                }
                _ => {}
            }
        }
        by_name.values_mut().for_each(|changes| changes.reverse());
        Renames { by_name }
    }

    /// What a table is called now that a record of this sequence names; `None` where
    /// it has its name.
    pub fn now(&self, database: usize, table: &str, sequence: u64) -> Option<&'w str> {
        let changes = self.by_name.get(&(database, table))?;
        let next = changes.partition_point(|taken| taken.sequence < sequence);
        changes.get(next)?.now.filter(|now| *now != table)
    }

    /// Adds the names of now to findings.
    pub(super) fn note(&self, overlay: &Overlay, report: &mut Report) {
        if self.by_name.is_empty() {
            return;
        }
        report.note(|finding| {
            let database = overlay.position(finding.database.as_deref()?)?;
            let table = finding.table.as_deref()?;
            let now = match finding.sequence {
                Some(sequence) => self.now(database, table, sequence),
                // Of a name that another table has now nothing is told.
                None if overlay.table(database, table).is_some() => None,
                None => self.now(database, table, 0),
            };
            now.map(|now| format!("it is called {now} now"))
        });
    }
}
