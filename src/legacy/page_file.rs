//! Legacy page files: one bincode page a file, rows in slots (format page,
//! "Legacy page files"). A server never reads them back; only salvage does.

use std::path::Path;
use std::sync::Arc;

use super::decode;
use crate::codec::{Cursor, Flaw, RowBuffer};
use crate::error::{Damage, Error, Result};
use crate::file::{Disk, SourceDir, SourceEntry, SourceFile};
use crate::finding::Code;
use crate::model::{PackedRow, RowBatch, RowStream};

/// Bytes of a page's data area.
pub const PAGE_DATA_LEN: usize = 8192;
/// Bytes of the header: table id, page number, free space, slot count, lower,
/// upper, checksum.
pub(super) const HEADER_LEN: usize = 4 + 4 + 2 + 2 + 2 + 2 + 4;
/// Bytes of a slot: offset, length, whether it is used.
pub(super) const SLOT_LEN: usize = 2 + 2 + 1;
/// Bytes of the count of slots, and of the length of the data area.
pub(super) const SLOT_COUNT_LEN: usize = 8;
pub(super) const DATA_LEN_LEN: usize = 8;
/// Most slots that a page can hold, each of at least one byte.
const MAX_SLOTS: usize = PAGE_DATA_LEN;
/// Most bytes of a page file.
pub(super) const MAX_PAGE_FILE_LEN: u64 =
    (HEADER_LEN + SLOT_COUNT_LEN + MAX_SLOTS * SLOT_LEN + DATA_LEN_LEN + PAGE_DATA_LEN) as u64;

/// What a legacy page says of itself (format page, "Legacy page files").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegacyPageHeader {
    /// Counts CREATE TABLEs since the server started, over all databases.
    pub table_id: u32,
    /// From 0.
    pub page_number: u32,
    /// Bytes between the slots and the rows, as the server counted them.
    pub free_space: u16,
    /// Slots, used or not.
    pub slot_count: u16,
    /// Start of the free space.
    pub lower: u16,
    /// End of the free space.
    pub upper: u16,
    /// Always 0: never implemented.
    pub checksum: u32,
}

/// One slot of a legacy page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegacySlot {
    /// Where the row starts in the data area.
    pub offset: u16,
    /// Its length in bytes.
    pub len: u16,
    /// Whether it holds a row.
    pub is_used: bool,
}

/// One page, as it stands in its file.
#[derive(Debug, Clone)]
pub struct LegacyPage {
    /// As read, whether it is true or not.
    pub header: LegacyPageHeader,
    /// Used and unused ones, in the order of the file.
    pub slots: Vec<LegacySlot>,
    /// Its data area.
    pub data: Vec<u8>,
}

impl LegacyPage {
    /// Reads a page file.
    ///
    /// # Errors
    /// When it cannot be read or is no page.
    pub fn read(file: &SourceFile) -> Result<Self> {
        let bytes = file.read_all(MAX_PAGE_FILE_LEN)?;
        let mut cursor = Cursor::new(&bytes);
        let page = decode_page(&mut cursor).map_err(|flaw| damage(file.path(), &bytes, flaw))?;
        if cursor.remaining() > 0 {
            let at = cursor.position() as u64;
            let found = format!("{} bytes after the page", cursor.remaining());
            return Err(Error::damage(
                file.path(),
                at,
                Code::TrailingBytes,
                found,
                "the end",
            ));
        }
        Ok(page)
    }

    /// The row of a slot; `None` for a slot that holds none.
    ///
    /// # Errors
    /// The flaw, with its place in the slot's bytes.
    pub fn row(&self, slot: &LegacySlot) -> Result<Option<PackedRow>, Flaw> {
        if !slot.is_used {
            return Ok(None);
        }
        let start = usize::from(slot.offset);
        let end = start + usize::from(slot.len);
        let Some(bytes) = self.data.get(start..end) else {
            return Cursor::bad(start, Code::BadLength, end as u64, "a slot inside the page");
        };
        let mut cursor = Cursor::new(bytes);
        let row = decode::packed_row(&mut cursor)?;
        match cursor.remaining() {
            0 => Ok(Some(row)),
            left => Cursor::bad(
                cursor.position(),
                Code::TrailingBytes,
                left as u64,
                "the row's end",
            ),
        }
    }
}

fn decode_page(c: &mut Cursor<'_>) -> Result<LegacyPage, Flaw> {
    let header = LegacyPageHeader {
        table_id: c.u32()?,
        page_number: c.u32()?,
        free_space: c.u16()?,
        slot_count: c.u16()?,
        lower: c.u16()?,
        upper: c.u16()?,
        checksum: c.u32()?,
    };
    let slots = c.vec(SLOT_LEN, |c| {
        Ok(LegacySlot {
            offset: c.u16()?,
            len: c.u16()?,
            is_used: c.bool()?,
        })
    })?;
    let at = c.position();
    let data = c.bytes()?;
    if data.len() != PAGE_DATA_LEN {
        return Cursor::bad(
            at,
            Code::BadLength,
            data.len() as u64,
            "a data area of 8192 bytes",
        );
    }
    Ok(LegacyPage {
        header,
        slots,
        data: data.to_vec(),
    })
}

fn damage(path: &Path, bytes: &[u8], flaw: Flaw) -> Error {
    match flaw {
        Flaw::Short { need } => {
            let found = format!("{} bytes", bytes.len());
            Error::damage(
                path,
                0,
                Code::Truncated,
                found,
                format!("at least {need} bytes"),
            )
        }
        Flaw::Bad {
            at,
            code,
            found,
            expected,
        } => Error::damage(path, at as u64, code, found.to_string(), expected),
    }
}

/// The damage of a slot in a page whose data area starts at `data_start`.
pub(super) fn slot_damage(path: &Path, data_start: u64, slot: &LegacySlot, flaw: &Flaw) -> Damage {
    let code = match flaw {
        Flaw::Bad { code, .. } => *code,
        Flaw::Short { .. } => Code::Truncated,
    };
    Damage {
        file: path.to_owned(),
        offset: data_start.saturating_add(slot.offset.into()),
        code,
        found: format!("a slot of {} bytes", slot.len),
        expected: "one row".into(),
    }
}

/// The page files of one table, in page order.
#[derive(Debug, Clone)]
pub struct PageDir {
    /// The id in the directory's name.
    pub table_id: u32,
    /// The page files.
    pub files: Vec<Arc<SourceFile>>,
}

impl PageDir {
    /// Lists `table_<id>/page_<8 digits>.dat`; other files are passed over.
    ///
    /// # Errors
    /// When the directory cannot be listed or a page file cannot be opened.
    pub fn open(disk: &Arc<dyn Disk>, entry: &SourceEntry) -> Result<Option<Self>> {
        let id = entry.name.strip_prefix("table_");
        let Some(table_id) = id.and_then(|id| id.parse().ok()) else {
            return Ok(None);
        };
        let mut files = Vec::new();
        for entry in SourceDir::open_on(disk, &entry.path)?.entries()? {
            let number = entry
                .name
                .strip_prefix("page_")
                .and_then(|n| n.strip_suffix(".dat"));
            if entry.is_file && number.is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit())) {
                files.push(SourceFile::open_on(&**disk, &entry.path)?);
            }
        }
        Ok(Some(PageDir { table_id, files }))
    }

    /// The readable rows of all pages, page by page; what cannot be read goes
    /// to `lost`.
    pub fn rows(&self) -> PageRows<'_> {
        PageRows {
            files: self.files.iter(),
            page: RowBuffer::default(),
            lost: Vec::new(),
        }
    }
}

/// Streams the rows of a [`PageDir`].
#[derive(Debug)]
pub struct PageRows<'d> {
    files: std::slice::Iter<'d, Arc<SourceFile>>,
    page: RowBuffer,
    lost: Vec<Damage>,
}

impl PageRows<'_> {
    /// What could not be read so far.
    pub fn lost(&self) -> &[Damage] {
        &self.lost
    }

    fn read_page(&mut self, file: &SourceFile) -> Result<()> {
        let page = match LegacyPage::read(file) {
            Ok(page) => page,
            Err(Error::Damage(damage)) => {
                self.lost.push(*damage);
                return Ok(());
            }
            Err(other) => return Err(other),
        };
        let data_start = HEADER_LEN + SLOT_COUNT_LEN + page.slots.len() * SLOT_LEN + DATA_LEN_LEN;
        for slot in &page.slots {
            match page.row(slot) {
                Ok(None) => {}
                Ok(Some(row)) => self.page.push_row(&row.as_row()),
                Err(flaw) => {
                    let damage = slot_damage(file.path(), data_start as u64, slot, &flaw);
                    self.lost.push(damage);
                }
            }
        }
        Ok(())
    }
}

impl RowStream for PageRows<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        self.page.clear();
        while self.page.is_empty() {
            let Some(file) = self.files.next() else {
                return Ok(None);
            };
            self.read_page(file)?;
        }
        Ok(Some(self.page.batch()))
    }
}
