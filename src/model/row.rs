//! Rows, one by one and in batches.
//!
//! Tables are streamed: a [`RowStream`] hands out batches that borrow from its
//! window, so that memory does not grow with the table.

use super::{Value, ValueRef};
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

/// One version of a row that borrows its values.
#[derive(Debug, Clone, Copy)]
pub struct RowRef<'a> {
    /// The values, in column order.
    pub values: &'a [ValueRef<'a>],
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

    /// Copies the row.
    pub fn to_owned(&self) -> Row {
        Row {
            values: self.values.iter().map(ValueRef::to_owned).collect(),
            xmin: self.xmin,
            xmax: self.xmax,
        }
    }
}

/// What a row has beside its values, and where they end in the batch.
#[derive(Debug, Clone, Copy)]
struct RowHead {
    values_end: usize,
    xmin: u64,
    xmax: Option<u64>,
}

/// Consecutive row versions of one table, in stored order. The values of all
/// rows lie in one vector: one allocation a batch, not one a row.
#[derive(Debug, Default)]
pub struct RowBatch<'a> {
    values: Vec<ValueRef<'a>>,
    heads: Vec<RowHead>,
}

impl<'a> RowBatch<'a> {
    /// An empty batch.
    pub fn new() -> Self {
        RowBatch {
            values: Vec::new(),
            heads: Vec::new(),
        }
    }

    /// Adds one value of the row that [`end_row`](Self::end_row) completes.
    pub fn push_value(&mut self, value: ValueRef<'a>) {
        self.values.push(value);
    }

    /// Completes a row of the values pushed since the row before.
    pub fn end_row(&mut self, xmin: u64, xmax: Option<u64>) {
        self.heads.push(RowHead {
            values_end: self.values.len(),
            xmin,
            xmax,
        });
    }

    /// Takes back the values pushed since the last complete row.
    pub fn abandon_row(&mut self) {
        let end = self.heads.last().map_or(0, |head| head.values_end);
        self.values.truncate(end);
    }

    /// Ends the version at `position`, counted from 0 in the batch; false when
    /// it was ended before, or there is none.
    pub fn end_version(&mut self, position: usize, xmax: u64) -> bool {
        match self.heads.get_mut(position) {
            Some(head) if head.xmax.is_none() => {
                head.xmax = Some(xmax);
                true
            }
            _ => false,
        }
    }

    /// Number of complete rows.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether the batch holds no complete row.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The rows as values, xmin and xmax that live as long as the window: for
    /// making a changed batch of them.
    pub fn into_rows(self) -> impl Iterator<Item = (Vec<ValueRef<'a>>, u64, Option<u64>)> {
        let mut values = self.values.into_iter();
        let mut start = 0;
        self.heads.into_iter().map(move |head| {
            let row = values.by_ref().take(head.values_end - start).collect();
            start = head.values_end;
            (row, head.xmin, head.xmax)
        })
    }

    /// The rows, in stored order.
    pub fn rows(&self) -> impl Iterator<Item = RowRef<'_>> {
        let mut start = 0;
        self.heads.iter().map(move |head| {
            // The ends only ever rise and never pass the vector's length.
            let values = self.values.get(start..head.values_end).unwrap_or_default();
            start = head.values_end;
            RowRef {
                values,
                xmin: head.xmin,
                xmax: head.xmax,
            }
        })
    }
}

/// The rows of one table, in stored order, batch by batch.
pub trait RowStream {
    /// The next batch, never empty; `None` after the last one.
    ///
    /// # Errors
    /// When the file cannot be read or its bytes are damaged.
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>>;
}

/// Row streams by the positions of database and table in a catalog.
pub trait RowSource {
    /// How many rows [`open_rows`](Self::open_rows) will give.
    fn row_count(&self, database: usize, table: usize) -> u64;

    /// The rows of a table, in stored order.
    ///
    /// # Errors
    /// When the file cannot be opened.
    fn open_rows(&self, database: usize, table: usize) -> Result<Box<dyn RowStream + '_>>;
}
