//! A fixed number of pages in memory, shared by all tables of a store.
//!
//! A page is pinned while somebody holds its [`Arc`]. A dirty page stays until
//! a checkpoint has carried it to its file: nothing is written in between.

use std::sync::Arc;

use crate::error::Result;

/// Bytes of a page.
pub(super) const PAGE_LEN: usize = 8192;

/// The bytes of one page.
pub(super) type PageBytes = [u8; PAGE_LEN];

/// Names a file of pages to the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PoolFile(u32);

/// Pages in memory.
#[derive(Debug)]
pub struct BufferPool {
    capacity: usize,
}

impl BufferPool {
    /// A pool of `capacity` frames of 8 KB, at least 16.
    pub fn new(capacity: usize) -> Self {
        BufferPool {
            capacity: capacity.max(16),
        }
    }

    /// A name for one more file.
    pub(super) fn register(&self) -> PoolFile {
        todo!()
    }

    /// A page; `load` fills and checks it when it is not in memory.
    ///
    /// # Errors
    /// Those of `load`.
    pub(super) fn get(
        &self,
        file: PoolFile,
        page: u32,
        load: impl FnOnce(&mut PageBytes) -> Result<()>,
    ) -> Result<Arc<PageBytes>> {
        let _ = (file, page, load, self.capacity);
        todo!()
    }

    /// Puts in a page that differs from its file.
    pub(super) fn put_dirty(&self, file: PoolFile, page: u32, bytes: Arc<PageBytes>) {
        let _ = (file, page, bytes);
        todo!()
    }

    /// The dirty pages of a file, in order.
    pub(super) fn dirty(&self, file: PoolFile) -> Vec<(u32, Arc<PageBytes>)> {
        let _ = file;
        todo!()
    }

    /// How many pages of a file are dirty.
    pub(super) fn dirty_count(&self, file: PoolFile) -> usize {
        let _ = file;
        todo!()
    }

    /// The file holds all its pages: none of them is dirty.
    pub(super) fn clean(&self, file: PoolFile) {
        let _ = file;
        todo!()
    }

    /// Drops every page of a file.
    pub(super) fn forget(&self, file: PoolFile) {
        let _ = file;
        todo!()
    }
}
