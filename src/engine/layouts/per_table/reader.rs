//! Reads a table's file: its blocks one by one, and the rows in them.

use std::ops::Range;
use std::sync::Arc;

use super::block::BlockHead;
use super::trailer::{TRAILER_LEN, Trailer};
use super::{MAGIC, SUFFIX};
use crate::codec::RowBuffer;
use crate::engine::pages::address::TableAddress;
use crate::engine::pages::file_header::{FILE_HEADER_LEN, FileHeader};
use crate::engine::pages::frame::Piece;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::block::{Block, BlockWalk, Head, block_parts};
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::row_run::decode_run;
use crate::error::{Damage, Error, Result};
use crate::file::SourceFile;
use crate::finding::Code;
use crate::model::{RowBatch, RowPart, RowStream};

/// Header and trailer of a file whose blocks were not read yet.
pub(super) struct Ends {
    pub header: Result<FileHeader, Damage>,
    pub trailer: Result<Trailer, Damage>,
    /// File offset of the trailer: the end of the blocks.
    pub trailer_offset: u64,
}

impl Ends {
    /// Reads both ends of a file.
    ///
    /// # Errors
    /// `Truncated` when it is too short to have both; I/O errors.
    pub(super) fn read(file: &SourceFile, address: TableAddress) -> Result<Self> {
        let least = (FILE_HEADER_LEN + TRAILER_LEN) as u64;
        if file.len() < least {
            let found = format!("a file of {} bytes", file.len());
            let expected = format!("at least {least} bytes");
            return Err(Error::damage(
                file.path(),
                0,
                Code::Truncated,
                found,
                expected,
            ));
        }
        let trailer_offset = file.len() - TRAILER_LEN as u64;
        let mut tail = [0; TRAILER_LEN];
        file.read_exact_at(&mut tail, trailer_offset)?;
        let piece = Piece {
            path: file.path(),
            offset: trailer_offset,
            bytes: &tail,
        };
        Ok(Ends {
            header: FileHeader::read(file, MAGIC, address)?,
            trailer: Trailer::decode(&piece, &address),
            trailer_offset,
        })
    }
}

/// What blocks hold in all.
#[derive(Debug, Default)]
pub(super) struct BlockTotals {
    rows: u64,
    blocks: u64,
    chain: crc32fast::Hasher,
}

impl BlockTotals {
    /// Adds a block.
    pub(super) fn add(&mut self, block: &Block<BlockHead>) {
        self.rows += u64::from(block.head.extent().row_count);
        self.blocks += 1;
        self.chain.update(&block.crc.to_le_bytes());
    }

    /// Adds blocks that follow those before.
    pub(super) fn append(&mut self, later: &BlockTotals) {
        self.rows = self.rows.saturating_add(later.rows);
        self.blocks = self.blocks.saturating_add(later.blocks);
        self.chain.combine(&later.chain);
    }

    /// The trailer of these blocks; visible rows are counted by who decodes them.
    pub(super) fn trailer(&self, live: u64) -> Trailer {
        Trailer {
            counts: TableCounts {
                rows: self.rows,
                live,
                ..TableCounts::default()
            },
            blocks: self.blocks,
            chain: self.chain.clone().finalize(),
        }
    }
}

/// The rows of one table, in stored order.
pub(super) struct TableReader {
    blocks: BlockWalk<BlockHead>,
    file: TableFile,
    /// Whether all blocks are read, and what they hold in all.
    whole: bool,
    totals: BlockTotals,
    arity: usize,
    /// Rows handed out.
    counts: TableCounts,
    rows: RowBuffer,
}

impl TableReader {
    /// Opens all or some of the file of a table.
    ///
    /// # Errors
    /// As [`TableFile::open`].
    pub(super) fn open(table: &TablePlace, counts: TableCounts, part: &RowPart) -> Result<Self> {
        let file = TableFile::open(table, counts)?;
        let whole = *part == RowPart::ALL;
        Ok(TableReader {
            blocks: match whole {
                true => BlockWalk::new(&file.file, table.address, file.blocks()),
                false => BlockWalk::of_part(&file.file, table.address, part),
            },
            file,
            whole,
            totals: BlockTotals::default(),
            arity: table.arity,
            counts: TableCounts::default(),
            rows: RowBuffer::default(),
        })
    }
}

/// A file whose ends are whole and agree with the catalog.
pub(super) struct TableFile {
    pub file: Arc<SourceFile>,
    pub trailer: Trailer,
    /// File offset of the trailer: the end of the blocks.
    pub trailer_offset: u64,
}

impl TableFile {
    /// Opens the file of a table and checks both its ends.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, belongs elsewhere, or holds another
    /// number of rows than the catalog says.
    pub(super) fn open(table: &TablePlace, counts: TableCounts) -> Result<Self> {
        let file = table.open(SUFFIX)?;
        let ends = Ends::read(&file, table.address)?;
        ends.header?;
        let (trailer, trailer_offset) = (ends.trailer?, ends.trailer_offset);
        trailer.counts.check(counts, file.path(), trailer_offset)?;
        Ok(TableFile {
            file,
            trailer,
            trailer_offset,
        })
    }

    /// Where the blocks are.
    fn blocks(&self) -> Range<u64> {
        FILE_HEADER_LEN as u64..self.trailer_offset
    }

    /// Checks what the blocks hold in all against the trailer.
    fn check(&self, totals: &Trailer) -> Result<(), Damage> {
        self.trailer
            .check(totals, self.file.path(), self.trailer_offset)
    }
}

/// The blocks of a table in parts. That they are all there, and no older ones
/// among them, is checked here: no part shows it.
///
/// # Errors
/// As [`TableFile::open`]; and when blocks are missing.
pub(super) fn parts(table: &TablePlace, counts: TableCounts) -> Result<Vec<RowPart>> {
    let whole = TableFile::open(table, counts)?;
    let range = whole.blocks();
    let (mut totals, mut end) = (BlockTotals::default(), range.start);
    let parts = block_parts(&whole.file, range, |block| {
        totals.add(block);
        end = end.saturating_add(block.len());
    })?;
    // A head that makes no sense is met by who reads its part.
    if end == whole.trailer_offset {
        whole.check(&totals.trailer(whole.trailer.counts.live))?;
    }
    Ok(parts)
}

impl RowStream for TableReader {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        let Some(block) = self.blocks.advance()? else {
            if self.whole {
                self.file.check(&self.totals.trailer(self.counts.live))?;
            }
            return Ok(None);
        };
        self.totals.add(&block);
        let rows = self.blocks.rows(&block);
        let row_count = block.head.extent().row_count;
        decode_run(
            &rows,
            row_count,
            self.arity,
            &mut self.rows,
            &mut self.counts,
        )?;
        Ok(Some(self.rows.batch()))
    }
}
