//! Snapshots: every database, user and row in one bincode value.
//!
//! A snapshot is walked once: catalogs are kept, rows are only framed, checked
//! and counted. The family is found by decoding strictly under each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::decode::{self};
use super::walk::Walk;
use super::{Family, RowExtent};
use crate::codec::{Cursor, Flaw};
use crate::error::{Damage, Error, Result};
use crate::file::{SourceFile, Window};
use crate::finding::Code;
use crate::model::{Catalog, Database, Form, Table};
use crate::work::Threads;

/// A snapshot whose catalog was read and whose rows were framed.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The family it was decoded under.
    pub family: Family,
    /// Everything but the rows.
    pub catalog: Catalog,
    /// Where the rows are, by database and table as in the catalog.
    pub rows: Vec<Vec<RowExtent>>,
    /// What each family's decoding said.
    pub evidence: Vec<FamilyEvidence>,
}

/// What strict decoding under one family said.
#[derive(Debug, Clone)]
pub struct FamilyEvidence {
    /// The family that the file was decoded as.
    pub family: Family,
    /// The first thing wrong, or `None` when the whole file is valid.
    pub refused: Option<Damage>,
}

impl Snapshot {
    /// The families under which the bytes are valid.
    pub fn accepted(&self) -> impl Iterator<Item = Family> {
        let valid = self.evidence.iter().filter(|e| e.refused.is_none());
        valid.map(|e| e.family)
    }

    /// The rows of a table.
    pub fn extent(&self, database: usize, table: usize) -> Option<&RowExtent> {
        self.rows.get(database)?.get(table)
    }

    /// Whether the work on the snapshot may go on, for whoever works long
    /// without reading its rows.
    ///
    /// # Errors
    /// When it was asked to stop.
    pub fn go_on(&self) -> Result<()> {
        let first = self.rows.iter().flatten().next();
        first.map_or(Ok(()), |extent| extent.file.go_on())
    }
}

/// Decodes a snapshot file under one family, or under all to find its own.
///
/// Families 1.3, 1.4 and (without databases) 1.10 have the same bytes while no
/// table exists; the newest that fits is taken then, and
/// [`Snapshot::accepted`] names them all.
///
/// # Errors
/// When the file is valid under no family: the damage under the family that
/// went furthest. When it is valid under several with different content.
pub fn scan_snapshot(
    file: &Arc<SourceFile>,
    form: &Form,
    forced: Option<Family>,
) -> Result<Snapshot> {
    scan_snapshot_on(Threads::ONE, file, form, forced)
}

/// As [`scan_snapshot`], on several threads.
///
/// # Errors
/// As [`scan_snapshot`].
pub(super) fn scan_snapshot_on(
    threads: Threads,
    file: &Arc<SourceFile>,
    form: &Form,
    forced: Option<Family>,
) -> Result<Snapshot> {
    let families = match forced {
        Some(family) => vec![family],
        None => Family::ALL.iter().rev().copied().collect(),
    };
    let mut walked = WalkedRows::new();
    let mut evidence = Vec::new();
    let mut found: Option<Snapshot> = None;
    for family in families {
        let refused = match scan_family((file, threads), form, family, &mut walked) {
            Ok((catalog, rows)) => {
                if let Some(first) = &found {
                    if first.catalog != catalog {
                        return Err(ambiguous(file, first.family, family));
                    }
                } else {
                    found = Some(Snapshot {
                        family,
                        catalog,
                        rows,
                        evidence: Vec::new(),
                    });
                }
                None
            }
            Err(Error::Damage(damage)) => Some(*damage),
            Err(other) => return Err(other),
        };
        evidence.push(FamilyEvidence { family, refused });
    }
    evidence.sort_by_key(|e| e.family);
    match found {
        Some(snapshot) => Ok(Snapshot {
            evidence,
            ..snapshot
        }),
        None => {
            let refusals = evidence.into_iter().filter_map(|e| e.refused);
            let furthest = refusals.max_by_key(|damage| damage.offset);
            Err(furthest.map_or_else(|| Error::Usage("no family to try".into()), Error::from))
        }
    }
}

fn ambiguous(file: &SourceFile, first: Family, second: Family) -> Error {
    Error::NeedsDecision(format!(
        "{}: {}: found valid bytes of family {first} and of family {second} with different content, expected one\n{}",
        file.path().display(),
        Code::FamilyAmbiguous,
        Code::FamilyAmbiguous.remedy()
    ))
}

/// Extents walked under another family, by offset and arity. Rows have the same
/// bytes in every family, so no row is walked twice.
type WalkedRows = BTreeMap<(u64, usize), RowExtent>;

type Scanned = (Catalog, Vec<Vec<RowExtent>>);

fn scan_family(
    (file, threads): (&Arc<SourceFile>, Threads),
    form: &Form,
    family: Family,
    walked: &mut WalkedRows,
) -> Result<Scanned> {
    let window = Window::new(file.clone(), 0..file.len());
    let mut scan = Scan {
        window,
        threads,
        family,
        walked,
    };
    let scanned = match form {
        Form::Instance => scan.instance()?,
        Form::SingleDatabase => scan.single_database()?,
    };
    if scan.window.remaining() > 0 {
        return Err(Error::damage(
            file.path(),
            scan.window.offset(),
            Code::TrailingBytes,
            format!("{} bytes after the last value", scan.window.remaining()),
            "the end of the file",
        ));
    }
    Ok(scanned)
}

struct Scan<'w> {
    window: Window,
    threads: Threads,
    family: Family,
    walked: &'w mut WalkedRows,
}

impl Scan<'_> {
    fn instance(&mut self) -> Result<Scanned> {
        let mut catalog = Catalog::default();
        let mut rows = Vec::new();
        let mut names = Names::default();
        for _ in 0..self.count(16)? {
            let at = self.window.offset();
            let key = self.window.parse(|c| c.str().map(str::to_owned))?;
            let (database, extents) = self.database()?;
            self.same_name(at, &key, &database.name)?;
            names.add(&self.window, at, key)?;
            catalog.databases.push(database);
            rows.push(extents);
        }
        catalog.grants = self.map(decode::database_grants, |g| &g.database)?;
        let family = self.family;
        catalog.users = self.map(|c| decode::user(c, family), |u| &u.name)?;
        if family.has_roles() {
            catalog.roles = self.map(decode::role, |r| &r.name)?;
        }
        Ok((catalog, rows))
    }

    fn single_database(&mut self) -> Result<Scanned> {
        let (database, extents) = self.database()?;
        let catalog = Catalog {
            form: Form::SingleDatabase,
            databases: vec![database],
            ..Catalog::default()
        };
        Ok((catalog, vec![extents]))
    }

    fn database(&mut self) -> Result<(Database, Vec<RowExtent>)> {
        let name = self.window.parse(|c| c.str().map(str::to_owned))?;
        let mut tables = Vec::new();
        let mut extents = Vec::new();
        let mut names = Names::default();
        for _ in 0..self.count(16)? {
            let at = self.window.offset();
            let key = self.window.parse(|c| c.str().map(str::to_owned))?;
            let (table, extent) = self.table()?;
            self.same_name(at, &key, &table.name)?;
            names.add(&self.window, at, key)?;
            tables.push(table);
            extents.push(extent);
        }
        let enums = self.map(decode::enum_type, |e| &e.0)?;
        let (mut views, mut table_grants) = (Vec::new(), Vec::new());
        if self.family.has_views() {
            views = self.map(decode::view, |v| &v.0)?;
        }
        if self.family.has_roles() {
            table_grants = self.map(decode::table_grants, |g| &g.table)?;
        }
        let database = Database {
            name,
            tables,
            enums,
            views,
            table_grants,
        };
        Ok((database, extents))
    }

    fn table(&mut self) -> Result<(Table, RowExtent)> {
        let family = self.family;
        let (name, columns) = self.window.parse(|c| decode::table_head(c, family))?;
        let count = self.window.parse(|c| c.u64())?;
        let extent = self.rows(count, columns.len())?;
        let (sequences, owner) = self.window.parse(|c| decode::table_tail(c, family))?;
        Ok((
            Table {
                name,
                columns,
                sequences,
                owner,
            },
            extent,
        ))
    }

    fn rows(&mut self, count: u64, arity: usize) -> Result<RowExtent> {
        let start = self.window.offset();
        if count == 0 {
            return Ok(RowExtent::empty(self.window.file().clone(), start, arity));
        }
        let known = self.walked.get(&(start, arity));
        if let Some(extent) = known.filter(|extent| extent.count == count) {
            self.window.seek(extent.range.end);
            return Ok(extent.clone());
        }
        let extent = Walk::on(self.threads).rows(&mut self.window, count, arity)?;
        self.walked.insert((start, arity), extent.clone());
        Ok(extent)
    }

    /// A map's count, checked against the bytes left.
    fn count(&mut self, min_len: u64) -> Result<u64> {
        let at = self.window.offset();
        let count = self.window.parse(|c| c.u64())?;
        if count.saturating_mul(min_len) > self.window.remaining() {
            return Err(Error::damage(
                self.window.file().path(),
                at,
                Code::BadLength,
                format!("a count of {count}"),
                format!(
                    "at most what fits in the {} bytes left",
                    self.window.remaining()
                ),
            ));
        }
        Ok(count)
    }

    /// A map of small entries with distinct names.
    fn map<T>(
        &mut self,
        mut read: impl FnMut(&mut Cursor<'_>) -> Result<T, Flaw>,
        name: impl Fn(&T) -> &String,
    ) -> Result<Vec<T>> {
        let count = self.count(16)?;
        let mut entries = Vec::new();
        let mut names = Names::default();
        for _ in 0..count {
            let at = self.window.offset();
            let entry = self.window.parse(&mut read)?;
            names.add(&self.window, at, name(&entry).clone())?;
            entries.push(entry);
        }
        Ok(entries)
    }

    fn same_name(&self, at: u64, key: &str, name: &str) -> Result<()> {
        if key == name {
            return Ok(());
        }
        Err(Error::damage(
            self.window.file().path(),
            at,
            Code::NameMismatch,
            "a map key that differs from the name inside",
            "the same name twice",
        ))
    }
}

/// The names of one map; a server would keep only one of two alike.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn add(&mut self, window: &Window, at: u64, name: String) -> Result<()> {
        if self.0.insert(name) {
            return Ok(());
        }
        Err(Error::damage(
            window.file().path(),
            at,
            Code::DuplicateName,
            "a name that the map already holds",
            "distinct names",
        ))
    }
}
