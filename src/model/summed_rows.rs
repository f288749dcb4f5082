//! Rows that are added up on their way.

use std::ops::AddAssign;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{RowBatch, RowStream};
use crate::error::Result;

/// A stream that adds up what passes. Its sum joins the total when it ends, so that
/// parts of a table are added up on as many threads as read them.
pub struct SummedRows<'s, S, F> {
    rows: Box<dyn RowStream + 's>,
    sum: S,
    total: &'s Mutex<S>,
    add: F,
}

impl<'s, S, F> SummedRows<'s, S, F>
where
    S: Default + AddAssign,
    F: FnMut(&mut S, &mut RowBatch<'_>),
{
    /// `add` takes in a batch of `rows`; it may change versions.
    pub fn new(rows: Box<dyn RowStream + 's>, total: &'s Mutex<S>, add: F) -> Self {
        SummedRows {
            rows,
            sum: S::default(),
            total,
            add,
        }
    }
}

/// The sum so far. A panic elsewhere leaves whole sums.
pub fn sum_of<S>(total: &Mutex<S>) -> MutexGuard<'_, S> {
    total.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S, F> RowStream for SummedRows<'_, S, F>
where
    S: Default + AddAssign,
    F: FnMut(&mut S, &mut RowBatch<'_>),
{
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        let mut batch = self.rows.next_batch()?;
        match &mut batch {
            Some(batch) => (self.add)(&mut self.sum, batch),
            None => *sum_of(self.total) += std::mem::take(&mut self.sum),
        }
        Ok(batch)
    }
}
