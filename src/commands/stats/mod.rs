//! How the space of each table is used, and what its log costs to write.

mod replay;
mod writes;

use std::path::Path;

use serde::Serialize;

use crate::engine::Store;
use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::model::{PageView, RowSource};
use crate::report::Report;

use super::info::table_bytes;
use super::{Backend, Directory, Identity, OpenOptions};

pub use replay::RecordTotals;
pub use writes::{LeftOut, WriterTotals, Writes};

/// Widest rows that are named.
const WIDEST: usize = 3;

/// The space of a directory.
#[derive(Debug, Serialize)]
pub struct Stats {
    /// What the directory is.
    #[serde(skip)]
    pub identity: Identity,
    /// What its tables are made of: page, record or block; none in a legacy
    /// directory, whose snapshot has no parts.
    pub unit: Option<&'static str>,
    /// By database and table, in stored order.
    pub tables: Vec<TableStats>,
    /// What the tail of a legacy log costs to write; none of a directory of
    /// ours, and where no record is to be applied.
    pub writes: Option<Writes>,
    /// What was wrong.
    #[serde(skip)]
    pub report: Report,
}

/// The space of one table.
#[derive(Debug, Default, Serialize)]
pub struct TableStats {
    /// The database that it belongs to.
    pub database: String,
    /// Its name.
    pub table: String,
    /// Bytes of all its files; of a legacy table, of its rows in the snapshot.
    pub bytes: u64,
    /// Visible row versions.
    pub live: u64,
    /// Other row versions.
    pub dead: u64,
    /// What its pages say; none of a legacy table.
    #[serde(flatten)]
    pub space: Option<Space>,
}

/// What the pages, records or blocks of a table hold.
#[derive(Debug, Default, Serialize)]
pub struct Space {
    /// How many pages, records or blocks there are.
    pub pages: u64,
    /// Their bytes.
    pub page_bytes: u64,
    /// Bytes of visible row versions.
    pub live_bytes: u64,
    /// Bytes of other row versions: compaction gives them back.
    pub dead_bytes: u64,
    /// Bytes that are free for more rows.
    pub free_bytes: u64,
    /// Those of them that are in no table's last page.
    pub scattered_bytes: u64,
    /// Row versions as a share of all bytes, in percent.
    pub fill_percent: u64,
    /// Free bytes before the last page, as a share of all bytes, in percent.
    pub fragmentation_percent: u64,
    /// Row versions that go on in other pages.
    pub overflowing: u64,
    /// The widest row versions, widest first.
    pub widest: Vec<WideRow>,
}

/// A row version by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct WideRow {
    /// Its length, overflow pages included.
    pub bytes: u64,
    /// Number of the page, record or block.
    pub page: u64,
    /// Slot or position in it.
    pub slot: u64,
}

impl Space {
    fn add(&mut self, page: &PageView, free_before: &mut u64) {
        self.pages += 1;
        self.page_bytes = self.page_bytes.saturating_add(page.bytes.len() as u64);
        self.scattered_bytes = self.scattered_bytes.saturating_add(*free_before);
        *free_before = page.free_len;
        self.free_bytes = self.free_bytes.saturating_add(page.free_len);
        for row in &page.rows {
            let bytes = match row.visible {
                true => &mut self.live_bytes,
                false => &mut self.dead_bytes,
            };
            *bytes = bytes.saturating_add(row.row_len);
            self.overflowing += u64::from(!row.overflow.is_empty());
            self.widest.push(WideRow {
                bytes: row.row_len,
                page: page.number,
                slot: row.slot,
            });
        }
        // Of rows of one width, the first ones.
        let rank = |row: &WideRow| (std::cmp::Reverse(row.bytes), row.page, row.slot);
        self.widest.sort_by_key(rank);
        self.widest.truncate(WIDEST);
    }

    fn finish(&mut self) {
        let rows = self.live_bytes.saturating_add(self.dead_bytes);
        self.fill_percent = percent(rows, self.page_bytes);
        self.fragmentation_percent = percent(self.scattered_bytes, self.page_bytes);
    }
}

fn percent(part: u64, whole: u64) -> u64 {
    let share = u128::from(part) * 100 / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// Goes through every table of a directory, and writes the tail of a legacy log
/// again, in a directory for temporary files. Memory does not grow with the
/// tables.
///
/// # Errors
/// As opening the directory; I/O errors; where that tail is written, those of
/// [`engine::create`](crate::engine::create).
pub fn stats(path: &Path, options: &OpenOptions) -> Result<Stats> {
    let directory = Directory::open(path, options)?;
    let mut stats = Stats {
        identity: directory.identity(),
        unit: match directory.backend() {
            Backend::Ours(store) => Some(store.layout().page_name()),
            Backend::Legacy { .. } => None,
        },
        tables: Vec::new(),
        writes: writes::measure(&directory, &options.progress)?,
        report: directory.findings(),
    };
    for (at, database) in directory.catalog().databases.iter().enumerate() {
        for (position, table) in database.tables.iter().enumerate() {
            let live = directory.live_count(at, position)?;
            let rows = directory.row_count(at, position);
            let space = match directory.backend() {
                Backend::Ours(store) => {
                    let names = (&*database.name, &*table.name);
                    let report = &mut stats.report;
                    Some(space(store, (at, position), names, report)?)
                }
                Backend::Legacy { .. } => None,
            };
            stats.tables.push(TableStats {
                database: database.name.clone(),
                table: table.name.clone(),
                bytes: table_bytes(&directory, at, position)?,
                live,
                dead: rows.saturating_sub(live),
                space,
            });
        }
    }
    Ok(stats)
}

fn space(
    store: &Store,
    table: (usize, usize),
    (database, name): (&str, &str),
    report: &mut Report,
) -> Result<Space> {
    let mut space = Space::default();
    let mut pages = store.pages(table, 0, false)?;
    let mut free_before = 0;
    let (mut rows, mut is_whole) = (0, true);
    while let Some(page) = pages.next_page()? {
        rows += page.rows.len() as u64;
        is_whole &= page.damage.is_empty();
        page.damage
            .iter()
            .for_each(|damage| report.add(damage.into()));
        space.add(&page, &mut free_before);
    }
    space.finish();
    let (d, t) = table;
    let expected = store.row_count(d, t);
    if is_whole && store.is_in_files(d, t) && rows != expected {
        let finding = Finding::new(Code::CountMismatch).detail(format!(
            "found {rows} row versions in its files, expected {expected}"
        ));
        report.add(finding.database(database).table(name));
    }
    Ok(space)
}
