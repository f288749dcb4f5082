//! `compact`: a directory of ours without dead row versions and packed anew, in
//! place or into another directory.

use std::path::Path;

use serde::Serialize;

use super::upgrade::{Outcome, Target, UpgradeOptions, UpgradeReport, upgrade};
use super::{OpenOptions, Opened};
use crate::engine::{Compaction, LiveStore, Store, StoreOptions};
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::model::RowSource;

/// What a compaction did; each pair is before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CompactReport {
    /// Every table, in name order.
    pub tables: Vec<CompactTable>,
    /// Bytes of all tables.
    pub bytes: (u64, u64),
    /// Row versions of all tables.
    pub rows: (u64, u64),
    /// Bytes of all segments of the log.
    pub log_bytes: (u64, u64),
    /// Whether any file was replaced.
    pub changed: bool,
    /// What was lost with catalogs that were written anew.
    #[serde(skip)]
    pub findings: Vec<Finding>,
}

/// What became of one table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CompactTable {
    /// The database that it belongs to.
    pub database: String,
    /// Its name.
    pub table: String,
    /// Row versions.
    pub rows: (u64, u64),
    /// Bytes of its files.
    pub bytes: (u64, u64),
}

impl CompactReport {
    fn new(mut tables: Vec<CompactTable>, log_bytes: (u64, u64), changed: bool) -> Self {
        tables.sort();
        let sum = |pick: fn(&CompactTable) -> (u64, u64)| {
            let pairs = tables.iter().map(pick);
            pairs.fold((0, 0), |(a, b), (before, after)| (a + before, b + after))
        };
        CompactReport {
            bytes: sum(|table| table.bytes),
            rows: sum(|table| table.rows),
            tables,
            log_bytes,
            changed,
            findings: Vec::new(),
        }
    }
}

/// Compacts a directory in place, on the disk of `open`. A crash leaves each table as before or after;
/// running it again goes on.
///
/// # Errors
/// `Usage` for a legacy directory; `NeedsDecision` when another process has it
/// open; damage; I/O errors.
pub fn compact(dir: &Path, open: &OpenOptions) -> Result<CompactReport> {
    refuse_legacy(dir, open)?;
    let options = StoreOptions {
        threads: open.threads,
        keep_beyond_damage: true,
        ..StoreOptions::default()
    };
    let mut store = LiveStore::open_on(&open.disk, dir, options)?;
    let Compaction { tables, log_len } = store.compact_watched(&open.progress)?;
    let changed = tables.iter().any(|table| table.changed);
    let tables = tables.into_iter().map(|table| CompactTable {
        database: table.database,
        table: table.table,
        rows: table.rows,
        bytes: table.len,
    });
    let report = CompactReport::new(tables.collect(), log_len, changed);
    let findings = store.findings().findings().to_vec();
    store.close()?;
    Ok(CompactReport { findings, ..report })
}

/// Compacts a directory into a new one of the same layout, and leaves it as it
/// is. The outcome of writing is beside the report.
///
/// # Errors
/// As `upgrade`; `Usage` for a legacy directory.
pub fn compact_into(
    dir: &Path,
    target: &Path,
    open: &OpenOptions,
) -> Result<(CompactReport, UpgradeReport)> {
    refuse_legacy(dir, open)?;
    let disk = &open.disk;
    let store = Store::open_on(disk, dir)?;
    let layout = store.layout();
    let before = sizes(&store)?;
    let pages_per_file = store.pages_per_file();
    drop(store);
    let options = UpgradeOptions {
        disk: disk.clone(),
        to: Target::Layout(layout),
        pages_per_file,
        open: open.clone(),
        drop_dead: true,
        ..UpgradeOptions::default()
    };
    let written = upgrade(dir, target, &options)?;
    let after = match written.outcome {
        Outcome::Done | Outcome::DoneWithLoss => sizes(&Store::open_on(disk, target)?)?,
        _ => Vec::new(),
    };
    let changed = !after.is_empty();
    let tables = before.into_iter().zip(after).map(|(before, after)| {
        let (database, table, rows, bytes) = before;
        CompactTable {
            database,
            table,
            rows: (rows, after.2),
            bytes: (bytes, after.3),
        }
    });
    let report = CompactReport::new(tables.collect(), (0, 0), changed);
    Ok((report, written))
}

fn refuse_legacy(dir: &Path, open: &OpenOptions) -> Result<()> {
    if Store::is_one_on(&*open.disk, dir) {
        return Ok(());
    }
    // Says what is wrong when it is no data directory at all.
    if let Opened::Ours(_) = Opened::open(dir, open)? {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{} is a legacy directory, which only its server may change\nUse `rustdb-migrate upgrade --drop-dead` to write a compact copy.",
        dir.display()
    )))
}

/// Name, row versions and bytes of each table.
fn sizes(store: &Store) -> Result<Vec<(String, String, u64, u64)>> {
    let mut sizes = Vec::new();
    for (d, database) in store.catalog().databases.iter().enumerate() {
        for (t, table) in database.tables.iter().enumerate() {
            let bytes = store.files_len(d, t)?;
            let rows = store.row_count(d, t);
            sizes.push((database.name.clone(), table.name.clone(), rows, bytes));
        }
    }
    Ok(sizes)
}
