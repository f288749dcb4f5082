//! How much room each page has (format page, "Free space map"). Derived from
//! the pages: nothing is lost with it.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::page_files::PagePlace;
use crate::engine::pages::address::{Lsn, TableAddress};
use crate::engine::pages::file_header::{FILE_HEADER_LEN, FileHeader};
use crate::engine::pages::frame::{CRC_LEN, MAGIC_LEN, Piece, check_crc};
use crate::engine::pages::page::{Bounds, PageKind};
use crate::error::{Damage, Error, Result};
use crate::file::{DiskWriter, SourceFile};
use crate::finding::Code;

/// First bytes of the file.
const MAGIC: &[u8; MAGIC_LEN] = b"RDBXFREE";
/// Pages of a block: one byte each.
pub(super) const MAP_BLOCK_PAGES: usize = 4096 - CRC_LEN;
/// Bytes of free space that one unit in the map stands for.
pub(super) const MAP_UNIT: usize = 32;

/// The map of a table in its directory.
pub(super) fn map_path(dir: &Path) -> PathBuf {
    dir.join("free_space.map")
}

/// What the map says of a page with `free_len` bytes between line pointers and
/// tuples.
pub(super) fn entry_of(free_len: usize) -> u8 {
    u8::try_from(free_len / MAP_UNIT).unwrap_or(u8::MAX)
}

/// What the map must say of a page: nothing is ever added to overflow pages.
pub(super) fn entry_of_page(bounds: &Bounds) -> u8 {
    match bounds.kind {
        PageKind::Heap => entry_of(bounds.upper - bounds.lower),
        _ => 0,
    }
}

/// The first bytes of a map.
pub(super) fn encode_header(address: TableAddress, lsn: Lsn) -> Vec<u8> {
    FileHeader { address, lsn }.encode(MAGIC)
}

/// A block of entries at an offset of its file.
pub(super) fn encode_block(entries: &[u8], address: &TableAddress, offset: u64) -> Vec<u8> {
    let mut crc = address.seed(offset);
    crc.update(entries);
    let mut block = entries.to_vec();
    block.extend(crc.finalize().to_le_bytes());
    block
}

/// Writes a map, page by page.
#[derive(Debug)]
pub(super) struct MapWriter {
    out: BufWriter<DiskWriter>,
    path: PathBuf,
    address: TableAddress,
    offset: u64,
    block: Vec<u8>,
}

impl MapWriter {
    /// Starts the map of a new table.
    ///
    /// # Errors
    /// When the file is there or cannot be written.
    pub(super) fn create(place: &PagePlace, lsn: Lsn) -> Result<Self> {
        let (path, address) = (map_path(&place.dir), place.address);
        let mut writer = MapWriter {
            out: BufWriter::new(DiskWriter::new(place.disk.create(&path)?)),
            path,
            address,
            offset: 0,
            block: Vec::with_capacity(MAP_BLOCK_PAGES),
        };
        writer.put(&encode_header(address, lsn))?;
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.out.write_all(bytes);
        written.map_err(|error| Error::io("write", &self.path, error))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Adds the entry of the next page.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn push(&mut self, entry: u8) -> Result<()> {
        self.block.push(entry);
        if self.block.len() == MAP_BLOCK_PAGES {
            self.end_block()?;
        }
        Ok(())
    }

    fn end_block(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let block = encode_block(&self.block, &self.address, self.offset);
        self.block.clear();
        self.put(&block)
    }

    /// Writes the rest.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn finish(mut self) -> Result<()> {
        self.end_block()?;
        let flushed = self.out.flush();
        flushed.map_err(|error| Error::io("write", &self.path, error))
    }
}

/// Reads a map, block by block.
#[derive(Debug)]
pub(super) struct MapReader {
    file: Arc<SourceFile>,
    address: TableAddress,
    /// The block read last, and its entries.
    block: Option<u64>,
    entries: Vec<u8>,
}

impl MapReader {
    /// A map whose header was not read yet.
    pub(super) fn new(file: Arc<SourceFile>, address: TableAddress) -> Self {
        MapReader {
            file,
            address,
            block: None,
            entries: Vec::new(),
        }
    }

    /// Checks the header.
    ///
    /// # Errors
    /// I/O errors; its damage is the inner result.
    pub(super) fn header(&self) -> Result<Result<FileHeader, Damage>> {
        FileHeader::read(&self.file, MAGIC, self.address)
    }

    /// The file.
    pub(super) fn file(&self) -> &Arc<SourceFile> {
        &self.file
    }

    fn body_len(&self) -> u64 {
        self.file.len().saturating_sub(FILE_HEADER_LEN as u64)
    }

    /// How many blocks there are.
    pub(super) fn block_count(&self) -> u64 {
        self.body_len().div_ceil((MAP_BLOCK_PAGES + CRC_LEN) as u64)
    }

    /// How many pages have an entry.
    pub(super) fn page_count(&self) -> u64 {
        self.body_len()
            .saturating_sub(self.block_count() * CRC_LEN as u64)
    }

    /// File offset of the entry of a page.
    pub(super) fn offset_of(page: u64) -> u64 {
        let block = page / MAP_BLOCK_PAGES as u64;
        FILE_HEADER_LEN as u64 + page + block * CRC_LEN as u64
    }

    /// The entry of a page; `None` beyond the last one.
    ///
    /// # Errors
    /// When its block is damaged; I/O errors.
    pub(super) fn entry(&mut self, page: u64) -> Result<Option<u8>> {
        let block = page / MAP_BLOCK_PAGES as u64;
        if block >= self.block_count() {
            return Ok(None);
        }
        if self.block != Some(block) {
            self.load(block)?;
        }
        let at = usize::try_from(page % MAP_BLOCK_PAGES as u64).unwrap_or(usize::MAX);
        Ok(self.entries.get(at).copied())
    }

    /// The entries of the block read last.
    pub(super) fn block(&self) -> &[u8] {
        &self.entries
    }

    /// Reads and checks a block; its length in bytes.
    ///
    /// # Errors
    /// `Truncated` or `ChecksumMismatch`; I/O errors.
    pub(super) fn load(&mut self, block: u64) -> Result<u64> {
        const FULL: u64 = (MAP_BLOCK_PAGES + CRC_LEN) as u64;
        self.block = None;
        let start = block * FULL;
        let len = FULL.min(self.body_len().saturating_sub(start));
        let offset = start + FILE_HEADER_LEN as u64;
        self.entries.clear();
        self.entries.resize(usize::try_from(len).unwrap_or(0), 0);
        self.file.read_exact_at(&mut self.entries, offset)?;
        let piece = Piece {
            path: self.file.path(),
            offset,
            bytes: &self.entries,
        };
        let entry_count = match piece.bytes.split_last_chunk::<CRC_LEN>() {
            Some((entries, crc)) if !entries.is_empty() => {
                let mut computed = self.address.seed(offset);
                computed.update(entries);
                check_crc(&piece, entries.len(), computed, u32::from_le_bytes(*crc))?;
                entries.len()
            }
            _ => {
                let found = format!("{len} bytes");
                let expected = "entries and a checksum";
                return Err(piece.damage(0, Code::Truncated, found, expected).into());
            }
        };
        self.entries.truncate(entry_count);
        self.block = Some(block);
        Ok(len)
    }
}
