//! The first bytes of a file that holds one table (format page, "File
//! header").

use std::path::Path;

use super::address::{Lsn, TableAddress};
use super::frame::{CRC_LEN, FORMAT_VERSION, MAGIC_LEN, Piece, seal};
use crate::codec::{ByteWriter, Cursor};
use crate::error::{Damage, Result};
use crate::file::{Disk, SourceFile};

/// Bytes of the header: magic, version, cluster, database, table, LSN, CRC.
pub(in crate::engine) const FILE_HEADER_LEN: usize = MAGIC_LEN + 4 + 16 + 4 + 4 + 8 + CRC_LEN;

/// Offset of the cluster id.
const CLUSTER_OFFSET: usize = MAGIC_LEN + 4;
/// Offset of the id of the database; that of the table follows.
pub(in crate::engine) const DATABASE_OFFSET: usize = CLUSTER_OFFSET + 16;
/// What every magic number of ours starts with.
pub(in crate::engine) const MAGIC_START: &[u8] = b"RDBX";

/// Whose file it is and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct FileHeader {
    /// Whose rows they are.
    pub address: TableAddress,
    /// The file holds the state after this record.
    pub lsn: Lsn,
}

impl FileHeader {
    /// The cluster that a file is of, by its header: one of a table, or a segment of
    /// the log, which starts alike.
    pub(in crate::engine) fn cluster_of(disk: &dyn Disk, path: &Path) -> Option<u128> {
        let mut bytes = [0; FILE_HEADER_LEN];
        SourceFile::open_on(disk, path)
            .and_then(|file| file.read_exact_at(&mut bytes, 0))
            .ok()?;
        let (covered, stored) = bytes.split_last_chunk::<CRC_LEN>()?;
        let is_whole = crc32fast::hash(covered) == u32::from_le_bytes(*stored);
        let id = covered.get(CLUSTER_OFFSET..)?.first_chunk()?;
        (is_whole && covered.starts_with(MAGIC_START)).then(|| u128::from_le_bytes(*id))
    }

    /// The header's bytes in a file of this kind.
    pub(in crate::engine) fn encode(&self, magic: &[u8; MAGIC_LEN]) -> Vec<u8> {
        let mut w = ByteWriter::new();
        w.raw(magic);
        w.u32(FORMAT_VERSION);
        w.u128(self.address.cluster_id);
        w.u32(self.address.database);
        w.u32(self.address.table);
        w.u64(self.lsn.0);
        seal(&mut w, crc32fast::Hasher::new());
        w.into_vec()
    }

    /// Reads the header of a file of this kind of the table at `address`.
    ///
    /// # Errors
    /// When it is damaged, or of another kind or table.
    pub(in crate::engine) fn decode(
        piece: &Piece<'_>,
        magic: &[u8; MAGIC_LEN],
        address: TableAddress,
    ) -> Result<Self, Damage> {
        let mut fields = piece.open(magic, crc32fast::Hasher::new())?;
        fields.version()?;
        fields.expect("cluster", address.cluster_id, Cursor::u128)?;
        fields.expect("database", address.database, Cursor::u32)?;
        fields.expect("table", address.table, Cursor::u32)?;
        let at = fields.position();
        let lsn = Lsn(fields.read(Cursor::u64)?);
        piece.check_lsn(at, lsn, address.lsns)?;
        Ok(FileHeader { address, lsn })
    }

    /// Reads the header of a whole file; a file that is too short is damaged
    /// like one whose header is.
    ///
    /// # Errors
    /// When the file cannot be read; its damage is the inner result.
    pub(in crate::engine) fn read(
        file: &SourceFile,
        magic: &[u8; MAGIC_LEN],
        address: TableAddress,
    ) -> Result<Result<Self, Damage>> {
        let mut bytes = [0; FILE_HEADER_LEN];
        let len = usize::try_from(file.len()).unwrap_or(FILE_HEADER_LEN);
        let (there, _) = bytes.split_at_mut(len.min(FILE_HEADER_LEN));
        file.read_exact_at(there, 0)?;
        let piece = Piece {
            path: file.path(),
            offset: 0,
            bytes: there,
        };
        Ok(Self::decode(&piece, magic, address))
    }
}
