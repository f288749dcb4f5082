//! Makes changes of the catalog durable: files of new tables go to their place,
//! those of tables that are gone go away, and catalogs and rows change with
//! them, all by one batch.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::catalog::LiveCatalog;
use super::staged::Staged;
use super::store::LiveStore;
use super::table_slot::{TableId, TableSlot};
use crate::engine::log::{Batch, Entry, Owner};
use crate::engine::pages::address::Lsn;
use crate::engine::pages::paths::{METADATA_NAME, TablePlace};
use crate::engine::store::carry_out::CarryOut;
use crate::engine::store::descriptor;
use crate::error::Result;

/// What a transaction changed of the catalog.
#[derive(Debug)]
pub(super) struct CatalogChange {
    /// The tables that were there before.
    ids: BTreeMap<Owner, TableId>,
    /// The directories of databases that were there before.
    dirs: BTreeSet<PathBuf>,
    /// Where tables have files that nobody needs any more.
    gone: Vec<TablePlace>,
    /// Databases whose catalog is another one.
    databases: BTreeSet<u32>,
}

impl CatalogChange {
    /// Nothing was changed yet.
    pub(super) fn new(catalog: &LiveCatalog) -> Self {
        CatalogChange {
            ids: catalog.ids(),
            dirs: catalog.dirs(),
            gone: Vec::new(),
            databases: BTreeSet::new(),
        }
    }

    /// The tables that were there before.
    pub(super) fn into_ids(self) -> BTreeMap<Owner, TableId> {
        self.ids
    }

    /// Another catalog of a database.
    pub(super) fn note_database(&mut self, id: u32) {
        self.databases.insert(id);
    }

    /// A table that is gone, or whose rows were written anew. Files that are
    /// not in their place yet never will be.
    pub(super) fn note_gone(&mut self, slot: &TableSlot) {
        if slot.home.is_none() {
            self.gone.push(slot.place.clone());
        }
    }
}

impl LiveStore {
    /// Writes the changes of a new table to its files, which nobody reads yet.
    ///
    /// # Errors
    /// Damage; I/O errors.
    pub(super) fn write_out(&mut self, owner: Owner) -> Result<()> {
        let lsn = self.log.end().at;
        let slot = self.catalog.tables.get_mut(&owner);
        let Some(slot) = slot.filter(|slot| slot.changed) else {
            return Ok(());
        };
        let mut batch = Batch::new();
        slot.live.checkpoint(lsn, &mut batch)?;
        let mut carry_out = CarryOut::new(&*self.disk, &self.root);
        for entry in batch.into_entries(&self.root)? {
            if let Entry::Change(change) = entry {
                carry_out.change(&change)?;
            }
        }
        carry_out.finish()?;
        slot.live.checkpointed()?;
        slot.changed = false;
        self.catalog.count_pending(owner);
        Ok(())
    }

    /// Carries out a change of the catalog, and with it all changes of rows.
    ///
    /// # Errors
    /// `NameTaken` when a file of somebody else is in the way, damage and I/O
    /// errors: nothing has happened, or the store has failed.
    pub(super) fn commit_catalog(&mut self, change: &CatalogChange) -> Result<()> {
        let new: Vec<Owner> = {
            let slots = self.catalog.tables.iter();
            let new = slots.filter(|(_, slot)| slot.home.is_some());
            new.map(|(owner, _)| *owner).collect()
        };
        // What is in the files was in the log before.
        let synced = self.log.sync();
        self.need(synced)?;
        let lsn = self.log.end().at;
        let mut batch = Batch::new();
        let dirs = self.catalog.dirs();
        let made = dirs.difference(&change.dirs);
        made.for_each(|dir| batch.create_dir(dir));
        let kept = self.install(&new, &mut batch)?;
        let changed = self.put_changed(&mut batch, lsn)?;
        self.remove(change, &dirs, &kept, &mut batch)?;
        self.describe(change, &new, lsn, &mut batch)?;
        let entries = self.checked(batch)?;
        let done = self.carry_out(&entries);
        self.need(done)?;
        let adopted = self.adopt(&new, &changed);
        self.need(adopted)
    }

    /// Adds the files of new tables to a batch; all paths that it fills.
    fn install(&mut self, new: &[Owner], batch: &mut Batch) -> Result<BTreeSet<PathBuf>> {
        let mut kept = BTreeSet::new();
        for owner in new {
            self.write_out(*owner)?;
            let Some(slot) = self.catalog.tables.get(owner) else {
                continue;
            };
            let Some(home) = &slot.home else { continue };
            let staged: Staged = self.sync_staged(&slot.place, home)?;
            staged.install(home, batch);
            kept.extend(staged.targets());
            kept.insert(descriptor::path(home));
            let (counts, sequences) = (slot.live.counts(), slot.schema.sequences.clone());
            self.catalog.set_state(*owner, counts, sequences);
        }
        let databases = self.catalog.databases.iter();
        kept.extend(databases.map(|db| db.dir.join(METADATA_NAME)));
        Ok(kept)
    }

    /// Adds the removal of what is gone, and not in `kept`, to a batch.
    fn remove(
        &self,
        change: &CatalogChange,
        dirs: &BTreeSet<PathBuf>,
        kept: &BTreeSet<PathBuf>,
        batch: &mut Batch,
    ) -> Result<()> {
        let in_use: BTreeSet<&Path> = kept.iter().filter_map(|path| path.parent()).collect();
        let mut emptied = BTreeSet::new();
        for place in &change.gone {
            let mut files = BTreeSet::from_iter(self.files.present_files(place)?);
            files.insert(descriptor::path(place));
            // That one was removed may be forgotten by a crash, and who opens the
            // directory then has no table to look for it.
            files.extend(self.files.unfinished_files(place));
            for path in files {
                if !kept.contains(&path) {
                    batch.remove(&path);
                }
                let dir = path.parent().filter(|dir| **dir != place.dir);
                emptied.extend(dir.map(Path::to_owned));
            }
        }
        let gone = change.dirs.difference(dirs);
        for dir in gone {
            let metadata = dir.join(METADATA_NAME);
            batch.remove(&metadata);
            emptied.insert(dir.clone());
        }
        // What is below goes first.
        let emptied = emptied.iter().rev();
        let emptied = emptied.filter(|dir| !in_use.contains(dir.as_path()));
        emptied.for_each(|dir| batch.remove_dir(dir));
        Ok(())
    }

    /// Adds the catalogs that are other ones to a batch.
    fn describe(
        &mut self,
        change: &CatalogChange,
        new: &[Owner],
        lsn: Lsn,
        batch: &mut Batch,
    ) -> Result<()> {
        let cluster_id = self.control.origin.cluster_id;
        for owner in new {
            self.catalog
                .put_descriptor(batch, &self.control, lsn, *owner)?;
        }
        for database in &change.databases {
            self.catalog.put_metadata(batch, cluster_id, *database)?;
        }
        self.put_global(batch)
    }

    /// Reads new tables from their place from now on.
    fn adopt(&mut self, new: &[Owner], changed: &[Owner]) -> Result<()> {
        self.carried_out(changed)?;
        for owner in new {
            let (catalog, with, _) = self.parts();
            let Some(slot) = catalog.tables.get_mut(owner) else {
                continue;
            };
            let counts = slot.live.counts();
            if let Some(home) = slot.home.take() {
                slot.place = home;
            }
            catalog.unload(*owner, with, counts);
        }
        self.pending = 0;
        self.clear_staged()?;
        self.prune(false)
    }
}
