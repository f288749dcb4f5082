//! Checks the files of an append table to their last byte.

use std::sync::Mutex;

use super::ends::{EndCursor, read_ends};
use super::reader::{check_len, collect_ends, data_piece};
use super::record::{RecordHead, RecordKind};
use super::{INDEX_SUFFIX, MAGIC, SUFFIX, row_id};
use crate::engine::pages::file_header::{FILE_HEADER_LEN, FileHeader};
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::block::{Block, BlockWalk, Head};
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::key::key_digest;
use crate::engine::rows::row_run::walk_run;
use crate::engine::table::{Level, TableCheck, WalkedBlocks};
use crate::engine::tree::{Entry, EntrySet, verify_tree};
use crate::error::{Damage, Error, Result};
use crate::file::SourceFile;
use crate::finding::Code;
use crate::model::sum_of;
use crate::work::Threads;

/// Checks every record, the index, and each against the other.
pub(super) fn verify_table(
    table: &TablePlace,
    (counts, level): (TableCounts, Level),
    check: &mut TableCheck<'_>,
) -> Result<()> {
    let data = verify_data(table, (counts, level), check)?;
    match table.key {
        Some(_) => check.derived(|check| verify_index(table, data, level, check)),
        None => Ok(()),
    }
}

/// What an index must agree with.
#[derive(Debug, Clone, Copy)]
struct Data {
    /// Bytes of the data.
    len: u64,
    /// The entries that the rows give, if every row was read.
    entries: Option<EntrySet>,
}

fn verify_data(
    table: &TablePlace,
    (counts, level): (TableCounts, Level),
    check: &mut TableCheck<'_>,
) -> Result<Option<Data>> {
    let Some(file) = check.open(&table.file(SUFFIX))? else {
        return Ok(None);
    };
    let mut checked = 0;
    let header = FileHeader::read(&file, MAGIC, table.address)?;
    match &header {
        Ok(_) => checked += FILE_HEADER_LEN as u64,
        Err(damage) => check.damaged(damage),
    }
    let len = check_len(&file, counts);
    match &len {
        Ok(()) => check.leftover(&file, counts.data_len),
        Err(damage) => check.damaged(damage),
    }
    let structure = level >= Level::Links;
    let ends = match structure {
        true => ends_of(&file, table, counts)?,
        false => None,
    };
    let mut whole = header.is_ok() && len.is_ok() && ends.is_some() == structure;
    // Without an end nobody waits for anybody: where there are some, rows are held
    // against them in order.
    let ends = ends.filter(|ends| !ends.is_empty()).map(Mutex::new);
    let threads = match &ends {
        None => check.threads,
        Some(_) => Threads::ONE,
    };
    let look = RecordLook {
        table,
        structure,
        ends: ends.as_ref().filter(|_| whole),
    };
    let mut found = TableCounts {
        data_len: counts.data_len,
        ..TableCounts::default()
    };
    let mut entries = EntrySet::default();
    let range = FILE_HEADER_LEN as u64..counts.data_len;
    check.blocks(
        threads,
        (&file, table.address),
        range,
        |walked, records, record| look.record(walked, records, record),
        |walked| {
            let (counts, of_part): (TableCounts, EntrySet) = walked.found;
            found.append(counts);
            entries.merge(of_part);
            checked += walked.checked;
            whole &= !walked.damaged;
        },
    )?;
    if let Some(ends) = ends.filter(|_| whole) {
        match sum_of(&ends).finish(&data_piece(&file)) {
            Err(Error::Damage(damage)) => {
                check.damaged(&damage);
                whole = false;
            }
            finished => finished?,
        }
    }
    if whole {
        // Who did not look at rows believes the catalog in how many are live.
        if !structure {
            found.live = counts.live;
        }
        if let Err(damage) = found.check(counts, file.path(), counts.data_len) {
            check.damaged(&damage);
        }
    }
    check.covered(&file, checked);
    Ok(Some(Data {
        len: counts.data_len,
        entries: (whole && structure).then_some(entries),
    }))
}

/// The ends of versions, unless they are damaged: the walk over the records
/// tells of that.
fn ends_of(
    file: &SourceFile,
    table: &TablePlace,
    counts: TableCounts,
) -> Result<Option<EndCursor>> {
    match collect_ends(file, &table.address, counts.data_len) {
        Ok(ends) => Ok(Some(EndCursor::new(ends))),
        Err(Error::Damage(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

/// How records are looked at.
struct RecordLook<'t> {
    table: &'t TablePlace,
    structure: bool,
    /// What of the ends was not met yet, if rows are held against them.
    ends: Option<&'t Mutex<EndCursor>>,
}

impl RecordLook<'_> {
    fn record(
        &self,
        walked: &mut WalkedBlocks<(TableCounts, EntrySet)>,
        records: &BlockWalk<RecordHead>,
        record: &Block<RecordHead>,
    ) -> Result<()> {
        let extent = record.head.extent();
        let (found, entries) = &mut walked.found;
        match record.head.kind() {
            RecordKind::Rows => found.rows += u64::from(extent.row_count),
            RecordKind::Ends => found.ends += u64::from(extent.row_count),
        }
        if !self.structure {
            return Ok(());
        }
        let rows = records.rows(record);
        if record.head.kind() == RecordKind::Ends {
            let expected = (extent.row_count, extent.first_row);
            return read_ends(&rows, expected, |end| {
                entries.add(&end.entry());
                Ok(())
            });
        }
        let offset = records.offset();
        let data = data_piece(records.file());
        // Past damage, ends cannot be told from needless ones.
        let mut ends = self.ends.filter(|_| !walked.damaged).map(sum_of);
        let (arity, key) = (self.table.arity, self.table.key);
        walk_run(&rows, extent.row_count, arity, key, |position, key| {
            let index = extent.first_row.saturating_add(position.into());
            if let Some(ends) = &mut ends
                && ends.is_ended(index, &data)?
            {
                return Ok(());
            }
            found.live += 1;
            if let Some(key) = key {
                let (key, value) = (key_digest(key), row_id(offset, position));
                entries.add(&Entry { key, value });
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// Holds the index against the data.
fn verify_index(
    table: &TablePlace,
    data: Option<Data>,
    level: Level,
    check: &mut TableCheck<'_>,
) -> Result<()> {
    let Some(file) = check.open(&table.file(INDEX_SUFFIX))? else {
        return Ok(());
    };
    let mut found = EntrySet::default();
    let meta = verify_tree(&file, &table.address, level, check, |entry| {
        found.add(entry);
    })?;
    let (Some(meta), Some(data)) = (meta, data) else {
        return Ok(());
    };
    let mut differs = |found: String, expected: String| {
        check.damaged(&Damage {
            file: file.path().to_owned(),
            offset: 0,
            code: Code::DerivedDiffers,
            found,
            expected,
        });
    };
    if meta.stamp != data.len {
        let found = format!("an index of {} bytes", meta.stamp);
        differs(found, format!("{}, as the data has", data.len));
    } else if let Some(expected) = data.entries
        && expected != found
    {
        let found = format!("other entries, {} of them", meta.entry_count);
        let expected = format!("exactly the {} of the rows and ends", expected.count());
        differs(found, expected);
    }
    Ok(())
}
