//! The first bytes of a table's file.

use crate::codec::{ByteWriter, Cursor};
use crate::engine::address::{Lsn, TableAddress};
use crate::engine::frame::{CRC_LEN, FORMAT_VERSION, MAGIC_LEN, Piece, seal};
use crate::error::Damage;

/// First bytes of the file.
pub(super) const MAGIC: &[u8; MAGIC_LEN] = b"RDBXTABL";
/// Bytes of the header: magic, version, cluster, database, table, LSN, CRC.
pub(super) const HEADER_LEN: usize = MAGIC_LEN + 4 + 16 + 4 + 4 + 8 + CRC_LEN;

/// Whose file it is and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Whose rows they are.
    pub address: TableAddress,
    /// The file holds the state after this record.
    pub lsn: Lsn,
}

impl Header {
    /// The header's bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut w = ByteWriter::new();
        w.raw(MAGIC);
        w.u32(FORMAT_VERSION);
        w.u128(self.address.cluster_id);
        w.u32(self.address.database);
        w.u32(self.address.table);
        w.u64(self.lsn.0);
        seal(&mut w, crc32fast::Hasher::new());
        w.into_vec()
    }

    /// Reads the header of the table at `address`.
    ///
    /// # Errors
    /// When it is damaged or of another table.
    pub(super) fn decode(piece: &Piece<'_>, address: TableAddress) -> Result<Self, Damage> {
        let mut fields = piece.open(MAGIC, crc32fast::Hasher::new())?;
        fields.version()?;
        fields.expect("cluster", address.cluster_id, Cursor::u128)?;
        fields.expect("database", address.database, Cursor::u32)?;
        fields.expect("table", address.table, Cursor::u32)?;
        let lsn = Lsn(fields.read(Cursor::u64)?);
        Ok(Header { address, lsn })
    }
}
