//! How full the pages of each table are, in their order: what a map shows.

use std::cmp::Reverse;
use std::path::Path;

use crate::error::{Error, Result};
use crate::file::{Phase, Progress, Watch};
use crate::legacy::{LegacyPageViews, PageDir};
use crate::model::{PageStream, PageView};
use crate::report::Report;

use super::info::table_bytes;
use super::wal::Log;
use super::{Backend, Directory, OpenOptions};

/// Most cells of a map: of more pages, neighbours share one.
pub const MAX_CELLS: usize = 480;
/// Most tables that have a map: the largest.
pub const MAX_MAPS: usize = 50;

/// The maps of a directory.
#[derive(Debug, Default)]
pub struct PageMaps {
    /// Of the largest tables, in stored order; none of a table without pages.
    pub maps: Vec<PageMap>,
    /// Smaller tables that were not looked at.
    pub left_out: usize,
    /// What was wrong with pages.
    pub report: Report,
}

/// The pages of one table.
#[derive(Debug)]
pub struct PageMap {
    /// The table, or the directory of page files whose table no file names.
    pub name: String,
    /// What it is made of: page, record or block.
    pub unit: &'static str,
    /// At most [`MAX_CELLS`], each of equally many pages but for the last.
    pub cells: Vec<PageCell>,
}

/// Neighbouring pages together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PageCell {
    /// Number of the first.
    pub first: u64,
    /// Number of the last.
    pub last: u64,
    /// How many pages, records or blocks the cell stands for.
    pub pages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of row versions that are not visible.
    pub dead_bytes: u64,
    /// Bytes that are free for more rows.
    pub free_bytes: u64,
    /// How many of them are damaged.
    pub damaged: u64,
}

impl PageCell {
    fn of(page: &PageView) -> Self {
        let dead = page.rows.iter().filter(|row| !row.visible);
        PageCell {
            first: page.number,
            last: page.number,
            pages: 1,
            bytes: page.bytes.len() as u64,
            // Of a row that goes on in other pages, what stands in this one.
            dead_bytes: dead.map(|row| row.len as u64).sum(),
            free_bytes: page.free_len,
            damaged: u64::from(!page.damage.is_empty()),
        }
    }

    /// Takes up the pages that follow.
    pub fn join(&mut self, next: &PageCell) {
        self.last = next.last;
        self.pages = self.pages.saturating_add(next.pages);
        self.bytes = self.bytes.saturating_add(next.bytes);
        self.dead_bytes = self.dead_bytes.saturating_add(next.dead_bytes);
        self.free_bytes = self.free_bytes.saturating_add(next.free_bytes);
        self.damaged = self.damaged.saturating_add(next.damaged);
    }

    /// Bytes that are not free as a share of all, in percent.
    pub fn fill_percent(&self) -> u8 {
        percent(self.bytes.saturating_sub(self.free_bytes), self.bytes)
    }

    /// Bytes of dead row versions as a share of all, in percent; any counts as
    /// one at least.
    pub fn dead_percent(&self) -> u8 {
        percent(self.dead_bytes, self.bytes).max(u8::from(self.dead_bytes > 0))
    }
}

/// At most 100: bounds in damaged pages may contradict one another.
fn percent(part: u64, whole: u64) -> u8 {
    let share = u128::from(part) * 100 / u128::from(whole.max(1));
    u8::try_from(share.min(100)).unwrap_or(100)
}

/// The maps of a directory of ours, or of the page files in a legacy one, whose
/// log is given. Memory does not grow with the tables.
///
/// # Errors
/// As opening the directory; I/O errors. Damage of a page is part of the map.
pub fn page_maps(path: &Path, options: &OpenOptions, log: Option<&Log>) -> Result<PageMaps> {
    let mut maps = PageMaps::default();
    if let Some(log) = log {
        if let Log::Directory { legacy, .. } = log {
            maps.left_out = legacy.page_dirs.len().saturating_sub(MAX_MAPS);
            for entry in legacy.page_dirs.iter().take(MAX_MAPS) {
                if let Some(dir) = PageDir::open(legacy.dir.disk(), entry)? {
                    let mut pages = LegacyPageViews::new(dir, 0, false);
                    maps.add(entry.name.clone(), "page", (&mut pages, &options.progress))?;
                }
            }
        }
        return Ok(maps);
    }
    let directory = Directory::open(path, options)?;
    let Backend::Ours(store) = directory.backend() else {
        return Ok(maps);
    };
    let (tables, left_out) = largest(&directory)?;
    maps.left_out = left_out;
    directory.begin(Phase::Checking);
    for (name, at) in tables {
        let mut pages = store.pages(at, 0, false)?;
        let unit = store.layout().page_name();
        maps.add(name, unit, (&mut *pages, &options.progress))?;
    }
    Ok(maps)
}

impl PageMaps {
    fn add(
        &mut self,
        name: String,
        unit: &'static str,
        (pages, progress): (&mut dyn PageStream, &Progress),
    ) -> Result<()> {
        let mut cells = Cells::default();
        while let Some(page) = pages.next_page()? {
            let go_on = progress.go_on();
            go_on.map_err(|error| Error::io("read", &page.file, error))?;
            let damage = page.damage.iter();
            damage.for_each(|damage| self.report.add(damage.into()));
            cells.add(PageCell::of(&page));
        }
        let cells = cells.cells;
        if !cells.is_empty() {
            self.maps.push(PageMap { name, unit, cells });
        }
        Ok(())
    }
}

/// A table's name and its positions.
type NamedTable = (String, (usize, usize));

/// The largest tables in stored order, and how many others there are.
fn largest(directory: &Directory) -> Result<(Vec<NamedTable>, usize)> {
    let mut tables = Vec::new();
    for (at, database) in directory.catalog().databases.iter().enumerate() {
        for (position, table) in database.tables.iter().enumerate() {
            let name = format!("{}.{}", database.name, table.name);
            let bytes = table_bytes(directory, at, position)?;
            tables.push((Reverse(bytes), (at, position), name));
        }
    }
    tables.sort();
    let left_out = tables.len().saturating_sub(MAX_MAPS);
    tables.truncate(MAX_MAPS);
    let mut tables: Vec<_> = tables.into_iter().map(|(_, at, name)| (name, at)).collect();
    tables.sort_by_key(|(_, at)| *at);
    Ok((tables, left_out))
}

/// Cells that grow wider as more pages come.
#[derive(Debug)]
struct Cells {
    cells: Vec<PageCell>,
    pages_a_cell: u64,
}

impl Default for Cells {
    fn default() -> Self {
        Cells {
            cells: Vec::new(),
            pages_a_cell: 1,
        }
    }
}

impl Cells {
    fn add(&mut self, page: PageCell) {
        let last = self.cells.last_mut();
        match last.filter(|last| last.pages < self.pages_a_cell) {
            Some(last) => last.join(&page),
            None => self.cells.push(page),
        }
        if self.cells.len() <= MAX_CELLS {
            return;
        }
        self.pages_a_cell = self.pages_a_cell.saturating_mul(2);
        let pairs = self.cells.chunks(2).filter_map(|pair| {
            let (first, rest) = pair.split_first()?;
            let mut cell = *first;
            rest.iter().for_each(|next| cell.join(next));
            Some(cell)
        });
        self.cells = pairs.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The map of this many pages, the dead bytes of each being its number.
    fn map(pages: u64) -> Vec<PageCell> {
        let mut cells = Cells::default();
        for number in 0..pages {
            cells.add(PageCell {
                first: number,
                last: number,
                pages: 1,
                bytes: 8192,
                dead_bytes: number,
                free_bytes: 1,
                damaged: u64::from(number == 7),
            });
        }
        cells.cells
    }

    #[test]
    fn up_to_the_limit_each_page_has_its_cell() {
        let cells = map(MAX_CELLS as u64);
        assert_eq!(cells.len(), MAX_CELLS);
        assert!(cells.iter().all(|cell| cell.first == cell.last));
    }

    #[test]
    fn beyond_the_limit_neighbours_share_one_and_nothing_is_lost() {
        for pages in [MAX_CELLS as u64 + 1, 1000, 5000, 123_457] {
            let cells = map(pages);
            assert!(
                cells.len() > MAX_CELLS / 2 && cells.len() <= MAX_CELLS,
                "{pages}"
            );
            let width = cells[0].pages;
            let (last, others) = cells.split_last().unwrap();
            assert!(others.iter().all(|cell| cell.pages == width), "{pages}");
            assert!(last.pages <= width, "{pages}");
            let mut next = 0;
            for cell in &cells {
                assert_eq!((cell.first, cell.last), (next, next + cell.pages - 1));
                next = cell.last + 1;
            }
            assert_eq!(next, pages);
            let sum = |pick: fn(&PageCell) -> u64| cells.iter().map(pick).sum::<u64>();
            assert_eq!(sum(|cell| cell.dead_bytes), pages * (pages - 1) / 2);
            assert_eq!(sum(|cell| cell.free_bytes), pages);
            assert_eq!(sum(|cell| cell.damaged), 1);
        }
    }

    #[test]
    fn a_trace_of_dead_bytes_is_not_rounded_away_and_no_share_is_over_100() {
        let cell = PageCell {
            bytes: 8192,
            dead_bytes: 1,
            free_bytes: 9000,
            ..PageCell::default()
        };
        assert_eq!((cell.fill_percent(), cell.dead_percent()), (0, 1));
        let forged = PageCell {
            bytes: 10,
            dead_bytes: 90,
            ..cell
        };
        assert_eq!(forged.dead_percent(), 100);
    }
}
