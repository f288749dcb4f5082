//! The pages of one table, as they lie in its files.

use std::path::Path;

use crate::engine::Store;
use crate::error::{Error, Result};
use crate::legacy::{Family, LegacyDir, LegacyPageViews, PageDir};
use crate::model::{PageStream, Table};

use super::{Identity, OpenOptions, Opened, nearest};

/// A table whose pages can be shown.
#[derive(Debug)]
pub struct PagedTable {
    /// What its files are made of: page, record or block.
    pub unit: &'static str,
    /// Names of its columns; empty where no file says them.
    pub columns: Vec<String>,
    /// What the directory is.
    pub identity: Identity,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Ours {
        store: Box<Store>,
        /// Positions of database and table.
        at: (usize, usize),
    },
    Legacy(PageDir),
}

impl PagedTable {
    /// Finds a table: `DATABASE.TABLE` in a directory of ours; in a legacy one,
    /// a directory of page files, `table_N`.
    ///
    /// # Errors
    /// `Usage` when there is no such table; as opening the directory.
    pub fn open(path: &Path, table: &str, family: Option<Family>) -> Result<Self> {
        let options = OpenOptions {
            family,
            ..OpenOptions::default()
        };
        match Opened::open(path, &options)? {
            Opened::Ours(store) => Self::ours(store, table),
            Opened::Legacy(legacy) => Self::legacy(&legacy, table),
        }
    }

    fn ours(store: Box<Store>, name: &str) -> Result<Self> {
        let databases = store.catalog().databases.iter().enumerate();
        let mut tables = databases.flat_map(|(at, database)| {
            let tables = database.tables.iter().enumerate();
            tables.map(move |(position, table)| (at, position, &database.name, table))
        });
        let named = |database: &str, table: &Table| {
            let rest = name.strip_prefix(database);
            rest.and_then(|rest| rest.strip_prefix('.')) == Some(table.name.as_str())
        };
        let found = tables.find(|(_, _, database, table)| named(database, table));
        let Some((at, position, _, table)) = found else {
            let databases = store.catalog().databases.iter();
            let known = databases.flat_map(|database| {
                let tables = database.tables.iter();
                tables.map(move |table| format!("{}.{}", database.name, table.name))
            });
            let known: Vec<String> = known.collect();
            return Err(Error::Usage(format!(
                "found no table {name:?}, expected DATABASE.TABLE{}\n`rustdb-inspect info` lists the tables.",
                nearest::hint(name, known.iter().map(String::as_str))
            )));
        };
        let columns = table.columns.iter().map(|column| column.name.clone());
        Ok(PagedTable {
            unit: store.layout().page_name(),
            columns: columns.collect(),
            identity: Identity::ours(&store),
            source: Source::Ours {
                at: (at, position),
                store,
            },
        })
    }

    fn legacy(legacy: &LegacyDir, name: &str) -> Result<Self> {
        let entry = legacy.page_dirs.iter().find(|entry| entry.name == name);
        let opened = entry.map(|entry| PageDir::open(legacy.dir.disk(), entry));
        let Some(dir) = opened.transpose()?.flatten() else {
            let names = legacy.page_dirs.iter().map(|entry| entry.name.as_str());
            let names: Vec<_> = names.collect();
            return Err(Error::Usage(format!(
                "no page files {}, expected one of: {}\n\
                 A legacy directory keeps its rows in the snapshot; page files are in \
                 table_N/, and no file says whose they are.",
                name.escape_debug(),
                match names.is_empty() {
                    true => "none is there".to_owned(),
                    false => names.join(", "),
                }
            )));
        };
        Ok(PagedTable {
            unit: "page",
            columns: Vec::new(),
            identity: Identity::legacy(legacy.family),
            source: Source::Legacy(dir),
        })
    }

    /// The pages from number `from` on; with values if `with_rows`.
    ///
    /// # Errors
    /// I/O errors.
    pub fn pages(&self, from: u64, with_rows: bool) -> Result<Box<dyn PageStream + '_>> {
        match &self.source {
            Source::Ours { store, at } => store.pages(*at, from, with_rows),
            Source::Legacy(dir) => {
                let views = LegacyPageViews::new(dir.clone(), from, with_rows);
                Ok(Box::new(views))
            }
        }
    }
}
