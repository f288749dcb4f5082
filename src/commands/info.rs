//! `info`: what a directory is and what it holds.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::engine::QUARANTINE_NAME;
use crate::error::{Damage, Error, Result};
use crate::file::{SourceFile, tree_usage};
use crate::finding::{Code, Finding};
use crate::legacy::{Family, LegacyDir, SnapshotFiles, scan_snapshot};
use crate::model::{Form, RowSource};
use crate::report::Report;

use super::schema::{TableSchema, databases_by_name, tables_by_name};
use super::undecided::{Undecided, undecided};
use super::upgrade::quarantined_tables;
use super::wal::{LogSummary, summary};
use super::{Backend, Directory, Identity, Look, OpenOptions};

/// What a directory is and what it holds.
#[derive(Debug, Serialize)]
pub struct Info {
    /// The directory, as it was given.
    #[serde(skip)]
    pub path: PathBuf,
    /// What it is, as other documents say it.
    #[serde(skip)]
    pub identity: Identity,
    /// `legacy`, or `rustdb-migrate` for one of ours.
    pub kind: &'static str,
    /// The layout of one of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// The identity of one of ours, 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The legacy family of the data.
    pub family: String,
    /// Every family that fits; several only while no table exists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub families: Vec<String>,
    /// What decoding under each family said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<FamilyTried>,
    /// Files below the directory.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The databases, in name order; absent when no snapshot can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub databases: Option<Vec<DatabaseInfo>>,
    /// Sums over the databases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totals: Option<Totals>,
    /// User names, sorted.
    pub users: Vec<String>,
    /// Role names, sorted.
    pub roles: Vec<String>,
    /// The legacy log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wal: Option<LogSummary>,
    /// Tables whose records wait for a decision.
    #[serde(skip)]
    pub undecided: Vec<Undecided>,
    /// Tables of records that an earlier upgrade kept aside; none where the file
    /// that holds them cannot be read, which `verify` and `upgrade` say.
    #[serde(skip)]
    pub quarantined: Vec<Undecided>,
    /// Everything found.
    #[serde(skip)]
    pub report: Report,
    /// Whether what can be kept of a damaged directory is shown.
    #[serde(skip)]
    pub salvage: bool,
}

/// What strict decoding of a database file under one family said.
#[derive(Debug, Serialize)]
pub struct FamilyTried {
    /// The path of the database file.
    pub file: String,
    /// The family that it was decoded as, such as `1.4`.
    pub family: String,
    /// Whether the whole file is valid under it.
    pub fits: bool,
    /// Where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The first thing wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Found against expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What a database holds, without its rows.
#[derive(Debug, Serialize)]
pub struct DatabaseInfo {
    /// Its name.
    pub database: String,
    /// Its owner, where a file names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Enum types, sorted.
    pub enums: Vec<String>,
    /// Views, sorted.
    pub views: Vec<String>,
    /// Tables, in name order.
    pub tables: Vec<TableInfo>,
}

/// How much a table holds, and its schema.
#[derive(Debug, Serialize)]
pub struct TableInfo {
    /// Its name.
    pub table: String,
    /// Visible row versions.
    pub live: u64,
    /// Row versions that are not visible.
    pub dead: u64,
    /// Bytes of its rows in the snapshot, or of its files.
    pub bytes: u64,
    /// Columns, sequences, owner.
    #[serde(flatten)]
    pub schema: TableSchema,
}

/// Sums over all databases.
#[derive(Debug, Default, Serialize)]
pub struct Totals {
    /// How many databases there are, empty ones too.
    pub databases: u64,
    /// How many tables they have.
    pub tables: u64,
    /// How many columns those have.
    pub columns: u64,
    /// Visible row versions.
    pub live: u64,
    /// Row versions that are not visible.
    pub dead: u64,
}

/// Looks at a directory.
///
/// # Errors
/// When it is no data directory or cannot be read. A damaged or missing
/// snapshot is a finding, not an error.
pub fn info(path: &Path, options: &OpenOptions) -> Result<Info> {
    let look = Look::open(path, options)?;
    let (files, bytes) = tree_usage(&*options.disk, path)?;
    let mut info = Info {
        path: path.to_owned(),
        identity: look.identity(),
        kind: look.identity().kind,
        layout: None,
        cluster: None,
        family: String::new(),
        families: Vec::new(),
        evidence: Vec::new(),
        files,
        bytes,
        databases: None,
        totals: None,
        users: Vec::new(),
        roles: Vec::new(),
        wal: None,
        undecided: look
            .directory()
            .map(|directory| undecided(directory, &options.recovery))
            .unwrap_or_default(),
        quarantined: look
            .directory()
            .and_then(|directory| quarantined_tables(directory).ok())
            .unwrap_or_default(),
        report: look.findings(),
        salvage: options.recovery.salvage,
    };
    if let Some(legacy) = look.legacy() {
        info.family = legacy.family.to_string();
        info.families = legacy.families().iter().map(Family::to_string).collect();
        info.evidence = evidence(legacy)?;
        info.wal = Some(summary(legacy, look.recovery()));
    }
    if let Some(directory) = look.directory() {
        info.content(directory)?;
    }
    Ok(info)
}

impl Info {
    fn content(&mut self, directory: &Directory) -> Result<()> {
        if let Backend::Ours(store) = directory.backend() {
            self.layout = Some(store.layout().to_string());
            self.cluster = Some(format!("{:032x}", store.origin().cluster_id));
            self.family = store.origin().family.clone();
            let quarantine = directory.path().join(QUARANTINE_NAME);
            let is_own = store.has_beside(QUARANTINE_NAME);
            if is_own && directory.disk().kind(&quarantine)?.is_some() {
                self.report
                    .add(Finding::new(Code::Quarantined).file(quarantine));
            }
        }
        let catalog = directory.catalog();
        let mut totals = Totals::default();
        let mut databases = Vec::new();
        for (d, database) in databases_by_name(catalog) {
            let mut tables = Vec::new();
            for (t, table) in tables_by_name(database) {
                let live = directory.live_count(d, t)?;
                let one = TableInfo {
                    table: table.name.clone(),
                    live,
                    dead: directory.row_count(d, t).saturating_sub(live),
                    bytes: table_bytes(directory, d, t)?,
                    schema: table.into(),
                };
                totals.tables = totals.tables.saturating_add(1);
                let columns = u64::try_from(table.columns.len()).unwrap_or(u64::MAX);
                totals.columns = totals.columns.saturating_add(columns);
                totals.live = totals.live.saturating_add(one.live);
                totals.dead = totals.dead.saturating_add(one.dead);
                tables.push(one);
            }
            totals.databases = totals.databases.saturating_add(1);
            let mut grants = catalog.grants.iter();
            databases.push(DatabaseInfo {
                database: database.name.clone(),
                owner: grants
                    .find(|grants| grants.database == database.name)
                    .map(|grants| grants.owner.clone()),
                enums: sorted(database.enums.iter().map(|(name, _)| name)),
                views: sorted(database.views.iter().map(|(name, _)| name)),
                tables,
            });
        }
        self.users = sorted(catalog.users.iter().map(|user| &user.name));
        self.roles = sorted(catalog.roles.iter().map(|role| &role.name));
        self.databases = Some(databases);
        self.totals = Some(totals);
        Ok(())
    }

    /// The findings, for a document.
    pub fn findings(&self) -> &[Finding] {
        self.report.findings()
    }
}

fn sorted<'n>(names: impl Iterator<Item = &'n String>) -> Vec<String> {
    let mut names: Vec<String> = names.cloned().collect();
    names.sort();
    names
}

/// Bytes of a table: of its files, or of its rows in a snapshot.
///
/// # Errors
/// I/O errors.
pub(super) fn table_bytes(directory: &Directory, database: usize, table: usize) -> Result<u64> {
    let mut bytes = 0_u64;
    match directory.backend() {
        Backend::Legacy { recovery, .. } => {
            let table = recovery.overlay.table_at(database, table);
            for piece in table.map_or(&[][..], |table| table.pieces()) {
                bytes = bytes.saturating_add(piece.rows.snapshot_len());
            }
        }
        Backend::Ours(store) => {
            bytes = store.files_len(database, table)?;
        }
    }
    Ok(bytes)
}

/// What each family's decoding said. A scan keeps it; of a damaged snapshot, or
/// of several files, it is asked again.
fn evidence(legacy: &LegacyDir) -> Result<Vec<FamilyTried>> {
    let (files, form) = match (&legacy.files, &legacy.snapshot) {
        (SnapshotFiles::Instance(file), Ok(Some(snapshot))) => {
            let known = snapshot.evidence.iter();
            return Ok(known
                .map(|one| FamilyTried::new(file, one.family, one.refused.as_ref()))
                .collect());
        }
        (SnapshotFiles::Instance(file), _) => (std::slice::from_ref(file), Form::Instance),
        (SnapshotFiles::Single(files), _) => (files.as_slice(), Form::SingleDatabase),
        (SnapshotFiles::None, _) => return Ok(Vec::new()),
    };
    let mut evidence = Vec::new();
    for file in files {
        for family in Family::ALL {
            let refused = match scan_snapshot(file, &form, Some(family)) {
                Ok(_) => None,
                Err(Error::Damage(damage)) => Some(damage),
                Err(other) => return Err(other),
            };
            evidence.push(FamilyTried::new(file, family, refused.as_deref()));
        }
    }
    Ok(evidence)
}

impl FamilyTried {
    fn new(file: &SourceFile, family: Family, refused: Option<&Damage>) -> Self {
        let name = file.path().file_name().unwrap_or_default();
        FamilyTried {
            file: name.to_string_lossy().into_owned(),
            family: family.to_string(),
            fits: refused.is_none(),
            offset: refused.map(|damage| damage.offset),
            code: refused.map(|damage| damage.code),
            detail: refused.map(|d| format!("found {}, expected {}", d.found, d.expected)),
        }
    }
}
