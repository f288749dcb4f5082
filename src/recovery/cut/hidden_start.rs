//! A start of the server of which the log shows nothing.
//!
//! A start opens a segment, replays the log and checkpoints, which deletes all
//! but the two newest segments by name. Where the clock had stepped back that
//! is the new one itself, with the mark in it and all that is logged since; a
//! start that was killed before the mark leaves no more. The snapshot is what
//! tells then: the replay pushes every row of the log once more.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::ContentHash;
use crate::error::Result;
use crate::legacy::{RowExtent, RowReader, Snapshot, Wal};
use crate::model::{Operation, RowStream, TablesByName};
use crate::recovery::server_replay::{is_marker, starts};

use super::evidence::SLACK_ROWS;
use super::forms::{row_hash, row_hash_owned};

/// Updates of a table that are looked for where the replay leaves them.
const UPDATES_LOOKED_FOR: usize = 64;
/// The fewest rows that stand twice by no chance.
const TELLING_ROWS: u64 = 2;

/// How often rows stand.
type Counts = BTreeMap<ContentHash, u64>;

/// What the snapshot says of a start that replayed the whole log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hidden {
    /// What its replay would have left is not there.
    Excluded,
    /// Nothing contradicts one.
    Possible,
    /// Rows stand where such a replay leaves them.
    Likely,
}

/// How often a row that was inserted stands in all tables of a name.
#[derive(Default)]
struct Times {
    /// So often it was inserted.
    once: u64,
    /// At least, if there was such a start.
    least: u64,
    /// At most, if there was none: with the starts that the log shows.
    explained: u64,
}

/// What the log says of the tables of one name.
#[derive(Default)]
struct Logged {
    /// Rows inserted.
    inserted: BTreeMap<ContentHash, Times>,
    inserts: u64,
    /// The last row given to an index.
    updated: BTreeMap<u64, ContentHash>,
    updates: u64,
    deletes: u64,
    /// Rows that replays of these can have taken from the tables.
    taken: u64,
    created: bool,
    /// Whether a replay changes more than rows.
    reshaped: bool,
}

/// Whether a start can have replayed the log, with nothing logged since.
pub(super) fn look(wal: &Wal, snapshot: &Snapshot) -> Result<Hidden> {
    let starts: BTreeSet<usize> = starts(wal).iter().map(|start| start.marker).collect();
    // Every start replayed what was logged before it.
    let replays = starts.len() as u64 + 2;
    let logged = logged(wal, snapshot, &starts);
    let tables = TablesByName::new(&snapshot.catalog);
    let mut possible = vec![true; snapshot.catalog.databases.len()];
    let mut telling = 0;
    for (name, log) in &logged {
        let mut all = Counts::new();
        let mut holders = 0;
        let last = log.inserts.saturating_mul(replays) + SLACK_ROWS;
        let changes = log.updates + log.deletes;
        let mut named = tables.named(name).iter().peekable();
        for (d, possible) in possible.iter_mut().enumerate() {
            let own = named.next_if(|at| at.database == d);
            let extent = own.and_then(|at| snapshot.extent(d, at.table));
            let Some(extent) = extent else {
                *possible &= !log.created || log.reshaped;
                continue;
            };
            if log.reshaped {
                continue;
            }
            let found = count(extent, last, &log.inserted)?;
            let missing = lacking(&log.inserted, &found, |times| times.once);
            *possible &= missing <= changes && updates_stand(extent, log)?;
            holders += 1;
            for (row, times) in found {
                *all.entry(row).or_insert(0) += times;
            }
        }
        // Of a table that is gone nothing is left to be told.
        if log.reshaped || holders == 0 {
            continue;
        }
        let missing = lacking(&log.inserted, &all, |times| times.least);
        if missing > log.taken {
            return Ok(Hidden::Excluded);
        }
        telling += beyond(&log.inserted, &all).saturating_sub(log.taken);
    }
    Ok(match possible.contains(&true) {
        false => Hidden::Excluded,
        true if telling >= TELLING_ROWS => Hidden::Likely,
        true => Hidden::Possible,
    })
}

/// What the records of each table would leave behind.
fn logged<'w>(
    wal: &'w Wal,
    snapshot: &Snapshot,
    starts: &BTreeSet<usize>,
) -> BTreeMap<&'w str, Logged> {
    let alone = snapshot.catalog.databases.len() == 1;
    // Since 1.5 rows are vacuumed without a record.
    let changes_logged = wal.has_ended_versions();
    let mut logged: BTreeMap<&str, Logged> = BTreeMap::new();
    // What stands of a row without the start: the server had it in memory when
    // it checkpointed, or an earlier start replayed it.
    let mut held = 0;
    let mut replays = 1;
    for (at, record) in wal.records.iter().enumerate().rev() {
        if is_marker(record) {
            let before = at.checked_sub(1).and_then(|before| wal.records.get(before));
            let opens_segment = before.is_none_or(|before| before.segment != record.segment);
            let by_start = opens_segment || starts.contains(&at);
            held = u64::from(changes_logged && (alone || !by_start));
            replays += u64::from(by_start);
            continue;
        }
        let Some(table) = record.operation.table() else {
            continue;
        };
        let log = logged.entry(table).or_default();
        match &record.operation {
            Operation::CreateTable { .. } => log.created = true,
            Operation::Insert { row, .. } => {
                let times = log.inserted.entry(row_hash_owned(row)).or_default();
                times.once += 1;
                times.least += 1 + held;
                times.explained += replays;
                log.inserts += 1;
            }
            Operation::Update { index, row, .. } => {
                let hash = row_hash_owned(row);
                log.updated.entry(*index).or_insert(hash);
                log.updates += 1;
                log.taken += replays;
            }
            Operation::Delete { .. } => {
                log.deletes += 1;
                log.taken += replays;
            }
            Operation::RenameTable { new, .. } => {
                log.reshaped = true;
                logged.entry(new).or_default().reshaped = true;
            }
            _ => log.reshaped = true,
        }
    }
    logged
}

/// How many of some rows are missing among those that were found.
fn lacking(
    inserted: &BTreeMap<ContentHash, Times>,
    found: &Counts,
    wanted: impl Fn(&Times) -> u64,
) -> u64 {
    let missing = inserted.iter().map(|(row, times)| {
        let found = found.get(row).copied().unwrap_or(0);
        wanted(times).saturating_sub(found)
    });
    missing.sum()
}

/// How many rows stand beyond those that the log explains.
fn beyond(inserted: &BTreeMap<ContentHash, Times>, found: &Counts) -> u64 {
    let more = found.iter().filter_map(|(row, found)| {
        let times = inserted.get(row)?;
        Some(found.saturating_sub(times.explained))
    });
    more.sum()
}

/// How often some rows stand among the last of a table.
fn count(extent: &RowExtent, last: u64, wanted: &BTreeMap<ContentHash, Times>) -> Result<Counts> {
    let mut found = Counts::new();
    let mut reader = RowReader::starting_at(extent, extent.count.saturating_sub(last))?;
    while let Some(batch) = reader.next_batch()? {
        for row in batch.rows() {
            let hash = row_hash(&row);
            if wanted.contains_key(&hash) {
                *found.entry(hash).or_insert(0) += 1;
            }
        }
    }
    Ok(found)
}

/// Whether the rows that updates gave to an index stand there: a replay puts
/// them in place. Deletes shift what follows, and nothing is told then.
fn updates_stand(extent: &RowExtent, log: &Logged) -> Result<bool> {
    if log.deletes > 0 {
        return Ok(true);
    }
    let before = extent.count.saturating_sub(log.inserts);
    let in_reach = log.updated.iter().filter(|(index, _)| **index < before);
    for (index, hash) in in_reach.rev().take(UPDATES_LOOKED_FOR) {
        let mut reader = RowReader::starting_at(extent, *index)?;
        let batch = reader.next_batch()?;
        let row = batch.as_ref().and_then(|batch| batch.rows().next());
        if row.is_none_or(|row| row_hash(&row) != *hash) {
            return Ok(false);
        }
    }
    Ok(true)
}
