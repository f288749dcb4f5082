//! Blocks one by one, to be shown: whole or damaged.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use super::{Block, Head};
use crate::codec::Cursor;
use crate::engine::pages::address::TableAddress;
use crate::engine::pages::file_header::FILE_HEADER_LEN;
use crate::engine::pages::frame::Piece;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::codec::{decode_alone, walk_row};
use crate::error::Result;
use crate::file::SourceFile;
use crate::model::{FieldSpec, PageEnd, PageRow, PageStream, PageView, Shown};

/// Bytes that are shown where no block can be read.
const UNREADABLE_LEN: u64 = 512;

/// A head that can be shown.
pub(in crate::engine) trait ShownHead: Head {
    /// The fields of the head.
    const FIELDS: &'static [FieldSpec];

    /// What the block holds.
    fn kind_name(&self) -> &'static str;

    /// The ends in a block that holds no rows.
    fn ends(&self, _payload: &Piece<'_>) -> Option<Result<Vec<PageEnd>>> {
        None
    }
}

/// The xmax of rows that were ended elsewhere, by row index.
pub(in crate::engine) type EndsElsewhere<'t> = Box<dyn Fn(u64) -> Result<Option<u64>> + 't>;

/// The blocks of a file.
pub(in crate::engine) struct BlockViews<'t, H> {
    file: Arc<SourceFile>,
    address: TableAddress,
    arity: usize,
    /// What is not read yet.
    rest: Range<u64>,
    /// Number of the next block.
    number: u64,
    shown: Shown,
    ends: EndsElsewhere<'t>,
    head: PhantomData<H>,
}

impl<'t, H: ShownHead> BlockViews<'t, H> {
    /// The blocks that end at `end` in the file of a table, as far as they are
    /// `shown`.
    pub(in crate::engine) fn new(
        table: &TablePlace,
        (file, end): (Arc<SourceFile>, u64),
        shown: Shown,
        ends: EndsElsewhere<'t>,
    ) -> Self {
        BlockViews {
            file,
            address: table.address,
            arity: table.arity,
            rest: FILE_HEADER_LEN as u64..end,
            number: 0,
            shown,
            ends,
            head: PhantomData,
        }
    }
}

impl<H: ShownHead> BlockViews<'_, H> {
    fn read(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        let len = len.min(self.rest.end.saturating_sub(offset));
        // No more than the file has.
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn view(&self, offset: u64, bytes: Vec<u8>) -> PageView {
        let file = self.file.path().to_owned();
        let mut view = PageView::new(self.number, file, offset, bytes);
        let fields = H::FIELDS.iter().filter_map(|spec| spec.read(&view.bytes));
        view.fields = fields.collect();
        view
    }

    fn content(&self, view: &mut PageView, block: &Block<H>) -> Result<()> {
        let bytes = std::mem::take(&mut view.bytes);
        let payload = Piece {
            path: self.file.path(),
            offset: view.offset.saturating_add(H::LEN as u64),
            bytes: bytes.get(H::LEN..).unwrap_or_default(),
        };
        match block.head.ends(&payload) {
            Some(Ok(ends)) => view.ends = ends,
            Some(Err(crate::error::Error::Damage(damage))) => view.damage.push(*damage),
            Some(Err(other)) => return Err(other),
            None => self.rows(view, block, &payload)?,
        }
        view.bytes = bytes;
        Ok(())
    }

    fn rows(&self, view: &mut PageView, block: &Block<H>, rows: &Piece<'_>) -> Result<()> {
        let extent = block.head.extent();
        let mut c = Cursor::new(rows.bytes);
        for slot in 0..u64::from(extent.row_count) {
            let start = c.position();
            let walked = match walk_row(&mut c, self.arity) {
                Ok(walked) => walked,
                Err(flaw) => {
                    view.damage.push(rows.flaw(flaw));
                    return Ok(());
                }
            };
            let bytes = rows.bytes.get(start..c.position()).unwrap_or_default();
            let ended = match walked.visible {
                true => (self.ends)(extent.first_row.saturating_add(slot))?,
                false => None,
            };
            let mut row = self
                .shown
                .with_rows
                .then(|| decode_alone(bytes, self.arity));
            if let (Some(Some(row)), Some(_)) = (&mut row, ended) {
                row.xmax = ended;
            }
            view.rows.push(PageRow {
                slot,
                at: H::LEN + start,
                len: bytes.len(),
                row_len: bytes.len() as u64,
                overflow: Vec::new(),
                visible: walked.visible && ended.is_none(),
                row: row.flatten(),
            });
        }
        Ok(())
    }
}

impl<H: ShownHead> PageStream for BlockViews<'_, H> {
    fn next_page(&mut self) -> Result<Option<PageView>> {
        while !self.rest.is_empty() {
            let offset = self.rest.start;
            let head = self.read(offset, H::LEN as u64)?;
            let piece = Piece {
                path: self.file.path(),
                offset,
                bytes: &head,
            };
            let block = match Block::<H>::decode(&piece, self.rest.end - offset) {
                Ok(block) => block,
                Err(damage) => {
                    // Where the next one starts is not known.
                    let mut view = self.view(offset, self.read(offset, UNREADABLE_LEN)?);
                    view.damage.push(damage);
                    self.rest.start = self.rest.end;
                    return Ok(Some(view));
                }
            };
            if self.number < self.shown.from {
                self.rest.start = offset.saturating_add(block.len());
                self.number += 1;
                continue;
            }
            let bytes = self.read(offset, block.len())?;
            let piece = Piece {
                path: self.file.path(),
                offset,
                bytes: &bytes,
            };
            let checked = block.check(&piece, &self.address);
            let mut view = self.view(offset, bytes);
            view.kind = block.head.kind_name().to_owned();
            view.damage.extend(checked.err());
            self.content(&mut view, &block)?;
            self.rest.start = offset.saturating_add(block.len());
            self.number += 1;
            return Ok(Some(view));
        }
        Ok(None)
    }
}
