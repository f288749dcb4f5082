//! Compaction: without dead versions and packed anew, table by table.

use std::path::Path;

use super::staged::{Staged, total_len};
use super::store::LiveStore;
use super::visible::VisibleTable;
use crate::engine::log::{Batch, LOG_DIR, Owner, SegmentFile};
use crate::engine::pages::address::Lsn;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::counts::TableCounts;
use crate::engine::store::create::create_table;
use crate::engine::store::descriptor;
use crate::error::{Error, Result};
use crate::file::{Disk, Progress};

/// What a compaction did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compaction {
    /// Every table, in stored order.
    pub tables: Vec<CompactedTable>,
    /// Bytes of the log before and after.
    pub log_len: (u64, u64),
}

/// What became of one table: each pair is before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactedTable {
    /// Its database.
    pub database: String,
    /// Its name.
    pub table: String,
    /// Row versions.
    pub rows: (u64, u64),
    /// Bytes of its files.
    pub len: (u64, u64),
    /// Whether its files were replaced.
    pub changed: bool,
}

impl LiveStore {
    /// Drops every dead version, packs what is left, writes derived files anew
    /// and prunes the log. Names of rows of a table that changed by it mean
    /// nothing afterwards. After a crash, each table is as before or as after.
    /// What is packed already is not touched.
    ///
    /// # Errors
    /// `StoreFailed`; damage; I/O errors.
    pub fn compact(&mut self) -> Result<Compaction> {
        self.compact_watched(&Progress::default())
    }

    /// As [`compact`](Self::compact), until `progress` is to stop: then the
    /// table at hand and those after it are as before.
    ///
    /// # Errors
    /// As [`compact`](Self::compact); when it is to stop.
    pub fn compact_watched(&mut self, progress: &Progress) -> Result<Compaction> {
        let log_before = log_len(&*self.disk, &self.root)?;
        self.checkpoint()?;
        let mut owners = Vec::new();
        for database in &self.catalog.databases {
            let entries = database.metadata.tables.iter();
            owners.extend(entries.map(|entry| database.owner(entry.id)));
        }
        let mut tables = Vec::new();
        for owner in owners {
            let name = self
                .catalog
                .databases
                .iter()
                .find(|db| db.id == owner.database);
            let name = name
                .map(|db| db.metadata.name.to_string())
                .unwrap_or_default();
            tables.push(self.compact_table(name, owner, progress)?);
        }
        if self.control.checkpoint == self.log.end() {
            let pruned = self.prune(true);
            self.need(pruned)?;
        }
        Ok(Compaction {
            tables,
            log_len: (log_before, log_len(&*self.disk, &self.root)?),
        })
    }

    fn compact_table(
        &mut self,
        database: String,
        owner: Owner,
        progress: &Progress,
    ) -> Result<CompactedTable> {
        let slot = self.catalog.tables.get(&owner);
        let slot = slot.ok_or_else(|| Error::Internal("a table without a place".into()))?;
        let (home, before) = (slot.place.clone(), slot.live.counts());
        let table = slot.schema.name.clone();
        let old = self.files.present_files(&home)?;
        // Of a table that was never changed, the files may be as they were made.
        let described = descriptor::read(&home)?;
        let made_at = Lsn(described.document.checkpoint);
        let is_new = before.rows == before.live && made_at == Lsn::default();
        let mut as_made = home.clone();
        if is_new {
            as_made.address.lsns.first = Lsn::default();
        }
        let (mut counts, mut staged) = self.write_visible(owner, &as_made, progress)?;
        let changed = !staged.is_same(&old, &*self.disk)?;
        if changed && is_new {
            self.clear_staged()?;
            (counts, staged) = self.write_visible(owner, &home, progress)?;
        }
        let (new_len, old_len) = (
            staged.len(&*self.disk)?,
            total_len(&*self.disk, old.iter())?,
        );
        // One copy of a descriptor may be bad; what is written anew has two.
        let is_described = described.damage.is_none();
        if changed || !is_described {
            let mut batch = Batch::new();
            let lsn = match changed {
                true => self.log.end().at,
                false => made_at,
            };
            if changed {
                staged.install(&home, &mut batch);
                let targets = staged.targets();
                let gone = old.iter().filter(|path| !targets.contains(*path));
                gone.for_each(|path| batch.remove(path));
            }
            let sequences = self.sequences_of(owner);
            self.catalog.set_state(owner, counts, sequences);
            self.catalog
                .put_descriptor(&mut batch, &self.control, lsn, owner)?;
            let entries = self.checked(batch)?;
            let done = self.carry_out(&entries);
            self.need(done)?;
        }
        // Files that nobody reads need not be open.
        let now = if changed { counts } else { before };
        let (catalog, with, stamps) = self.parts();
        catalog.unload(owner, with, now);
        if let Some(slot) = catalog.tables.get_mut(&owner).filter(|_| changed) {
            slot.generation = stamps.next();
        }
        self.clear_staged()?;
        Ok(CompactedTable {
            database,
            table,
            rows: (before.rows, counts.rows),
            len: (old_len, new_len),
            changed: changed || !is_described,
        })
    }

    /// Writes the visible rows of a table to new files for `home`.
    fn write_visible(
        &mut self,
        owner: Owner,
        home: &TablePlace,
        progress: &Progress,
    ) -> Result<(TableCounts, Staged)> {
        let place = self.staging_place(home)?;
        let written = self.write_visible_at(owner, &place, progress);
        let written = written.and_then(|counts| Ok((counts, self.sync_staged(&place, home)?)));
        written.inspect_err(|_| {
            // No record names them yet. Once one does, they must stay: whoever
            // opens the directory next puts them in their place.
            let _ = self.clear_staged();
        })
    }

    fn write_visible_at(
        &self,
        owner: Owner,
        place: &TablePlace,
        progress: &Progress,
    ) -> Result<TableCounts> {
        let slot = self.catalog.tables.get(&owner);
        let slot = slot.ok_or_else(|| Error::Internal("a table without a place".into()))?;
        let rows = VisibleTable::new(&*self.files, slot, progress);
        // Says so where the catalog counts other rows: that is damage, and stays
        // what it is.
        let counts = create_table(&*self.files, &rows, place, self.options.threads)?;
        // Derived files are made when a table is opened for changes.
        drop(self.files.live(place, counts, &self.access)?);
        Ok(counts)
    }

    fn sequences_of(&self, owner: Owner) -> Vec<(String, i64)> {
        let slot = self.catalog.tables.get(&owner);
        slot.map(|slot| slot.schema.sequences.clone())
            .unwrap_or_default()
    }
}

fn log_len(disk: &dyn Disk, root: &Path) -> Result<u64> {
    if disk.kind(&root.join(LOG_DIR))?.is_none() {
        return Ok(0);
    }
    let segments = SegmentFile::list(disk, root)?;
    total_len(disk, segments.iter().map(|segment| &segment.path))
}
