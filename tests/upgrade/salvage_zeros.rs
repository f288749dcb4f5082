//! Zeros in a snapshot, as of a block that was never written: read as a name they
//! are one without a letter, as often as they are read.

use crate::support::content::{column, fresh, int, loaded, table, text};
use crate::support::model::{DataType, Family};
use crate::support::run::{inspect, migrate};
use crate::support::tool::Bench;

/// Rows of each table.
const ROWS: usize = 119;

/// A server with tables of these names, by database, each with the same rows.
fn source(databases: &[(&str, &[&str])]) -> Bench {
    let mut server = fresh(Family::V1_4);
    for (database, tables) in databases {
        server.create_database(database);
        for name in *tables {
            let columns = vec![
                column("id", DataType::Serial),
                column("name", DataType::Text),
            ];
            server.create_table(database, table(name, columns));
            let row = |n| vec![int(n), text(&format!("{name} {n}"))];
            server.insert(database, name, (1..).take(ROWS).map(row).collect());
        }
    }
    Bench::new(&loaded(Family::V1_4, server).killed())
}

/// Zeros from where the entry of a name begins, which stands twice there.
fn zeros_from(bench: &Bench, name: &str, len: usize) {
    let path = bench.dir.path().join("data/server_instance.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let one = [&1_u64.to_le_bytes()[..], name.as_bytes()].concat();
    let key = one.repeat(2);
    let at = bytes.windows(key.len()).position(|bytes| *bytes == key);
    let at = at.unwrap();
    let end = bytes.len().min(at + len);
    bytes[at..end].fill(0);
    std::fs::write(&path, bytes).unwrap();
}

#[test]
fn what_stands_before_zeros_is_kept_and_nothing_is_made_of_them() {
    let tables: &[(&str, &[&str])] = &[("shop", &["a", "b", "c", "d"])];
    let databases: &[(&str, &[&str])] = &[("w", &["a"]), ("x", &["b"]), ("y", &["c"])];
    for (content, name, first) in [(tables, "b", "shop.a"), (databases, "x", "w.a")] {
        for len in [100, 512, 4096] {
            let bench = source(content);
            zeros_from(&bench, name, len);
            let at = |name: &str| bench.dir.path().join(name).to_str().unwrap().to_owned();
            let (data, new) = (at("data"), at("new"));
            for layout in ["paged", "append", "per-table", "snapshot"] {
                let args = ["upgrade", &data, &new, "--salvage", "--to", layout];
                // What was only planned is followed by how to do it.
                for (dry, rest) in [("--dry-run", ""), ("-n", ""), ("-nv", " -v")] {
                    let planned = migrate(args.into_iter().chain([dry])).exits(1);
                    let write =
                        format!("to write it:\n  rustdb-migrate {}{rest}\n", args.join(" "));
                    assert!(planned.stderr.contains(&write), "{}", planned.stderr);
                }
                migrate(args).exits(1);
                let said = inspect(["dump", &new, "--format", "jsonl"]);
                let rows = said.lines();
                let (database, table) = first.split_once('.').unwrap();
                let own = |key: &str, name: &str| {
                    let has = |row: &&serde_json::Value| row[key] == name;
                    rows.iter().filter(has).count()
                };
                assert_eq!(own("table", table), ROWS, "{first}, {layout}, {len}");
                assert!(own("database", database) >= ROWS);
                assert_eq!(own("table", "") + own("database", ""), 0);
                std::fs::remove_dir_all(&new).unwrap();
            }
        }
    }
}
