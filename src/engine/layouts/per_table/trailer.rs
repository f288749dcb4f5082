//! The last bytes of a table's file: totals.

use std::path::Path;

use crate::codec::{ByteWriter, Cursor};
use crate::engine::pages::address::TableAddress;
use crate::engine::pages::frame::{CRC_LEN, MAGIC_LEN, Piece, seal};
use crate::engine::rows::counts::TableCounts;
use crate::error::Damage;
use crate::finding::Code;

/// First bytes of the trailer.
pub(super) const MAGIC: &[u8; MAGIC_LEN] = b"RDBXTEND";
/// Bytes of the trailer: magic, rows, live, dead, blocks, chain, CRC.
pub(super) const TRAILER_LEN: usize = MAGIC_LEN + 4 * 8 + 4 + CRC_LEN;

/// What the whole file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Trailer {
    /// Rows of all blocks.
    pub counts: TableCounts,
    /// Blocks.
    pub blocks: u64,
    /// CRC-32 over the checksums of all blocks, in order: a block of an earlier
    /// state of the same table is caught, although it is whole.
    pub chain: u32,
}

impl Trailer {
    /// The bytes of a trailer that stands at `offset`.
    pub(super) fn encode(&self, address: &TableAddress, offset: u64) -> Vec<u8> {
        let mut w = ByteWriter::new();
        w.raw(MAGIC);
        w.u64(self.counts.rows);
        w.u64(self.counts.live);
        w.u64(self.counts.rows.saturating_sub(self.counts.live));
        w.u64(self.blocks);
        w.u32(self.chain);
        seal(&mut w, address.seed(offset));
        w.into_vec()
    }

    /// Reads a trailer.
    ///
    /// # Errors
    /// When it is damaged, of another table or at another place.
    pub(super) fn decode(piece: &Piece<'_>, address: &TableAddress) -> Result<Self, Damage> {
        let mut fields = piece.open(MAGIC, address.seed(piece.offset))?;
        let at = fields.position();
        let (rows, live) = (fields.read(Cursor::u64)?, fields.read(Cursor::u64)?);
        let dead = fields.read(Cursor::u64)?;
        if live.checked_add(dead) != Some(rows) {
            let found = format!("{rows} rows, {live} live and {dead} dead");
            return Err(fields.damage(at, Code::CountMismatch, found, "a sum"));
        }
        Ok(Trailer {
            counts: TableCounts {
                rows,
                live,
                ..TableCounts::default()
            },
            blocks: fields.read(Cursor::u64)?,
            chain: fields.read(Cursor::u32)?,
        })
    }

    /// Checks what was counted against the trailer, which stands at an offset
    /// of a file.
    ///
    /// # Errors
    /// `CountMismatch` or, for another set of blocks, `WrongPlace`.
    pub(super) fn check(&self, counted: &Trailer, path: &Path, offset: u64) -> Result<(), Damage> {
        let piece = Piece {
            path,
            offset,
            bytes: &[],
        };
        if (self.counts, self.blocks) != (counted.counts, counted.blocks) {
            let found = format!("{} blocks with {}", self.blocks, self.counts);
            let expected = format!("{} blocks with {}", counted.blocks, counted.counts);
            return Err(piece.damage(MAGIC_LEN, Code::CountMismatch, found, expected));
        }
        if self.chain != counted.chain {
            let found = format!("a chain of checksums {:08x}", self.chain);
            let expected = format!("{:08x} by the blocks", counted.chain);
            return Err(piece.damage(MAGIC_LEN + 4 * 8, Code::WrongPlace, found, expected));
        }
        Ok(())
    }
}
