//! Stub until the store lands.
#![allow(missing_docs)]
use crate::error::{Error, Result};
use crate::model::{Catalog, RowSource, RowStream};
use crate::report::Report;
use std::path::Path;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    Paged,
    PerTable,
    Append,
}
impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Layout::Paged => "paged",
            Layout::PerTable => "per-table",
            Layout::Append => "append",
        })
    }
}
impl std::str::FromStr for Layout {
    type Err = String;
    fn from_str(t: &str) -> Result<Self, String> {
        match t {
            "paged" => Ok(Layout::Paged),
            "per-table" => Ok(Layout::PerTable),
            "append" => Ok(Layout::Append),
            _ => Err("expected paged, per-table or append".into()),
        }
    }
}
#[derive(Debug, Clone)]
pub struct Origin {
    pub family: String,
    pub cluster_id: u128,
}
pub fn create(_d: &Path, _l: Layout, _c: &Catalog, _r: &dyn RowSource, _o: &Origin) -> Result<()> {
    Err(Error::Usage("stub".into()))
}
#[derive(Debug)]
pub struct Store {
    catalog: Catalog,
    origin: Origin,
}
impl Store {
    pub fn is_one(dir: &Path) -> bool {
        dir.join("control").exists()
    }
    pub fn open(_d: &Path) -> Result<Store> {
        Err(Error::Usage("stub".into()))
    }
    pub fn layout(&self) -> Layout {
        Layout::PerTable
    }
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }
    pub fn live_count(&self, _d: usize, _t: usize) -> u64 {
        0
    }
}
impl RowSource for Store {
    fn row_count(&self, _d: usize, _t: usize) -> u64 {
        0
    }
    fn open_rows(&self, _d: usize, _t: usize) -> Result<Box<dyn RowStream + '_>> {
        Err(Error::Usage("stub".into()))
    }
}
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Checksums,
    Structure,
}
#[derive(Debug, Default, Clone)]
pub struct Coverage {
    pub files: Vec<FileCoverage>,
}
#[derive(Debug, Clone)]
pub struct FileCoverage {
    pub path: std::path::PathBuf,
    pub len: u64,
    pub checked: u64,
    pub unchecked: u64,
}
pub fn verify(_d: &Path, _l: Level, _r: &mut Report) -> Result<Coverage> {
    Err(Error::Usage("stub".into()))
}
