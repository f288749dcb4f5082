//! Blocks of rows that were read and checked, so that whoever looks up one row
//! after another does not read and check all that share its block each time.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::codec::Cursor;
use crate::engine::pages::frame::Piece;
use crate::engine::rows::block::{Block, Head};
use crate::engine::rows::codec::walk_row;
use crate::error::Result;

/// Fewest bytes of a cache: the widest block of several rows fits.
const MIN_CAPACITY: usize = 128 * 1024;

/// The rows of one block.
#[derive(Debug)]
pub(in crate::engine) struct CachedBlock {
    /// Index in the table of the first one.
    pub first_row: u64,
    /// The block as it stands in its file, whose head takes `head_len` bytes.
    bytes: Vec<u8>,
    head_len: usize,
    /// Where each row ends, from the end of the head on.
    row_ends: Vec<u32>,
}

impl CachedBlock {
    /// The rows of a block at an offset of a file, whose checksum is right.
    ///
    /// # Errors
    /// Damage: behind the head there are no such rows.
    pub(in crate::engine) fn new<H: Head>(
        (path, offset): (&Path, u64),
        (block, bytes): (&Block<H>, Vec<u8>),
        arity: usize,
    ) -> Result<Self> {
        let extent = block.head.extent();
        let rows = Piece {
            path,
            offset: offset.saturating_add(H::LEN as u64),
            bytes: bytes.get(H::LEN..).unwrap_or_default(),
        };
        let mut c = Cursor::new(rows.bytes);
        // As many rows were checked to fit into the block.
        let mut row_ends = Vec::with_capacity(usize::try_from(extent.row_count).unwrap_or(0));
        for _ in 0..extent.row_count {
            walk_row(&mut c, arity).map_err(|flaw| rows.flaw(flaw))?;
            // No block is as long as that.
            row_ends.push(u32::try_from(c.position()).unwrap_or(u32::MAX));
        }
        Ok(CachedBlock {
            first_row: extent.first_row,
            bytes,
            head_len: H::LEN,
            row_ends,
        })
    }

    /// A block without rows.
    pub(in crate::engine) fn empty() -> Self {
        CachedBlock {
            first_row: 0,
            bytes: Vec::new(),
            head_len: 0,
            row_ends: Vec::new(),
        }
    }

    /// A row by its position in the block; `None` when there is none.
    pub(in crate::engine) fn row(&self, position: u64) -> Option<&[u8]> {
        let position = usize::try_from(position).ok()?;
        let end = |position: usize| usize::try_from(*self.row_ends.get(position)?).ok();
        let before = position.checked_sub(1);
        let start = before.map_or(Some(0), end)?;
        let rows = self.bytes.get(self.head_len..)?;
        rows.get(start..end(position)?)
    }

    /// Bytes that it takes.
    fn len(&self) -> usize {
        size_of::<Self>() + self.bytes.len() + self.row_ends.len() * size_of::<u32>()
    }
}

/// Blocks of the tables of a store; the one that was not used for longest goes
/// first.
#[derive(Debug)]
pub(in crate::engine) struct BlockCache {
    capacity: usize,
    state: Mutex<State>,
}

/// A file and an offset in it.
type Place = (u64, u64);

#[derive(Debug, Default)]
struct State {
    files: u64,
    blocks: BTreeMap<Place, (Arc<CachedBlock>, u64)>,
    /// Which block was used at which tick last.
    used: BTreeMap<u64, Place>,
    tick: u64,
    len: usize,
}

impl BlockCache {
    /// A cache of so many bytes.
    pub(in crate::engine) fn new(capacity: usize) -> Self {
        BlockCache {
            capacity: capacity.max(MIN_CAPACITY),
            state: Mutex::default(),
        }
    }

    /// No code that holds the lock can fail half-way.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The blocks of one file, none of which ever changes.
#[derive(Debug)]
pub(in crate::engine) struct FileBlocks {
    cache: Arc<BlockCache>,
    file: u64,
}

impl FileBlocks {
    /// A file of which nothing was read yet.
    pub(in crate::engine) fn new(cache: &Arc<BlockCache>) -> Self {
        let mut state = cache.state();
        state.files += 1;
        FileBlocks {
            cache: cache.clone(),
            file: state.files,
        }
    }

    /// The block at an offset, which `read` gives when it is not in memory.
    ///
    /// # Errors
    /// Those of `read`.
    pub(in crate::engine) fn get(
        &self,
        offset: u64,
        read: impl FnOnce() -> Result<CachedBlock>,
    ) -> Result<Arc<CachedBlock>> {
        let place = (self.file, offset);
        if let Some(block) = self.cache.state().touch(place) {
            return Ok(block);
        }
        let block = Arc::new(read()?);
        let mut state = self.cache.state();
        state.insert(place, block.clone());
        while state.len > self.cache.capacity {
            let Some((_, oldest)) = state.used.pop_first() else {
                break;
            };
            state.remove(oldest);
        }
        Ok(block)
    }
}

impl Drop for FileBlocks {
    fn drop(&mut self) {
        let mut state = self.cache.state();
        let places = state.blocks.range((self.file, 0)..=(self.file, u64::MAX));
        let places: Vec<Place> = places.map(|(place, _)| *place).collect();
        places.into_iter().for_each(|place| state.remove(place));
    }
}

impl State {
    fn touch(&mut self, place: Place) -> Option<Arc<CachedBlock>> {
        self.tick += 1;
        let (block, used) = self.blocks.get_mut(&place)?;
        self.used.remove(used);
        *used = self.tick;
        self.used.insert(self.tick, place);
        Some(block.clone())
    }

    fn insert(&mut self, place: Place, block: Arc<CachedBlock>) {
        self.remove(place);
        self.tick += 1;
        self.len += block.len();
        self.used.insert(self.tick, place);
        self.blocks.insert(place, (block, self.tick));
    }

    fn remove(&mut self, place: Place) {
        if let Some((block, used)) = self.blocks.remove(&place) {
            self.used.remove(&used);
            self.len = self.len.saturating_sub(block.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(len: usize) -> CachedBlock {
        CachedBlock {
            first_row: 0,
            bytes: vec![7; 4 + len],
            head_len: 4,
            row_ends: vec![1, u32::try_from(len).unwrap()],
        }
    }

    #[test]
    fn the_block_that_was_not_used_for_longest_goes_first() {
        let cache = Arc::new(BlockCache::new(0));
        let file = FileBlocks::new(&cache);
        let third = MIN_CAPACITY / 3;
        let get = |offset: u64| {
            let mut read = false;
            let found = file.get(offset, || {
                read = true;
                Ok(block(third - 1000))
            });
            assert_eq!(found.unwrap().row(1).unwrap().len(), third - 1001);
            read
        };
        let read = [1, 2, 3, 1, 2, 3, 1, 4, 2, 1, 3].map(get);
        let expected = [
            true, true, true, false, false, false, false, true, true, false, true,
        ];
        assert_eq!(read, expected);
        drop(file);
        assert_eq!(cache.state().len, 0);
        assert!(cache.state().used.is_empty());
    }

    #[test]
    fn rows_come_by_their_position() {
        let block = block(3);
        assert_eq!(block.row(0), Some(&[7][..]));
        assert_eq!(block.row(1), Some(&[7, 7][..]));
        assert_eq!(block.row(2), None);
        assert_eq!(CachedBlock::empty().row(0), None);
    }
}
