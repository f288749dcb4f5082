//! A fixed number of pages in memory, shared by all tables of a store.
//!
//! A page is pinned while somebody holds its [`Arc`]. A dirty page stays until
//! a checkpoint has carried it to its file: nothing is written in between.
//!
//! Clean pages are replaced by the rule of two queues. A page that was loaded
//! waits in the first one, whose length is bounded; most pages of a scan are
//! dropped at its end. A page that is used again later, while it waits or soon
//! after it was dropped, is kept in the second one, where every use saves it
//! from one round. So a scan passes through the first queue and leaves the
//! pages alone that are used again and again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Result;

/// Bytes of a page.
pub(in crate::engine) const PAGE_LEN: usize = 8192;

/// The bytes of one page.
pub(in crate::engine) type PageBytes = [u8; PAGE_LEN];

/// Fewest frames of a pool.
const MIN_CAPACITY: usize = 16;
/// A page that is used again before this many others were loaded is used by
/// the same scan: that says nothing of whether it will be used later.
const SAME_USE: u64 = 8;

/// Names a file of pages to the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::engine) struct PoolFile(u32);

/// Names a page.
type Key = (PoolFile, u32);

/// Pages in memory.
#[derive(Debug)]
pub struct BufferPool {
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    file_count: u32,
    dirty: BTreeMap<Key, Arc<PageBytes>>,
    /// How many of them each file has.
    dirty_counts: BTreeMap<PoolFile, usize>,
    clean: BTreeMap<Key, Frame>,
    /// Pages that were used once, and those that were used again: the next to
    /// go first. A ticket that is not that of its frame stands for nothing.
    first: VecDeque<(Key, u64)>,
    again: VecDeque<(Key, u64)>,
    /// Frames of `clean` that wait in `first`.
    first_count: usize,
    /// Pages that lately left the first queue, in order.
    left: VecDeque<Key>,
    left_set: BTreeSet<Key>,
    /// Rises with every page that comes in.
    ticket: u64,
    /// Rises when files change under the pool: what was read before may be
    /// of an earlier state.
    epoch: u64,
    /// A frame that nobody uses.
    spare: Option<Arc<PageBytes>>,
}

#[derive(Debug)]
struct Frame {
    bytes: Arc<PageBytes>,
    ticket: u64,
    in_first: bool,
    used: bool,
}

impl BufferPool {
    /// A pool of `capacity` frames of 8 KB, at least 16.
    pub fn new(capacity: usize) -> Self {
        BufferPool {
            capacity: capacity.max(MIN_CAPACITY),
            state: Mutex::default(),
        }
    }

    /// No code that holds the lock can fail half-way.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name for one more file.
    pub(in crate::engine) fn register(&self) -> PoolFile {
        let mut state = self.state();
        state.file_count = state.file_count.saturating_add(1);
        PoolFile(state.file_count)
    }

    /// A page; `load` fills and checks it when it is not in memory. The pool is
    /// not locked meanwhile; a page that others brought in is preferred to what
    /// was loaded.
    ///
    /// # Errors
    /// Those of `load`.
    pub(in crate::engine) fn get(
        &self,
        file: PoolFile,
        page: u32,
        load: impl Fn(&mut PageBytes) -> Result<()>,
    ) -> Result<Arc<PageBytes>> {
        let key = (file, page);
        loop {
            let (frame, epoch) = {
                let mut state = self.state();
                if let Some(bytes) = state.find(key) {
                    return Ok(bytes);
                }
                (state.spare.take(), state.epoch)
            };
            let mut frame = frame.unwrap_or_else(|| Arc::new([0; PAGE_LEN]));
            let loaded = load(Arc::make_mut(&mut frame));
            let mut state = self.state();
            if let Some(bytes) = state.find(key) {
                return Ok(bytes);
            }
            // A checkpoint wrote the file meanwhile.
            if state.epoch != epoch {
                continue;
            }
            loaded?;
            state.insert(key, frame.clone(), false);
            state.evict(self.capacity);
            return Ok(frame);
        }
    }

    /// Puts in a page that differs from its file.
    pub(in crate::engine) fn put_dirty(&self, file: PoolFile, page: u32, bytes: Arc<PageBytes>) {
        let mut state = self.state();
        state.drop_clean((file, page));
        if state.dirty.insert((file, page), bytes).is_none() {
            *state.dirty_counts.entry(file).or_default() += 1;
        }
        state.evict(self.capacity);
    }

    /// The dirty pages of a file, in order.
    pub(in crate::engine) fn dirty(&self, file: PoolFile) -> Vec<(u32, Arc<PageBytes>)> {
        let state = self.state();
        let pages = state.dirty.range(pages_of(file));
        pages
            .map(|((_, page), bytes)| (*page, bytes.clone()))
            .collect()
    }

    /// How many pages of a file are dirty.
    pub(in crate::engine) fn dirty_count(&self, file: PoolFile) -> usize {
        let counts = &self.state().dirty_counts;
        counts.get(&file).copied().unwrap_or(0)
    }

    /// The file holds all its pages: none of them is dirty.
    pub(in crate::engine) fn clean(&self, file: PoolFile) {
        let mut state = self.state();
        state.epoch += 1;
        state.dirty_counts.remove(&file);
        let pages: Vec<_> = state.dirty.range(pages_of(file)).map(|p| *p.0).collect();
        for key in pages {
            if let Some(bytes) = state.dirty.remove(&key) {
                state.insert(key, bytes, true);
            }
        }
        state.evict(self.capacity);
    }

    /// Drops every page of a file.
    pub(in crate::engine) fn forget(&self, file: PoolFile) {
        let mut state = self.state();
        state.epoch += 1;
        if state.dirty_counts.remove(&file).is_some() {
            state.dirty.retain(|(of, _), _| *of != file);
        }
        let pages: Vec<_> = state.clean.range(pages_of(file)).map(|p| *p.0).collect();
        for key in pages {
            state.drop_clean(key);
        }
    }
}

fn pages_of(file: PoolFile) -> std::ops::RangeInclusive<Key> {
    (file, 0)..=(file, u32::MAX)
}

impl State {
    fn find(&mut self, key: Key) -> Option<Arc<PageBytes>> {
        if let Some(bytes) = self.dirty.get(&key) {
            return Some(bytes.clone());
        }
        let frame = self.clean.get_mut(&key)?;
        let soon = frame.in_first && self.ticket - frame.ticket < SAME_USE;
        frame.used |= !soon;
        Some(frame.bytes.clone())
    }

    /// Puts a clean page into one of the queues.
    fn insert(&mut self, key: Key, bytes: Arc<PageBytes>, used_before: bool) {
        let in_first = !self.left_set.contains(&key) && !used_before;
        self.ticket += 1;
        let ticket = self.ticket;
        let frame = Frame {
            bytes,
            ticket,
            in_first,
            used: false,
        };
        self.clean.insert(key, frame);
        match in_first {
            true => {
                self.first_count += 1;
                self.first.push_back((key, ticket));
            }
            false => self.again.push_back((key, ticket)),
        }
    }

    fn drop_clean(&mut self, key: Key) {
        if let Some(frame) = self.clean.remove(&key) {
            self.first_count -= usize::from(frame.in_first);
        }
    }

    /// Drops clean pages until all of them fit. Dirty pages take the room of
    /// clean ones, but for an eighth of the pool.
    fn evict(&mut self, capacity: usize) {
        let room = capacity.saturating_sub(self.dirty.len()).max(capacity / 8);
        // Each frame is looked at twice at most: used ones are passed over
        // once, and pinned ones stay beyond the capacity.
        let mut tries = 2 * (self.first.len() + self.again.len());
        while self.clean.len() > room && tries > 0 {
            tries -= 1;
            match self.first_count > room / 4 || self.again.is_empty() {
                true => self.end_of_first(capacity),
                false => self.end_of_again(),
            }
        }
        // Tickets of dropped frames would pile up where nothing is evicted.
        if self.first.len() + self.again.len() > 2 * self.clean.len() + capacity {
            let clean = &self.clean;
            let is_there = |(key, ticket): &(Key, u64)| {
                let frame = clean.get(key);
                frame.is_some_and(|frame| frame.ticket == *ticket)
            };
            self.first.retain(is_there);
            self.again.retain(is_there);
        }
    }

    /// The frame that a place in a queue stands for.
    fn frame(&mut self, (key, ticket): (Key, u64)) -> Option<&mut Frame> {
        let frame = self.clean.get_mut(&key);
        frame.filter(|frame| frame.ticket == ticket)
    }

    fn end_of_first(&mut self, capacity: usize) {
        let Some(place) = self.first.pop_front() else {
            return;
        };
        let Some(frame) = self.frame(place) else {
            return;
        };
        if std::mem::take(&mut frame.used) {
            frame.in_first = false;
            self.first_count -= 1;
            self.again.push_back(place);
        } else if Arc::strong_count(&frame.bytes) > 1 {
            self.first.push_back(place);
        } else {
            self.reuse(place.0);
            if self.left_set.insert(place.0) {
                self.left.push_back(place.0);
            }
            while self.left.len() > capacity / 2 {
                if let Some(key) = self.left.pop_front() {
                    self.left_set.remove(&key);
                }
            }
        }
    }

    fn end_of_again(&mut self) {
        let Some(place) = self.again.pop_front() else {
            return;
        };
        let Some(frame) = self.frame(place) else {
            return;
        };
        let pinned = Arc::strong_count(&frame.bytes) > 1;
        if std::mem::take(&mut frame.used) || pinned {
            self.again.push_back(place);
        } else {
            self.reuse(place.0);
        }
    }

    /// Drops a page whose frame nobody uses.
    fn reuse(&mut self, key: Key) {
        if let Some(frame) = self.clean.remove(&key) {
            self.first_count -= usize::from(frame.in_first);
            self.spare = Some(frame.bytes);
        }
    }
}

#[cfg(test)]
mod tests;
