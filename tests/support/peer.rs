//! The independent reader, which was written from the format page alone.

use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;

use super::skip::skip;

const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer/reader.py");

/// Whether there is a python3 to run it; if not, the test says that it skips.
pub fn has_python() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok();
    if !found {
        skip("python3 is not installed");
    }
    found
}

/// What it reads of each directory.
pub fn read<'d>(dirs: impl IntoIterator<Item = &'d Path>) -> Vec<Json> {
    let mut command = Command::new("python3");
    let run = command.arg("-B").arg(READER).args(dirs).output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    let lines = run.stdout.split(|byte| *byte == b'\n');
    let documents = lines.filter(|line| !line.is_empty());
    documents
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}
