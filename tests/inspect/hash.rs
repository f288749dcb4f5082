//! `hash`, against the definition in `rustdb-format(5)`, worked out from the
//! independent model of the old bytes.

use serde_json::Value as Json;
use xxhash_rust::xxh3::{xxh3_128, xxh3_128_with_seed};

use crate::support::builder;
use crate::support::disk::on_disk;
use crate::support::model::{Family, Row, Table, decode_instance};
use crate::support::run::{inspect, text};

fn hex(hash: u128) -> String {
    format!("{hash:032x}")
}

/// The hash of a multiset of hashes.
fn multiset(items: &[u128]) -> u128 {
    let sum = items
        .iter()
        .fold(0_u128, |sum, item| sum.wrapping_add(*item));
    xxh3_128(&[&sum.to_le_bytes()[..], &(items.len() as u64).to_le_bytes()].concat())
}

fn of_values(row: &Row) -> u128 {
    xxh3_128(&bincode::serialize(&row.values).unwrap())
}

fn of_version(row: &Row) -> u128 {
    let with = |hash: u128, number| xxh3_128_with_seed(&hash.to_le_bytes(), number);
    let written = with(of_values(row), row.xmin);
    row.xmax.map_or(written, |xmax| with(written, xmax))
}

fn of_table(table: &Table, family: Family, rows: u128) -> u128 {
    let mut bytes = bincode::serialize(&(&table.name, &table.columns)).unwrap();
    let mut sequences: Vec<_> = table
        .sequences
        .iter()
        .map(|sequence| bincode::serialize(sequence).unwrap())
        .collect();
    sequences.sort();
    bytes.extend(bincode::serialize(&sequences).unwrap());
    bytes.extend(bincode::serialize(&(family == Family::V2_3, &table.owner.0)).unwrap());
    bytes.extend(rows.to_le_bytes());
    xxh3_128(&bytes)
}

#[test]
fn hashes_of_tables_are_as_the_format_page_defines_them() {
    let names = [
        "family_1_3",
        "family_1_4",
        "family_1_10",
        "family_2_3",
        "snapshot_only",
    ];
    let fixtures = builder::all().into_iter();
    let (mut tables, mut dead) = (0, 0);
    for fixture in fixtures.filter(|fixture| names.contains(&fixture.name)) {
        let family = fixture.truth.family.unwrap();
        // The records of a tail would change what the snapshot holds.
        let mut files = fixture.files.clone();
        files.retain(|path, _| !path.starts_with("wal/"));
        let dir = on_disk(&files);
        let printed = inspect(["hash", &text(dir.path()), "--format=json"]).json();
        let printed: Vec<Json> = printed["tables"].as_array().unwrap().clone();
        let instance = decode_instance(family, &fixture.files["server_instance.db"]).unwrap();
        for (name, database) in &instance.databases {
            for (_, table) in &database.tables {
                let found = printed
                    .iter()
                    .find(|t| t["database"] == **name && t["table"] == *table.name)
                    .unwrap();
                let (visible, versions): (Vec<_>, Vec<_>) = (
                    table
                        .rows
                        .iter()
                        .filter(|row| row.xmax.is_none())
                        .map(of_values)
                        .collect(),
                    table.rows.iter().map(of_version).collect(),
                );
                let hash = |rows: &[u128]| hex(of_table(table, family, multiset(rows)));
                assert_eq!(found["hash"], hash(&visible), "{} {found}", fixture.name);
                assert_eq!(found["versions_hash"], hash(&versions), "{found}");
                tables += 1;
                dead += versions.len() - visible.len();
            }
        }
    }
    assert!(tables >= 20 && dead > 0, "{tables} {dead}");
}
