//! Writes pages one after another, many at a time.

use std::sync::Arc;

use super::overflow::NO_PAGE;
use super::page_files::PagePlace;
use crate::engine::pages::buffer_pool::PAGE_LEN;
use crate::engine::pages::page::too_many_pages;
use crate::error::{Error, Result};
use crate::file::{DiskFile, WriteBack};

/// Bytes gathered before they are written out.
const RUN_LEN: usize = 128 * PAGE_LEN;

/// The page files of a new table.
#[derive(Debug)]
pub(super) struct PageAppender {
    place: PagePlace,
    /// The file under construction, if its first page was written out.
    file: Option<Arc<dyn DiskFile>>,
    /// Pages that were not written out yet.
    gathered: Vec<u8>,
    /// The page that comes next.
    next: u32,
    write_back: WriteBack,
}

impl PageAppender {
    /// No pages yet.
    pub(super) fn new(place: PagePlace) -> Self {
        PageAppender {
            place,
            file: None,
            gathered: Vec::with_capacity(RUN_LEN),
            next: 0,
            write_back: WriteBack::default(),
        }
    }

    /// The number that the next page gets.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// Adds a page.
    ///
    /// # Errors
    /// `LimitReached` when no number is left for it; I/O errors.
    pub(super) fn push(&mut self, page: &[u8]) -> Result<()> {
        if self.next == NO_PAGE {
            return Err(too_many_pages(&self.place.dir));
        }
        self.gathered.extend_from_slice(page);
        self.next += 1;
        let file_ends = self.place.split(self.next).1 == 0;
        if self.gathered.len() >= RUN_LEN || file_ends {
            self.flush()?;
        }
        if file_ends {
            self.file = None;
        }
        Ok(())
    }

    /// Replaces a page that was added before.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn replace(&mut self, number: u32, page: &[u8]) -> Result<()> {
        let from_end = usize::try_from(self.next - number).unwrap_or(usize::MAX);
        let at = self
            .gathered
            .len()
            .checked_sub(from_end.saturating_mul(PAGE_LEN));
        if let Some(at) = at {
            crate::engine::pages::page::put(&mut self.gathered, at, page);
            return Ok(());
        }
        let (index, in_file) = self.place.split(number);
        let path = self.place.file(index.into());
        let older;
        let file = match &self.file {
            Some(file) if index == self.place.split(self.next).0 => file,
            _ => {
                older = self.place.disk.open_write(&path)?;
                &older
            }
        };
        let written = file.write_all_at(page, u64::from(in_file) * PAGE_LEN as u64);
        written.map_err(|error| Error::io("write", &path, error))
    }

    /// Writes out what was gathered; all of it belongs to one file.
    ///
    /// # Errors
    /// I/O errors.
    fn flush(&mut self) -> Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let gathered = u32::try_from(self.gathered.len() / PAGE_LEN).unwrap_or(u32::MAX);
        let (index, in_file) = self.place.split(self.next - gathered);
        let path = self.place.file(index.into());
        let file = match self.file.take() {
            Some(file) => file,
            None => self.place.disk.create(&path)?,
        };
        let written = file.write_all_at(&self.gathered, u64::from(in_file) * PAGE_LEN as u64);
        written
            .and_then(|()| self.write_back.wrote(&file, self.gathered.len()))
            .map_err(|error| Error::io("write", &path, error))?;
        self.file = Some(file);
        self.gathered.clear();
        Ok(())
    }

    /// Writes out the rest.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn finish(mut self) -> Result<()> {
        self.flush()?;
        let finished = self.write_back.finish();
        finished.map_err(|error| Error::io("write", &self.place.dir, error))
    }
}
