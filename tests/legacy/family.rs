//! Which schema family the files are of: found from the snapshot, from the log,
//! from several files together, or left to the user.

use std::collections::BTreeMap;

use rustdb_migrate::error::Class;
use rustdb_migrate::finding::Code;
use rustdb_migrate::legacy::{self, LegacyDir, Verdict};
use tempfile::TempDir;

use crate::snapshot::find;
use crate::support::content::{
    column, customer, customers, fresh, fresh_instance, int, loaded, populated, table, text,
};
use crate::support::convert::{instance, scan, tool_family};
use crate::support::disk::{SNAPSHOT, damage_of, killed, on_disk, read, write};
use crate::support::model::{
    DataType, Database, Family, Instance, encode_database, encode_instance,
};
use crate::support::server::Files;

const FAMILY: Family = Family::V1_4;

#[test]
fn a_family_forced_wrong_is_refused_with_an_offset() {
    for own in Family::ALL {
        let bytes = encode_instance(own, &populated(own).instance);
        let path = write(&bytes);
        for forced in Family::ALL {
            if forced == own {
                assert!(scan(&path, Some(forced)).is_ok());
                continue;
            }
            let damage = damage_of(&path, Some(forced));
            assert!(damage.offset > 0, "{} as {}", own.name(), forced.name());
        }
        let found = scan(&path, None).unwrap();
        let accepted: Vec<_> = found.accepted().map(|f| f.to_string()).collect();
        assert_eq!(accepted, [own.name()]);
    }
}

#[test]
fn without_a_table_families_1_3_and_1_4_are_the_same_bytes() {
    let bytes = encode_instance(Family::V1_3, &fresh_instance());
    assert_eq!(bytes, encode_instance(Family::V1_4, &fresh_instance()));
    let found = scan(&write(&bytes), None).unwrap();
    let accepted: Vec<_> = found.accepted().map(|f| f.to_string()).collect();
    assert_eq!(accepted, ["1.3", "1.4"]);
}

#[test]
fn without_a_database_family_1_10_is_the_same_too() {
    let mut empty = fresh_instance();
    empty.databases.clear();
    let found = scan(&write(&encode_instance(Family::V1_10, &empty)), None).unwrap();
    let accepted: Vec<_> = found.accepted().map(|f| f.to_string()).collect();
    assert_eq!(accepted, ["1.3", "1.4", "1.10"]);
    assert_eq!(instance(&found).unwrap(), empty);
}

#[test]
fn bytes_valid_under_two_families_with_other_content_need_a_decision() {
    let (first, bytes) = two_readings();
    let path = write(&bytes);
    let as_1_3 = instance(&scan(&path, Some(Family::V1_3)).unwrap()).unwrap();
    let as_1_4 = instance(&scan(&path, Some(Family::V1_4)).unwrap()).unwrap();
    assert_eq!(as_1_3, first);
    assert_ne!(as_1_3, as_1_4);
    let error = scan(&path, None).unwrap_err();
    assert_eq!(error.class(), Class::NeedsDecision);
    assert!(error.to_string().contains("--from-family"));
}

/// A valid 1.3 file that is also a valid 1.4 file: the foreign key's names hold
/// what family 1.4, which has one byte more before them, reads as a row.
fn two_readings() -> (Instance, Vec<u8>) {
    // 256 has the low byte 0: no foreign key in 1.4. The next seven bytes and
    // the name's first make a count of one row.
    let column_name = "c".repeat(14);
    let mut referenced = vec![0];
    referenced.extend(1u64.to_le_bytes());
    referenced.extend(5u32.to_le_bytes());
    // The text goes on to the column name's last byte; that and the 1.3 row
    // count of 0 are xmin and no xmax.
    let text_len = 256 - 21 + 8 + column_name.len() - 1;
    referenced.extend((text_len as u64).to_le_bytes());
    referenced.resize(256, b'x');
    let mut odd = column("c", DataType::Text);
    odd.foreign_key = Some((String::from_utf8(referenced).unwrap(), column_name));
    let mut instance = fresh_instance();
    let mut table = table("t", vec![odd]);
    table.owner.0.clear();
    instance.databases[0].1.tables.push(("t".into(), table));
    let bytes = encode_instance(Family::V1_3, &instance);
    (instance, bytes)
}

#[test]
fn a_foreign_key_to_a_table_called_nul_needs_a_decision_between_1_3_and_1_4() {
    // One byte further, the name's length 1 is an option and its NUL a length.
    let mut odd = column("c", DataType::Integer);
    odd.foreign_key = Some(("\0".into(), "id".into()));
    let mut instance_1_3 = fresh_instance();
    instance_1_3.databases[0]
        .1
        .tables
        .push(("t".into(), table("t", vec![odd])));
    let path = write(&encode_instance(Family::V1_3, &instance_1_3));
    let error = scan(&path, None).unwrap_err();
    assert_eq!(error.class(), Class::NeedsDecision);
    for family in [Family::V1_3, Family::V1_4] {
        assert!(scan(&path, Some(family)).is_ok(), "{}", family.name());
    }
}

/// A file of the older form that holds one database.
fn single(family: Family, name: &str, with_table: bool) -> Vec<u8> {
    let mut database: Database = fresh_instance().databases.remove(0).1;
    database.name = name.into();
    if with_table {
        let table = table("t", vec![column("c", DataType::Text)]);
        database.tables.push(("t".into(), table));
    }
    encode_database(family, &database)
}

fn singles(files: [(&str, Vec<u8>); 2]) -> TempDir {
    let files: BTreeMap<_, _> = files.map(|(name, bytes)| (name.to_string(), bytes)).into();
    on_disk(&files)
}

#[test]
fn the_older_form_takes_the_family_that_fits_every_file() {
    for own in [Family::V1_3, Family::V1_4] {
        for table_in_first in [true, false] {
            let directory = singles([
                ("a.db", single(own, "a", table_in_first)),
                ("b.db", single(own, "b", !table_in_first)),
            ]);
            let read = read(&directory);
            assert_eq!(read.family, tool_family(own));
            assert_eq!(read.families(), [tool_family(own)]);
            let snapshot = read.snapshot.unwrap().unwrap();
            assert_eq!(snapshot.catalog.databases.len(), 2);
            assert_eq!(snapshot.family, tool_family(own));
        }
    }
    let empty = [
        ("a.db", single(FAMILY, "a", false)),
        ("b.db", single(FAMILY, "b", false)),
    ];
    assert_eq!(read(&singles(empty)).families(), &legacy::Family::ALL[..2]);
}

#[test]
fn the_older_form_in_two_families_is_damage() {
    let directory = singles([
        ("a.db", single(Family::V1_3, "a", true)),
        ("b.db", single(Family::V1_10, "b", true)),
    ]);
    let damage = read(&directory).snapshot.unwrap_err();
    assert_eq!(damage.code, Code::FamilyUnknown);
    assert!(damage.file.ends_with("b.db"));
}

#[test]
fn the_older_form_with_a_database_twice_is_damage() {
    let directory = singles([
        ("a.db", single(FAMILY, "same", true)),
        ("b.db", single(FAMILY, "same", true)),
    ]);
    let damage = read(&directory).snapshot.unwrap_err();
    assert_eq!(damage.code, Code::DuplicateName);
    assert!(damage.file.ends_with("b.db"));
}

#[test]
fn a_log_with_a_table_tells_families_apart_that_the_snapshot_does_not() {
    for own in [Family::V1_3, Family::V1_4] {
        let mut server = fresh(own);
        let empty = read(&on_disk(&server.killed()));
        assert_eq!(empty.families(), &legacy::Family::ALL[..2]);
        assert_eq!(empty.family, legacy::Family::V1_4);
        server.create_table("postgres", customers());
        let read = read(&on_disk(&server.killed()));
        assert_eq!(read.families(), [tool_family(own)]);
        assert_eq!(read.wal.verdict(), Verdict::Clean);
        assert_eq!(read.snapshot.unwrap().unwrap().family, tool_family(own));
    }
}

#[test]
fn a_cut_snapshot_keeps_the_family_under_which_it_reads_furthest() {
    for own in Family::ALL {
        let mut server = populated(own);
        server.insert("shop", "customers", vec![customer(8, "Di")]);
        let mut files = server.killed();
        let snapshot = files.get_mut(SNAPSHOT).unwrap();
        snapshot.truncate(snapshot.len() * 2 / 3);
        let read = read(&on_disk(&files));
        assert_eq!(read.family, tool_family(own));
        assert_eq!(read.families(), [tool_family(own)]);
        assert_eq!(read.snapshot.unwrap_err().code, Code::Truncated);
        assert_eq!(read.wal.verdict(), Verdict::Clean);
    }
}

/// A server with rows in two tables, of which other families read the names of
/// columns and the lengths of texts for something else.
fn with_rows(own: Family) -> Files {
    let mut server = fresh(own);
    server.create_database("shop");
    let columns = vec![
        column("id", DataType::Serial),
        column("name", DataType::Text),
        column("qty", DataType::Integer),
    ];
    server.create_table("shop", table("orders", columns));
    let row = |n: i64| vec![int(n), text(&format!("item {n}")), int(n % 7)];
    server.insert("shop", "orders", (1..=40).map(row).collect());
    loaded(own, server).killed()
}

#[test]
fn a_bit_that_is_changed_in_a_row_does_not_change_the_family() {
    for own in Family::ALL {
        let files = with_rows(own);
        let whole = &files[SNAPSHOT];
        let first = find(whole, b"item 20") - 900;
        let mut damaged = 0;
        for at in first..first + 1800 {
            let mut files = files.clone();
            files.get_mut(SNAPSHOT).unwrap()[at] ^= 1 << (at % 8);
            let read = read(&on_disk(&files));
            assert_eq!(read.family, tool_family(own), "byte {at}");
            damaged += usize::from(read.snapshot.is_err());
        }
        assert!(damaged > 500, "{damaged}");
    }
}

#[test]
fn a_forced_family_is_taken_for_snapshot_and_log() {
    let directory = on_disk(&fresh(FAMILY).killed());
    let read = LegacyDir::read(directory.path(), Some(legacy::Family::V1_3)).unwrap();
    assert_eq!(read.families(), [legacy::Family::V1_3]);
    let directory = on_disk(&killed());
    let read = LegacyDir::read(directory.path(), Some(legacy::Family::V2_3)).unwrap();
    assert_eq!(read.family, legacy::Family::V2_3);
    assert!(read.snapshot.is_err());
}
