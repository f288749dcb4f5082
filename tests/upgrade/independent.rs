//! Every fixture in every layout, read by a program that was written from the
//! format page alone.

use crate::support::peer;
use crate::support::run::{data, fixtures, inspect, migrate};
use serde_json::Value as Json;
use tempfile::TempDir;

/// What `hash` says of a directory.
fn hashed(dir: &str) -> Option<Json> {
    let run = inspect(["hash", dir, "--format", "json"]);
    (run.code == 0).then(|| run.json())
}

#[test]
fn an_independent_reader_agrees_on_every_fixture_in_every_layout() {
    if !peer::has_python() {
        return;
    }
    let entries = std::fs::read_dir(fixtures()).unwrap().map(Result::unwrap);
    let names = entries.filter(|entry| entry.path().is_dir());
    let (mut dirs, mut expected) = (Vec::new(), Vec::new());
    for name in names.map(|entry| entry.file_name().into_string().unwrap()) {
        for layout in ["paged", "per-table", "append"] {
            let dir = tempfile::tempdir().unwrap();
            let target = dir.path().join("new");
            let target = target.to_str().unwrap();
            let run = migrate(["upgrade", "-q", &data(&name), target, "--to", layout]);
            // One that waits for a decision writes nothing.
            if let (0 | 1, Some(said)) = (run.code, hashed(target)) {
                expected.push((format!("{name}, {layout}"), said));
                dirs.push(dir);
            }
        }
    }
    assert!(dirs.len() > 40, "{} directories", dirs.len());
    let targets: Vec<_> = dirs
        .iter()
        .map(|dir: &TempDir| dir.path().join("new"))
        .collect();
    let read = peer::read(targets.iter().map(|path| path.as_path()));
    for ((what, said), read) in expected.iter().zip(read) {
        assert_eq!(read["problems"], serde_json::json!([]), "{what}");
        for field in ["hash", "versions_hash", "tables"] {
            assert_eq!(read[field], said[field], "{what}: {field}");
        }
    }
}
