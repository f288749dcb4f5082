//! Carries changes to the files of the tables: what changed and nothing else,
//! then the control file.

use std::borrow::Cow;
use std::path::Path;

use super::catalog::LiveCatalog;
use super::store::{LiveStore, Writer};
use crate::engine::log::{Batch, Entry, Owner};
use crate::engine::pages::address::{Lsn, Lsns, TableAddress};
use crate::engine::pages::paths::{GLOBAL_NAME, METADATA_NAME, encode};
use crate::engine::store::carry_out::CarryOut;
use crate::engine::store::control::Control;
use crate::engine::store::descriptor::{Descriptor, SUFFIX};
use crate::error::Result;

impl LiveStore {
    /// Carries every change to the files of the tables, so that opening the
    /// directory replays nothing.
    ///
    /// # Errors
    /// Damage; I/O errors.
    pub fn checkpoint(&self) -> Result<()> {
        let mut writer = self.writer()?;
        let made = self.make_checkpoint(&mut writer);
        writer.need(made)
    }

    pub(super) fn make_checkpoint(&self, writer: &mut Writer) -> Result<()> {
        if writer.pending == 0 {
            return Ok(());
        }
        // What is in the files was in the log before.
        writer.log.sync()?;
        let lsn = writer.log.end().at;
        let mut batch = Batch::new();
        let mut changed = Vec::new();
        {
            let mut catalog = self.catalog_mut();
            let catalog = &mut *catalog;
            for (owner, handle) in &catalog.tables {
                let mut state = handle.write();
                if state.changed {
                    state.live.checkpoint(lsn, &mut batch)?;
                    let counts = state.live.counts();
                    let sequences = state.sequences.clone();
                    changed.push((*owner, counts, sequences));
                }
            }
            for (owner, counts, sequences) in &changed {
                catalog.set_state(*owner, *counts, Some(sequences));
                catalog.put_descriptor(&mut batch, &writer.control, lsn, *owner)?;
            }
        }
        self.carry_out(writer, batch)?;
        let catalog = self.catalog();
        for (owner, ..) in &changed {
            if let Some(handle) = catalog.tables.get(owner) {
                let mut state = handle.write();
                state.live.checkpointed()?;
                state.changed = false;
            }
        }
        drop(catalog);
        writer.pending = 0;
        self.prune(writer, false)
    }

    /// Removes segments whose every record is before the checkpoint. Both slots
    /// of the control file then name it: the other one would lead to a log that
    /// is gone.
    pub(super) fn prune(&self, writer: &mut Writer, all: bool) -> Result<()> {
        let checkpoint = writer.control.checkpoint;
        if writer.log.would_prune(checkpoint.at, all)? {
            writer.control = writer
                .control
                .advance(&*self.disk, &self.root, checkpoint)?;
        }
        writer.log.prune(checkpoint.at, all)
    }

    /// Writes a batch to the log, makes its changes, and says so in the control
    /// file.
    pub(super) fn carry_out(&self, writer: &mut Writer, batch: Batch) -> Result<()> {
        let entries = batch.into_entries(&self.root)?;
        for entry in &entries {
            writer.log.append(Owner::DIRECTORY, entry)?;
        }
        let changes = entries.len() as u64;
        writer
            .log
            .append(Owner::DIRECTORY, &Entry::Commit { changes })?;
        writer.log.sync()?;
        let mut carry_out = CarryOut::new(&*self.disk, &self.root);
        for entry in &entries {
            if let Entry::Change(change) = entry {
                carry_out.change(change)?;
            }
        }
        carry_out.finish()?;
        let end = writer.log.end();
        writer.control = writer.control.advance(&*self.disk, &self.root, end)?;
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

    /// Adds the file of the directory's catalog to a batch.
    pub(super) fn put_global(
        &self,
        batch: &mut Batch,
        root: &Path,
        cluster_id: u128,
    ) -> Result<()> {
        let bytes = self.global.encode(cluster_id)?;
        put(batch, &root.join(GLOBAL_NAME), bytes);
        Ok(())
    }
}

/// Gives a file new content.
fn put(batch: &mut Batch, path: &Path, bytes: Vec<u8>) {
    let len = bytes.len() as u64;
    batch.write(path, 0, bytes);
    batch.set_len(path, len);
}
