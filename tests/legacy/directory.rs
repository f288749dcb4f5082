//! What may stand in a data directory: links, pipes, foreign files, names that
//! are no segments. Nothing hangs, nothing outside the directory is read.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustdb_migrate::error::{Class, Error};
use rustdb_migrate::file::SourceDir;
use rustdb_migrate::finding::{Code, Severity};
use rustdb_migrate::legacy::{LegacyDir, SnapshotFiles, Verdict};
use tempfile::TempDir;

use crate::support::disk::{SNAPSHOT, killed, on_disk, put, read};
use crate::support::wal::{segment, sequences};

/// Asserts that the directory is refused for a file that is not regular.
fn assert_not_regular(directory: &TempDir, found: &str) {
    let error = LegacyDir::read(directory.path(), None).unwrap_err();
    assert_eq!(error.class(), Class::CannotRun, "{error}");
    let text = error.to_string();
    assert!(text.contains(Code::NotRegular.as_str()), "{text}");
    assert!(text.contains(found), "{text}");
    assert!(text.contains(Code::NotRegular.remedy()), "{text}");
}

/// The files that were passed over.
fn foreign(read: &LegacyDir) -> Vec<(String, Severity)> {
    let findings = read.report.findings().iter();
    let foreign = findings.filter(|finding| finding.code == Code::ForeignFile);
    let named = foreign.map(|finding| {
        let path = finding.file.as_ref().unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        (name.into_owned(), finding.severity)
    });
    named.collect()
}

#[test]
fn a_snapshot_that_is_a_link_is_refused() {
    let outside = on_disk(&killed());
    let directory = tempfile::tempdir().unwrap();
    symlink(
        outside.path().join(SNAPSHOT),
        directory.path().join(SNAPSHOT),
    )
    .unwrap();
    assert_not_regular(&directory, "a symbolic link");
}

#[test]
fn a_snapshot_that_is_a_dangling_link_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    symlink("nowhere", directory.path().join(SNAPSHOT)).unwrap();
    assert_not_regular(&directory, "a symbolic link");
}

#[test]
fn a_snapshot_that_is_a_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join(SNAPSHOT)).unwrap();
    assert_not_regular(&directory, "a directory");
}

#[test]
fn a_snapshot_that_is_a_pipe_is_refused_and_does_not_block() {
    let directory = tempfile::tempdir().unwrap();
    make_pipe(&directory.path().join(SNAPSHOT));
    assert_not_regular(&directory, "a pipe");
}

#[test]
fn a_segment_that_is_a_pipe_is_refused_and_does_not_block() {
    let directory = on_disk(&killed());
    make_pipe(&directory.path().join("wal/0000000000000001.wal"));
    assert_not_regular(&directory, "a pipe");
}

fn make_pipe(path: &Path) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

#[test]
fn a_snapshot_that_is_a_socket_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(directory.path().join(SNAPSHOT)).unwrap();
    assert_not_regular(&directory, "a socket");
}

#[test]
fn a_snapshot_without_read_permission_is_an_io_error() {
    let directory = on_disk(&killed());
    let path = directory.path().join(SNAPSHOT);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&path).is_ok() {
        eprintln!("skipped: this user reads every file whatever its permissions");
        return;
    }
    let error = LegacyDir::read(directory.path(), None).unwrap_err();
    assert!(matches!(error, Error::Io { action: "open", .. }), "{error}");
    assert!(error.to_string().contains(SNAPSHOT), "{error}");
}

#[test]
fn wal_that_is_a_file_is_refused() {
    let mut files = killed();
    files.retain(|path, _| path == SNAPSHOT);
    files.insert("wal".into(), segment(1..=2));
    assert_not_regular(&on_disk(&files), "a file or a symbolic link");
}

#[test]
fn wal_that_is_a_link_is_refused() {
    let outside = on_disk(&killed());
    let mut files = killed();
    files.retain(|path, _| path == SNAPSHOT);
    let directory = on_disk(&files);
    symlink(outside.path().join("wal"), directory.path().join("wal")).unwrap();
    assert_not_regular(&directory, "a file or a symbolic link");
}

#[test]
fn a_segment_that_is_a_link_is_refused() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    let directory = on_disk(&killed());
    let name = directory.path().join("wal/0000000000000001.wal");
    symlink(outside.path(), name).unwrap();
    assert_not_regular(&directory, "a symbolic link");
}

#[test]
fn a_segment_that_is_a_directory_is_refused() {
    let directory = on_disk(&killed());
    fs::create_dir(directory.path().join("wal/0000000000000001.wal")).unwrap();
    assert_not_regular(&directory, "a directory");
}

#[test]
fn every_file_that_ends_in_wal_is_of_the_log_as_the_server_has_it() {
    let mut files = killed();
    files.retain(|path, _| path == SNAPSHOT);
    files.insert("wal/0000000000000009.wal".into(), segment(1..=2));
    files.insert("wal/renamed by hand.wal".into(), segment(3..=4));
    files.insert("wal/7.wal".into(), segment(5..=6));
    let read = read(&on_disk(&files));
    assert_eq!(sequences(&read.wal), [1, 2, 3, 4, 5, 6]);
    assert_eq!(read.wal.verdict(), Verdict::Clean);
    assert_eq!(foreign(&read), []);
}

#[test]
fn names_that_are_no_segments_are_passed_over_and_reported() {
    let directory = on_disk(&killed());
    let whole = read(&directory).wal.records.len();
    let names = [
        ".wal",
        "0000000000000001.WAL",
        "0000000000000001.wal.bak",
        "0000000000000001",
        "readme.txt",
    ];
    for name in names {
        put(&directory.path().join("wal"), name, b"\xff\xff\xff\xff");
    }
    symlink("/", directory.path().join("wal/root")).unwrap();
    fs::create_dir(directory.path().join("wal/nested")).unwrap();
    let after = read(&directory);
    assert_eq!(after.wal.records.len(), whole);
    assert_eq!(after.wal.verdict(), Verdict::Clean);
    let mut expected: Vec<_> = names.into_iter().chain(["nested", "root"]).collect();
    expected.sort_unstable();
    let expected: Vec<_> = expected
        .iter()
        .map(|n| (n.to_string(), Severity::Info))
        .collect();
    assert_eq!(foreign(&after), expected);
}

#[test]
fn a_segment_of_another_name_that_goes_on_behind_the_log_is_told() {
    let mut files = killed();
    files.retain(|path, _| path == SNAPSHOT);
    files.insert("wal/0000000000000009.wal".into(), segment(1..=4));
    files.insert("wal/0000000000000008.wal.bak".into(), segment(3..=4));
    files.insert("wal/0000000000000010.wal.bak".into(), segment(5..=6));
    let read = read(&on_disk(&files));
    assert_eq!(sequences(&read.wal), [1, 2, 3, 4]);
    let found = [
        ("0000000000000008.wal.bak".to_owned(), Severity::Info),
        ("0000000000000010.wal.bak".to_owned(), Severity::Warning),
    ];
    assert_eq!(foreign(&read), found);
}

#[test]
fn segments_are_read_in_the_order_of_their_numbers() {
    let mut files = killed();
    files.retain(|path, _| path == SNAPSHOT);
    for (name, from) in [
        ("0000000065a0000b", 3),
        ("0000000065A0000A", 1),
        ("0000000065a0000C", 5),
    ] {
        files.insert(format!("wal/{name}.wal"), segment(from..from + 2));
    }
    let read = read(&on_disk(&files));
    assert_eq!(sequences(&read.wal), [1, 2, 3, 4, 5, 6]);
    assert_eq!(read.wal.verdict(), Verdict::Clean);
}

#[test]
fn a_torn_tail_counts_for_the_newest_segment_only() {
    let mut files = killed();
    files.retain(|path, _| path == SNAPSHOT);
    let mut torn = segment(3..=4);
    torn.pop();
    files.insert("wal/0000000000000001.wal".into(), segment(1..=2));
    files.insert("wal/0000000000000002.wal".into(), torn);
    assert_eq!(read(&on_disk(&files)).wal.verdict(), Verdict::TornTail);
    files.insert("wal/0000000000000003.wal".into(), segment(5..=6));
    assert_eq!(read(&on_disk(&files)).wal.verdict(), Verdict::DamagedMiddle);
}

#[test]
fn an_empty_wal_directory_is_a_clean_log_and_is_named() {
    let mut files = killed();
    files.retain(|path, _| path == SNAPSHOT);
    let directory = on_disk(&files);
    fs::create_dir(directory.path().join("wal")).unwrap();
    let read = read(&directory);
    assert_eq!(
        (read.wal.verdict(), read.wal.segments.len()),
        (Verdict::Clean, 0)
    );
    let found = read
        .report
        .findings()
        .iter()
        .map(|one| (one.code, one.severity));
    assert!(found.eq([(Code::WalEmpty, Severity::Warning)]));
    fs::remove_dir(directory.path().join("wal")).unwrap();
    assert!(
        crate::support::disk::read(&directory)
            .report
            .findings()
            .is_empty()
    );
    assert!(read.snapshot.unwrap().is_some());
}

#[test]
fn other_databases_beside_an_instance_are_passed_over_with_a_warning() {
    let mut files = killed();
    files.insert("main.db".into(), b"not even a database".to_vec());
    files.insert("notes.txt".into(), vec![]);
    files.insert("table_3/page_00000000.dat".into(), vec![]);
    files.insert("other/x".into(), vec![]);
    let read = read(&on_disk(&files));
    let expected = [
        ("main.db", Severity::Warning),
        ("notes.txt", Severity::Info),
        ("other", Severity::Info),
    ];
    let mut found = foreign(&read);
    found.sort();
    assert_eq!(
        found,
        expected.map(|(name, severity)| (name.to_string(), severity))
    );
    let pages: Vec<_> = read
        .page_dirs
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(pages, ["table_3"]);
    assert!(matches!(read.files, SnapshotFiles::Instance(_)));
}

#[test]
fn a_path_that_is_no_directory_or_not_there_cannot_be_read() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = LegacyDir::read(file.path(), None).unwrap_err();
    assert!(matches!(error, Error::NotADataDirectory { .. }), "{error}");
    let error = LegacyDir::read(&file.path().with_extension("missing"), None).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn a_directory_is_known_by_its_file_names() {
    let is_one = |directory: &TempDir| {
        LegacyDir::is_one(&SourceDir::open(directory.path()).unwrap()).unwrap()
    };
    assert!(is_one(&on_disk(&killed())));
    let directory = tempfile::tempdir().unwrap();
    assert!(!is_one(&directory));
    put(directory.path(), "readme.txt", b"");
    assert!(!is_one(&directory));
    put(directory.path(), "main.db", b"");
    assert!(is_one(&directory));
}
