//! Rows in blocks: a head, and rows without a gap, under one checksum. Blocks
//! follow one another in a file; layouts differ in what their heads state.

mod units;
mod views;
mod walk;
mod writer;

use std::ops::RangeInclusive;

pub(in crate::engine) use units::{BlockUnit, BlockUnits, WholeRow, arity_of, split_rows};
pub(in crate::engine) use views::{BlockViews, ShownHead};
pub(in crate::engine) use walk::{BlockWalk, block_parts};
pub(in crate::engine) use writer::BlockWriter;

use super::codec::MIN_ROW_LEN;
use crate::codec::{ByteWriter, Cursor};
use crate::engine::pages::address::{Lsn, TableAddress};
use crate::engine::pages::frame::{CRC_LEN, Piece, check_crc};
use crate::error::Damage;
use crate::finding::Code;

/// Which rows a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Extent {
    /// Bytes of the rows.
    pub payload_len: u32,
    /// Rows, at least one.
    pub row_count: u32,
    /// Index in the table of the first one.
    pub first_row: u64,
}

/// The head of a block of some layout. Its last field is the checksum, which
/// stands for the table, the file offset, the other fields and the rows.
pub(in crate::engine) trait Head: Copy {
    /// First bytes of the head.
    const MAGIC: &'static [u8; 4];
    /// Bytes of the head with its checksum.
    const LEN: usize;
    /// Most bytes of the rows of a block of several rows. A wider row has a
    /// block of its own.
    const MAX_SHARED_LEN: usize;
    /// Most bytes that are written as the rows of a block of several: whoever looks up
    /// one of them reads all. Readers take blocks up to `MAX_SHARED_LEN`.
    const FULL_LEN: usize = Self::MAX_SHARED_LEN;
    /// Most bytes of one row.
    const MAX_ROW_LEN: u64;
    /// Offsets of the fields in the head: length, row count, first row.
    const OFFSETS: [usize; 3];

    /// The head of a new block.
    fn new(extent: Extent, lsn: Lsn) -> Self;

    /// The rows of the block.
    fn extent(&self) -> Extent;

    /// Rows that the block adds to the table; those that follow it have higher
    /// indexes.
    fn added_rows(&self) -> u32 {
        self.extent().row_count
    }

    /// Fewest and most bytes of one of the block's rows alone.
    fn row_len_range(&self) -> RangeInclusive<u64> {
        MIN_ROW_LEN..=Self::MAX_ROW_LEN
    }

    /// State of the log that the block is of, where blocks say so.
    fn lsn(&self) -> Lsn {
        Lsn::default()
    }

    /// Appends the fields before the checksum.
    fn encode(&self, w: &mut ByteWriter);

    /// Reads the fields before the checksum.
    ///
    /// # Errors
    /// When they are of nothing that this layout has.
    fn decode(piece: &Piece<'_>) -> Result<Self, Damage>;
}

/// A block with its checksum.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Block<H> {
    /// What stands before the checksum.
    pub head: H,
    /// The checksum.
    pub crc: u32,
}

impl<H: Head> Block<H> {
    /// Appends the block that stands at `offset`, head and rows, and returns
    /// its checksum.
    pub(in crate::engine) fn encode(
        w: &mut ByteWriter,
        head: &H,
        rows: &[u8],
        (address, offset): (&TableAddress, u64),
    ) -> u32 {
        let start = w.len();
        head.encode(w);
        let mut crc = address.seed(offset);
        crc.update(w.as_slice().get(start..).unwrap_or_default());
        crc.update(rows);
        let crc = crc.finalize();
        w.u32(crc);
        w.raw(rows);
        crc
    }

    /// Reads the head of a block in a region that has `remaining` bytes from
    /// its first one on. The checksum is not checked yet.
    ///
    /// # Errors
    /// When there is no block here, or its lengths cannot be right.
    pub(in crate::engine) fn decode(piece: &Piece<'_>, remaining: u64) -> Result<Self, Damage> {
        let head = H::decode(piece)?;
        let crc = piece.bytes.get(H::LEN - CRC_LEN..).unwrap_or_default();
        let crc = Cursor::new(crc).u32().map_err(|flaw| piece.flaw(flaw))?;
        let block = Block { head, crc };
        block.check_lengths(piece, remaining)?;
        Ok(block)
    }

    fn check_lengths(&self, piece: &Piece<'_>, remaining: u64) -> Result<(), Damage> {
        let extent = self.head.extent();
        let (len, rows) = (u64::from(extent.payload_len), extent.row_count);
        let [len_offset, count_offset, _] = H::OFFSETS;
        if self.len() > remaining {
            let expected = format!("at most the {remaining} bytes that are left");
            let found = format!("a block of {} bytes", self.len());
            return Err(piece.damage(len_offset, Code::BadLength, found, expected));
        }
        let row_len = self.head.row_len_range();
        let fits = u64::from(rows).saturating_mul(*row_len.start()) <= len;
        let most = match rows {
            1 => *row_len.end(),
            _ => H::MAX_SHARED_LEN as u64,
        };
        if rows == 0 || !fits || len > most {
            let found = format!("{rows} rows in {len} bytes");
            let expected = format!("rows that fit, in at most {most} bytes");
            return Err(piece.damage(count_offset, Code::BadLength, found, expected));
        }
        Ok(())
    }

    /// Bytes of the block.
    pub(in crate::engine) fn len(&self) -> u64 {
        H::LEN as u64 + u64::from(self.head.extent().payload_len)
    }

    /// Checks the checksum of the block that `piece` holds.
    ///
    /// # Errors
    /// `ChecksumMismatch`: damage, or a block of another table or place;
    /// `WrongPlace` for one of another log.
    pub(in crate::engine) fn check(
        &self,
        piece: &Piece<'_>,
        address: &TableAddress,
    ) -> Result<(), Damage> {
        let (head, rows) = piece.bytes.split_at_checked(H::LEN).unwrap_or_default();
        let mut crc = address.seed(piece.offset);
        crc.update(head.get(..H::LEN - CRC_LEN).unwrap_or_default());
        crc.update(rows);
        check_crc(piece, H::LEN - CRC_LEN, crc, self.crc)?;
        piece.check_lsn(0, self.head.lsn(), address.lsns)
    }
}
