//! Rows, one by one and in batches.
//!
//! Tables are streamed: a [`RowStream`] hands out batches that borrow from its
//! window, so that memory does not grow with the table.

use super::Value;
use crate::error::Result;

/// One version of a row that owns its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The values, in column order.
    pub values: Vec<Value>,
    /// The transaction that wrote this version; restarts at 1 with the server.
    pub xmin: u64,
    /// The transaction that ended this version; `None` while it is visible.
    pub xmax: Option<u64>,
}

impl Row {
    /// Whether a user sees this version (format page, "Visibility").
    pub fn is_visible(&self) -> bool {
        self.xmax.is_none()
    }
}

/// One version of a row that borrows its values. [`values`](RowRef::values) is
/// the cursor over them.
#[derive(Debug, Clone, Copy)]
pub struct RowRef<'a> {
    /// How many values there are, and the values, as plain bytes (format page,
    /// "Encoding") that were checked.
    pub bytes: &'a [u8],
    /// See [`Row::xmin`].
    pub xmin: u64,
    /// See [`Row::xmax`].
    pub xmax: Option<u64>,
}

impl RowRef<'_> {
    /// Whether a user sees this version.
    pub fn is_visible(&self) -> bool {
        self.xmax.is_none()
    }

    /// How many values there are.
    #[inline]
    pub fn arity(&self) -> usize {
        let count = self.bytes.first_chunk().copied().map(u64::from_le_bytes);
        count.map_or(0, |count| usize::try_from(count).unwrap_or(usize::MAX))
    }
}

/// A row version of a batch: where its values lie, who made and who ended it.
#[derive(Debug, Clone, Copy)]
pub struct RowVersion {
    /// Where [`RowRef::bytes`] start in the bytes of the batch.
    pub start: usize,
    /// Where they end.
    pub end: usize,
    /// See [`Row::xmin`].
    pub xmin: u64,
    /// See [`Row::xmax`].
    pub xmax: Option<u64>,
}

/// Consecutive row versions of one table, in stored order: the one form in
/// which rows travel. Who stands between may change xmin and xmax, or leave
/// versions out, and touches no value.
#[derive(Debug)]
pub struct RowBatch<'a> {
    bytes: &'a [u8],
    versions: &'a mut Vec<RowVersion>,
}

impl<'a> RowBatch<'a> {
    /// The versions of rows that lie in `bytes`.
    pub fn new(bytes: &'a [u8], versions: &'a mut Vec<RowVersion>) -> Self {
        RowBatch { bytes, versions }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.versions.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// The rows, in stored order.
    #[inline]
    pub fn rows(&self) -> impl Iterator<Item = RowRef<'_>> {
        let bytes = self.bytes;
        self.versions.iter().map(move |version| RowRef {
            bytes: bytes.get(version.start..version.end).unwrap_or_default(),
            xmin: version.xmin,
            xmax: version.xmax,
        })
    }

    /// The versions, to be renumbered.
    pub fn versions_mut(&mut self) -> &mut [RowVersion] {
        self.versions
    }

    /// Ends the version at `position`, counted from 0 in the batch; false when
    /// it was ended before, or there is none.
    pub fn end_version(&mut self, position: usize, xmax: u64) -> bool {
        match self.versions.get_mut(position) {
            Some(version) if version.xmax.is_none() => {
                version.xmax = Some(xmax);
                true
            }
            _ => false,
        }
    }

    /// Leaves out the versions that no user sees.
    pub fn retain_visible(&mut self) {
        self.versions.retain(|version| version.xmax.is_none());
    }
}

/// The rows of one table, in stored order, batch by batch.
pub trait RowStream {
    /// The next batch; `None` after the last one. None is empty but of
    /// [`VisibleRows`](super::VisibleRows).
    ///
    /// # Errors
    /// When the file cannot be read or its bytes are damaged.
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>>;
}

impl<S: RowStream + ?Sized> RowStream for &mut S {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        (**self).next_batch()
    }
}

/// Some consecutive rows of a table. What the numbers mean knows the source
/// that gave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowPart {
    /// Which of several places the rows are in.
    pub place: usize,
    /// Start in that place.
    pub from: u64,
    /// End in that place.
    pub to: u64,
}

impl RowPart {
    /// All rows of a table, in a source that does not split.
    pub const ALL: RowPart = RowPart {
        place: 0,
        from: 0,
        to: u64::MAX,
    };
}

/// Row streams by the positions of database and table in a catalog.
pub trait RowSource: Sync {
    /// How many rows [`open_rows`](Self::open_rows) will give.
    fn row_count(&self, database: usize, table: usize) -> u64;

    /// The rows of a table, in stored order.
    ///
    /// # Errors
    /// When the file cannot be opened.
    fn open_rows(&self, database: usize, table: usize) -> Result<Box<dyn RowStream + '_>>;

    /// The rows of a table in parts that can be read at the same time; one
    /// after the other they are the rows of [`open_rows`](Self::open_rows).
    /// There is at least one.
    ///
    /// # Errors
    /// When the file cannot be opened.
    fn parts(&self, database: usize, table: usize) -> Result<Vec<RowPart>> {
        let _ = (database, table);
        Ok(vec![RowPart::ALL])
    }

    /// The rows of one of [`parts`](Self::parts).
    ///
    /// # Errors
    /// When the file cannot be opened.
    fn open_part(
        &self,
        database: usize,
        table: usize,
        part: &RowPart,
    ) -> Result<Box<dyn RowStream + '_>> {
        let _ = part;
        self.open_rows(database, table)
    }

    /// Holds what all parts of a table gave together against what is stored of
    /// it: row versions, and how many of them are visible.
    ///
    /// # Errors
    /// When parts are missing or too many.
    fn check_total(&self, database: usize, table: usize, rows: u64, live: u64) -> Result<()> {
        let _ = (database, table, rows, live);
        Ok(())
    }
}
