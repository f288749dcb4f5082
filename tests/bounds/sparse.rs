//! Files of 8 TiB that take no space: whichever file has such a hole, behind its
//! bytes, among them or before them, every command comes back in seconds.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::growth::{of_tables, people, write_source};
use crate::lines::command;
use crate::measure::watched;
use crate::support::content::{int, row, text};
use crate::support::model::{Family, Operation};

/// Length of a file with a hole.
const LEN: u64 = 8 << 40;
/// Most processor time of a command, of a build that is not optimised.
const MOST_SECONDS: f64 = 5.0;
/// Most memory.
const MOST_MIB: f64 = 96.0;

const COMMANDS: [&str; 9] = [
    "rustdb-inspect info DIR",
    "rustdb-inspect dump DIR --format jsonl",
    "rustdb-inspect wal DIR",
    "rustdb-inspect verify DIR",
    "rustdb-inspect hash DIR",
    "rustdb-inspect check DIR",
    "rustdb-inspect page DIR d.t",
    "rustdb-migrate upgrade DIR OUT --salvage",
    "rustdb-migrate compact DIR --output OUT",
];

/// Puts a hole into a file, after so many of its bytes.
fn hole(path: &Path, after: usize) {
    let bytes = fs::read(path).unwrap();
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(after as u64).unwrap();
    file.set_len(LEN).unwrap();
    let rest = &bytes[after..];
    file.write_all_at(rest, LEN - rest.len() as u64).unwrap();
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(dir).into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files
        .map(|entry| entry.path().strip_prefix(dir).unwrap().to_owned())
        .collect()
}

fn copied(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    for file in files(from) {
        let path = to.join(&file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(from.join(&file), path).unwrap();
    }
}

fn run(line: &str, scratch: &Path) {
    let out = scratch.join("out");
    let _ = fs::remove_dir_all(&out);
    let dir = scratch.join("dir");
    let (exit, figures) = watched(&mut command(line, &[("DIR", &dir), ("OUT", &out)])).unwrap();
    assert!(exit.code().is_some_and(|code| code <= 3), "{line}: {exit}");
    assert!(figures.cpu_seconds < MOST_SECONDS, "{line}: {figures:?}");
    assert!(figures.peak_mib < MOST_MIB, "{line}: {figures:?}");
}

/// A directory in some layout, or a legacy one, in `whole`.
fn directory(layout: Option<&str>, scratch: &Path) -> PathBuf {
    let (whole, dir) = (scratch.join("whole"), scratch.join("dir"));
    let insert = |id: i64| Operation::Insert("t".into(), row(vec![int(100 + id), text("x")]));
    let log: Vec<Operation> = (0..50).map(insert).collect();
    let mut instance = of_tables(vec![people(50)]);
    instance.databases[0].0 = "d".into();
    instance.databases[0].1.name = "d".into();
    write_source(&whole, Family::V1_4, &instance, &log);
    if let Some(layout) = layout {
        fs::rename(&whole, &dir).unwrap();
        run(
            &format!("rustdb-migrate upgrade DIR OUT --to {layout}"),
            scratch,
        );
        fs::rename(scratch.join("out"), &whole).unwrap();
    }
    whole
}

/// Runs every command on holes in a file of the directory `whole`.
fn holes_in(file: &Path, scratch: &Path) {
    let (whole, dir) = (scratch.join("whole"), scratch.join("dir"));
    let len = fs::metadata(whole.join(file)).unwrap().len() as usize;
    for after in [len, len / 2, 0] {
        copied(&whole, &dir);
        hole(&dir.join(file), after);
        for line in COMMANDS {
            println!("{}, hole after {after}: {line}", file.display());
            run(line, scratch);
        }
    }
}

fn every_file_of(layout: Option<&str>) {
    let scratch = tempfile::tempdir().unwrap();
    let whole = directory(layout, scratch.path());
    for file in files(&whole) {
        holes_in(&file, scratch.path());
    }
}

#[test]
fn holes_in_a_log_that_holds_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let whole = directory(Some("append"), scratch.path());
    fs::create_dir_all(whole.join("wal")).unwrap();
    let log = Path::new("wal/0000000500000000.log");
    fs::write(whole.join(log), [b'x'; 4096]).unwrap();
    holes_in(log, scratch.path());
}

#[test]
fn holes_in_legacy_files() {
    every_file_of(None);
}

#[test]
fn holes_in_paged_files() {
    every_file_of(Some("paged"));
}

#[test]
fn holes_in_append_files() {
    every_file_of(Some("append"));
}

#[test]
fn holes_in_per_table_files() {
    every_file_of(Some("per-table"));
}
