//! Where a snapshot can be wrong: one test a boundary; always an error that
//! names file and offset, never a panic, never a large allocation.

use crate::support;
use std::fs;

use rustdb_migrate::error::Damage;
use rustdb_migrate::finding::Code;

use crate::support::content::{column, fresh_instance, int, key, metadata, table, text};
use crate::support::convert::{self, scan};
use crate::support::disk::{damage_of, write};
use crate::support::model::{
    DataType, Database, Family, Instance, Row, Since, Table, Value, decode_instance,
    encode_instance,
};
use crate::support::strict;

const FAMILY: Family = Family::V1_4;

/// An instance small enough to try every byte, with every part of a catalog.
fn small() -> Instance {
    let mut instance = fresh_instance();
    let mut items = table(
        "items",
        vec![key("id", DataType::Serial), column("name", DataType::Text)],
    );
    items.rows.push(Row {
        values: vec![int(1), text("caf\u{e9}")],
        xmin: 1,
        xmax: None,
    });
    items.rows.push(Row {
        values: vec![int(2), Value::Null],
        xmin: 1,
        xmax: Some(2),
    });
    let database = &mut instance.databases[0].1;
    database.tables.push(("items".into(), items));
    database.enums.push(("mood".into(), vec!["sad".into()]));
    database.views.0.push(("v".into(), "SELECT".into()));
    database.table_metadata.0.push(metadata("items", &[]));
    instance
}

fn only_table(instance: &mut Instance) -> &mut Table {
    &mut instance.databases[0].1.tables[0].1
}

/// The damage that the tool reports.
fn damage(bytes: &[u8], forced: Option<Family>) -> Damage {
    let path = write(bytes);
    damage_of(&path, forced)
}

/// Damage of an instance that bincode can write and no server would.
fn damage_in(instance: &Instance) -> Damage {
    damage(&encode_instance(FAMILY, instance), Some(FAMILY))
}

#[test]
fn cut_at_every_length_is_an_error_in_every_family() {
    for family in Family::ALL {
        let bytes = encode_instance(family, &small());
        let path = write(&bytes);
        assert!(scan(&path, Some(family)).is_ok(), "{}", family.name());
        for len in (0..bytes.len()).rev() {
            fs::OpenOptions::new()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(len as u64)
                .unwrap();
            let damage = damage_of(&path, Some(family));
            assert!(damage.offset <= len as u64, "{} of {len}", family.name());
            assert!(
                matches!(damage.code, Code::Truncated | Code::BadLength),
                "{damage}"
            );
        }
    }
}

#[test]
fn cut_at_every_length_is_valid_under_no_other_family() {
    let bytes = encode_instance(FAMILY, &small());
    for len in 0..bytes.len() {
        damage(&bytes[..len], None);
    }
}

#[test]
fn an_empty_file_is_truncated_at_0() {
    let damage = damage(&[], None);
    assert_eq!((damage.code, damage.offset), (Code::Truncated, 0));
}

#[test]
fn one_trailing_byte_is_reported_where_it_stands() {
    for family in Family::ALL {
        let mut bytes = encode_instance(family, &small());
        let len = bytes.len() as u64;
        bytes.push(0);
        let damage = damage(&bytes, None);
        assert_eq!(
            (damage.code, damage.offset),
            (Code::TrailingBytes, len),
            "{}",
            family.name()
        );
    }
}

#[test]
fn a_length_of_2_to_the_60_at_every_offset_is_refused_where_the_oracle_refuses() {
    for family in Family::ALL {
        let bytes = encode_instance(family, &small());
        let path = write(&bytes);
        let mut refused = 0;
        for at in 0..bytes.len() - 8 {
            for huge in [1 << 60, bytes.len() as u64] {
                let mut changed = bytes.clone();
                changed[at..at + 8].copy_from_slice(&huge.to_le_bytes());
                fs::write(&path, &changed).unwrap();
                let oracle = decode_instance(family, &changed).ok();
                if oracle.is_some_and(|i| strict::instance(&i).is_ok()) {
                    assert!(scan(&path, Some(family)).is_ok(), "{huge} at {at}");
                } else {
                    damage_of(&path, Some(family));
                    refused += usize::from(huge == 1 << 60);
                }
            }
        }
        // The format page's fields of `small` hold 30 lengths and counts.
        assert!(refused > 30, "{refused}");
    }
}

/// The offset of `needle`, which stands in `bytes` once.
pub fn find(bytes: &[u8], needle: &[u8]) -> usize {
    let mut found = bytes
        .windows(needle.len())
        .enumerate()
        .filter(|(_, w)| *w == needle);
    let at = found.next().unwrap().0;
    assert!(found.next().is_none(), "the needle stands twice");
    at
}

/// `bytes` with `with` in place of what stands behind `needle`.
fn changed_behind(bytes: &[u8], needle: &[u8], with: &[u8]) -> (Vec<u8>, u64) {
    let at = find(bytes, needle) + needle.len();
    let mut changed = bytes.to_vec();
    changed[at..at + with.len()].copy_from_slice(with);
    (changed, at as u64)
}

#[test]
fn a_value_tag_of_15_names_its_offset() {
    let bytes = encode_instance(FAMILY, &small());
    // The text value's tag stands 12 bytes before its text.
    let at = find(&bytes, "caf\u{e9}".as_bytes()) - 12;
    for tag in [15u32, 0x0100_0005, u32::MAX] {
        let mut changed = bytes.clone();
        changed[at..at + 4].copy_from_slice(&tag.to_le_bytes());
        let damage = damage(&changed, None);
        assert_eq!((damage.code, damage.offset), (Code::BadTag, at as u64));
        assert_eq!(damage.found, tag.to_string());
    }
}

#[test]
fn a_column_type_tag_of_18_names_its_offset() {
    let bytes = encode_instance(FAMILY, &small());
    // The name and the tag of Serial; the name alone is a sequence's as well.
    let at = find(&bytes, b"id\x04\0\0\0") + 2;
    let mut changed = bytes;
    changed[at] = 18;
    let damage = damage(&changed, Some(FAMILY));
    assert_eq!((damage.code, damage.offset), (Code::BadTag, at as u64));
}

#[test]
fn a_privilege_of_7_names_its_offset() {
    let bytes = encode_instance(FAMILY, &small());
    let (changed, at) = changed_behind(&bytes, &[1, 0, 0, 0, 0, 0, 0, 0, 6], &[0]);
    let mut changed = changed;
    let tag = usize::try_from(at).unwrap() - 1;
    changed[tag] = 7;
    let damage = damage(&changed, Some(FAMILY));
    assert_eq!((damage.code, damage.offset), (Code::BadTag, tag as u64));
}

#[test]
fn text_that_is_not_utf8_names_the_byte() {
    let bytes = encode_instance(FAMILY, &small());
    let (changed, at) = changed_behind(&bytes, b"caf", &[0xff]);
    let damage = damage(&changed, None);
    assert_eq!((damage.code, damage.offset), (Code::BadUtf8, at));
}

#[test]
fn a_truth_value_of_2_names_its_offset() {
    let bytes = encode_instance(FAMILY, &small());
    let hash = "a".repeat(64);
    for flag in 0..3 {
        let at = find(&bytes, hash.as_bytes()) + hash.len() + flag;
        let mut changed = bytes.clone();
        changed[at] = 2;
        let damage = damage(&changed, Some(FAMILY));
        assert_eq!((damage.code, damage.offset), (Code::BadBool, at as u64));
    }
}

#[test]
fn an_option_of_2_is_an_error() {
    let bytes = encode_instance(FAMILY, &small());
    // Behind the first row: its xmin 1 and its xmax option.
    let (changed, at) = changed_behind(&bytes, "caf\u{e9}\x01\0\0\0\0\0\0\0".as_bytes(), &[2]);
    let damage = damage(&changed, Some(FAMILY));
    assert_eq!((damage.code, damage.offset), (Code::BadBool, at));
}

#[test]
fn a_uuid_of_15_or_17_bytes_is_an_error() {
    for len in [0, 15, 17] {
        let mut instance = small();
        only_table(&mut instance).rows[1].values[1] = Value::Uuid(vec![7; len]);
        assert_eq!(damage_in(&instance).code, Code::BadLength, "{len}");
    }
}

#[test]
fn a_row_of_another_arity_than_its_table_is_an_error() {
    for values in [vec![], vec![int(1)], vec![int(1); 2 + 65]] {
        let mut instance = small();
        let arity = values.len();
        only_table(&mut instance).rows[1].values = values;
        let damage = damage_in(&instance);
        assert_eq!(
            (damage.code, damage.found),
            (Code::BadArity, arity.to_string())
        );
    }
}

#[test]
fn of_a_row_of_some_more_values_than_columns_the_first_are_read() {
    for extra in [1, 64] {
        let mut instance = small();
        let rows = &mut only_table(&mut instance).rows;
        let shown = rows.clone();
        for row in rows.iter_mut().skip(1) {
            row.values.extend(vec![int(7); extra]);
        }
        let wide = rows.len() as u64 - 1;
        let bytes = encode_instance(Family::V1_4, &instance);
        let found = scan(&write(&bytes), Some(Family::V1_4)).unwrap();
        let extent = found.rows.iter().flatten().next().unwrap();
        assert_eq!((extent.count, extent.wide), (shown.len() as u64, wide));
        let mut read = convert::instance(&found).unwrap();
        assert_eq!(only_table(&mut read).rows, shown);
    }
}

/// Checks that one change to the small instance is damage of one kind.
fn assert_damage(code: Code, change: impl Fn(&mut Instance)) {
    let mut instance = small();
    instance.roles.0.push(("r".into(), role("r")));
    change(&mut instance);
    let bytes = encode_instance(Family::V2_3, &instance);
    let damage = damage(&bytes, Some(Family::V2_3));
    assert_eq!(damage.code, code, "{damage}");
}

fn role(name: &str) -> support::model::Role {
    support::model::Role {
        name: name.into(),
        is_superuser: false,
        can_create_db: false,
        can_create_role: false,
        members: vec![],
        member_of: vec![],
    }
}

#[test]
fn a_key_that_differs_from_the_name_inside_is_an_error_in_every_map() {
    let changes: [fn(&mut Instance); 6] = [
        |i| i.databases[0].0.push('x'),
        |i| i.databases[0].1.tables[0].0.push('x'),
        |i| i.databases[0].1.table_metadata.0[0].0.push('x'),
        |i| i.database_metadata[0].0.push('x'),
        |i| i.users[0].0.push('x'),
        |i| i.roles.0[0].0.push('x'),
    ];
    changes
        .into_iter()
        .for_each(|change| assert_damage(Code::NameMismatch, change));
}

#[test]
fn a_name_twice_is_an_error_in_every_map() {
    fn twice<T: Clone>(map: &mut Vec<T>) {
        map.push(map[0].clone());
    }
    let changes: [fn(&mut Instance); 8] = [
        |i| twice(&mut i.databases),
        |i| twice(&mut i.databases[0].1.tables),
        |i| twice(&mut i.databases[0].1.enums),
        |i| twice(&mut i.databases[0].1.views.0),
        |i| twice(&mut i.databases[0].1.table_metadata.0),
        |i| twice(&mut i.database_metadata),
        |i| twice(&mut i.users),
        |i| twice(&mut i.roles.0),
    ];
    changes
        .into_iter()
        .for_each(|change| assert_damage(Code::DuplicateName, change));
}

#[test]
fn the_same_table_name_in_two_databases_is_fine() {
    let mut instance = small();
    let mut second: Database = instance.databases[0].1.clone();
    second.name = "second".into();
    second.views = Since(vec![]);
    instance.databases.push(("second".into(), second));
    let path = write(&encode_instance(FAMILY, &instance));
    assert_eq!(scan(&path, None).unwrap().catalog.table_count(), 2);
}
