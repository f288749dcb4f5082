//! A snapshot that was cut: which records of the log its readable part holds,
//! and what the log still has of the rest.
//!
//! The server writes the snapshot first and marks it afterwards. So one that was
//! cut while it was written is newer than the last Checkpoint record, and what
//! can be read of it holds every record; the rest is in the log, as far as that
//! goes back.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::ContentHash;
use crate::error::Result;
use crate::finding::{Code, Finding, Severity, counted};
use crate::legacy::{Family, LegacyDir, RowExtent, RowReader, WalRecord};
use crate::model::{Column, Operation, RowStream, TableAt, TablesByName};
use crate::report::Report;

use super::cut::{
    CutReason, RECORDS_PER_CHECKPOINT, Sign, has_key, row_hash, row_hash_owned, signs,
};
use super::ground::Ground;

/// What is known of the damage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Damaged {
    /// Whether all before one offset can be read, and nothing behind it.
    pub is_cut: bool,
    /// Whether tables or databases are missing that were announced.
    pub objects_lost: bool,
}

/// Rows of damaged tables that the log does not have either, by the positions of
/// database and table; those of other tables are as they were announced.
pub(super) type StillLost = BTreeMap<(usize, usize), u64>;

/// Takes the records out of the tail that the snapshot holds, and adds those that
/// replace what it lost.
///
/// # Errors
/// When rows cannot be read.
pub(super) fn leave_out_held(
    legacy: &LegacyDir,
    ground: &mut Ground,
    damaged: Damaged,
    report: &mut Report,
) -> Result<StillLost> {
    let records = &legacy.wal.records;
    let after = ground.cut.first_tail;
    let signs = signs(records, after, &ground.snapshot)?;
    let log = Log {
        records,
        by_table: by_table(records),
        renamed: records.iter().filter_map(renamed).collect(),
        after,
        signs: &signs,
        is_newer: is_newer(records, after, &signs, ground, damaged.is_cut),
        all_known: !damaged.objects_lost,
    };
    let tables = TablesByName::new(&ground.snapshot.catalog);
    let readable = log.by_table.keys().map(|name| {
        let named = tables.named(name).iter();
        named.map(|at| (at.database, at.table)).collect()
    });
    // Their rows are about to change.
    let readable: Vec<Vec<(usize, usize)>> = readable.collect();
    let mut lost = StillLost::new();
    let mut tail = BTreeSet::new();
    let mut held_of = Vec::new();
    for (name, tables) in log.by_table.keys().zip(&readable) {
        let kept = log.records_of((name, tables), ground, &mut lost)?;
        let since = kept.iter().filter(|at| **at >= after).count();
        if since < log.naming(name, after).len() {
            held_of.push(*name);
        }
        tail.extend(kept);
    }
    let first = tail.first().copied().unwrap_or(records.len());
    if log.is_newer {
        let held = signs.iter().filter(|sign| **sign == Sign::Present).count();
        let mut detail = format!(
            "what can be read of the snapshot holds {held} of the rows that {} after the last Checkpoint record pushed",
            counted(signs.len(), "record")
        );
        if damaged.objects_lost && !held_of.is_empty() {
            let names = held_of.join(", ");
            detail += &format!(
                "; taken as held, though what is lost can have had tables of these names too: records of {names}"
            );
        }
        let finding = Finding::new(Code::UnmarkedCheckpoint).severity(Severity::Warning);
        report.add(finding.detail(detail));
        ground.cut.reason = CutReason::UnmarkedCheckpoint;
        ground.cut.first_tail = first;
    } else {
        ground.cut.first_tail = first.min(after);
    }
    ground.cut.tail = tail.into_iter().collect();
    Ok(lost)
}

/// Whether the snapshot was written after the last record of the log. As where
/// it is whole, rows say so that a key makes unique, or that are as many as a
/// checkpoint takes.
fn is_newer(
    records: &[WalRecord],
    after: usize,
    signs: &[Sign],
    ground: &Ground,
    is_cut: bool,
) -> bool {
    let tail = records.get(after..).unwrap_or_default();
    let tables = TablesByName::new(&ground.snapshot.catalog);
    let enough = tail.len() >= RECORDS_PER_CHECKPOINT;
    // 1.3 takes a key again.
    let keys_are_checked = ground.snapshot.family != Family::V1_3;
    let mut present = 0_usize;
    let mut proven = false;
    let mut absent = 0_usize;
    for (record, sign) in tail.iter().zip(signs) {
        let table = record.operation.table().unwrap_or_default();
        match sign {
            Sign::Present => {
                present += 1;
                proven |= keys_are_checked && has_key(record, &tables);
            }
            Sign::Absent => {
                let whole =
                    |at: &TableAt<'_>| !ground.extras.contains_key(&(at.database, at.table));
                let named = tables.named(table);
                absent += usize::from(!named.is_empty() && named.iter().all(whole));
            }
            Sign::Silent => {}
        }
    }
    match present {
        // Nothing speaks against it, and that is how a file is cut.
        0 => is_cut && enough && absent == 0,
        _ => enough || proven,
    }
}

/// The positions of records by the table that they name.
fn by_table(records: &[WalRecord]) -> BTreeMap<&str, Vec<usize>> {
    let mut by_table = BTreeMap::<_, Vec<_>>::new();
    for (at, record) in records.iter().enumerate() {
        if let Some(table) = record.operation.table() {
            by_table.entry(table).or_default().push(at);
        }
    }
    by_table
}

/// The name that a record gives to a table of another.
fn renamed(record: &WalRecord) -> Option<&str> {
    match &record.operation {
        Operation::RenameTable { new, .. } => Some(new),
        _ => None,
    }
}

/// The log against a damaged snapshot.
struct Log<'l> {
    records: &'l [WalRecord],
    /// Positions of records by table.
    by_table: BTreeMap<&'l str, Vec<usize>>,
    /// Names that were given to tables of other names.
    renamed: BTreeSet<&'l str>,
    after: usize,
    /// Of the records after the marker.
    signs: &'l [Sign],
    is_newer: bool,
    /// Whether no table is missing.
    all_known: bool,
}

impl<'l> Log<'l> {
    /// The records that name a table, from a position on.
    fn naming(&self, name: &str, from: usize) -> &[usize] {
        let all = self.by_table.get(name).map_or(&[][..], Vec::as_slice);
        let first = all.partition_point(|at| *at < from);
        all.get(first..).unwrap_or_default()
    }

    fn operation(&self, at: usize) -> Option<&'l Operation> {
        self.records.get(at).map(|record| &record.operation)
    }

    fn sign(&self, at: usize) -> Sign {
        let own = at.checked_sub(self.after);
        let sign = own.and_then(|own| self.signs.get(own));
        sign.copied().unwrap_or(Sign::Silent)
    }

    /// Which records of a table are to be applied.
    fn records_of(
        &self,
        (name, tables): (&str, &[(usize, usize)]),
        ground: &mut Ground,
        lost: &mut StillLost,
    ) -> Result<Vec<usize>> {
        let tail = self.naming(name, self.after);
        match tables {
            [] if self.all_known && self.is_newer => Ok(Vec::new()),
            [] if self.all_known => Ok(tail.to_vec()),
            [] => Ok(self.whole_life(name).unwrap_or(tail).to_vec()),
            [only] if ground.extras.contains_key(only) => {
                match self.rewound(name, *only, ground)? {
                    Some((rows_lost, records)) => {
                        lost.insert(*only, rows_lost);
                        Ok(records)
                    }
                    None => Ok(self.beyond_cut(tail)),
                }
            }
            _ => Ok(self.not_held(tail)),
        }
    }

    /// The records of the tail that the readable tables of a name do not hold.
    fn not_held(&self, tail: &[usize]) -> Vec<usize> {
        if !self.is_newer {
            return tail.to_vec();
        }
        let pushes = |at: &usize| {
            self.operation(*at)
                .is_some_and(|o| o.pushed_row().is_some())
        };
        let absent = tail
            .iter()
            .any(|at| pushes(at) && self.sign(*at) == Sign::Absent);
        if !absent || self.all_known {
            return Vec::new();
        }
        let tail = tail.iter().copied();
        tail.filter(|at| {
            let created = matches!(self.operation(*at), Some(Operation::CreateTable { .. }));
            !created && self.sign(*at) != Sign::Present
        })
        .collect()
    }

    /// The rows that the readable part of a cut table does not hold; where they
    /// were, nobody knows.
    fn beyond_cut(&self, tail: &[usize]) -> Vec<usize> {
        let tail = tail.iter().copied();
        let wanted = |at: &usize| !self.is_newer || self.sign(*at) == Sign::Absent;
        tail.filter(wanted).collect()
    }

    /// The records of a table of which nothing can be read: from its CREATE TABLE
    /// on, if the log has it; none where the log gave it another name.
    fn whole_life(&self, name: &str) -> Option<&[usize]> {
        let all = self.naming(name, 0);
        let moved = |at: &usize| matches!(self.operation(*at), Some(Operation::RenameTable { .. }));
        let renamed = self.renamed.contains(name) || all.iter().any(moved);
        (!renamed).then(|| {
            all.get(self.created(all).unwrap_or(0)..)
                .unwrap_or_default()
        })
    }

    /// Where among the records of a table its last CREATE TABLE stands.
    fn created(&self, all: &[usize]) -> Option<usize> {
        all.iter()
            .rposition(|at| matches!(self.operation(*at), Some(Operation::CreateTable { .. })))
    }

    /// Brings a damaged table back to where the log begins with it, so that its
    /// records can be applied one by one: what was cut off is in them. Returns how
    /// many rows are lost all the same, and the records; nothing where the rows
    /// that can be read are not those that the log pushed.
    fn rewound(
        &self,
        name: &str,
        at: (usize, usize),
        ground: &mut Ground,
    ) -> Result<Option<(u64, Vec<usize>)>> {
        let Some(extra) = ground
            .extras
            .get(&at)
            .filter(|extra| extra.found.is_empty())
        else {
            return Ok(None);
        };
        let Some(extent) = ground.snapshot.extent(at.0, at.1).cloned() else {
            return Ok(None);
        };
        for from in [0, self.after] {
            let Some(records) = self.plain_records(name, from) else {
                continue;
            };
            let pushed: Vec<usize> = records
                .iter()
                .copied()
                .filter(|at| self.is_newer || *at < self.after)
                .filter(|at| {
                    self.operation(*at)
                        .is_some_and(|o| o.pushed_row().is_some())
                })
                .collect();
            let Some(start) = extra.announced.checked_sub(pushed.len() as u64) else {
                continue;
            };
            let created = records.len() < self.naming(name, from).len();
            if created && start > 0 || !self.continues(&extent, start, &pushed)? {
                continue;
            }
            let lost = start.saturating_sub(extent.count);
            let kept = extent.first(start.min(extent.count))?;
            // Rows that were never logged are counted too, so that the place where
            // the log begins is only as sure as the rows there say.
            if start >= extent.count && !self.is_apart(&kept, at, &pushed, ground)? {
                continue;
            }
            let tables = ground.snapshot.rows.get_mut(at.0);
            if let Some(rows) = tables.and_then(|tables| tables.get_mut(at.1)) {
                *rows = kept;
            }
            match lost {
                0 => drop(ground.extras.remove(&at)),
                _ => ground.extras.entry(at).or_default().announced = start,
            }
            return Ok(Some((lost, records)));
        }
        Ok(None)
    }

    /// The records of a table after its CREATE TABLE, if they change nothing but
    /// rows.
    fn plain_records(&self, name: &str, from: usize) -> Option<Vec<usize>> {
        let all = self.naming(name, from);
        let rest = all
            .get(self.created(all).map_or(0, |at| at + 1)..)
            .unwrap_or_default();
        let plain = rest.iter().all(|at| {
            matches!(
                self.operation(*at),
                Some(
                    Operation::Insert { .. } | Operation::Update { .. } | Operation::Delete { .. }
                )
            )
        });
        (plain && !self.renamed.contains(name)).then(|| rest.to_vec())
    }

    /// Whether rows that were kept are none of those that records pushed, as far
    /// as a key or logged changes can tell.
    fn is_apart(
        &self,
        kept: &RowExtent,
        at: (usize, usize),
        pushed: &[usize],
        ground: &Ground,
    ) -> Result<bool> {
        let database = ground.snapshot.catalog.databases.get(at.0);
        let table = database.and_then(|database| database.tables.get(at.1));
        let is_keyed = table.is_some_and(|table| table.columns.iter().any(Column::is_key));
        if !is_keyed || ground.snapshot.family == Family::V1_3 {
            return Ok(self
                .records
                .iter()
                .any(|record| record.operation.ends_version()));
        }
        let rows = pushed
            .iter()
            .filter_map(|at| self.operation(*at)?.pushed_row());
        let logged: BTreeSet<ContentHash> = rows.map(row_hash_owned).collect();
        let mut rows = RowReader::new(kept);
        while let Some(batch) = rows.next_batch()? {
            if batch.rows().any(|row| logged.contains(&row_hash(&row))) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the rows of an extent from one on are those that records pushed.
    fn continues(&self, extent: &RowExtent, start: u64, pushed: &[usize]) -> Result<bool> {
        if start >= extent.count {
            return Ok(true);
        }
        let mut pushed = pushed.iter();
        let mut rows = RowReader::starting_at(extent, start)?;
        while let Some(batch) = rows.next_batch()? {
            for row in batch.rows() {
                let logged = pushed
                    .next()
                    .and_then(|at| self.operation(*at)?.pushed_row());
                if logged.map(row_hash_owned) != Some(row_hash(&row)) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
