//! What is written and printed does not depend on how many threads work, nor on
//! when and where they do.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustdb_migrate::codec::{MadeRows, pack_row};
use rustdb_migrate::error::Result;
use rustdb_migrate::legacy::{Family, SnapshotEncoder};
use rustdb_migrate::model::{
    Catalog, Column, DataType, Database, PackedRow, RowSource, RowStream, Table, ValueRef,
};

/// Row versions of the tables: one of many parts, one of one row wider than
/// several, an empty one, and a small one.
const ROWS: [u64; 4] = [30_000, 40, 0, 3];

fn column(name: &str, data_type: DataType, primary_key: bool) -> Column {
    Column {
        name: name.into(),
        data_type,
        nullable: true,
        primary_key,
        unique: false,
        foreign_key: None,
    }
}

fn catalog() -> Catalog {
    let table = |number: usize| Table {
        name: format!("t{number}"),
        columns: vec![
            column("id", DataType::Integer, number != 3),
            column("text", DataType::Text, false),
            column("day", DataType::Date, false),
        ],
        sequences: Vec::new(),
        owner: None,
    };
    let database = |name: &str, tables: &[usize]| Database {
        name: name.into(),
        tables: tables.iter().map(|number| table(*number)).collect(),
        enums: Vec::new(),
        views: Vec::new(),
        table_grants: Vec::new(),
    };
    Catalog {
        databases: vec![database("first", &[0, 1]), database("second", &[2, 3])],
        ..Catalog::default()
    }
}

struct Rows;

impl RowSource for Rows {
    fn row_count(&self, database: usize, table: usize) -> u64 {
        ROWS[database * 2 + table]
    }

    fn open_rows(&self, database: usize, table: usize) -> Result<Box<dyn RowStream + '_>> {
        let wide = (database, table) == (0, 1);
        let ids = 0..self.row_count(database, table);
        Ok(Box::new(MadeRows::new(ids.map(move |id| row(wide, id)))))
    }
}

fn row(wide: bool, id: u64) -> PackedRow {
    let width = match wide {
        true => id * 40_009,
        false => id * 37 % 211,
    };
    let text = "ü,\"x\n".repeat(usize::try_from(width / 6).unwrap());
    let values = [
        ValueRef::Integer(id.cast_signed() / 2 - 5),
        ValueRef::Text(&text),
        match id % 3 {
            0 => ValueRef::Null,
            1 => ValueRef::Date("2025-02-30"),
            _ => ValueRef::Text("soon"),
        },
    ];
    pack_row(values, 1 + id % 5, (id % 7 == 3).then_some(9))
}

fn source(dir: &Path) {
    let path = dir.join("server_instance.db");
    let mut file = fs::File::create(&path).unwrap();
    SnapshotEncoder::new(&mut file, &path, Family::V1_4)
        .write(&catalog(), &Rows, None)
        .unwrap();
}

fn run(program: &str, args: &[&str]) -> Vec<u8> {
    let out = Command::new(program).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{args:?}: {said}");
    out.stdout
}

/// Every file below a directory, by its path.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = walkdir::WalkDir::new(dir).sort_by_file_name();
    let entries = entries.into_iter().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().is_file());
    files
        .map(|entry| {
            let path = entry.path().strip_prefix(dir).unwrap();
            let bytes = fs::read(entry.path()).unwrap();
            (path.display().to_string(), bytes)
        })
        .collect()
}

#[test]
fn targets_of_1_2_3_and_8_threads_are_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    source(&data);
    let snapshot = fs::read(data.join("server_instance.db")).unwrap();
    // Several marks lie in the first table and wide rows in the second.
    assert!(snapshot.len() > 30 << 20, "{}", snapshot.len());
    for layout in ["paged", "per-table", "append", "snapshot"] {
        let mut first: Option<Vec<(String, Vec<u8>)>> = None;
        for threads in ["1", "2", "3", "8"] {
            let target = dir.path().join(format!("{layout}-{threads}"));
            let args = ["upgrade", data.to_str().unwrap(), target.to_str().unwrap()];
            let migrate = env!("CARGO_BIN_EXE_rustdb-migrate");
            run(
                migrate,
                &[&args[..], &["--to", layout, "--threads", threads]].concat(),
            );
            let found = files(&target);
            match &first {
                None => first = Some(found),
                Some(first) => assert!(*first == found, "{layout} by {threads} threads"),
            }
            fs::remove_dir_all(&target).unwrap();
        }
        if layout == "snapshot" {
            let written = first.unwrap();
            let [(_, bytes)] = &written[..] else {
                panic!("{} files", written.len());
            };
            assert!(*bytes == snapshot);
        }
    }
}

#[test]
fn what_is_read_in_parts_is_what_is_read_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    source(&data);
    let inspect = env!("CARGO_BIN_EXE_rustdb-inspect");
    let migrate = env!("CARGO_BIN_EXE_rustdb-migrate");
    let mut dirs = vec![data.clone()];
    for layout in ["paged", "per-table", "append"] {
        let target = dir.path().join(layout);
        let args = ["upgrade", data.to_str().unwrap(), target.to_str().unwrap()];
        run(migrate, &[&args[..], &["--to", layout]].concat());
        dirs.push(target);
    }
    let commands: [&[&str]; 5] = [
        &["hash"],
        &["dump", "--format", "sql"],
        &["dump", "--format", "jsonl", "--typed"],
        &["dump", "--format", "jsonl", "--include-dead"],
        &["dump", "--format", "csv", "--table", "t0"],
    ];
    for command in commands {
        let mut first: Option<Vec<u8>> = None;
        for dir in &dirs {
            for threads in ["1", "2", "3", "8"] {
                let dir = dir.to_str().unwrap();
                let args = [command, &[dir, "--threads", threads]].concat();
                let out = run(inspect, &args);
                let out = String::from_utf8(out)
                    .unwrap()
                    .replace(dir, "DIR")
                    .into_bytes();
                assert!(out.len() > 100);
                match &first {
                    None => first = Some(out),
                    Some(first) => assert!(*first == out, "{args:?}"),
                }
            }
        }
    }
}

/// The wide rows of a paged target are in pages of their own, and every layout
/// has dead versions to leave out.
#[test]
fn compacted_directories_of_1_2_3_and_8_threads_have_the_same_files_and_rows() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    source(&data);
    let migrate = env!("CARGO_BIN_EXE_rustdb-migrate");
    for layout in ["paged", "per-table", "append"] {
        let mut first = None;
        let target = dir.path().join(layout);
        let to = target.to_str().unwrap();
        for threads in ["1", "2", "3", "8"] {
            run(
                migrate,
                &["upgrade", data.to_str().unwrap(), to, "--to", layout],
            );
            let before = files(&target);
            run(migrate, &["compact", to, "--threads", threads]);
            let found = files(&target);
            assert!(found != before, "{layout}");
            run(migrate, &["compact", to, "--threads", threads]);
            assert!(files(&target) == found, "{layout}, compacted again");
            // A log begins somewhere else each time, and what is written says so.
            let shape = found.iter().filter(|(name, _)| !name.contains("wal"));
            let shape: Vec<_> = shape
                .map(|(name, bytes)| (name.clone(), bytes.len()))
                .collect();
            let inspect = env!("CARGO_BIN_EXE_rustdb-inspect");
            let hash = run(inspect, &["hash", to, "--include-dead"]);
            match &first {
                None => first = Some((shape, hash)),
                Some(first) => assert!(*first == (shape, hash), "{layout} by {threads} threads"),
            }
            fs::remove_dir_all(&target).unwrap();
        }
    }
}

/// Everything that a fixture's upgrade writes and that commands say of it, in
/// some surroundings. What is read and written has the same names there.
fn in_surroundings(dir: &Path, surroundings: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut said = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command.current_dir(dir).args(args);
        command.envs(surroundings.iter().copied());
        let out = command.output().unwrap();
        assert!(matches!(out.status.code(), Some(0 | 1)), "{args:?}");
        all.push((args.join(" "), [out.stdout, out.stderr].concat()));
    };
    for layout in ["paged", "per-table", "append", "snapshot"] {
        let args = ["upgrade", "data", layout, "--to", layout];
        said(env!("CARGO_BIN_EXE_rustdb-migrate"), &args);
        let inspect = env!("CARGO_BIN_EXE_rustdb-inspect");
        said(inspect, &["dump", layout]);
        said(inspect, &["info", layout, "--format", "json"]);
        said(inspect, &["verify", layout, "--format", "json"]);
    }
    let inspect = env!("CARGO_BIN_EXE_rustdb-inspect");
    said(inspect, &["wal", "data", "--attribute"]);
    said(inspect, &["stats", "data", "--format", "json"]);
    for layout in ["paged", "per-table", "append", "snapshot"] {
        all.extend(files(&dir.join(layout)));
    }
    all
}

#[test]
fn neither_the_hour_nor_the_place_on_earth_nor_the_language_changes_a_byte() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/family_1_4/data");
    let surroundings: [&[(&str, &str)]; 3] = [
        &[("TZ", "UTC"), ("LC_ALL", "C"), ("LANG", "C")],
        &[("TZ", "Pacific/Kiritimati"), ("LC_ALL", "tr_TR.UTF-8")],
        &[("TZ", "America/St_Johns"), ("LANG", "ar_EG.UTF-8")],
    ];
    let mut first: Option<Vec<(String, Vec<u8>)>> = None;
    for surroundings in surroundings {
        let dir = tempfile::tempdir().unwrap();
        for (path, bytes) in files(&fixture) {
            let path = dir.path().join("data").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let found = in_surroundings(dir.path(), surroundings);
        assert!(found.len() > 30, "{}", found.len());
        match &first {
            None => first = Some(found),
            Some(first) => {
                for (one, other) in first.iter().zip(&found) {
                    assert!(one == other, "{} in {surroundings:?}", one.0);
                }
                assert_eq!(first.len(), found.len());
            }
        }
        // The next one falls into another second.
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
}

#[test]
fn options_out_of_range_are_usage_errors_and_without_a_terminal_no_progress_shows() {
    let dir = tempfile::tempdir().unwrap();
    source(dir.path());
    let inspect = env!("CARGO_BIN_EXE_rustdb-inspect");
    let code = |args: &[&str]| {
        let mut hash = Command::new(inspect);
        let out = hash
            .arg("hash")
            .arg(dir.path())
            .args(args)
            .output()
            .unwrap();
        (out.status.code(), String::from_utf8(out.stderr).unwrap())
    };
    for wrong in [
        ["--threads", "0"],
        ["--threads", "65"],
        ["--threads", "two"],
        ["--progress", "sometimes"],
    ] {
        assert_eq!(code(&wrong).0, Some(2), "{wrong:?}");
    }
    for when in ["auto", "never"] {
        // No terminal is there.
        assert_eq!(code(&["--progress", when]), (Some(0), String::new()));
    }
}
