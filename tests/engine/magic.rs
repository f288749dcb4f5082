//! Every file says what it is: to file(1), by the rules that are shipped.

use std::fs;
use std::process::Command;

use rustdb_migrate::engine::Layout;
use rustdb_migrate::model::Value;

use crate::sample::{files_below, inserted, one_table, row};
use crate::skip::skip;

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/man/rustdb.magic");

#[test]
fn file_knows_every_file_of_a_directory() {
    if Command::new("file").arg("--version").output().is_err() {
        return skip("file(1) is not installed");
    }
    for layout in [Layout::Paged, Layout::PerTable, Layout::Append] {
        let wide = Value::Text("w".repeat(9000));
        let dir = one_table(layout, vec![row(vec![Value::Null]), row(vec![wide])]);
        let mut store = inserted(dir.path(), 1);
        store.checkpoint().unwrap();
        drop(store);
        let files = files_below(dir.path());
        for path in files.keys() {
            let run = Command::new("file")
                .args(["-b", "-m", RULES])
                .arg(path)
                .output()
                .unwrap();
            let said = String::from_utf8(run.stdout).unwrap();
            let whole = said.starts_with("RustDB ") && said.contains("format version 1");
            assert!(whole, "{}: {said}", path.display());
            assert!(
                fs::read(path).unwrap().starts_with(b"RDBX"),
                "{}",
                path.display()
            );
        }
    }
}
