//! Carries changes to the files of the tables: what changed and nothing else,
//! then the control file.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

use super::catalog::LiveCatalog;
use super::store::LiveStore;
use crate::engine::log::{Batch, Change, Entry, Owner};
use crate::engine::pages::address::{Lsn, Lsns, TableAddress};
use crate::engine::pages::paths::{GLOBAL_NAME, METADATA_NAME, encode};
use crate::engine::rows::counts::TableCounts;
use crate::engine::store::carry_out::CarryOut;
use crate::engine::store::control::Control;
use crate::engine::store::descriptor::{Descriptor, SUFFIX};
use crate::error::{Error, Result};
use crate::file::EntryKind;

impl LiveStore {
    /// Carries every change to the files of the tables, so that opening the
    /// directory replays nothing.
    ///
    /// # Errors
    /// `StoreFailed`; damage; I/O errors.
    pub fn checkpoint(&mut self) -> Result<()> {
        self.settle()?;
        let made = self.make_checkpoint();
        self.need(made)
    }

    /// Whether the log or the memory that changes take is long enough.
    pub(super) fn checkpoint_is_due(&self) -> bool {
        // A log begins anywhere.
        let start = self.control.checkpoint.at.max(self.lsns.first);
        let log_len = self.log.end().at.0.saturating_sub(start.0);
        self.pending >= self.options.checkpoint_every.max(1)
            || log_len >= self.options.checkpoint_log_len
            || self.catalog.pending_len >= self.options.pending_limit
    }

    fn make_checkpoint(&mut self) -> Result<()> {
        if self.pending == 0 {
            return Ok(());
        }
        // What is in the files was in the log before.
        self.log.sync()?;
        let lsn = self.log.end().at;
        let mut batch = Batch::new();
        let changed = self.put_changed(&mut batch, lsn)?;
        let last = self.catalog.last_transaction;
        if self.catalog.global.last_transaction != last {
            self.put_global(&mut batch)?;
        }
        let entries = self.checked(batch)?;
        self.carry_out(&entries)?;
        self.carried_out(&changed)?;
        self.pending = 0;
        self.prune(false)
    }

    /// Adds the changes of all tables whose files are in their place to a
    /// batch; those tables.
    pub(super) fn put_changed(&mut self, batch: &mut Batch, lsn: Lsn) -> Result<Vec<Owner>> {
        let mut changed = Vec::new();
        for (owner, slot) in &mut self.catalog.tables {
            if slot.changed && slot.home.is_none() {
                slot.live.checkpoint(lsn, batch)?;
                let sequences = slot.schema.sequences.clone();
                changed.push((*owner, slot.live.counts(), sequences));
            }
        }
        let mut owners = Vec::new();
        for (owner, counts, sequences) in changed {
            self.catalog.set_state(owner, counts, sequences);
            self.catalog
                .put_descriptor(batch, &self.control, lsn, owner)?;
            owners.push(owner);
        }
        Ok(owners)
    }

    /// The files hold all changes of these tables.
    pub(super) fn carried_out(&mut self, changed: &[Owner]) -> Result<()> {
        for owner in changed {
            if let Some(slot) = self.catalog.tables.get_mut(owner) {
                slot.live.checkpointed()?;
                slot.changed = false;
            }
            self.catalog.count_pending(*owner);
        }
        Ok(())
    }

    /// Removes segments whose every record is before the checkpoint. Both slots
    /// of the control file then name it: the other one would lead to a log that
    /// is gone.
    pub(super) fn prune(&mut self, all: bool) -> Result<()> {
        let checkpoint = self.control.checkpoint;
        if self.log.would_prune(checkpoint.at, all)? {
            let next = self.control.advance(&*self.disk, &self.root, checkpoint);
            self.control = next?;
        }
        self.log.prune(checkpoint.at, all)
    }

    /// Writes a batch to the log, makes its changes, and says so in the control
    /// file.
    pub(super) fn carry_out(&mut self, entries: &[Entry]) -> Result<()> {
        for entry in entries {
            self.log.append(Owner::DIRECTORY, entry)?;
        }
        let changes = entries.len() as u64;
        self.log
            .append(Owner::DIRECTORY, &Entry::Commit { changes })?;
        self.log.sync()?;
        let mut carry_out = CarryOut::new(&*self.disk, &self.root);
        for entry in entries {
            if let Entry::Change(change) = entry {
                carry_out.change(change)?;
            }
        }
        carry_out.finish()?;
        let end = self.log.end();
        self.control = self.control.advance(&*self.disk, &self.root, end)?;
        Ok(())
    }

    /// The records of a batch. One is refused that what somebody else has put
    /// into the directory keeps from being made: once it is in the log, it has
    /// to be.
    ///
    /// # Errors
    /// `NameTaken`; I/O errors.
    pub(super) fn checked(&self, batch: Batch) -> Result<Vec<Entry>> {
        let entries = batch.into_entries(&self.root)?;
        let mut seen = BTreeSet::new();
        for entry in &entries {
            let (path, kind) = match entry {
                Entry::Change(Change::Write { path, .. } | Change::SetLen { path, .. }) => {
                    (path, EntryKind::File)
                }
                Entry::Change(Change::Rename { to, .. }) => (to, EntryKind::File),
                Entry::Change(Change::CreateDir { path }) => (path, EntryKind::Dir),
                _ => continue,
            };
            if !seen.insert(path) {
                continue;
            }
            let path = self.root.join(path);
            if self.disk.kind(&path)?.is_some_and(|found| found != kind) {
                return Err(Error::NameTaken {
                    name: path.display().to_string(),
                });
            }
        }
        Ok(entries)
    }

    /// Adds `global.db` to a batch.
    pub(super) fn put_global(&mut self, batch: &mut Batch) -> Result<()> {
        self.catalog.global.last_transaction = self.catalog.last_transaction;
        let cluster_id = self.control.origin.cluster_id;
        let bytes = self.catalog.global.encode(cluster_id)?;
        put(batch, &self.root.join(GLOBAL_NAME), bytes);
        Ok(())
    }
}

impl LiveCatalog {
    /// Adds the file of one database to a batch.
    pub(super) fn put_metadata(
        &self,
        batch: &mut Batch,
        cluster_id: u128,
        database: u32,
    ) -> Result<()> {
        let databases = self.databases.iter().filter(|db| db.id == database);
        for database in databases {
            let bytes = database.metadata.encode(cluster_id, database.id)?;
            put(batch, &database.dir.join(METADATA_NAME), bytes);
        }
        Ok(())
    }

    /// Adds the descriptor of one table to a batch, made at `lsn`.
    pub(super) fn put_descriptor(
        &self,
        batch: &mut Batch,
        control: &Control,
        lsn: Lsn,
        owner: Owner,
    ) -> Result<()> {
        let Some(database) = self.databases.iter().find(|db| db.id == owner.database) else {
            return Ok(());
        };
        let Some(entry) = database.table(owner.table) else {
            return Ok(());
        };
        let address = TableAddress {
            cluster_id: control.origin.cluster_id,
            lsns: Lsns::ANY,
            database: owner.database,
            table: owner.table,
        };
        let of = (&*database.metadata.name, entry.id);
        let schema = Cow::Borrowed(&*entry.schema);
        let mut descriptor = Descriptor::new(control, of, entry.counts, schema);
        descriptor.checkpoint = lsn.0;
        let stem = encode(&entry.schema.name, entry.id);
        let path = database.dir.join(format!("{stem}{SUFFIX}"));
        put(batch, &path, descriptor.encode(&address)?);
        Ok(())
    }

    /// Takes in what a table's files hold, and its sequences.
    pub(super) fn set_state(
        &mut self,
        owner: Owner,
        counts: TableCounts,
        sequences: Vec<(String, i64)>,
    ) {
        let database = self.databases.iter_mut().find(|db| db.id == owner.database);
        let entry = database.and_then(|db| {
            let mut tables = db.metadata.tables.iter_mut();
            tables.find(|table| table.id == owner.table)
        });
        if let Some(entry) = entry {
            entry.counts = counts;
            if entry.schema.sequences != sequences {
                entry.schema.to_mut().sequences = sequences;
            }
        }
    }
}

/// Gives a file new content.
fn put(batch: &mut Batch, path: &Path, bytes: Vec<u8>) {
    let len = bytes.len() as u64;
    batch.write(path, 0, bytes);
    batch.set_len(path, len);
}
