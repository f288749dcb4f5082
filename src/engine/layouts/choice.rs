//! The layouts, and what each must be able to do with the files of a table.

use std::fmt;
use std::str::FromStr;

use super::append::Append;
use super::paged::{MAX_PAGES_PER_FILE, Paged};
use super::per_table::PerTable;
use crate::engine::table::TableFiles;
use crate::error::{Error, Result};
use crate::work::Threads;

/// How the rows of a table lie in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum Layout {
    /// Pages of 8 KB.
    #[default]
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
    pub(in crate::engine) fn tag(self) -> u8 {
        match self {
            Layout::Paged => 1,
            Layout::PerTable => 2,
            Layout::Append => 3,
        }
    }

    /// The layout of a number in the control file.
    pub(in crate::engine) fn from_tag(tag: u8) -> Option<Self> {
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

impl Default for CreateOptions {
    fn default() -> Self {
        Layout::default().into()
    }
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
    pub(in crate::engine) fn shape(self) -> Result<Shape> {
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
pub(in crate::engine) struct Shape {
    /// How the rows of a table lie in files.
    pub layout: Layout,
    /// Pages of one file; 0 in a layout without pages.
    pub pages_per_file: u32,
}

impl Shape {
    /// A layout with its parameters; `None` when they do not fit it.
    pub(in crate::engine) fn new(layout: Layout, pages_per_file: u32) -> Option<Self> {
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
    pub(in crate::engine) fn tables(self) -> Box<dyn TableFiles> {
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
