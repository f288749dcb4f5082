//! The page files of a table as one row of pages (format page, "Page files").

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::overflow::NO_PAGE;
use crate::engine::pages::address::TableAddress;
use crate::engine::pages::buffer_pool::PAGE_LEN;
use crate::engine::pages::frame::Piece;
use crate::engine::rows::counts::TableCounts;
use crate::error::{Error, Result};
use crate::file::{Disk, EntryKind, SourceFile, Window};
use crate::finding::Code;

/// Most pages of 8 KB in one file of the layout paged: 1 GiB.
pub const MAX_PAGES_PER_FILE: u32 = 1 << 17;

/// The file that starts with a page.
pub(super) fn page_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("page_{first:04}.dat"))
}

/// The number of the first page of a file, by its name.
pub(super) fn first_page(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("page_")?.strip_suffix(".dat")?;
    let number = is_page_file(name).then(|| digits.parse());
    number?.ok()
}

/// Whether a file has the name of one of pages.
pub(super) fn is_page_file(name: &str) -> bool {
    let first = name
        .strip_prefix("page_")
        .and_then(|rest| rest.strip_suffix(".dat"));
    first.is_some_and(|first| !first.is_empty() && first.bytes().all(|b| b.is_ascii_digit()))
}

/// Where the pages of a table are.
#[derive(Debug, Clone)]
pub(super) struct PagePlace {
    /// Where files are.
    pub disk: Arc<dyn Disk>,
    /// The directory of the table.
    pub dir: PathBuf,
    /// Whose pages they are.
    pub address: TableAddress,
    /// Pages of one file.
    pub pages_per_file: u32,
}

impl PagePlace {
    /// The file of an index.
    pub(super) fn file(&self, index: u64) -> PathBuf {
        let first = index.saturating_mul(self.pages_per_file.into());
        page_path(&self.dir, first)
    }

    /// Index of the file that holds a page, and of the page in it.
    pub(super) fn split(&self, page: u32) -> (u32, u32) {
        (page / self.pages_per_file, page % self.pages_per_file)
    }

    /// How many pages from one on nobody wrote, in the file that holds it.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn hole_pages(&self, page: u32, file: &SourceFile) -> Result<u32> {
        let (_, in_file) = self.split(page);
        let offset = u64::from(in_file) * PAGE_LEN as u64;
        let hole_len = file.data_from(offset)?.start.saturating_sub(offset);
        let left = self.pages_per_file.saturating_sub(in_file);
        let pages = (hole_len / PAGE_LEN as u64).min(left.into());
        Ok(u32::try_from(pages).unwrap_or(left))
    }

    /// Whether something of the name of a file is there.
    pub(super) fn has_file(&self, index: u64) -> bool {
        matches!(self.disk.kind(&self.file(index)), Ok(Some(_)))
    }

    /// How many files there are, from the first one on without a gap.
    pub(super) fn file_count(&self) -> u64 {
        (0..).take_while(|index| self.has_file(*index)).count() as u64
    }

    /// As [`file_count`](Self::file_count), where no file is lost before one that
    /// is there, nor the first one of a table that has rows.
    ///
    /// # Errors
    /// `MissingFile`; I/O errors.
    pub(super) fn check_files(&self, counts: TableCounts) -> Result<u64> {
        let count = self.file_count();
        let lost = || Err(Error::missing_file(&self.file(count)));
        if count == 0 && counts.rows > 0 {
            return lost();
        }
        let first = count.saturating_mul(self.pages_per_file.into());
        let is_beyond = |name: &str| first_page(name).is_some_and(|n| n > first);
        if self.disk.kind(&self.dir)? != Some(EntryKind::Dir) {
            return Ok(count);
        }
        for entry in self.disk.entries(&self.dir)? {
            if entry.is_file && is_beyond(&entry.name) {
                // What has no whole pages is nobody's file of pages.
                let len = self.disk.len_of(&entry.path)?;
                if len > 0 && len % PAGE_LEN as u64 == 0 {
                    return lost();
                }
            }
        }
        Ok(count)
    }
}

/// Whole pages of a file.
pub(super) fn whole_pages(file: &SourceFile) -> u64 {
    file.len() / PAGE_LEN as u64
}

/// Checks that a file has whole pages, and as many as its place demands.
///
/// # Errors
/// `Truncated` or `TrailingBytes`.
pub(super) fn check_len(file: &SourceFile, pages_per_file: u32, is_last: bool) -> Result<()> {
    let (whole, full) = (whole_pages(file), u64::from(pages_per_file));
    let odd = file.len() % PAGE_LEN as u64;
    let damage = |at, code, found: String, expected: String| {
        Err(Error::damage(file.path(), at, code, found, expected))
    };
    if whole > full || (whole == full && odd != 0) {
        let found = format!("a file of {} bytes", file.len());
        let expected = format!("at most {full} pages");
        return damage(full * PAGE_LEN as u64, Code::TrailingBytes, found, expected);
    }
    if odd != 0 {
        let found = format!("{odd} bytes");
        let at = whole * PAGE_LEN as u64;
        return damage(at, Code::Truncated, found, "a whole page".into());
    }
    if !is_last && whole != full {
        let found = format!("a file of {whole} pages before another one");
        return damage(file.len(), Code::Truncated, found, format!("{full} pages"));
    }
    if whole == 0 {
        return damage(0, Code::Truncated, "an empty file".into(), "a page".into());
    }
    Ok(())
}

/// Reads pages by number. Reading on from where the last read ended costs no
/// more than reading a file through.
#[derive(Debug)]
pub(super) struct PageFiles {
    place: PagePlace,
    open: Option<(u32, Window)>,
}

impl PageFiles {
    /// The pages of a table, none read yet.
    pub(super) fn new(place: PagePlace) -> Self {
        PageFiles { place, open: None }
    }

    /// Where the pages are.
    pub(super) fn place(&self) -> &PagePlace {
        &self.place
    }

    /// Takes in a page, and those after it in its file as far as they are at
    /// hand anyway; false when the pages end before it.
    ///
    /// # Errors
    /// When the file has an impossible length, or on I/O errors.
    pub(super) fn load(&mut self, page: u32) -> Result<bool> {
        if page == NO_PAGE {
            return Ok(false);
        }
        let (index, in_file) = self.place.split(page);
        let window = match &mut self.open {
            Some((at, window)) if *at == index => window,
            open => match open_file(&self.place, index)? {
                Some(window) => &mut open.insert((index, window)).1,
                None => return Ok(false),
            },
        };
        if u64::from(in_file) >= whole_pages(window.file()) {
            return Ok(false);
        }
        window.seek(u64::from(in_file) * PAGE_LEN as u64);
        window.fill(PAGE_LEN)?;
        Ok(true)
    }

    /// The page that was taken in, and those after it that are at hand.
    pub(super) fn at_hand(&self) -> impl Iterator<Item = Piece<'_>> {
        let window = self.open.as_ref().map(|(_, window)| window);
        window.into_iter().flat_map(|window| {
            let pages = window.buffered().chunks_exact(PAGE_LEN);
            pages.enumerate().map(|(at, bytes)| Piece {
                path: window.file().path(),
                offset: window.offset() + (at * PAGE_LEN) as u64,
                bytes,
            })
        })
    }
}

fn open_file(place: &PagePlace, index: u32) -> Result<Option<Window>> {
    let path = place.file(index.into());
    let file = match SourceFile::open_on(&*place.disk, &path) {
        Err(error) if error.is_missing(&path) => return Ok(None),
        file => file?,
    };
    let is_last = !place.has_file(u64::from(index) + 1);
    check_len(&file, place.pages_per_file, is_last)?;
    let len = file.len();
    Ok(Some(Window::new(file, 0..len)))
}
