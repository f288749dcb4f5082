//! Compaction: without dead versions and packed anew, table by table.

use std::path::Path;
use std::sync::Mutex;

use super::leftovers::clear_leftovers;
use super::store::{LiveStore, Writer};
use super::unopened::Unopened;
use super::visible::VisibleTable;
use crate::engine::log::{Batch, LOG_DIR, Owner, SegmentFile};
use crate::engine::pages::address::Lsn;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::counts::TableCounts;
use crate::engine::store::create::create_table;
use crate::engine::store::descriptor;
use crate::engine::table::LiveTable;
use crate::error::Result;
use crate::file::{Disk, Progress, SourceFile};
use crate::model::sum_of;

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
    /// and prunes the log. Names of rows mean nothing afterwards. After a
    /// crash, each table is as before or as after. What is packed already is
    /// not touched.
    ///
    /// # Errors
    /// Damage; I/O errors.
    pub fn compact(&self) -> Result<Compaction> {
        self.compact_watched(&Progress::default())
    }

    /// As [`compact`](Self::compact), until `progress` is to stop: then the
    /// table at hand and those after it are as before.
    ///
    /// # Errors
    /// As [`compact`](Self::compact); when it is to stop.
    pub fn compact_watched(&self, progress: &Progress) -> Result<Compaction> {
        let log_before = log_len(&*self.disk, &self.root)?;
        self.checkpoint()?;
        let mut tables = Vec::new();
        for (database, handles) in self.tables() {
            for handle in handles {
                tables.push(self.compact_table(&database, &handle, progress)?);
            }
        }
        let mut writer = self.writer()?;
        let checkpoint = writer.control.checkpoint;
        if checkpoint == writer.log.end() {
            let pruned = self.prune(&mut writer, true);
            writer.need(pruned)?;
        }
        drop(writer);
        Ok(Compaction {
            tables,
            log_len: (log_before, log_len(&*self.disk, &self.root)?),
        })
    }

    /// Closes the files of a table without changes.
    fn unload(
        &self,
        writer: &Writer,
        place: &TablePlace,
        counts: TableCounts,
        live: &mut Box<dyn LiveTable>,
    ) {
        let shape = writer.control.shape;
        *live = Box::new(Unopened::new(shape, place, counts, &self.access));
    }

    fn compact_table(
        &self,
        database: &str,
        handle: &super::TableHandle,
        progress: &Progress,
    ) -> Result<CompactedTable> {
        let mut writer = self.writer()?;
        let mut state = handle.write();
        let before = state.live.counts();
        let rows = VisibleTable {
            files: &*self.files,
            place: &handle.place,
            state: &state,
            progress,
            read: Mutex::default(),
        };
        let (files, threads) = (&*self.files, self.options.threads);
        let stage = |place: &TablePlace| {
            let staged = self.stage_by(place, |new| create_table(files, &rows, new, threads));
            staged.inspect_err(|_| {
                // No record names them yet. Once one does, they must stay: whoever
                // opens the directory next puts them in their place.
                let _ = clear_leftovers(&*self.disk, &self.root);
            })
        };
        // Of a table that was never changed, the files may be as they were made.
        let described = descriptor::read(&handle.place)?;
        let made_at = Lsn(described.document.checkpoint);
        let is_new = before.rows == before.live && made_at == Lsn::default();
        let mut as_made = handle.place.clone();
        if is_new {
            as_made.address.lsns.first = Lsn::default();
        }
        let mut staged = stage(&as_made)?;
        // A count that is wrong is damage, and stays what it is.
        let found = TableCounts {
            rows: *sum_of(&rows.read),
            live: staged.counts.live,
            ..before
        };
        if let Err(damage) = found.check(before, &handle.place.file(""), 0) {
            clear_leftovers(&*self.disk, &self.root)?;
            return Err(damage.into());
        }
        let changed = !staged.is_same(&*self.disk)?;
        if changed && is_new {
            clear_leftovers(&*self.disk, &self.root)?;
            staged = stage(&handle.place)?;
        }
        let (new_len, old_len) = staged.lens(&*self.disk)?;
        // One copy of a descriptor may be bad; what is written anew has two.
        let is_described = described.damage.is_none();
        if changed || !is_described {
            let mut batch = Batch::new();
            let lsn = match changed {
                true => writer.log.end().at,
                false => made_at,
            };
            if changed {
                staged.install(&handle.place, &mut batch);
            }
            let counts = staged.counts;
            {
                let mut catalog = self.catalog_mut();
                catalog.set_state(handle.owner, counts, None);
                catalog.put_descriptor(&mut batch, &writer.control, lsn, handle.owner)?;
            }
            let done = self.carry_out(&mut writer, batch);
            writer.need(done)?;
            self.unload(&writer, &handle.place, counts, &mut state.live);
        } else if !state.changed {
            self.unload(&writer, &handle.place, before, &mut state.live);
        }
        drop(state);
        clear_leftovers(&*self.disk, &self.root)?;
        Ok(CompactedTable {
            database: database.to_owned(),
            table: handle.schema().name.clone(),
            rows: (before.rows, staged.counts.rows),
            len: (old_len, new_len),
            changed: changed || !is_described,
        })
    }
}

fn log_len(disk: &dyn Disk, root: &Path) -> Result<u64> {
    if disk.kind(&root.join(LOG_DIR))?.is_none() {
        return Ok(0);
    }
    let segments = SegmentFile::list(disk, root)?;
    segments.iter().try_fold(0_u64, |sum, segment| {
        let len = SourceFile::open_on(disk, &segment.path)?.len();
        Ok(sum.saturating_add(len))
    })
}

impl super::catalog::LiveCatalog {
    /// Takes in what a table's files hold, and its sequences if they went on.
    pub(super) fn set_state(
        &mut self,
        owner: Owner,
        counts: TableCounts,
        sequences: Option<&Vec<(String, i64)>>,
    ) {
        let database = self.databases.iter_mut().find(|db| db.id == owner.database);
        let entry = database.and_then(|db| {
            let mut tables = db.metadata.tables.iter_mut();
            tables.find(|table| table.id == owner.table)
        });
        if let Some(entry) = entry {
            entry.counts = counts;
            if let Some(sequences) = sequences {
                entry.schema.to_mut().sequences.clone_from(sequences);
            }
        }
    }
}
