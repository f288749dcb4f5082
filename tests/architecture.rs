//! The house's rules that a compiler does not enforce.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::string_slice)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines at which a file is more than one thought.
const MAX_LINES: usize = 600;
/// Files that are longer, and may only become shorter.
const TOO_LONG: &[(&str, usize)] = &[];
/// The search looks states up by hash and puts what it found in order; that
/// two runs print the same is tested from outside.
const HASHES_INSIDE: &str = "recovery/attribution/";
/// A program is only the call of its command line.
const MAX_BIN_LINES: usize = 20;

/// What each module of the library may use of the others.
const MAY_USE: &[(&str, &[&str])] = &[
    ("error", &["finding"]),
    ("finding", &[]),
    ("model", &["error"]),
    ("report", &["error", "finding"]),
    ("work", &[]),
    ("codec", &["error", "finding", "model"]),
    ("postgres", &["codec", "error", "finding", "model"]),
    ("file", &["codec", "error", "finding", "model"]),
    (
        "legacy",
        &[
            "codec", "error", "file", "finding", "model", "report", "work",
        ],
    ),
    (
        "engine",
        &[
            "codec", "error", "file", "finding", "model", "report", "work",
        ],
    ),
    (
        "render",
        &[
            "codec", "error", "file", "finding", "model", "postgres", "report",
        ],
    ),
    (
        "recovery",
        &[
            "codec", "error", "file", "finding", "legacy", "model", "report",
        ],
    ),
    (
        "commands",
        &[
            "codec", "engine", "error", "file", "finding", "legacy", "model", "postgres",
            "recovery", "report", "work",
        ],
    ),
    (
        "cli",
        &[
            "commands", "error", "finding", "legacy", "model", "postgres", "recovery", "render",
            "report", "engine", "work",
        ],
    ),
    ("lib", &[]),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file with its path below `src/` and its text.
fn files() -> Vec<(String, String)> {
    let entries = walkdir::WalkDir::new(source()).sort_by_file_name();
    let files = entries.into_iter().map(Result::unwrap);
    let files: Vec<_> = files
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "rs"))
        .map(|entry| {
            let path = entry.path().strip_prefix(source()).unwrap();
            let text = fs::read_to_string(entry.path()).unwrap();
            (path.to_str().unwrap().to_owned(), text)
        })
        .collect();
    assert!(files.len() > 60, "{}", files.len());
    files
}

/// A file's module of the first level.
fn module(path: &str) -> &str {
    let first = path.split('/').next().unwrap();
    first.strip_suffix(".rs").unwrap_or(first)
}

/// The code of a file: neither its comments nor its tests.
fn code(path: &str, text: &str) -> String {
    if path.ends_with("/tests.rs") {
        return String::new();
    }
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The modules of the first level that some code names.
fn used(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let names: Vec<&str> = match rest.strip_prefix('{') {
            // Only the first word of each path in the braces.
            Some(rest) => rest
                .split('}')
                .next()
                .unwrap()
                .split(',')
                .map(str::trim)
                .collect(),
            None => vec![rest],
        };
        for name in names {
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
            let name = &name[..end.unwrap_or(name.len())];
            used.insert(name.to_owned());
        }
    }
    used
}

#[test]
fn modules_use_only_what_lies_below_them() {
    let known: BTreeSet<&str> = MAY_USE.iter().map(|(module, _)| *module).collect();
    let mut found = 0;
    for (path, text) in files() {
        let own = module(&path);
        if own == "bin" {
            continue;
        }
        let (_, allowed) = MAY_USE
            .iter()
            .find(|(module, _)| *module == own)
            .unwrap_or_else(|| panic!("src/{path}: no floor is known for {own}"));
        for name in used(&code(&path, &text)) {
            if !known.contains(name.as_str()) || name == own {
                continue;
            }
            found += 1;
            assert!(
                allowed.contains(&name.as_str()),
                "src/{path} uses {name}, which does not lie below {own}"
            );
        }
    }
    assert!(found > 100, "{found}");
}

#[test]
fn the_rule_finds_a_wrong_import_in_every_form() {
    for code in [
        "use crate::engine::Store;",
        "use crate::{engine, model};",
        "fn f() { crate::engine::open(); }",
        "use crate::{\n    engine::Store,\n};",
    ] {
        assert!(used(code).contains("engine"), "{code}");
    }
}

#[test]
fn the_library_neither_panics_nor_prints() {
    for (path, text) in files() {
        let code = code(&path, &text);
        for forbidden in [
            ".unwrap()",
            "panic!(",
            "unreachable!(",
            "todo!(",
            "unimplemented!(",
            "println!(",
            "eprintln!(",
            "print!(",
            "dbg!(",
            "process::exit",
        ] {
            assert!(!code.contains(forbidden), "src/{path} holds {forbidden}");
        }
        // Of an option or a result: a message and nothing else.
        for rest in code.split(".expect(\"").skip(1) {
            let after = rest.split_once('"').unwrap().1;
            assert!(!after.starts_with(')'), "src/{path} holds .expect(");
        }
    }
}

#[test]
fn only_the_command_line_knows_its_libraries() {
    for (path, text) in files() {
        let code = code(&path, &text);
        for library in [
            "anyhow",
            "clap",
            "clap_complete",
            "clap_mangen",
            "indicatif",
        ] {
            let uses = code.contains(&format!("{library}::"));
            assert!(!uses || module(&path) == "cli", "src/{path} uses {library}");
        }
        for stream in ["io::stdout", "io::stderr", "io::stdin"] {
            let uses = code.contains(stream);
            assert!(!uses || module(&path) == "cli", "src/{path} uses {stream}");
        }
        let libraries = ["comfy_table", "csv_core", "maud::"];
        let tables = libraries.iter().any(|library| code.contains(library));
        assert!(!tables || module(&path) == "render", "src/{path} renders");
    }
}

#[test]
fn no_hash_order_reaches_anything() {
    for (path, text) in files() {
        let code = code(&path, &text);
        if path.starts_with(HASHES_INSIDE) {
            continue;
        }
        for forbidden in ["HashMap", "HashSet"] {
            assert!(!code.contains(forbidden), "src/{path} holds {forbidden}");
        }
    }
}

#[test]
fn unsafe_code_is_forbidden() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
    for (path, text) in files() {
        assert!(!code(&path, &text).contains("unsafe {"), "src/{path}");
    }
}

#[test]
fn files_stay_short() {
    for (path, text) in files() {
        let lines = text.lines().count();
        let known = TOO_LONG.iter().find(|(long, _)| *long == path);
        let max = known.map_or(MAX_LINES, |(_, max)| *max);
        assert!(
            lines <= max,
            "src/{path} has {lines} lines, more than {max}"
        );
    }
}

#[test]
fn programs_only_call_the_command_line() {
    let mut programs = 0;
    for (path, text) in files() {
        if module(&path) == "bin" {
            programs += 1;
            assert!(text.lines().count() < MAX_BIN_LINES, "src/{path}");
        }
    }
    assert_eq!(programs, 2);
}

#[test]
fn every_file_says_what_it_is_for() {
    let files = files().into_iter();
    for (path, text) in files.filter(|(path, _)| !path.ends_with("/tests.rs")) {
        let opens = text.lines().next().unwrap_or_default();
        assert!(opens.starts_with("//! "), "src/{path} opens with {opens:?}");
        let first: Vec<&str> = text.lines().take_while(|l| l.starts_with("//!")).collect();
        assert!(first.join(" ").len() > 12, "src/{path}");
    }
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    for (path, _) in files() {
        for part in path.trim_end_matches(".rs").split('/') {
            let vague = ["utils", "util", "common", "helpers", "misc"].contains(&part);
            assert!(!vague, "src/{path}");
        }
    }
}
