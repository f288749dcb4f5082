//! What the tool makes of a directory, with or without undoing what an earlier
//! start of the server did.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rustdb_migrate::commands::{Backend, Directory, OpenOptions};
use rustdb_migrate::finding::{Code, Finding};
use rustdb_migrate::recovery::attribution::Decision;
use rustdb_migrate::recovery::{Confidence, OnAmbiguous, Request};

use super::convert::instance_of;
use super::disk::on_disk;
use super::model::{Instance, Row, Table};
use super::server::Files;

pub type Tables = BTreeMap<(String, String), Table>;

/// The tables of an instance, in name order.
pub fn tables(instance: &Instance) -> Tables {
    let mut tables = Tables::new();
    for (name, database) in &instance.databases {
        for (key, table) in &database.tables {
            let mut table = table.clone();
            // No family before 2.3 writes it.
            table.owner.0.clear();
            tables.insert((name.clone(), key.clone()), table);
        }
    }
    tables
}

/// What the tool makes of a directory.
pub struct Made {
    pub tables: Tables,
    pub findings: Vec<Finding>,
    /// Database by sequence, where one is claimed, and how sure that is.
    pub owners: BTreeMap<u64, (Option<String>, Confidence)>,
    pub set_aside: usize,
}

impl Made {
    pub fn of(dir: &Path, recovery: Request) -> Self {
        let options = OpenOptions {
            recovery,
            ..OpenOptions::default()
        };
        let directory = Directory::open(dir, &options).unwrap();
        let Backend::Legacy { legacy, recovery } = directory.backend() else {
            panic!("not a legacy directory");
        };
        let records = &legacy.wal.records;
        let tail = recovery.attribution.tail.iter();
        let owners = tail.map(|a| {
            let owner = (a.database.as_deref().map(str::to_owned), a.confidence);
            (records[a.record].sequence, owner)
        });
        Made {
            tables: tables(&instance_of(directory.catalog(), &directory).unwrap()),
            owners: owners.collect(),
            set_aside: recovery.set_aside.len(),
            findings: directory.findings().findings().to_vec(),
        }
    }

    pub fn of_files(files: &Files, repair_replay: bool) -> Self {
        let request = Request {
            repair_replay,
            on_ambiguous: OnAmbiguous::Quarantine,
            ..Request::default()
        };
        Made::of(on_disk(files).path(), request)
    }

    /// With the user's word on whose each record was.
    pub fn decided(files: &Files, owners: &BTreeMap<u64, String>) -> Self {
        let mut request = Request {
            repair_replay: true,
            ..Request::default()
        };
        for (sequence, name) in owners {
            let decision = Decision::Database(name.clone());
            request.decisions.by_sequence.insert(*sequence, decision);
        }
        Made::of(on_disk(files).path(), request)
    }

    /// Names of tables with a finding of that code.
    pub fn named(&self, code: Code) -> BTreeSet<String> {
        let of_code = self.findings.iter().filter(|f| f.code == code);
        of_code.filter_map(|f| f.table.clone()).collect()
    }

    pub fn has(&self, code: Code) -> bool {
        self.findings.iter().any(|finding| finding.code == code)
    }
}

/// Rows as they compare: what xmax a version got, no record says.
pub fn comparable(table: &Table) -> Vec<Row> {
    let rows = table.rows.iter().cloned();
    rows.map(|row| Row {
        xmax: row.xmax.map(|_| 0),
        ..row
    })
    .collect()
}
