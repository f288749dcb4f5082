//! Where the pages of a table are read from: its files, or the pool.

use super::heap::HeapPage;
use super::overflow::check_overflow;
use super::page_files::{PageFiles, PagePlace};
use crate::engine::pages::address::TableAddress;
use crate::engine::pages::frame::Piece;
use crate::engine::pages::page::{Bounds, PageHeader, PageKind};
use crate::error::{Damage, Result};

/// Reads pages by number.
pub(super) trait PageSource {
    /// Where the pages are.
    fn place(&self) -> &PagePlace;

    /// Takes in a page; false when the pages end before it.
    ///
    /// # Errors
    /// Damage; I/O errors.
    fn load(&mut self, page: u32) -> Result<bool>;

    /// The page that was taken in, and those after it that are at hand.
    fn at_hand(&self) -> impl Iterator<Item = Piece<'_>>;

    /// What a page states, which is at its place.
    ///
    /// # Errors
    /// What is wrong with the page.
    fn bounds(&self, page: &Piece<'_>, number: u32) -> Result<Bounds, Damage>;

    /// The page that was taken in.
    fn first(&self) -> Piece<'_> {
        let empty = Piece {
            path: &self.place().dir,
            offset: 0,
            bytes: &[],
        };
        self.at_hand().next().unwrap_or(empty)
    }

    /// Whose pages they are.
    fn address(&self) -> &TableAddress {
        &self.place().address
    }

    /// Checks a page; its line pointers, or `None` for an overflow page.
    ///
    /// # Errors
    /// What is wrong with the page.
    fn heap<'a>(&self, page: Piece<'a>, number: u32) -> Result<Option<HeapPage<'a>>, Damage> {
        let bounds = self.bounds(&page, number)?;
        match bounds.kind {
            PageKind::Heap => HeapPage::new(page, bounds).map(Some),
            _ => check_overflow(&page, bounds).map(|()| None),
        }
    }
}

impl PageSource for PageFiles {
    fn place(&self) -> &PagePlace {
        PageFiles::place(self)
    }

    fn load(&mut self, page: u32) -> Result<bool> {
        PageFiles::load(self, page)
    }

    fn at_hand(&self) -> impl Iterator<Item = Piece<'_>> {
        PageFiles::at_hand(self)
    }

    fn bounds(&self, page: &Piece<'_>, number: u32) -> Result<Bounds, Damage> {
        PageHeader::open(page, self.address(), number)?.bounds(page)
    }
}
