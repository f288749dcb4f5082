//! Checks the files of an append table to their last byte.

use super::ends::{EndCursor, read_ends};
use super::reader::{check_len, collect_ends, data_piece, records};
use super::record::{RecordHead, RecordKind};
use super::{INDEX_SUFFIX, MAGIC, SUFFIX, row_id};
use crate::engine::pages::file_header::{FILE_HEADER_LEN, FileHeader};
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::block::{Block, BlockWalk, Head};
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::key::key_digest;
use crate::engine::rows::row_run::walk_run;
use crate::engine::table::{Level, TableCheck};
use crate::engine::tree::{Entry, EntrySet, verify_tree};
use crate::error::{Damage, Error, Result};
use crate::file::SourceFile;
use crate::finding::Code;

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
    let mut walk = RecordWalk {
        records: records(&file, table.address, counts.data_len),
        table,
        structure,
        found: TableCounts {
            data_len: counts.data_len,
            ..TableCounts::default()
        },
        entries: EntrySet::default(),
        checked: 0,
        whole: header.is_ok() && len.is_ok() && ends.is_some() == structure,
        ends: ends.unwrap_or_default(),
    };
    check.steps(&mut walk, RecordWalk::step, RecordWalk::after_damage)?;
    checked += walk.checked;
    if walk.whole {
        // Who did not look at rows believes the catalog in how many are live.
        if !walk.structure {
            walk.found.live = counts.live;
        }
        if let Err(damage) = walk.found.check(counts, file.path(), counts.data_len) {
            check.damaged(&damage);
        }
    }
    check.covered(&file, checked);
    Ok(Some(Data {
        len: counts.data_len,
        entries: (walk.whole && walk.structure).then_some(walk.entries),
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

/// A walk over all records that goes on past damage where it can.
struct RecordWalk<'t> {
    records: BlockWalk<RecordHead>,
    table: &'t TablePlace,
    structure: bool,
    found: TableCounts,
    /// What of the ends was not met yet.
    ends: EndCursor,
    entries: EntrySet,
    /// Bytes of records whose checksum is right.
    checked: u64,
    /// Whether nothing was wrong.
    whole: bool,
}

impl RecordWalk<'_> {
    fn after_damage(&mut self) -> bool {
        self.whole = false;
        self.records.can_go_on()
    }

    /// One record; false after the last one.
    fn step(&mut self) -> Result<bool> {
        let Some(record) = self.records.advance()? else {
            return self.after_last();
        };
        self.checked += record.len();
        let extent = record.head.extent();
        match record.head.kind() {
            RecordKind::Rows => self.found.rows += u64::from(extent.row_count),
            RecordKind::Ends => self.found.ends += u64::from(extent.row_count),
        }
        if self.structure {
            self.content(&record)?;
        }
        Ok(true)
    }

    /// What the record at hand holds.
    fn content(&mut self, record: &Block<RecordHead>) -> Result<()> {
        let extent = record.head.extent();
        let rows = self.records.rows(record);
        if record.head.kind() == RecordKind::Ends {
            let expected = (extent.row_count, extent.first_row);
            let entries = &mut self.entries;
            return read_ends(&rows, expected, |end| {
                entries.add(&end.entry());
                Ok(())
            });
        }
        let offset = self.records.offset();
        let data = data_piece(self.records.file());
        let (ends, whole) = (&mut self.ends, self.whole);
        let (entries, live) = (&mut self.entries, &mut self.found.live);
        let (arity, key) = (self.table.arity, self.table.key);
        walk_run(&rows, extent.row_count, arity, key, |position, key| {
            let index = extent.first_row.saturating_add(position.into());
            // Past damage, ends cannot be told from needless ones.
            if whole && ends.is_ended(index, &data)? {
                return Ok(());
            }
            *live += 1;
            if let Some(key) = key {
                let (key, value) = (key_digest(key), row_id(offset, position));
                entries.add(&Entry { key, value });
            }
            Ok(())
        })?;
        Ok(())
    }

    /// No record follows; false.
    fn after_last(&mut self) -> Result<bool> {
        if self.whole && self.structure {
            self.ends.finish(&data_piece(self.records.file()))?;
        }
        Ok(false)
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
