//! Checks the files of an append table to their last byte.

use std::sync::Arc;

use super::entry::Entry;
use super::index::{self, INDEX_BLOCK_LEN, INDEX_TRAILER_LEN, IndexBlocks, IndexEnds};
use super::reader::{check_counts, records};
use super::record::RecordHead;
use super::{MAGIC, SUFFIX};
use crate::codec::{ByteWriter, MultisetHash};
use crate::engine::file_header::{FILE_HEADER_LEN, FileHeader};
use crate::engine::layout::TableCounts;
use crate::engine::paths::TablePlace;
use crate::engine::row_block::{BlockWalk, Head};
use crate::engine::row_run::walk_run;
use crate::engine::verify::{Level, TableCheck};
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
    if table.key.is_some()
        && let Some(file) = check.open(&table.file(index::SUFFIX))?
    {
        IndexCheck {
            file,
            table,
            data,
            structure: level >= Level::Links,
            entries: EntrySet::default(),
            last: None,
            whole: true,
        }
        .run(check)?;
    }
    Ok(())
}

/// What an index must agree with.
#[derive(Debug, Clone, Copy)]
struct Data {
    /// Bytes of the data.
    len: u64,
    /// The entries that the rows give, if every row was read.
    entries: Option<EntrySet>,
}

/// A set of entries, whatever their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct EntrySet(MultisetHash);

impl EntrySet {
    fn add(&mut self, entry: &Entry, scratch: &mut ByteWriter) {
        scratch.clear();
        entry.encode(scratch);
        self.0.add(scratch.as_slice());
    }
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
        structure: level >= Level::Links,
        found: TableCounts::default(),
        entries: EntrySet::default(),
        scratch: ByteWriter::new(),
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
    scratch: ByteWriter,
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
        let (entries, scratch) = (&mut self.entries, &mut self.scratch);
        let rows = self.records.rows(&record);
        let visible = walk_run(&rows, row_count, self.table.arity, self.table.key, |key| {
            entries.add(&Entry::new(key, offset), scratch);
        })?;
        self.found.live += visible;
        Ok(true)
    }
}

/// A check of an index.
struct IndexCheck<'t> {
    file: Arc<SourceFile>,
    table: &'t TablePlace,
    data: Option<Data>,
    structure: bool,
    entries: EntrySet,
    last: Option<Entry>,
    whole: bool,
}

impl IndexCheck<'_> {
    fn run(mut self, check: &mut TableCheck<'_>) -> Result<()> {
        let ends = match IndexEnds::read(&self.file, self.table.address) {
            Err(Error::Damage(damage)) => {
                check.damaged(&damage);
                check.covered(&self.file, 0);
                return Ok(());
            }
            ends => ends?,
        };
        let mut checked = 0;
        match &ends.header {
            Ok(_) => checked += FILE_HEADER_LEN as u64,
            Err(damage) => self.damaged(damage, check),
        }
        checked += self.blocks(ends.trailer_offset, check)?;
        match &ends.trailer {
            Ok(trailer) => {
                checked += INDEX_TRAILER_LEN as u64;
                self.totals(trailer, ends.trailer_offset, check);
            }
            Err(damage) => self.damaged(damage, check),
        }
        check.covered(&self.file, checked);
        Ok(())
    }

    fn damaged(&mut self, damage: &Damage, check: &mut TableCheck<'_>) {
        check.damaged(damage);
        self.whole = false;
    }

    fn damage(&self, offset: u64, code: Code, found: String, expected: String) -> Damage {
        Damage {
            file: self.file.path().to_owned(),
            offset,
            code,
            found,
            expected,
        }
    }

    /// Every block; how many bytes agree with a checksum.
    fn blocks(&mut self, end: u64, check: &mut TableCheck<'_>) -> Result<u64> {
        let mut blocks = IndexBlocks::new(&self.file, self.table.address, end);
        let (mut entries, mut checked) = (Vec::new(), 0);
        let mut scratch = ByteWriter::new();
        loop {
            entries.clear();
            match blocks.next(&mut entries) {
                Ok(false) => return Ok(checked),
                Ok(true) => checked += INDEX_BLOCK_LEN as u64,
                Err(Error::Damage(damage)) => self.damaged(&damage, check),
                Err(other) => return Err(other),
            }
            if !self.structure {
                continue;
            }
            for entry in &entries {
                self.entries.add(entry, &mut scratch);
                if self.last.is_some_and(|last| last > *entry) {
                    let found = "entries that fall".to_owned();
                    let expected = "entries in order".to_owned();
                    let damage =
                        self.damage(blocks.offset(), Code::DerivedDiffers, found, expected);
                    self.damaged(&damage, check);
                }
                self.last = Some(*entry);
            }
        }
    }

    /// Holds the index against its trailer and against the data.
    fn totals(&mut self, trailer: &index::IndexTrailer, offset: u64, check: &mut TableCheck<'_>) {
        let Some(data) = self.data else {
            return;
        };
        if trailer.data_len != data.len {
            let found = format!("an index of {} bytes", trailer.data_len);
            let expected = format!("{}, as the data has", data.len);
            let damage = self.damage(offset, Code::DerivedDiffers, found, expected);
            return self.damaged(&damage, check);
        }
        if let Some(expected) = data.entries
            && self.whole
            && (expected != self.entries || expected.0.count() != trailer.entry_count)
        {
            let found = format!(
                "{} entries, {} by the trailer",
                self.entries.0.count(),
                trailer.entry_count
            );
            let expected = format!("exactly the {} visible rows", expected.0.count());
            let damage = self.damage(0, Code::DerivedDiffers, found, expected);
            self.damaged(&damage, check);
        }
    }
}
