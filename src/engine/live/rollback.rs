//! Takes back what a transaction did in memory: its tables become what their
//! files and the log say, as they would after a crash.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::LiveCatalog;
use super::store::{LiveStore, State};
use super::table_slot::TableId;
use crate::engine::log::Owner;
use crate::engine::store::recovery::{Recovered, replay};
use crate::error::Result;
use crate::report::Report;

/// What is taken back.
#[derive(Debug)]
pub(super) enum Undo {
    /// Changes of rows and sequences of some tables.
    Tables(BTreeSet<Owner>),
    /// Everything; tables that were there before keep their ids.
    Catalog(BTreeMap<Owner, TableId>),
}

impl LiveStore {
    /// Makes the store ready for the next change: a transaction that was
    /// neither committed nor dropped is rolled back.
    ///
    /// # Errors
    /// `StoreFailed`; damage; I/O errors.
    pub(super) fn settle(&mut self) -> Result<()> {
        match self.state {
            State::Ready => Ok(()),
            State::Failed => Err(self.failed()),
            State::Changing => self.roll_back(&Undo::Catalog(BTreeMap::new())),
        }
    }

    /// Makes every transaction so far durable, all with one sync.
    ///
    /// # Errors
    /// `StoreFailed`; I/O errors.
    pub fn sync(&mut self) -> Result<()> {
        self.settle()?;
        let synced = self.log.sync();
        self.need(synced)
    }

    /// Makes every transaction durable, marks how far the log is on disk, and lets
    /// go of the directory: damage before the mark is then never taken for what a
    /// crash left. A store that is dropped instead leaves the mark of its last
    /// checkpoint.
    ///
    /// # Errors
    /// As [`sync`](Self::sync).
    pub fn close(mut self) -> Result<()> {
        self.sync()?;
        let durable = self.log.durable();
        // A head without records is nothing that could be lost.
        let has_more = self.log.end().last > self.control.checkpoint.last;
        if has_more && durable > self.control.synced {
            self.control.synced = durable;
            let checkpoint = self.control.checkpoint;
            let next = self.control.advance(&*self.disk, &self.root, checkpoint);
            self.control = self.need(next)?;
        }
        Ok(())
    }

    /// Takes back what was not committed.
    ///
    /// # Errors
    /// `StoreFailed`; damage; I/O errors: then the store has failed.
    pub(super) fn roll_back(&mut self, undo: &Undo) -> Result<()> {
        if self.state == State::Failed {
            return Err(self.failed());
        }
        let done = self.take_back(undo);
        self.need(done)?;
        self.state = State::Ready;
        Ok(())
    }

    fn take_back(&mut self, undo: &Undo) -> Result<()> {
        match undo {
            Undo::Tables(owners) if owners.is_empty() => return Ok(()),
            Undo::Tables(owners) => {
                let (catalog, with, stamps) = self.parts();
                for owner in owners {
                    catalog.reset(*owner, with, stamps.next());
                }
            }
            Undo::Catalog(ids) => {
                let (catalog, with, stamps) = self.parts();
                *catalog = LiveCatalog::read(with, stamps)?;
                for (owner, id) in ids {
                    if let Some(slot) = catalog.tables.get_mut(owner) {
                        slot.id = *id;
                    }
                }
                self.clear_staged()?;
            }
        }
        // What was committed may be in memory only.
        self.log.flush()?;
        let recovered = Recovered {
            disk: self.disk.clone(),
            control: self.control.clone(),
            from: self.control.checkpoint,
            findings: Report::new(),
        };
        let catalog = &mut self.catalog;
        replay(
            &self.disk,
            &self.root,
            &recovered,
            |owner, entry, at| match undo {
                Undo::Tables(owners) if !owners.contains(&owner) => Ok(()),
                _ => catalog.replay(owner, entry, at),
            },
        )?;
        Ok(())
    }
}
