//! Rows wider than a page: a head in a heap page, and a chain of overflow pages
//! (format page, "Overflow pages").

use crate::codec::Cursor;
use crate::engine::pages::address::TableAddress;
use crate::engine::pages::buffer_pool::PAGE_LEN;
use crate::engine::pages::frame::Piece;
use crate::engine::pages::page::{
    Bounds, LOWER_OFFSET, PAGE_HEADER_LEN, PageKind, PagePos, UPPER_OFFSET, check_zero, put,
    seal_page,
};
use crate::engine::rows::codec::{MAX_ROW_LEN, RowStart};
use crate::error::{Damage, Result};
use crate::finding::Code;
use crate::model::{FieldSpec, FieldStyle};

/// Offset in a head of its first overflow page, behind the length of the row.
pub(super) const FIRST_OFFSET: usize = 4;
/// Bytes of a head before the first bytes of its row.
pub(super) const ROW_HEAD_LEN: usize = FIRST_OFFSET + 4;

const OWNER_PAGE_OFFSET: usize = PAGE_HEADER_LEN;
const OWNER_SLOT_OFFSET: usize = OWNER_PAGE_OFFSET + 4;
pub(super) const POSITION_OFFSET: usize = OWNER_SLOT_OFFSET + 2 + 2;
pub(super) const NEXT_OFFSET: usize = POSITION_OFFSET + 4;
const ROW_LEN_OFFSET: usize = NEXT_OFFSET + 4;
/// Bytes before the part of the row: page header, owner, position, next page,
/// length of the row, zeros.
const PART_OFFSET: usize = ROW_LEN_OFFSET + 4 + 12;
/// Bytes of the row in an overflow page; the last one of a chain may have fewer.
pub(super) const PART_LEN: usize = PAGE_LEN - PART_OFFSET;
/// In place of the next page at the end of a chain.
pub(super) const NO_PAGE: u32 = u32::MAX;
/// Fewest bytes of a row in its head: flags and xmin, so that ending a version
/// leaves its overflow pages alone.
pub(super) const MIN_INLINE_LEN: usize = 1 + 10;

/// What follows the header in an overflow page.
pub(super) const FIELDS: [FieldSpec; 5] = [
    FieldSpec::new("owner page", OWNER_PAGE_OFFSET, 4, FieldStyle::Number),
    FieldSpec::new("owner slot", OWNER_SLOT_OFFSET, 2, FieldStyle::Number),
    FieldSpec::new("position", POSITION_OFFSET, 4, FieldStyle::Number),
    FieldSpec::new("next page", NEXT_OFFSET, 4, FieldStyle::Number),
    FieldSpec::new("row length", ROW_LEN_OFFSET, 4, FieldStyle::Number),
];

/// How many bytes of a wide row stand in its head, so that every overflow page
/// is full. At most `PART_LEN + MIN_INLINE_LEN - 1`, which a heap page has room
/// for even after ten bytes of xmax came on top.
pub(super) fn inline_len(row_len: usize) -> usize {
    match row_len % PART_LEN {
        rest if rest < MIN_INLINE_LEN => rest + PART_LEN,
        rest => rest,
    }
}

/// The bytes of a head, without those of its row.
pub(super) fn encode_head(row_len: u32, first: u32) -> [u8; ROW_HEAD_LEN] {
    let mut bytes = [0; ROW_HEAD_LEN];
    put(&mut bytes, 0, &row_len.to_le_bytes());
    put(&mut bytes, FIRST_OFFSET, &first.to_le_bytes());
    bytes
}

/// The head of a row whose chain was not followed yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowHead<'a> {
    tuple: Piece<'a>,
    slot: u16,
    /// Bytes of the whole row.
    pub row_len: usize,
    /// The first page of its chain.
    pub first: u32,
    /// The bytes of the row in the head.
    pub inline: &'a [u8],
}

impl<'a> RowHead<'a> {
    /// Reads the head of the row in a slot.
    ///
    /// # Errors
    /// `BadLength`.
    pub(super) fn decode(tuple: Piece<'a>, slot: u16) -> Result<Self, Damage> {
        let mut c = Cursor::new(tuple.bytes);
        let mut read = || Ok((c.u32()?, c.u32()?, c.take(c.remaining())?));
        let (row_len, first, inline) = read().map_err(|flaw| tuple.flaw(flaw))?;
        let too_long = u64::from(row_len) > MAX_ROW_LEN;
        let row_len = usize::try_from(row_len).unwrap_or(usize::MAX);
        if inline.len() < MIN_INLINE_LEN || inline.len() >= row_len || too_long {
            let found = format!("{} bytes of a row of {row_len}", inline.len());
            let expected =
                format!("at least {MIN_INLINE_LEN}, and a longer row of at most {MAX_ROW_LEN}");
            return Err(tuple.damage(0, Code::BadLength, found, expected));
        }
        Ok(RowHead {
            tuple,
            slot,
            row_len,
            first,
            inline,
        })
    }

    /// Bytes of the row's xmax.
    fn xmax_len(&self) -> usize {
        RowStart::read(&mut Cursor::new(self.inline)).map_or(0, |start| start.xmax_len)
    }

    /// Damage of the reference to the chain.
    pub(super) fn broken(&self, found: String, expected: String) -> Damage {
        let code = Code::BrokenChain;
        self.tuple.damage(FIRST_OFFSET, code, found, expected)
    }
}

/// One overflow page to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewOverflowPage<'a> {
    /// Page and slot of the head.
    pub owner: (u32, u16),
    /// Index in the chain.
    pub position: u32,
    /// The page after it, or [`NO_PAGE`].
    pub next: u32,
    /// Bytes of the whole row.
    pub row_len: u32,
    /// The bytes here, at most [`PART_LEN`].
    pub part: &'a [u8],
}

impl NewOverflowPage<'_> {
    /// Fills a page of zeros.
    pub(super) fn encode(&self, page: &mut [u8], address: &TableAddress, pos: PagePos) {
        put(page, OWNER_PAGE_OFFSET, &self.owner.0.to_le_bytes());
        put(page, OWNER_SLOT_OFFSET, &self.owner.1.to_le_bytes());
        put(page, POSITION_OFFSET, &self.position.to_le_bytes());
        put(page, NEXT_OFFSET, &self.next.to_le_bytes());
        put(page, ROW_LEN_OFFSET, &self.row_len.to_le_bytes());
        let upper = PAGE_LEN - self.part.len();
        put(page, upper, self.part);
        let bounds = Bounds {
            kind: PageKind::Overflow,
            lower: PART_OFFSET,
            upper,
        };
        seal_page(page, address, pos, bounds);
    }
}

/// An overflow page as it was found.
pub(super) struct OverflowPage<'a> {
    owner: (u32, u16),
    position: u32,
    /// The page after it, or [`NO_PAGE`].
    pub next: u32,
    row_len: u32,
    /// The bytes here.
    pub bytes: &'a [u8],
}

/// Checks an overflow page by itself.
///
/// # Errors
/// `BadPage` when its parts are not where they must be.
pub(super) fn check_overflow(page: &Piece<'_>, bounds: Bounds) -> Result<(), Damage> {
    OverflowPage::decode(page, bounds).map(|_| ())
}

impl<'a> OverflowPage<'a> {
    /// Reads an overflow page.
    ///
    /// # Errors
    /// `BadPage` when its parts are not where they must be.
    pub(super) fn decode(page: &Piece<'a>, bounds: Bounds) -> Result<Self, Damage> {
        if bounds.lower != PART_OFFSET || bounds.upper == PAGE_LEN {
            let found = format!("lower {} and upper {}", bounds.lower, bounds.upper);
            let expected = format!("lower {PART_OFFSET} and a part of a row");
            return Err(page.damage(LOWER_OFFSET, Code::BadPage, found, expected));
        }
        check_zero(page, OWNER_SLOT_OFFSET + 2, POSITION_OFFSET)?;
        check_zero(page, ROW_LEN_OFFSET + 4, PART_OFFSET)?;
        let fields = page.bytes.get(OWNER_PAGE_OFFSET..).unwrap_or_default();
        let mut c = Cursor::new(fields);
        let mut read = || {
            let owner = (c.u32()?, c.u16()?);
            c.u16()?;
            Ok(OverflowPage {
                owner,
                position: c.u32()?,
                next: c.u32()?,
                row_len: c.u32()?,
                bytes: page.bytes.get(bounds.upper..).unwrap_or_default(),
            })
        };
        read().map_err(|flaw| page.flaw(flaw))
    }
}

impl OverflowPage<'_> {
    /// Checks that the page is the one at a position of a head's chain, with
    /// `rest` bytes of the row still to come.
    ///
    /// # Errors
    /// `BrokenChain`.
    pub(super) fn check(
        &self,
        page: &Piece<'_>,
        head: &RowHead<'_>,
        (owner_page, position): (u32, u32),
        rest: usize,
    ) -> Result<(), Damage> {
        let broken = |at, found: String, expected: String| {
            Err(page.damage(at, Code::BrokenChain, found, expected))
        };
        let (owner, slot) = self.owner;
        if (owner, slot) != (owner_page, head.slot) {
            let found = format!("a part of the row in slot {slot} of page {owner}");
            let expected = format!("slot {} of page {owner_page}", head.slot);
            return broken(OWNER_PAGE_OFFSET, found, expected);
        }
        if self.position != position {
            let found = format!("position {}", self.position);
            return broken(POSITION_OFFSET, found, format!("position {position}"));
        }
        // Ending a version leaves its chain alone.
        let row_len = usize::try_from(self.row_len).unwrap_or(usize::MAX);
        if row_len != head.row_len && row_len != head.row_len - head.xmax_len() {
            let found = format!("a row of {} bytes", self.row_len);
            let expected = format!("{}, as its head says", head.row_len);
            return broken(ROW_LEN_OFFSET, found, expected);
        }
        if self.bytes.len() != rest.min(PART_LEN) {
            let found = format!("{} bytes", self.bytes.len());
            let expected = format!("{} of the {rest} that are left", rest.min(PART_LEN));
            return broken(UPPER_OFFSET, found, expected);
        }
        if (self.next == NO_PAGE) != (rest <= PART_LEN) {
            let found = format!("next page {}", self.next);
            let expected = match rest <= PART_LEN {
                true => "the end of the chain",
                false => "another page",
            };
            return broken(NEXT_OFFSET, found, expected.into());
        }
        Ok(())
    }
}
