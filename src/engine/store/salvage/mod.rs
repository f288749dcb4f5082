//! Opens a damaged directory: every row that stands in a whole unit is there,
//! whatever else is lost, and what is lost is said.

mod found_control;
mod log;
mod rebuild;
mod survey;

pub(in crate::engine) use rebuild::rebuild_catalogs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::control;
use super::lock::lock;
use super::read::{Rows, Store, StoredTable, WholeTable};
use super::recovery::Recovered;
use crate::engine::log::Owner;
use crate::engine::pages::address::Lsns;
use crate::engine::rows::counts::TableCounts;
use crate::engine::table::{Coverage, Level, Overlay, SequencePlaces, TableCheck, TableFiles};
use crate::error::{Damage, Error, Result};
use crate::file::{DataDisk, Disk, EntryKind, Lock, Unread};
use crate::finding::{Code, Finding, Severity};
use crate::model::{Catalog, Database, Table};
use crate::report::Report;
use crate::work::Threads;

use found_control::find_control;
use log::{Log, read_log, walk_log};
use survey::{FoundCatalog, FoundTable, find_catalog};

/// Lost units of one table that are named one by one.
const MOST_NAMED: u64 = 100;

impl Store {
    /// Opens a directory of ours as far as it is whole. What is lost is among
    /// the findings, under codes of losses alone; nothing is written.
    ///
    /// # Errors
    /// When a later version wrote it, no file says what it is, or another
    /// process changes it; I/O errors.
    pub fn salvage_on(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Store> {
        let (disk, unread) = &DataDisk::salvaging(disk);
        let lock = match disk.kind(&control::path(dir))? {
            Some(EntryKind::File) => Some(lock(&**disk, dir, Lock::Shared)?),
            _ => None,
        };
        let mut report = Report::new();
        let found = find_control(&**disk, dir, &mut report)?;
        let is_known = found.is_known;
        let log = read_log(disk, dir, found, &mut report)?;
        let whole = match &log {
            Log::Whole(recovered) => Some(recovered.control.clone()),
            Log::Damaged(..) => None,
        };
        let assembled = Store::assemble((dir, is_known), log, report.clone());
        let mut store = match (assembled, whole) {
            // The files are of another state than the records: these are taken as
            // they are.
            (Err(Error::Damage(damage)), Some(control)) => {
                report.add(log::lost(&damage));
                let log = walk_log(disk, dir, control, &mut report)?;
                Store::assemble((dir, is_known), log, report)?
            }
            (assembled, _) => assembled?,
        };
        store.count_losses()?;
        store.name_unread(unread);
        store._lock = lock;
        Ok(store)
    }

    /// The directory with the records of its log; whether its control file is known.
    fn assemble((dir, is_known): (&Path, bool), log: Log, mut report: Report) -> Result<Store> {
        let (recovered, overlays, replayed) = match log {
            Log::Whole(recovered) => (recovered, BTreeMap::new(), true),
            Log::Damaged(recovered, overlays) => (recovered, overlays, false),
        };
        let files = recovered.control.shape.tables();
        let cluster = match is_known && replayed {
            true => recovered.cluster(),
            false => recovered.control.cluster(Lsns::ANY.last),
        };
        let found = (&recovered, cluster);
        let FoundCatalog {
            global,
            databases,
            beside,
        } = find_catalog(found, dir, &*files, &mut report)?;
        let mut store = Store {
            control: recovered.control.clone(),
            catalog: Catalog {
                databases: Vec::new(),
                ..global
            },
            tables: Vec::new(),
            files,
            findings: report,
            beside,
            _lock: None,
        };
        let owners = store.take_in(databases, overlays, &recovered)?;
        if replayed {
            store.replay(&recovered, dir, &owners, true)?;
        }
        Ok(store)
    }

    /// Takes in the tables that were found; those that are not whole are read
    /// by their whole units.
    fn take_in(
        &mut self,
        databases: Vec<(Database, Vec<FoundTable>)>,
        mut overlays: BTreeMap<Owner, Vec<crate::engine::log::Entry>>,
        recovered: &Recovered,
    ) -> Result<BTreeMap<Owner, (usize, usize)>> {
        let mut owners = BTreeMap::new();
        for (d, (mut database, found)) in databases.into_iter().enumerate() {
            let mut stored = Vec::new();
            for (t, table) in found.into_iter().enumerate() {
                let FoundTable {
                    mut place,
                    mut schema,
                    counts,
                } = table;
                let owner = Owner {
                    database: place.address.database,
                    table: place.address.table,
                };
                // Of two directories of one database, the first one goes on.
                owners.entry(owner).or_insert((d, t));
                let mut overlay = Overlay::default();
                let records = overlays.remove(&owner);
                let beyond = records.is_some();
                for entry in records.into_iter().flatten() {
                    overlay.add(entry, &mut schema.sequences);
                }
                let is_whole = match counts {
                    Some(counts) if !beyond => {
                        let names = (database.name.as_str(), schema.name.as_str());
                        self.is_whole(&place, counts, names, recovered)?
                    }
                    _ => false,
                };
                if !is_whole {
                    // What stands in whole units is kept, of whatever state it is.
                    place.address.lsns = Lsns::ANY;
                }
                let whole = WholeTable {
                    expected: counts,
                    overlay,
                };
                stored.push(StoredTable {
                    place,
                    counts: counts.unwrap_or_default(),
                    rows: match is_whole {
                        true => Rows::Files,
                        false => Rows::Whole(whole),
                    },
                    sequence_places: SequencePlaces::default(),
                });
                database.tables.push(schema);
            }
            self.tables.push(stored);
            self.catalog.databases.push(database);
        }
        let lost = overlays.values().map(Vec::len).sum::<usize>();
        if lost > 0 {
            let finding = Finding::new(Code::RecordsLost);
            let detail = format!("{lost} records of the log are of tables that are not there");
            self.findings.add(finding.detail(detail));
        }
        Ok(owners)
    }

    /// Whether nothing is wrong with the files of a table but derived ones.
    fn is_whole(
        &mut self,
        place: &crate::engine::pages::paths::TablePlace,
        counts: TableCounts,
        (database, table): (&str, &str),
        recovered: &Recovered,
    ) -> Result<bool> {
        let mut report = Report::new();
        let mut check = TableCheck {
            disk: &*recovered.disk,
            threads: Threads::ONE,
            report: &mut report,
            coverage: &mut Coverage::default(),
            known: &mut Default::default(),
            database,
            table,
            derived: false,
        };
        let files = &self.files;
        match files.verify(place, counts, Level::Structure, &mut check) {
            Ok(()) => {}
            Err(Error::Damage(_)) => return Ok(false),
            Err(other) => return Err(other),
        }
        let mut errors = report.findings().iter();
        let is_other = |finding: &Finding| {
            finding.code == Code::WrongPlace && finding.severity == Severity::Error
        };
        if errors.any(is_other) {
            let finding = Finding::new(Code::RecordsLost);
            let finding = finding.database(database).table(table);
            let what = "some of it is of another place, or of a state that the log does not have";
            let detail = format!("{what}; what is kept may be older or newer than the rest");
            self.findings.add(finding.detail(detail));
        }
        Ok(!report.has_errors())
    }

    /// Says which bytes the disk did not give. All of the directory was read by
    /// now.
    fn name_unread(&mut self, unread: &Unread) {
        let ranges = unread.ranges();
        let mut derived = BTreeSet::new();
        for stored in self.tables.iter().flatten() {
            derived.extend(self.files.derived_files(&stored.place));
        }
        for (path, range) in ranges {
            let (code, what) = match derived.contains(&path) {
                true => (Code::DerivedDiffers, ""),
                false => (Code::BytesLost, "; what they held is lost"),
            };
            let finding = Finding::new(code).file(&path).offset(range.start);
            let len = range.end - range.start;
            self.findings.add(finding.detail(format!(
                "{len} bytes that the disk cannot read, up to {}{what}",
                range.end
            )));
        }
    }

    /// Counts what damaged tables have, and says what they lost.
    fn count_losses(&mut self) -> Result<()> {
        let (files, catalog) = (&*self.files, &self.catalog);
        for (stored, database) in self.tables.iter_mut().zip(&catalog.databases) {
            for (stored, table) in stored.iter_mut().zip(&database.tables) {
                if let Rows::Whole(whole) = &stored.rows {
                    let named = (database.name.as_str(), table);
                    let mut lost = Lost::new(named, &mut self.findings);
                    stored.counts = lost.count(files, whole, &stored.place)?;
                }
            }
        }
        Ok(())
    }
}

/// What a damaged table lost.
struct Lost<'r> {
    database: &'r str,
    table: &'r Table,
    report: &'r mut Report,
    units: u64,
    bytes: u64,
}

impl<'r> Lost<'r> {
    fn new((database, table): (&'r str, &'r Table), report: &'r mut Report) -> Self {
        Lost {
            database,
            table,
            report,
            units: 0,
            bytes: 0,
        }
    }

    fn add(&mut self, finding: Finding) {
        let finding = finding.database(self.database).table(&self.table.name);
        self.report.add(finding);
    }

    fn unit(&mut self, damage: &Damage, len: u64) {
        self.units += 1;
        self.bytes = self.bytes.saturating_add(len);
        if self.units <= MOST_NAMED {
            let finding = Finding::new(Code::BytesLost).file(&damage.file);
            let (found, expected) = (&damage.found, &damage.expected);
            self.add(
                finding
                    .offset(damage.offset)
                    .detail(format!("{len} bytes: found {found}, expected {expected}")),
            );
        }
    }

    /// Reads all rows that are left, and says what was lost beside them.
    fn count(
        &mut self,
        files: &dyn TableFiles,
        whole: &WholeTable,
        place: &crate::engine::pages::paths::TablePlace,
    ) -> Result<TableCounts> {
        let mut counts = TableCounts::default();
        let mut rows = whole.rows(files, place)?;
        while rows.advance(&mut |damage, len| self.unit(&damage, len))? {
            for row in rows.batch()?.rows() {
                counts.add(row.is_visible());
            }
        }
        self.totals(whole, counts);
        Ok(counts)
    }

    fn totals(&mut self, whole: &WholeTable, counts: TableCounts) {
        let new = whole.overlay.inserted.len() as u64;
        let kept = counts.rows.saturating_sub(new);
        let of = whole.expected.map(|expected| expected.rows);
        let unnamed = self.units > MOST_NAMED;
        let finding = Finding::new(Code::BytesLost);
        match of {
            Some(of) if of == kept && self.units == 0 => {}
            Some(of) => self.add(finding.detail(format!(
                "{kept} of {of} row versions were kept; {} bytes in {} places could not be read{}",
                self.bytes,
                self.units,
                match counts.live {
                    0 => "",
                    _ => ", and versions that ended there may show as visible",
                }
            ))),
            None if unnamed || self.units > 0 => self.add(finding.detail(format!(
                "{kept} row versions were kept; {} bytes in {} places could not be read",
                self.bytes, self.units
            ))),
            None => self.add(finding.severity(Severity::Warning).detail(format!(
                "{kept} row versions were kept; how many there were is not known"
            ))),
        }
    }
}
