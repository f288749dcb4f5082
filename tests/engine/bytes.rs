//! The bytes themselves, by the offsets of the format page and a checksum of
//! its own.

use std::fs;

use rustdb_migrate::model::Value;

use crate::sample::{Rows, catalog, database, full, origin, row, table, write};

/// CRC-32 bit by bit, as the format page defines it.
pub fn crc(parts: &[&[u8]]) -> u32 {
    let mut crc = u32::MAX;
    for byte in parts.iter().flat_map(|part| part.iter()) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    !crc
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// What a block or trailer at `offset` is checksummed with beside its bytes.
pub fn seed(database: u32, table: u32, offset: usize) -> Vec<u8> {
    let mut seed = origin().cluster_id.to_le_bytes().to_vec();
    seed.extend(database.to_le_bytes());
    seed.extend(table.to_le_bytes());
    seed.extend((offset as u64).to_le_bytes());
    seed
}

/// The checksum of a page: of all bytes but its own.
pub fn page_crc(seed: &[u8], page: &[u8]) -> u32 {
    crc(&[seed, &page[..12], &page[16..]])
}

pub struct Block {
    pub offset: usize,
    pub payload_len: u32,
    pub rows: u32,
    pub first_row: u64,
}

/// The blocks of a table's file, each checked.
pub fn blocks_of(bytes: &[u8], database: u32, table: u32) -> Vec<Block> {
    let (mut at, mut blocks) = (48, Vec::new());
    while at < bytes.len() - 48 {
        assert_eq!(&bytes[at..at + 4], b"RBLK");
        let payload_len = u32_at(bytes, at + 4);
        let end = at + 24 + payload_len as usize;
        let parts = [
            &seed(database, table, at),
            &bytes[at..at + 20],
            &bytes[at + 24..end],
        ];
        assert_eq!(u32_at(bytes, at + 20), crc(&parts));
        blocks.push(Block {
            offset: at,
            payload_len,
            rows: u32_at(bytes, at + 8),
            first_row: u64_at(bytes, at + 12),
        });
        at = end;
    }
    assert_eq!(at, bytes.len() - 48);
    blocks
}

#[test]
fn the_test_checksum_is_the_standard_one() {
    assert_eq!(crc(&[b"1234", b"56789"]), 0xcbf4_3926);
}

#[test]
fn control_file() {
    let (catalog, rows) = full();
    let dir = write(&catalog, &rows);
    let bytes = fs::read(dir.path().join("control")).unwrap();
    assert_eq!(bytes.len(), 8192);
    for (slot, generation) in [(0, 2), (1, 1)] {
        let slot = &bytes[slot * 4096..][..4096];
        assert_eq!(&slot[..8], b"RDBXCTRL");
        assert_eq!(u32_at(slot, 8), 1);
        assert_eq!(&slot[12..28], origin().cluster_id.to_le_bytes());
        assert_eq!(u64_at(slot, 28), generation);
        assert_eq!(u64_at(slot, 36), 0);
        assert_eq!(slot[44], 2);
        assert_eq!(&slot[45..49], b"\x032.3");
        assert!(slot[49..4092].iter().all(|byte| *byte == 0));
        assert_eq!(u32_at(slot, 4092), crc(&[&slot[..4092]]));
    }
}

#[test]
fn sealed_files() {
    let (catalog, rows) = full();
    let dir = write(&catalog, &rows);
    let cases = [
        ("global.db", 1, u32::MAX),
        ("db_shop/metadata.db", 2, 0),
        ("db_%53hop/metadata.db", 2, 1),
    ];
    for (name, kind, database) in cases {
        let bytes = fs::read(dir.path().join(name)).unwrap();
        assert_eq!(&bytes[..8], b"RDBXSEAL");
        assert_eq!(u32_at(&bytes, 8), 1);
        assert_eq!(u32_at(&bytes, 12), kind);
        assert_eq!(&bytes[16..32], origin().cluster_id.to_le_bytes());
        assert_eq!(u32_at(&bytes, 32), database);
        let len = usize::try_from(u64_at(&bytes, 36)).unwrap();
        assert_eq!(bytes.len(), 44 + len + 4);
        assert_eq!(u32_at(&bytes, 44 + len), crc(&[&bytes[..44 + len]]));
        let document: serde_json::Value = serde_json::from_slice(&bytes[44..44 + len]).unwrap();
        let name = &document["databases"][0]["name"];
        assert_eq!(name == "shop", kind == 1);
        let table = &document["tables"][0];
        assert_eq!(table["id"] == 0, kind == 2);
    }
}

#[test]
fn documents_are_those_of_the_format_page() {
    let mut small = table("t", 1);
    small.sequences = vec![("c0".into(), 7)];
    let catalog = catalog(vec![database("d", vec![small])]);
    let dir = write(&catalog, &Rows(vec![vec![vec![row(vec![Value::Null])]]]));
    let document = |name: &str| {
        let bytes = fs::read(dir.path().join(name)).unwrap();
        String::from_utf8(bytes[44..bytes.len() - 4].to_vec()).unwrap()
    };
    assert_eq!(
        document("global.db"),
        r#"{"form":"instance","databases":[{"id":0,"name":"d"}],"grants":[],"users":[],"roles":[]}"#
    );
    assert_eq!(
        document("db_d/metadata.db"),
        concat!(
            r#"{"name":"d","tables":[{"id":0,"schema":"#,
            r#"{"name":"t","columns":[{"name":"c0","data_type":"text","nullable":true,"#,
            r#""primary_key":true,"unique":false,"foreign_key":null}],"#,
            r#""sequences":[["c0",7]],"owner":null}}],"enums":[],"views":[],"table_grants":[]}"#
        )
    );
}

#[test]
fn the_descriptor_of_a_table_stands_twice() {
    let mut small = table("t", 1);
    small.sequences = vec![("c0".into(), 7)];
    let catalog = catalog(vec![database("d", vec![small])]);
    let dir = write(&catalog, &Rows(vec![vec![vec![row(vec![Value::Null])]]]));
    let bytes = fs::read(dir.path().join("db_d/t.table")).unwrap();
    assert_eq!(bytes.len(), 8192);
    assert_eq!(bytes[..4096], bytes[4096..]);
    assert_eq!(&bytes[..8], b"RDBXSEAL");
    assert_eq!((u32_at(&bytes, 8), u32_at(&bytes, 12)), (1, 3));
    assert_eq!(&bytes[16..32], origin().cluster_id.to_le_bytes());
    assert_eq!(u32_at(&bytes, 32), 0);
    let end = 44 + usize::try_from(u64_at(&bytes, 36)).unwrap();
    assert_eq!(u32_at(&bytes, end), crc(&[&bytes[..end]]));
    assert!(bytes[end + 4..4096].iter().all(|byte| *byte == 0));
    assert_eq!(
        String::from_utf8(bytes[44..end].to_vec()).unwrap(),
        concat!(
            r#"{"database":"d","id":0,"layout":2,"pages_per_file":0,"family":"2.3","checkpoint":0,"#,
            r#""counts":{"rows":1,"live":1,"data_len":0,"ends":0},"schema":"#,
            r#"{"name":"t","columns":[{"name":"c0","data_type":"text","nullable":true,"#,
            r#""primary_key":true,"unique":false,"foreign_key":null}],"#,
            r#""sequences":[["c0",7]],"owner":null}}"#
        )
    );
}

#[test]
fn table_file() {
    let values = (0..20_000).map(|n| row(vec![Value::Integer(2_000_000 + n)]));
    let mut rows: Vec<_> = values.collect();
    rows[7].xmax = Some(3);
    let tables = vec![table("a", 1), table("b", 1)];
    let catalog = catalog(vec![database("x", vec![]), database("d", tables)]);
    let dir = write(&catalog, &Rows(vec![vec![], vec![vec![], rows]]));
    let bytes = fs::read(dir.path().join("db_d/b.db")).unwrap();
    assert_eq!(&bytes[..8], b"RDBXTABL");
    assert_eq!(u32_at(&bytes, 8), 1);
    assert_eq!(&bytes[12..28], origin().cluster_id.to_le_bytes());
    assert_eq!((u32_at(&bytes, 28), u32_at(&bytes, 32)), (1, 1));
    assert_eq!(u64_at(&bytes, 36), 0);
    assert_eq!(u32_at(&bytes, 44), crc(&[&bytes[..44]]));

    let blocks = blocks_of(&bytes, 1, 1);
    assert!(blocks.len() > 2, "{} blocks", blocks.len());
    let (mut next, mut chain) = (0, Vec::new());
    for block in &blocks {
        assert_eq!(block.first_row, next);
        next += u64::from(block.rows);
        chain.extend(&bytes[block.offset + 20..][..4]);
    }
    assert_eq!(next, 20_000);

    let trailer = &bytes[bytes.len() - 48..];
    assert_eq!(&trailer[..8], b"RDBXTEND");
    let numbers = [8, 16, 24, 32].map(|at| u64_at(trailer, at));
    assert_eq!(numbers, [20_000, 19_999, 1, blocks.len() as u64]);
    assert_eq!(u32_at(trailer, 40), crc(&[&chain]));
    let parts = [&seed(1, 1, bytes.len() - 48), &trailer[..44]];
    assert_eq!(u32_at(trailer, 44), crc(&parts));
}
