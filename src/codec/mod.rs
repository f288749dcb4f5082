//! Bytes in memory, in and out, without any file format.

mod content_hash;
mod cursor;
mod packed;
mod plain;
mod value_form;
mod value_text;
mod varint;
mod writer;

pub use content_hash::{ContentHash, MultisetHash};
pub use cursor::{Cursor, Flaw};
pub use packed::{ValuesOf, pack_row};
pub use plain::{
    MIN_PLAIN_ROW_LEN, MIN_PLAIN_VALUE_LEN, MadeRows, RowBuffer, encode_row, encode_value,
    is_ascii, read_plain_value, split_counted, split_value, walk_plain_row, walk_stored_row,
};
pub use value_form::{has_form, is_well_formed};
pub use value_text::{push_hex, push_number, push_text};
pub use varint::{sortable, unzigzag, zigzag};
pub use writer::ByteWriter;
