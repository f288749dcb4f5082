//! Records appended to a file, with an index (format page, "Append files").

mod ends;
mod live;
mod reader;
mod record;
mod row_index;
mod stored_rows;
mod tail;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use std::path::PathBuf;

use self::ends::EndList;
use super::address::Lsn;
use super::frame::MAGIC_LEN;
use super::layout::{TableCounts, TableFiles, TableWriter};
use super::paths::TablePlace;
use super::tree::TreePlace;
use super::verify::{Level, TableCheck};
use crate::engine::live::{Access, LiveTable};
use crate::engine::row_block::BlockViews;
use crate::error::{Error, Result};
use crate::model::{PageStream, RowPart, RowStream};
use crate::work::Threads;

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
pub(super) const LIMITS: [(&str, u64); 2] = [
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

/// The layout `append`.
#[derive(Debug)]
pub(super) struct Append;

impl TableFiles for Append {
    fn files(&self, table: &TablePlace) -> Result<Vec<PathBuf>> {
        let index = table.key.map(|_| table.file(INDEX_SUFFIX));
        Ok([table.file(SUFFIX)].into_iter().chain(index).collect())
    }

    fn start<'t>(
        &self,
        table: &'t TablePlace,
        lsn: Lsn,
        threads: Threads,
    ) -> Result<Box<dyn TableWriter + 't>> {
        writer::start(table, lsn, threads)
    }

    fn indexed(&self, table: &TablePlace) -> Option<usize> {
        table.key
    }

    fn parts(&self, table: &TablePlace, counts: TableCounts) -> Result<Vec<RowPart>> {
        reader::parts(table, counts)
    }

    fn open_part(
        &self,
        table: &TablePlace,
        counts: TableCounts,
        part: &RowPart,
    ) -> Result<Box<dyn RowStream>> {
        Ok(Box::new(reader::TableReader::open(table, counts, part)?))
    }

    fn live(
        &self,
        table: &TablePlace,
        counts: TableCounts,
        access: &Access,
    ) -> Result<Box<dyn LiveTable>> {
        Ok(Box::new(live::LiveAppend::open(table, counts, access)?))
    }

    fn pages<'t>(
        &self,
        table: &'t TablePlace,
        counts: TableCounts,
        shown: (u64, bool),
    ) -> Result<Box<dyn PageStream + 't>> {
        let file = table.open(SUFFIX)?;
        let end = file.len().min(counts.data_len);
        // Damaged ends are shown where they stand.
        let ends = match reader::collect_ends(&file, &table.address, end) {
            Err(Error::Damage(_)) => EndList::default(),
            ends => ends?,
        };
        let ends = Box::new(move |index| ends.get(index));
        let views = BlockViews::<record::RecordHead>::new(table, (file, end), shown, ends);
        Ok(Box::new(views))
    }

    fn verify(
        &self,
        table: &TablePlace,
        counts: TableCounts,
        level: Level,
        check: &mut TableCheck<'_>,
    ) -> Result<()> {
        verify::verify_table(table, (counts, level), check)
    }
}
