use std::fs;
use std::sync::Arc;

use tempfile::TempDir;

use super::choice::{Layout, Shape};
use crate::codec::{ByteWriter, MadeRows};
use crate::engine::log::{Batch, Change};
use crate::engine::pages::address::{Lsn, RowId, TableAddress};
use crate::engine::pages::buffer_pool::BufferPool;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::codec::{encode_row, encode_value};
use crate::engine::rows::counts::TableCounts;
use crate::engine::table::{Access, BlockCache, Ended, Level, LiveTable, TableFiles, check_table};
use crate::file::LocalDisk;
use crate::finding::Code;
use crate::model::{Column, DataType, Row, Table, Value, ValueRef};

/// Makes the changes of a batch, as a store does.
pub(in crate::engine) fn carry_out(batch: &Batch) {
    for change in batch.changes() {
        match change {
            Change::Write {
                path,
                offset,
                bytes,
            } => {
                use std::os::unix::fs::FileExt;
                let mut options = fs::OpenOptions::new();
                let file = options.write(true).create(true).truncate(false).open(path);
                file.unwrap().write_all_at(bytes, *offset).unwrap();
            }
            Change::SetLen { path, len } => {
                let file = fs::OpenOptions::new().write(true).open(path).unwrap();
                file.set_len(*len).unwrap();
            }
            Change::Rename { from, to } => {
                if from.exists() {
                    fs::rename(from, to).unwrap();
                }
            }
            Change::Remove { path } => {
                let _ = fs::remove_file(path);
            }
            Change::CreateDir { path } => {
                let _ = fs::create_dir(path);
            }
            Change::RemoveDir { path } => {
                let _ = fs::remove_dir(path);
            }
        }
    }
}

/// A table between checkpoints beside a model of it.
pub(in crate::engine) struct Bench {
    _dir: TempDir,
    pub place: TablePlace,
    files: Box<dyn TableFiles>,
    /// What the catalog says: the counts of the last checkpoint.
    pub counts: TableCounts,
    pub live: Box<dyn LiveTable>,
    /// The rows in order, and the place of each.
    pub model: Vec<Row>,
    pub ids: Vec<RowId>,
    /// Rows and places at the last checkpoint, and changes since.
    base: (Vec<Row>, Vec<RowId>),
    log: Vec<Logged>,
}

#[derive(Debug, Clone)]
enum Logged {
    Insert(Row, RowId),
    End(usize, u64, Option<RowId>),
}

pub(in crate::engine) fn row(key: i64, text: &str) -> Row {
    Row {
        values: vec![Value::Integer(key), Value::Text(text.into())],
        xmin: 7,
        xmax: None,
    }
}

pub(in crate::engine) fn encoded(row: &Row) -> Vec<u8> {
    let mut w = ByteWriter::new();
    encode_row(&mut w, &row.pack().as_row(), None).unwrap();
    w.into_vec()
}

pub(in crate::engine) fn key_bytes(key: i64) -> Vec<u8> {
    let mut w = ByteWriter::new();
    encode_value(&mut w, &ValueRef::Integer(key));
    w.into_vec()
}

pub(in crate::engine) fn access(write: bool) -> Access {
    Access {
        blocks: Arc::new(BlockCache::new(0)),
        pool: Arc::new(BufferPool::new(64)),
        write,
    }
}

impl Bench {
    pub(in crate::engine) fn new(layout: Layout, keyed: bool, rows: Vec<Row>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let column = |name: &str, primary_key| Column {
            name: name.into(),
            data_type: DataType::Text,
            nullable: true,
            primary_key,
            unique: false,
            foreign_key: None,
        };
        let table = Table {
            name: "t".into(),
            columns: vec![column("id", keyed), column("text", false)],
            sequences: vec![],
            owner: None,
        };
        let address = TableAddress {
            cluster_id: 0xc1,
            lsns: crate::engine::pages::address::Lsns::ANY,
            database: 2,
            table: 3,
        };
        let place = TablePlace::new(&LocalDisk::shared(), dir.path(), &table, address);
        let pages_per_file = if layout == Layout::Paged { 2 } else { 0 };
        let files = Shape::new(layout, pages_per_file).unwrap().tables();
        let mut stream = MadeRows::new(rows.iter().map(Row::pack));
        let counts = files.write(&place, Lsn::default(), &mut stream).unwrap();
        let live = files.live(&place, counts, &access(true)).unwrap();
        let mut bench = Bench {
            _dir: dir,
            place,
            files,
            counts,
            live,
            ids: Vec::new(),
            base: Default::default(),
            model: rows,
            log: Vec::new(),
        };
        bench.ids = bench.written_ids(layout);
        bench.base = (bench.model.clone(), bench.ids.clone());
        bench
    }

    /// Where the bulk writer put the rows: of those that a key finds.
    fn written_ids(&self, layout: Layout) -> Vec<RowId> {
        let index = |at: usize| u64::try_from(at).unwrap();
        let id = |at| match layout {
            Layout::PerTable => RowId(index(at)),
            _ => {
                let found = self.live.find(&key_bytes(key(&self.model[at])));
                found.unwrap().unwrap_or(RowId(u64::MAX))
            }
        };
        (0..self.model.len()).map(id).collect()
    }

    pub(in crate::engine) fn insert(&mut self, row: Row, at: Option<RowId>) {
        let bytes = encoded(&row);
        let id = self.live.insert(&bytes, at).unwrap();
        assert!(at.is_none_or(|at| at == id));
        assert!(!self.ids.contains(&id));
        self.model.push(row.clone());
        self.ids.push(id);
        if at.is_none() {
            self.log.push(Logged::Insert(row, id));
        }
    }

    pub(in crate::engine) fn end(&mut self, at: usize, xmax: u64, replay: Option<Option<RowId>>) {
        let ended = self.live.end(self.ids[at], xmax, replay.flatten()).unwrap();
        let row = &mut self.model[at];
        if row.xmax.is_some() {
            assert_eq!(ended, Ended::Not);
            return;
        }
        row.xmax = Some(xmax);
        let Ended::Yes { moved } = ended else {
            panic!("row {at} could not be ended");
        };
        self.ids[at] = moved.unwrap_or(self.ids[at]);
        if replay.is_none() {
            self.log.push(Logged::End(at, xmax, moved));
        }
    }

    pub(in crate::engine) fn check(&self) {
        assert_eq!(self.rows(), self.model);
        let live = self.model.iter().filter(|row| row.is_visible()).count();
        let counts = self.live.counts();
        assert_eq!(counts.rows, self.model.len() as u64);
        assert_eq!(counts.live, live as u64);
        for (row, id) in self.model.iter().zip(&self.ids) {
            assert_eq!(self.live.read(*id).unwrap(), Some(encoded(row)));
        }
    }

    pub(in crate::engine) fn rows(&self) -> Vec<Row> {
        let mut stream = self.live.rows().unwrap();
        let mut rows = Vec::new();
        while let Some(batch) = stream.next_batch().unwrap() {
            assert!(!batch.is_empty());
            rows.extend(batch.rows().map(|row| row.to_owned()));
        }
        rows
    }

    pub(in crate::engine) fn check_find(&self, wanted: i64) {
        let visible = |row: &Row| row.is_visible() && key(row) == wanted;
        let newest = self.model.iter().rposition(visible);
        let found = self.live.find(&key_bytes(wanted)).unwrap();
        let expected = newest.filter(|_| self.place.key.is_some());
        assert_eq!(found, expected.map(|at| self.ids[at]), "{wanted}");
    }

    pub(in crate::engine) fn checkpoint(&mut self) {
        let mut batch = Batch::new();
        self.live.checkpoint(Lsn(9), &mut batch).unwrap();
        carry_out(&batch);
        // Once more, as a start after a crash would.
        carry_out(&batch);
        self.live.checkpointed().unwrap();
        self.counts = self.live.counts();
        assert_eq!(self.live.pending_len(), 0);
        self.base = (self.model.clone(), self.ids.clone());
        self.log.clear();
    }

    /// Opens the table as the last checkpoint left it and replays the log.
    pub(in crate::engine) fn reopen(&mut self, write: bool) {
        let access = access(write);
        self.live = self.files.live(&self.place, self.counts, &access).unwrap();
        let log = std::mem::take(&mut self.log);
        (self.model, self.ids) = self.base.clone();
        for logged in &log {
            match logged {
                Logged::Insert(row, id) => self.insert(row.clone(), Some(*id)),
                Logged::End(at, xmax, moved) => self.end(*at, *xmax, Some(*moved)),
            }
        }
        self.log = log;
    }

    /// What verification finds in the files of the last checkpoint.
    pub(in crate::engine) fn verify(&self) -> Vec<Code> {
        check_table(|check| {
            let (place, level) = (&self.place, Level::Structure);
            let verified = self.files.verify(place, self.counts, level, check);
            verified.unwrap();
        })
    }

    /// The files as a reader of the last checkpoint sees them.
    pub(in crate::engine) fn check_files(&self) {
        let mut stream = self.files.open(&self.place, self.counts).unwrap();
        let mut rows = Vec::new();
        while let Some(batch) = stream.next_batch().unwrap() {
            rows.extend(batch.rows().map(|row| row.to_owned()));
        }
        assert_eq!(rows, self.base.0);
    }
}

pub(in crate::engine) fn key(row: &Row) -> i64 {
    match row.values[0] {
        Value::Integer(key) => key,
        _ => panic!("a key is an integer"),
    }
}
