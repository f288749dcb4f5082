//! Signs that the snapshot and the log are not of one moment: one of them was
//! copied from a running server before the other, or was put back from a backup.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::finding::{Code, Finding, counted};
use crate::legacy::{Family, Snapshot, WalRecord, read_rows_at};
use crate::model::{Operation, TablesByName};
use crate::recovery::server_replay::is_marker;

use super::evidence::{Evidence, HELD_LEAST};
use super::forms::row_hash_owned;

/// The fewest records that a snapshot lacks by no chance; of fewer it is told.
const LACKING_LEAST: usize = 2;

/// The tables of some records.
pub(super) fn names_of(records: &[WalRecord]) -> String {
    let names = records.iter().filter_map(|r| r.operation.table());
    let names: BTreeSet<&str> = names.collect();
    Vec::from_iter(names).join(", ")
}

/// What is to be thought of a snapshot that holds rows like all those of the
/// tail, none of which it should hold yet.
pub(super) fn newer_snapshot(
    tail: &[WalRecord],
    evidence: &Evidence,
    snapshot: &Snapshot,
) -> Option<Finding> {
    let (present, absent) = evidence.counts();
    if present == 0 || absent > 0 {
        return None;
    }
    // Rows that an UPDATE brings back, or that another database has too, are
    // ordinary.
    let tables = TablesByName::new(&snapshot.catalog);
    let inserted = tail.iter().all(|record| match &record.operation {
        Operation::Insert { table, .. } => tables.named(table).len() == 1,
        other => other.pushed_row().is_none(),
    });
    // Rows of no column are all alike.
    let pushed = tail
        .iter()
        .filter_map(|record| record.operation.pushed_row());
    if pushed.clone().all(|row| row.arity() == 0) {
        return None;
    }
    let rows: BTreeSet<_> = pushed.map(row_hash_owned).collect();
    let code = match inserted && rows.len() >= HELD_LEAST {
        true => Code::CutUncertain,
        false => Code::MixedTimes,
    };
    Some(Finding::new(code).detail(format!(
        "the snapshot holds already what {} after the last Checkpoint record did, as one that was copied after the log: {}",
        counted(present, "record"),
        names_of(tail)
    )))
}

/// What is to be thought of a snapshot that lacks what was logged just before the
/// last Checkpoint record, `logged` up to there: it was put there from an older
/// copy, or a database was dropped. Where a server that ran wrote the record, and
/// none that started, rows stand where they did.
///
/// # Errors
/// When the snapshot's rows cannot be read.
pub(super) fn older_snapshot(
    logged: &[WalRecord],
    ran: bool,
    snapshot: &Snapshot,
) -> Result<Option<Finding>> {
    let since = logged.iter().rposition(is_marker).map_or(0, |at| at + 1);
    let window = logged.get(since..).unwrap_or_default();
    let (present, absent) = Evidence::gather(logged, since, snapshot)?.counts();
    // What a start replays can take rows away, and VACUUM what no record ended.
    let taken = logged
        .iter()
        .filter(|record| record.operation.ends_version())
        .count();
    let by_vacuum = taken == 0 && snapshot.family != Family::V1_3;
    let lacks = absent > present + taken && !(by_vacuum && present > 0);
    if lacks && (absent >= LACKING_LEAST || !can_be_rolled_back(window)) {
        let code = match absent >= LACKING_LEAST {
            true => Code::CutUncertain,
            false => Code::MixedTimes,
        };
        return Ok(Some(Finding::new(code).detail(format!(
            "of {} before the last Checkpoint record the snapshot holds {present} and lacks {absent}, as one of an older copy would, or where a database was dropped: {}",
            counted(window.len(), "record"),
            names_of(window)
        ))));
    }
    match ran && present == 0 {
        true => nothing_shown(window, snapshot),
        false => Ok(None),
    }
}

/// Whether a transaction had begun, whose end can have undone what was logged.
fn can_be_rolled_back(window: &[WalRecord]) -> bool {
    let mut pushed = window.iter().filter_map(|r| r.operation.pushed_row());
    pushed.any(|row| row.xmin > 1)
}

/// What is to be thought of a snapshot that holds no row of the records of a
/// running server, where it shows no row ended and no table reshaped by them
/// either.
fn nothing_shown(window: &[WalRecord], snapshot: &Snapshot) -> Result<Option<Finding>> {
    let tables = TablesByName::new(&snapshot.catalog);
    let ended = EndedInWindow::look(window, snapshot, &tables)?;
    if ended.seen > 0 {
        return Ok(None);
    }
    let reshaped = unseen_shapes(window, snapshot, &tables);
    let code = match (ended.unseen.is_empty(), reshaped.is_empty()) {
        (false, _) if !can_be_rolled_back(window) => Code::CutUncertain,
        (true, true) => return Ok(None),
        _ => Code::MixedTimes,
    };
    let names: BTreeSet<&str> = ended.unseen.union(&reshaped).copied().collect();
    Ok(Some(Finding::new(code).detail(format!(
        "the snapshot shows nothing of {} before the last Checkpoint record, as one of an older copy, or where a database was dropped: {}",
        counted(window.len(), "record"),
        Vec::from_iter(names).join(", ")
    ))))
}

/// Rows that records ended, and whether the snapshot shows it.
struct EndedInWindow<'w> {
    seen: usize,
    /// The tables of which it shows none.
    unseen: BTreeSet<&'w str>,
}

impl<'w> EndedInWindow<'w> {
    /// While a server runs, row indexes never shift.
    fn look(
        window: &'w [WalRecord],
        snapshot: &Snapshot,
        tables: &TablesByName<'_>,
    ) -> Result<Self> {
        let remade: BTreeSet<&str> = window.iter().flat_map(makes_or_drops).collect();
        let mut indexes: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for record in window {
            if let Operation::Update { table, index, .. } | Operation::Delete { table, index } =
                &record.operation
                && !remade.contains(&**table)
            {
                indexes.entry(table).or_default().insert(*index);
            }
        }
        let mut ended = EndedInWindow {
            seen: 0,
            unseen: BTreeSet::new(),
        };
        for (name, indexes) in indexes {
            let mut seen = 0;
            for at in tables.named(name) {
                if let Some(extent) = snapshot.extent(at.database, at.table) {
                    read_rows_at(extent, indexes.iter().copied(), |_, row| {
                        seen += usize::from(row.xmax.is_some());
                    })?;
                }
            }
            ended.seen += seen;
            if seen == 0 {
                ended.unseen.insert(name);
            }
        }
        Ok(ended)
    }
}

/// The tables that a record makes, drops or names.
fn makes_or_drops(record: &WalRecord) -> Vec<&str> {
    match &record.operation {
        Operation::CreateTable { table, .. } | Operation::DropTable { table } => vec![table],
        Operation::RenameTable { old, new } => vec![old, new],
        _ => Vec::new(),
    }
}

/// The tables whose last change of shape the only database does not show.
fn unseen_shapes<'w>(
    window: &'w [WalRecord],
    snapshot: &Snapshot,
    tables: &TablesByName<'_>,
) -> BTreeSet<&'w str> {
    if snapshot.catalog.databases.len() != 1 {
        return BTreeSet::new();
    }
    // By name, the last record about the table or a column decides.
    let mut last: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    for record in window {
        let column = |table: &str, column: &str| {
            let mut named = tables.named(table).iter();
            named.any(|at| at.schema.column_index(column).is_some())
        };
        let there = |table: &str| !tables.named(table).is_empty();
        match &record.operation {
            Operation::CreateTable { table, .. } => {
                last.insert((table, ""), !there(table));
            }
            Operation::DropTable { table } => {
                last.retain(|(of, _), _| *of != &**table);
                last.insert((table, ""), there(table));
            }
            Operation::RenameTable { old, new } => {
                last.retain(|(of, _), _| *of != &**old);
                last.insert((old, ""), there(old) && !there(new));
                last.insert((new, ""), !there(new));
            }
            Operation::AddColumn { table, column: new } => {
                last.insert(
                    (table, &new.name),
                    there(table) && !column(table, &new.name),
                );
            }
            Operation::DropColumn { table, column: old } => {
                last.insert((table, old), column(table, old));
            }
            Operation::RenameColumn { table, old, new } => {
                last.insert((table, old), column(table, old));
                last.insert((table, new), there(table) && !column(table, new));
            }
            _ => {}
        }
    }
    let unseen = last.into_iter().filter(|(_, unseen)| *unseen);
    unseen.map(|((table, _), _)| table).collect()
}
