//! The pages of a table through the pool, with all changes.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::heap::HeapPage;
use super::overflow::{NO_PAGE, check_overflow};
use super::page_files::{PagePlace, check_len, whole_pages};
use super::page_source::PageSource;
use crate::engine::log::Batch;
use crate::engine::pages::address::Lsn;
use crate::engine::pages::buffer_pool::{BufferPool, PAGE_LEN, PageBytes, PoolFile};
use crate::engine::pages::frame::Piece;
use crate::engine::pages::page::{
    Bounds, PageHeader, PageKind, PagePos, bounds_of, reseal, too_many_pages,
};
use crate::error::{Damage, Error, Result};
use crate::file::{DiskFile, SourceFile, read_error};
use crate::finding::Code;

/// Page files that are kept open.
const OPEN_FILES: usize = 8;

/// Pages of a table: those of its files, and those that changed.
#[derive(Debug)]
pub(super) struct PoolPages {
    place: PagePlace,
    pool: Arc<BufferPool>,
    pages: PoolFile,
    page_count: u32,
    /// Files by index, the one that was opened last at the end.
    open: Mutex<Vec<(u32, Arc<dyn DiskFile>)>>,
}

impl PoolPages {
    /// The pages of a table as its files hold them.
    ///
    /// # Errors
    /// Damage when a file has an impossible length; I/O errors.
    pub(super) fn open(place: PagePlace, pool: &Arc<BufferPool>) -> Result<Self> {
        let file_count = place.file_count();
        let mut page_count = 0;
        for index in 0..file_count {
            let file = SourceFile::open_on(&*place.disk, &place.file(index))?;
            check_len(&file, place.pages_per_file, index + 1 == file_count)?;
            page_count += whole_pages(&file);
        }
        // All numbers but that of no page are good.
        let Ok(page_count) = u32::try_from(page_count) else {
            let found = format!("{file_count} page files");
            let expected = format!("at most {NO_PAGE} pages");
            let code = Code::OutOfRange;
            return Err(Error::damage(&place.dir, 0, code, found, expected));
        };
        Ok(PoolPages {
            place,
            pages: pool.register(),
            pool: pool.clone(),
            page_count,
            open: Mutex::default(),
        })
    }

    /// Where they are.
    pub(super) fn place(&self) -> &PagePlace {
        &self.place
    }

    /// How many there are.
    pub(super) fn page_count(&self) -> u32 {
        self.page_count
    }

    /// A page; `None` beyond the last one.
    ///
    /// # Errors
    /// What is wrong with the page; I/O errors.
    pub(super) fn get(&self, number: u32) -> Result<Option<Arc<PageBytes>>> {
        if number >= self.page_count {
            return Ok(None);
        }
        let load = |bytes: &mut PageBytes| self.load(number, bytes);
        self.pool.get(self.pages, number, load).map(Some)
    }

    fn load(&self, number: u32, bytes: &mut PageBytes) -> Result<()> {
        let (index, in_file) = self.place.split(number);
        let path = self.place.file(index.into());
        let offset = u64::from(in_file) * PAGE_LEN as u64;
        let file = self.file(index)?;
        match file.read_exact_at(bytes, offset) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                let found = "the end of the file";
                return Err(Error::damage(
                    &path,
                    offset,
                    Code::Truncated,
                    found,
                    "a page",
                ));
            }
            read => read.map_err(|error| read_error(&*file, &path, (offset, PAGE_LEN), error))?,
        }
        let page = Piece {
            path: &path,
            offset,
            bytes,
        };
        let bounds = PageHeader::open(&page, &self.place.address, number)?.bounds(&page)?;
        match bounds.kind {
            PageKind::Heap => drop(HeapPage::new(page, bounds)?),
            _ => check_overflow(&page, bounds)?,
        }
        Ok(())
    }

    fn file(&self, index: u32) -> Result<Arc<dyn DiskFile>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = open.iter().find(|(at, _)| *at == index) {
            return Ok(file.clone());
        }
        let file = self.place.disk.open(&self.place.file(index.into()))?;
        if open.len() == OPEN_FILES {
            open.remove(0);
        }
        open.push((index, file.clone()));
        Ok(file)
    }

    /// Replaces a page, or adds one after the last.
    pub(super) fn put(&mut self, number: u32, bytes: Arc<PageBytes>) {
        self.page_count = self.page_count.max(number.saturating_add(1));
        self.pool.put_dirty(self.pages, number, bytes);
    }

    /// The number that a new page gets.
    ///
    /// # Errors
    /// `LimitReached` when none is left.
    pub(super) fn next(&self) -> Result<u32> {
        if self.page_count < NO_PAGE {
            return Ok(self.page_count);
        }
        Err(too_many_pages(&self.place.dir))
    }

    /// A source of all pages.
    pub(super) fn source(&self) -> PoolSource<'_> {
        PoolSource {
            pages: self,
            path: self.place.dir.clone(),
            offset: 0,
            page: None,
        }
    }

    /// Adds the pages that changed to a batch.
    pub(super) fn checkpoint(&self, lsn: Lsn, batch: &mut Batch) {
        for (number, bytes) in self.pool.dirty(self.pages) {
            let mut page = *bytes;
            reseal(&mut page, &self.place.address, PagePos { number, lsn });
            let (index, in_file) = self.place.split(number);
            let offset = u64::from(in_file) * PAGE_LEN as u64;
            batch.write(&self.place.file(index.into()), offset, page.to_vec());
        }
    }

    /// The files hold all pages.
    pub(super) fn checkpointed(&self) {
        self.pool.clean(self.pages);
    }

    /// Bytes of the pages that changed.
    pub(super) fn pending_len(&self) -> usize {
        self.pool.dirty_count(self.pages) * PAGE_LEN
    }
}

impl Drop for PoolPages {
    fn drop(&mut self) {
        self.pool.forget(self.pages);
    }
}

/// Reads pages one after another.
#[derive(Debug, Clone)]
pub(super) struct PoolSource<'p> {
    pages: &'p PoolPages,
    /// File and offset of the page at hand.
    path: PathBuf,
    offset: u64,
    page: Option<Arc<PageBytes>>,
}

impl PageSource for PoolSource<'_> {
    fn place(&self) -> &PagePlace {
        &self.pages.place
    }

    fn load(&mut self, number: u32) -> Result<bool> {
        self.page = self.pages.get(number)?;
        let (index, in_file) = self.pages.place.split(number);
        self.path = self.pages.place.file(index.into());
        self.offset = u64::from(in_file) * PAGE_LEN as u64;
        Ok(self.page.is_some())
    }

    fn at_hand(&self) -> impl Iterator<Item = Piece<'_>> {
        self.page.iter().map(|page| Piece {
            path: &self.path,
            offset: self.offset,
            bytes: &page[..],
        })
    }

    fn bounds(&self, page: &Piece<'_>, _: u32) -> Result<Bounds, Damage> {
        // It was checked when it came into memory.
        Ok(bounds_of(page.bytes))
    }

    fn heap<'a>(&self, page: Piece<'a>, _: u32) -> Result<Option<HeapPage<'a>>, Damage> {
        let bounds = bounds_of(page.bytes);
        let is_heap = bounds.kind == PageKind::Heap;
        Ok(is_heap.then(|| HeapPage::checked_before(page, bounds)))
    }
}
