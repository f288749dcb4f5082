//! Fixtures whose files were damaged, or do not hold what they should.

use super::builder::{Fixture, many_segments, newest, of, record_offsets, records};
use super::content::{START, customer, customers, event, events, fresh, fresh_instance, populated};
use super::model::Family;
use super::server::Server;
use super::truth::Class;

const FAMILY: Family = Family::V1_4;

pub fn all() -> Vec<Fixture> {
    vec![
        truncated_snapshot(),
        trailing_bytes(),
        wal_damaged_middle(),
        wal_only(),
        sequence_gap(),
        reinitialised(),
        page_storage(),
    ]
}

/// A server with a tail of five rows in one table.
fn with_tail() -> Server {
    let mut server = populated(FAMILY);
    for id in 8..13 {
        server.insert("shop", "customers", vec![customer(id, "Tail")]);
    }
    server
}

fn truncated_snapshot() -> Fixture {
    let note = "Killed while the snapshot was rewritten in place: it ends inside a row of `shop`.";
    let name = "truncated_snapshot";
    let mut fixture = of(name, note, FAMILY, Class::Damaged, &with_tail());
    let snapshot = fixture.files.get_mut("server_instance.db").unwrap();
    let cut = snapshot.windows(3).position(|w| w == b"Rob").unwrap();
    snapshot.truncate(cut);
    fixture
}

fn trailing_bytes() -> Fixture {
    let note = "Seven bytes stand after the last value of the snapshot.";
    let name = "trailing_bytes";
    let mut fixture = of(name, note, FAMILY, Class::Damaged, &with_tail());
    let snapshot = fixture.files.get_mut("server_instance.db").unwrap();
    snapshot.extend([0; 7]);
    fixture
}

fn wal_damaged_middle() -> Fixture {
    let note = "One byte of a record's operation tag is flipped; four records stand beyond.";
    let name = "wal_damaged_middle";
    let mut fixture = of(name, note, FAMILY, Class::Damaged, &with_tail());
    let segment = newest(&mut fixture.files);
    let at = record_offsets(segment)[1];
    // Behind the length, the sequence and the timestamp.
    segment[at + 4 + 16] ^= 0x80;
    fixture.truth.wal = ("damaged-middle", 5);
    fixture
}

fn wal_only() -> Fixture {
    let mut server = fresh(FAMILY);
    server.create_table("postgres", customers());
    server.insert(
        "postgres",
        "customers",
        vec![customer(1, "Ada"), customer(2, "Bo")],
    );
    let note = "The database file is gone, its WAL is there.";
    let mut fixture = of("wal_only", note, FAMILY, Class::Damaged, &server);
    fixture.files.remove("server_instance.db");
    // Families 1.4 and 1.10 log the same bytes.
    fixture.truth.family = None;
    fixture
}

fn sequence_gap() -> Fixture {
    let note = "A segment in the middle of the log was not copied.";
    let name = "sequence_gap";
    let mut fixture = of(name, note, FAMILY, Class::Damaged, &many_segments());
    let second = fixture
        .files
        .keys()
        .filter(|path| path.starts_with("wal/"))
        .nth(1);
    let second = second.unwrap().clone();
    fixture.files.remove(&second);
    fixture.truth.wal = ("gap", records(&fixture.files));
    fixture
}

fn reinitialised() -> Fixture {
    let mut server = fresh(FAMILY);
    server.create_table("postgres", customers());
    server.insert(
        "postgres",
        "customers",
        vec![customer(1, "Ada"), customer(2, "Bo")],
    );
    server.update("postgres", "customers", vec![(1, customer(2, "Bob"))]);
    let note = "The server could not load a torn WAL and wrote an empty instance over everything.";
    let name = "reinitialised";
    let mut fixture = of(name, note, FAMILY, Class::Salvage, &server);
    server.insert("postgres", "customers", vec![customer(3, "Cy")]);
    let mut files = server.killed();
    let segment = newest(&mut files);
    segment.truncate(segment.len() - 3);
    let successor = Server::start(FAMILY, START + 3600, fresh_instance());
    files.extend(successor.killed());
    fixture.truth.wal = ("damaged-middle", fixture.truth.wal.1 + 1);
    fixture.truth.tail.clear();
    fixture.files = files;
    fixture
}

fn page_storage() -> Fixture {
    let family = Family::V2_3;
    let mut server = fresh(family);
    server.page_storage = true;
    server.create_database("shop");
    server.create_table("postgres", events());
    server.create_table("shop", customers());
    // Both statements are before the last checkpoint, one row is after it.
    (1..99).for_each(|id| server.insert("postgres", "events", vec![event(id)]));
    server.insert(
        "shop",
        "customers",
        vec![customer(1, "Ada"), customer(2, "Bo")],
    );
    server.insert("shop", "customers", vec![customer(3, "Cy")]);
    let note = "Rows were kept in pages: the snapshot has none, only the WAL's Inserts hold them.";
    let mut fixture = of("page_storage", note, family, Class::Salvage, &server);
    assert_eq!(fixture.truth.tail.len(), 1);
    fixture.truth.tail.clear();
    fixture
}
