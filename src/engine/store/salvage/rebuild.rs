//! Writes catalogs that are gone anew, from what the tables say of themselves
//! (format page, "Table descriptors").

use std::borrow::Cow;
use std::path::Path;

use super::survey::{Survey, database_dirs, enums_of};
use crate::engine::pages::address::Lsns;
use crate::engine::pages::paths::{
    ATTRIBUTION_NAME, GLOBAL_NAME, METADATA_NAME, QUARANTINE_NAME, database_dir,
};
use crate::engine::store::beside::Beside;
use crate::engine::store::catalog_file::{DatabaseEntry, Global, Metadata, TableEntry};
use crate::engine::store::descriptor;
use crate::engine::store::recovery::Recovered;
use crate::error::{Error, Result};
use crate::file::Disk;
use crate::finding::{Code, Finding};
use crate::model::Form;
use crate::report::Report;

/// Writes each catalog that is not there, and says what no table knows of it. A
/// catalog that is there, damaged or not, is left alone.
///
/// # Errors
/// Damage where a table or a database would be left out; I/O errors.
pub(in crate::engine) fn rebuild_catalogs(recovered: &Recovered, dir: &Path) -> Result<Report> {
    let mut report = Report::new();
    let (disk, cluster) = (&*recovered.disk, recovered.control.cluster(Lsns::ANY.last));
    let files = recovered.control.shape.tables();
    let survey = Survey {
        disk: &recovered.disk,
        cluster,
        files: &*files,
    };
    let path = dir.join(GLOBAL_NAME);
    if disk.kind(&path)?.is_none() {
        let global = Global {
            form: Cow::Owned(Form::Instance),
            databases: survey.databases(dir)?,
            next_database: 0,
            grants: Cow::Owned(Vec::new()),
            users: Cow::Owned(Vec::new()),
            roles: Cow::Owned(Vec::new()),
            beside: Beside::all(disk, dir, &[QUARANTINE_NAME, ATTRIBUTION_NAME])?,
            // What the rows say is as good: no transaction is numbered by it.
            last_transaction: 0,
        };
        global.write(disk, dir, cluster.id)?;
        durable(disk, &path)?;
        let lost = Finding::new(Code::AccountsLost).file(&path);
        let mut detail =
            "written anew from the tables; users, roles and grants of databases are lost"
                .to_owned();
        for beside in &global.beside {
            detail.push_str(&format!(
                "; nothing says any more whether {} is as it was written",
                beside.name
            ));
        }
        report.add(lost.detail(detail));
    }
    for entry in Global::read(disk, dir, cluster.id)?.databases {
        let path = database_dir(dir, &entry.name, entry.id);
        let file = path.join(METADATA_NAME);
        if disk.kind(&file)?.is_some() || disk.kind(&path)?.is_none() {
            continue;
        }
        let tables = survey.tables(&path, &entry)?;
        let enums = enums_of(tables.iter().map(|table| &*table.schema));
        let metadata = Metadata {
            name: Cow::Borrowed(&entry.name),
            tables,
            next_table: 0,
            enums: Cow::Owned(enums),
            views: Cow::Owned(Vec::new()),
            table_grants: Cow::Owned(Vec::new()),
        };
        metadata.write(disk, &path, cluster.id, entry.id)?;
        durable(disk, &file)?;
        let lost = Finding::new(Code::BytesLost).file(&file);
        report.add(lost.database(&entry.name).detail(
            "written anew from the tables; views, grants of tables, and enum types of no column are lost",
        ));
    }
    Ok(report)
}

fn durable(disk: &dyn Disk, path: &Path) -> Result<()> {
    let synced = disk.open_write(path)?.sync();
    synced.map_err(|error| Error::io("sync", path, error))?;
    path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))
}

impl Survey<'_> {
    /// The databases by their directories, in the order of their ids.
    fn databases(&self, dir: &Path) -> Result<Vec<DatabaseEntry>> {
        let mut databases = Vec::new();
        for path in database_dirs(&**self.disk, dir)? {
            let described = self.described(&path)?;
            let entry = self.identify(&path, &described);
            let ours = |entry: &DatabaseEntry| database_dir(dir, &entry.name, entry.id) == path;
            databases.push(
                entry
                    .filter(ours)
                    .ok_or_else(|| unknown(&path, "database"))?,
            );
        }
        databases.sort_by_key(|entry| entry.id);
        Ok(databases)
    }

    /// The tables of a database by their descriptors, in the order of their ids.
    fn tables(&self, dir: &Path, entry: &DatabaseEntry) -> Result<Vec<TableEntry<'static>>> {
        let mut tables = Vec::new();
        let mut stems = Vec::new();
        for (path, (database, document)) in self.described(dir)? {
            let schema = document.schema.into_owned();
            let place = self.place(dir, &schema, (entry.id, document.id));
            if database != entry.id || descriptor::path(&place) != path {
                return Err(unknown(&path, "table"));
            }
            stems.push(place.stem);
            tables.push(TableEntry {
                id: document.id,
                counts: document.counts,
                schema: Cow::Owned(schema),
            });
        }
        if let Some(stem) = self
            .stems(dir)?
            .into_iter()
            .find(|stem| !stems.contains(stem))
        {
            return Err(unknown(&dir.join(stem), "table"));
        }
        tables.sort_by_key(|entry| entry.id);
        Ok(tables)
    }
}

/// What would be left out of a catalog.
fn unknown(path: &Path, what: &str) -> Error {
    let found = format!("no file that says which {what} it is, and no catalog");
    let expected = "a descriptor; `upgrade --salvage` keeps the rows that are there";
    Error::damage(path, 0, Code::MissingFile, found, expected)
}
