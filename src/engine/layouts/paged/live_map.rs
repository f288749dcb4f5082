//! The free space map in memory. It only offers pages: whoever takes an offer
//! looks at the page itself.

use std::collections::BTreeSet;

use super::free_space_map::{
    MAP_BLOCK_PAGES, MAP_UNIT, MapReader, encode_block, encode_header, entry_of_page, map_path,
};
use super::page_files::{PageFiles, PagePlace};
use super::page_source::PageSource;
use crate::engine::log::Batch;
use crate::engine::pages::address::Lsn;
use crate::error::{Error, Result};
use crate::file::SourceFile;

/// Fewest free bytes of a page that is offered: filling many small gaps would
/// change many pages.
const MIN_OFFER: usize = 1024;

/// The map of a table with all changes.
#[derive(Debug)]
pub(super) struct LiveMap {
    place: PagePlace,
    entries: Vec<u8>,
    /// Blocks that differ from the file.
    changed: BTreeSet<usize>,
    /// Whether there is no file, or one that says nothing.
    is_new: bool,
}

impl LiveMap {
    /// The map of a table of `page_count` pages; one that is missing, damaged
    /// or of another length is made anew from the pages.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn open(place: &PagePlace, page_count: u32) -> Result<Self> {
        let stored = match read(place, page_count) {
            Err(Error::Damage(_)) => None,
            Err(error) if error.is_missing(&map_path(&place.dir)) => None,
            read => Some(read?),
        };
        let is_new = stored.is_none();
        let mut map = LiveMap {
            place: place.clone(),
            entries: stored.unwrap_or_default(),
            changed: BTreeSet::new(),
            is_new,
        };
        if is_new {
            let mut pages = PageFiles::new(place.clone());
            for page in 0..page_count {
                map.set(page, entry_on_disk(&mut pages, page)?);
            }
        }
        Ok(map)
    }

    /// Notes how much room a page has.
    pub(super) fn set(&mut self, page: u32, entry: u8) {
        let at = page as usize;
        if at >= self.entries.len() {
            self.changed.insert(self.entries.len() / MAP_BLOCK_PAGES);
            self.entries.resize(at + 1, 0);
            self.changed.insert(at / MAP_BLOCK_PAGES);
        }
        if let Some(found) = self.entries.get_mut(at)
            && *found != entry
        {
            *found = entry;
            self.changed.insert(at / MAP_BLOCK_PAGES);
        }
    }

    /// A page that may have room for `len` bytes.
    pub(super) fn offer(&self, len: usize) -> Option<u32> {
        let units = len.max(MIN_OFFER).div_ceil(MAP_UNIT);
        let at = self
            .entries
            .iter()
            .position(|entry| usize::from(*entry) >= units)?;
        u32::try_from(at).ok()
    }

    /// The last page that has any room.
    pub(super) fn last_open(&self) -> Option<u32> {
        let at = self.entries.iter().rposition(|entry| *entry > 0)?;
        u32::try_from(at).ok()
    }

    /// Adds what changed to a batch.
    pub(super) fn checkpoint(&self, lsn: Lsn, batch: &mut Batch) {
        let path = map_path(&self.place.dir);
        let address = self.place.address;
        if !self.is_new && self.changed.is_empty() {
            return;
        }
        batch.write(&path, 0, encode_header(address, lsn));
        for block in &self.changed {
            let start = block * MAP_BLOCK_PAGES;
            let rest = self.entries.get(start..).unwrap_or_default();
            let entries = rest.get(..MAP_BLOCK_PAGES).unwrap_or(rest);
            let offset = MapReader::offset_of(start as u64);
            batch.write(&path, offset, encode_block(entries, &address, offset));
        }
        // A damaged one may have been longer.
        if self.is_new {
            let blocks = self.entries.len().div_ceil(MAP_BLOCK_PAGES);
            let after = MapReader::offset_of(self.entries.len() as u64);
            let whole = self.entries.len().is_multiple_of(MAP_BLOCK_PAGES);
            let crc_len = if whole || blocks == 0 { 0 } else { 4 };
            batch.set_len(&path, after + crc_len);
        }
    }

    /// The file holds all changes.
    pub(super) fn checkpointed(&mut self) {
        self.changed.clear();
        self.is_new = false;
    }
}

fn read(place: &PagePlace, page_count: u32) -> Result<Vec<u8>> {
    let file = SourceFile::open_on(&*place.disk, &map_path(&place.dir))?;
    let mut map = MapReader::new(file, place.address);
    map.header()??;
    let mut entries = Vec::new();
    for block in 0..map.block_count() {
        map.load(block)?;
        entries.extend_from_slice(map.block());
    }
    if entries.len() == page_count as usize {
        return Ok(entries);
    }
    let found = format!("entries for {} pages", entries.len());
    let code = crate::finding::Code::CountMismatch;
    let expected = format!("{page_count}");
    Err(Error::damage(map.file().path(), 0, code, found, expected))
}

/// The entry of a page by the page; 0 when it is damaged.
fn entry_on_disk(pages: &mut PageFiles, page: u32) -> Result<u8> {
    let loaded = PageSource::load(pages, page).and_then(|there| {
        let bounds = pages.bounds(&pages.first(), page);
        Ok(if there { entry_of_page(&bounds?) } else { 0 })
    });
    match loaded {
        Err(Error::Damage(_)) => Ok(0),
        entry => entry,
    }
}
