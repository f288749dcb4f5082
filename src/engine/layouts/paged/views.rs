//! Pages one by one, to be shown: whole or damaged.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::heap::{HeapPage, LinePointer, MOVED_LEN, RowPlace, SLOT_LEN, State, slot_count};
use super::overflow::{
    self, FIRST_OFFSET, NEXT_OFFSET, NO_PAGE, POSITION_OFFSET, ROW_HEAD_LEN, check_overflow,
};
use super::page_files::PagePlace;
use crate::codec::Cursor;
use crate::engine::pages::buffer_pool::PAGE_LEN;
use crate::engine::pages::frame::Piece;
use crate::engine::pages::page::{
    HEADER, KIND_OFFSET, LOWER_OFFSET, PAGE_HEADER_LEN, PageHeader, PageKind, UPPER_OFFSET,
};
use crate::engine::rows::codec::{decode_alone, walk_row};
use crate::error::{Damage, Result};
use crate::file::SourceFile;
use crate::finding::Code;
use crate::model::{FieldSpec, PageRow, PageSlot, PageStream, PageView, Shown};

/// States of line pointers, by their number.
const STATES: [&str; 8] = [
    "unused",
    "row",
    "wide row",
    "moved",
    "moved here",
    "wide row moved here",
    "state 6",
    "state 7",
];

/// The file of a page, the page's offset there, and its bytes.
type PageBytes = (Arc<SourceFile>, u64, Vec<u8>);

/// The pages of a table.
pub(super) struct PageViews {
    place: PagePlace,
    arity: usize,
    number: u32,
    with_rows: bool,
    open: Option<(u32, Arc<SourceFile>)>,
    /// Overflow pages that were shown with their row: each is of one.
    followed: BTreeSet<u32>,
}

impl PageViews {
    /// The pages from number `from` on.
    pub(super) fn new(place: PagePlace, arity: usize, shown: Shown) -> Self {
        PageViews {
            place,
            arity,
            number: u32::try_from(shown.from).unwrap_or(NO_PAGE),
            with_rows: shown.with_rows,
            open: None,
            followed: BTreeSet::new(),
        }
    }

    /// The bytes of a page, as far as they are there, with their file and
    /// offset; `None` when nothing of it is.
    fn page(&mut self, number: u32) -> Result<Option<PageBytes>> {
        let (index, in_file) = self.place.split(number);
        let file = match &self.open {
            Some((open, file)) if *open == index => file.clone(),
            _ => {
                let path = self.place.file(index.into());
                let file = match SourceFile::open_on(&*self.place.disk, &path) {
                    Err(error) if error.is_missing(&path) => return Ok(None),
                    file => file?,
                };
                self.open = Some((index, file.clone()));
                file
            }
        };
        let offset = u64::from(in_file) * PAGE_LEN as u64;
        let len = file.len().saturating_sub(offset).min(PAGE_LEN as u64);
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        file.read_exact_at(&mut bytes, offset)?;
        Ok((len > 0).then_some((file, offset, bytes)))
    }

    fn heap(&mut self, view: &mut PageView) -> Result<()> {
        let lower = u16_at(&view.bytes, LOWER_OFFSET).min(view.bytes.len());
        let upper = u16_at(&view.bytes, UPPER_OFFSET);
        view.free_len = upper.saturating_sub(lower) as u64;
        let bytes = view.bytes.clone();
        for slot in 0..slot_count(lower) {
            let pointer = LinePointer::read(&bytes, slot);
            let LinePointer { offset, len, tag } = pointer;
            let tuple = bytes.get(offset..offset + len).unwrap_or_default();
            view.slots.push(PageSlot {
                number: slot.into(),
                at: LinePointer::position(slot),
                len: SLOT_LEN,
                row_offset: offset,
                row_len: len,
                state: match pointer.state() {
                    Some(State::Moved) if tuple.len() >= MOVED_LEN => {
                        let RowPlace { page, slot } = RowPlace::decode(tuple);
                        format!("moved to slot {slot} of page {page}")
                    }
                    _ => STATES
                        .get(usize::from(tag))
                        .copied()
                        .unwrap_or_default()
                        .to_owned(),
                },
            });
            match pointer.state() {
                Some(State::Row | State::MovedRow) => {
                    self.row(view, (slot.into(), offset), tuple, (tuple, Vec::new()));
                }
                Some(State::Head | State::MovedHead) => {
                    let (row, pages) = self.chain(view, offset, tuple)?;
                    self.row(view, (slot.into(), offset), tuple, (&row, pages));
                }
                Some(State::Moved) | None => {}
            }
        }
        Ok(())
    }

    fn row(
        &self,
        view: &mut PageView,
        (slot, at): (u64, usize),
        tuple: &[u8],
        (row, overflow): (&[u8], Vec<u32>),
    ) {
        let path = view.file.clone();
        let piece = Piece {
            path: &path,
            offset: view.offset.saturating_add(at as u64),
            bytes: row,
        };
        match walk_row(&mut Cursor::new(row), self.arity) {
            Ok(walked) => view.rows.push(PageRow {
                slot,
                at,
                len: tuple.len(),
                row_len: row.len() as u64,
                overflow,
                visible: walked.visible,
                row: match self.with_rows {
                    true => decode_alone(row, self.arity),
                    false => None,
                },
            }),
            Err(flaw) => view.damage.push(piece.flaw(flaw)),
        }
    }

    /// Puts a wide row together; its pages as far as they lead on, and as no other
    /// row has led there.
    fn chain(
        &mut self,
        view: &mut PageView,
        at: usize,
        tuple: &[u8],
    ) -> Result<(Vec<u8>, Vec<u32>)> {
        let row_len = u32_at(tuple, 0) as usize;
        let mut row = tuple.get(ROW_HEAD_LEN..).unwrap_or_default().to_vec();
        let (mut next, mut pages) = (u32_at(tuple, FIRST_OFFSET), Vec::new());
        let broken = |found: String| Damage {
            file: view.file.clone(),
            offset: view.offset.saturating_add(at as u64),
            code: Code::BrokenChain,
            found,
            expected: "the next overflow page of the row".into(),
        };
        let mut damage = None;
        while row.len() < row_len && damage.is_none() {
            let read = match next {
                NO_PAGE => None,
                next if !self.followed.insert(next) => None,
                next => self.page(next)?,
            };
            let part = read.as_ref().and_then(|(_, _, bytes)| {
                let is_part = bytes.get(KIND_OFFSET) == Some(&(PageKind::Overflow as u8));
                let position = u32_at(bytes, POSITION_OFFSET) as usize;
                let upper = u16_at(bytes, UPPER_OFFSET).max(PAGE_HEADER_LEN);
                let part = bytes.get(upper..).filter(|part| !part.is_empty());
                part.filter(|_| is_part && position == pages.len())
                    .map(|part| (part, u32_at(bytes, NEXT_OFFSET)))
            });
            match part {
                Some((part, after)) => {
                    row.extend_from_slice(part);
                    pages.push(next);
                    next = after;
                }
                None => damage = Some(broken(format!("page {next}"))),
            }
        }
        view.damage.extend(damage);
        Ok((row, pages))
    }

    /// What is wrong with a page by itself.
    fn check(&self, view: &PageView) -> Result<(), Damage> {
        let page = Piece {
            path: &view.file,
            offset: view.offset,
            bytes: &view.bytes,
        };
        if view.bytes.len() < PAGE_LEN {
            let found = format!("{} bytes", view.bytes.len());
            return Err(page.damage(0, Code::Truncated, found, "a whole page"));
        }
        let number = u32::try_from(view.number).unwrap_or(NO_PAGE);
        let bounds = PageHeader::open(&page, &self.place.address, number)?.bounds(&page)?;
        if bounds.kind == PageKind::Overflow {
            return check_overflow(&page, bounds);
        }
        HeapPage::new(page, bounds).map(|_| ())
    }
}

impl PageStream for PageViews {
    fn next_page(&mut self) -> Result<Option<PageView>> {
        if self.number == NO_PAGE {
            return Ok(None);
        }
        let number = self.number;
        let Some((file, offset, bytes)) = self.page(number)? else {
            return Ok(None);
        };
        let mut view = PageView::new(number.into(), file.path().to_owned(), offset, bytes);
        view.damage.extend(self.check(&view).err());
        let hole_pages = self.place.hole_pages(number, &file)?;
        if hole_pages > 1 {
            view.damage.push(Damage {
                file: file.path().to_owned(),
                offset,
                code: Code::Truncated,
                found: format!("a hole of {hole_pages} pages, of which this is the first"),
                expected: "pages that were written".into(),
            });
        }
        self.number = number.saturating_add(hole_pages.max(1));
        let read = |specs: &[FieldSpec], view: &mut PageView| {
            let fields = specs.iter().filter_map(|spec| spec.read(&view.bytes));
            view.fields.extend(fields.collect::<Vec<_>>());
        };
        read(&HEADER, &mut view);
        match view.bytes.get(KIND_OFFSET) {
            Some(kind) if *kind == PageKind::Heap as u8 => {
                view.kind = "heap".into();
                self.heap(&mut view)?;
            }
            Some(kind) if *kind == PageKind::Overflow as u8 => {
                view.kind = "overflow".into();
                read(&overflow::FIELDS, &mut view);
            }
            _ => {}
        }
        Ok(Some(view))
    }
}

fn u16_at(bytes: &[u8], at: usize) -> usize {
    let two = bytes.get(at..).and_then(|rest| rest.first_chunk());
    two.map_or(0, |two| u16::from_le_bytes(*two).into())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..).and_then(|rest| rest.first_chunk());
    four.map_or(0, |four| u32::from_le_bytes(*four))
}
