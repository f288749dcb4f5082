//! The first page of a tree, which says where the others are (format page,
//! "Index").

use crate::codec::Cursor;
use crate::engine::pages::address::{Lsn, TableAddress};
use crate::engine::pages::buffer_pool::{PAGE_LEN, PageBytes};
use crate::engine::pages::frame::Piece;
use crate::engine::pages::page::{
    Bounds, LOWER_OFFSET, PAGE_HEADER_LEN, PageHeader, PageKind, PagePos, PageSet, check_zero, put,
    seal_page,
};
use crate::error::Damage;
use crate::file::SourceFile;
use crate::finding::Code;

/// Its number.
pub(super) const META_PAGE: u32 = 0;
/// Most levels. A page above the leaves is split when it is full only, so that
/// each level has a hundredth of the pages of the one below it, and page numbers
/// end before.
pub(super) const MAX_HEIGHT: u32 = 8;

const ROOT_OFFSET: usize = PAGE_HEADER_LEN;
const HEIGHT_OFFSET: usize = ROOT_OFFSET + 4;
const PAGE_COUNT_OFFSET: usize = HEIGHT_OFFSET + 4;
const ENTRY_COUNT_OFFSET: usize = PAGE_COUNT_OFFSET + 4 + 4;
const STAMP_OFFSET: usize = ENTRY_COUNT_OFFSET + 8;
const META_END: usize = STAMP_OFFSET + 8;

/// Checks that a file is as long as its pages.
///
/// # Errors
/// `Truncated` or `TrailingBytes`.
pub(super) fn check_len(file: &SourceFile, pages: u64) -> Result<(), Damage> {
    let expected_len = pages.saturating_mul(PAGE_LEN as u64);
    if file.len() == expected_len {
        return Ok(());
    }
    Err(Damage {
        file: file.path().to_owned(),
        offset: file.len().min(expected_len),
        code: match file.len() < expected_len {
            true => Code::Truncated,
            false => Code::TrailingBytes,
        },
        found: format!("a file of {} bytes", file.len()),
        expected: format!("{pages} pages of {PAGE_LEN} bytes"),
    })
}

/// What the first page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Meta {
    /// The page on top.
    pub root: u32,
    /// Levels; 1 when the root is a leaf.
    pub height: u32,
    /// Pages, this one among them.
    pub page_count: u32,
    /// Entries of all leaves.
    pub entry_count: u64,
    /// What the owner wrote to see whether the index is that of its rows.
    pub stamp: u64,
}

impl Meta {
    /// The sealed page.
    pub(super) fn encode(&self, address: &TableAddress, lsn: Lsn) -> PageBytes {
        let mut page = [0; PAGE_LEN];
        put(&mut page, ROOT_OFFSET, &self.root.to_le_bytes());
        put(&mut page, HEIGHT_OFFSET, &self.height.to_le_bytes());
        put(&mut page, PAGE_COUNT_OFFSET, &self.page_count.to_le_bytes());
        let count = self.entry_count.to_le_bytes();
        put(&mut page, ENTRY_COUNT_OFFSET, &count);
        put(&mut page, STAMP_OFFSET, &self.stamp.to_le_bytes());
        let bounds = Bounds {
            kind: PageKind::IndexMeta,
            lower: META_END,
            upper: PAGE_LEN,
        };
        let number = META_PAGE;
        seal_page(&mut page, address, PagePos { number, lsn }, bounds);
        page
    }

    /// Reads the page.
    ///
    /// # Errors
    /// What is wrong with it; `OutOfRange` when it leads nowhere.
    pub(super) fn decode(page: &Piece<'_>, address: &TableAddress) -> Result<Self, Damage> {
        let header = PageHeader::open_in(PageSet::Index, page, address, META_PAGE)?;
        let bounds = header.bounds(page)?;
        let expected = (PageKind::IndexMeta, META_END, PAGE_LEN);
        if (bounds.kind, bounds.lower, bounds.upper) != expected {
            let found = format!("{:?} of {} bytes", bounds.kind, bounds.lower);
            let expected = format!("the first page of an index, of {META_END} bytes");
            return Err(page.damage(LOWER_OFFSET, Code::BadPage, found, expected));
        }
        check_zero(page, PAGE_COUNT_OFFSET + 4, ENTRY_COUNT_OFFSET)?;
        let mut c = Cursor::new(page.bytes.get(ROOT_OFFSET..).unwrap_or_default());
        let mut read = || {
            let (root, height, page_count, _) = (c.u32()?, c.u32()?, c.u32()?, c.u32()?);
            Ok(Meta {
                root,
                height,
                page_count,
                entry_count: c.u64()?,
                stamp: c.u64()?,
            })
        };
        let meta = read().map_err(|flaw| page.flaw(flaw))?;
        if !(1..=MAX_HEIGHT).contains(&meta.height) || !(1..meta.page_count).contains(&meta.root) {
            let found = format!(
                "root {}, {} levels, {} pages",
                meta.root, meta.height, meta.page_count
            );
            let expected = format!("a root among the pages and 1 to {MAX_HEIGHT} levels");
            return Err(page.damage(ROOT_OFFSET, Code::OutOfRange, found, expected));
        }
        Ok(meta)
    }
}
