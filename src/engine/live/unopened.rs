//! A table that is opened when it is first asked for: a directory may have more
//! tables than a process may have files open.

use std::fmt;

use crate::engine::layouts::Shape;
use crate::engine::log::Batch;
use crate::engine::pages::address::{Lsn, RowId};
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::counts::TableCounts;
use crate::engine::table::{Access, Ended, Lazy, LiveTable, VisibleIds};
use crate::error::{Error, Result};
use crate::model::RowStream;

/// A table, opened or not.
pub(super) struct Unopened {
    shape: Shape,
    place: TablePlace,
    counts: TableCounts,
    access: Access,
    live: Lazy<Box<dyn LiveTable>>,
}

impl Unopened {
    /// The table whose files are at `place` and hold `counts`.
    pub(super) fn new(
        shape: Shape,
        place: &TablePlace,
        counts: TableCounts,
        access: &Access,
    ) -> Self {
        Unopened {
            shape,
            place: place.clone(),
            counts,
            access: access.clone(),
            live: Lazy::new(),
        }
    }

    fn open(&self) -> Result<&dyn LiveTable> {
        let live = self.live.get(|| {
            let files = self.shape.tables();
            files.live(&self.place, self.counts, &self.access)
        })?;
        Ok(&**live)
    }

    fn open_mut(&mut self) -> Result<&mut dyn LiveTable> {
        self.open()?;
        match self.live.opened_mut() {
            Some(live) => Ok(&mut **live),
            None => Err(Error::Internal("a table that was not opened".into())),
        }
    }
}

impl fmt::Debug for Unopened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Unopened");
        shown.field("place", &self.place).finish_non_exhaustive()
    }
}

impl LiveTable for Unopened {
    fn counts(&self) -> TableCounts {
        let opened = self.live.opened();
        opened.map_or(self.counts, |live| live.counts())
    }

    fn insert(&mut self, row: &[u8], at: Option<RowId>) -> Result<RowId> {
        self.open_mut()?.insert(row, at)
    }

    fn end(&mut self, id: RowId, xmax: u64, moved: Option<RowId>) -> Result<Ended> {
        self.open_mut()?.end(id, xmax, moved)
    }

    fn read(&self, id: RowId) -> Result<Option<Vec<u8>>> {
        self.open()?.read(id)
    }

    fn find(&self, key: &[u8]) -> Result<Option<RowId>> {
        self.open()?.find(key)
    }

    fn rows(&self) -> Result<Box<dyn RowStream + '_>> {
        self.open()?.rows()
    }

    fn visible_ids(&self) -> Result<Box<dyn VisibleIds + '_>> {
        self.open()?.visible_ids()
    }

    fn checkpoint(&mut self, lsn: Lsn, batch: &mut Batch) -> Result<()> {
        match self.live.opened_mut() {
            Some(live) => live.checkpoint(lsn, batch),
            None => Ok(()),
        }
    }

    fn checkpointed(&mut self) -> Result<()> {
        match self.live.opened_mut() {
            Some(live) => live.checkpointed(),
            None => Ok(()),
        }
    }

    fn pending_len(&self) -> usize {
        self.live.opened().map_or(0, |live| live.pending_len())
    }
}
