//! What a handle leads to when its table is gone.

use crate::engine::log::Batch;
use crate::engine::pages::address::{Lsn, RowId};
use crate::engine::rows::counts::TableCounts;
use crate::engine::table::{Ended, LiveTable};
use crate::error::{Error, Result};
use crate::model::RowStream;

/// A table that was dropped, or replaced by one of other columns.
#[derive(Debug)]
pub(super) struct Dropped;

fn gone<T>() -> Result<T> {
    let what = "the table was dropped or changed since; look it up again";
    Err(Error::Usage(what.into()))
}

impl LiveTable for Dropped {
    fn counts(&self) -> TableCounts {
        TableCounts::default()
    }

    fn insert(&mut self, _: &[u8], _: Option<RowId>) -> Result<RowId> {
        gone()
    }

    fn end(&mut self, _: RowId, _: u64, _: Option<RowId>) -> Result<Ended> {
        gone()
    }

    fn read(&self, _: RowId) -> Result<Option<Vec<u8>>> {
        gone()
    }

    fn find(&self, _: &[u8]) -> Result<Option<RowId>> {
        gone()
    }

    fn rows(&self) -> Result<Box<dyn RowStream + '_>> {
        gone()
    }

    fn visible_ids(&self, _: &mut dyn FnMut(RowId)) -> Result<()> {
        gone()
    }

    fn checkpoint(&mut self, _: Lsn, _: &mut Batch) -> Result<()> {
        Ok(())
    }

    fn checkpointed(&mut self) -> Result<()> {
        Ok(())
    }

    fn pending_len(&self) -> usize {
        0
    }
}
