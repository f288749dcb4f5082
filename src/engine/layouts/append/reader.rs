//! Reads the records of a table, and the rows in them.

use std::sync::Arc;

use super::ends::{EndCursor, EndList, needless, read_ends};
use super::record::{RecordHead, RecordKind};
use super::{MAGIC, SUFFIX};
use crate::codec::RowBuffer;
use crate::engine::pages::address::TableAddress;
use crate::engine::pages::file_header::{FILE_HEADER_LEN, FileHeader};
use crate::engine::pages::frame::Piece;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::block::{Block, BlockWalk, Head, block_parts};
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::row_run::decode_run;
use crate::engine::tree::Sorter;
use crate::error::{Damage, Error, Result};
use crate::file::SourceFile;
use crate::finding::Code;
use crate::model::{RowBatch, RowPart, RowStream};

/// Opens the data of a table.
///
/// # Errors
/// When the file cannot be read, is damaged, belongs elsewhere or is shorter
/// than the catalog says.
pub(super) fn open_data(table: &TablePlace, counts: TableCounts) -> Result<Arc<SourceFile>> {
    let file = table.open(SUFFIX)?;
    FileHeader::read(&file, MAGIC, table.address)??;
    check_len(&file, counts)?;
    Ok(file)
}

/// Checks that a file has the bytes that the catalog says. More may follow
/// them: a crash left those.
///
/// # Errors
/// `Truncated`, or `BadLength` of a length that no file has.
pub(super) fn check_len(file: &SourceFile, counts: TableCounts) -> Result<(), Damage> {
    let (len, least) = (counts.data_len, FILE_HEADER_LEN as u64);
    let damage = |code, found, expected| Damage {
        file: file.path().to_owned(),
        offset: file.len(),
        code,
        found,
        expected,
    };
    if len < least {
        let found = format!("data of {len} bytes by the catalog");
        return Err(damage(Code::BadLength, found, format!("at least {least}")));
    }
    if file.len() < len {
        let found = format!("a file of {} bytes", file.len());
        let expected = format!("at least {len}, as the catalog says");
        return Err(damage(Code::Truncated, found, expected));
    }
    Ok(())
}

/// All records of a file whose data have `data_len` bytes.
pub(super) fn records(
    file: &Arc<SourceFile>,
    address: TableAddress,
    data_len: u64,
) -> BlockWalk<RecordHead> {
    BlockWalk::new(file, address, FILE_HEADER_LEN as u64..data_len)
}

/// Reads the record at `offset` of a file whose data have `data_len` bytes:
/// its head, and its bytes with the head.
///
/// # Errors
/// Damage, also when no record starts there; I/O errors.
pub(super) fn read_record(
    file: &SourceFile,
    address: &TableAddress,
    (offset, data_len): (u64, u64),
) -> Result<(Block<RecordHead>, Vec<u8>)> {
    let block = read_head(file, (offset, data_len))?;
    // The length was checked against what the file has.
    let mut bytes = vec![0; usize::try_from(block.len()).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, offset)?;
    let piece = Piece {
        path: file.path(),
        offset,
        bytes: &bytes,
    };
    block.check(&piece, address)?;
    Ok((block, bytes))
}

fn read_head(file: &SourceFile, (offset, data_len): (u64, u64)) -> Result<Block<RecordHead>> {
    let remaining = data_len.min(file.len()).saturating_sub(offset);
    let mut bytes = [0; RecordHead::LEN];
    let len = usize::try_from(remaining).unwrap_or(usize::MAX);
    let (there, _) = bytes.split_at_mut(len.min(RecordHead::LEN));
    file.read_exact_at(there, offset)?;
    let piece = Piece {
        path: file.path(),
        offset,
        bytes: there,
    };
    Ok(Block::decode(&piece, remaining)?)
}

/// The ends of all versions of a table that stand in records of their own.
/// Records of rows are passed by their heads, unchecked.
///
/// # Errors
/// Damage of a record of ends, or of a head; I/O errors.
pub(super) fn collect_ends(
    file: &SourceFile,
    address: &TableAddress,
    data_len: u64,
) -> Result<EndList> {
    let mut sorter = Sorter::in_scratch();
    let mut offset = FILE_HEADER_LEN as u64;
    while offset < data_len.min(file.len()) {
        let head = read_head(file, (offset, data_len))?;
        if head.head.kind() == RecordKind::Ends {
            let (block, bytes) = read_record(file, address, (offset, data_len))?;
            let payload = Piece {
                path: file.path(),
                offset: offset.saturating_add(RecordHead::LEN as u64),
                bytes: bytes.get(RecordHead::LEN..).unwrap_or_default(),
            };
            let extent = block.head.extent();
            let expected = (extent.row_count, extent.first_row);
            read_ends(&payload, expected, |end| sorter.push(end.entry()))?;
        }
        offset = offset.saturating_add(head.len());
    }
    EndList::sorted(sorter)
}

/// The rows of one table, in stored order.
pub(super) struct TableReader {
    records: BlockWalk<RecordHead>,
    arity: usize,
    /// Whether all records are read.
    whole: bool,
    /// What the catalog says, and what was handed out.
    expected: TableCounts,
    counts: TableCounts,
    ends: EndCursor,
    rows: RowBuffer,
}

impl TableReader {
    /// Opens all or some of the data of a table. The index is not looked at.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged or belongs elsewhere.
    pub(super) fn open(table: &TablePlace, counts: TableCounts, part: &RowPart) -> Result<Self> {
        let file = open_data(table, counts)?;
        let ends = match counts.ends {
            0 => EndList::default(),
            _ => collect_ends(&file, &table.address, counts.data_len)?,
        };
        let whole = *part == RowPart::ALL;
        let records = match whole {
            true => records(&file, table.address, counts.data_len),
            false => BlockWalk::of_part(&file, table.address, part),
        };
        Ok(TableReader {
            records,
            arity: table.arity,
            whole,
            expected: counts,
            counts: TableCounts {
                data_len: counts.data_len,
                ..TableCounts::default()
            },
            ends: EndCursor::new(ends),
            rows: RowBuffer::default(),
        })
    }

    /// The next record of rows; `None` after the last one, when the totals are
    /// right.
    fn next_record(&mut self) -> Result<Option<Block<RecordHead>>> {
        while let Some(record) = self.records.advance()? {
            let row_count = record.head.extent().row_count;
            match record.head.kind() {
                RecordKind::Ends => self.counts.ends += u64::from(row_count),
                RecordKind::Rows => return Ok(Some(record)),
            }
        }
        self.check_end()?;
        Ok(None)
    }

    fn check_end(&mut self) -> Result<()> {
        if self.whole {
            self.ends.finish(&data_piece(self.records.file()))?;
            let end = self.expected.data_len;
            self.counts
                .check(self.expected, self.records.file().path(), end)?;
        }
        Ok(())
    }
}

/// The data as a whole, for damage that has no place in them.
pub(super) fn data_piece(file: &SourceFile) -> Piece<'_> {
    Piece::of(file, &[])
}

/// Ends the versions of a batch whose first row has the index `first`.
fn end_versions(
    batch: &mut RowBatch<'_>,
    first: u64,
    ends: &mut EndCursor,
    data: &Piece<'_>,
) -> Result<u64> {
    let mut count = 0;
    let after = first.saturating_add(batch.len() as u64);
    while let Some(end) = ends.next_before(after)? {
        let position = end.index.checked_sub(first).map(usize::try_from);
        match position {
            Some(Ok(position)) if batch.end_version(position, end.xmax) => count += 1,
            _ => return Err(Error::from(needless(&end, data))),
        }
    }
    Ok(count)
}

/// The records of a table in parts. Where ends of versions stand beside their
/// rows, the table is one part.
///
/// # Errors
/// As [`TableReader::open`].
pub(super) fn parts(table: &TablePlace, counts: TableCounts) -> Result<Vec<RowPart>> {
    let file = open_data(table, counts)?;
    let range = FILE_HEADER_LEN as u64..counts.data_len;
    let mut has_ends = counts.ends > 0;
    let parts = block_parts::<RecordHead>(&file, range, |record| {
        has_ends |= record.head.kind() == RecordKind::Ends;
    })?;
    Ok(match has_ends {
        true => vec![RowPart::ALL],
        false => parts,
    })
}

impl RowStream for TableReader {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        let Some(record) = self.next_record()? else {
            return Ok(None);
        };
        let first = self.counts.rows;
        let rows = self.records.rows(&record);
        let row_count = record.head.extent().row_count;
        decode_run(
            &rows,
            row_count,
            self.arity,
            &mut self.rows,
            &mut self.counts,
        )?;
        let mut batch = self.rows.batch();
        let data = data_piece(self.records.file());
        let ended = end_versions(&mut batch, first, &mut self.ends, &data)?;
        self.counts.live = self.counts.live.saturating_sub(ended);
        Ok(Some(batch))
    }
}
