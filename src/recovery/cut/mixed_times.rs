//! Signs that the snapshot and the log are not of one moment: one of them was
//! copied from a running server before the other, or was put back from a backup.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::ContentHash;
use crate::error::Result;
use crate::finding::{Code, Finding, counted};
use crate::legacy::{Family, Snapshot, WalRecord, read_rows_at};
use crate::model::{Operation, TablesByName};
use crate::recovery::server_replay::is_marker;

use super::evidence::{Evidence, HELD_LEAST, Sign};
use super::forms::row_hash_owned;

/// The fewest records that a snapshot lacks by no chance; of fewer it is told.
const LACKING_LEAST: usize = 2;

/// The tables of some records.
pub(super) fn names_of(records: &[WalRecord]) -> String {
    let names = records.iter().filter_map(|r| r.operation.table());
    let names: BTreeSet<&str> = names.collect();
    Vec::from_iter(names).join(", ")
}

/// All tables that a snapshot or a log has.
fn all_names(snapshot: &Snapshot, logged: &[WalRecord]) -> String {
    let catalog = &snapshot.catalog;
    let held = catalog.databases.iter().flat_map(|one| &one.tables);
    let held = held.map(|table| table.name.as_str());
    let logged = logged.iter().filter_map(|r| r.operation.table());
    let names: BTreeSet<&str> = held.chain(logged).collect();
    Vec::from_iter(names).join(", ")
}

/// What is to be thought of a snapshot that holds rows like those of the tail, none
/// of which it should hold yet.
pub(super) fn newer_snapshot(
    tail: &[WalRecord],
    evidence: &Evidence,
    snapshot: &Snapshot,
) -> Option<Finding> {
    let (present, absent) = evidence.counts();
    if present == 0 {
        return None;
    }
    let tables = TablesByName::new(&snapshot.catalog);
    let (code, names) = match absent {
        // Rows that an UPDATE brings back, or that another database has too, are
        // ordinary.
        0 => {
            let inserted = tail.iter().all(|record| match &record.operation {
                Operation::Insert { table, .. } => tables.named(table).len() == 1,
                other => other.pushed_row().is_none(),
            });
            // Rows of no column are all alike.
            let pushed = tail.iter().filter_map(|r| r.operation.pushed_row());
            if pushed.clone().all(|row| row.arity() == 0) {
                return None;
            }
            let rows: BTreeSet<_> = pushed.map(row_hash_owned).collect();
            let code = match inserted && rows.len() >= HELD_LEAST {
                true => Code::CutUncertain,
                false => Code::MixedTimes,
            };
            (code, names_of(tail))
        }
        // Those of other tables may have gone since.
        _ => {
            let held = held_inserts(tail, evidence, &tables)
                .into_iter()
                .filter(|(_, (rows, absent))| rows.len() >= HELD_LEAST && rows.len() > *absent);
            let names: Vec<&str> = held.map(|(table, _)| table).collect();
            if names.is_empty() {
                return None;
            }
            (Code::MixedTimes, names.join(", "))
        }
    };
    Some(Finding::new(code).detail(format!(
        "the snapshot holds already what {} after the last Checkpoint record did, as one that was copied after the log: {names}",
        counted(present, "record"),
    )))
}

/// By table that one database has: the different rows that were inserted and that
/// the snapshot holds, and how many it lacks.
fn held_inserts<'w>(
    tail: &'w [WalRecord],
    evidence: &Evidence,
    tables: &TablesByName<'_>,
) -> BTreeMap<&'w str, (BTreeSet<ContentHash>, usize)> {
    let mut by_table: BTreeMap<&str, (BTreeSet<ContentHash>, usize)> = BTreeMap::new();
    for (record, sign) in tail.iter().zip(evidence.signs()) {
        let Operation::Insert { table, row } = &record.operation else {
            continue;
        };
        if tables.named(table).len() != 1 || row.arity() == 0 {
            continue;
        }
        let (rows, absent) = by_table.entry(table).or_default();
        match sign {
            Sign::Present => drop(rows.insert(row_hash_owned(row))),
            Sign::Absent => *absent += 1,
            Sign::Silent => {}
        }
    }
    by_table
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
    let evidence = Evidence::gather(logged, since, snapshot)?;
    let (present, absent) = evidence.counts();
    let ended = logged.iter().filter(|r| r.operation.ends_version()).count();
    // What a start replays can take rows away. While a server runs those that
    // ended stay, but for VACUUM, of releases that log no end.
    let taken = if ran { 0 } else { ended };
    let by_vacuum = ended == 0 && present > 0 && snapshot.family != Family::V1_3;
    let is_beyond = absent > present + taken;
    let lacks_many = is_beyond && absent >= LACKING_LEAST && !by_vacuum;
    let lacks_some = evidence.surely_absent() > 0 && (ran || is_beyond) && !by_vacuum;
    if ran && !lacks_many {
        let unseen = not_shown(logged, window, present, snapshot)?;
        if unseen.is_some() {
            return Ok(unseen);
        }
    }
    if !lacks_many && (!lacks_some || can_be_rolled_back(window)) {
        return Ok(None);
    }
    let code = match lacks_many {
        true => Code::CutUncertain,
        false => Code::MixedTimes,
    };
    Ok(Some(Finding::new(code).detail(format!(
        "of {} before the last Checkpoint record the snapshot holds {present} and lacks {absent}, as one of an older copy would, or where a database was dropped: {}",
        counted(window.len(), "record"),
        all_names(snapshot, logged)
    ))))
}

/// Whether a transaction had begun, whose end can have undone what was logged.
fn can_be_rolled_back(window: &[WalRecord]) -> bool {
    let mut pushed = window.iter().filter_map(|r| r.operation.pushed_row());
    pushed.any(|row| row.xmin > 1)
}

/// What is to be thought of a snapshot in which rows that the records of a running
/// server ended are alive, or tables do not have the form that they were given;
/// `present` of the rows that they pushed stand there.
fn not_shown(
    logged: &[WalRecord],
    window: &[WalRecord],
    present: usize,
    snapshot: &Snapshot,
) -> Result<Option<Finding>> {
    let tables = TablesByName::new(&snapshot.catalog);
    let ended = EndedInWindow::look(window, snapshot, &tables)?;
    let reshaped = unseen_shapes(window, snapshot, &tables);
    if ended.unseen.is_empty() && reshaped.is_empty() {
        return Ok(None);
    }
    let rolled_back = can_be_rolled_back(window);
    let shows_none = present == 0 && ended.seen == 0;
    let code = match shows_none && !ended.unseen.is_empty() && !rolled_back {
        true => Code::CutUncertain,
        // What else stands there is of the time, and a rollback ordinary.
        false if rolled_back && !shows_none => return Ok(None),
        false => Code::MixedTimes,
    };
    Ok(Some(Finding::new(code).detail(format!(
        "the snapshot does not show what {} before the last Checkpoint record did, as one of an older copy, or where a database was dropped: {}",
        counted(window.len(), "record"),
        all_names(snapshot, logged)
    ))))
}

/// Rows that records ended, and whether the snapshot shows it.
struct EndedInWindow<'w> {
    seen: usize,
    /// The tables of which it shows none, or of the only one of that name not all.
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
            let alone = tables.named(name).len() == 1;
            if seen == 0 || (alone && seen < indexes.len()) {
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

/// The tables whose last change of form the snapshot does not show. What is gone from
/// one database can be in another.
fn unseen_shapes<'w>(
    window: &'w [WalRecord],
    snapshot: &Snapshot,
    tables: &TablesByName<'_>,
) -> BTreeSet<&'w str> {
    let alone = snapshot.catalog.databases.len() == 1;
    // By name, the last record about the table or a column decides.
    let mut last: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    let mut dropped: BTreeSet<&str> = BTreeSet::new();
    for record in window {
        let column = |table: &str, column: &str| {
            let mut named = tables.named(table).iter();
            named.any(|at| at.schema.column_index(column).is_some())
        };
        let there = |table: &str| !tables.named(table).is_empty();
        match &record.operation {
            Operation::CreateTable { table, schema, .. } => {
                last.insert((table, ""), !there(table));
                // Of a name that was taken it failed.
                if dropped.contains(&**table) {
                    let new = schema.columns.iter().map(|new| &*new.name);
                    last.extend(new.map(|new| ((&**table, new), !column(table, new))));
                }
            }
            Operation::DropTable { table } => {
                dropped.insert(table);
                last.retain(|(of, _), _| *of != &**table);
                last.insert((table, ""), alone && there(table));
            }
            Operation::RenameTable { old, new } => {
                dropped.insert(old);
                last.retain(|(of, _), _| *of != &**old);
                last.insert((old, ""), alone && there(old) && !there(new));
                last.insert((new, ""), !there(new));
            }
            Operation::AddColumn { table, column: new } => {
                last.insert(
                    (table, &new.name),
                    there(table) && !column(table, &new.name),
                );
            }
            Operation::DropColumn { table, column: old } => {
                last.insert((table, old), alone && column(table, old));
            }
            Operation::RenameColumn { table, old, new } => {
                last.insert((table, old), alone && column(table, old));
                last.insert((table, new), there(table) && !column(table, new));
            }
            _ => {}
        }
    }
    let unseen = last.into_iter().filter(|(_, unseen)| *unseen);
    unseen.map(|((table, _), _)| table).collect()
}
