//! What a file or block must belong to: cluster, database, table, place.

use std::hash::{BuildHasher, RandomState};

use crc32fast::Hasher;

/// Positions in the log are below: a number from here on has no room to grow.
pub(in crate::engine) const LSN_LIMIT: u64 = 1 << 63;

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

/// The positions in the log that files of a directory may be of: 0, of a
/// directory as it was made, or one of its own log (format page, "Our log").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Lsns {
    /// Where its log began.
    pub first: Lsn,
    /// The last one.
    pub last: Lsn,
}

impl Lsns {
    /// Whatever a log may count.
    pub(in crate::engine) const ANY: Lsns = Lsns {
        first: Lsn(0),
        last: Lsn(LSN_LIMIT - 1),
    };

    /// Where a new log begins: high enough for two of one directory to have no
    /// position in common, and with room for as many bytes again.
    pub(in crate::engine) fn random_first() -> Lsn {
        let random = RandomState::new().hash_one(0) >> 34;
        Lsn((random | 1) << 32)
    }

    /// Likewise, of a log that goes on.
    pub(in crate::engine) fn open_ended(self) -> Lsns {
        Lsns {
            last: Lsns::ANY.last,
            ..self
        }
    }
}

/// Names one directory, and one of the copies that were changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Cluster {
    /// Stands in every file.
    pub id: u128,
    /// What its files may be of.
    pub lsns: Lsns,
}

impl Cluster {
    /// One of its tables.
    pub(in crate::engine) fn table(self, database: u32, table: u32) -> TableAddress {
        TableAddress {
            cluster_id: self.id,
            lsns: self.lsns,
            database,
            table,
        }
    }
}

/// Names one table of one directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct TableAddress {
    /// Of the directory.
    pub cluster_id: u128,
    /// States that its files may be of.
    pub lsns: Lsns,
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
