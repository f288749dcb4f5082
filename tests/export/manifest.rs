//! `manifest.json` of an export, and `check`, which holds the files against it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::support::run::{data, inspect, text};

fn exported(scratch: &Path, more: &[&str]) -> PathBuf {
    let target = scratch.join("export");
    let (source, to) = (data("family_2_3"), text(&target));
    let mut args = vec!["dump", &source, "-q", "-o", &to];
    args.extend(more);
    inspect(args).exits(0);
    target
}

fn manifest(export: &Path) -> Json {
    serde_json::from_slice(&fs::read(export.join("manifest.json")).unwrap()).unwrap()
}

#[test]
fn it_says_what_each_file_is_and_how_much_of_the_source_is_in_it() {
    let scratch = tempfile::tempdir().unwrap();
    let hashes = inspect(["hash", &data("family_2_3"), "--format=json"]).json();
    let info = inspect(["info", &data("family_2_3"), "--format=json"]).json();
    for (at, more) in [
        &["--format=csv"][..],
        &["--format=csv", "--rows-per-file=1"],
    ]
    .into_iter()
    .enumerate()
    {
        let below = scratch.path().join(at.to_string());
        fs::create_dir(&below).unwrap();
        let export = exported(&below, more);
        let said = manifest(&export);
        assert_eq!(said["kind"], "rustdb-export");
        assert_eq!(said["source_family"], info["family"]);
        let tables = said["tables"].as_array().unwrap();
        assert_eq!(tables.len(), hashes["tables"].as_array().unwrap().len());
        for (table, hash) in tables.iter().zip(hashes["tables"].as_array().unwrap()) {
            assert_eq!(
                (&table["database"], &table["table"]),
                (&hash["database"], &hash["table"])
            );
            assert_eq!(table["content_hash"], hash["hash"]);
            assert_eq!(table["rows"], hash["live"]);
            for file in table["files"].as_array().unwrap() {
                let path = export.join(file["path"].as_str().unwrap());
                assert_eq!(file["bytes"], fs::metadata(path).unwrap().len());
                assert!(at == 0 || file["rows"].as_u64().unwrap() <= 1);
            }
        }
        let run = inspect(["check", &text(&export)]).exits(0);
        assert!(run.stdout.contains("1 checked, 0 differ"), "{}", run.stdout);
    }
}

/// `check` of an export after a change, which it must name.
fn differs(export: &Path, named: &str) {
    let run = inspect(["check", &text(export)]).exits(1);
    assert!(run.stdout.contains(named), "{named}: {}", run.stdout);
}

#[test]
fn check_finds_what_is_changed_missing_or_beside() {
    let scratch = tempfile::tempdir().unwrap();
    let export = exported(scratch.path(), &["--format=csv"]);
    let said = manifest(&export);
    let name = said["tables"][0]["files"][0]["path"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = export.join(&name);
    let bytes = fs::read(&path).unwrap();
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&path, &other).unwrap();
    differs(&export, "found hash");
    fs::write(&path, [&bytes[..], b"x"].concat()).unwrap();
    differs(&export, "bytes, expected");
    fs::remove_file(&path).unwrap();
    differs(&export, "found no such file");
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    differs(&export, "a link");
    fs::remove_file(&path).unwrap();
    fs::write(&path, &bytes).unwrap();
    fs::write(export.join("beside.csv"), "x").unwrap();
    differs(&export, "beside.csv: it is not in manifest.json");
    fs::remove_file(export.join("beside.csv")).unwrap();
    inspect(["check", &text(&export)]).exits(0);
}

#[test]
fn a_manifest_that_was_changed_is_found_by_its_own_hash() {
    let scratch = tempfile::tempdir().unwrap();
    let export = exported(scratch.path(), &["--format=csv"]);
    let path = export.join("manifest.json");
    let whole = fs::read_to_string(&path).unwrap();
    // The hash by another hand: of all that stands before its member.
    let (before, _) = whole.rsplit_once(",\n  \"manifest_xxh3_128\"").unwrap();
    let hash = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(before.as_bytes()));
    assert_eq!(manifest(&export)["manifest_xxh3_128"], hash.as_str());
    for (from, to) in [
        ("\"column\": \"id\"", "\"column\": \"ie\""),
        ("\"source_family\": \"2", "\"source_family\": \"1"),
        (hash.as_str(), &format!("{:032x}", 0)),
        ("manifest_xxh3_128", "manifest_xxh3_12"),
        ("\"\n}\n", "\",\n  \"more\": 1\n}\n"),
    ] {
        assert!(whole.contains(from), "{from}");
        fs::write(&path, whole.replacen(from, to, 1)).unwrap();
        differs(&export, "it was changed");
    }
}

#[test]
fn a_hostile_manifest_leads_nowhere() {
    let scratch = tempfile::tempdir().unwrap();
    let export = exported(scratch.path(), &["--format=csv"]);
    let path = export.join("manifest.json");
    let whole = fs::read(&path).unwrap();
    let with = |to: &str| {
        let mut said: Json = serde_json::from_slice(&whole).unwrap();
        said["tables"][0]["files"][0]["path"] = to.into();
        fs::write(&path, serde_json::to_vec(&said).unwrap()).unwrap();
    };
    for to in ["../../etc/passwd", "/etc/passwd", "", ".", "a/../b"] {
        with(to);
        differs(&export, "it leads out of the export");
    }
    std::os::unix::fs::symlink("/etc", export.join("out")).unwrap();
    with("out/passwd");
    differs(&export, "out/passwd: found no such file");
    fs::remove_file(export.join("out")).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    differs(&export, "expected what dump writes");
    fs::write(&path, b"{}").unwrap();
    inspect(["check", &text(&export)]).exits(2);
}
