//! What a damaged directory is and holds: by its catalogs where they are whole,
//! else by the descriptors of tables, else by the names of files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::pages::address::{Cluster, Lsns};
use crate::engine::pages::buffer_pool::PAGE_LEN;
use crate::engine::pages::file_header;
use crate::engine::pages::page;
use crate::engine::pages::paths::{
    DATABASE_PREFIX, GLOBAL_NAME, METADATA_NAME, TablePlace, database_dir,
};
use crate::engine::pages::sealed::{self, KIND_METADATA};
use crate::engine::rows::block::arity_of;
use crate::engine::rows::codec::decode_alone;
use crate::engine::rows::counts::TableCounts;
use crate::engine::store::beside::{KnownBeside, changed_beside};
use crate::engine::store::catalog_file::{DatabaseEntry, Global, Metadata};
use crate::engine::store::descriptor::{self, Descriptor};
use crate::engine::store::read::as_damage;
use crate::engine::store::recovery::Recovered;
use crate::engine::table::{TableFiles, Unit};
use crate::error::{Damage, Error, Result};
use crate::file::{Disk, EntryKind, SourceFile, decode_name};
use crate::finding::{Code, Finding};
use crate::model::{Catalog, Column, DataType, Database, Table, ValueRef};
use crate::report::Report;

/// Files and pages of a table that are asked for its id.
const STATED_FILES: usize = 4;
const STATED_PAGES: u64 = 4;
/// Ids that are tried where no file states a right one.
const MOST_TRIED: u32 = 8;

/// A table that was found.
pub(super) struct FoundTable {
    pub place: TablePlace,
    pub schema: Table,
    /// What its files hold, if its descriptor says so.
    pub counts: Option<TableCounts>,
}

/// What was read, or what is wrong; a file of a later version stays an error.
pub(super) fn or_damage<T>(read: Result<T>, path: &Path) -> Result<Result<T, Box<Damage>>> {
    match read.map_err(|error| as_damage(error, path)) {
        Ok(value) => Ok(Ok(value)),
        Err(Error::Damage(damage)) if damage.code == Code::UnsupportedVersion => {
            Err(Error::Damage(damage))
        }
        Err(Error::Damage(damage)) => Ok(Err(damage)),
        Err(other) => Err(other),
    }
}

pub(super) fn lost(code: Code, damage: &Damage, what: &str) -> Finding {
    let (found, expected) = (&damage.found, &damage.expected);
    let finding = Finding::new(code).file(&damage.file).offset(damage.offset);
    finding.detail(format!("found {found}, expected {expected}; {what}"))
}

pub(super) fn database_dirs(disk: &dyn Disk, dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = disk.entries(dir)?.into_iter();
    let dirs = entries.filter(|entry| entry.is_dir && entry.name.starts_with(DATABASE_PREFIX));
    Ok(dirs.map(|entry| entry.path).collect())
}

pub(super) fn descriptors_in(disk: &dyn Disk, database: &Path) -> Result<Vec<PathBuf>> {
    if disk.kind(database)? != Some(EntryKind::Dir) {
        return Ok(Vec::new());
    }
    let entries = disk.entries(database)?.into_iter();
    let files = entries.filter(|file| file.is_file && file.name.ends_with(descriptor::SUFFIX));
    Ok(files.map(|file| file.path).collect())
}

/// Descriptors by where they are, each with the id of its database.
type Described = BTreeMap<PathBuf, (u32, Descriptor<'static>)>;

/// What a directory is found to hold.
pub(super) struct FoundCatalog {
    /// Without its databases.
    pub global: Catalog,
    /// The databases, each with the tables that were found of it.
    pub databases: Vec<(Database, Vec<FoundTable>)>,
    /// Files beside the catalog.
    pub beside: KnownBeside,
}

/// Finds the databases and their tables.
///
/// # Errors
/// `UnsupportedVersion`; I/O errors.
pub(super) fn find_catalog(
    (recovered, cluster): (&Recovered, Cluster),
    dir: &Path,
    files: &dyn TableFiles,
    report: &mut Report,
) -> Result<FoundCatalog> {
    let survey = Survey {
        disk: &recovered.disk,
        cluster,
        files,
    };
    let disk = &*recovered.disk;
    let path = dir.join(GLOBAL_NAME);
    let mut beside = KnownBeside::untold();
    let (global, entries) = match or_damage(Global::read(disk, dir, survey.cluster.id), &path)? {
        Ok(mut global) => {
            let changed = changed_beside(disk, dir, &global.beside)?;
            beside = KnownBeside::of(&global.beside, &changed);
            for (name, wrong) in changed {
                let finding = Finding::new(Code::RecordsLost).file(dir.join(name));
                let detail = wrong.detail.unwrap_or_default();
                report.add(finding.detail(format!("{detail}; what is not whole of it is lost")));
            }
            let entries = std::mem::take(&mut global.databases);
            let dirs = entries.into_iter().map(|entry| {
                let path = database_dir(dir, &entry.name, entry.id);
                (path, Some(entry))
            });
            (global.into_catalog(Vec::new()), dirs.collect::<Vec<_>>())
        }
        Err(damage) => {
            let what = "users, roles and grants of databases are lost";
            report.add(lost(Code::AccountsLost, &damage, what));
            (Catalog::default(), survey.claims(dir)?)
        }
    };
    let (mut databases, mut names) = (Vec::new(), BTreeSet::new());
    for (path, entry) in entries {
        let mut found = Report::new();
        let Some((mut database, tables)) = survey.database(&path, entry, &mut found)? else {
            report.extend(found);
            continue;
        };
        if names.contains(&database.name) {
            let (code, what) = match survey.has_rows(&tables) {
                true => (Code::SchemaLost, "named after its directory"),
                false => (Code::BytesLost, "left out, as no whole row is in it"),
            };
            let finding = Finding::new(code).database(&database.name).file(&path);
            report.add(finding.detail(format!("a second database of one name; {what}")));
            if code == Code::BytesLost {
                continue;
            }
            database.name = free_name(name_of_dir(&path), &names);
        }
        for finding in found.findings() {
            report.add(finding.clone().database(&database.name));
        }
        names.insert(database.name.clone());
        databases.push((database, tables));
    }
    Ok(FoundCatalog {
        global,
        databases,
        beside,
    })
}

/// What is looked through, and whose files count.
pub(super) struct Survey<'s> {
    pub disk: &'s Arc<dyn Disk>,
    pub cluster: Cluster,
    pub files: &'s dyn TableFiles,
}

impl Survey<'_> {
    /// The directories of databases that no catalog lists, each with what it says it
    /// is. Of several of one database, the one that has its name comes first, and one
    /// that says nothing goes by its name.
    fn claims(&self, dir: &Path) -> Result<Vec<(PathBuf, Option<DatabaseEntry>)>> {
        let mut claims = Vec::new();
        for path in database_dirs(&**self.disk, dir)? {
            let entry = self.identify(&path, &self.described(&path)?);
            claims.push((path, entry));
        }
        claims.sort_by_key(|(path, entry)| match entry {
            Some(entry) if has_name_of(path, &entry.name, entry.id) => 0,
            None => 1,
            Some(_) => 2,
        });
        Ok(claims)
    }

    /// Whether any row can be read, of whatever state.
    fn has_rows(&self, tables: &[FoundTable]) -> bool {
        tables.iter().any(|table| {
            let mut place = table.place.clone();
            place.address.lsns = Lsns::ANY;
            self.first_row(&place).is_some()
        })
    }

    /// The whole descriptors in the directory of a database.
    pub(super) fn described(&self, dir: &Path) -> Result<Described> {
        let disk = &**self.disk;
        let mut described = Described::new();
        for path in descriptors_in(disk, dir)? {
            if let Ok(found) = or_damage(descriptor::read_any(disk, &path), &path)?
                && found.owner.cluster_id == self.cluster.id
            {
                described.insert(path, (found.owner.database, found.document));
            }
        }
        Ok(described)
    }

    /// The file names of tables in the directory of a database, without what
    /// layouts add.
    pub(super) fn stems(&self, dir: &Path) -> Result<BTreeSet<String>> {
        if self.disk.kind(dir)? != Some(EntryKind::Dir) {
            return Ok(BTreeSet::new());
        }
        let entries = self.disk.entries(dir)?.into_iter();
        let stems = entries.filter_map(|entry| match entry.name.split_once('.') {
            None if entry.is_dir => Some(entry.name.clone()),
            Some((stem, "db" | "dat" | "table")) if stem != "metadata" => Some(stem.to_owned()),
            _ => None,
        });
        Ok(stems.collect())
    }

    /// One database; `None` where nothing says which one it is.
    fn database(
        &self,
        dir: &Path,
        entry: Option<DatabaseEntry>,
        report: &mut Report,
    ) -> Result<Option<(Database, Vec<FoundTable>)>> {
        let disk = &**self.disk;
        let path = dir.join(METADATA_NAME);
        let described = self.described(dir)?;
        let entry = match entry {
            Some(entry) => entry,
            None => match self.guess(dir)? {
                Some(entry) => {
                    let finding = Finding::new(Code::SchemaLost).database(&entry.name);
                    report.add(finding.file(dir).detail("named after its directory"));
                    entry
                }
                None => {
                    let finding = Finding::new(Code::BytesLost).file(dir);
                    let detail = "nothing says which database it is; its rows are lost";
                    report.add(finding.detail(detail));
                    return Ok(None);
                }
            },
        };
        let read = Metadata::read(disk, dir, self.cluster.id, &entry);
        let (listed, mut database) = match or_damage(read, &path)? {
            Ok(metadata) => {
                let list = metadata.tables.iter().map(|table| {
                    let schema = table.schema.clone().into_owned();
                    (table.id, schema)
                });
                (list.collect::<Vec<_>>(), metadata.into_database())
            }
            Err(damage) => {
                let what = "views, grants of tables, and enum types of no column are lost";
                let finding = lost(Code::BytesLost, &damage, what);
                report.add(finding.database(&entry.name));
                (Vec::new(), Database::empty(&entry.name))
            }
        };
        database.tables.clear();
        let mut tables = Vec::new();
        for (id, schema) in listed {
            tables.push(self.listed((dir, &entry), (id, schema), report)?);
        }
        if tables.is_empty() {
            tables = self.described_tables((dir, &entry), described, report);
            self.unlisted((dir, &entry), &mut tables, report)?;
            // A whole catalog without tables can have enum types.
            let mut enums = enums_of(tables.iter().map(|table| &table.schema));
            enums.retain(|(name, _)| database.enums.iter().all(|(known, _)| known != name));
            database.enums.extend(enums);
        }
        Ok(Some((database, tables)))
    }

    /// Tables that no catalog lists, by their descriptors, of which one may be a copy
    /// of another: the one that has the name of its table comes first.
    fn described_tables(
        &self,
        (dir, database): (&Path, &DatabaseEntry),
        described: Described,
        report: &mut Report,
    ) -> Vec<FoundTable> {
        let mut found = Vec::new();
        for (path, (of, document)) in described {
            if of == database.id {
                let schema = document.schema.into_owned();
                let place = self.place(dir, &schema, (of, document.id));
                let is_elsewhere = descriptor::path(&place) != path;
                let counts = Some(document.counts);
                let table = FoundTable {
                    place,
                    schema,
                    counts,
                };
                found.push((is_elsewhere, path, table));
            }
        }
        found.sort_by_key(|(is_elsewhere, _, table)| (*is_elsewhere, table.place.address.table));
        let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
        let mut tables = Vec::new();
        for (_, path, mut table) in found {
            let name = &table.schema.name;
            let finding = |code| Finding::new(code).database(&database.name).table(name);
            if !ids.insert(table.place.address.table) {
                let finding = finding(Code::BytesLost).file(&path);
                report.add(finding.detail("a second descriptor of one table was left out"));
                continue;
            }
            if names.contains(name) {
                let finding = finding(Code::SchemaLost).file(&path);
                report.add(finding.detail("a second table of one name; named after its file"));
                // The files of that name are of the first one.
                let stem = path.file_stem().unwrap_or_default();
                table.place.stem = stem.to_string_lossy().into_owned();
                table.schema.name = free_name(name_of(&table.place.stem), &names);
            }
            names.insert(table.schema.name.clone());
            tables.push(table);
        }
        tables
    }

    pub(super) fn place(
        &self,
        dir: &Path,
        schema: &Table,
        (database, table): (u32, u32),
    ) -> TablePlace {
        let address = self.cluster.table(database, table);
        TablePlace::new(self.disk, dir, schema, address)
    }

    /// Which database a directory is of, by the files in it.
    pub(super) fn identify(&self, dir: &Path, described: &Described) -> Option<DatabaseEntry> {
        let path = dir.join(METADATA_NAME);
        let read = sealed::read_any::<Metadata<'static>>(&**self.disk, &path, KIND_METADATA);
        let catalog = read
            .ok()
            .filter(|(seal, _)| seal.cluster_id == self.cluster.id);
        let catalog = catalog
            .iter()
            .map(|(seal, catalog)| (seal.database, &*catalog.name));
        let tables = described
            .values()
            .map(|(id, document)| (*id, &*document.database));
        // Any of them may be a copy from another directory.
        let mut stated = catalog.chain(tables);
        let own = stated
            .clone()
            .find(|(id, name)| has_name_of(dir, name, *id));
        let (id, name) = own.or_else(|| stated.next())?;
        Some(DatabaseEntry {
            id,
            name: name.to_owned(),
        })
    }

    /// The database that the files of tables in a directory say they are of, under
    /// the name that the directory has.
    fn guess(&self, dir: &Path) -> Result<Option<DatabaseEntry>> {
        let mut ids: BTreeMap<u32, u64> = BTreeMap::new();
        for stem in self.stems(dir)? {
            for (database, _) in self.stated_ids(&dir.join(stem))? {
                *ids.entry(database).or_default() += 1;
            }
        }
        let most = ids.into_iter().max_by_key(|(_, count)| *count);
        Ok(most.map(|(id, _)| DatabaseEntry {
            id,
            name: name_of_dir(dir),
        }))
    }

    /// A table that the catalog lists.
    fn listed(
        &self,
        (dir, database): (&Path, &DatabaseEntry),
        (id, mut schema): (u32, Table),
        report: &mut Report,
    ) -> Result<FoundTable> {
        let place = self.place(dir, &schema, (database.id, id));
        let path = descriptor::path(&place);
        let counts = match or_damage(descriptor::read(&place), &path)? {
            Ok(found) => {
                schema.sequences = found.document.schema.into_owned().sequences;
                Some(found.document.counts)
            }
            Err(damage) => {
                let what = "next values of sequences may be behind";
                let finding = lost(Code::BytesLost, &damage, what);
                report.add(finding.database(&database.name).table(&schema.name));
                None
            }
        };
        Ok(FoundTable {
            place,
            schema,
            counts,
        })
    }

    /// Tables that no catalog and no descriptor names: their files do, and
    /// their columns get made-up names.
    fn unlisted(
        &self,
        (dir, database): (&Path, &DatabaseEntry),
        tables: &mut Vec<FoundTable>,
        report: &mut Report,
    ) -> Result<()> {
        let known: BTreeSet<String> = tables.iter().map(|t| t.place.stem.clone()).collect();
        let mut stems = self.stems(dir)?;
        stems.retain(|stem| !known.contains(stem));
        let used: BTreeSet<u32> = tables.iter().map(|t| t.place.address.table).collect();
        let mut names: BTreeSet<String> = tables.iter().map(|t| t.schema.name.clone()).collect();
        for stem in stems {
            let name = free_name(name_of(&stem), &names);
            let mut schema = Table::new(name, Vec::new());
            let stated = self.stated_ids(&dir.join(&stem))?;
            let ids = stated.into_iter().map(|(_, table)| table);
            let mut tried = used.clone();
            let mut ids = ids.chain(0..MOST_TRIED).filter(|id| tried.insert(*id));
            let found = ids.find_map(|id| {
                let mut place = self.place(dir, &schema, (database.id, id));
                place.stem.clone_from(&stem);
                let row = self.first_row(&place)?;
                Some((place, row))
            });
            let finding = Finding::new(Code::SchemaLost).database(&database.name);
            let finding = finding.table(&schema.name).file(dir.join(&stem));
            let Some((mut place, row)) = found else {
                report.add(finding.detail("no whole row was found"));
                continue;
            };
            schema.columns = row;
            place.arity = schema.columns.len();
            report.add(finding.detail("column names were made up"));
            names.insert(schema.name.clone());
            tables.push(FoundTable {
                place,
                schema,
                counts: None,
            });
        }
        Ok(())
    }

    /// The ids of database and table that the files of a table state: checksums say
    /// which are right.
    fn stated_ids(&self, start: &Path) -> Result<Vec<(u32, u32)>> {
        let disk = &**self.disk;
        let mut places = Vec::new();
        for suffix in ["db", "dat"] {
            places.push((
                start.with_extension(suffix),
                file_header::DATABASE_OFFSET as u64,
            ));
        }
        if disk.kind(start)? == Some(EntryKind::Dir) {
            for file in disk.entries(start)?.into_iter().take(STATED_FILES) {
                let pages = (0..STATED_PAGES)
                    .map(|page| page * PAGE_LEN as u64 + page::DATABASE_OFFSET as u64);
                places.extend(pages.map(|at| (file.path.clone(), at)));
            }
        }
        let mut ids = Vec::new();
        for (path, at) in places {
            let (mut database, mut table) = ([0; 4], [0; 4]);
            if let Ok(file) = SourceFile::open_on(disk, &path)
                && file.read_exact_at(&mut database, at).is_ok()
                && file.read_exact_at(&mut table, at + 4).is_ok()
            {
                ids.push((u32::from_le_bytes(database), u32::from_le_bytes(table)));
            }
        }
        Ok(ids)
    }

    /// Columns that fit the first whole row of a table.
    fn first_row(&self, place: &TablePlace) -> Option<Vec<Column>> {
        let mut units = self.files.whole_units(place, None, None).ok()?;
        let row = loop {
            match units.next_unit().ok()?? {
                Unit::Rows(rows) if !rows.is_empty() => break rows.into_iter().next()?,
                // Another id, or damage: the next unit decides.
                Unit::Rows(_) | Unit::Lost(..) => {}
            }
        };
        let row = decode_alone(&row.bytes, arity_of(&row.bytes)?)?;
        let values = row.values().enumerate();
        Some(
            values
                .map(|(at, value)| {
                    let name = format!("column_{}", at + 1);
                    Column::new(name, type_of(&value))
                })
                .collect(),
        )
    }
}

/// Whether a directory is where those of a database are.
fn has_name_of(dir: &Path, name: &str, id: u32) -> bool {
    let root = dir.parent();
    root.is_some_and(|root| database_dir(root, name, id) == dir)
}

/// The name of a database by its directory.
fn name_of_dir(dir: &Path) -> String {
    let name = dir.file_name().map(|name| name.to_string_lossy());
    let name = name.unwrap_or_default();
    name_of(name.strip_prefix(DATABASE_PREFIX).unwrap_or(&name))
}

/// The name that a file is named after, or the one of the file.
fn name_of(stem: &str) -> String {
    decode_name(stem).unwrap_or_else(|| stem.to_owned())
}

/// A name, or where it is taken, the first one with a number that is not.
fn free_name(wanted: String, taken: &BTreeSet<String>) -> String {
    let numbered = (2_u64..).map(|number| format!("{wanted}#{number}"));
    let mut names = std::iter::once(wanted.clone()).chain(numbered);
    names.find(|name| !taken.contains(name)).unwrap_or(wanted)
}

/// The enum types of columns, as tables name them.
pub(super) fn enums_of<'t>(tables: impl Iterator<Item = &'t Table>) -> Vec<(String, Vec<String>)> {
    let mut enums: Vec<(String, Vec<String>)> = Vec::new();
    let mut known = BTreeSet::new();
    for column in tables.flat_map(|table| &table.columns) {
        if let DataType::Enum { name, labels } = &column.data_type
            && known.insert(name)
        {
            enums.push((name.clone(), labels.clone()));
        }
    }
    enums
}

/// A type that takes values of one kind.
fn type_of(value: &ValueRef<'_>) -> DataType {
    match value {
        ValueRef::SmallInt(_) => DataType::SmallInt,
        ValueRef::Integer(_) => DataType::Integer,
        ValueRef::Real(_) => DataType::Real,
        ValueRef::Boolean(_) => DataType::Boolean,
        ValueRef::Date(_) => DataType::Date,
        ValueRef::Timestamp(_) => DataType::Timestamp,
        ValueRef::TimestampTz(_) => DataType::TimestampTz,
        ValueRef::Uuid(_) => DataType::Uuid,
        ValueRef::Json(_) => DataType::Json,
        ValueRef::Bytea(_) => DataType::Bytea,
        _ => DataType::Text,
    }
}
