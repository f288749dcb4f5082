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

/// Where a row ends in plain bytes.
#[derive(Debug, Clone, Copy)]
struct PlainEnd {
    end: usize,
    visible: bool,
}

/// Consecutive row versions as plain bytes: value count, values, xmin, and one
/// byte 0, or 1 and xmax (format page, "Encoding"). The bytes were checked.
#[derive(Debug, Clone, Copy)]
pub struct PlainRows<'a> {
    bytes: &'a [u8],
    ends: &'a [PlainEnd],
}

/// One row of [`PlainRows`].
#[derive(Debug, Clone, Copy)]
pub struct PlainRow<'a> {
    /// Value count and values, without xmin and xmax.
    pub values: &'a [u8],
    /// See [`Row::xmin`].
    pub xmin: u64,
    /// See [`Row::xmax`].
    pub xmax: Option<u64>,
}

impl<'a> PlainRows<'a> {
    /// Rows that lie elsewhere than in the buffer that knows their ends.
    pub fn of(bytes: &'a [u8], buffer: &'a PlainBuffer) -> Self {
        PlainRows {
            bytes,
            ends: &buffer.ends,
        }
    }

    /// All bytes, row after row.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The rows, in stored order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = PlainRow<'a>> + use<'a> {
        let bytes = self.bytes;
        let mut start = 0;
        self.ends.iter().map(move |row| {
            let whole = bytes.get(start..row.end).unwrap_or_default();
            start = row.end;
            let number = |tail: Option<(&'a [u8], &'a [u8; 8])>| match tail {
                Some((rest, number)) => (rest, u64::from_le_bytes(*number)),
                None => (whole, 0),
            };
            let (rest, xmax) = match row.visible {
                true => (whole, None),
                false => {
                    let (rest, xmax) = number(whole.split_last_chunk::<8>());
                    (rest, Some(xmax))
                }
            };
            let (_, rest) = rest.split_last().unwrap_or((&0, rest));
            let (values, xmin) = number(rest.split_last_chunk::<8>());
            PlainRow { values, xmin, xmax }
        })
    }
}

/// Room for plain rows, used again from batch to batch.
#[derive(Debug, Default)]
pub struct PlainBuffer {
    /// Never made shorter, so that its bytes are zeroed once.
    bytes: Vec<u8>,
    filled: usize,
    ends: Vec<PlainEnd>,
}

impl PlainBuffer {
    /// Forgets the rows and keeps the room.
    pub fn clear(&mut self) {
        self.filled = 0;
        self.ends.clear();
    }

    /// At least `len` bytes after those that are filled.
    #[inline]
    pub fn room(&mut self, len: usize) -> &mut [u8] {
        let need = self.filled.saturating_add(len);
        if need > self.bytes.len() {
            let doubled = self.bytes.len().saturating_mul(2);
            self.bytes.resize(need.max(doubled), 0);
        }
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    /// A row took `len` bytes of the room.
    #[inline]
    pub fn filled_row(&mut self, len: usize, visible: bool) {
        self.filled = self.filled.saturating_add(len).min(self.bytes.len());
        self.end_row(self.filled, visible);
    }

    /// A row that lies elsewhere ends `end` bytes after the start of the first
    /// one.
    #[inline]
    pub fn end_row(&mut self, end: usize, visible: bool) {
        self.ends.push(PlainEnd { end, visible });
    }

    /// Rows whose end is known.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether no row's end is known.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The rows whose bytes are here.
    pub fn rows(&self) -> PlainRows<'_> {
        let bytes = self.bytes.get(..self.filled).unwrap_or_default();
        PlainRows::of(bytes, self)
    }
}

/// The rows of one table, in stored order, batch by batch. A stream is read
/// either by [`next_batch`](RowStream::next_batch) or through a `PlainReader`.
pub trait RowStream {
    /// The next batch, never empty; `None` after the last one.
    ///
    /// # Errors
    /// When the file cannot be read or its bytes are damaged.
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>>;

    /// Whether the next rows can be had as plain bytes without a detour over
    /// values; if not, they come by [`next_batch`](RowStream::next_batch).
    ///
    /// # Errors
    /// As of [`next_batch`](RowStream::next_batch).
    fn offers_plain(&mut self) -> Result<bool> {
        Ok(false)
    }

    /// The next rows as plain bytes, where they are offered; `buffer` is empty
    /// and may be used.
    ///
    /// # Errors
    /// As of [`next_batch`](RowStream::next_batch).
    fn next_plain<'a>(&'a mut self, buffer: &'a mut PlainBuffer) -> Result<Option<PlainRows<'a>>> {
        let _ = buffer;
        Ok(None)
    }
}

impl<S: RowStream + ?Sized> RowStream for &mut S {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        (**self).next_batch()
    }

    fn offers_plain(&mut self) -> Result<bool> {
        (**self).offers_plain()
    }

    fn next_plain<'a>(&'a mut self, buffer: &'a mut PlainBuffer) -> Result<Option<PlainRows<'a>>> {
        (**self).next_plain(buffer)
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
