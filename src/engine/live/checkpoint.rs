//! Carries changes to the files of the tables: what changed and nothing else,
//! then the control file.

use std::path::Path;

use super::catalog::LiveCatalog;
use super::store::{LiveStore, Writer};
use crate::engine::log::{Batch, Entry, Owner};
use crate::engine::pages::paths::{GLOBAL_NAME, METADATA_NAME};
use crate::engine::store::carry_out::CarryOut;
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
            let cluster_id = writer.control.origin.cluster_id;
            for database in &mut catalog.databases {
                let own = changed
                    .iter()
                    .filter(|(owner, ..)| owner.database == database.id);
                let mut any = false;
                for (owner, counts, sequences) in own {
                    let tables = &mut database.metadata.tables;
                    if let Some(entry) = tables.iter_mut().find(|entry| entry.id == owner.table) {
                        entry.counts = *counts;
                        entry.schema.to_mut().sequences.clone_from(sequences);
                        any = true;
                    }
                }
                if any {
                    let bytes = database.metadata.encode(cluster_id, database.id)?;
                    put(&mut batch, &database.dir.join(METADATA_NAME), bytes);
                }
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
        let checkpoint = writer.control.checkpoint;
        writer.log.prune(checkpoint.at, false)
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
