//! Bytes in memory, in and out, without any file format.

mod content_hash;
mod cursor;
mod value_form;
mod value_text;
mod varint;
mod writer;

pub use content_hash::{ContentHash, MultisetHash};
pub use cursor::{Cursor, Flaw};
pub use value_form::is_well_formed;
pub use value_text::{push_hex, push_number, push_text};
pub use varint::{unzigzag, zigzag};
pub use writer::ByteWriter;
