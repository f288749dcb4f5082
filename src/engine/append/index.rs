//! The index from primary key to record (format page, "Append index"). Derived
//! from the records: no row is lost with it.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::entry::{ENTRY_LEN, Entry, Sorter};
use crate::codec::{ByteWriter, Cursor};
use crate::engine::address::{Lsn, TableAddress};
use crate::engine::file_header::{FILE_HEADER_LEN, FileHeader};
use crate::engine::frame::{CRC_LEN, MAGIC_LEN, Piece, check_crc, seal};
use crate::engine::paths::TablePlace;
use crate::error::{Damage, Error, Result};
use crate::file::{DiskWriter, SourceFile, Window};
use crate::finding::Code;
use crate::work::Threads;

/// After the encoded name of a table.
pub(super) const SUFFIX: &str = ".index";
/// First bytes of the file.
pub(super) const MAGIC: &[u8; MAGIC_LEN] = b"RDBXINDX";
/// First bytes of the trailer.
const TRAILER_MAGIC: &[u8; MAGIC_LEN] = b"RDBXIEND";
/// Bytes of the trailer: magic, entries, length of the data, CRC.
pub(super) const INDEX_TRAILER_LEN: usize = MAGIC_LEN + 8 + 8 + CRC_LEN;
/// Bytes of a block.
pub(super) const INDEX_BLOCK_LEN: usize = 4096;
/// Bytes of a block before its entries: their count, zeros.
const BLOCK_HEAD_LEN: usize = 4 + 4;
/// Entries of a full block.
pub(super) const INDEX_BLOCK_ENTRIES: usize =
    (INDEX_BLOCK_LEN - BLOCK_HEAD_LEN - CRC_LEN) / ENTRY_LEN;

/// Writes the index of the first `data_len` bytes of a table's data.
///
/// # Errors
/// When the file is there or cannot be written.
pub(super) fn write_index(
    table: &TablePlace,
    lsn: Lsn,
    (entries, threads): (Sorter, Threads),
    data_len: u64,
) -> Result<()> {
    let path = table.file(SUFFIX);
    let mut writer = IndexWriter {
        out: BufWriter::new(DiskWriter::new(table.disk.create(&path)?)),
        path,
        address: table.address,
        offset: 0,
        entry_count: 0,
        entries: ByteWriter::new(),
    };
    let address = table.address;
    writer.put(&FileHeader { address, lsn }.encode(MAGIC))?;
    entries.finish(threads, |entry| writer.push(&entry))?;
    writer.finish(data_len)
}

struct IndexWriter {
    out: BufWriter<DiskWriter>,
    path: PathBuf,
    address: TableAddress,
    offset: u64,
    entry_count: u64,
    /// Entries of the block under construction.
    entries: ByteWriter,
}

impl IndexWriter {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.out.write_all(bytes);
        written.map_err(|error| Error::io("write", &self.path, error))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn push(&mut self, entry: &Entry) -> Result<()> {
        entry.encode(&mut self.entries);
        self.entry_count += 1;
        if self.entries.len() == INDEX_BLOCK_ENTRIES * ENTRY_LEN {
            self.end_block()?;
        }
        Ok(())
    }

    fn end_block(&mut self) -> Result<()> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let count = self.entries.len() / ENTRY_LEN;
        let mut w = ByteWriter::new();
        w.u32(u32::try_from(count).unwrap_or(u32::MAX));
        w.u32(0);
        w.raw(self.entries.as_slice());
        w.raw(&vec![0; INDEX_BLOCK_LEN - CRC_LEN - w.len()]);
        seal(&mut w, self.address.seed(self.offset));
        self.entries.clear();
        self.put(w.as_slice())
    }

    fn finish(mut self, data_len: u64) -> Result<()> {
        self.end_block()?;
        let mut w = ByteWriter::new();
        w.raw(TRAILER_MAGIC);
        w.u64(self.entry_count);
        w.u64(data_len);
        seal(&mut w, self.address.seed(self.offset));
        self.put(w.as_slice())?;
        let flushed = self.out.flush();
        flushed.map_err(|error| Error::io("write", &self.path, error))
    }
}

/// The last bytes of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexTrailer {
    /// Entries of all blocks.
    pub entry_count: u64,
    /// Bytes of the data when the index was written.
    pub data_len: u64,
}

/// Header and trailer of an index whose blocks were not read yet.
pub(super) struct IndexEnds {
    pub header: Result<FileHeader, Damage>,
    pub trailer: Result<IndexTrailer, Damage>,
    /// File offset of the trailer: the end of the blocks.
    pub trailer_offset: u64,
}

impl IndexEnds {
    /// Reads both ends of an index.
    ///
    /// # Errors
    /// `Truncated` when the blocks between them are not whole; I/O errors.
    pub(super) fn read(file: &SourceFile, address: TableAddress) -> Result<Self> {
        const ENDS_LEN: u64 = (FILE_HEADER_LEN + INDEX_TRAILER_LEN) as u64;
        let blocks_len = file.len().checked_sub(ENDS_LEN);
        if blocks_len.is_none_or(|len| len % INDEX_BLOCK_LEN as u64 != 0) {
            let found = format!("a file of {} bytes", file.len());
            let expected = format!("{ENDS_LEN} and a multiple of {INDEX_BLOCK_LEN}");
            let code = Code::Truncated;
            return Err(Error::damage(file.path(), 0, code, found, expected));
        }
        let trailer_offset = file.len() - INDEX_TRAILER_LEN as u64;
        let mut bytes = [0; INDEX_TRAILER_LEN];
        file.read_exact_at(&mut bytes, trailer_offset)?;
        let piece = Piece {
            path: file.path(),
            offset: trailer_offset,
            bytes: &bytes,
        };
        Ok(IndexEnds {
            header: FileHeader::read(file, MAGIC, address)?,
            trailer: IndexTrailer::decode(&piece, &address),
            trailer_offset,
        })
    }
}

impl IndexTrailer {
    fn decode(piece: &Piece<'_>, address: &TableAddress) -> Result<Self, Damage> {
        let mut fields = piece.open(TRAILER_MAGIC, address.seed(piece.offset))?;
        Ok(IndexTrailer {
            entry_count: fields.read(Cursor::u64)?,
            data_len: fields.read(Cursor::u64)?,
        })
    }
}

/// The blocks of an index, in order.
pub(super) struct IndexBlocks {
    window: Window,
    address: TableAddress,
}

impl IndexBlocks {
    /// All blocks between header and trailer.
    pub(super) fn new(file: &Arc<SourceFile>, address: TableAddress, end: u64) -> Self {
        IndexBlocks {
            window: Window::new(file.clone(), FILE_HEADER_LEN as u64..end),
            address,
        }
    }

    /// File offset after the block read last.
    pub(super) fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// Reads the next block and adds its entries; false after the last one. A
    /// damaged block is passed over by the next call.
    ///
    /// # Errors
    /// When it is damaged; I/O errors.
    pub(super) fn next(&mut self, entries: &mut Vec<Entry>) -> Result<bool> {
        if self.window.remaining() == 0 {
            return Ok(false);
        }
        self.window.fill(INDEX_BLOCK_LEN)?;
        let piece = Piece {
            path: self.window.file().path(),
            offset: self.window.offset(),
            bytes: self
                .window
                .buffered()
                .get(..INDEX_BLOCK_LEN)
                .unwrap_or_default(),
        };
        let read = read_block(&piece, &self.address, entries);
        self.window.consume(INDEX_BLOCK_LEN);
        Ok(read.map(|()| true)?)
    }
}

fn read_block(
    piece: &Piece<'_>,
    address: &TableAddress,
    entries: &mut Vec<Entry>,
) -> Result<(), Damage> {
    let (covered, crc) = piece.bytes.split_last_chunk().unwrap_or((&[], &[0; 4]));
    let mut computed = address.seed(piece.offset);
    computed.update(covered);
    check_crc(piece, covered.len(), computed, u32::from_le_bytes(*crc))?;
    let mut c = Cursor::new(covered);
    let mut head = || Ok((c.u32()?, c.u32()?));
    let (count, zeros) = head().map_err(|flaw| piece.flaw(flaw))?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count == 0 || count > INDEX_BLOCK_ENTRIES || zeros != 0 {
        let found = format!("{count} entries, then {zeros}");
        let expected = format!("1 to {INDEX_BLOCK_ENTRIES}, then 0");
        return Err(piece.damage(0, Code::BadLength, found, expected));
    }
    for _ in 0..count {
        entries.push(Entry::decode(&mut c).map_err(|flaw| piece.flaw(flaw))?);
    }
    let at = c.position();
    let rest = covered.get(at..).unwrap_or_default();
    if rest.iter().any(|byte| *byte != 0) {
        let found = "bytes after the last entry";
        return Err(piece.damage(at, Code::OutOfRange, found, "zeros"));
    }
    Ok(())
}
