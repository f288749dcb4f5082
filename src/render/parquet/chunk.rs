//! One column of a row group under construction: its pages, in memory.

use std::io::{self, Read};

use bytes::Bytes;
use parquet::basic::{Encoding, PageType, Type as Physical};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use crate::postgres::PgType;

use super::bounds::Bounds;
use super::compression::ParquetCompression;
use super::dictionary::Dictionary;
use super::hybrid::{push_bits, push_hybrid, width_of};
use super::kind::{ParquetColumn, physical};
use super::values::ColumnValues;

/// Bytes of the number of a value in a dictionary, until its page is written.
const NUMBER_LEN: usize = 4;
/// Room for the header of a page.
const HEADER_LEN: usize = 64;

/// The values of one column in a row group.
pub(super) struct Chunk {
    of: ColumnDescPtr,
    physical: Physical,
    compression: ParquetCompression,
    /// Bytes at which a page ends.
    page_len: usize,
    page: PageRows,
    /// Of columns that have one; it goes before all pages.
    dictionary: Option<Dictionary>,
    /// Whether values still get numbers of it.
    is_numbered: bool,
    bounds: Bounds,
    written: Written,
    rows: u64,
    nulls: u64,
}

/// The rows of the page at hand.
#[derive(Default)]
struct PageRows {
    rows: usize,
    /// 1 a row with a value, 0 a NULL; of a column that may hold NULL.
    levels: Vec<u8>,
    /// Values, a byte for each truth value.
    plain: Vec<u8>,
    /// Or their numbers in the dictionary.
    numbers: Vec<u32>,
}

/// Pages that are complete.
#[derive(Default)]
struct Written {
    pages: Vec<Bytes>,
    /// Bytes of them, headers included.
    len: usize,
    uncompressed: usize,
    /// How many data pages have numbers, and how many values.
    numbered: i32,
    plain: i32,
}

impl Chunk {
    pub(super) fn new(
        of: ColumnDescPtr,
        column: &ParquetColumn,
        compression: ParquetCompression,
        page_len: usize,
    ) -> Self {
        let physical = physical(&column.of);
        let is_numbered = !column.distinct && physical != Physical::BOOLEAN;
        Chunk {
            of,
            physical,
            compression,
            page_len,
            page: PageRows::default(),
            dictionary: is_numbered.then(Dictionary::new),
            is_numbered,
            bounds: Bounds::new(physical, column.of == PgType::Uuid),
            written: Written::default(),
            rows: 0,
            nulls: 0,
        }
    }

    /// Adds the rows from one position to another.
    pub(super) fn write(&mut self, values: &ColumnValues, range: (usize, usize)) -> Result<()> {
        let values = values.rows(range);
        let rows = values.levels.map_or(values.count, <[u8]>::len);
        self.rows = self.rows.saturating_add(rows as u64);
        self.nulls = self.nulls.saturating_add((rows - values.count) as u64);
        self.bounds.add(&values);
        self.page.rows = self.page.rows.saturating_add(rows);
        self.page
            .levels
            .extend_from_slice(values.levels.unwrap_or_default());
        match self.dictionary.as_mut().filter(|_| self.is_numbered) {
            Some(dictionary) => {
                let numbers = &mut self.page.numbers;
                values.each(|value| numbers.push(dictionary.number(value)));
                if dictionary.is_vain(self.page_len) {
                    dictionary.seal();
                    self.end_page()?;
                    self.is_numbered = false;
                }
            }
            None => self.page.plain.extend_from_slice(values.bytes),
        }
        match self.page.len() >= self.page_len {
            true => self.end_page(),
            false => Ok(()),
        }
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        let dictionary = self.dictionary.as_ref();
        let dictionary = dictionary.map_or(0, |dictionary| dictionary.bytes.len());
        let open = self.page.len().saturating_add(dictionary);
        self.written.len.saturating_add(open)
    }

    fn end_page(&mut self) -> Result<()> {
        let page = &mut self.page;
        if page.rows == 0 {
            return Ok(());
        }
        let mut body = Vec::with_capacity(page.len());
        if self.of.max_def_level() > 0 {
            body.extend_from_slice(&[0; 4]);
            push_hybrid(&mut body, &page.levels, 1);
            if let Some((len, levels)) = body.split_first_chunk_mut() {
                *len = u32::try_from(levels.len())
                    .unwrap_or(u32::MAX)
                    .to_le_bytes();
            }
        }
        let dictionary = self.dictionary.as_ref().filter(|_| self.is_numbered);
        let encoding = match dictionary {
            Some(dictionary) => {
                let most = dictionary.len().saturating_sub(1);
                let width = width_of(u32::try_from(most).unwrap_or(u32::MAX));
                let [byte, ..] = width.to_le_bytes();
                body.push(byte);
                push_hybrid(&mut body, &page.numbers, width);
                self.written.numbered += 1;
                Encoding::RLE_DICTIONARY
            }
            None => {
                match self.physical {
                    Physical::BOOLEAN => {
                        push_bits(&mut body, page.plain.iter().map(|bit| (*bit).into()), 1);
                    }
                    _ => body.extend_from_slice(&page.plain),
                }
                self.written.plain += 1;
                Encoding::PLAIN
            }
        };
        let num_values = u32::try_from(page.rows).map_err(|_| too_long(page.rows))?;
        let (buf, len) = (self.compression.compress(&body)?, body.len());
        let written = Page::DataPage {
            buf: buf.into(),
            num_values,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let page = self.written.add(written, len)?;
        self.written.pages.push(page);
        self.page.clear();
        Ok(())
    }

    /// Writes what is left: the bytes, and what the footer says of them.
    pub(super) fn finish(mut self) -> Result<(ChunkPages, ColumnCloseResult)> {
        self.end_page()?;
        let mut encodings = vec![Encoding::RLE, Encoding::PLAIN];
        let mut stats = Vec::new();
        let mut stat = |page_type, encoding, count| {
            if count > 0 {
                stats.push(PageEncodingStats {
                    page_type,
                    encoding,
                    count,
                });
            }
        };
        let dictionary = self
            .dictionary
            .as_ref()
            .filter(|_| self.written.numbered > 0);
        let dictionary_len = match dictionary {
            Some(dictionary) => {
                encodings.push(Encoding::RLE_DICTIONARY);
                stat(PageType::DICTIONARY_PAGE, Encoding::PLAIN, 1);
                let written = Page::DictionaryPage {
                    buf: self.compression.compress(&dictionary.bytes)?.into(),
                    num_values: u32::try_from(dictionary.len()).unwrap_or(u32::MAX),
                    encoding: Encoding::PLAIN,
                    is_sorted: false,
                };
                let page = self.written.add(written, dictionary.bytes.len())?;
                let len = page.len();
                self.written.pages.insert(0, page);
                Some(len)
            }
            None => None,
        };
        stat(
            PageType::DATA_PAGE,
            Encoding::RLE_DICTIONARY,
            self.written.numbered,
        );
        stat(PageType::DATA_PAGE, Encoding::PLAIN, self.written.plain);
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let rows = i64::try_from(self.rows).unwrap_or(i64::MAX);
        let metadata = ColumnChunkMetaData::builder(self.of)
            .set_compression(self.compression.codec())
            .set_encodings(encodings)
            .set_page_encoding_stats(stats)
            .set_total_compressed_size(number(self.written.len))
            .set_total_uncompressed_size(number(self.written.uncompressed))
            .set_num_values(rows)
            .set_dictionary_page_offset(dictionary_len.map(|_| 0))
            .set_data_page_offset(number(dictionary_len.unwrap_or(0)))
            .set_statistics(self.bounds.statistics(self.nulls))
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: self.written.len as u64,
            rows_written: self.rows,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok((ChunkPages(self.written.pages), close))
    }
}

impl PageRows {
    /// Bytes, before they are encoded.
    fn len(&self) -> usize {
        let numbers = self.numbers.len().saturating_mul(NUMBER_LEN);
        let values = self.plain.len().saturating_add(numbers);
        values.saturating_add(self.levels.len())
    }

    fn clear(&mut self) {
        self.rows = 0;
        self.levels.clear();
        self.plain.clear();
        self.numbers.clear();
    }
}

impl Written {
    /// Counts a page; its bytes with their header. `len` is that of its body before it
    /// was compressed.
    fn add(&mut self, page: Page, len: usize) -> Result<Bytes> {
        // The header counts in 31 bits.
        i32::try_from(len.max(page.buffer().len())).map_err(|_| too_long(len))?;
        let page = CompressedPage::new(page, len);
        let room = page.compressed_size().saturating_add(HEADER_LEN);
        let mut out = TrackedWrite::new(Vec::with_capacity(room));
        let spec = SerializedPageWriter::new(&mut out).write_page(page)?;
        self.len = self.len.saturating_add(spec.compressed_size);
        self.uncompressed = self.uncompressed.saturating_add(spec.uncompressed_size);
        Ok(out.into_inner()?.into())
    }
}

fn too_long(len: usize) -> ParquetError {
    ParquetError::General(format!(
        "found {len} in one page, expected at most {}; choose other tables with --table, or --format csv",
        i32::MAX
    ))
}

/// The pages of a column, to be read once.
pub(super) struct ChunkPages(Vec<Bytes>);

impl Length for ChunkPages {
    fn len(&self) -> u64 {
        self.0.iter().map(|page| page.len() as u64).sum()
    }
}

impl ChunkReader for ChunkPages {
    type T = ChunkBytes;

    /// All of them: nobody asks for less.
    fn get_read(&self, _: u64) -> Result<ChunkBytes> {
        Ok(ChunkBytes {
            page: Bytes::new(),
            rest: self.0.clone().into_iter(),
        })
    }

    fn get_bytes(&self, _: u64, _: usize) -> Result<Bytes> {
        Err(ParquetError::General("internal: read in parts".into()))
    }
}

/// Bytes of pages, one after the other.
pub(super) struct ChunkBytes {
    page: Bytes,
    rest: std::vec::IntoIter<Bytes>,
}

impl Read for ChunkBytes {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.page.is_empty() {
            match self.rest.next() {
                Some(page) => self.page = page,
                None => return Ok(0),
            }
        }
        let len = out.len().min(self.page.len());
        let bytes = self.page.split_to(len);
        if let Some(room) = out.get_mut(..len) {
            room.copy_from_slice(&bytes);
        }
        Ok(len)
    }
}
