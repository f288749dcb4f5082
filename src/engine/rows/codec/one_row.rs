//! What is done to the bytes of a single row without its values.

use super::{HAS_XMAX, Read};
use crate::codec::{ByteWriter, Cursor};
use crate::finding::Code;

/// Appends a visible row as the version that `xmax` ended.
///
/// # Errors
/// When the bytes do not start as a visible row does.
pub(in crate::engine) fn end_row(w: &mut ByteWriter, row: &[u8], xmax: u64) -> Read<()> {
    let mut c = Cursor::new(row);
    let flags = c.u8()?;
    if flags != 0 {
        return Cursor::bad(0, Code::BadTag, flags.into(), "flags of a visible row");
    }
    let xmin = c.varint()?;
    w.u8(HAS_XMAX);
    w.varint(xmin);
    w.varint(xmax);
    w.raw(c.take(c.remaining())?);
    Ok(())
}

/// What the first bytes of a row say, up to its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct RowStart {
    /// The transaction that made it.
    pub xmin: u64,
    /// Whether a user sees it.
    pub visible: bool,
    /// Bytes that its xmax takes; 0 when it has none.
    pub xmax_len: usize,
}

impl RowStart {
    /// Reads flags, xmin and xmax.
    ///
    /// # Errors
    /// When the bytes are none of them.
    pub(in crate::engine) fn read(c: &mut Cursor<'_>) -> Read<Self> {
        let visible = c.u8()? & HAS_XMAX == 0;
        let xmin = c.varint()?;
        let at = c.position();
        if !visible {
            c.varint()?;
        }
        Ok(RowStart {
            xmin,
            visible,
            xmax_len: c.position() - at,
        })
    }
}
