//! The head of a record (format page, "Append files").

use std::ops::RangeInclusive;

use super::ends::{MAX_END_LEN, MIN_END_LEN, read_ends};
use crate::codec::{ByteWriter, Cursor};
use crate::engine::pages::address::Lsn;
use crate::engine::pages::frame::{CRC_LEN, Piece};
use crate::engine::rows::block::{Extent, Head, ShownHead};
use crate::engine::rows::codec::{MAX_ROW_LEN, MIN_ROW_LEN};
use crate::error::{Damage, Result};
use crate::finding::Code;
use crate::model::{FieldSpec, FieldStyle, PageEnd};

/// First bytes of a record.
const MAGIC: &[u8; 4] = b"RREC";
const LEN_OFFSET: usize = MAGIC.len();
const COUNT_OFFSET: usize = LEN_OFFSET + 4;
const KIND_OFFSET: usize = COUNT_OFFSET + 4;
/// Offset of the zeros after the kind.
const ZEROS_OFFSET: usize = KIND_OFFSET + 1;
const ZEROS_LEN: usize = 3;
const LSN_OFFSET: usize = ZEROS_OFFSET + ZEROS_LEN;
const FIRST_ROW_OFFSET: usize = LSN_OFFSET + 8;
const CRC_OFFSET: usize = FIRST_ROW_OFFSET + 8;
/// Bytes before the rows: magic, payload length, row count, kind, zeros, LSN,
/// first row, CRC.
pub(super) const RECORD_HEAD_LEN: usize = CRC_OFFSET + CRC_LEN;
/// Most bytes of the rows of a record of several rows. Whoever looks a key up
/// reads the whole record that holds it.
pub(super) const MAX_RECORD_LEN: usize = 16 * 1024 - RECORD_HEAD_LEN;

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordKind {
    /// New versions.
    Rows = 1,
    /// Ends of versions that stand in records before.
    Ends = 2,
}

/// What stands before the rows of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHead {
    extent: Extent,
    lsn: Lsn,
    kind: RecordKind,
}

impl RecordHead {
    /// The head of a record of ends; its first row is the one that comes next.
    pub(super) fn of_ends(extent: Extent, lsn: Lsn) -> Self {
        let kind = RecordKind::Ends;
        RecordHead { extent, lsn, kind }
    }

    /// What the record holds.
    pub(super) fn kind(&self) -> RecordKind {
        self.kind
    }
}

impl ShownHead for RecordHead {
    const FIELDS: &'static [FieldSpec] = &[
        FieldSpec::new("magic", 0, MAGIC.len(), FieldStyle::Letters),
        FieldSpec::new("length", LEN_OFFSET, 4, FieldStyle::Number),
        FieldSpec::new("count", COUNT_OFFSET, 4, FieldStyle::Number),
        FieldSpec::new("kind", KIND_OFFSET, 1, FieldStyle::Number),
        FieldSpec::new("zeros", ZEROS_OFFSET, ZEROS_LEN, FieldStyle::Hex),
        FieldSpec::new("lsn", LSN_OFFSET, 8, FieldStyle::Number),
        FieldSpec::new("first row", FIRST_ROW_OFFSET, 8, FieldStyle::Number),
        FieldSpec::new("checksum", CRC_OFFSET, CRC_LEN, FieldStyle::Hex),
    ];

    fn kind_name(&self) -> &'static str {
        match self.kind {
            RecordKind::Rows => "rows",
            RecordKind::Ends => "ends",
        }
    }

    fn ends(&self, payload: &Piece<'_>) -> Option<Result<Vec<PageEnd>>> {
        let of_ends = self.kind == RecordKind::Ends;
        of_ends.then(|| {
            let mut ends = Vec::new();
            let expected = (self.extent.row_count, self.extent.first_row);
            read_ends(payload, expected, |end| {
                let (index, xmax) = (end.index, end.xmax);
                ends.push(PageEnd { index, xmax });
                Ok(())
            })?;
            Ok(ends)
        })
    }
}

impl Head for RecordHead {
    const MAGIC: &'static [u8; 4] = MAGIC;
    const LEN: usize = RECORD_HEAD_LEN;
    const MAX_SHARED_LEN: usize = MAX_RECORD_LEN;
    const MAX_ROW_LEN: u64 = MAX_ROW_LEN;
    const OFFSETS: [usize; 3] = [LEN_OFFSET, COUNT_OFFSET, FIRST_ROW_OFFSET];

    fn new(extent: Extent, lsn: Lsn) -> Self {
        let kind = RecordKind::Rows;
        RecordHead { extent, lsn, kind }
    }

    fn extent(&self) -> Extent {
        self.extent
    }

    fn lsn(&self) -> Lsn {
        self.lsn
    }

    fn added_rows(&self) -> u32 {
        match self.kind {
            RecordKind::Rows => self.extent.row_count,
            RecordKind::Ends => 0,
        }
    }

    fn row_len_range(&self) -> RangeInclusive<u64> {
        match self.kind {
            RecordKind::Rows => MIN_ROW_LEN..=Self::MAX_ROW_LEN,
            RecordKind::Ends => MIN_END_LEN..=MAX_END_LEN,
        }
    }

    fn encode(&self, w: &mut ByteWriter) {
        w.raw(MAGIC);
        w.u32(self.extent.payload_len);
        w.u32(self.extent.row_count);
        w.u8(self.kind as u8);
        w.raw(&[0; ZEROS_LEN]);
        w.u64(self.lsn.0);
        w.u64(self.extent.first_row);
    }

    fn decode(piece: &Piece<'_>) -> Result<Self, Damage> {
        let mut c = Cursor::new(piece.bytes);
        let mut read = || {
            let magic = c.take(MAGIC.len())?;
            let (payload_len, row_count) = (c.u32()?, c.u32()?);
            let (kind, zeros) = (c.u8()?, c.take(ZEROS_LEN)?);
            let lsn = Lsn(c.u64()?);
            let extent = Extent {
                payload_len,
                row_count,
                first_row: c.u64()?,
            };
            Ok((magic, kind, zeros, extent, lsn))
        };
        let (magic, kind, zeros, extent, lsn) = read().map_err(|flaw| piece.flaw(flaw))?;
        if magic != MAGIC {
            let found = format!("\"{}\"", magic.escape_ascii());
            return Err(piece.damage(0, Code::BadMagic, found, "\"RREC\""));
        }
        let kind = match kind {
            1 => RecordKind::Rows,
            2 => RecordKind::Ends,
            kind => {
                let found = format!("a record of kind {kind}");
                let expected = "1, rows, or 2, ends";
                return Err(piece.damage(KIND_OFFSET, Code::UnsupportedVersion, found, expected));
            }
        };
        if zeros.iter().any(|byte| *byte != 0) {
            let found = "reserved bytes in use";
            return Err(piece.damage(ZEROS_OFFSET, Code::OutOfRange, found, "zeros"));
        }
        Ok(RecordHead { extent, lsn, kind })
    }
}
