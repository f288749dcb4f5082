//! The head of a block (format page, "Table files").

use crate::codec::{ByteWriter, Cursor};
use crate::engine::pages::address::Lsn;
use crate::engine::pages::frame::{CRC_LEN, Piece};
use crate::engine::rows::block::{Extent, Head, ShownHead};
use crate::error::Damage;
use crate::finding::Code;
use crate::model::{FieldSpec, FieldStyle};

/// First bytes of a block.
const MAGIC: &[u8; 4] = b"RBLK";
const LEN_OFFSET: usize = MAGIC.len();
const COUNT_OFFSET: usize = LEN_OFFSET + 4;
const FIRST_ROW_OFFSET: usize = COUNT_OFFSET + 4;
const CRC_OFFSET: usize = FIRST_ROW_OFFSET + 8;
/// Bytes before the rows: magic, payload length, row count, first row, CRC.
pub(super) const BLOCK_HEADER_LEN: usize = CRC_OFFSET + CRC_LEN;
/// Most bytes of the rows of a block of several rows.
pub(super) const MAX_SHARED_LEN: usize = 64 * 1024 - BLOCK_HEADER_LEN;
/// As many are written. Of half of it, a scan is a fifth slower.
const FULL_LEN: usize = 8 * 1024 - BLOCK_HEADER_LEN;

/// What stands before the rows of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHead(Extent);

impl ShownHead for BlockHead {
    const FIELDS: &'static [FieldSpec] = &[
        FieldSpec::new("magic", 0, MAGIC.len(), FieldStyle::Letters),
        FieldSpec::new("length", LEN_OFFSET, 4, FieldStyle::Number),
        FieldSpec::new("count", COUNT_OFFSET, 4, FieldStyle::Number),
        FieldSpec::new("first row", FIRST_ROW_OFFSET, 8, FieldStyle::Number),
        FieldSpec::new("checksum", CRC_OFFSET, CRC_LEN, FieldStyle::Hex),
    ];

    fn kind_name(&self) -> &'static str {
        "rows"
    }
}

impl Head for BlockHead {
    const MAGIC: &'static [u8; 4] = MAGIC;
    const LEN: usize = BLOCK_HEADER_LEN;
    const MAX_SHARED_LEN: usize = MAX_SHARED_LEN;
    const FULL_LEN: usize = FULL_LEN;
    const MAX_ROW_LEN: u64 = u32::MAX as u64;
    const OFFSETS: [usize; 3] = [LEN_OFFSET, COUNT_OFFSET, FIRST_ROW_OFFSET];

    fn new(extent: Extent, _lsn: Lsn) -> Self {
        BlockHead(extent)
    }

    fn extent(&self) -> Extent {
        self.0
    }

    fn encode(&self, w: &mut ByteWriter) {
        w.raw(MAGIC);
        w.u32(self.0.payload_len);
        w.u32(self.0.row_count);
        w.u64(self.0.first_row);
    }

    fn decode(piece: &Piece<'_>) -> Result<Self, Damage> {
        let mut c = Cursor::new(piece.bytes);
        let magic = c.take(MAGIC.len()).map_err(|flaw| piece.flaw(flaw))?;
        if magic != MAGIC {
            let found = format!("\"{}\"", magic.escape_ascii());
            return Err(piece.damage(0, Code::BadMagic, found, "\"RBLK\""));
        }
        let mut read = || {
            Ok(BlockHead(Extent {
                payload_len: c.u32()?,
                row_count: c.u32()?,
                first_row: c.u64()?,
            }))
        };
        read().map_err(|flaw| piece.flaw(flaw))
    }
}
