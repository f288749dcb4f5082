//! What one page of a table's file holds, piece by piece: for showing it, whole
//! or damaged.

use std::path::PathBuf;

use super::PackedRow;
use crate::error::{Damage, Result};

/// Which of the pages of a table are shown, and what of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Number of the first one.
    pub from: u64,
    /// Whether with the values of their rows.
    pub with_rows: bool,
}

/// How the bytes of a field are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldStyle {
    /// An unsigned integer, little endian.
    Number,
    /// Likewise, in hexadecimal digits.
    Hex,
    /// ASCII letters.
    Letters,
}

/// A field that every page of a kind has at one place.
#[derive(Debug, Clone, Copy)]
pub struct FieldSpec {
    /// Its name on the format page, short.
    pub name: &'static str,
    /// Bytes from the start of the page.
    pub at: usize,
    /// Bytes.
    pub len: usize,
    /// How to read it.
    pub style: FieldStyle,
}

impl FieldSpec {
    /// A field.
    pub const fn new(name: &'static str, at: usize, len: usize, style: FieldStyle) -> Self {
        FieldSpec {
            name,
            at,
            len,
            style,
        }
    }

    /// The field in the bytes of a page, if they reach so far.
    pub fn read(&self, page: &[u8]) -> Option<Field> {
        let bytes = page.get(self.at..self.at.checked_add(self.len)?)?;
        let fold = |number: u128, byte: &u8| number << 8 | u128::from(*byte);
        let number = bytes.iter().rev().fold(0, fold);
        let value = match self.style {
            FieldStyle::Number => number.to_string(),
            FieldStyle::Hex => format!("{number:0width$x}", width = self.len * 2),
            FieldStyle::Letters => bytes.escape_ascii().to_string(),
        };
        Some(Field {
            name: self.name,
            at: self.at,
            len: self.len,
            value,
        })
    }
}

/// A field of one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// As the format page calls it.
    pub name: &'static str,
    /// Bytes from the start of the page.
    pub at: usize,
    /// Bytes.
    pub len: usize,
    /// What stands there.
    pub value: String,
}

/// What leads to a row in a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageSlot {
    /// From 0.
    pub number: u64,
    /// Where it stands, from the start of the page, and its bytes.
    pub at: usize,
    /// Bytes of the slot itself.
    pub len: usize,
    /// Where the row starts, as the slot counts.
    pub row_offset: usize,
    /// Bytes of the row here.
    pub row_len: usize,
    /// What it leads to.
    pub state: String,
}

/// A row version in a page.
#[derive(Debug, Clone)]
pub struct PageRow {
    /// Its slot, or its position.
    pub slot: u64,
    /// Where it starts, from the start of the page.
    pub at: usize,
    /// Bytes in this page.
    pub len: usize,
    /// Bytes of the whole row.
    pub row_len: u64,
    /// Pages that hold the rest of it.
    pub overflow: Vec<u32>,
    /// Whether a user sees it.
    pub visible: bool,
    /// Its values, if they were asked for.
    pub row: Option<PackedRow>,
}

/// The end of a version that stands elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageEnd {
    /// Index of the row in the table.
    pub index: u64,
    /// The transaction that ended it.
    pub xmax: u64,
}

/// One page, record or block.
#[derive(Debug, Clone)]
pub struct PageView {
    /// From 0.
    pub number: u64,
    /// What kind of page it says it is.
    pub kind: String,
    /// The path of the file that it lies in.
    pub file: PathBuf,
    /// Bytes from the file's start.
    pub offset: u64,
    /// The bytes, as far as the file has them.
    pub bytes: Vec<u8>,
    /// The fields of its head.
    pub fields: Vec<Field>,
    /// What leads to rows.
    pub slots: Vec<PageSlot>,
    /// The rows that could be read.
    pub rows: Vec<PageRow>,
    /// Ends of versions.
    pub ends: Vec<PageEnd>,
    /// Bytes that are free for more rows.
    pub free_len: u64,
    /// What is wrong with it.
    pub damage: Vec<Damage>,
}

impl PageView {
    /// A page of which only the bytes are known, and the fields that every
    /// page of its kind has.
    pub fn new(number: u64, file: PathBuf, offset: u64, bytes: Vec<u8>) -> Self {
        PageView {
            number,
            kind: "unreadable".into(),
            file,
            offset,
            bytes,
            fields: Vec::new(),
            slots: Vec::new(),
            rows: Vec::new(),
            ends: Vec::new(),
            free_len: 0,
            damage: Vec::new(),
        }
    }
}

/// The pages of a table, one by one.
pub trait PageStream {
    /// The next page; `None` after the last one, or after one whose end is not
    /// known.
    ///
    /// # Errors
    /// I/O errors; damage is part of a page.
    fn next_page(&mut self) -> Result<Option<PageView>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_far_as_the_bytes_go() {
        let page = [b'R', b'B', 0x34, 0x12, 0xff];
        let read = |at, len, style| {
            let field = FieldSpec::new("f", at, len, style).read(&page);
            field.map(|field| field.value)
        };
        assert_eq!(read(0, 2, FieldStyle::Letters).as_deref(), Some("RB"));
        assert_eq!(read(2, 2, FieldStyle::Number).as_deref(), Some("4660"));
        assert_eq!(read(2, 2, FieldStyle::Hex).as_deref(), Some("1234"));
        assert_eq!(read(4, 1, FieldStyle::Number).as_deref(), Some("255"));
        assert_eq!(read(4, 2, FieldStyle::Number), None);
    }
}
