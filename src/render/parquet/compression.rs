//! How pages are compressed.

use std::io;

use parquet::basic::{Compression, ZstdLevel};

/// Of Zstandard.
const LEVEL: i32 = 1;

/// How pages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ParquetCompression {
    /// Not at all.
    None,
    /// Snappy, which every reader knows.
    #[default]
    Snappy,
    /// Zstandard, which takes less room.
    Zstd,
}

impl ParquetCompression {
    /// Its name in the format.
    pub(super) fn codec(self) -> Compression {
        match self {
            ParquetCompression::None => Compression::UNCOMPRESSED,
            ParquetCompression::Snappy => Compression::SNAPPY,
            ParquetCompression::Zstd => Compression::ZSTD(ZstdLevel::default()),
        }
    }

    /// The compressed bytes of a page.
    pub(super) fn compress(self, page: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            ParquetCompression::None => Ok(page.to_vec()),
            ParquetCompression::Snappy => {
                let compressed = snap::raw::Encoder::new().compress_vec(page);
                compressed.map_err(io::Error::other)
            }
            ParquetCompression::Zstd => zstd::bulk::compress(page, LEVEL),
        }
    }
}
