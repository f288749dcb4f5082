//! `report`: one page that says what `info` and `wal` say.

use std::fs;
use std::path::Path;

use crate::support::content::{customer, populated};
use crate::support::disk::on_disk;
use crate::support::hostile;
use crate::support::model::Family;
use crate::support::run::{Run, data, fixture_names, inspect, migrate, text, tree};

/// The page of a directory and how the command ended.
fn page(directory: &str, scratch: &Path) -> (Run, String) {
    let file = scratch.join("report.html");
    let run = inspect(["report", directory, "-o", &text(&file)]);
    let page = fs::read_to_string(&file).unwrap_or_default();
    let _ = fs::remove_file(file);
    (run, page)
}

#[test]
fn every_fixture_has_a_page_that_ends_as_info_does() {
    let scratch = tempfile::tempdir().unwrap();
    for name in fixture_names() {
        let directory = data(&name);
        let before = tree(Path::new(&directory));
        let info = inspect(["info", &directory, "--format=json"]);
        let (run, page) = page(&directory, scratch.path());
        assert_eq!(run.code, info.code, "{name}: {}", run.stderr);
        assert_eq!(tree(Path::new(&directory)), before, "{name}");
        assert!(
            page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"),
            "{name}"
        );
        let info = info.json();
        for finding in info["findings"].as_array().unwrap() {
            let code = finding["code"].as_str().unwrap();
            assert!(
                page.contains(&format!("<a href=\"#{code}\">{code}</a>")),
                "{name}: {code}"
            );
        }
        for foreign in ["<script", "http://", "https://", "url(", "@import", " src="] {
            assert!(!page.contains(foreign), "{name}: {foreign}");
        }
        // Links lead to what stands on the page, and each code has one.
        for link in page.split(" href=\"").skip(1) {
            let to = link.split('"').next().unwrap();
            let anchor = format!("id=\"{}\"", to.strip_prefix('#').unwrap());
            assert_eq!(page.matches(&anchor).count(), 1, "{name}: {to}");
        }
    }
}

#[test]
fn every_record_of_a_small_tail_has_its_sign() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = data("family_1_4");
    let (_, page) = page(&directory, scratch.path());
    let log = inspect(["wal", &directory, "--format=jsonl", "--attribute"]).exits(0);
    let mut seen = 0;
    for line in log.lines() {
        if line["state"] != "tail" {
            continue;
        }
        let says = format!(
            "<title>record {}: {} {}, database {}, {}</title>",
            line["sequence"],
            line["op"].as_str().unwrap(),
            line["table"].as_str().unwrap(),
            line["database"].as_str().unwrap(),
            line["confidence"].as_str().unwrap(),
        );
        assert_eq!(page.matches(&says).count(), 1, "{says}");
        seen += 1;
    }
    assert!(seen > 8, "{seen}");
}

#[test]
fn damage_checkpoints_and_what_to_do_are_on_the_page() {
    let scratch = tempfile::tempdir().unwrap();
    let (run, page_of_damage) = page(&data("wal_damaged_middle"), scratch.path());
    run.exits(1);
    assert!(page_of_damage.contains("<title>damage: 111 bytes at offset 32</title>"));
    assert!(page_of_damage.contains("--salvage --dry-run</pre>"));
    assert!(page_of_damage.contains(": checkpoint, "));
    let (run, page_of_twins) = page(&data("twins"), scratch.path());
    run.exits(3);
    assert!(page_of_twins.contains("--assign notes=left</pre>"));
    let (run, page_of_torn) = page(&data("torn_tail"), scratch.path());
    run.exits(0);
    assert!(page_of_torn.contains("<title>torn tail: 106 bytes"));
}

#[test]
fn hostile_names_stay_text() {
    let scratch = tempfile::tempdir().unwrap();
    let (run, page) = page(&data("hostile_names"), scratch.path());
    run.exits(0);
    assert!(!page.contains('\u{1b}') && !page.contains('\0') && !page.contains('\u{202e}'));
    // Each is a database, and the heading of its tables.
    let headings = page.matches("<h3>").count();
    let findings = page.matches("<article").count();
    assert_eq!(headings - findings, hostile::names().len() + 1);
}

#[test]
fn every_page_of_a_table_has_its_cell_with_its_fill_and_dead_bytes() {
    let scratch = tempfile::tempdir().unwrap();
    let mut server = populated(Family::V1_4);
    let many: Vec<_> = (100..600).map(|id| customer(id, "Di")).collect();
    server.insert("shop", "customers", many);
    server.delete("shop", "customers", &[10, 20, 400]);
    let source = on_disk(&server.killed());
    for layout in ["paged", "per-table", "append"] {
        let new = text(&scratch.path().join(layout));
        migrate(["upgrade", &text(source.path()), &new, "--to", layout]).exits(0);
        let (run, page) = page(&new, scratch.path());
        run.exits(0);
        let stats = inspect(["stats", &new, "--format=json"]).exits(0).json();
        let unit = stats["unit"].as_str().unwrap();
        let sum = |what: &str| {
            let tables = stats["tables"].as_array().unwrap().iter();
            tables
                .map(|table| table[what].as_u64().unwrap())
                .sum::<u64>()
        };
        let cells: Vec<&str> = page
            .split(&format!("<title>{unit} "))
            .skip(1)
            .map(|cell| cell.split("</title>").next().unwrap())
            .collect();
        assert_eq!(cells.len() as u64, sum("pages"), "{layout}");
        assert!(cells[0].starts_with("0: "), "{layout}: {}", cells[0]);
        let dead = cells.iter().map(|cell| {
            let (_, dead) = cell.split_once(" % filled, ").unwrap();
            dead.split(' ').next().unwrap().parse::<u64>().unwrap()
        });
        assert!(sum("dead_bytes") > 0, "{layout}");
        assert_eq!(dead.sum::<u64>(), sum("dead_bytes"), "{layout}");
    }
}

#[test]
fn what_the_log_costs_to_write_is_what_stats_says() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = data("family_1_4");
    let (run, page) = page(&directory, scratch.path());
    run.exits(0);
    let stats = inspect(["stats", &directory, "--format=json"])
        .exits(0)
        .json();
    let runs = stats["writes"]["runs"].as_array().unwrap();
    assert!(runs.len() > 3, "{runs:?}");
    let (_, section) = page.split_once("<section id=\"writes\">").unwrap();
    for run in runs {
        let writer = run["writer"].as_str().unwrap();
        let cell = format!(
            "<td>{writer}, a checkpoint every {}</td>",
            run["checkpoint_every"]
        );
        let (_, row) = section.split_once(&cell).unwrap();
        let per_byte = format!(
            "<td class=\"number\">{:.2}</td>",
            run["per_logged_byte"].as_f64().unwrap()
        );
        assert!(
            row.split("</tr>").next().unwrap().contains(&per_byte),
            "{cell} {per_byte}"
        );
    }
}

#[test]
fn a_damaged_page_is_marked_and_named() {
    let scratch = tempfile::tempdir().unwrap();
    let new = scratch.path().join("new");
    migrate(["upgrade", &data("family_1_4"), &text(&new)]).exits(0);
    let (run, whole) = page(&text(&new), scratch.path());
    run.exits(0);
    assert!(!whole.contains("class=\"broken\"") && !whole.contains("damaged"));
    let pages = tree(&new).into_keys();
    let mut pages = pages.filter(|path| path.ends_with("page_0000.dat"));
    let file = pages.next().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes[8000] ^= 1;
    fs::write(&file, bytes).unwrap();
    let (run, damaged) = page(&text(&new), scratch.path());
    run.exits(1);
    // In the map and in the legend.
    assert_eq!(damaged.matches("class=\"broken\"").count(), 2);
    assert_eq!(damaged.matches("bytes dead, damaged</title>").count(), 1);
    assert!(damaged.contains("<a href=\"#checksum-mismatch\">"));
    assert!(damaged.contains("--salvage") && damaged.contains("rustdb-inspect verify"));
}

#[test]
fn no_page_is_written_into_the_directory_it_is_about() {
    let files = crate::support::disk::on_disk(&crate::support::disk::killed());
    let directory = text(files.path());
    let inside = text(&files.path().join("report.html"));
    let before = tree(files.path());
    inspect(["report", &directory, "-o", &inside]).exits(2);
    assert_eq!(tree(files.path()), before);
}

/// A tag a line, so that a difference is seen.
#[test]
fn the_pages_of_a_torn_log_and_of_an_open_decision_are_these() {
    let scratch = tempfile::tempdir().unwrap();
    for name in ["torn_tail", "twins"] {
        let directory = data(name);
        let (_, page) = page(&directory, scratch.path());
        let page = page.replace(&directory, "DIR").replace("><", ">\n<");
        let version = env!("CARGO_PKG_VERSION");
        insta::assert_snapshot!(name, page.replace(version, "VERSION"));
    }
}

#[test]
fn a_key_that_stands_twice_is_on_the_page_as_verify_finds_it() {
    let scratch = tempfile::tempdir().unwrap();
    let mut server = populated(Family::V1_4);
    let twice = server.table("shop", "customers").rows[0].clone();
    server.table("shop", "customers").rows.push(twice);
    server.checkpoint();
    let source = on_disk(&server.killed());
    let source = text(source.path());
    assert!(
        inspect(["verify", &source])
            .exits(0)
            .stdout
            .contains("duplicate-key")
    );
    let (run, page) = page(&source, scratch.path());
    run.exits(0);
    assert!(!page.contains("In order"), "{page}");
    assert!(page.contains("<a href=\"#duplicate-key\">"), "{page}");
    assert!(page.contains("database shop, table customers"), "{page}");
}

#[test]
fn a_page_is_a_schema_document_without_marks_of_other_formats() {
    let scratch = tempfile::tempdir().unwrap();
    for name in ["torn_tail", "twins", "truncated_snapshot", "segments"] {
        let (_, page) = page(&data(name), scratch.path());
        assert!(!page.contains('`'), "{name}");
    }
    let (_, page) = page(&data("torn_tail"), scratch.path());
    for part in [
        "Columns of ",
        "NUMERIC(10,2)",
        "PRIMARY KEY, NOT NULL",
        "REFERENCES customers(id)",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // What was found and the log stand before the inventory.
    let place = |heading: &str| page.find(heading).unwrap();
    assert!(place("<h2>Findings") < place("<h2>Databases"));
    assert!(place("<h2>The log") < place("<h2>Databases"));
}

#[test]
fn others_may_read_a_page_only_if_asked() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = tempfile::tempdir().unwrap();
    for (name, more, mode) in [("a", None, 0o600), ("b", Some("--mode=644"), 0o644)] {
        let file = scratch.path().join(name);
        let (dir, path) = (data("torn_tail"), text(&file));
        let args = ["report", &dir, "-o", &path].into_iter().chain(more);
        inspect(args).exits(0);
        let found = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{name}: {found:o}");
    }
    inspect(["report", &data("torn_tail"), "-o", "/dev/null", "--mode=9"]).exits(2);
}
