//! The index from primary key to row (format page, "Page files"). It is there
//! once a table was changed in place or compacted.

use std::path::{Path, PathBuf};

use super::chain::{ChainReader, walk_row_of};
use super::heap::{RowPlace, State};
use super::page_files::{PageFiles, PagePlace};
use super::page_source::PageSource;
use crate::codec::{ByteWriter, ContentHash};
use crate::engine::pages::address::RowId;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::key::key_digest;
use crate::engine::table::{Access, Lazy, Level, TableCheck, VisibleIds};
use crate::engine::tree::{Entry, EntrySet, Tree, TreeBuilder, TreePlace, verify_tree};
use crate::error::{Damage, Error, Result};
use crate::finding::Code;
use crate::work::Threads;

/// The index of a table in its directory.
pub(super) fn index_path(dir: &Path) -> PathBuf {
    dir.join("key.index")
}

/// An index that is being written.
pub(super) fn new_path(dir: &Path) -> PathBuf {
    dir.join("key.index.new")
}

/// Where the index of a table is.
pub(super) fn index_place(place: &PagePlace) -> TreePlace {
    TreePlace {
        disk: place.disk.clone(),
        path: index_path(&place.dir),
        address: place.address,
    }
}

/// Says of which state of the table an index is: from one compaction to the
/// next, no two states have the same counts.
pub(super) fn stamp(counts: TableCounts, page_count: u32) -> u64 {
    let mut w = ByteWriter::new();
    w.u64(counts.rows);
    w.u64(counts.live);
    w.u32(page_count);
    let [low @ .., _, _, _, _, _, _, _, _] = ContentHash::of(w.as_slice()).0.to_le_bytes();
    u64::from_le_bytes(low)
}

/// The entry of a row.
pub(super) fn entry(key: &[u8], place: RowPlace) -> Entry {
    Entry {
        key: key_digest(key),
        value: place.id().0,
    }
}

/// The index of a table that may be written, opened with the first change or
/// question: making it reads every row.
#[derive(Debug)]
pub(super) struct KeyIndex {
    table: TablePlace,
    key: usize,
    place: PagePlace,
    access: Access,
    tree: Lazy<Tree>,
}

impl KeyIndex {
    /// The index of a table with files, or of a new one. What a crash left of
    /// an index that was being made goes.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn new(
        table: &TablePlace,
        key: usize,
        place: &PagePlace,
        (access, is_new): (&Access, bool),
    ) -> Result<Self> {
        let tree = match is_new {
            true => Lazy::of(Tree::empty(index_place(place), &access.pool)),
            false => {
                place.disk.remove_if_there(&new_path(&place.dir))?;
                Lazy::new()
            }
        };
        Ok(KeyIndex {
            table: table.clone(),
            key,
            place: place.clone(),
            access: access.clone(),
            tree,
        })
    }

    /// The tree; `stamp` says of which state the table's files are, which have
    /// all of its changes while the tree is not opened.
    ///
    /// # Errors
    /// When the rows cannot be read, from which it may have to be made.
    pub(super) fn tree(&self, stamp: u64) -> Result<&Tree> {
        self.tree
            .get(|| open(&self.table, self.key, &self.place, stamp, &self.access))
    }

    /// The tree if anybody asked for it.
    pub(super) fn opened(&self) -> Option<&Tree> {
        self.tree.opened()
    }

    /// The tree if anybody asked for it, to be changed.
    pub(super) fn opened_mut(&mut self) -> Option<&mut Tree> {
        self.tree.opened_mut()
    }
}

/// Opens the index of a table; one that is missing, damaged or of another state
/// is written anew from the rows.
///
/// # Errors
/// When a row cannot be read; I/O errors.
fn open(
    table: &TablePlace,
    key: usize,
    place: &PagePlace,
    stamp: u64,
    access: &Access,
) -> Result<Tree> {
    match Tree::open(index_place(place), &access.pool) {
        Ok(Some(tree)) if tree.stamp() == stamp => return Ok(tree),
        Ok(_) => {}
        // A directory in its place is not for this program to remove.
        Err(Error::Damage(damage)) if damage.code != Code::NotRegular => {}
        Err(other) => return Err(other),
    }
    let new = new_path(&place.dir);
    let index = TreePlace {
        path: new.clone(),
        ..index_place(place)
    };
    // One that damage of a row kept from being ended.
    place.disk.remove_if_there(&new)?;
    let mut tree = TreeBuilder::create(index, place.address.lsns.first, &place.dir)?;
    let pages = || PageFiles::new(place.clone());
    let sources = (pages(), pages());
    let mut rows = VisiblePlaces::new(sources, table.arity, Some(key));
    while rows.next_page(|at, key| key.map_or(Ok(()), |key| tree.push(entry(key, at))))? {}
    let synced = tree.finish(Threads::ONE, stamp)?.sync();
    synced.map_err(|error| Error::io("sync", &new, error))?;
    place.disk.rename(&new, &index_path(&place.dir))?;
    place.disk.sync_dir(&place.dir)?;
    let tree = Tree::open(index_place(place), &access.pool)?;
    tree.ok_or_else(|| {
        let missing = std::io::ErrorKind::NotFound.into();
        Error::io("open", &index_path(&place.dir), missing)
    })
}

/// The visible rows of a table, in stored order.
pub(super) struct VisiblePlaces<S> {
    /// One source for line pointers, one for what they lead to.
    pages: S,
    joined: ChainReader<S>,
    arity: usize,
    key: Option<usize>,
    page: u32,
}

impl<S: PageSource> VisiblePlaces<S> {
    /// Before the first row; the value at position `key` is wanted, if any.
    pub(super) fn new((pages, joined): (S, S), arity: usize, key: Option<usize>) -> Self {
        VisiblePlaces {
            pages,
            joined: ChainReader::new(joined),
            arity,
            key,
            page: 0,
        }
    }

    /// Hands place and key of each visible row of the next page to `take`;
    /// false after the last page.
    ///
    /// # Errors
    /// When a row cannot be read; those of `take`; I/O errors.
    pub(super) fn next_page(
        &mut self,
        mut take: impl FnMut(RowPlace, Option<&[u8]>) -> Result<()>,
    ) -> Result<bool> {
        let page = self.page;
        if !self.pages.load(page)? {
            return Ok(false);
        }
        self.page = page.saturating_add(1);
        let mut next = 0;
        let heap = self.pages.heap(self.pages.first(), page)?;
        while let Some(tuple) = heap.and_then(|heap| heap.next(&mut next)) {
            let row = match tuple.state {
                State::Row => tuple.piece.bytes,
                State::Head => {
                    self.joined.read_tuple(&tuple, page, |_| {})?;
                    self.joined.row()
                }
                // Rows move when they end.
                State::Moved | State::MovedRow | State::MovedHead => continue,
            };
            let walked = walk_row_of(&tuple, row, self.arity, self.key)?;
            let slot = tuple.slot;
            if walked.visible {
                take(RowPlace { page, slot }, walked.key)?;
            }
        }
        Ok(true)
    }
}

impl<S: PageSource> VisibleIds for VisiblePlaces<S> {
    fn next_ids(&mut self, ids: &mut Vec<RowId>) -> Result<bool> {
        self.next_page(|place, _| {
            ids.push(place.id());
            Ok(())
        })
    }
}

/// Checks an index, if there is one, and holds it against the table: `entries`
/// are those of the visible rows, if all rows were read.
pub(super) fn verify(
    place: &PagePlace,
    stamp: Option<u64>,
    entries: Option<EntrySet>,
    level: Level,
    check: &mut TableCheck<'_>,
) -> Result<()> {
    let Some(file) = check.open_if_there(&index_path(&place.dir))? else {
        return Ok(());
    };
    let mut found = EntrySet::default();
    let take = |entry: &Entry| found.add(entry);
    let meta = verify_tree(&file, &place.address, level, check, take)?;
    let (Some(meta), Some(stamp)) = (meta, stamp) else {
        return Ok(());
    };
    let damage = |found: String, expected: String| Damage {
        file: file.path().to_owned(),
        offset: 0,
        code: Code::DerivedDiffers,
        found,
        expected,
    };
    if meta.stamp != stamp {
        let found = format!("stamp {:016x}", meta.stamp);
        check.damaged(&damage(found, format!("{stamp:016x}, as the table has")));
    } else if let Some(expected) = entries
        && expected != found
    {
        let found = format!("other rows, {} of them", meta.entry_count);
        let expected = format!("exactly the {} visible ones", expected.count());
        check.damaged(&damage(found, expected));
    }
    Ok(())
}

/// Whether a table has an index that verification has to look at.
pub(super) fn is_there(place: &PagePlace) -> Result<bool> {
    Ok(place.disk.kind(&index_path(&place.dir))?.is_some())
}
