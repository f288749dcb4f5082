//! What a file or block must belong to: cluster, database, table, place.

use crc32fast::Hasher;

/// Position in the log in bytes, over all segments that ever were: the state of
/// a file is that after all records before it. 0 before the first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Lsn(pub u64);

/// A place between two records of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::engine) struct LogPosition {
    /// Position of the record behind it.
    pub at: Lsn,
    /// The record before it; 0 for none.
    pub last: Lsn,
}

/// Names one table of one directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct TableAddress {
    /// Of the directory.
    pub cluster_id: u128,
    /// Id of the database, unique in the directory.
    pub database: u32,
    /// Id of the table, unique in the database.
    pub table: u32,
}

impl TableAddress {
    /// A checksum that already holds the table and a file offset, neither of
    /// which is stored there: equal bytes of another table or at another place
    /// have another checksum (format page, "Checksums").
    pub(in crate::engine) fn seed(&self, offset: u64) -> Hasher {
        let mut crc = Hasher::new();
        crc.update(&self.cluster_id.to_le_bytes());
        crc.update(&self.database.to_le_bytes());
        crc.update(&self.table.to_le_bytes());
        crc.update(&offset.to_le_bytes());
        crc
    }
}

/// Names one row version of a table, from its insertion to the next
/// compaction. Its bits mean something to the layout only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub u64);
