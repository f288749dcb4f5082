//! One file a table: header, rows in checksummed blocks, trailer (format page,
//! "Table files").

mod block;
mod block_directory;
mod key_map;
mod live;
mod reader;
mod table_files;
mod trailer;
mod verify;
mod whole_units;
mod writer;

use crate::engine::pages::frame::MAGIC_LEN;

pub(in crate::engine) use table_files::PerTable;

/// After the encoded name of a table.
const SUFFIX: &str = ".db";
/// The same of a file that a checkpoint writes and a batch puts in place.
const NEW_SUFFIX: &str = ".db.new";

/// First bytes of a table's file.
const MAGIC: &[u8; MAGIC_LEN] = b"RDBXTABL";

/// Lengths that the format page names: of a block's header, of the rows that
/// may share a block, of a trailer.
#[cfg(test)]
pub(in crate::engine) const LENS: [usize; 3] = [
    block::BLOCK_HEADER_LEN,
    block::MAX_SHARED_LEN,
    trailer::TRAILER_LEN,
];
