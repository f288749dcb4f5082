//! Records appended to a file, with an index (format page, "Append files").

mod ends;
mod live;
mod reader;
mod record;
mod row_index;
mod stored_rows;
mod table_files;
mod tail;
#[cfg(test)]
mod tests;
mod verify;
mod whole_units;
mod writer;

use crate::engine::pages::frame::MAGIC_LEN;
use crate::engine::pages::paths::TablePlace;
use crate::engine::tree::TreePlace;

pub(in crate::engine) use table_files::Append;

/// After the encoded name of a table.
const SUFFIX: &str = ".dat";
/// Likewise, of the index from primary key to row (format page, "Index").
const INDEX_SUFFIX: &str = ".index";
/// The same of an index that is made anew, until it is in place.
const NEW_INDEX_SUFFIX: &str = ".index.new";
/// First bytes of the data.
const MAGIC: &[u8; MAGIC_LEN] = b"RDBXAPND";

/// What the format page names, by its name there.
#[cfg(test)]
pub(in crate::engine) const LIMITS: [(&str, u64); 2] = [
    ("RECORD_HEAD_LEN", record::RECORD_HEAD_LEN as u64),
    ("MAX_RECORD_LEN", record::MAX_RECORD_LEN as u64),
];

/// Bits of a row's position in its record; a record holds fewer rows.
const POSITION_BITS: u32 = 14;

/// What the index says of a row: the file offset of its record and its position
/// there.
fn row_id(record: u64, position: u32) -> u64 {
    record << POSITION_BITS | u64::from(position)
}

/// Where the index of a table is.
fn index_place(table: &TablePlace) -> TreePlace {
    TreePlace {
        disk: table.disk.clone(),
        path: table.file(INDEX_SUFFIX),
        address: table.address,
    }
}
