//! Puts together rows that are not in one tuple where their line pointer is:
//! wide ones, and those that have moved.

use super::heap::{RowPlace, State, Tuple};
use super::overflow::{OverflowPage, RowHead};
use super::page_source::PageSource;
use crate::codec::Cursor;
use crate::engine::pages::frame::Piece;
use crate::engine::pages::page::PageKind;
use crate::engine::rows::codec::{RowSummary, walk_row_key};
use crate::engine::rows::row_run::check_end;
use crate::error::{Damage, Result};
use crate::finding::Code;

/// Puts wide rows together.
#[derive(Debug)]
pub(super) struct ChainReader<S> {
    pages: S,
    row: Vec<u8>,
}

impl<S: PageSource> ChainReader<S> {
    /// A reader of the chains of a table.
    pub(super) fn new(pages: S) -> Self {
        ChainReader {
            pages,
            row: Vec::new(),
        }
    }

    /// The row that was read last, and nothing else.
    pub(super) fn into_row(self) -> Vec<u8> {
        self.row
    }

    /// The row that was read last.
    pub(super) fn row(&self) -> &[u8] {
        &self.row
    }

    /// Reads the row of a tuple in `page`, wherever it is, and tells of each
    /// overflow page.
    ///
    /// # Errors
    /// As [`read`](Self::read); `BrokenChain` when a row has not moved to where
    /// its tuple says.
    pub(super) fn read_tuple(
        &mut self,
        tuple: &Tuple<'_>,
        page: u32,
        reached: impl FnMut(u32),
    ) -> Result<()> {
        match tuple.state {
            State::Row | State::MovedRow => {
                self.row.clear();
                self.row.extend_from_slice(tuple.piece.bytes);
                Ok(())
            }
            State::Head | State::MovedHead => {
                self.read(&RowHead::decode(tuple.piece, tuple.slot)?, page, reached)
            }
            State::Moved => self.read_moved(tuple, page, reached),
        }
    }

    /// Reads a row that has moved. Its chain names the line pointer that it had
    /// before.
    fn read_moved(&mut self, tuple: &Tuple<'_>, page: u32, reached: impl FnMut(u32)) -> Result<()> {
        let target = tuple.target();
        let found = self.pages.load(target.page)?;
        let piece = self.pages.first();
        let heap = match found {
            true => self.pages.heap(piece, target.page)?,
            false => None,
        };
        let moved = heap.and_then(|heap| heap.tuple(target.slot));
        match moved.map(|moved| (moved.state, moved.piece)) {
            Some((State::MovedRow, row)) => {
                self.row.clear();
                self.row.extend_from_slice(row.bytes);
                Ok(())
            }
            Some((State::MovedHead, head)) => {
                // The chain is read through the same pages.
                let (path, bytes) = (head.path.to_owned(), head.bytes.to_owned());
                let head = Piece {
                    path: &path,
                    offset: head.offset,
                    bytes: &bytes,
                };
                self.read(&RowHead::decode(head, tuple.slot)?, page, reached)
            }
            _ => {
                let found = format!("slot {} of page {}", target.slot, target.page);
                let expected = "a slot that a row has moved to";
                Err(tuple
                    .piece
                    .damage(0, Code::BrokenChain, found, expected)
                    .into())
            }
        }
    }

    /// Reads the row of a place; false when none is there that has not moved
    /// to it.
    ///
    /// # Errors
    /// As [`read_tuple`](Self::read_tuple).
    pub(super) fn read_place(&mut self, place: RowPlace) -> Result<bool>
    where
        S: Clone,
    {
        let mut pages = self.pages.clone();
        if !pages.load(place.page)? {
            return Ok(false);
        }
        let heap = pages.heap(pages.first(), place.page)?;
        match heap.and_then(|heap| heap.tuple(place.slot)) {
            None => Ok(false),
            Some(tuple) if matches!(tuple.state, State::MovedRow | State::MovedHead) => Ok(false),
            Some(tuple) => self.read_tuple(&tuple, place.page, |_| {}).map(|()| true),
        }
    }

    /// Reads the row of a head that stands in `page`, and tells of each page
    /// of its chain. Memory grows with the bytes that are there, not with the
    /// length that the head states; the position that every page states ends
    /// any cycle.
    ///
    /// # Errors
    /// `BrokenChain` when a page is missing, of another kind, row or position;
    /// what is wrong with a page itself; I/O errors.
    pub(super) fn read(
        &mut self,
        head: &RowHead<'_>,
        page: u32,
        mut reached: impl FnMut(u32),
    ) -> Result<()> {
        self.row.clear();
        self.row.extend_from_slice(head.inline);
        let (mut number, mut position) = (head.first, 0);
        while self.row.len() < head.row_len {
            if !self.pages.load(number)? {
                return Err(missing(head, number).into());
            }
            let piece = self.pages.first();
            let bounds = self.pages.bounds(&piece, number)?;
            if bounds.kind != PageKind::Overflow {
                let found = format!("heap page {number}");
                return Err(head.broken(found, "an overflow page".into()).into());
            }
            let part = OverflowPage::decode(&piece, bounds)?;
            let rest = head.row_len - self.row.len();
            part.check(&piece, head, (page, position), rest)?;
            self.row.extend_from_slice(part.bytes);
            reached(number);
            (number, position) = (part.next, position + 1);
        }
        Ok(())
    }
}

/// Checks a row that was read, and gives the bytes of its value at position
/// `key`.
///
/// # Errors
/// When the bytes are no such row; of one that was put together at the offset
/// of its tuple.
pub(super) fn walk_row_of<'r>(
    tuple: &Tuple<'_>,
    row: &'r [u8],
    arity: usize,
    key: Option<usize>,
) -> Result<(RowSummary, Option<&'r [u8]>), Damage> {
    let piece = Piece {
        bytes: row,
        path: tuple.piece.path,
        offset: tuple.piece.offset,
    };
    let mut c = Cursor::new(row);
    let walked = walk_row_key(&mut c, arity, key);
    let walked = walked.map_err(|flaw| piece.flaw(flaw));
    let checked = walked.and_then(|walked| check_end(&piece, &c).map(|()| walked));
    checked.map_err(|damage| match tuple.state {
        State::Row => damage,
        _ => Damage {
            offset: tuple.piece.offset,
            ..damage
        },
    })
}

fn missing(head: &RowHead<'_>, number: u32) -> Damage {
    let found = format!("page {number}, which is not there");
    head.broken(found, "an overflow page".into())
}
