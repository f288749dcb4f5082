//! Checks the files of a paged table to their last byte.

use std::path::Path;
use std::sync::Arc;

use super::chain::{ChainReader, walk_row_of};
use super::checksums::checksums;
use super::free_space_map::{MapReader, entry_of_page, map_path};
use super::heap::{HeapPage, RowPlace, State, Tuple};
use super::key_index;
use super::overflow::{NO_PAGE, check_overflow};
use super::page_files::{PageFiles, PagePlace, check_len, whole_pages};
use super::page_set::PageSet;
use crate::codec::MultisetHash;
use crate::engine::pages::buffer_pool::PAGE_LEN;
use crate::engine::pages::file_header::FILE_HEADER_LEN;
use crate::engine::pages::frame::Piece;
use crate::engine::pages::page::{PageHeader, PageKind, page_in};
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::counts::TableCounts;
use crate::engine::table::{Level, TableCheck};
use crate::engine::tree::EntrySet;
use crate::error::{Damage, Error, Result};
use crate::file::{SourceFile, Window};
use crate::finding::Code;

/// Checks the map, every page, what pages say of one another, and the counts.
pub(super) fn verify_table(
    place: &PagePlace,
    table: &TablePlace,
    (counts, level): (TableCounts, Level),
    check: &mut TableCheck<'_>,
) -> Result<()> {
    if !check.directory(&place.dir)? {
        return Ok(());
    }
    let map = check.derived(|check| verify_map(place, check))?;
    let mut scan = PageScan {
        place,
        arity: table.arity,
        key: table.key,
        structure: level >= Level::Links,
        rows: level == Level::Structure,
        check,
        chain: ChainReader::new(PageFiles::new(place.clone())),
        counts: TableCounts::default(),
        entries: match table.key {
            Some(_) if key_index::is_there(place)? => Some(EntrySet::default()),
            _ => None,
        },
        unowned: PageSet::default(),
        moved: MultisetHash::default(),
        moved_here: MultisetHash::default(),
        map,
        differing: None,
        whole: true,
    };
    let page_count = scan.files(counts)?;
    let entries = scan.finish(page_count, counts)?;
    if table.key.is_none() {
        return Ok(());
    }
    let page_count = page_count.and_then(|count| u32::try_from(count).ok());
    let stamp = page_count.map(|page_count| key_index::stamp(counts, page_count));
    check.derived(|check| key_index::verify(place, stamp, entries, level, check))
}

/// Damaged blocks of a map after which no more are looked for.
const MOST_DAMAGED_BLOCKS: usize = 1000;

/// Checks the map by itself; a whole one can be held against the pages.
fn verify_map(place: &PagePlace, check: &mut TableCheck<'_>) -> Result<Option<MapReader>> {
    let Some(file) = check.open(&map_path(&place.dir))? else {
        return Ok(None);
    };
    let mut map = MapReader::new(file, place.address);
    let (mut checked, mut whole) = (0, true);
    match map.header()? {
        Ok(_) => checked += FILE_HEADER_LEN as u64,
        Err(damage) => {
            check.damaged(&damage);
            whole = false;
        }
    }
    let mut damaged = 0;
    if map.page_count() > u64::from(NO_PAGE) {
        let found = format!("entries of {} pages", map.page_count());
        let expected = format!("at most {NO_PAGE}");
        let file = map.file().path().to_owned();
        check.damaged(&Damage {
            file,
            offset: 0,
            code: Code::TrailingBytes,
            found,
            expected,
        });
        whole = false;
        damaged = MOST_DAMAGED_BLOCKS;
    }
    for block in 0..map.block_count() {
        if damaged >= MOST_DAMAGED_BLOCKS {
            break;
        }
        match map.load(block) {
            Ok(len) => checked += len,
            Err(Error::Damage(damage)) => {
                check.damaged(&damage);
                whole = false;
                damaged += 1;
            }
            Err(other) => return Err(other),
        }
    }
    check.covered(map.file(), checked);
    Ok(whole.then_some(map))
}

/// A walk over all pages that goes on past damage.
struct PageScan<'s, 'v> {
    place: &'s PagePlace,
    arity: usize,
    /// Whether pages are looked into.
    structure: bool,
    /// Whether rows are looked into.
    rows: bool,
    check: &'s mut TableCheck<'v>,
    chain: ChainReader<PageFiles>,
    counts: TableCounts,
    /// Position of the primary key, and what an index must hold if it is there.
    key: Option<usize>,
    entries: Option<EntrySet>,
    /// Where line pointers say that their rows have moved, and where rows have
    /// moved.
    moved: MultisetHash,
    moved_here: MultisetHash,
    /// Overflow pages that were met in the walk or in a chain, but not in both.
    /// No page is in two chains: it states its owner and position.
    unowned: PageSet,
    map: Option<MapReader>,
    /// First page whose map entry is wrong, and how many are.
    differing: Option<(Damage, u64)>,
    /// Whether nothing was wrong with any page.
    whole: bool,
}

impl PageScan<'_, '_> {
    /// Walks every file; how many pages there are, if every file is there and
    /// of the right length.
    fn files(&mut self, counts: TableCounts) -> Result<Option<u64>> {
        let per_file = u64::from(self.place.pages_per_file);
        let mapped = self.map.as_ref().map_or(0, MapReader::page_count);
        let file_count = self.place.file_count().max(mapped.div_ceil(per_file));
        let mut pages = Some(0);
        // A map may tell of more files than findings fit in memory: those that
        // are missing in a row are one finding.
        let mut missing: Option<(u64, u64)> = None;
        for index in 0..file_count {
            if !self.place.has_file(index) {
                missing.get_or_insert((index, 0)).1 += 1;
                pages = None;
                continue;
            }
            self.missing(missing.take());
            let page_count = self.page_file(index, index + 1 == file_count)?;
            pages = pages.and(page_count);
        }
        self.missing(missing);
        if pages.is_some() {
            // The map need not tell of a file behind a gap, before which readers stop.
            self.tolerate(self.place.check_files(counts).map(drop))?;
        }
        Ok(pages)
    }

    fn missing(&mut self, files: Option<(u64, u64)>) {
        if let Some((first, count)) = files {
            self.check.missing(&self.place.file(first), count);
            self.whole = false;
        }
    }

    /// Walks one file; how many pages there are up to its end, if it has the
    /// right length.
    fn page_file(&mut self, index: u64, is_last: bool) -> Result<Option<u64>> {
        let Some(file) = self.check.open(&self.place.file(index))? else {
            self.whole = false;
            return Ok(None);
        };
        let first = index * u64::from(self.place.pages_per_file);
        let right = check_len(&file, self.place.pages_per_file, is_last);
        let page_count = right.is_ok().then(|| first + whole_pages(&file));
        self.tolerate(right)?;
        let checked = self.pages(&file, first)?;
        self.check.covered(&file, checked);
        Ok(page_count)
    }

    /// Walks the pages of one file; how many bytes agree with a checksum.
    fn pages(&mut self, file: &Arc<SourceFile>, first: u64) -> Result<u64> {
        let page_count = whole_pages(file).min(self.place.pages_per_file.into());
        if !self.structure {
            let pages = first..first + page_count;
            let threads = self.check.threads;
            return checksums(file, &self.place.address, pages, threads, |damage| {
                self.tolerate(Err(damage.into()))
            });
        }
        let mut window = Window::new(file.clone(), 0..page_count * PAGE_LEN as u64);
        let mut checked = 0;
        for number in first..first + page_count {
            window.fill(PAGE_LEN)?;
            let page = page_in(&window);
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            match PageHeader::open(&page, &self.place.address, number) {
                Ok(header) => {
                    checked += PAGE_LEN as u64;
                    if self.structure {
                        let looked = self.page(&page, &header, number);
                        self.tolerate(looked)?;
                    }
                }
                Err(damage) => self.tolerate(Err(damage.into()))?,
            }
            window.consume(PAGE_LEN);
        }
        Ok(checked)
    }

    /// Reports damage and goes on.
    fn tolerate(&mut self, result: Result<()>) -> Result<()> {
        match result {
            Err(Error::Damage(damage)) => {
                self.check.damaged(&damage);
                self.whole = false;
                Ok(())
            }
            other => other,
        }
    }

    fn page(&mut self, page: &Piece<'_>, header: &PageHeader, number: u32) -> Result<()> {
        let bounds = header.bounds(page)?;
        self.against_map(number, entry_of_page(&bounds))?;
        match bounds.kind {
            PageKind::Heap => self.heap(&HeapPage::new(*page, bounds)?, number),
            _ => {
                self.unowned.flip(number);
                Ok(check_overflow(page, bounds)?)
            }
        }
    }

    /// Every row of a heap page. Damage in a row is reported, and the next slot
    /// looked at; damage in a line pointer ends the page.
    fn heap(&mut self, heap: &HeapPage<'_>, page: u32) -> Result<()> {
        let mut next = 0;
        while let Some(tuple) = heap.next(&mut next) {
            let slot = tuple.slot;
            match tuple.state {
                State::Row if !self.rows => continue,
                State::MovedRow | State::MovedHead => {
                    self.moved_here.add(&RowPlace { page, slot }.encode());
                    continue;
                }
                State::Moved => self.moved.add(&tuple.target().encode()),
                State::Row | State::Head => {}
            }
            match self.row(&tuple, page) {
                Ok(visible) => self.counts.add(visible),
                // Damage of another page by itself is reported when the walk
                // comes to that page.
                Err(Error::Damage(damage))
                    if tuple.state != State::Row
                        && !(damage.code == Code::BrokenChain
                            || damage.code == Code::BadLength
                            || damage.offset == tuple.piece.offset) =>
                {
                    self.whole = false;
                }
                Err(error) => self.tolerate(Err(error))?,
            }
        }
        Ok(())
    }

    /// Checks a row; whether it is visible.
    fn row(&mut self, tuple: &Tuple<'_>, page: u32) -> Result<bool> {
        let row = match tuple.state {
            State::Row => tuple.piece.bytes,
            _ => {
                let unowned = &mut self.unowned;
                self.chain
                    .read_tuple(tuple, page, |page| unowned.flip(page))?;
                self.chain.row()
            }
        };
        let key = self.entries.as_ref().and(self.key);
        let walked = walk_row_of(tuple, row, self.arity, key)?;
        if walked.visible && tuple.state == State::Moved {
            let found = "a visible row that has moved";
            let expected = "a row that moved when it ended";
            return Err(tuple
                .piece
                .damage(0, Code::BrokenChain, found, expected)
                .into());
        }
        if let (Some(entries), Some(value)) =
            (&mut self.entries, walked.key.filter(|_| walked.visible))
        {
            let slot = tuple.slot;
            entries.add(&key_index::entry(value, RowPlace { page, slot }));
        }
        Ok(walked.visible)
    }

    fn against_map(&mut self, number: u32, expected: u8) -> Result<()> {
        let Some(map) = &mut self.map else {
            return Ok(());
        };
        let Some(found) = map.entry(number.into())? else {
            return Ok(());
        };
        if found == expected {
            return Ok(());
        }
        let damage = || Damage {
            file: map_path(&self.place.dir),
            offset: MapReader::offset_of(number.into()),
            code: Code::DerivedDiffers,
            found: format!("{found} for page {number}"),
            expected: expected.to_string(),
        };
        self.differing.get_or_insert_with(|| (damage(), 0)).1 += 1;
        Ok(())
    }

    /// What only the whole table shows; what an index must hold, if every row was
    /// read.
    fn finish(mut self, page_count: Option<u64>, counts: TableCounts) -> Result<Option<EntrySet>> {
        if let (Some(map), Some(page_count)) = (&self.map, page_count)
            && map.page_count() != page_count
        {
            let found = format!("entries for {} pages", map.page_count());
            let expected = format!("{page_count}, as the page files hold");
            let path = map.file().path();
            self.check.derived(|check| {
                check.damaged(&damage(path, Code::CountMismatch, found, expected));
                Ok(())
            })?;
        }
        if let Some((mut first, count)) = self.differing.take() {
            first.found = format!("{}, and {count} wrong entries in all", first.found);
            self.check.damaged(&first);
        }
        // A row that could not be read may own any page, and is missing in the
        // counts.
        if !self.whole || !self.structure {
            return Ok(None);
        }
        let pages: Vec<u64> = self.unowned.iter().collect();
        for page in pages {
            let (index, in_file) = (
                page / u64::from(self.place.pages_per_file),
                page % u64::from(self.place.pages_per_file),
            );
            self.check.damaged(&Damage {
                file: self.place.file(index),
                offset: in_file * PAGE_LEN as u64,
                code: Code::OrphanPage,
                found: format!("overflow page {page}, which no row leads to"),
                expected: "a row that goes on here".into(),
            });
        }
        if self.moved != self.moved_here {
            let found = format!("{} rows that have moved", self.moved_here.count());
            let expected = format!(
                "those that {} line pointers lead to, each once",
                self.moved.count()
            );
            let dir = &self.place.dir;
            let damage = damage(dir, Code::BrokenChain, found, expected);
            self.check.damaged(&damage);
        }
        if !self.rows {
            return Ok(None);
        }
        if let Err(damage) = self.counts.check(counts, &self.place.dir, 0) {
            self.check.damaged(&damage);
        }
        Ok(self.entries)
    }
}

fn damage(path: &Path, code: Code, found: String, expected: String) -> Damage {
    Damage {
        file: path.to_owned(),
        offset: 0,
        code,
        found,
        expected,
    }
}
