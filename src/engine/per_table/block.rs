//! A block of rows under one checksum.

use crate::codec::{ByteWriter, Cursor};
use crate::engine::address::TableAddress;
use crate::engine::frame::{CRC_LEN, Piece, check_crc};
use crate::engine::row_codec::MIN_ROW_LEN;
use crate::error::Damage;
use crate::finding::Code;

/// First bytes of a block.
pub(super) const MAGIC: &[u8; 4] = b"RBLK";
/// Offset of the checksum: after magic, payload length, row count, first row.
pub(super) const CRC_OFFSET: usize = 4 + 4 + 4 + 8;
/// Bytes before the rows.
pub(super) const BLOCK_HEADER_LEN: usize = CRC_OFFSET + CRC_LEN;
/// Most bytes of the rows of a block of several rows. A wider row has a block
/// of its own.
pub(super) const MAX_SHARED_LEN: usize = 64 * 1024 - BLOCK_HEADER_LEN;

/// What stands before the rows of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHeader {
    /// Bytes of the rows.
    pub payload_len: u32,
    /// Rows, at least one.
    pub row_count: u32,
    /// Index in the table of the first one.
    pub first_row: u64,
    /// Over table, file offset, header and rows.
    pub crc: u32,
}

impl BlockHeader {
    /// Appends the block that stands at `offset`, header and rows, and returns
    /// its checksum.
    pub(super) fn encode(
        w: &mut ByteWriter,
        rows: &[u8],
        lens: (u32, u32, u64),
        address: &TableAddress,
        offset: u64,
    ) -> u32 {
        let (payload_len, row_count, first_row) = lens;
        let start = w.len();
        w.raw(MAGIC);
        w.u32(payload_len);
        w.u32(row_count);
        w.u64(first_row);
        let mut crc = address.seed(offset);
        crc.update(w.as_slice().get(start..).unwrap_or_default());
        crc.update(rows);
        let crc = crc.finalize();
        w.u32(crc);
        w.raw(rows);
        crc
    }

    /// Reads the header of a block in a region that has `remaining` bytes from
    /// its first one on. The checksum is not checked yet.
    ///
    /// # Errors
    /// When there is no block here, or its lengths cannot be right.
    pub(super) fn decode(piece: &Piece<'_>, remaining: u64) -> Result<Self, Damage> {
        let mut c = Cursor::new(piece.bytes);
        let magic = c.take(MAGIC.len()).map_err(|flaw| piece.flaw(flaw))?;
        if magic != MAGIC {
            let found = format!("\"{}\"", magic.escape_ascii());
            return Err(piece.damage(0, Code::BadMagic, found, "\"RBLK\""));
        }
        let mut read = || {
            Ok(BlockHeader {
                payload_len: c.u32()?,
                row_count: c.u32()?,
                first_row: c.u64()?,
                crc: c.u32()?,
            })
        };
        let header = read().map_err(|flaw| piece.flaw(flaw))?;
        header.check_lengths(piece, remaining)?;
        Ok(header)
    }

    fn check_lengths(&self, piece: &Piece<'_>, remaining: u64) -> Result<(), Damage> {
        let (len, rows) = (self.payload_len, self.row_count);
        if self.len() > remaining {
            let expected = format!("at most the {remaining} bytes that are left");
            let found = format!("a block of {} bytes", self.len());
            return Err(piece.damage(4, Code::BadLength, found, expected));
        }
        let fits = u64::from(rows) * MIN_ROW_LEN <= u64::from(len);
        if rows == 0 || !fits || (rows > 1 && u64::from(len) > MAX_SHARED_LEN as u64) {
            let found = format!("{rows} rows in {len} bytes");
            let expected = "rows that fit, and one row alone in a block above 64 KiB";
            return Err(piece.damage(8, Code::BadLength, found, expected));
        }
        Ok(())
    }

    /// Bytes of the block.
    pub(super) fn len(&self) -> u64 {
        BLOCK_HEADER_LEN as u64 + u64::from(self.payload_len)
    }

    /// Checks the checksum of the block that `piece` holds, and gives its rows.
    ///
    /// # Errors
    /// `ChecksumMismatch`: damage, or a block of another table or place.
    pub(super) fn open<'a>(
        &self,
        piece: &Piece<'a>,
        address: &TableAddress,
    ) -> Result<&'a [u8], Damage> {
        let (head, rows) = piece
            .bytes
            .split_at_checked(BLOCK_HEADER_LEN)
            .unwrap_or_default();
        let mut crc = address.seed(piece.offset);
        crc.update(head.get(..CRC_OFFSET).unwrap_or_default());
        crc.update(rows);
        check_crc(piece, CRC_OFFSET, crc, self.crc)?;
        Ok(rows)
    }
}
