//! Rows as a server shows them that starts on a snapshot: it counts
//! transactions from 1 (format page, "Server rules", 8).

use std::sync::{Mutex, PoisonError};

use crate::error::Result;
use crate::model::{PassThrough, RowBatch, RowSource, RowStream};

/// The transaction that a server starts with.
const FIRST: u64 = 1;

/// Row versions that a started server takes otherwise than they stand.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct StartCount {
    /// Visible versions that it does not show.
    pub hidden: u64,
    /// Versions that are not visible and that it shows.
    pub back: u64,
    /// Versions with another xmin or xmax than it writes first.
    pub other: u64,
}

impl StartCount {
    fn add(&mut self, xmin: u64, xmax: Option<u64>) {
        let begun = xmin <= FIRST;
        self.hidden += u64::from(xmax.is_none() && !begun);
        self.back += u64::from(begun && xmax.is_some_and(|xmax| xmax > FIRST));
        self.other += u64::from(xmin != FIRST || xmax.is_some_and(|xmax| xmax != FIRST));
    }
}

/// Counts what a started server would not show as it stands, or writes rows so
/// that it does. A stream adds its rows when it ends.
pub struct ServerRows<'s> {
    source: &'s dyn RowSource,
    renumber: bool,
    count: Mutex<StartCount>,
}

impl<'s> ServerRows<'s> {
    /// Rows of `source`; with `renumber` each version has xmin 1, and xmax 1
    /// where it has one.
    pub fn new(source: &'s dyn RowSource, renumber: bool) -> Self {
        ServerRows {
            source,
            renumber,
            count: Mutex::default(),
        }
    }

    /// What passed so far, as it came.
    pub fn count(&self) -> StartCount {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PassThrough for ServerRows<'_> {
    fn source(&self) -> &dyn RowSource {
        self.source
    }

    fn stream<'r>(
        &'r self,
        _: (usize, usize),
        rows: Box<dyn RowStream + 'r>,
    ) -> Result<Box<dyn RowStream + 'r>> {
        Ok(Box::new(ServerStream {
            rows,
            renumber: self.renumber,
            count: StartCount::default(),
            total: &self.count,
        }))
    }
}

struct ServerStream<'s> {
    rows: Box<dyn RowStream + 's>,
    renumber: bool,
    count: StartCount,
    total: &'s Mutex<StartCount>,
}

impl RowStream for ServerStream<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        let Some(batch) = self.rows.next_batch()? else {
            let count = std::mem::take(&mut self.count);
            let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
            total.hidden += count.hidden;
            total.back += count.back;
            total.other += count.other;
            return Ok(None);
        };
        for row in batch.rows() {
            self.count.add(row.xmin, row.xmax);
        }
        if !self.renumber {
            return Ok(Some(batch));
        }
        let mut renumbered = RowBatch::new();
        for (values, _, xmax) in batch.into_rows() {
            values
                .into_iter()
                .for_each(|value| renumbered.push_value(value));
            renumbered.end_row(FIRST, xmax.map(|_| FIRST));
        }
        Ok(Some(renumbered))
    }
}
