//! Reads the blocks of a file one by one.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use super::{Block, Head};
use crate::engine::pages::address::TableAddress;
use crate::engine::pages::frame::Piece;
use crate::error::Result;
use crate::file::{SourceFile, Window};
use crate::finding::Code;
use crate::model::RowPart;

/// The blocks of a file, in order.
pub(in crate::engine) struct BlockWalk<H> {
    window: Window,
    address: TableAddress,
    /// Index of the next row; `None` after a block that could not be read.
    next_row: Option<u64>,
    /// File offset after the block read last, if its lengths made sense.
    after: Option<u64>,
    head: PhantomData<H>,
}

impl<H: Head> BlockWalk<H> {
    /// The blocks in a range of file offsets.
    pub(in crate::engine) fn new(
        file: &Arc<SourceFile>,
        address: TableAddress,
        range: Range<u64>,
    ) -> Self {
        BlockWalk {
            after: Some(range.start),
            window: Window::new(file.clone(), range),
            address,
            next_row: Some(0),
            head: PhantomData,
        }
    }

    /// The blocks of one of [`block_parts`].
    pub(in crate::engine) fn of_part(
        file: &Arc<SourceFile>,
        address: TableAddress,
        part: &RowPart,
    ) -> Self {
        BlockWalk {
            next_row: Some(part.place as u64),
            ..BlockWalk::new(file, address, part.from..part.to)
        }
    }

    /// The file.
    pub(in crate::engine) fn file(&self) -> &Arc<SourceFile> {
        self.window.file()
    }

    /// Takes in the next block and checks it. The rows of the block before are
    /// gone then.
    ///
    /// # Errors
    /// When it is damaged or misplaced, or on I/O errors.
    pub(in crate::engine) fn advance(&mut self) -> Result<Option<Block<H>>> {
        if let Some(after) = self.after.take() {
            self.window.seek(after);
        }
        if self.window.remaining() == 0 {
            return Ok(None);
        }
        self.window.fill(H::LEN)?;
        let remaining = self.window.remaining();
        let block = Block::<H>::decode(&self.piece(H::LEN as u64), remaining)?;
        let offset = self.window.offset();
        self.after = Some(offset.saturating_add(block.len()));
        let expected_row = self.next_row.take();
        self.window
            .fill(usize::try_from(block.len()).unwrap_or(usize::MAX))?;
        let piece = self.piece(block.len());
        block.check(&piece, &self.address)?;
        let extent = block.head.extent();
        if expected_row.is_some_and(|row| row != extent.first_row) {
            let found = format!("a block that starts with row {}", extent.first_row);
            let expected = format!("row {}", expected_row.unwrap_or_default());
            let [.., at] = H::OFFSETS;
            return Err(piece.damage(at, Code::WrongPlace, found, expected).into());
        }
        self.next_row = extent.first_row.checked_add(block.head.added_rows().into());
        Ok(Some(block))
    }

    /// Whether [`advance`](Self::advance) can go on after an error: the damaged
    /// block's end is known.
    pub(in crate::engine) fn can_go_on(&self) -> bool {
        self.after.is_some()
    }

    /// File offset of the block that was taken in last.
    pub(in crate::engine) fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// The first bytes at hand.
    fn piece(&self, len: u64) -> Piece<'_> {
        let bytes = self.window.buffered();
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        Piece {
            path: self.window.file().path(),
            offset: self.window.offset(),
            bytes: bytes.get(..len).unwrap_or(bytes),
        }
    }

    /// The rows of the block that was taken in last.
    pub(in crate::engine) fn rows(&self, block: &Block<H>) -> Piece<'_> {
        let piece = self.piece(block.len());
        Piece {
            offset: piece.offset + H::LEN as u64,
            bytes: piece.bytes.get(H::LEN..).unwrap_or_default(),
            ..piece
        }
    }
}

/// Bytes of a part, unless a block is wider.
const PART_LEN: u64 = 256 * 1024;

/// The blocks in a range of file offsets in parts; their place is the index of
/// their first row. Only heads are looked at, each is given to `each`. A head
/// that makes no sense ends the search: the last part goes on to the end, and
/// who reads it meets the damage.
///
/// # Errors
/// I/O errors.
pub(in crate::engine) fn block_parts<H: Head>(
    file: &Arc<SourceFile>,
    range: Range<u64>,
    mut each: impl FnMut(&Block<H>),
) -> Result<Vec<RowPart>> {
    let part = |place: u64, from: u64| RowPart {
        place: usize::try_from(place).unwrap_or(usize::MAX),
        from,
        to: range.end,
    };
    let mut parts = Vec::new();
    let mut open = part(0, range.start);
    let (mut offset, mut next_row) = (range.start, Some(0));
    let mut head = vec![0; H::LEN];
    while range.end.saturating_sub(offset) >= H::LEN as u64 {
        file.read_exact_at(&mut head, offset)?;
        let piece = Piece {
            path: file.path(),
            offset,
            bytes: &head,
        };
        let Ok(block) = Block::<H>::decode(&piece, range.end - offset) else {
            break;
        };
        let extent = block.head.extent();
        if next_row != Some(extent.first_row) {
            break;
        }
        next_row = extent.first_row.checked_add(block.head.added_rows().into());
        if offset - open.from >= PART_LEN {
            let next = part(extent.first_row, offset);
            parts.push(RowPart { to: offset, ..open });
            open = next;
        }
        each(&block);
        offset = offset.saturating_add(block.len());
    }
    parts.push(open);
    Ok(parts)
}
