//! Rows as a server shows them that starts on a snapshot: it counts
//! transactions from 1 (format page, "Server rules", 8).

use std::ops::AddAssign;
use std::sync::Mutex;

use crate::error::Result;
use crate::model::{PassThrough, RowBatch, RowSource, RowStream, SummedRows, sum_of};

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

impl AddAssign for StartCount {
    fn add_assign(&mut self, other: Self) {
        self.hidden += other.hidden;
        self.back += other.back;
        self.other += other.other;
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
        *sum_of(&self.count)
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
        let renumber = self.renumber;
        let add = move |count: &mut StartCount, batch: &mut RowBatch<'_>| {
            for version in batch.versions_mut() {
                count.add(version.xmin, version.xmax);
                if renumber {
                    version.xmin = FIRST;
                    version.xmax = version.xmax.map(|_| FIRST);
                }
            }
        };
        Ok(Box::new(SummedRows::new(rows, &self.count, add)))
    }
}
