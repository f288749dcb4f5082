//! Writes new records after the data that the catalog knows (format page,
//! "Append files").

use super::ends::End;
use super::record::{MAX_RECORD_LEN, RecordHead};
use crate::codec::ByteWriter;
use crate::engine::pages::address::{Lsn, TableAddress};
use crate::engine::rows::block::{Block, Extent, Head};
use crate::engine::table::row_changes::RowChanges;
use crate::error::Result;

/// Hands the new records to `put`, each with its file offset: the rows at the
/// places that they got when they came, then the ends. Where the data end then.
///
/// # Errors
/// Those of `put`.
pub(super) fn write_changes(
    changes: &RowChanges,
    (address, lsn, row_count): (&TableAddress, Lsn, u64),
    mut put: impl FnMut(&[u8], u64) -> Result<()>,
) -> Result<u64> {
    let mut framed = ByteWriter::new();
    let mut record = |head: &RecordHead, payload: &[u8], offset: u64| {
        framed.clear();
        Block::encode(&mut framed, head, payload, (address, offset));
        put(framed.as_slice(), offset)?;
        Ok::<u64, crate::error::Error>(offset.saturating_add(framed.len() as u64))
    };
    for group in changes.groups() {
        let extent = extent(group.bytes(), group.row_count(), group.first_row);
        record(&RecordHead::new(extent, lsn), group.bytes(), group.offset)?;
    }
    let mut offset = changes.next_offset();
    let mut ends = changes.ended().iter().peekable();
    while ends.peek().is_some() {
        let (mut payload, mut count) = (ByteWriter::new(), 0);
        while let Some((index, xmax)) = ends.peek() {
            let (index, xmax) = (**index, **xmax);
            let mut one = ByteWriter::new();
            End { index, xmax }.encode(&mut one);
            if payload.len() + one.len() > MAX_RECORD_LEN {
                break;
            }
            payload.raw(one.as_slice());
            count += 1;
            ends.next();
        }
        let extent = extent(payload.as_slice(), count, row_count);
        offset = record(
            &RecordHead::of_ends(extent, lsn),
            payload.as_slice(),
            offset,
        )?;
    }
    Ok(offset)
}

fn extent(payload: &[u8], count: usize, first_row: u64) -> Extent {
    Extent {
        payload_len: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        row_count: u32::try_from(count).unwrap_or(u32::MAX),
        first_row,
    }
}
