//! Writes a table's file, row by row.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use super::block::{BlockHeader, MAX_SHARED_LEN};
use super::trailer::Trailer;
use super::{MAGIC, SUFFIX};
use crate::codec::ByteWriter;
use crate::engine::address::Lsn;
use crate::engine::file_header::FileHeader;
use crate::engine::layout::TableCounts;
use crate::engine::paths::TablePlace;
use crate::engine::row_codec::encode_row;
use crate::error::{Error, Result};
use crate::file::create_file;
use crate::model::{RowRef, RowStream};

/// Bytes gathered before they are written out.
const BUFFER_LEN: usize = 256 * 1024;

/// Writes the file of a table and says what it holds.
///
/// # Errors
/// When the file is there or cannot be written, the stream fails, or a row does
/// not fit the table.
pub(super) fn write_table(
    table: &TablePlace,
    lsn: Lsn,
    rows: &mut dyn RowStream,
) -> Result<TableCounts> {
    let mut writer = TableWriter::create(table, lsn)?;
    while let Some(batch) = rows.next_batch()? {
        for row in batch.rows() {
            writer.push(&row)?;
        }
    }
    writer.finish()
}

struct TableWriter<'t> {
    table: &'t TablePlace,
    out: BufWriter<File>,
    path: PathBuf,
    /// Bytes written before the block under construction.
    offset: u64,
    /// Rows of the block under construction.
    block: ByteWriter,
    block_rows: u32,
    row: ByteWriter,
    framed: ByteWriter,
    totals: Trailer,
    chain: crc32fast::Hasher,
}

impl<'t> TableWriter<'t> {
    fn create(table: &'t TablePlace, lsn: Lsn) -> Result<Self> {
        let path = table.file(SUFFIX);
        let mut writer = TableWriter {
            out: BufWriter::with_capacity(BUFFER_LEN, create_file(&path)?),
            path,
            table,
            offset: 0,
            block: ByteWriter::new(),
            block_rows: 0,
            row: ByteWriter::new(),
            framed: ByteWriter::new(),
            totals: Trailer::default(),
            chain: crc32fast::Hasher::new(),
        };
        let address = table.address;
        writer.put(&FileHeader { address, lsn }.encode(MAGIC))?;
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.out.write_all(bytes);
        written.map_err(|error| Error::io("write", &self.path, error))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn push(&mut self, row: &RowRef<'_>) -> Result<()> {
        self.table
            .check_arity(self.totals.counts.rows, row.values.len())?;
        self.row.clear();
        encode_row(&mut self.row, row);
        if self.block.len() + self.row.len() > MAX_SHARED_LEN {
            self.end_block()?;
        }
        self.block.raw(self.row.as_slice());
        self.block_rows += 1;
        self.totals.counts.add(row.is_visible());
        Ok(())
    }

    fn end_block(&mut self) -> Result<()> {
        if self.block_rows == 0 {
            return Ok(());
        }
        let Ok(payload_len) = u32::try_from(self.block.len()) else {
            return Err(Error::Usage(format!(
                "a row for {} takes {} bytes, expected less than 4 GiB",
                self.path.display(),
                self.block.len()
            )));
        };
        let first_row = self.totals.counts.rows - u64::from(self.block_rows);
        let lens = (payload_len, self.block_rows, first_row);
        let mut framed = std::mem::take(&mut self.framed);
        framed.clear();
        let rows = self.block.as_slice();
        let crc = BlockHeader::encode(&mut framed, rows, lens, &self.table.address, self.offset);
        self.put(framed.as_slice())?;
        self.chain.update(&crc.to_le_bytes());
        self.totals.blocks += 1;
        self.framed = framed;
        self.block.clear();
        self.block_rows = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<TableCounts> {
        self.end_block()?;
        self.totals.chain = self.chain.clone().finalize();
        let trailer = self.totals.encode(&self.table.address, self.offset);
        self.put(&trailer)?;
        let flushed = self.out.flush();
        flushed.map_err(|error| Error::io("write", &self.path, error))?;
        Ok(self.totals.counts)
    }
}
