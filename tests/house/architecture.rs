//! The house's rules that a compiler does not enforce.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::imports::{Imports, circles, imports};

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

/// The floors of a module from the ground up: its folders, of which each uses
/// only those of floors below, and none beside it.
const FLOORS: &[(&str, &[&[&str]])] = &[(
    "engine",
    &[
        &["pages"],
        &["rows", "log"],
        &["table"],
        &["tree"],
        &["layouts"],
        &["store"],
        &["live"],
    ],
)];

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

#[test]
fn modules_use_only_what_lies_below_them() {
    let known: BTreeSet<&str> = MAY_USE.iter().map(|(module, _)| *module).collect();
    for (path, _) in files() {
        let own = module(&path);
        assert!(
            own == "bin" || known.contains(own),
            "src/{path}: no floor is known for {own}"
        );
    }
    let mut found = 0;
    for ((by, from), names) in imports(&files()) {
        let (own, other) = (module(&by), module(&from));
        let (_, allowed) = MAY_USE.iter().find(|(module, _)| *module == own).unwrap();
        if other == own {
            continue;
        }
        found += 1;
        assert!(
            allowed.contains(&other),
            "src/{by} uses {names:?} of {from}, which does not lie below {own}"
        );
    }
    assert!(found > 100, "{found}");
}

/// The number of a file's floor and its folder, in a module of floors; `None`
/// for the file of the module itself.
fn floor<'p>(floors: &[&[&str]], path: &'p str) -> Option<(usize, &'p str)> {
    let mut below = path.split('/').skip(1);
    let (folder, Some(_)) = (below.next()?, below.next()) else {
        assert!(path.ends_with("/mod.rs"), "src/{path} stands on no floor");
        return None;
    };
    let number = floors.iter().position(|floor| floor.contains(&folder));
    let number = number.unwrap_or_else(|| panic!("src/{path}: no floor is known for {folder}"));
    Some((number, folder))
}

#[test]
fn floors_use_only_what_lies_below_them() {
    let all = imports(&files());
    for (own, floors) in FLOORS {
        let mut found = 0;
        for (path, _) in files().iter().filter(|(path, _)| module(path) == *own) {
            floor(floors, path);
        }
        let inside = |file: &str| module(file) == *own;
        for ((by, from), names) in all.iter().filter(|((a, b), _)| inside(a) && inside(b)) {
            let (Some((above, folder)), Some((below, other))) =
                (floor(floors, by), floor(floors, from))
            else {
                panic!("src/{by} uses {names:?} of src/{from}: {own} itself only hands on");
            };
            found += usize::from(folder != other);
            assert!(
                folder == other || above > below,
                "src/{by} uses {names:?} of src/{from}, which does not lie below {folder}"
            );
        }
        assert!(found > 100, "{own}: {found}");
    }
}

#[test]
fn no_files_import_one_another() {
    let all = imports(&files());
    let mut circles_of_files = String::new();
    for circle in circles(&all) {
        circles_of_files += "\n";
        for ((by, from), names) in &all {
            if circle.contains(by.as_str()) && circle.contains(from.as_str()) {
                circles_of_files += &format!("\n  {by} -> {from}: {names:?}");
            }
        }
    }
    assert!(
        circles_of_files.is_empty(),
        "files that import one another:{circles_of_files}"
    );
}

/// What a house of some files imports.
fn imports_of(files: &[(&str, &str)]) -> Imports {
    let files = files
        .iter()
        .map(|(path, text)| ((*path).into(), (*text).into()));
    imports(&files.collect::<Vec<_>>())
}

#[test]
fn an_import_is_found_in_every_form_and_counts_as_of_the_file_that_defines_the_name() {
    let engine = (
        "engine/mod.rs",
        "mod store; pub use store::Store; pub(crate) use store::open;",
    );
    let store = ("engine/store.rs", "pub struct Store; pub fn open() {}");
    for code in [
        "use crate::engine::Store;",
        "use crate::engine::{Store as Own, open};",
        "use crate::{engine, model}; fn f() { engine::open(); }",
        "fn f() { crate::engine::open(); }",
        "use crate::engine::store::*;",
        "mod inner { use super::super::engine::Store; }",
        "fn f() { assert!(crate::engine::open().is_ok()); }",
        "fn f(store: &crate::engine::Store) {}",
        "pub use crate::engine::Store;",
    ] {
        let found = imports_of(&[engine, store, ("cli.rs", code)]);
        let found: Vec<_> = found.keys().map(|(by, from)| (&**by, &**from)).collect();
        assert_eq!(found, [("cli.rs", "engine/store.rs")], "{code}");
    }
    for code in [
        "#[cfg(test)] use crate::engine::Store;",
        "#[cfg(test)] mod tests { use crate::engine::Store; }",
        "mod engine_room { use super::Store; } struct Store;",
        "use std::fmt; fn f(store: fmt::Error) {}",
    ] {
        let found = imports_of(&[engine, store, ("cli.rs", code)]);
        assert!(found.is_empty(), "{code}: {found:?}");
    }
}

#[test]
fn a_circle_is_found_at_any_length_and_a_parent_that_hands_on_is_none() {
    let parent = "mod a; mod b; mod c; pub use a::A; pub const LEN: usize = 1;";
    let files = |a, b, c| {
        let all = [
            ("m/mod.rs", parent),
            ("m/a.rs", a),
            ("m/b.rs", b),
            ("m/c.rs", c),
        ];
        let imports = imports_of(&all);
        circles(&imports)
            .into_iter()
            .map(|files| files.len())
            .collect::<Vec<_>>()
    };
    let none = files(
        "use super::LEN;",
        "use super::A;",
        "use super::{LEN, b::B};",
    );
    assert_eq!(none, [0; 0]);
    assert_eq!(files("use super::b::B;", "use super::A;", ""), [2]);
    let three = files("use super::c::C;", "use super::A;", "use super::b::B;");
    assert_eq!(three, [3]);
    let by_parent = "mod a; use a::A; pub const LEN: usize = 1;";
    let found = imports_of(&[("m/mod.rs", by_parent), ("m/a.rs", "use super::LEN;")]);
    assert_eq!(circles(&found).len(), 1);
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
