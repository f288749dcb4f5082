//! Writes a file of blocks.

use std::io::Write;
use std::marker::PhantomData;
use std::ops::Range;
use std::path::PathBuf;

use super::{Block, Extent, Head};
use crate::codec::ByteWriter;
use crate::engine::pages::address::Lsn;
use crate::engine::pages::file_header::FileHeader;
use crate::engine::pages::frame::MAGIC_LEN;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::encoded::EncodedRows;
use crate::error::{Error, Result};
use crate::file::BulkWriter;

/// Bytes gathered before they are written out.
const BUFFER_LEN: usize = 512 * 1024;

/// A file header, and blocks after it.
pub(in crate::engine) struct BlockWriter<'t, H> {
    table: &'t TablePlace,
    lsn: Lsn,
    file: BulkWriter,
    path: PathBuf,
    /// Whole blocks that were not written out yet.
    out: ByteWriter,
    /// Bytes before the block under construction.
    offset: u64,
    /// Rows of the block under construction.
    rows: ByteWriter,
    row_count: u32,
    counts: TableCounts,
    blocks: u64,
    chain: crc32fast::Hasher,
    head: PhantomData<H>,
}

impl<'t, H: Head> BlockWriter<'t, H> {
    /// Starts the file of a table with this suffix and magic number.
    ///
    /// # Errors
    /// When the file is there or cannot be written.
    pub(in crate::engine) fn create(
        table: &'t TablePlace,
        (suffix, magic): (&str, &[u8; MAGIC_LEN]),
        lsn: Lsn,
    ) -> Result<Self> {
        let path = table.file(suffix);
        let mut writer = BlockWriter {
            table,
            lsn,
            file: BulkWriter::new(table.disk.create(&path)?),
            path,
            out: ByteWriter::new(),
            offset: 0,
            rows: ByteWriter::new(),
            row_count: 0,
            counts: TableCounts::default(),
            blocks: 0,
            chain: crc32fast::Hasher::new(),
            head: PhantomData,
        };
        let address = table.address;
        writer.put(&FileHeader { address, lsn }.encode(magic))?;
        Ok(writer)
    }

    /// What was pushed.
    pub(in crate::engine) fn counts(&self) -> TableCounts {
        self.counts
    }

    /// Blocks written, and the CRC-32 over their checksums.
    pub(in crate::engine) fn blocks(&self) -> (u64, u32) {
        (self.blocks, self.chain.clone().finalize())
    }

    /// File offset of the block that holds the row pushed last.
    pub(in crate::engine) fn block_offset(&self) -> u64 {
        self.offset
    }

    /// Adds rows, and tells which of them went into the block at which offset,
    /// from which position in it on.
    ///
    /// # Errors
    /// `RowTooLong`; I/O errors; those of `placed`.
    pub(in crate::engine) fn push(
        &mut self,
        rows: &EncodedRows,
        mut placed: impl FnMut(Range<usize>, (u64, u32)) -> Result<()>,
    ) -> Result<()> {
        let (mut first, mut start) = (0, 0);
        while let Some(rest) = rows.rows().get(first..).filter(|rest| !rest.is_empty()) {
            let room = H::FULL_LEN.saturating_sub(self.rows.len());
            let mut fitting = rest.partition_point(|row| row.end - start <= room);
            if fitting == 0 && self.row_count > 0 {
                self.end_block()?;
                continue;
            }
            // A row that fits no shared block has one of its own.
            fitting = fitting.max(1);
            let taken = rest.get(..fitting).unwrap_or_default();
            let end = taken.last().map_or(start, |row| row.end);
            self.check_width(end - start)?;
            self.rows.raw(rows.bytes(start, end));
            let position = self.row_count;
            self.row_count += u32::try_from(fitting).unwrap_or(u32::MAX);
            taken.iter().for_each(|row| self.counts.add(row.visible));
            placed(first..first + fitting, (self.offset, position))?;
            first += fitting;
            start = end;
        }
        Ok(())
    }

    fn check_width(&self, len: usize) -> Result<()> {
        if len <= H::MAX_SHARED_LEN || len as u64 <= H::MAX_ROW_LEN {
            return Ok(());
        }
        Err(Error::RowTooLong {
            table: self.path.display().to_string(),
            len: len as u64,
            most: H::MAX_ROW_LEN,
        })
    }

    /// Ends the block under construction, so that the blocks are complete.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn end_block(&mut self) -> Result<()> {
        if self.row_count == 0 {
            return Ok(());
        }
        let extent = Extent {
            payload_len: u32::try_from(self.rows.len()).unwrap_or(u32::MAX),
            row_count: self.row_count,
            first_row: self.counts.rows - u64::from(self.row_count),
        };
        let head = H::new(extent, self.lsn);
        let before = self.out.len();
        let place = (&self.table.address, self.offset);
        let crc = Block::encode(&mut self.out, &head, self.rows.as_slice(), place);
        self.offset += (self.out.len() - before) as u64;
        self.chain.update(&crc.to_le_bytes());
        self.blocks += 1;
        self.rows.clear();
        self.row_count = 0;
        self.write_out(BUFFER_LEN)
    }

    /// Writes bytes after the last block.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.raw(bytes);
        self.offset += bytes.len() as u64;
        self.write_out(BUFFER_LEN)
    }

    fn write_out(&mut self, above: usize) -> Result<()> {
        if self.out.len() > above {
            let written = self.file.write_all(self.out.as_slice());
            written.map_err(|error| Error::io("write", &self.path, error))?;
            self.out.clear();
        }
        Ok(())
    }

    /// Writes out what was gathered; the length of the file.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn finish(&mut self) -> Result<u64> {
        self.write_out(0)?;
        let finished = self.file.finish();
        finished.map_err(|error| Error::io("write", &self.path, error))?;
        Ok(self.offset)
    }
}
