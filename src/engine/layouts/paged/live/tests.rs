//! Live tables against a list of rows: between checkpoints, after them, and
//! replayed from a log.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::codec::MadeRows;
use crate::engine::layouts::paged::table_files::Paged;
use crate::engine::pages::address::TableAddress;
use crate::engine::pages::buffer_pool::BufferPool;
use crate::engine::rows::codec::{encode_row, encode_value};
use crate::engine::store::carry_out::tests::carry_out;
use crate::engine::table::{Level, TableFiles, check_table};
use crate::file::LocalDisk;
use crate::finding::Code;
use crate::model::{Row, Value};

pub(in crate::engine::layouts::paged) const FILES: Paged = Paged { pages_per_file: 3 };

/// A row of a key and a text, and its bytes.
pub(in crate::engine::layouts::paged) fn row(
    key: i64,
    xmin: u64,
    text_len: usize,
) -> (Row, Vec<u8>) {
    let text = Value::Text("t".repeat(text_len));
    let row = Row {
        xmin,
        xmax: None,
        values: vec![Value::Integer(key), text],
    };
    let bytes = bytes_of(&row);
    (row, bytes)
}

fn bytes_of(row: &Row) -> Vec<u8> {
    let mut w = ByteWriter::new();
    encode_row(&mut w, &row.pack().as_row(), None).unwrap();
    w.into_vec()
}

/// A row of this length, or a byte or two less.
fn row_of_len(key: i64, xmin: u64, len: usize) -> (Row, Vec<u8>) {
    let texts = (len.saturating_sub(24)..len).rev();
    let mut rows = texts.map(|text_len| row(key, xmin, text_len));
    rows.find(|(_, bytes)| bytes.len() <= len).unwrap()
}

fn key_of(key: i64) -> Vec<u8> {
    let mut w = ByteWriter::new();
    encode_value(&mut w, &Value::Integer(key).as_ref());
    w.into_vec()
}

fn drain(mut stream: Box<dyn RowStream + '_>) -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    while let Some(batch) = stream.next_batch().unwrap() {
        rows.extend(batch.rows().map(|row| bytes_of(&row.to_owned())));
    }
    rows
}

/// A change as the log has it.
#[derive(Debug, Clone)]
pub(in crate::engine::layouts::paged) enum Logged {
    Insert(Vec<u8>, RowId),
    End(RowId, u64, Option<RowId>),
}

/// A version as it should be.
#[derive(Debug, Clone)]
pub(in crate::engine::layouts::paged) struct Version {
    id: RowId,
    key: i64,
    row: Row,
}

/// A table, what it should hold, and its log since the last checkpoint.
pub(in crate::engine::layouts::paged) struct Bench {
    pub(in crate::engine::layouts::paged) dir: TempDir,
    pub(in crate::engine::layouts::paged) table: TablePlace,
    pub(in crate::engine::layouts::paged) live: Box<dyn LiveTable>,
    pub(in crate::engine::layouts::paged) versions: Vec<Version>,
    pub(in crate::engine::layouts::paged) stored: TableCounts,
    pub(in crate::engine::layouts::paged) log: Vec<Logged>,
    pub(in crate::engine::layouts::paged) moved: usize,
    pub(in crate::engine::layouts::paged) next_id: u64,
}

pub(in crate::engine::layouts::paged) fn access(write: bool) -> Access {
    Access {
        blocks: Arc::new(crate::engine::table::BlockCache::new(0)),
        pool: Arc::new(BufferPool::new(16)),
        write,
    }
}

impl Bench {
    /// A table of rows of these lengths, written as a new one; `None` for a
    /// table that has no directory yet.
    pub(in crate::engine::layouts::paged) fn new(lens: Option<&[usize]>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let table = TablePlace {
            disk: LocalDisk::shared(),
            dir: dir.path().to_owned(),
            stem: "t".into(),
            address: TableAddress {
                cluster_id: 5,
                lsns: crate::engine::pages::address::Lsns::ANY,
                database: 1,
                table: 2,
            },
            arity: 2,
            key: Some(0),
        };
        let rows = lens.unwrap_or_default().iter().zip(0..);
        let rows: Vec<_> = rows.map(|(len, key)| row_of_len(key, 1, *len).0).collect();
        let mut stored = TableCounts::default();
        if lens.is_some() {
            let mut given = MadeRows::new(rows.iter().map(Row::pack));
            stored = FILES.write(&table, Lsn(0), &mut given).unwrap();
        }
        let live = FILES.live(&table, stored, &access(true)).unwrap();
        let versions = rows.into_iter().zip(0..).map(|(row, key)| {
            let id = live.find(&key_of(key)).unwrap().unwrap();
            Version { id, key, row }
        });
        Bench {
            versions: versions.collect(),
            next_id: 100,
            moved: 0,
            log: Vec::new(),
            stored,
            live,
            table,
            dir,
        }
    }

    pub(in crate::engine::layouts::paged) fn insert(&mut self, key: i64, len: usize) {
        self.next_id += 1;
        let (row, bytes) = row_of_len(key, self.next_id, len);
        let id = self.live.insert(&bytes, None).unwrap();
        assert!(self.versions.iter().all(|version| version.id != id));
        self.versions.push(Version { id, key, row });
        self.log.push(Logged::Insert(bytes, id));
    }

    pub(in crate::engine::layouts::paged) fn end(&mut self, at: usize, xmax: u64) {
        let Some(version) = self.versions.get_mut(at) else {
            return;
        };
        let ended = self.live.end(version.id, xmax, None).unwrap();
        let Ended::Yes { moved } = ended else {
            assert!(version.row.xmax.is_some());
            return;
        };
        assert!(version.row.xmax.is_none());
        version.row.xmax = Some(xmax);
        self.moved += usize::from(moved.is_some());
        if let Some(moved) = moved {
            assert_eq!(self.live.read(moved).unwrap(), None, "only by its first id");
        }
        self.log.push(Logged::End(version.id, xmax, moved));
    }

    fn expected(&self) -> (Vec<Vec<u8>>, TableCounts) {
        let mut versions: Vec<_> = self.versions.iter().collect();
        versions.sort_by_key(|version| version.id);
        let live = versions.iter().filter(|version| version.row.xmax.is_none());
        let counts = TableCounts {
            rows: versions.len() as u64,
            live: live.count() as u64,
            ..TableCounts::default()
        };
        let rows = versions.iter().map(|version| bytes_of(&version.row));
        (rows.collect(), counts)
    }

    /// Everything that can be read is as it should be.
    pub(in crate::engine::layouts::paged) fn check(&self, live: &dyn LiveTable, write: bool) {
        let (rows, counts) = self.expected();
        assert_eq!(live.counts(), counts);
        assert!(drain(live.rows().unwrap()) == rows);
        for version in &self.versions {
            let read = live.read(version.id).unwrap();
            assert!(read.as_deref() == Some(&bytes_of(&version.row)[..]));
        }
        if !write {
            return;
        }
        for key in 0..40 {
            let visible = self
                .versions
                .iter()
                .filter(|version| version.row.xmax.is_none());
            let of_key = visible.filter(|version| version.key == key);
            let newest = of_key.max_by_key(|version| (version.row.xmin, version.id));
            let found = live.find(&key_of(key)).unwrap();
            assert_eq!(found, newest.map(|version| version.id), "{key}");
        }
    }

    pub(in crate::engine::layouts::paged) fn checkpoint(&mut self) {
        let mut batch = Batch::new();
        self.live.checkpoint(Lsn(7), &mut batch).unwrap();
        for _again in 0..2 {
            carry_out(&LocalDisk, &batch);
        }
        self.live.checkpointed().unwrap();
        assert_eq!(self.live.pending_len(), 0);
        self.log.clear();
        let (rows, counts) = self.expected();
        self.stored = counts;
        let stream = FILES.open(&self.table, counts).unwrap();
        assert!(drain(stream) == rows);
        assert_eq!(self.codes(), []);
    }

    pub(in crate::engine::layouts::paged) fn codes(&self) -> Vec<Code> {
        check_table(|check| {
            let verified = FILES.verify(&self.table, self.stored, Level::Structure, check);
            verified.unwrap();
        })
    }

    /// The files of the last checkpoint and the log.
    pub(in crate::engine::layouts::paged) fn replayed(&self, write: bool) -> Box<dyn LiveTable> {
        let mut live = FILES
            .live(&self.table, self.stored, &access(write))
            .unwrap();
        for logged in &self.log {
            match logged {
                Logged::Insert(bytes, at) => {
                    let id = live.insert(bytes, Some(*at)).unwrap();
                    assert_eq!(id, *at);
                }
                Logged::End(id, xmax, moved) => {
                    let ended = live.end(*id, *xmax, *moved).unwrap();
                    assert_eq!(ended, Ended::Yes { moved: *moved });
                }
            }
        }
        live
    }

    pub(in crate::engine::layouts::paged) fn reopen(&mut self) {
        self.checkpoint();
        self.live = FILES.live(&self.table, self.stored, &access(true)).unwrap();
    }

    pub(in crate::engine::layouts::paged) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("t").join(name)
    }
}

#[derive(Debug, Clone)]
enum Op {
    Insert(i64, usize),
    End(prop::sample::Index, u64),
    Checkpoint,
    Reopen,
    Replay,
}

/// Lengths on all sides of the limits.
fn len() -> impl Strategy<Value = usize> {
    prop_oneof![
        30 => 10..200usize,
        10 => 1000..4000usize,
        4 => 8140..8175usize,
        2 => 16_270..16_300usize,
        1 => 30_000..60_000usize,
    ]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        30 => (0..40i64, len()).prop_map(|(key, len)| Op::Insert(key, len)),
        25 => (any::<prop::sample::Index>(), 1..=u64::MAX).prop_map(|(at, xmax)| Op::End(at, xmax)),
        1 => Just(Op::Checkpoint),
        1 => Just(Op::Reopen),
        1 => Just(Op::Replay),
    ];
    prop::collection::vec(op, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_live_table_is_a_list_of_rows(
        ops in ops(),
        lens in prop::option::of(prop::collection::vec(len(), 0..60)),
    ) {
        let mut bench = Bench::new(lens.as_deref());
        for op in ops {
            match op {
                Op::Insert(key, len) => bench.insert(key, len),
                Op::End(at, xmax) => {
                    let at = at.index(bench.versions.len().max(1));
                    bench.end(at, xmax);
                }
                Op::Checkpoint => bench.checkpoint(),
                Op::Reopen => bench.reopen(),
                // A new table that was never checkpointed has no files.
                Op::Replay => for write in [false, true] {
                    bench.check(&*bench.replayed(write), write);
                },
            }
        }
        bench.check(&*bench.live, true);
        bench.reopen();
        bench.check(&*bench.live, true);
    }
}

#[test]
fn ends_in_full_pages_move_rows_and_leave_the_rest_alone() {
    // 40 rows of 203 bytes fill a page but for a few bytes.
    let mut bench = Bench::new(Some(&[200; 400]));
    let pages = fs::metadata(bench.file("page_0000.dat")).unwrap().len() / 8192;
    assert_eq!(pages, 3);
    for at in 0..400 {
        bench.end(at, u64::MAX - 7);
    }
    assert!((10..100).contains(&bench.moved), "{}", bench.moved);
    bench.check(&*bench.live, true);
    bench.check(&*bench.replayed(false), false);
    bench.reopen();
    bench.check(&*bench.live, true);
}

#[test]
fn a_row_that_fills_its_page_becomes_a_wide_one_when_it_ends() {
    let mut bench = Bench::new(Some(&[8144, 8144]));
    for at in 0..2 {
        bench.end(at, 1 << 60);
    }
    assert_eq!(bench.moved, 2);
    bench.check(&*bench.replayed(true), true);
    bench.reopen();
    bench.check(&*bench.live, true);
}

#[test]
fn heads_of_wide_rows_end_in_place_and_elsewhere_and_keep_their_chains() {
    // Two heads to a page, with no room for two xmax.
    let inline = (8148 - 2 * (4 + 8)) / 2;
    let mut bench = Bench::new(Some(&[inline + 8116; 6]));
    let before = fs::read(bench.file("page_0000.dat")).unwrap();
    for at in 0..6 {
        bench.end(at, u64::MAX);
    }
    assert_eq!(bench.moved, 3);
    bench.check(&*bench.live, true);
    bench.reopen();
    bench.check(&*bench.live, true);
    let after = fs::read(bench.file("page_0000.dat")).unwrap();
    assert_ne!(before[..8192], after[..8192]);
    assert_eq!(before[8192..], after[8192..], "overflow pages");
}
