//! Where the blocks of a table's file start, to read single rows.

use std::sync::Arc;

use super::block::BlockHead;
use crate::engine::pages::address::TableAddress;
use crate::engine::pages::file_header::FILE_HEADER_LEN;
use crate::engine::pages::frame::Piece;
use crate::engine::rows::block::{Block, Head};
use crate::engine::table::{BlockCache, CachedBlock, FileBlocks};
use crate::error::Result;
use crate::file::SourceFile;

/// Every block by the index of its first row: 16 bytes of memory for some 8
/// KB of rows.
#[derive(Debug)]
pub(super) struct BlockDirectory {
    file: Arc<SourceFile>,
    address: TableAddress,
    /// Where the blocks end.
    end: u64,
    /// First row and file offset of each block.
    starts: Vec<(u64, u64)>,
    /// Blocks that were read.
    blocks: FileBlocks,
}

impl BlockDirectory {
    /// Reads the heads of all blocks; their checksums are left to whoever
    /// reads a block.
    ///
    /// # Errors
    /// Damage; I/O errors.
    pub(super) fn read(
        file: &Arc<SourceFile>,
        address: TableAddress,
        end: u64,
        cache: &Arc<BlockCache>,
    ) -> Result<Self> {
        let mut directory = BlockDirectory {
            file: file.clone(),
            address,
            end,
            starts: Vec::new(),
            blocks: FileBlocks::new(cache),
        };
        let mut offset = FILE_HEADER_LEN as u64;
        while offset < end {
            let block = directory.head(offset)?;
            directory
                .starts
                .push((block.head.extent().first_row, offset));
            offset = offset.saturating_add(block.len());
        }
        Ok(directory)
    }

    fn head(&self, offset: u64) -> Result<Block<BlockHead>> {
        let mut bytes = [0; BlockHead::LEN];
        let remaining = self.end.saturating_sub(offset);
        let len = usize::try_from(remaining).unwrap_or(usize::MAX);
        let (there, _) = bytes.split_at_mut(len.min(BlockHead::LEN));
        self.file.read_exact_at(there, offset)?;
        let piece = self.piece(offset, there);
        Ok(Block::<BlockHead>::decode(&piece, remaining)?)
    }

    fn piece<'a>(&'a self, offset: u64, bytes: &'a [u8]) -> Piece<'a> {
        Piece {
            path: self.file.path(),
            offset,
            bytes,
        }
    }

    /// The bytes of a row of `arity` values; `None` when the file has none of
    /// that index.
    ///
    /// # Errors
    /// Damage; I/O errors.
    pub(super) fn row(&self, index: u64, arity: usize) -> Result<Option<Vec<u8>>> {
        let after = self.starts.partition_point(|(first, _)| *first <= index);
        let start = after.checked_sub(1).and_then(|at| self.starts.get(at));
        let Some((first, offset)) = start else {
            return Ok(None);
        };
        let block = self.blocks.get(*offset, || {
            let block = self.head(*offset)?;
            // The length was checked against what the file has.
            let mut bytes = vec![0; usize::try_from(block.len()).unwrap_or(usize::MAX)];
            self.file.read_exact_at(&mut bytes, *offset)?;
            block.check(&self.piece(*offset, &bytes), &self.address)?;
            CachedBlock::new((self.file.path(), *offset), (&block, bytes), arity)
        })?;
        Ok(block.row(index - first).map(<[u8]>::to_vec))
    }
}
