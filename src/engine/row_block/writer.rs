//! Writes a file of blocks, row by row.

use std::io::{BufWriter, Write};
use std::marker::PhantomData;
use std::path::PathBuf;

use super::{Block, Extent, Head};
use crate::codec::ByteWriter;
use crate::engine::address::Lsn;
use crate::engine::file_header::FileHeader;
use crate::engine::frame::MAGIC_LEN;
use crate::engine::layout::TableCounts;
use crate::engine::paths::TablePlace;
use crate::engine::row_codec::encode_row;
use crate::error::{Error, Result};
use crate::file::DiskWriter;
use crate::model::RowRef;

/// Bytes gathered before they are written out.
const BUFFER_LEN: usize = 256 * 1024;

/// A file header, and blocks after it.
pub(in crate::engine) struct BlockWriter<'t, H> {
    table: &'t TablePlace,
    lsn: Lsn,
    out: BufWriter<DiskWriter>,
    path: PathBuf,
    /// Bytes written before the block under construction.
    offset: u64,
    /// Rows of the block under construction.
    rows: ByteWriter,
    row_count: u32,
    row: ByteWriter,
    framed: ByteWriter,
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
            out: BufWriter::with_capacity(BUFFER_LEN, DiskWriter::new(table.disk.create(&path)?)),
            path,
            offset: 0,
            rows: ByteWriter::new(),
            row_count: 0,
            row: ByteWriter::new(),
            framed: ByteWriter::new(),
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

    /// Position in its block of the row pushed last.
    pub(in crate::engine) fn position(&self) -> u32 {
        self.row_count.saturating_sub(1)
    }

    /// Adds a row.
    ///
    /// # Errors
    /// `Usage` when it does not fit the table or is too wide; I/O errors.
    pub(in crate::engine) fn push(&mut self, row: &RowRef<'_>) -> Result<()> {
        self.table.check_arity(self.counts.rows, row.values.len())?;
        self.row.clear();
        encode_row(&mut self.row, row);
        if self.row.len() as u64 > H::MAX_ROW_LEN {
            return Err(Error::Usage(format!(
                "a row for {} takes {} bytes, expected at most {}",
                self.path.display(),
                self.row.len(),
                H::MAX_ROW_LEN
            )));
        }
        if self.rows.len() + self.row.len() > H::MAX_SHARED_LEN {
            self.end_block()?;
        }
        self.rows.raw(self.row.as_slice());
        self.row_count += 1;
        self.counts.add(row.is_visible());
        Ok(())
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
        let mut framed = std::mem::take(&mut self.framed);
        framed.clear();
        let place = (&self.table.address, self.offset);
        let crc = Block::encode(&mut framed, &head, self.rows.as_slice(), place);
        self.put(framed.as_slice())?;
        self.chain.update(&crc.to_le_bytes());
        self.blocks += 1;
        self.framed = framed;
        self.rows.clear();
        self.row_count = 0;
        Ok(())
    }

    /// Writes bytes after the last block.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.out.write_all(bytes);
        written.map_err(|error| Error::io("write", &self.path, error))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Writes out what was gathered; the length of the file.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn finish(mut self) -> Result<u64> {
        let flushed = self.out.flush();
        flushed.map_err(|error| Error::io("write", &self.path, error))?;
        Ok(self.offset)
    }
}
