//! A tree that is being used: pages through the pool, changes in memory until
//! a checkpoint.

use std::io::ErrorKind;
use std::sync::Arc;

use super::entry::Entry;
use super::meta::{MAX_HEIGHT, META_PAGE, Meta, check_len};
use super::node::{Node, NodeMut};
use super::place::TreePlace;
use crate::engine::log::Batch;
use crate::engine::pages::address::Lsn;
use crate::engine::pages::buffer_pool::{BufferPool, PAGE_LEN, PageBytes, PoolFile};
use crate::engine::pages::frame::Piece;
use crate::engine::pages::page::{PagePos, reseal, too_many_pages};
use crate::error::{Error, Result};
use crate::file::SourceFile;
use crate::finding::Code;

/// A tree, with all changes.
///
/// Readers go at most as many levels down as the first page says, and every
/// step along the entries leads to greater ones: whatever stands in the pages,
/// no reader goes in a circle.
#[derive(Debug)]
pub(in crate::engine) struct Tree {
    place: TreePlace,
    pool: Arc<BufferPool>,
    pages: PoolFile,
    /// `None` until the first checkpoint of a tree that was made in memory.
    file: Option<Arc<SourceFile>>,
    meta: Meta,
    /// Whether the first page differs from its file.
    meta_changed: bool,
}

/// A page beside one that was split: the least entry there, its number.
type Sibling = (Entry, u32);

/// The way from the root to a leaf.
pub(super) struct Path {
    /// The inner pages, and the position in each.
    inner: Vec<(u32, usize)>,
    leaf_number: u32,
    /// The leaf.
    pub leaf: Arc<PageBytes>,
    /// The least entry that may stand in the next leaf.
    pub next: Option<Entry>,
}

impl Tree {
    /// Opens a tree; `None` when there is no file.
    ///
    /// # Errors
    /// Damage when its first page or its length is wrong; I/O errors.
    pub(in crate::engine) fn open(
        place: TreePlace,
        pool: &Arc<BufferPool>,
    ) -> Result<Option<Self>> {
        let file = match SourceFile::open_on(&*place.disk, &place.path) {
            Err(error) if error.is_missing(&place.path) => return Ok(None),
            file => file?,
        };
        let mut first = [0; PAGE_LEN];
        if file.len() < PAGE_LEN as u64 {
            check_len(&file, 2)?;
        }
        file.read_exact_at(&mut first, 0)?;
        let piece = Piece {
            path: file.path(),
            offset: 0,
            bytes: &first,
        };
        let meta = Meta::decode(&piece, &place.address)?;
        check_len(&file, meta.page_count.into())?;
        Ok(Some(Tree {
            place,
            pages: pool.register(),
            pool: pool.clone(),
            file: Some(file),
            meta,
            meta_changed: false,
        }))
    }

    /// A tree without entries that no file holds yet.
    pub(in crate::engine) fn empty(place: TreePlace, pool: &Arc<BufferPool>) -> Self {
        let pages = pool.register();
        let mut root = [0; PAGE_LEN];
        NodeMut::empty(&mut root, true);
        pool.put_dirty(pages, META_PAGE + 1, Arc::new(root));
        Tree {
            place,
            pool: pool.clone(),
            pages,
            file: None,
            meta: Meta {
                root: META_PAGE + 1,
                height: 1,
                page_count: 2,
                entry_count: 0,
                stamp: 0,
            },
            meta_changed: true,
        }
    }

    /// What its owner wrote.
    pub(in crate::engine) fn stamp(&self) -> u64 {
        self.meta.stamp
    }

    /// Writes what its owner compares.
    pub(in crate::engine) fn set_stamp(&mut self, stamp: u64) {
        self.meta_changed |= self.meta.stamp != stamp;
        self.meta.stamp = stamp;
    }

    /// How many entries there are.
    pub(in crate::engine) fn entry_count(&self) -> u64 {
        self.meta.entry_count
    }

    fn page(&self, number: u32) -> Result<Arc<PageBytes>> {
        if !(1..self.meta.page_count).contains(&number) {
            let expected = format!("a page of 1 to {}", self.meta.page_count - 1);
            return Err(self.damage(0, Code::BrokenChain, format!("page {number}"), &expected));
        }
        self.pool
            .get(self.pages, number, |bytes| self.load(number, bytes))
    }

    fn load(&self, number: u32, bytes: &mut PageBytes) -> Result<()> {
        let Some(file) = &self.file else {
            let found = "a page in no file".into();
            return Err(self.damage(number, Code::BrokenChain, found, "one in memory"));
        };
        let offset = u64::from(number) * PAGE_LEN as u64;
        match file.read_exact_at(bytes, offset) {
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::UnexpectedEof => {
                let found = "the end of the file".into();
                return Err(self.damage(number, Code::Truncated, found, "a page"));
            }
            read => read?,
        }
        let piece = Piece {
            path: file.path(),
            offset,
            bytes,
        };
        Ok(Node::check(&piece, &self.place.address, number)?)
    }

    fn damage(&self, page: u32, code: Code, found: String, expected: &str) -> Error {
        let offset = u64::from(page) * PAGE_LEN as u64;
        Error::damage(&self.place.path, offset, code, found, expected)
    }

    /// Goes to the leaf in which an entry has its place.
    pub(super) fn descend(&self, to: Entry) -> Result<Path> {
        let mut inner = Vec::new();
        let mut next: Option<Entry> = None;
        let mut number = self.meta.root;
        for level in (0..self.meta.height).rev() {
            let page = self.page(number)?;
            let node = Node::new(&page);
            if node.is_leaf() != (level == 0) {
                let found = format!("a page of another level than {level}");
                return Err(self.damage(number, Code::BrokenChain, found, "one of it"));
            }
            if level == 0 {
                return Ok(Path {
                    inner,
                    leaf_number: number,
                    leaf: page,
                    next,
                });
            }
            let at = node.search(|low| low <= to).saturating_sub(1);
            if at + 1 < node.count() {
                let low = node.entry(at + 1);
                if low <= to || next.is_some_and(|next| low >= next) {
                    let found = "entries that fall".into();
                    return Err(self.damage(number, Code::BadPage, found, "entries in order"));
                }
                next = Some(low);
            }
            inner.push((number, at));
            number = node.child(at);
        }
        // There is a level at least.
        Err(self.damage(0, Code::OutOfRange, "no levels".into(), "1 or more"))
    }

    /// Adds an entry; false when it is there.
    ///
    /// # Errors
    /// Damage; I/O errors; `LimitReached` when no page number is left.
    pub(in crate::engine) fn insert(&mut self, entry: Entry) -> Result<bool> {
        loop {
            let path = self.descend(entry)?;
            let leaf = Node::new(&path.leaf);
            let at = leaf.search(|found| found < entry);
            if at < leaf.count() && leaf.entry(at) == entry {
                return Ok(false);
            }
            let place = (path.leaf_number, at);
            if leaf.has_room(entry) || at == leaf.count() {
                let split = self.insert_record(path.leaf, place, entry, META_PAGE)?;
                self.add_child(path.inner, split)?;
                break;
            }
            // An entry that has less in common than those that are there makes
            // all of them wider: a half may still be too full for it.
            let split = self.split(path.leaf, path.leaf_number)?;
            self.add_child(path.inner, Some(split))?;
        }
        self.meta.entry_count += 1;
        self.meta_changed = true;
        Ok(true)
    }

    /// Each page that was split is one more child of the page above it.
    fn add_child(&mut self, mut inner: Vec<(u32, usize)>, split: Option<Sibling>) -> Result<()> {
        let mut split = split;
        while let Some((low, number)) = split {
            let Some((above, at)) = inner.pop() else {
                return self.new_root(low, number);
            };
            let page = self.page(above)?;
            split = self.insert_record(page, (above, at + 1), low, number)?;
        }
        Ok(())
    }

    /// Puts a record into a page. If that is full, it is split, and its new
    /// neighbour is returned: a record that comes last has a page of its own,
    /// so that entries that rise fill the pages. In a leaf, any other one has
    /// room.
    fn insert_record(
        &mut self,
        mut page: Arc<PageBytes>,
        (number, at): (u32, usize),
        entry: Entry,
        child: u32,
    ) -> Result<Option<Sibling>> {
        let node = Node::new(&page);
        let (count, is_leaf) = (node.count(), node.is_leaf());
        if node.has_room(entry) {
            NodeMut::new(Arc::make_mut(&mut page)).insert(at, entry, child);
            self.pool.put_dirty(self.pages, number, page);
            return Ok(None);
        }
        if at == count {
            let right_number = self.new_page()?;
            let mut right = Arc::new([0; PAGE_LEN]);
            NodeMut::empty(Arc::make_mut(&mut right), is_leaf).push(entry, child);
            self.pool.put_dirty(self.pages, right_number, right);
            return Ok(Some((entry, right_number)));
        }
        let split = self.split(page, number)?;
        let middle = count / 2;
        let (number, at) = match at <= middle {
            true => (number, at),
            false => (split.1, at - middle),
        };
        let mut half = self.page(number)?;
        NodeMut::new(Arc::make_mut(&mut half)).insert(at, entry, child);
        self.pool.put_dirty(self.pages, number, half);
        Ok(Some(split))
    }

    /// Moves the later half of a page's records to a new page.
    fn split(&mut self, mut page: Arc<PageBytes>, number: u32) -> Result<Sibling> {
        let right_number = self.new_page()?;
        let mut right = Arc::new([0; PAGE_LEN]);
        let middle = Node::new(&page).count() / 2;
        NodeMut::new(Arc::make_mut(&mut page)).split_off(middle, Arc::make_mut(&mut right));
        let low = Node::new(&right).entry(0);
        self.pool.put_dirty(self.pages, number, page);
        self.pool.put_dirty(self.pages, right_number, right);
        Ok((low, right_number))
    }

    fn new_page(&mut self) -> Result<u32> {
        let number = self.meta.page_count;
        let next = number.checked_add(1);
        self.meta.page_count = next.ok_or_else(|| too_many_pages(&self.place.path))?;
        Ok(number)
    }

    fn new_root(&mut self, low: Entry, number: u32) -> Result<()> {
        if self.meta.height == MAX_HEIGHT {
            let found = "a root that is full".into();
            return Err(self.damage(0, Code::OutOfRange, found, "fewer levels"));
        }
        let root = self.new_page()?;
        let mut page = [0; PAGE_LEN];
        let mut node = NodeMut::empty(&mut page, false);
        node.push(Entry::MIN, self.meta.root);
        node.push(low, number);
        self.pool.put_dirty(self.pages, root, Arc::new(page));
        self.meta.root = root;
        self.meta.height += 1;
        Ok(())
    }

    /// Takes an entry away; false when it is not there. A page that becomes
    /// empty stays.
    ///
    /// # Errors
    /// Damage; I/O errors.
    pub(in crate::engine) fn remove(&mut self, entry: Entry) -> Result<bool> {
        let Path {
            mut leaf,
            leaf_number,
            ..
        } = self.descend(entry)?;
        let node = Node::new(&leaf);
        let at = node.search(|found| found < entry);
        if at >= node.count() || node.entry(at) != entry {
            return Ok(false);
        }
        NodeMut::new(Arc::make_mut(&mut leaf)).remove(at);
        self.pool.put_dirty(self.pages, leaf_number, leaf);
        self.meta.entry_count = self.meta.entry_count.saturating_sub(1);
        self.meta_changed = true;
        Ok(true)
    }

    /// Adds all changes to a batch.
    pub(in crate::engine) fn checkpoint(&mut self, lsn: Lsn, batch: &mut Batch) {
        let address = &self.place.address;
        let path = &self.place.path;
        if self.meta_changed {
            batch.write(path, 0, self.meta.encode(address, lsn).to_vec());
        }
        for (number, bytes) in self.pool.dirty(self.pages) {
            let mut page = *bytes;
            reseal(&mut page, address, PagePos { number, lsn });
            let offset = u64::from(number) * PAGE_LEN as u64;
            batch.write(path, offset, page.to_vec());
        }
    }

    /// The batch was carried out.
    ///
    /// # Errors
    /// When the file that it made cannot be opened.
    pub(in crate::engine) fn checkpointed(&mut self) -> Result<()> {
        if self.file.is_none() {
            let file = SourceFile::open_on(&*self.place.disk, &self.place.path)?;
            self.file = Some(file);
        }
        self.pool.clean(self.pages);
        self.meta_changed = false;
        Ok(())
    }

    /// Bytes of memory that the changes take, about.
    pub(in crate::engine) fn pending_len(&self) -> usize {
        self.pool.dirty_count(self.pages) * PAGE_LEN
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.pool.forget(self.pages);
    }
}
