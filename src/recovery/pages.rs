//! Rows that page storage left in page files, united with those of the log.
//!
//! No file says which table a directory of pages belongs to: ids count CREATE
//! TABLEs since the server started. Rows that stand in the log too name it;
//! otherwise the one table that fits their number of values.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::ContentHash;
use crate::error::Result;
use crate::finding::{Code, Finding, Severity, counted};
use crate::legacy::{LegacyDir, PageDir, RowReader, Snapshot, WalRecord};
use crate::model::RowStream;
use crate::report::Report;

use super::cut::{row_hash, row_hash_owned};
use super::ground::{Ground, inserted};
use super::stored::StoredRows;

/// What one pass over a directory of pages found.
struct Surveyed {
    dir: PageDir,
    count: u64,
    live: u64,
    arity: Option<usize>,
    /// Copies of rows that the log inserted, by table and content.
    logged: BTreeMap<(String, ContentHash), u64>,
    /// The other rows, by content.
    unlogged: BTreeSet<ContentHash>,
}

/// Which of the rows that the log did not insert the snapshot holds.
fn stored_rows(
    unlogged: &BTreeSet<ContentHash>,
    snapshot: &Snapshot,
) -> Result<BTreeSet<ContentHash>> {
    let mut stored = BTreeSet::new();
    for extent in snapshot.rows.iter().flatten() {
        let mut rows = RowReader::starting_at(extent, 0)?;
        while let Some(batch) = rows.next_batch()? {
            let hashes = batch.rows().map(|row| row_hash(&row));
            stored.extend(hashes.filter(|hash| unlogged.contains(hash)));
        }
    }
    Ok(stored)
}

/// Adds the rows of page files to the tables they belong to, and takes the
/// records out of the tail whose rows are among them.
pub(super) fn add_pages(
    legacy: &LegacyDir,
    mut ground: Ground,
    report: &mut Report,
) -> Result<Ground> {
    let logged = logged_rows(legacy, &ground);
    let mut all = Vec::new();
    for entry in &legacy.page_dirs {
        if let Some(dir) = PageDir::open(legacy.dir.disk(), entry)? {
            let surveyed = survey(dir, &logged, report)?;
            if surveyed.count > 0 {
                all.push((entry, surveyed));
            }
        }
    }
    let unlogged = all.iter().flat_map(|(_, surveyed)| &surveyed.unlogged);
    let in_snapshot = stored_rows(&unlogged.copied().collect(), &ground.snapshot)?;
    for (entry, surveyed) in all {
        let stored = surveyed.unlogged.intersection(&in_snapshot).count();
        if stored > 0 && stored == surveyed.unlogged.len() {
            // The snapshot and the log have them all.
            continue;
        }
        if stored > 0 {
            report.add(
                Finding::new(Code::RowsNotInSnapshot)
                    .severity(Severity::Warning)
                    .file(&entry.path)
                    .detail(format!(
                        "{} of the page files stand in the snapshot too and are there twice",
                        counted(stored, "row")
                    )),
            );
        }
        match owner(&surveyed, &ground) {
            Some(at) => {
                forget_logged(legacy, &mut ground, &surveyed);
                let extra = ground.extras.entry(at).or_default();
                extra.found.push(StoredRows::Pages {
                    dir: surveyed.dir,
                    count: surveyed.count,
                    live: surveyed.live,
                });
            }
            None => report.add(
                Finding::new(Code::BytesLost)
                    .file(&entry.path)
                    .detail(format!(
                        "{} in page files that no single table fits",
                        counted(surveyed.count, "row")
                    )),
            ),
        }
    }
    Ok(ground)
}

/// Inserted rows of the tail by content, with their table.
fn logged_rows(legacy: &LegacyDir, ground: &Ground) -> BTreeMap<ContentHash, String> {
    let records = ground
        .cut
        .tail
        .iter()
        .filter_map(|at| legacy.wal.records.get(*at));
    records
        .filter_map(inserted)
        .map(|(table, row)| (row_hash_owned(row), table.to_owned()))
        .collect()
}

fn survey(
    dir: PageDir,
    logged: &BTreeMap<ContentHash, String>,
    report: &mut Report,
) -> Result<Surveyed> {
    let mut surveyed = Surveyed {
        count: 0,
        live: 0,
        arity: None,
        logged: BTreeMap::new(),
        unlogged: BTreeSet::new(),
        dir: dir.clone(),
    };
    let mut rows = dir.rows();
    while let Some(batch) = rows.next_batch()? {
        for row in batch.rows() {
            surveyed.count += 1;
            surveyed.live += u64::from(row.is_visible());
            surveyed.arity.get_or_insert(row.arity());
            let hash = row_hash(&row);
            match logged.get(&hash) {
                Some(table) => {
                    *surveyed.logged.entry((table.clone(), hash)).or_insert(0) += 1;
                }
                None => {
                    surveyed.unlogged.insert(hash);
                }
            }
        }
    }
    for damage in rows.lost() {
        report.add(
            Finding::new(Code::BytesLost)
                .file(&damage.file)
                .offset(damage.offset)
                .detail(format!(
                    "found {}, expected {}",
                    damage.found, damage.expected
                )),
        );
    }
    Ok(surveyed)
}

/// The one table that the pages belong to.
fn owner(surveyed: &Surveyed, ground: &Ground) -> Option<(usize, usize)> {
    let names: Vec<&String> = surveyed.logged.keys().map(|(table, _)| table).collect();
    let databases = ground.snapshot.catalog.databases.iter().enumerate();
    let mut fitting = databases.flat_map(|(d, database)| {
        let tables = database.tables.iter().enumerate();
        tables.filter_map(move |(t, table)| {
            Some(((d, t), table)).filter(|_| Some(table.columns.len()) == surveyed.arity)
        })
    });
    let named = |table: &str| names.first().is_none_or(|name| *name == table);
    let first = fitting.by_ref().find(|(_, table)| named(&table.name))?;
    let alone = !fitting.any(|(_, table)| named(&table.name));
    let consistent = names
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a == b));
    (alone && consistent).then_some(first.0)
}

/// Takes the records out of the tail whose rows the pages hold, copy by copy.
fn forget_logged(legacy: &LegacyDir, ground: &mut Ground, surveyed: &Surveyed) {
    let mut copies = surveyed.logged.clone();
    let held = |record: &WalRecord, copies: &mut BTreeMap<(String, ContentHash), u64>| {
        let Some((table, row)) = inserted(record) else {
            return false;
        };
        match copies.get_mut(&(table.to_owned(), row_hash_owned(row))) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    };
    ground.cut.tail.retain(|at| {
        let record = legacy.wal.records.get(*at);
        !record.is_some_and(|record| held(record, &mut copies))
    });
}
