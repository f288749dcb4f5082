//! `dump --format sql` of whole directories: fixtures, real ones, and what
//! belongs to a script beside the rows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value as Json;

use crate::loaded::{assert_holds, tables};
use crate::postgres::Postgres;
use crate::support::run::{
    Rows, data, dumped, fixture_names, inspect, known, migrate, text, truth,
};

/// Loads the script of a directory and compares; whether there was a script.
fn loads(server: &Postgres, directory: &str, expected: Option<Rows>) -> Option<usize> {
    let run = inspect(["dump", directory]);
    if run.stdout.is_empty() {
        // Damaged beyond reading without --salvage.
        assert_eq!(run.code, 1, "{directory}: {}", run.stderr);
        return None;
    }
    server.load(&run.stdout);
    let expected = expected.unwrap_or_else(|| {
        // What may be shown of a damaged directory is the business of other tests.
        dumped(&inspect(["dump", directory, "--format=jsonl", "--typed"]))
    });
    let rows = assert_holds(server, &run.stdout, &expected, directory);
    server.clear();
    Some(rows)
}

#[test]
fn every_fixture_loads_and_holds_the_rows_that_its_server_held() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let (mut directories, mut rows) = (0, 0);
    for name in fixture_names() {
        let truth = truth(&name);
        let expected = (truth["class"] == "decidable").then(|| known(&truth["databases"]));
        if let Some(of_this) = loads(&server, &data(&name), expected) {
            directories += 1;
            rows += of_this;
        }
    }
    assert!(directories >= 20 && rows > 300, "{directories} {rows}");
}

/// The real directories with the rows that their servers showed, where the
/// files determine them.
fn real_directories() -> Option<Vec<(PathBuf, Option<Rows>)>> {
    let Some(root) = std::env::var_os("RUSTDB_CORPUS") else {
        crate::support::skip::skip("RUSTDB_CORPUS is not set");
        return None;
    };
    let mut directories = Vec::new();
    for entry in walkdir::WalkDir::new(root).sort_by_file_name() {
        let path = entry.unwrap().into_path();
        if path.file_name().is_some_and(|name| name == "expected.json") {
            let expected: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let rows = (expected["class"] == "decidable").then(|| known(&expected["rows"]));
            directories.push((path.with_file_name("data"), rows));
        }
    }
    assert!(directories.len() >= 60, "{}", directories.len());
    Some(directories)
}

#[test]
fn every_real_directory_loads_and_holds_the_rows_that_its_server_showed() {
    let Some(directories) = real_directories() else {
        return;
    };
    // Databases of the same names: two directories at a time need two servers.
    let halves: Vec<Vec<_>> = (0..2)
        .map(|half| directories.iter().skip(half).step_by(2).collect())
        .collect();
    let counts: Vec<Option<(usize, usize)>> = std::thread::scope(|scope| {
        let run = |half: &Vec<&(PathBuf, Option<Rows>)>| {
            let server = Postgres::start()?;
            let loaded = half
                .iter()
                .filter_map(|(directory, rows)| loads(&server, &text(directory), rows.clone()));
            Some(loaded.fold((0, 0), |(n, sum), rows| (n + 1, sum + rows)))
        };
        let threads: Vec<_> = halves
            .iter()
            .map(|half| scope.spawn(move || run(half)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let Some(counts) = counts.into_iter().collect::<Option<Vec<_>>>() else {
        return;
    };
    let directories: usize = counts.iter().map(|(directories, _)| directories).sum();
    let rows: usize = counts.iter().map(|(_, rows)| rows).sum();
    assert!(directories >= 60 && rows > 5000, "{directories} {rows}");
}

/// A pass over the rows that made everything text would lose no row.
#[test]
fn columns_keep_their_types_unless_a_value_forbids() {
    let script = inspect(["dump", &data("family_2_3"), "--table=every_value"]).exits(0);
    let Some(server) = Postgres::start() else {
        return;
    };
    server.load(&script.stdout);
    let all = tables(&server, "postgres_rustdb");
    let types: BTreeMap<&str, &str> = all["every_value"]
        .columns
        .iter()
        .map(|(name, of)| (name.as_str(), of.as_str()))
        .collect();
    let expected = [
        ("small", "smallint"),
        ("whole", "bigint"),
        ("approximate", "double precision"),
        // 36 digits before the point, and 1e5.
        ("exact", "text"),
        // A NUL.
        ("words", "bytea"),
        // One value is not padded.
        ("padded", "text"),
        ("truth", "boolean"),
        // Years 0, -44 and 12345.
        ("day", "text"),
        ("moment", "text"),
        ("instant", "text"),
        ("name", "uuid"),
        // "not json" and the empty text.
        ("document", "text"),
        ("raw", "bytea"),
        // A label that the type has not.
        ("feeling", "text"),
        ("counter", "bigint"),
        ("other", "json"),
    ];
    assert_eq!(types, BTreeMap::from(expected));
    for (column, of) in expected {
        let widened = script
            .stdout
            .contains(&format!("-- type-widened: column \"{column}\" is"));
        let should = of == "text" || column == "words";
        assert_eq!(widened, should, "{column}");
    }
    server.clear();
    let script = inspect(["dump", &data("family_2_3"), "--database=shop"]).exits(0);
    server.load(&script.stdout);
    let all = tables(&server, "shop");
    let total = all["orders"]
        .columns
        .iter()
        .find(|(name, _)| name == "total");
    assert_eq!(total.unwrap().1, "numeric(10,2)");
    let placed = all["orders"]
        .columns
        .iter()
        .find(|(name, _)| name == "placed");
    assert_eq!(placed.unwrap().1, "timestamp without time zone");
    let name = all["customers"]
        .columns
        .iter()
        .find(|(name, _)| name == "name");
    assert_eq!(name.unwrap().1, "character varying(40)");
}

#[test]
fn a_script_does_not_depend_on_where_the_rows_are_kept() {
    let scratch = tempfile::tempdir().unwrap();
    let source = data("family_2_3");
    let script = inspect(["dump", &source]).exits(0).stdout;
    for layout in ["paged", "per-table", "append"] {
        let target = text(&scratch.path().join(layout));
        migrate(["upgrade", &source, &target, "--to", layout]).exits(0);
        let of_target = inspect(["dump", &target]).exits(0).stdout;
        assert!(of_target == script, "{layout}");
    }
}

#[test]
fn the_schema_alone_is_the_script_without_its_rows() {
    let directory = data("family_2_3");
    let whole = inspect(["dump", &directory]).exits(0).stdout;
    let schema = inspect(["dump", &directory, "--schema-only"])
        .exits(0)
        .stdout;
    assert!(whole.contains("COPY public.\"orders\" FROM stdin;\n"));
    let mut without = String::new();
    let mut in_rows = false;
    for line in whole.lines() {
        if line.starts_with("COPY ") {
            in_rows = true;
        } else if line == "\\." {
            in_rows = false;
        } else if !in_rows {
            without.push_str(line);
            without.push('\n');
        }
    }
    assert_eq!(without, schema);
}

#[test]
fn redacted_rows_load_and_show_no_value() {
    let directory = data("family_2_3");
    let run = inspect(["dump", &directory, "--redact"]).exits(0);
    for secret in ["12.50", "Ada", "example.org", "not json", "99999999"] {
        assert!(!run.stdout.contains(secret), "{secret}");
    }
    let Some(server) = Postgres::start() else {
        return;
    };
    server.load(&run.stdout);
    let all = tables(&server, "shop");
    assert!(all["orders"].columns.iter().all(|(_, of)| of == "text"));
    let mut totals = all["orders"].rows.iter().map(|row| row[2].as_deref());
    assert!(totals.all(|total| total.is_some_and(|text| text.starts_with("<redacted len:"))));
}

#[test]
fn a_script_says_itself_that_records_are_missing() {
    let open = inspect(["dump", &data("twins")]).exits(3).stdout;
    assert_eq!(
        open.matches("-- ambiguous-attribution: candidates: ")
            .count(),
        3
    );
    let decided = inspect(["dump", &data("twins"), "--assign=notes=left"])
        .exits(0)
        .stdout;
    assert!(!decided.contains("ambiguous"));
}

#[test]
fn dead_versions_have_no_place_in_a_script() {
    let run = inspect(["dump", &data("family_1_4"), "--include-dead"]).exits(2);
    assert!(run.stderr.contains("jsonl"), "{}", run.stderr);
    assert_eq!(run.stdout, "");
}

#[test]
fn chosen_tables_come_without_accounts_and_what_they_refer_to() {
    let directory = data("family_2_3");
    let run = inspect(["dump", &directory, "--table=order_lines"]).exits(0);
    assert!(!run.stdout.contains("ROLE") && !run.stdout.contains("OWNER TO"));
    assert!(!run.stdout.contains("\"customers\" ("));
    let note =
        "-- constraint-left-out: FOREIGN KEY \"order_id\": table \"orders\" is not in this dump";
    assert!(run.stdout.contains(note), "{}", run.stdout);
    let Some(server) = Postgres::start() else {
        return;
    };
    server.load(&run.stdout);
    assert_eq!(server.databases(), ["shop"]);
    assert_eq!(tables(&server, "shop").len(), 1);
}

#[test]
fn a_load_that_is_cut_off_leaves_no_half_of_a_database() {
    let run = inspect(["dump", &data("family_2_3"), "--database=shop"]).exits(0);
    let Some(server) = Postgres::start() else {
        return;
    };
    let cut = run
        .stdout
        .find("ALTER TABLE public.\"orders\" ADD")
        .unwrap();
    server.run("postgres", &run.stdout[..cut]);
    assert_eq!(server.databases(), ["shop"]);
    assert_eq!(tables(&server, "shop").len(), 0);
}
