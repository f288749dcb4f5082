//! Checks the files of a paged table to their last byte.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::free_space_map::{MapReader, map_path};
use super::key_index;
use super::overflow::NO_PAGE;
use super::page_files::{PagePlace, check_len, whole_pages};
use super::page_look::{PageLook, PageWalk, PagesFound};
use crate::engine::pages::buffer_pool::PAGE_LEN;
use crate::engine::pages::file_header::FILE_HEADER_LEN;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::counts::TableCounts;
use crate::engine::table::{Level, TableCheck};
use crate::engine::tree::EntrySet;
use crate::error::{Damage, Error, Result};
use crate::file::SourceFile;
use crate::finding::Code;
use crate::model::sum_of;

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
    let has_index = table.key.is_some() && key_index::is_there(place)?;
    let unowned = Mutex::default();
    let mut scan = PageScan {
        look: PageLook {
            place,
            arity: table.arity,
            key: table.key.filter(|_| has_index),
            structure: level >= Level::Links,
            rows: level == Level::Structure,
            unowned: &unowned,
        },
        check,
        found: PagesFound::default(),
        map: map.map(|map| (map, None)),
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

/// Pages that one thread looks at before it takes others.
const PART_PAGES: u64 = 16;

/// First page whose map entry is wrong, and how many are.
type Differing = Option<(Damage, u64)>;

/// A walk over all pages, on several threads.
struct PageScan<'s, 'v> {
    look: PageLook<'s>,
    check: &'s mut TableCheck<'v>,
    found: PagesFound,
    /// What pages are held against, if it is whole.
    map: Option<(MapReader, Differing)>,
}

impl PageScan<'_, '_> {
    /// Walks every file; how many pages there are, if every file is there and
    /// of the right length.
    fn files(&mut self, counts: TableCounts) -> Result<Option<u64>> {
        let per_file = u64::from(self.look.place.pages_per_file);
        let mapped = self.map.as_ref().map_or(0, |(map, _)| map.page_count());
        let file_count = self.look.place.file_count().max(mapped.div_ceil(per_file));
        let mut pages = Some(0);
        // A map may tell of more files than findings fit in memory: those that
        // are missing in a row are one finding.
        let mut missing: Option<(u64, u64)> = None;
        for index in 0..file_count {
            if !self.look.place.has_file(index) {
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
            self.found
                .tolerate(self.check, self.look.place.check_files(counts).map(drop))?;
        }
        Ok(pages)
    }

    fn missing(&mut self, files: Option<(u64, u64)>) {
        if let Some((first, count)) = files {
            self.check.missing(&self.look.place.file(first), count);
            self.found.damaged = true;
        }
    }

    /// Walks one file; how many pages there are up to its end, if it has the
    /// right length.
    fn page_file(&mut self, index: u64, is_last: bool) -> Result<Option<u64>> {
        let Some(file) = self.check.open(&self.look.place.file(index))? else {
            self.found.damaged = true;
            return Ok(None);
        };
        let first = index * u64::from(self.look.place.pages_per_file);
        let right = check_len(&file, self.look.place.pages_per_file, is_last);
        let page_count = right.is_ok().then(|| first + whole_pages(&file));
        self.found.tolerate(self.check, right)?;
        let checked = self.pages(&file, first)?;
        self.check.covered(&file, checked);
        Ok(page_count)
    }

    /// Walks the pages of one file; how many bytes agree with a checksum.
    fn pages(&mut self, file: &Arc<SourceFile>, first: u64) -> Result<u64> {
        let page_count = whole_pages(file).min(self.look.place.pages_per_file.into());
        let parts = usize::try_from(page_count.div_ceil(PART_PAGES)).unwrap_or(usize::MAX);
        let (look, found, map) = (self.look, &mut self.found, &mut self.map);
        let (before, threads) = (found.checked, self.check.threads);
        let walk = |part: usize, found: &mut PagesFound, check: &mut TableCheck<'_>| {
            let from = (part as u64).saturating_mul(PART_PAGES);
            let to = from.saturating_add(PART_PAGES).min(page_count);
            PageWalk::new(look, found, check).pages(file, first, from..to)
        };
        self.check.parts(threads, parts, walk, |check, part| {
            found.append(&part);
            for (number, entry) in part.map_entries {
                found.tolerate(check, against_map(map, number, entry))?;
            }
            Ok(())
        })?;
        Ok(self.found.checked - before)
    }

    /// What only the whole table shows; what an index must hold, if every row was
    /// read.
    fn finish(mut self, page_count: Option<u64>, counts: TableCounts) -> Result<Option<EntrySet>> {
        if let (Some((map, _)), Some(page_count)) = (&self.map, page_count)
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
        if let Some((_, Some((mut first, count)))) = self.map.take() {
            first.found = format!("{}, and {count} wrong entries in all", first.found);
            self.check.damaged(&first);
        }
        // A row that could not be read may own any page, and is missing in the
        // counts.
        if self.found.damaged || !self.look.structure {
            return Ok(None);
        }
        let pages: Vec<u64> = sum_of(self.look.unowned).iter().collect();
        for page in pages {
            let (index, in_file) = (
                page / u64::from(self.look.place.pages_per_file),
                page % u64::from(self.look.place.pages_per_file),
            );
            self.check.damaged(&Damage {
                file: self.look.place.file(index),
                offset: in_file * PAGE_LEN as u64,
                code: Code::OrphanPage,
                found: format!("overflow page {page}, which no row leads to"),
                expected: "a row that goes on here".into(),
            });
        }
        if self.found.moved != self.found.moved_here {
            let found = format!("{} rows that have moved", self.found.moved_here.count());
            let expected = format!(
                "those that {} line pointers lead to, each once",
                self.found.moved.count()
            );
            let dir = &self.look.place.dir;
            let damage = damage(dir, Code::BrokenChain, found, expected);
            self.check.damaged(&damage);
        }
        if !self.look.rows {
            return Ok(None);
        }
        if let Err(damage) = self.found.counts.check(counts, &self.look.place.dir, 0) {
            self.check.damaged(&damage);
        }
        Ok(self.look.key.map(|_| self.found.entries))
    }
}

/// Holds what a page demands against its entry of a map.
fn against_map(map: &mut Option<(MapReader, Differing)>, number: u32, expected: u8) -> Result<()> {
    let Some((map, differing)) = map else {
        return Ok(());
    };
    let Some(found) = map.entry(number.into())?.filter(|found| *found != expected) else {
        return Ok(());
    };
    let damage = || Damage {
        file: map.file().path().to_owned(),
        offset: MapReader::offset_of(number.into()),
        code: Code::DerivedDiffers,
        found: format!("{found} for page {number}"),
        expected: expected.to_string(),
    };
    differing.get_or_insert_with(|| (damage(), 0)).1 += 1;
    Ok(())
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
