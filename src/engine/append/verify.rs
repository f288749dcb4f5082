//! Checks the files of an append table to their last byte.

use super::reader::{check_counts, records};
use super::record::RecordHead;
use super::{INDEX_SUFFIX, MAGIC, SUFFIX, row_id};
use crate::engine::file_header::{FILE_HEADER_LEN, FileHeader};
use crate::engine::layout::TableCounts;
use crate::engine::paths::TablePlace;
use crate::engine::row_block::{BlockWalk, Head};
use crate::engine::row_run::walk_run;
use crate::engine::tree::{Entry, EntrySet, key_digest, verify_tree};
use crate::engine::verify::{Level, TableCheck};
use crate::error::{Damage, Error, Result};
use crate::finding::Code;

/// Checks every record, the index, and each against the other.
pub(super) fn verify_table(
    table: &TablePlace,
    (counts, level): (TableCounts, Level),
    check: &mut TableCheck<'_>,
) -> Result<()> {
    let data = verify_data(table, (counts, level), check)?;
    match table.key {
        Some(_) => verify_index(table, data, level, check),
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
    let mut walk = RecordWalk {
        records: records(&file, table.address),
        table,
        structure: level == Level::Structure,
        found: TableCounts::default(),
        entries: EntrySet::default(),
        checked: 0,
        whole: header.is_ok(),
    };
    walk.run(check)?;
    checked += walk.checked;
    if walk.whole {
        // Who did not look at rows believes the catalog in how many are live.
        if !walk.structure {
            walk.found.live = counts.live;
        }
        if let Err(damage) = check_counts(&file, walk.found, counts) {
            check.damaged(&damage);
        }
    }
    check.covered(&file, checked);
    Ok(Some(Data {
        len: file.len(),
        entries: (walk.whole && walk.structure).then_some(walk.entries),
    }))
}

/// A walk over all records that goes on past damage where it can.
struct RecordWalk<'t> {
    records: BlockWalk<RecordHead>,
    table: &'t TablePlace,
    structure: bool,
    found: TableCounts,
    entries: EntrySet,
    /// Bytes of records whose checksum is right.
    checked: u64,
    /// Whether nothing was wrong.
    whole: bool,
}

impl RecordWalk<'_> {
    fn run(&mut self, check: &mut TableCheck<'_>) -> Result<()> {
        loop {
            match self.step() {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(Error::Damage(damage)) => {
                    check.damaged(&damage);
                    self.whole = false;
                    if !self.records.can_go_on() {
                        return Ok(());
                    }
                }
                Err(other) => return Err(other),
            }
        }
    }

    /// One record; false after the last one.
    fn step(&mut self) -> Result<bool> {
        let Some(record) = self.records.advance()? else {
            return Ok(false);
        };
        self.checked += record.len();
        let row_count = record.head.extent().row_count;
        self.found.rows += u64::from(row_count);
        if !self.structure {
            return Ok(true);
        }
        let offset = self.records.offset();
        let entries = &mut self.entries;
        let rows = self.records.rows(&record);
        let (arity, key) = (self.table.arity, self.table.key);
        let visible = walk_run(&rows, row_count, arity, key, |position, key| {
            let (key, value) = (key_digest(key), row_id(offset, position));
            entries.add(&Entry { key, value });
        })?;
        self.found.live += visible;
        Ok(true)
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
        let found = format!("other rows, {} of them", meta.entry_count);
        let expected = format!("exactly the {} visible ones", expected.count());
        differs(found, expected);
    }
    Ok(())
}
