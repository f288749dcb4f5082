//! Finding room for rows, and ending them where they are.

use std::sync::Arc;

use super::free_space_map::entry_of_page;
use super::heap::{MAX_TUPLE_LEN, RowPlace, SLOT_LEN, State, slot_count};
use super::heap_edit::{HeapEdit, fits};
use super::live_map::LiveMap;
use super::overflow::{NO_PAGE, NewOverflowPage, PART_LEN, ROW_HEAD_LEN, encode_head, inline_len};
use super::page_files::PagePlace;
use super::pool_pages::{PoolPages, PoolSource};
use crate::engine::log::Batch;
use crate::engine::pages::address::Lsn;
use crate::engine::pages::buffer_pool::{PAGE_LEN, PageBytes};
use crate::engine::pages::page::{PageKind, PagePos, bounds_of};
use crate::error::{Error, Result};
use crate::finding::Code;

/// A page and its number.
type Numbered = (u32, Arc<PageBytes>);

/// The pages of a table, and what is known of their room.
#[derive(Debug)]
pub(super) struct RowPages {
    pages: PoolPages,
    /// `None` in a directory that is not written.
    map: Option<LiveMap>,
    /// The heap page that new rows go to while it has room.
    current: Option<u32>,
}

impl RowPages {
    /// Pages and their map.
    pub(super) fn new(pages: PoolPages, map: Option<LiveMap>) -> Self {
        RowPages {
            current: map.as_ref().and_then(LiveMap::last_open),
            pages,
            map,
        }
    }

    /// Where they are.
    pub(super) fn place(&self) -> &PagePlace {
        self.pages.place()
    }

    /// How many there are.
    pub(super) fn page_count(&self) -> u32 {
        self.pages.page_count()
    }

    /// A page; `None` beyond the last one.
    ///
    /// # Errors
    /// What is wrong with the page; I/O errors.
    pub(super) fn get(&self, number: u32) -> Result<Option<Arc<PageBytes>>> {
        self.pages.get(number)
    }

    /// A source of all pages.
    pub(super) fn source(&self) -> PoolSource<'_> {
        self.pages.source()
    }

    /// Stores a row of a state that says whether it is wide. Its chain names
    /// `owner`, or the place where its head goes.
    ///
    /// # Errors
    /// Damage when it cannot be stored `at` the place that the log states; I/O
    /// errors.
    pub(super) fn store(
        &mut self,
        row: &[u8],
        (state, owner): (State, Option<RowPlace>),
        at: Option<RowPlace>,
    ) -> Result<RowPlace> {
        if matches!(state, State::Row | State::MovedRow) {
            return self.store_tuple(row, state, at);
        }
        let inline = row.split_at_checked(inline_len(row.len()));
        let (inline, rest) = inline.unwrap_or((row, &[]));
        let (number, page) = self.page_for(ROW_HEAD_LEN + inline.len(), at)?;
        let row_len = u32::try_from(row.len()).unwrap_or(u32::MAX);
        // The heap page may be new itself.
        let first = self.pages.next()?.max(number.saturating_add(1));
        let head = encode_head(row_len, first);
        let place = self.push((number, page), state, [&head, inline]);
        self.push_chain(owner.unwrap_or(place), row_len, rest)?;
        Ok(place)
    }

    fn store_tuple(
        &mut self,
        tuple: &[u8],
        state: State,
        at: Option<RowPlace>,
    ) -> Result<RowPlace> {
        let page = self.page_for(tuple.len(), at)?;
        Ok(self.push(page, state, [tuple, &[]]))
    }

    /// Adds a tuple to a page that has room.
    fn push(&mut self, (page, mut bytes): Numbered, state: State, parts: [&[u8]; 2]) -> RowPlace {
        let mut edit = HeapEdit::new(Arc::make_mut(&mut bytes));
        let slot = edit.next_slot();
        edit.push(state, parts);
        self.put(page, bytes);
        self.current = Some(page);
        RowPlace { page, slot }
    }

    /// Adds the rest of a wide row after the last page.
    fn push_chain(&mut self, owner: RowPlace, row_len: u32, rest: &[u8]) -> Result<()> {
        let mut parts = rest.chunks(PART_LEN).peekable();
        for position in 0.. {
            let Some(part) = parts.next() else {
                break;
            };
            let number = self.pages.next()?;
            let part = NewOverflowPage {
                owner: (owner.page, owner.slot),
                position,
                next: parts.peek().map_or(NO_PAGE, |_| number.saturating_add(1)),
                row_len,
                part,
            };
            let mut page = [0; PAGE_LEN];
            let address = &self.pages.place().address;
            part.encode(
                &mut page,
                address,
                PagePos {
                    number,
                    lsn: Lsn::default(),
                },
            );
            self.put(number, Arc::new(page));
        }
        Ok(())
    }

    /// Puts a page back, and notes its room.
    fn put(&mut self, number: u32, page: Arc<PageBytes>) {
        if let Some(map) = &mut self.map {
            map.set(number, entry_of_page(&bounds_of(&*page)));
        }
        self.pages.put(number, page);
    }

    /// The page that a tuple of `len` bytes goes to: the one that the log
    /// states, the current one, one that the map offers, or a new one.
    fn page_for(&mut self, len: usize, at: Option<RowPlace>) -> Result<Numbered> {
        if let Some(at) = at {
            return self.page_of_log(at, len);
        }
        if let Some(number) = self.current
            && let Some(page) = self.with_room(number, len)?
        {
            return Ok((number, page));
        }
        while let Some(number) = self.offer(len) {
            if let Some(page) = self.with_room(number, len)? {
                return Ok((number, page));
            }
            // The map is wrong, and does not offer the page again.
            let page = self.pages.get(number)?;
            let entry = page.map_or(0, |page| entry_of_page(&bounds_of(&*page)));
            if let Some(map) = &mut self.map {
                map.set(number, entry);
            }
        }
        Ok((self.pages.next()?, empty_heap()))
    }

    fn offer(&self, len: usize) -> Option<u32> {
        self.map.as_ref()?.offer(len + SLOT_LEN)
    }

    /// A page, if it is a heap page with room for a tuple.
    fn with_room(&self, number: u32, len: usize) -> Result<Option<Arc<PageBytes>>> {
        let page = self.pages.get(number)?;
        Ok(page.filter(|page| {
            let bounds = bounds_of(&page[..]);
            bounds.kind == PageKind::Heap && fits(&bounds, len)
        }))
    }

    fn page_of_log(&self, at: RowPlace, len: usize) -> Result<Numbered> {
        let page = match at.page == self.pages.next()? {
            true => Some(empty_heap()),
            false => self.with_room(at.page, len)?,
        };
        let page = page.filter(|page| slot_count(bounds_of(&page[..]).lower) == at.slot);
        page.map(|page| (at.page, page)).ok_or_else(|| {
            let found = format!("a row of the log in slot {} of page {}", at.slot, at.page);
            self.damage(at.page, found, "a page with room and that slot next")
        })
    }

    /// Replaces the tuple of a visible row by that of its ended version: in its
    /// page, or elsewhere; says where then.
    ///
    /// # Errors
    /// Damage when it cannot have `moved` to where the log says; I/O errors.
    pub(super) fn end(
        &mut self,
        place: RowPlace,
        mut page: Arc<PageBytes>,
        (state, ended): (State, &[u8]),
        moved: Option<RowPlace>,
    ) -> Result<Option<RowPlace>> {
        let too_long = ended.len() > MAX_TUPLE_LEN;
        if !too_long && moved.is_none() {
            let mut edit = HeapEdit::new(Arc::make_mut(&mut page));
            if edit.replace(place.slot, state, [ended, &[]]) {
                self.put(place.page, page);
                return Ok(None);
            }
        }
        // A row that filled its page becomes a wide one; a head never does.
        let target = match too_long {
            true => self.store(ended, (State::MovedHead, Some(place)), moved)?,
            false => self.store_tuple(ended, state.moved(), moved)?,
        };
        let Some(mut page) = self.pages.get(place.page)? else {
            return Err(self.damage(place.page, "no page".into(), "the page of a row"));
        };
        HeapEdit::new(Arc::make_mut(&mut page)).leave(place.slot, target);
        self.put(place.page, page);
        Ok(Some(target))
    }

    fn damage(&self, page: u32, found: String, expected: &str) -> Error {
        let (index, in_file) = self.place().split(page);
        let offset = u64::from(in_file) * PAGE_LEN as u64;
        let path = self.place().file(index.into());
        Error::damage(&path, offset, Code::WrongPlace, found, expected)
    }

    /// Adds what changed to a batch.
    pub(super) fn checkpoint(&self, lsn: Lsn, batch: &mut Batch) {
        self.pages.checkpoint(lsn, batch);
        if let Some(map) = &self.map {
            map.checkpoint(lsn, batch);
        }
    }

    /// The files hold all changes.
    pub(super) fn checkpointed(&mut self) {
        self.pages.checkpointed();
        if let Some(map) = &mut self.map {
            map.checkpointed();
        }
    }

    /// Bytes of memory that the changes take, about.
    pub(super) fn pending_len(&self) -> usize {
        self.pages.pending_len()
    }
}

fn empty_heap() -> Arc<PageBytes> {
    let mut page = [0; PAGE_LEN];
    HeapEdit::start(&mut page);
    Arc::new(page)
}
