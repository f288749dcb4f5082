//! Bytes in memory, in and out, without any file format.

mod content_hash;
mod cursor;
mod varint;
mod writer;

pub use content_hash::{ContentHash, MultisetHash};
pub use cursor::{Cursor, Flaw};
pub use varint::{unzigzag, zigzag};
pub use writer::ByteWriter;
