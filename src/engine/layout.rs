//! The layouts, and what each must be able to do with the files of a table.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::address::Lsn;
use super::append::Append;
use super::encoded::{EncodedRows, write_rows};
use super::live::{Access, LiveTable};
use super::paged::{MAX_PAGES_PER_FILE, Paged};
use super::paths::TablePlace;
use super::per_table::PerTable;
use super::verify::{Level, TableCheck};
use crate::error::{Error, Result};
use crate::model::{PageStream, RowPart, RowStream};
use crate::work::Threads;

/// How the rows of a table lie in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
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

    /// What its files are made of.
    pub fn page_name(self) -> &'static str {
        match self {
            Layout::Paged => "page",
            Layout::PerTable => "block",
            Layout::Append => "record",
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
}

/// How a new directory is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateOptions {
    /// How the rows of a table lie in files.
    pub layout: Layout,
    /// Pages of one file of the layout paged, 1 to 131072; no other layout
    /// looks at it.
    pub pages_per_file: u32,
    /// How many threads read and encode; what is written does not depend on it.
    pub threads: Threads,
}

impl From<Layout> for CreateOptions {
    fn from(layout: Layout) -> Self {
        CreateOptions {
            layout,
            pages_per_file: MAX_PAGES_PER_FILE,
            threads: Threads::default(),
        }
    }
}

impl CreateOptions {
    /// What the control file will say.
    ///
    /// # Errors
    /// `Usage` when the number of pages is out of range.
    pub(super) fn shape(self) -> Result<Shape> {
        let pages_per_file = match self.layout {
            Layout::Paged => self.pages_per_file,
            Layout::PerTable | Layout::Append => 0,
        };
        Shape::new(self.layout, pages_per_file).ok_or_else(|| {
            Error::Usage(format!(
                "{pages_per_file} pages per file, expected 1 to {MAX_PAGES_PER_FILE}"
            ))
        })
    }
}

/// A layout and its parameters, as the control file states them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// How the rows of a table lie in files.
    pub layout: Layout,
    /// Pages of one file; 0 in a layout without pages.
    pub pages_per_file: u32,
}

impl Shape {
    /// A layout with its parameters; `None` when they do not fit it.
    pub(super) fn new(layout: Layout, pages_per_file: u32) -> Option<Self> {
        let allowed = match layout {
            Layout::Paged => 1..=MAX_PAGES_PER_FILE,
            Layout::PerTable | Layout::Append => 0..=0,
        };
        allowed.contains(&pages_per_file).then_some(Shape {
            layout,
            pages_per_file,
        })
    }

    /// What the layout does with the files of a table.
    pub(super) fn tables(self) -> Box<dyn TableFiles> {
        match self.layout {
            Layout::Paged => Box::new(Paged {
                pages_per_file: self.pages_per_file,
            }),
            Layout::PerTable => Box::new(PerTable),
            Layout::Append => Box::new(Append),
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

/// What the catalog says of the files of a table: above all how many row
/// versions they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableCounts {
    /// All of them.
    pub rows: u64,
    /// Those that a user sees.
    pub live: u64,
    /// Bytes of the data of the layout append that are in use: what a crash
    /// left after them is nothing. 0 in other layouts.
    pub data_len: u64,
    /// Ends of versions that stand beside their rows, in the layout append.
    pub ends: u64,
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
        write!(f, "{} rows, {} of them live", self.rows, self.live)?;
        match self.ends {
            0 => Ok(()),
            ends => write!(f, ", {ends} ends"),
        }
    }
}

/// A new table under construction.
pub(super) trait TableWriter {
    /// Adds rows after those that were added before.
    ///
    /// # Errors
    /// `Usage` when a row is too wide; I/O errors.
    fn push(&mut self, rows: &EncodedRows) -> Result<()>;

    /// Completes the files and says what they hold.
    ///
    /// # Errors
    /// I/O errors.
    fn finish(self: Box<Self>) -> Result<TableCounts>;
}

/// What a layout does with the files of one table.
pub(super) trait TableFiles: fmt::Debug + Send + Sync {
    /// The files that hold the table, in the order in which they are read.
    fn files(&self, table: &TablePlace) -> Result<Vec<PathBuf>>;

    /// Every file of the table that is there, derived ones too.
    fn present_files(&self, table: &TablePlace) -> Result<Vec<PathBuf>> {
        let mut present = Vec::new();
        for path in self.files(table)? {
            if table.disk.kind(&path)?.is_some() {
                present.push(path);
            }
        }
        Ok(present)
    }

    /// Starts a new table; its writer may use so many threads.
    fn start<'t>(
        &self,
        table: &'t TablePlace,
        lsn: Lsn,
        threads: Threads,
    ) -> Result<Box<dyn TableWriter + 't>>;

    /// Position of the value whose key the writer of a table needs.
    fn indexed(&self, table: &TablePlace) -> Option<usize> {
        let _ = table;
        None
    }

    /// Writes a new table on this thread and says what it wrote.
    fn write(&self, table: &TablePlace, lsn: Lsn, rows: &mut dyn RowStream) -> Result<TableCounts> {
        let writer = self.start(table, lsn, Threads::ONE)?;
        write_rows(writer, (table, self.indexed(table)), rows)
    }

    /// The rows in stored order; `counts` is what the catalog says.
    fn open(&self, table: &TablePlace, counts: TableCounts) -> Result<Box<dyn RowStream>> {
        self.open_part(table, counts, &RowPart::ALL)
    }

    /// Parts of the table that can be read at the same time.
    fn parts(&self, table: &TablePlace, counts: TableCounts) -> Result<Vec<RowPart>>;

    /// The rows of one part. Only who reads [`RowPart::ALL`] sees whether the
    /// table is complete.
    fn open_part(
        &self,
        table: &TablePlace,
        counts: TableCounts,
        part: &RowPart,
    ) -> Result<Box<dyn RowStream>>;

    /// Opens the table for changes; `counts` is what the catalog says.
    fn live(
        &self,
        table: &TablePlace,
        counts: TableCounts,
        access: &Access,
    ) -> Result<Box<dyn LiveTable>>;

    /// The pages, records or blocks of the table from number `from` on, to be
    /// shown; with values if `with_rows`.
    fn pages<'t>(
        &self,
        table: &'t TablePlace,
        counts: TableCounts,
        shown: (u64, bool),
    ) -> Result<Box<dyn PageStream + 't>>;

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
