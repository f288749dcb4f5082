//! How a store works.

use crate::work::Threads;

/// How a store works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreOptions {
    /// Changes between two checkpoints, at least 1; a million by default, so that the
    /// log comes to its length first.
    pub checkpoint_every: u64,
    /// Bytes of the log between two checkpoints, about; 64 MiB by default. It
    /// bounds what opening after a crash has to replay.
    pub checkpoint_log_len: u64,
    /// Bytes of memory that the changes of all tables may take before a
    /// checkpoint is made sooner; 128 MiB by default. In the layout paged these are
    /// whole pages, of which a checkpoint writes each once, however often it was
    /// changed: the less memory, the more bytes are written. A checkpoint holds as
    /// much again.
    pub pending_limit: usize,
    /// Bytes of memory that the changes of one transaction may take, at most
    /// 1 GiB; 128 MiB by default. Rows of tables that the transaction itself
    /// has created do not count.
    pub transaction_limit: usize,
    /// Pages of 8 KB that are cached, at least 16; 2,048 (16 MiB) by default.
    pub pool_pages: usize,
    /// Bytes of blocks of rows that are cached in the layouts append and
    /// per-table, at least 128 KiB; 8 MiB by default.
    pub block_cache_len: usize,
    /// Whether whole records beyond damage of the log are refused. A crash may
    /// leave them where nothing was synced, so a server cuts them off; false by
    /// default.
    pub keep_beyond_damage: bool,
    /// Threads that a compaction reads and encodes on; one by default. What it
    /// writes does not depend on them.
    pub threads: Threads,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            checkpoint_every: 1_000_000,
            checkpoint_log_len: 64 << 20,
            pending_limit: 128 << 20,
            transaction_limit: 128 << 20,
            pool_pages: 2048,
            block_cache_len: 8 << 20,
            keep_beyond_damage: false,
            threads: Threads::ONE,
        }
    }
}

/// When a transaction that is committed is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// When `commit` comes back.
    #[default]
    Sync,
    /// With the next one that syncs, or the next `sync`, checkpoint or `close`:
    /// a crash before may lose it, and those after it, whole. A transaction
    /// that changes the catalog or loads rows is on disk at once.
    Group,
}
