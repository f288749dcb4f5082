//! The committed fixtures are what the builder writes, byte for byte.
//!
//! `cargo test --test legacy -- --ignored bless` writes them anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::builder::{self, Fixture};

/// All fixtures together stay below this.
const MAX_TOTAL_LEN: usize = 512 * 1024;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// What belongs to a fixture, by path below its directory.
fn files(fixture: &Fixture) -> Vec<(String, Vec<u8>)> {
    let data = fixture.files.iter();
    let mut files: Vec<_> = data
        .map(|(path, b)| (format!("data/{path}"), b.clone()))
        .collect();
    files.push(("truth.json".into(), fixture.truth.to_json().into_bytes()));
    files
}

/// Files below a directory, by path relative to it.
fn listed(directory: &Path) -> BTreeSet<String> {
    let entries = walkdir::WalkDir::new(directory)
        .into_iter()
        .map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    let relative = files.map(|entry| {
        let path = entry.path().strip_prefix(directory).unwrap();
        path.to_str().unwrap().to_string()
    });
    relative.collect()
}

#[test]
fn committed_fixtures_are_what_the_builder_writes() {
    let mut expected = BTreeSet::new();
    for fixture in builder::all() {
        expected.insert(fixture.name.to_string());
        let directory = root().join(fixture.name);
        let own = files(&fixture);
        for (path, bytes) in &own {
            let committed = fs::read(directory.join(path)).unwrap_or_default();
            assert!(
                committed == *bytes,
                "{}/{path} differs; bless it",
                fixture.name
            );
        }
        // `expected.json` is what the tool wrote there, not the builder.
        let mut listed = listed(&directory);
        listed.remove("expected.json");
        let own: BTreeSet<_> = own.into_iter().map(|(path, _)| path).collect();
        assert_eq!(listed, own, "{}", fixture.name);
    }
    let entries = fs::read_dir(root()).unwrap().map(Result::unwrap);
    let directories = entries.filter(|entry| entry.path().is_dir());
    let names = directories.map(|entry| entry.file_name().into_string().unwrap());
    assert_eq!(names.collect::<BTreeSet<_>>(), expected);
}

#[test]
fn fixtures_stay_small_and_tell_their_class() {
    let all = builder::all();
    let len = |f: &Fixture| files(f).iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    let total: usize = all.iter().map(len).sum();
    assert!(total < MAX_TOTAL_LEN, "{total} bytes");
    for fixture in &all {
        let truth: serde_json::Value = serde_json::from_str(&fixture.truth.to_json()).unwrap();
        assert_eq!(truth["schema"], 1, "{}", fixture.name);
        assert!(truth["databases"].is_object(), "{}", fixture.name);
    }
}

#[test]
#[ignore = "writes the fixtures anew"]
fn bless() {
    for fixture in builder::all() {
        let directory = root().join(fixture.name);
        if directory.join("data").exists() {
            fs::remove_dir_all(directory.join("data")).unwrap();
        }
        for (path, bytes) in files(&fixture) {
            let path = directory.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
}
