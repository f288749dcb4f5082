//! Whole blocks wherever they stand: what is left of a damaged file.

use std::marker::PhantomData;
use std::sync::Arc;

use super::{Block, Head};
use crate::codec::Cursor;
use crate::engine::pages::address::{RowId, TableAddress};
use crate::engine::pages::file_header::FILE_HEADER_LEN;
use crate::engine::pages::frame::Piece;
use crate::engine::rows::codec::{Read, walk_row};
use crate::error::{Damage, Error, Result};
use crate::file::{SourceFile, Window};
use crate::finding::Code;

/// How often the bytes of a file may be looked at in the search for blocks: a
/// forged file could state ever new ones.
const MOST_PASSES: u64 = 16;

/// A row of a whole unit.
#[derive(Debug, Clone)]
pub(in crate::engine) struct WholeRow {
    /// Its name in the log.
    pub id: RowId,
    /// Its bytes in the row codec.
    pub bytes: Vec<u8>,
    /// Its xmax, where that stands elsewhere.
    pub xmax: Option<u64>,
}

/// Values of a row, by its own bytes.
pub(in crate::engine) fn arity_of(row: &[u8]) -> Option<usize> {
    let mut c = Cursor::new(row);
    let read = |c: &mut Cursor<'_>| -> Read<u64> {
        let flags = c.u8()?;
        c.varint()?;
        if flags & 1 != 0 {
            c.varint()?;
        }
        c.varint()
    };
    usize::try_from(read(&mut c).ok()?).ok()
}

/// The rows of a block; `arity` is what its first row says where it is not
/// known. Rows that cannot be told apart are left out.
pub(in crate::engine) fn split_rows(
    payload: &[u8],
    row_count: u32,
    arity: Option<usize>,
    name: impl Fn(u32) -> RowId,
) -> Vec<WholeRow> {
    let mut rows = Vec::new();
    let Some(arity) = arity.or_else(|| arity_of(payload)) else {
        return rows;
    };
    let mut c = Cursor::new(payload);
    for position in 0..row_count {
        let start = c.position();
        if walk_row(&mut c, arity).is_err() {
            break;
        }
        rows.push(WholeRow {
            id: name(position),
            bytes: payload
                .get(start..c.position())
                .unwrap_or_default()
                .to_vec(),
            xmax: None,
        });
    }
    rows
}

/// A block, or bytes in which none is whole.
#[derive(Debug)]
pub(in crate::engine) enum BlockUnit<H> {
    /// Its head, its file offset, and what follows the head.
    Whole(H, u64, Vec<u8>),
    /// What stands there instead, and its bytes.
    Lost(Damage, u64),
}

/// The whole blocks of a file.
pub(in crate::engine) struct BlockUnits<H> {
    window: Window,
    address: TableAddress,
    at: u64,
    end: u64,
    /// Bytes that may still be looked at in vain.
    budget: u64,
    head: PhantomData<H>,
}

impl<H: Head> BlockUnits<H> {
    /// The blocks behind the header of a file, up to `end`.
    pub(in crate::engine) fn new(file: &Arc<SourceFile>, address: TableAddress, end: u64) -> Self {
        let end = end.min(file.len());
        BlockUnits {
            window: Window::new(file.clone(), 0..end),
            address,
            at: FILE_HEADER_LEN as u64,
            end,
            budget: end.saturating_mul(MOST_PASSES),
            head: PhantomData,
        }
    }

    /// The next block, or what is lost before it.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn next_block(&mut self) -> Result<Option<BlockUnit<H>>> {
        if self.at >= self.end {
            return Ok(None);
        }
        let start = self.at;
        match self.block(start)? {
            Ok((head, payload)) => {
                let len = H::LEN as u64 + payload.len() as u64;
                self.at = start.saturating_add(len);
                Ok(Some(BlockUnit::Whole(head, start, payload)))
            }
            Err(damage) => {
                self.at = self.find(start.saturating_add(1))?;
                Ok(Some(BlockUnit::Lost(damage, self.at - start)))
            }
        }
    }

    /// The block at an offset, if it is whole.
    fn block(&mut self, offset: u64) -> Result<Result<(H, Vec<u8>), Damage>> {
        let remaining = self.end.saturating_sub(offset);
        let short = |found: String, path: &std::path::Path| Damage {
            file: path.to_owned(),
            offset,
            code: Code::Truncated,
            found,
            expected: "a whole block".into(),
        };
        if remaining < H::LEN as u64 {
            let found = format!("{remaining} bytes");
            return Ok(Err(short(found, self.window.file().path())));
        }
        self.window.seek(offset);
        self.window.fill(H::LEN)?;
        let block = match Block::<H>::decode(&self.piece(H::LEN), remaining) {
            Ok(block) => block,
            Err(damage) => return Ok(Err(damage)),
        };
        let Some(budget) = self.budget.checked_sub(block.len()) else {
            let found = "more blocks that are not whole than a file has".to_owned();
            return Ok(Err(short(found, self.window.file().path())));
        };
        self.budget = budget;
        let len = usize::try_from(block.len()).unwrap_or(usize::MAX);
        match self.window.fill(len) {
            Err(Error::Damage(damage)) => return Ok(Err(*damage)),
            filled => filled?,
        }
        let piece = self.piece(len);
        if let Err(damage) = block.check(&piece, &self.address) {
            return Ok(Err(damage));
        }
        let payload = piece.bytes.get(H::LEN..).unwrap_or_default();
        Ok(Ok((block.head, payload.to_vec())))
    }

    /// Where the next whole block stands, or the end.
    fn find(&mut self, mut from: u64) -> Result<u64> {
        while self.end.saturating_sub(from) >= H::LEN as u64 {
            // In a hole stands no magic, but for what follows its first bytes.
            from = from.max(self.window.held_from(from)?.saturating_sub(3));
            // A hole that reaches the end leaves too little for a head.
            if self.end.saturating_sub(from) < H::LEN as u64 {
                break;
            }
            self.window.seek(from);
            self.window.fill(H::LEN)?;
            let bytes = self.window.buffered();
            let found = bytes.windows(4).position(|four| four == H::MAGIC);
            match found {
                None => from = from.saturating_add(bytes.len().saturating_sub(3).max(1) as u64),
                Some(at) => {
                    from = from.saturating_add(at as u64);
                    if self.block(from)?.is_ok() {
                        return Ok(from);
                    }
                    from = from.saturating_add(1);
                }
            }
        }
        Ok(self.end)
    }

    fn piece(&self, len: usize) -> Piece<'_> {
        let bytes = self.window.buffered();
        Piece {
            path: self.window.file().path(),
            offset: self.window.offset(),
            bytes: bytes.get(..len).unwrap_or(bytes),
        }
    }
}
