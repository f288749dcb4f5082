//! Decisions as a user types them, held against the names that the files have.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::finding::Code;
use crate::legacy::LegacyDir;
use crate::model::Operation;
use crate::recovery::attribution::Decision;
use crate::recovery::{Decisions, Request};

use super::nearest;

/// Names that a decision can give.
pub(super) struct DecidableNames<'n> {
    /// The tables that records name.
    pub tables: BTreeSet<&'n str>,
    /// The databases that a file names.
    pub databases: BTreeSet<&'n str>,
    /// Whether there can be databases that no file names.
    pub open: bool,
    /// Whether a quarantine beside the data may name other tables, which only an
    /// upgrade reads.
    pub beside: bool,
}

impl<'n> DecidableNames<'n> {
    /// Those of a legacy directory. Databases can be missing where the snapshot
    /// does not hold them all, and where a table was made that may be theirs.
    pub fn of_legacy(legacy: &'n LegacyDir, request: &Request) -> Self {
        let mut databases = BTreeSet::new();
        let mut known = BTreeSet::new();
        if let Ok(Some(snapshot)) = &legacy.snapshot {
            let catalog = &snapshot.catalog;
            databases.extend(catalog.databases.iter().map(|one| one.name.as_str()));
            databases.extend(catalog.grants.iter().map(|one| one.database.as_str()));
            let tables = catalog.databases.iter().flat_map(|one| &one.tables);
            known.extend(tables.map(|table| table.name.as_str()));
        }
        let from = match request.repair_replay {
            true => 0,
            false => legacy.wal.after_last_checkpoint(),
        };
        let tail = legacy.wal.records.iter().skip(from);
        // A table can be of a database that no file names: one that is made, and one
        // that is filled and was never made.
        let can_be_young = |operation: &'n Operation| match operation {
            Operation::CreateTable { .. } => true,
            Operation::Insert { table, .. } => !known.contains(&**table),
            Operation::RenameTable { new, .. } => {
                known.insert(new.as_str());
                false
            }
            _ => false,
        };
        let mut operations = tail.map(|record| &record.operation);
        DecidableNames {
            tables: Self::tables_of(legacy),
            beside: legacy.report.has(Code::Quarantined),
            open: request.salvage || databases.is_empty() || operations.any(can_be_young),
            databases,
        }
    }

    /// The tables that the log and the page files name.
    pub fn tables_of(legacy: &'n LegacyDir) -> BTreeSet<&'n str> {
        let mut tables = legacy.wal.table_names();
        tables.extend(legacy.page_dirs.iter().map(|entry| entry.name.as_str()));
        tables
    }

    /// The decisions with tables named as records name them.
    ///
    /// # Errors
    /// `Usage` when a name is a slip of the hand, or when two decisions about
    /// one table differ.
    pub fn resolve(&self, given: &Decisions) -> Result<Decisions> {
        let usage = |why: String| Error::Usage(format!("--assign: {why}"));
        let mut decisions = given.clone();
        decisions.by_table.clear();
        for (name, decision) in &given.by_table {
            let table = self.table(name, decision).map_err(usage)?;
            decisions
                .decide_table(table, decision.clone())
                .map_err(usage)?;
            self.check(decision).map_err(usage)?;
        }
        for decision in decisions.all() {
            self.check(decision)
                .map_err(|why| Error::Usage(format!("--attribution: {why}")))?;
        }
        Ok(decisions)
    }

    /// The table that a name means: `TABLE`, or `DATABASE.TABLE`.
    fn table<'t>(&self, name: &'t str, decision: &Decision) -> Result<&'t str, String> {
        if self.tables.contains(name) {
            return Ok(name);
        }
        let in_database = |database: &'n str| {
            let table = name.strip_prefix(database)?.strip_prefix('.')?;
            let known = self.tables.contains(table);
            known.then_some((database, table))
        };
        match self.databases.iter().copied().find_map(in_database) {
            Some((database, table)) if decision.is_for(database) => Ok(table),
            Some((_, table)) => Err(format!(
                "found {name}={decision}, expected --assign {table}={decision}: records name no database, so only a table can be given"
            )),
            None if self.beside => Ok(name),
            None => {
                let mut databases = self.databases.iter();
                let rest = databases.find_map(|one| name.strip_prefix(one)?.strip_prefix('.'));
                let table = rest.unwrap_or(name);
                Err(format!(
                    "found no record of {name:?}{}",
                    nearest::hint(table, self.tables.iter().copied())
                ))
            }
        }
    }

    fn check(&self, decision: &Decision) -> Result<(), String> {
        match decision {
            Decision::Database(name) if !self.open && !self.databases.contains(name.as_str()) => {
                Err(format!(
                    "found no database {name:?}{}",
                    nearest::hint(name, self.databases.iter().copied())
                ))
            }
            _ => Ok(()),
        }
    }
}
