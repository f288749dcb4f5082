//! Every command does its work in an address space that a system call bounds,
//! whatever the size of the snapshot.
//!
//! `cargo test --release --test bounds memory_limit -- --ignored` does it with 2 GB.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;
use std::process::Command;

use rustdb_migrate::codec::{MadeRows, pack_row};
use rustdb_migrate::error::Result;
use rustdb_migrate::legacy::{Family, SnapshotEncoder};
use rustdb_migrate::model::{
    Catalog, Column, DataType, Database, RowSource, RowStream, Table, ValueRef,
};

/// Address space of a command, in KiB: program, stacks of the threads and all.
/// What the C library's allocator sets aside for each thread in case it is used
/// is not counted: one arena for all.
const LIMIT_KIB: u32 = 64 * 1024;
/// Threads that share it.
const THREADS: &str = "4";
/// Bytes of a row's text.
const TEXT_LEN: usize = 400;

struct Rows {
    count: u64,
}

impl RowSource for Rows {
    fn row_count(&self, _: usize, _: usize) -> u64 {
        self.count
    }

    fn open_rows(&self, _: usize, _: usize) -> Result<Box<dyn RowStream + '_>> {
        let text = "x".repeat(TEXT_LEN);
        Ok(Box::new(MadeRows::new((0..self.count).map(move |id| {
            let values = [ValueRef::Integer(id.cast_signed()), ValueRef::Text(&text)];
            pack_row(values, 1, (id % 10 == 9).then_some(2))
        }))))
    }
}

/// Writes a snapshot of about `len` bytes.
fn source(dir: &Path, len: u64) {
    let table = Table::new(
        "t",
        vec![
            Column::key("id", DataType::Integer),
            Column::new("text", DataType::Text),
        ],
    );
    let database = Database {
        name: "d".into(),
        tables: vec![table],
        enums: Vec::new(),
        views: Vec::new(),
        table_grants: Vec::new(),
    };
    let catalog = Catalog {
        databases: vec![database],
        ..Catalog::default()
    };
    let path = dir.join("server_instance.db");
    let count = len / (TEXT_LEN as u64 + 41);
    let mut file = BufWriter::new(File::create(&path).unwrap());
    SnapshotEncoder::new(&mut file, &path, Family::V1_4)
        .write(&catalog, &Rows { count }, None)
        .unwrap();
    drop(file);
    let written = path.metadata().unwrap().len();
    assert!(written > len / 10 * 9, "{written}");
}

/// Runs a command in a bounded address space.
fn run(program: &str, args: &[&str]) {
    let script = format!("ulimit -v {LIMIT_KIB} && exec \"$@\" > /dev/null");
    let out = Command::new("sh")
        .args(["-c", &script, "sh", program])
        .args(args)
        .env("MALLOC_ARENA_MAX", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{args:?}: {} {said}", out.status);
}

fn all_commands(len: u64) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    source(&data, len);
    let inspect = env!("CARGO_BIN_EXE_rustdb-inspect");
    let migrate = env!("CARGO_BIN_EXE_rustdb-migrate");
    let data = data.to_str().unwrap();
    let threads = ["--threads", THREADS];
    for layout in ["paged", "per-table", "append", "snapshot"] {
        let target = dir.path().join(layout);
        let to = target.to_str().unwrap();
        let upgrade = ["upgrade", data, to, "--to", layout];
        run(migrate, &[&upgrade[..], &threads].concat());
        run(inspect, &[&["verify", to][..], &threads].concat());
        run(inspect, &[&["diff", data, to][..], &threads].concat());
        fs::remove_dir_all(&target).unwrap();
    }
    let dump = ["dump", data, "--format", "jsonl"];
    run(inspect, &[&dump[..], &threads].concat());
    run(inspect, &[&["hash", data][..], &threads].concat());
    run(inspect, &[&["verify", data][..], &threads].concat());
}

#[test]
fn two_hundred_megabytes() {
    all_commands(200_000_000);
}

#[test]
#[ignore = "writes 5 GB"]
fn two_gigabytes() {
    all_commands(2_000_000_000);
}

/// `dump --format parquet` in an address space of some KiB, by itself: the allocator
/// sets aside what it likes for each thread.
#[cfg(feature = "parquet")]
fn export(kib: u32, data: &Path, target: &Path) -> std::process::Output {
    let script = format!("ulimit -v {kib} && exec \"$@\"");
    let mut command = Command::new("sh");
    let inspect = env!("CARGO_BIN_EXE_rustdb-inspect");
    command.args(["-c", &script, "sh", inspect, "dump", "--format", "parquet"]);
    command.args(["--compression", "zstd", "--threads", "8", "-o"]);
    command.args([target, data]).output().unwrap()
}

#[cfg(feature = "parquet")]
#[test]
fn an_export_takes_fewer_threads_where_memory_is_bounded_and_is_refused_where_it_is_too_little() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    source(&data, 40_000_000);
    let target = dir.path().join("tables");
    for _ in 0..3 {
        let out = export(150_000, &data, &target);
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{} {said}", out.status);
        fs::remove_dir_all(&target).unwrap();
    }
    let out = export(70_000, &data, &target);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(
        said.contains("found an address space of 68.4 MiB"),
        "{said}"
    );
    let left = fs::read_dir(dir.path()).unwrap();
    assert_eq!(left.count(), 1, "something was left behind");
}

/// The limit is a limit: what does not fit ends the command.
#[test]
fn the_limit_binds() {
    let script = format!("ulimit -v {LIMIT_KIB} && exec \"$@\"");
    let out = Command::new("sh")
        .args(["-c", &script, "sh", "dd", "if=/dev/zero", "of=/dev/null"])
        .args(["bs=200M", "count=1"])
        .output()
        .unwrap();
    assert!(!out.status.success());
}
