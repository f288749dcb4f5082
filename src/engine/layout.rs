//! The layouts, and what each must be able to do with the files of a table.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::address::Lsn;
use super::paths::TablePlace;
use super::per_table::PerTable;
use super::verify::{Level, TableCheck};
use crate::error::{Error, Result};
use crate::model::RowStream;

/// How the rows of a table lie in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layout {
    /// Pages of 8 KB.
    Paged,
    /// One file a table, rows in checksummed blocks.
    PerTable,
    /// Records appended to a file, with an index.
    Append,
}

impl Layout {
    /// Every layout; a position plus one is the tag on disk.
    pub const ALL: [Layout; 3] = [Layout::Paged, Layout::PerTable, Layout::Append];

    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Layout::Paged => "paged",
            Layout::PerTable => "per-table",
            Layout::Append => "append",
        }
    }

    /// Its number in the control file.
    pub(super) fn tag(self) -> u8 {
        match self {
            Layout::Paged => 1,
            Layout::PerTable => 2,
            Layout::Append => 3,
        }
    }

    /// The layout of a number in the control file.
    pub(super) fn from_tag(tag: u8) -> Option<Self> {
        Layout::ALL.into_iter().find(|layout| layout.tag() == tag)
    }

    /// What it does with the files of a table.
    ///
    /// # Errors
    /// `Usage` for a layout that is not available yet.
    pub(super) fn tables(self) -> Result<&'static dyn TableFiles> {
        match self {
            Layout::PerTable => Ok(&PerTable),
            Layout::Paged | Layout::Append => Err(Error::Usage(format!(
                "the layout {self} is not available yet\nUse {}.",
                Layout::PerTable
            ))),
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Layout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Layout::ALL.into_iter().find(|l| l.as_str() == text);
        found.ok_or_else(|| {
            let names = Layout::ALL.map(Layout::as_str);
            format!("expected one of {}", names.join(", "))
        })
    }
}

/// How many row versions a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableCounts {
    /// All of them.
    pub rows: u64,
    /// Those that a user sees.
    pub live: u64,
}

impl TableCounts {
    /// Counts one row.
    pub(super) fn add(&mut self, visible: bool) {
        self.rows += 1;
        self.live += u64::from(visible);
    }
}

impl fmt::Display for TableCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows, {} of them live", self.rows, self.live)
    }
}

/// What a layout does with the files of one table.
pub(super) trait TableFiles: fmt::Debug + Sync {
    /// The files that hold the table, in the order in which they are read.
    fn files(&self, table: &TablePlace) -> Result<Vec<PathBuf>>;

    /// Writes a new table and says what it wrote.
    fn write(&self, table: &TablePlace, lsn: Lsn, rows: &mut dyn RowStream) -> Result<TableCounts>;

    /// The rows in stored order; `counts` is what the catalog says.
    fn open(&self, table: &TablePlace, counts: TableCounts) -> Result<Box<dyn RowStream>>;

    /// Checks every byte of every file of the table; damage goes to `check`,
    /// and only I/O errors are returned.
    fn verify(
        &self,
        table: &TablePlace,
        counts: TableCounts,
        level: Level,
        check: &mut TableCheck<'_>,
    ) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tags_come_back() {
        for layout in Layout::ALL {
            assert_eq!(layout.to_string().parse(), Ok(layout));
            assert_eq!(Layout::from_tag(layout.tag()), Some(layout));
        }
        assert_eq!(Layout::ALL.map(Layout::tag), [1, 2, 3]);
        assert_eq!(Layout::from_tag(0), None);
        assert_eq!(Layout::from_tag(4), None);
        assert!("pages".parse::<Layout>().is_err());
    }
}
