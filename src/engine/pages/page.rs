//! One page of a table or of an index: checksum, place, bounds (format page,
//! "Page files").

use std::path::Path;

use super::address::{Lsn, TableAddress};
use super::frame::{CRC_LEN, FORMAT_VERSION, MAGIC_LEN, Piece, check_crc};
use crate::codec::{Cursor, Flaw};
use crate::error::{Damage, Error};
use crate::file::Window;
use crate::finding::Code;
use crate::model::FieldSpec;
use crate::model::FieldStyle::{Hex, Letters, Number};

pub(in crate::engine) use super::buffer_pool::PAGE_LEN;

const VERSION_OFFSET: usize = MAGIC_LEN;
const CRC_OFFSET: usize = VERSION_OFFSET + 4;
const LSN_OFFSET: usize = CRC_OFFSET + CRC_LEN;
/// Where a page says whose it is: the id of the database, then that of the table.
pub(in crate::engine) const DATABASE_OFFSET: usize = LSN_OFFSET + 8;
const TABLE_OFFSET: usize = DATABASE_OFFSET + 4;
const NUMBER_OFFSET: usize = TABLE_OFFSET + 4;
pub(in crate::engine) const KIND_OFFSET: usize = NUMBER_OFFSET + 4;
const FLAGS_OFFSET: usize = KIND_OFFSET + 2;
pub(in crate::engine) const LOWER_OFFSET: usize = FLAGS_OFFSET + 2;
pub(in crate::engine) const UPPER_OFFSET: usize = LOWER_OFFSET + 2;
/// Bytes of the header of every page.
pub(in crate::engine) const PAGE_HEADER_LEN: usize = UPPER_OFFSET + 2;

/// The error of a table or an index whose pages have all numbers that there are.
pub(in crate::engine) fn too_many_pages(of: &Path) -> Error {
    Error::LimitReached {
        what: format!("pages of {}", of.display()),
        most: u32::MAX.into(),
    }
}

/// The fields of the header.
pub(in crate::engine) const HEADER: [FieldSpec; 11] = [
    FieldSpec::new("magic", 0, MAGIC_LEN, Letters),
    FieldSpec::new("version", VERSION_OFFSET, 4, Number),
    FieldSpec::new("checksum", CRC_OFFSET, CRC_LEN, Hex),
    FieldSpec::new("lsn", LSN_OFFSET, 8, Number),
    FieldSpec::new("database", DATABASE_OFFSET, 4, Number),
    FieldSpec::new("table", TABLE_OFFSET, 4, Number),
    FieldSpec::new("page", NUMBER_OFFSET, 4, Number),
    FieldSpec::new("kind", KIND_OFFSET, 2, Number),
    FieldSpec::new("flags", FLAGS_OFFSET, 2, Hex),
    FieldSpec::new("lower", LOWER_OFFSET, 2, Number),
    FieldSpec::new("upper", UPPER_OFFSET, 2, Number),
];

/// What a page is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum PageKind {
    /// Line pointers and tuples.
    Heap = 1,
    /// A part of one row that is wider than a page.
    Overflow = 2,
    /// The first page of an index.
    IndexMeta = 3,
    /// What leads to other pages of an index.
    IndexInner = 5,
    /// Entries of an index.
    IndexLeaf = 6,
}

/// Which pages a file is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum PageSet {
    /// The rows of a table.
    Table,
    /// An index.
    Index,
}

impl PageSet {
    /// First bytes of each of its pages.
    fn magic(self) -> &'static [u8; MAGIC_LEN] {
        match self {
            PageSet::Table => b"RDBXPAGE",
            PageSet::Index => b"RDBXINDX",
        }
    }

    /// The checksum of a page of this number: of all bytes but its own.
    fn checksum(self, address: &TableAddress, number: u32, page: &[u8]) -> crc32fast::Hasher {
        let above = match self {
            PageSet::Table => 0,
            PageSet::Index => 1 << 32,
        };
        let mut crc = address.seed(above | u64::from(number));
        let (before, rest) = page.split_at(CRC_OFFSET.min(page.len()));
        crc.update(before);
        crc.update(rest.get(CRC_LEN..).unwrap_or_default());
        crc
    }

    fn kind(self, tag: u16) -> Option<PageKind> {
        Some(match (self, tag) {
            (PageSet::Table, 1) => PageKind::Heap,
            (PageSet::Table, 2) => PageKind::Overflow,
            (PageSet::Index, 3) => PageKind::IndexMeta,
            (PageSet::Index, 5) => PageKind::IndexInner,
            (PageSet::Index, 6) => PageKind::IndexLeaf,
            _ => return None,
        })
    }

    fn kinds(self) -> &'static str {
        match self {
            PageSet::Table => "1 for heap or 2 for overflow",
            PageSet::Index => "3, 5 or 6 for a page of an index",
        }
    }
}

impl PageKind {
    fn set(self) -> PageSet {
        match self {
            PageKind::Heap | PageKind::Overflow => PageSet::Table,
            PageKind::IndexMeta | PageKind::IndexLeaf | PageKind::IndexInner => PageSet::Index,
        }
    }
}

/// The header of a page that is at its place and under its checksum. Whether
/// its bounds make sense is checked by [`bounds`](PageHeader::bounds).
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct PageHeader {
    set: PageSet,
    kind: u16,
    flags: u16,
    lower: u16,
    upper: u16,
    /// State of the log that the page is of.
    pub lsn: Lsn,
}

/// A page whose bounds are within it, in order, and zero between.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Bounds {
    /// What the page is for.
    pub kind: PageKind,
    /// End of what stands at the front.
    pub lower: usize,
    /// Start of what stands at the back.
    pub upper: usize,
}

impl PageHeader {
    /// Reads the header of page `number` of a table.
    ///
    /// # Errors
    /// `ChecksumMismatch`; `WrongPlace` for a whole page of another place;
    /// `UnsupportedVersion`.
    pub(in crate::engine) fn open(
        page: &Piece<'_>,
        address: &TableAddress,
        number: u32,
    ) -> Result<Self, Damage> {
        Self::open_in(PageSet::Table, page, address, number)
    }

    /// As [`open`](Self::open), of a file of either set.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(in crate::engine) fn open_in(
        set: PageSet,
        page: &Piece<'_>,
        address: &TableAddress,
        number: u32,
    ) -> Result<Self, Damage> {
        let stated = Stated::read(page, set).map_err(|flaw| page.flaw(flaw))?;
        let crc = set.checksum(address, number, page.bytes);
        let here = (address.database, address.table, number);
        if let Err(damage) = check_crc(page, CRC_OFFSET, crc, stated.crc) {
            // Whole, but at home elsewhere?
            let (database, table, home) = stated.place;
            let owner = TableAddress {
                database,
                table,
                ..*address
            };
            let elsewhere = stated.place != here
                && set.checksum(&owner, home, page.bytes).finalize() == stated.crc;
            return Err(if elsewhere {
                stated.misplaced(page, here)
            } else {
                damage
            });
        }
        if !page.bytes.starts_with(set.magic()) {
            let found = page.bytes.get(..MAGIC_LEN).unwrap_or_default();
            let found = format!("\"{}\"", found.escape_ascii());
            let expected = format!("\"{}\"", set.magic().escape_ascii());
            return Err(page.damage(0, Code::BadMagic, found, expected));
        }
        if stated.version != FORMAT_VERSION {
            let found = format!("version {}", stated.version);
            let expected = format!("version {FORMAT_VERSION}");
            let code = Code::UnsupportedVersion;
            return Err(page.damage(VERSION_OFFSET, code, found, expected));
        }
        if stated.place != here {
            return Err(stated.misplaced(page, here));
        }
        page.check_lsn(LSN_OFFSET, stated.header.lsn, address.lsns)?;
        Ok(stated.header)
    }

    /// Checks kind, flags and bounds.
    ///
    /// # Errors
    /// `UnsupportedVersion` or `BadPage`.
    pub(in crate::engine) fn bounds(&self, page: &Piece<'_>) -> Result<Bounds, Damage> {
        let Some(kind) = self.set.kind(self.kind) else {
            let (found, expected) = (self.kind.to_string(), self.set.kinds());
            return Err(page.damage(KIND_OFFSET, Code::UnsupportedVersion, found, expected));
        };
        if self.flags != 0 {
            let found = format!("page flags {:#06x}", self.flags);
            return Err(page.damage(FLAGS_OFFSET, Code::UnsupportedVersion, found, "0"));
        }
        let (lower, upper) = (usize::from(self.lower), usize::from(self.upper));
        if lower < PAGE_HEADER_LEN || lower > upper || upper > PAGE_LEN {
            let found = format!("lower {lower} and upper {upper}");
            let expected = format!("{PAGE_HEADER_LEN} <= lower <= upper <= {PAGE_LEN}");
            return Err(page.damage(LOWER_OFFSET, Code::BadPage, found, expected));
        }
        check_zero(page, lower, upper)?;
        Ok(Bounds { kind, lower, upper })
    }
}

/// Checks that nothing stands in the free bytes `from..to` of a page.
///
/// # Errors
/// `BadPage`.
#[inline]
pub(in crate::engine) fn check_zero(
    page: &Piece<'_>,
    from: usize,
    to: usize,
) -> Result<(), Damage> {
    let free = page.bytes.get(from..to).unwrap_or_default();
    match free.iter().position(|byte| *byte != 0) {
        None => Ok(()),
        Some(at) => {
            let found = format!("byte {:#04x} in free space", free.get(at).unwrap_or(&0));
            Err(page.damage(from + at, Code::BadPage, found, "zeros"))
        }
    }
}

/// Everything that the header states.
struct Stated {
    crc: u32,
    version: u32,
    /// Database, table and page number.
    place: (u32, u32, u32),
    header: PageHeader,
}

impl Stated {
    fn read(page: &Piece<'_>, set: PageSet) -> Result<Self, Flaw> {
        let mut c = Cursor::new(page.bytes);
        c.take(MAGIC_LEN)?;
        let (version, crc) = (c.u32()?, c.u32()?);
        let lsn = Lsn(c.u64()?);
        let place = (c.u32()?, c.u32()?, c.u32()?);
        let (kind, flags) = (c.u16()?, c.u16()?);
        let (lower, upper) = (c.u16()?, c.u16()?);
        let header = PageHeader {
            set,
            kind,
            flags,
            lower,
            upper,
            lsn,
        };
        Ok(Stated {
            crc,
            version,
            place,
            header,
        })
    }

    fn misplaced(&self, page: &Piece<'_>, here: (u32, u32, u32)) -> Damage {
        let text = |(database, table, number): (u32, u32, u32)| {
            format!("page {number} of table {table} of database {database}")
        };
        let (found, expected) = (text(self.place), text(here));
        page.damage(DATABASE_OFFSET, Code::WrongPlace, found, expected)
    }
}

/// Which page of its files a page is, and of which state of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct PagePos {
    /// Its number, from 0.
    pub number: u32,
    /// The log was applied up to here.
    pub lsn: Lsn,
}

/// Writes the header of a page, the checksum last.
pub(in crate::engine) fn seal_page(
    page: &mut [u8],
    address: &TableAddress,
    PagePos { number, lsn }: PagePos,
    bounds: Bounds,
) {
    let set = bounds.kind.set();
    put(page, 0, set.magic());
    put(page, VERSION_OFFSET, &FORMAT_VERSION.to_le_bytes());
    put(page, LSN_OFFSET, &lsn.0.to_le_bytes());
    put(page, DATABASE_OFFSET, &address.database.to_le_bytes());
    put(page, TABLE_OFFSET, &address.table.to_le_bytes());
    put(page, NUMBER_OFFSET, &number.to_le_bytes());
    set_bounds(page, bounds);
    let crc = set.checksum(address, number, page).finalize();
    put(page, CRC_OFFSET, &crc.to_le_bytes());
}

/// Writes kind and bounds of a page that is being built.
pub(in crate::engine) fn set_bounds(page: &mut [u8], bounds: Bounds) {
    put(page, KIND_OFFSET, &(bounds.kind as u16).to_le_bytes());
    put(page, LOWER_OFFSET, &narrow(bounds.lower).to_le_bytes());
    put(page, UPPER_OFFSET, &narrow(bounds.upper).to_le_bytes());
}

/// The page at hand in a window that was filled with it.
pub(in crate::engine) fn page_in(window: &Window) -> Piece<'_> {
    Piece {
        path: window.file().path(),
        offset: window.offset(),
        bytes: window.buffered().get(..PAGE_LEN).unwrap_or_default(),
    }
}

/// What a page in memory, which was checked before, states.
pub(in crate::engine) fn bounds_of(page: &[u8]) -> Bounds {
    let at = |at: usize| page.get(at).copied().unwrap_or(0);
    let position = |from: usize| usize::from(u16::from_le_bytes([at(from), at(from + 1)]));
    let tag = u16::from_le_bytes([at(KIND_OFFSET), at(KIND_OFFSET + 1)]);
    let of_index = || PageSet::Index.kind(tag);
    Bounds {
        kind: PageSet::Table
            .kind(tag)
            .or_else(of_index)
            .unwrap_or(PageKind::Heap),
        lower: position(LOWER_OFFSET),
        upper: position(UPPER_OFFSET),
    }
}

/// Makes a page in memory one that can be written.
pub(in crate::engine) fn reseal(page: &mut [u8], address: &TableAddress, pos: PagePos) {
    let bounds = bounds_of(page);
    seal_page(page, address, pos, bounds);
}

/// Writes bytes into a page that is being built.
#[inline]
pub(in crate::engine) fn put(page: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(room) = page.get_mut(at..at + bytes.len()) {
        room.copy_from_slice(bytes);
    }
}

/// A position in a page; all of them fit.
pub(in crate::engine) fn narrow(position: usize) -> u16 {
    u16::try_from(position).unwrap_or(u16::MAX)
}
