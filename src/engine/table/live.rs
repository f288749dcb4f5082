//! What a layout does with one table of a store that is being written.
//!
//! Between two checkpoints nothing of a table's files changes: what is new
//! stays in memory and in the log. A checkpoint hands the changes to a
//! [`Batch`], which reaches the files whole or not at all.

use std::fmt;
use std::sync::Arc;

use super::block_cache::BlockCache;
use crate::engine::log::Batch;
use crate::engine::pages::address::{Lsn, RowId};
use crate::engine::pages::buffer_pool::BufferPool;
use crate::engine::rows::counts::TableCounts;
use crate::error::Result;
use crate::model::RowStream;

/// What ending a version did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Ended {
    /// There is no such version, or it was ended before; nothing was done.
    Not,
    /// It is ended.
    Yes {
        /// Where its bytes are now, when they had to move.
        moved: Option<RowId>,
    },
}

/// What a live table may do.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Access {
    /// Where its pages are cached.
    pub pool: Arc<BufferPool>,
    /// Where blocks of rows are cached, in layouts without pages.
    pub blocks: Arc<BlockCache>,
    /// Whether files may be written. If not, derived files are neither read
    /// nor kept in step, and [`LiveTable::find`] is not called.
    pub write: bool,
}

/// Names of visible versions, in stored order.
pub(in crate::engine) trait VisibleIds {
    /// Adds the next ones, few or none, to `ids`; false after the last ones.
    ///
    /// # Errors
    /// Damage; I/O errors.
    fn next_ids(&mut self, ids: &mut Vec<RowId>) -> Result<bool>;
}

/// One table between its files and its changes since the last checkpoint.
///
/// An error of `insert` or `end` leaves the table in an unknown state: the
/// store that owns it takes no further changes.
pub(in crate::engine) trait LiveTable: fmt::Debug + Send + Sync {
    /// Versions with all changes. What it says of the files beside that is as
    /// the last checkpoint leaves them, from the moment it was called.
    fn counts(&self) -> TableCounts;

    /// Adds a visible version, a row in the row codec. `at` is where the log says it went: a replay
    /// puts it there, whatever free space maps say.
    ///
    /// # Errors
    /// `Internal` for bytes that are no such row; damage when it cannot have gone
    /// there; I/O errors.
    fn insert(&mut self, row: &[u8], at: Option<RowId>) -> Result<RowId>;

    /// Ends a visible version. `moved` is where the log says its bytes went.
    ///
    /// # Errors
    /// Damage; I/O errors.
    fn end(&mut self, id: RowId, xmax: u64, moved: Option<RowId>) -> Result<Ended>;

    /// The bytes of a version in the row codec, with its xmax if it was ended;
    /// `None` when there is no such version.
    ///
    /// # Errors
    /// Damage; I/O errors.
    fn read(&self, id: RowId) -> Result<Option<Vec<u8>>>;

    /// The newest visible version of a key, by the key's bytes in the row
    /// codec.
    ///
    /// # Errors
    /// Damage; I/O errors.
    fn find(&self, key: &[u8]) -> Result<Option<RowId>>;

    /// All versions in stored order, changes included.
    ///
    /// # Errors
    /// Damage; I/O errors.
    fn rows(&self) -> Result<Box<dyn RowStream + '_>>;

    /// The name of every visible version, in stored order, changes included.
    ///
    /// # Errors
    /// Damage; I/O errors.
    fn visible_ids(&self) -> Result<Box<dyn VisibleIds + '_>>;

    /// Adds all changes to a batch. Bytes that nobody reads before the batch
    /// is carried out may be written at once; they are synced here.
    ///
    /// # Errors
    /// I/O errors.
    fn checkpoint(&mut self, lsn: Lsn, batch: &mut Batch) -> Result<()>;

    /// The batch was carried out: files hold all changes.
    ///
    /// # Errors
    /// I/O errors of opening what is new.
    fn checkpointed(&mut self) -> Result<()>;

    /// Bytes of memory that the changes take, about.
    fn pending_len(&self) -> usize;
}
