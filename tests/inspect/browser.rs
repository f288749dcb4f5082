//! `report` in a real browser: what it makes of the page, in light and in print.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::content::{column, customer, fresh, loaded, populated, table, text as value};
use crate::support::disk::on_disk;
use crate::support::model::{DataType, Family};
use crate::support::run::{data, inspect, migrate, text};

/// What a browser does on its own account is not wanted here.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--enable-logging=stderr",
];
/// Seconds after which a browser is taken to hang.
const PATIENCE: &str = "120";

fn chromium() -> Option<PathBuf> {
    let found = std::env::var_os("PATH").and_then(|path| {
        let mut places = std::env::split_paths(&path).map(|place| place.join("chromium"));
        places.find(|file| file.is_file())
    });
    if found.is_none() {
        crate::support::skip::skip("chromium is not installed");
    }
    found
}

/// Opens a page with one more flag.
fn browse(chromium: &Path, page: &Path, flag: &str) -> Output {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    command.arg(PATIENCE).arg(chromium).args(FLAGS);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.arg(flag).arg(format!("file://{}", page.display()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// What the console of the browser says.
fn console(output: &Output) -> Vec<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let lines = said.lines().filter(|line| line.contains("CONSOLE"));
    lines.map(str::to_owned).collect()
}

/// The page of a directory in the browser: its source and its document.
fn document(chromium: &Path, directory: &str, scratch: &Path) -> (String, String) {
    let file = scratch.join("report.html");
    inspect(["report", directory, "-o", &text(&file)]);
    let output = browse(chromium, &file, "--dump-dom");
    assert_eq!(console(&output), [""; 0], "{directory}");
    let source = fs::read_to_string(&file).unwrap();
    (source, String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_browser_builds_the_document_that_was_written_and_has_nothing_to_complain_about() {
    let Some(chromium) = chromium() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let mut server = populated(Family::V1_4);
    let many: Vec<_> = (100..400).map(|id| customer(id, "Di")).collect();
    server.insert("shop", "customers", many);
    server.delete("shop", "customers", &[10, 20, 30]);
    let source = on_disk(&server.killed());
    let new = text(&scratch.path().join("new"));
    migrate(["upgrade", &text(source.path()), &new]).exits(0);
    for directory in [data("wal_damaged_middle"), data("hostile_names"), new] {
        let (page, document) = document(&chromium, &directory, scratch.path());
        let parts = [
            "<section", "<article", "<h3", "<svg", "<title>", "<rect", "<text", "<td", "<pre",
            "<a ",
        ];
        for part in parts {
            let (written, built) = (page.matches(part).count(), document.matches(part).count());
            assert_eq!(built, written, "{directory}: {part}");
        }
        assert!(document.matches("<svg").count() > 1, "{directory}");
        assert!(document.trim_end().ends_with("</html>"), "{directory}");
    }
}

#[test]
fn markup_in_names_is_neither_an_element_nor_run() {
    let Some(chromium) = chromium() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let hostile = "<img src=x onerror=\"console.error(1)\"><script>console.error(2)</script>";
    let mut server = fresh(Family::V1_4);
    server.create_database(hostile);
    let one = || table(hostile, vec![column(hostile, DataType::Text)]);
    server.create_table(hostile, one());
    let mut server = loaded(Family::V1_4, server);
    server.insert(hostile, hostile, vec![vec![value(hostile)]]);
    let files = on_disk(&server.killed());
    let new = text(&scratch.path().join("new"));
    migrate(["upgrade", &text(files.path()), &new]).exits(0);
    for directory in [text(files.path()), new] {
        let (_, document) = document(&chromium, &directory, scratch.path());
        for element in ["<img", "<script"] {
            assert!(!document.contains(element), "{directory}: {element}");
        }
        assert!(
            document.contains("&lt;script&gt;console.error(2)"),
            "{directory}"
        );
    }
}

#[test]
fn the_page_prints() {
    let Some(chromium) = chromium() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let (file, printed) = (scratch.path().join("r.html"), scratch.path().join("r.pdf"));
    inspect(["report", &data("twins"), "-o", &text(&file)]).exits(3);
    let output = browse(
        &chromium,
        &file,
        &format!("--print-to-pdf={}", printed.display()),
    );
    assert_eq!(console(&output), [""; 0]);
    let bytes = fs::read(&printed).unwrap();
    assert!(
        bytes.starts_with(b"%PDF-") && bytes.len() > 10_000,
        "{}",
        bytes.len()
    );
}

/// Without this the tests above could not fail.
#[test]
fn what_a_page_complains_about_is_heard() {
    let Some(chromium) = chromium() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("wrong.html");
    fs::write(
        &file,
        "<!DOCTYPE html><script>console.error('wrong')</script>",
    )
    .unwrap();
    assert_eq!(console(&browse(&chromium, &file, "--dump-dom")).len(), 1);
}
