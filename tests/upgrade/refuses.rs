//! Bad input to `upgrade`: the right exit code, an error that names file and
//! offset and says what to do, SOURCE untouched, and no TARGET.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use crate::support::disk::{SNAPSHOT, killed};
use crate::support::server::Files;
use crate::support::tool::{Bench, inspect, migrate};

const DAMAGED: i32 = 1;
const CANNOT_RUN: i32 = 2;
const NEEDS_DECISION: i32 = 3;

fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Bench {
    let mut files = killed();
    change(files.get_mut(SNAPSHOT).unwrap());
    Bench::new(&files)
}

fn offset_of(bytes: &[u8], needle: &[u8]) -> usize {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
        .unwrap()
}

#[test]
fn an_empty_directory_is_no_data_directory() {
    let bench = Bench::new(&Files::new());
    let said = bench.refused(
        CANNOT_RUN,
        &["data: not-a-data-directory", "server_instance.db"],
    );
    assert_eq!(said.code, Some(CANNOT_RUN));
}

#[test]
fn a_missing_source_is_named() {
    let bench = Bench::new(&Files::new());
    fs::remove_dir(bench.source()).unwrap();
    let (source, target) = (bench.source(), bench.target());
    let said = migrate(&["upgrade".as_ref(), source.as_os_str(), target.as_os_str()]);
    assert_eq!(said.code, Some(CANNOT_RUN));
    assert!(said.err.contains("data: No such file"), "{}", said.err);
}

#[test]
fn a_log_without_a_snapshot_is_damage() {
    let mut files = killed();
    files.remove(SNAPSHOT);
    let said = Bench::new(&files).refused(DAMAGED, &["no-snapshot", "--salvage"]);
    assert_eq!(said.code, Some(DAMAGED));
}

#[test]
fn a_snapshot_without_a_log_is_upgraded() {
    let mut files = killed();
    files.retain(|path, _| path == SNAPSHOT);
    for layout in ["per-table", "snapshot"] {
        let bench = Bench::new(&files);
        assert_eq!(bench.upgrade(layout, &[]).code, Some(0), "{layout}");
        assert!(bench.target().is_dir());
    }
}

#[test]
fn a_trailing_byte_is_named_with_its_offset() {
    let len = killed()[SNAPSHOT].len();
    let place = format!("{SNAPSHOT}, offset {len}");
    changed(|bytes| bytes.push(0)).refused(DAMAGED, &["trailing-bytes", &place]);
}

#[test]
fn a_truncated_snapshot_is_named_with_its_offset() {
    changed(|bytes| bytes.truncate(bytes.len() / 2))
        .refused(DAMAGED, &["truncated", SNAPSHOT, "offset", "--salvage"]);
}

#[test]
fn a_length_of_2_to_the_60_is_refused_without_an_allocation() {
    changed(|bytes| {
        let at = offset_of(bytes, b"customers") - 8;
        bytes[at..at + 8].copy_from_slice(&(1u64 << 60).to_le_bytes());
    })
    .refused(DAMAGED, &[SNAPSHOT, "offset"]);
}

#[test]
fn a_count_of_2_to_the_60_rows_is_refused_without_an_allocation() {
    changed(|bytes| bytes[..8].copy_from_slice(&(1u64 << 60).to_le_bytes()))
        .refused(DAMAGED, &["bad-length", SNAPSHOT, "offset 0"]);
}

#[test]
fn a_byte_that_is_no_utf_8_is_named_with_its_offset() {
    let at = offset_of(&killed()[SNAPSHOT], b"customers") + 2;
    changed(|bytes| bytes[at] = 0xff).refused(DAMAGED, &[SNAPSHOT, "offset"]);
}

#[test]
fn a_damaged_log_names_segment_and_offset_and_salvage() {
    let mut files = killed();
    let (_, segment) = files
        .iter_mut()
        .find(|(path, _)| path.ends_with(".wal"))
        .unwrap();
    // The operation tag of the second record, behind the first one's 32 bytes.
    segment[32 + 4 + 16] = 0xee;
    let said =
        Bench::new(&files).refused(DAMAGED, &["wal-unreadable", ".wal, offset 32", "--salvage"]);
    assert_eq!(said.code, Some(DAMAGED));
}

#[test]
fn a_log_that_is_a_file_is_refused() {
    let mut files = killed();
    files.retain(|path, _| path == SNAPSHOT);
    files.insert("wal".into(), b"not a directory".to_vec());
    Bench::new(&files).refused(CANNOT_RUN, &["data/wal", "not-a-regular-file"]);
}

#[test]
fn a_snapshot_that_is_a_link_is_not_followed() {
    let bench = Bench::new(&killed());
    let snapshot = bench.source().join(SNAPSHOT);
    fs::rename(&snapshot, bench.source().join("elsewhere")).unwrap();
    symlink("elsewhere", &snapshot).unwrap();
    bench.refused(CANNOT_RUN, &[SNAPSHOT, "a symbolic link", "cp -rL"]);
}

#[test]
fn a_snapshot_that_cannot_be_opened_is_named() {
    let bench = Bench::new(&killed());
    let snapshot = bench.source().join(SNAPSHOT);
    fs::set_permissions(&snapshot, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&snapshot).is_ok() {
        println!("skipped: this user may read every file");
        return;
    }
    bench.refused(CANNOT_RUN, &[SNAPSHOT, "ermission"]);
    fs::set_permissions(&snapshot, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_target_that_holds_something_needs_a_decision() {
    let bench = Bench::new(&killed());
    fs::create_dir(bench.target()).unwrap();
    fs::write(bench.target().join("precious"), "data").unwrap();
    let said = bench.upgrade("per-table", &[]);
    assert_eq!(said.code, Some(NEEDS_DECISION));
    assert!(said.err.contains("new exists"), "{}", said.err);
    assert_eq!(fs::read(bench.target().join("precious")).unwrap(), b"data");
}

#[test]
fn a_target_that_is_a_file_needs_a_decision() {
    let bench = Bench::new(&killed());
    fs::write(bench.target(), "data").unwrap();
    assert_eq!(bench.upgrade("snapshot", &[]).code, Some(NEEDS_DECISION));
    assert_eq!(fs::read(bench.target()).unwrap(), b"data");
}

#[test]
fn an_empty_target_is_replaced() {
    let bench = Bench::new(&killed());
    fs::create_dir(bench.target()).unwrap();
    assert_eq!(bench.upgrade("per-table", &[]).code, Some(0));
    assert!(bench.target().join("control").is_file());
}

#[test]
fn a_target_inside_the_source_is_refused() {
    let bench = Bench::new(&killed());
    let (source, target) = (bench.source(), bench.source().join("new"));
    let said = migrate(&["upgrade".as_ref(), source.as_os_str(), target.as_os_str()]);
    assert_eq!(said.code, Some(CANNOT_RUN));
    assert!(said.err.contains("lies inside SOURCE"), "{}", said.err);
    assert!(!target.exists());
}

#[test]
fn a_report_inside_the_source_is_refused() {
    let bench = Bench::new(&killed());
    let report = bench.source().join("report.json");
    let said = bench.upgrade("per-table", &["--report", report.to_str().unwrap()]);
    assert_eq!(said.code, Some(CANNOT_RUN));
    assert!(!bench.target().exists() && !report.exists());
}

#[test]
fn a_source_that_a_process_holds_open_is_refused_unless_forced() {
    let bench = Bench::new(&killed());
    let log = fs::OpenOptions::new()
        .append(true)
        .open(bench.source().join(SNAPSHOT))
        .unwrap();
    let mut server = Command::new("cat")
        .stdin(std::process::Stdio::piped())
        .stdout(log)
        .spawn()
        .unwrap();
    let refused = bench.upgrade("per-table", &[]);
    let target_after_refusal = bench.target().exists();
    let forced = bench.upgrade("per-table", &["--force"]);
    drop(server.stdin.take());
    server.wait().unwrap();
    assert_eq!(refused.code, Some(NEEDS_DECISION));
    assert!(
        refused
            .err
            .contains(&format!("cat (process {})", server.id())),
        "{}",
        refused.err
    );
    assert!(!target_after_refusal);
    assert_eq!(forced.code, Some(0), "{}", forced.err);
}

#[test]
fn pages_per_file_must_be_in_range_and_go_with_pages() {
    let bench = Bench::new(&killed());
    for number in ["0", "131073", "x"] {
        let said = bench.upgrade("paged", &["--pages-per-file", number]);
        assert_eq!(said.code, Some(2), "{}", said.err);
    }
    for layout in ["append", "per-table", "snapshot"] {
        let said = bench.upgrade(layout, &["--pages-per-file", "1"]);
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(said.err.contains("--to paged"), "{}", said.err);
    }
    assert!(!bench.target().exists());
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    let bench = Bench::new(&killed());
    let mount = bench.dir.path().join("new");
    fs::create_dir(&mount).unwrap();
    let script = "mount -t tmpfs -o size=16k none \"$1\" || exit 99; \
        \"$2\" upgrade \"$3\" \"$1/t\" --to per-table; code=$?; ls -A \"$1\" | wc -l; exit $code";
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script, "sh"])
        .arg(&mount)
        .arg(env!("CARGO_BIN_EXE_rustdb-migrate"))
        .arg(bench.source())
        .output();
    let output = match output {
        Ok(output) if output.status.code() != Some(99) => output,
        _ => {
            println!("skipped: this user may not mount a file system of its own");
            return;
        }
    };
    let err = String::from_utf8_lossy(&output.stderr);
    if err.contains("unshare") {
        println!("skipped: {err}");
        return;
    }
    assert_eq!(output.status.code(), Some(CANNOT_RUN), "{err}");
    assert!(err.contains("No space left on device"), "{err}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "0",
        "something was left behind"
    );
}

#[test]
fn a_dry_run_writes_nothing_and_ends_as_the_run_would() {
    let bench = Bench::new(&killed());
    let planned = bench.upgrade("per-table", &["--dry-run", "--format", "json"]);
    assert_eq!(planned.code, Some(0));
    assert!(!bench.target().exists());
    let done = bench.upgrade("per-table", &["--format", "json"]);
    assert_eq!(done.code, Some(0));
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let (planned, done) = (json(&planned.out), json(&done.out));
    assert_eq!(planned["outcome"], "planned");
    assert_eq!(done["outcome"], "done");
    for part in ["source", "target", "tables", "attribution", "findings"] {
        assert_eq!(planned[part], done[part], "{part}");
    }
}

#[test]
fn what_is_refused_is_still_shown_by_info() {
    let bench = changed(|bytes| bytes.truncate(bytes.len() / 2));
    let said = inspect(&["info".as_ref(), bench.source().as_os_str()]);
    assert_eq!(said.code, Some(DAMAGED));
    assert!(said.out.contains("log          1 segment"), "{}", said.out);
}
