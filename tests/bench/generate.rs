//! Snapshots of any size, written row by row.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use rustdb_migrate::codec::{ByteWriter, MadeRows, encode_row, pack_row};
use rustdb_migrate::error::Result;
use rustdb_migrate::legacy::{Family, SnapshotEncoder};
use rustdb_migrate::model::{
    Catalog, Column, DataType, Database, PackedRow, RowSource, RowStream, Table, ValueRef,
};

/// Records of the tail.
const TAIL_RECORDS: u64 = 100_000;
/// Tables of the shape that has many.
const MANY_TABLES: u64 = 1000;
/// The name of the shape that has its own goals.
pub const FOUR_TABLES: &str = "4 tables, 10 % dead";
/// Columns of a wide row after the first.
const WIDE_COLUMNS: usize = 24;

/// What a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One table: id, name, age, date of joining.
    Narrow,
    /// One table of 25 columns, most of them text.
    Wide,
    /// A thousand tables, narrow rows.
    ManyTables,
    /// As narrow, and one version in ten is dead.
    Dead,
    /// Four tables of five columns, and one version in ten is dead.
    FourTables,
    /// As narrow, and 100,000 records in the log after the last checkpoint.
    Tail,
}

impl Shape {
    /// Those that are measured at one size.
    pub const OTHERS: [Shape; 5] = [
        Shape::Wide,
        Shape::ManyTables,
        Shape::Dead,
        Shape::FourTables,
        Shape::Tail,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Shape::Narrow => "narrow",
            Shape::Wide => "wide",
            Shape::ManyTables => "1000 tables",
            Shape::Dead => "10 % dead",
            Shape::FourTables => FOUR_TABLES,
            Shape::Tail => "100,000 in the log",
        }
    }

    /// The number of the last column.
    fn last_column(self) -> usize {
        match self {
            Shape::Wide => WIDE_COLUMNS,
            Shape::FourTables => 4,
            _ => 3,
        }
    }

    fn tables(self) -> u64 {
        match self {
            Shape::ManyTables => MANY_TABLES,
            Shape::FourTables => 4,
            _ => 1,
        }
    }
}

/// Writes `dir/server_instance.db`, and a log if the shape has one.
pub fn snapshot(dir: &Path, shape: Shape, rows: u64) {
    fs::create_dir_all(dir).unwrap();
    let path = dir.join("server_instance.db");
    let mut file = BufWriter::new(File::create(&path).unwrap());
    let source = Rows { shape, rows };
    SnapshotEncoder::new(&mut file, &path, Family::V1_4)
        .write(&source.catalog(), &source, None)
        .unwrap();
    file.into_inner().unwrap().sync_all().unwrap();
    if shape == Shape::Tail {
        tail(&dir.join("wal"), rows);
    }
}

/// Writes the rows of a table of narrow rows, dead ones too, with a header line.
pub fn csv(path: &Path, shape: Shape, rows: u64) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    writeln!(file, "id,name,age,joined").unwrap();
    let source = Rows { shape, rows };
    let mut stream = source.open_rows(0, 0).unwrap();
    while let Some(batch) = stream.next_batch().unwrap() {
        for row in batch.rows() {
            let values: Vec<_> = row.values().collect();
            let [id, name, age, joined] = values.as_slice() else {
                panic!("no narrow row");
            };
            let ValueRef::Integer(id) = id else {
                panic!("no id");
            };
            let text = [name, age, joined].map(|value| match value {
                ValueRef::Text(text) | ValueRef::Date(text) => (*text).to_owned(),
                ValueRef::SmallInt(number) => number.to_string(),
                _ => panic!("no narrow row"),
            });
            writeln!(file, "{id},{}", text.join(",")).unwrap();
        }
    }
    file.flush().unwrap();
}

fn tail(dir: &Path, rows: u64) {
    fs::create_dir_all(dir).unwrap();
    let (mut segment, mut record) = (ByteWriter::new(), ByteWriter::new());
    let mut number = 0x6b03_6146u64;
    for sequence in 1..=TAIL_RECORDS {
        record.clear();
        record.u64(sequence);
        record.u64(1_795_384_647);
        record.u32(2);
        record.str("users");
        let id = rows + sequence;
        let values = [
            ValueRef::Integer(id.cast_signed()),
            ValueRef::Text("somebody in the log"),
            ValueRef::SmallInt(7),
            ValueRef::Date("2025-01-02"),
        ];
        encode_row(&mut record, &pack_row(values, 1, None).as_row());
        segment.u32(u32::try_from(record.len()).unwrap());
        segment.raw(record.as_slice());
        if segment.len() >= 1 << 20 || sequence == TAIL_RECORDS {
            fs::write(dir.join(format!("{number:016x}.wal")), segment.as_slice()).unwrap();
            segment.clear();
            number += 1;
        }
    }
}

struct Rows {
    shape: Shape,
    rows: u64,
}

impl Rows {
    fn catalog(&self) -> Catalog {
        let mut columns = vec![
            Column::key("id", DataType::Serial),
            Column::new("name", DataType::Text),
            Column::new("age", DataType::Integer),
            Column::new("joined", DataType::Date),
        ];
        let more = columns.len()..=self.shape.last_column();
        columns.extend(more.map(|at| Column::new(format!("c{at}"), DataType::Text)));
        let tables = (0..self.shape.tables()).map(|at| Table {
            name: match at {
                0 => "users".to_owned(),
                _ => format!("users_{at}"),
            },
            columns: columns.clone(),
            sequences: vec![("id".to_owned(), self.rows.cast_signed() + 1)],
            owner: None,
        });
        let database = Database {
            name: "postgres".into(),
            tables: tables.collect(),
            enums: Vec::new(),
            views: Vec::new(),
            table_grants: Vec::new(),
        };
        Catalog {
            databases: vec![database],
            ..Catalog::default()
        }
    }
}

impl RowSource for Rows {
    fn row_count(&self, _: usize, _: usize) -> u64 {
        self.rows / self.shape.tables()
    }

    fn open_rows(&self, database: usize, table: usize) -> Result<Box<dyn RowStream + '_>> {
        let shape = self.shape;
        let ids = 0..self.row_count(database, table);
        Ok(Box::new(MadeRows::new(ids.map(move |id| row(shape, id)))))
    }
}

fn row(shape: Shape, id: u64) -> PackedRow {
    let number = id.wrapping_mul(2_654_435_761) % 99_991;
    let name = format!("name {number} of person {id}");
    let (year, month, day) = (1970 + id % 70, 1 + id % 12, 1 + id % 28);
    let day = format!("{year:04}-{month:02}-{day:02}");
    let mut values = vec![
        ValueRef::Integer(id.cast_signed() + 1),
        ValueRef::Text(&name),
        ValueRef::SmallInt(i16::try_from(id % 100).unwrap()),
        ValueRef::Date(&day),
    ];
    let more = values.len()..=shape.last_column();
    values.extend(more.map(|_| ValueRef::Text(&name)));
    // Their ids are multiples of ten: peers delete by that.
    let dead = matches!(shape, Shape::Dead | Shape::FourTables) && id % 10 == 9;
    pack_row(values, 1, dead.then_some(1))
}
