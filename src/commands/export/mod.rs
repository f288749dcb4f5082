//! `dump --format sql`: decides before the first line what PostgreSQL is given,
//! so that a load never fails half way.
//!
//! One pass over the visible rows of each table finds which types its columns
//! can have; further ones, which keys and foreign keys hold. Nothing of the rows
//! is kept.

mod access;
mod constraints;
mod options;
mod survey;
mod tables;
#[cfg(feature = "parquet")]
mod typed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::finding::{Code, Finding};
use crate::model::{DataType, Database, TableGrants};
use crate::postgres::plan::{DatabasePlan, Dialect, Script};
use crate::postgres::{EnumType, NameRules, assign_names};

use super::Directory;
use super::dump::{Chosen, Selection};
use super::nearest;
use super::schema::databases_by_name;

use access::Accounts;
use options::changed_name;
use tables::TablePlanner;

pub use options::ExportOptions;

#[cfg(feature = "parquet")]
pub use typed::{TypedColumn, TypedColumns, declared_columns, typed_columns};

/// Decides what is created for the chosen tables and their databases. Users,
/// roles, owners and grants come with the whole directory only.
///
/// # Errors
/// When rows cannot be read, or one is too long for the server; `Usage` for names in
/// `renames`, each the source's and the new one, that do not go together.
pub fn plan_script(
    directory: &Directory,
    (selection, chosen): (&Selection, &[Chosen<'_>]),
    renames: &[(String, String)],
    options: ExportOptions,
) -> Result<Script> {
    let catalog = directory.catalog();
    let mut script = Script::default();
    let accounts = selection
        .wants_all()
        .then_some(())
        .filter(|()| !options.no_roles && options.dialect == Dialect::Postgres)
        .map(|()| Accounts::plan(catalog, options, &mut script));
    let mut tables: BTreeMap<usize, Vec<&Chosen<'_>>> = BTreeMap::new();
    for one in chosen {
        tables.entry(one.at.0).or_default().push(one);
    }
    let wanted: Vec<(usize, &Database)> = databases_by_name(catalog)
        .into_iter()
        .filter(|(d, database)| selection.wants_database(&database.name) || tables.contains_key(d))
        .collect();
    let names = wanted.iter().map(|(_, database)| database.name.as_str());
    let names = database_names(names.collect(), renames)?;
    for ((d, database), name) in wanted.into_iter().zip(names) {
        let mut planner = DatabasePlanner {
            directory,
            database,
            accounts: accounts.as_ref(),
            options,
            plan: DatabasePlan {
                name,
                access: None,
                enums: Vec::new(),
                tables: Vec::new(),
                views: Vec::new(),
                notes: Vec::new(),
            },
        };
        let tables = tables.remove(&d).unwrap_or_default();
        planner.plan(&tables, selection.wants_database(&database.name))?;
        script.databases.push(planner.plan);
    }
    Ok(script)
}

/// The names of databases: those asked for, and the others as they are wherever
/// PostgreSQL takes them.
fn database_names(sources: Vec<&str>, renames: &[(String, String)]) -> Result<Vec<String>> {
    for (source, name) in renames {
        let rename = format!("--rename {source}={name}");
        if !sources.contains(&source.as_str()) {
            let hint = nearest::hint(source, sources.iter().copied());
            return Err(Error::Usage(format!(
                "{rename}: found no database {source:?} among those chosen{hint}"
            )));
        }
        if !NameRules::Database.takes(name) {
            return Err(Error::Usage(format!(
                "{rename}: PostgreSQL does not take the name {name:?} for a new database"
            )));
        }
    }
    let mut given = BTreeSet::new();
    if let Some((twice, _)) = renames.iter().find(|(source, _)| !given.insert(source)) {
        return Err(Error::Usage(format!(
            "--rename: two names are given for {twice:?}"
        )));
    }
    let renamed = |source: &&str| {
        let mut renames = renames.iter();
        let rename = renames.find(|(from, _)| from == source);
        rename.map_or_else(|| (*source).to_owned(), |(_, name)| name.clone())
    };
    let wanted: Vec<String> = sources.iter().map(renamed).collect();
    let mut seen = BTreeSet::new();
    if let Some(twice) = wanted.iter().find(|name| !seen.insert(name.as_str()))
        && renames.iter().any(|(_, name)| name == twice)
    {
        return Err(Error::Usage(format!(
            "--rename: two databases would be named {twice:?}"
        )));
    }
    let wanted = wanted.iter().map(String::as_str);
    Ok(assign_names(
        wanted,
        NameRules::Database,
        &mut BTreeSet::new(),
    ))
}

struct DatabasePlanner<'p> {
    directory: &'p Directory,
    database: &'p Database,
    accounts: Option<&'p Accounts>,
    options: ExportOptions,
    plan: DatabasePlan,
}

impl DatabasePlanner<'_> {
    fn plan(&mut self, tables: &[&Chosen<'_>], whole: bool) -> Result<()> {
        let source = &self.database.name;
        if self.options.dialect == Dialect::Postgres {
            self.note_name("database", source, &self.plan.name.clone());
        }
        if let Some(accounts) = self.accounts {
            self.plan.access = Some(accounts.of_database(source, &mut self.plan.notes));
        }
        // Tables first: their names are what people type.
        let mut used = BTreeSet::new();
        let names = tables.iter().map(|one| one.table.name.as_str());
        let names = assign_names(names, self.options.relation_rules(), &mut used);
        let enums = match self.options.redact || self.options.dialect == Dialect::Sqlite {
            true => BTreeMap::new(),
            false => self.enum_types(tables, whole, &mut used),
        };
        // Of two of one table the first counts.
        let grants = self.database.table_grants.iter().rev();
        let grants = grants.map(|grants| (grants.table.as_str(), grants));
        let grants: BTreeMap<&str, &TableGrants> = grants.collect();
        for (one, name) in tables.iter().zip(names) {
            let planner = TablePlanner {
                directory: self.directory,
                chosen: one,
                enums: &enums,
                accounts: self.accounts,
                grants: grants.get(one.table.name.as_str()).copied(),
                options: self.options,
                used: &mut used,
                notes: Vec::new(),
            };
            self.plan.tables.push(planner.plan(name)?);
        }
        self.plan.enums = enums.into_values().collect();
        constraints::plan(self.directory, tables, &mut self.plan, self.options)?;
        if whole {
            self.views();
        }
        Ok(())
    }

    /// The types of the database, and those that only a column still knows.
    fn enum_types(
        &mut self,
        tables: &[&Chosen<'_>],
        whole: bool,
        used: &mut BTreeSet<String>,
    ) -> BTreeMap<String, Arc<EnumType>> {
        let mut of_columns: BTreeMap<&str, &[String]> = BTreeMap::new();
        for column in tables.iter().flat_map(|one| &one.table.columns) {
            if let DataType::Enum { name, labels } = &column.data_type {
                of_columns.entry(name).or_insert(labels);
            }
        }
        let mut wanted: BTreeMap<&str, &[String]> = BTreeMap::new();
        for (name, labels) in &self.database.enums {
            if whole || of_columns.contains_key(name.as_str()) {
                wanted.insert(name, labels);
            }
        }
        for (name, labels) in of_columns {
            wanted.entry(name).or_insert(labels);
        }
        wanted.retain(|name, labels| match EnumType::refused(labels) {
            None => true,
            Some(why) => {
                let detail = format!("enum type {name:?} is text: {why}");
                let note = Finding::new(Code::TypeWidened);
                self.plan
                    .notes
                    .push(note.database(&self.database.name).detail(detail));
                false
            }
        });
        let names = assign_names(wanted.keys().copied(), NameRules::Relation, used);
        let mut types = BTreeMap::new();
        for ((source, labels), name) in wanted.into_iter().zip(names) {
            self.note_name("enum type", source, &name);
            let made = EnumType::new(name, labels.to_vec());
            types.insert(source.to_owned(), Arc::new(made));
        }
        types
    }

    fn views(&mut self) {
        let mut views = self.database.views.clone();
        views.sort();
        for (name, sql) in views {
            let note = Finding::new(Code::ViewAsComment).database(&self.database.name);
            self.plan.notes.push(note.detail(format!("view {name:?}")));
            let sql = match self.options.redact {
                true => String::new(),
                false => sql,
            };
            self.plan.views.push((name, sql));
        }
    }

    fn note_name(&mut self, what: &str, source: &str, name: &str) {
        let note = changed_name(what, source, name);
        let note = note.map(|note| note.database(&self.database.name));
        self.plan.notes.extend(note);
    }
}
