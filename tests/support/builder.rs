//! The fixtures: what each directory holds and what a perfect tool makes of it.

use super::content::{
    START, column, customer, customers, event, events, fresh, fresh_instance, hard_values, int,
    key, loaded, order, orders, populated, references, table, text,
};
use super::model::{DataType, Family, Table, Value, encode_database};
use super::server::{Files, Server};
use super::truth::{Class, Truth};
use super::{damaged, hostile};

/// One directory below `fixtures/`.
pub struct Fixture {
    pub name: &'static str,
    /// Files below its `data/`.
    pub files: Files,
    pub truth: Truth,
}

/// Every fixture, in name order.
pub fn all() -> Vec<Fixture> {
    let mut all = vec![
        family("family_1_3", Family::V1_3),
        family("family_1_4", Family::V1_4),
        family("family_1_10", Family::V1_10),
        family("family_2_3", Family::V2_3),
        fresh_directory(),
        clean_marker(),
        unmarked_checkpoint(),
        snapshot_only(),
        torn_tail(),
        segments(),
        single_database(),
        single_databases(),
        failed_statements(),
        ddl_tail(),
        twins(),
    ];
    all.extend(hostile::all());
    all.extend(damaged::all());
    all.sort_by_key(|fixture| fixture.name);
    all
}

/// A fixture of what `server` left when it was killed.
pub fn of(
    name: &'static str,
    note: &'static str,
    family: Family,
    class: Class,
    server: &Server,
) -> Fixture {
    let files = server.killed();
    let mut truth = Truth::new(note, family, class);
    truth.databases.clone_from(&server.instance.databases);
    truth.tail.clone_from(&server.tail);
    truth.no_effect.clone_from(&server.no_effect);
    truth.wal = ("clean", records(&files));
    Fixture { name, files, truth }
}

/// Records in all segments, by their lengths.
pub fn records(files: &Files) -> usize {
    let segments = files.iter().filter(|(path, _)| path.starts_with("wal/"));
    segments.map(|(_, bytes)| record_offsets(bytes).len()).sum()
}

/// Where the records of a segment start; the last may be cut short.
pub fn record_offsets(segment: &[u8]) -> Vec<usize> {
    let mut offsets = Vec::new();
    let mut at = 0;
    while let Some(len) = segment.get(at..at + 4) {
        let len = u32::from_le_bytes(len.try_into().unwrap());
        let next = at + 4 + usize::try_from(len).unwrap();
        if next > segment.len() {
            break;
        }
        offsets.push(at);
        at = next;
    }
    offsets
}

/// The newest segment.
pub fn newest(files: &mut Files) -> &mut Vec<u8> {
    files.range_mut("wal/".to_string()..).next_back().unwrap().1
}

fn family(name: &'static str, family: Family) -> Fixture {
    let mut server = populated(family);
    let s = &mut server;
    s.insert(
        "postgres",
        "every_value",
        vec![hard_values(1), hard_values(0)],
    );
    s.insert("shop", "customers", vec![customer(8, "Di")]);
    // Only `shop` has the table that the foreign key points at.
    let lines = vec![
        key("id", DataType::Serial),
        references("order_id", "orders", "id"),
    ];
    s.create_table("shop", table("order_lines", lines));
    s.insert("shop", "orders", vec![order(3, 8, "99999999.99")]);
    s.insert("shop", "order_lines", vec![vec![int(1), int(3)]]);
    if family <= Family::V1_4 {
        s.empty_transaction();
        s.update("shop", "customers", vec![(0, customer(1, "Ada L."))]);
        s.update("postgres", "every_value", vec![(2, hard_values(4))]);
        s.delete("shop", "orders", &[0]);
    }
    let note = "Three databases, every value, dead versions, a tail on each database.";
    of(name, note, family, Class::Decidable, s)
}

fn fresh_directory() -> Fixture {
    let mut fixture = of(
        "fresh",
        "A directory as a server initialises it: families 1.3 and 1.4 have the same bytes.",
        Family::V1_4,
        Class::Decidable,
        &fresh(Family::V1_4),
    );
    fixture.truth.family = None;
    fixture
}

/// 100 records: one CREATE TABLE and 99 rows.
fn hundred_records(mut server: Server) -> Server {
    server.create_table("postgres", events());
    (1..100).for_each(|id| server.insert("postgres", "events", vec![event(id)]));
    server
}

fn clean_marker() -> Fixture {
    let server = hundred_records(fresh(Family::V1_4));
    assert!(server.tail.is_empty());
    let note = "Killed right after a checkpoint: the log ends with its record, no tail.";
    of(
        "clean_marker",
        note,
        Family::V1_4,
        Class::Decidable,
        &server,
    )
}

fn unmarked_checkpoint() -> Fixture {
    let mut server = fresh(Family::V1_4);
    server.dies_in_checkpoint = true;
    let server = hundred_records(server);
    assert!(server.tail.is_empty());
    let note = "Killed between snapshot and Checkpoint record: the tail is in the snapshot.";
    let name = "unmarked_checkpoint";
    of(name, note, Family::V1_4, Class::Decidable, &server)
}

fn snapshot_only() -> Fixture {
    let server = populated(Family::V1_4);
    let note = "A snapshot without a WAL directory.";
    let mut fixture = of(
        "snapshot_only",
        note,
        Family::V1_4,
        Class::Decidable,
        &server,
    );
    fixture.files.retain(|path, _| !path.starts_with("wal/"));
    fixture.truth.wal = ("clean", 0);
    fixture
}

fn torn_tail() -> Fixture {
    let mut server = populated(Family::V1_4);
    server.insert(
        "shop",
        "customers",
        vec![customer(8, "Di"), customer(9, "Ed")],
    );
    let note = "Killed while appending: the last record is cut short and its row is lost.";
    let mut fixture = of("torn_tail", note, Family::V1_4, Class::Decidable, &server);
    server.insert("shop", "customers", vec![customer(10, "Flo")]);
    fixture.files = server.killed();
    let segment = newest(&mut fixture.files);
    segment.truncate(segment.len() - 5);
    fixture.truth.wal.0 = "torn-tail";
    fixture
}

/// A server whose log has several segments and whose tail begins in an older
/// one.
pub fn many_segments() -> Server {
    let mut server = populated(Family::V1_4);
    server.segment_limit = 400;
    for id in 8..24 {
        server.insert("shop", "customers", vec![customer(id, "Many")]);
    }
    server
}

fn segments() -> Fixture {
    let note = "The tail lies in several segments, the newest still empty or short.";
    of(
        "segments",
        note,
        Family::V1_4,
        Class::Decidable,
        &many_segments(),
    )
}

fn single_database() -> Fixture {
    let mut server = fresh(Family::V1_3);
    server.create_table("postgres", customers());
    server.insert(
        "postgres",
        "customers",
        vec![customer(1, "Ada"), customer(2, "Bo")],
    );
    let mut server = loaded(Family::V1_3, server);
    let main = encode_database(Family::V1_3, server.database("postgres"));
    server.update("postgres", "customers", vec![(0, customer(1, "Ada L."))]);
    server.insert("postgres", "customers", vec![customer(3, "Cy")]);
    let note = "The older form: one database a file, here main.db with a WAL.";
    let mut fixture = of(
        "single_database",
        note,
        Family::V1_3,
        Class::Decidable,
        &server,
    );
    fixture.files.remove("server_instance.db");
    fixture.files.insert("main.db".into(), main);
    fixture
}

fn single_databases() -> Fixture {
    let family = Family::V1_3;
    let mut server = fresh(family);
    server.create_database("archive");
    server.create_table("postgres", customers());
    server.insert("postgres", "customers", vec![customer(1, "Ada")]);
    let server = loaded(family, server);
    let note =
        "The older form in two files; the first has no table, so only the second tells the family.";
    let mut fixture = of("single_databases", note, family, Class::Decidable, &server);
    fixture.files.clear();
    for ((_, database), path) in server
        .instance
        .databases
        .iter()
        .zip(["main.db", "archive.db"])
    {
        fixture
            .files
            .insert(path.into(), encode_database(family, database));
    }
    fixture.truth.databases.reverse();
    fixture.truth.wal = ("clean", 0);
    fixture
}

fn failed_statements() -> Fixture {
    let mut server = fresh(Family::V1_4);
    server.create_table("postgres", customers());
    server.insert("postgres", "customers", vec![customer(1, "Ada")]);
    let mut server = loaded(Family::V1_4, server);
    let s = &mut server;
    // The table exists, the table does not, the row has a value too few.
    s.create_table("postgres", customers());
    s.drop_table("postgres", "nowhere");
    s.insert("postgres", "customers", vec![vec![int(2), text("short")]]);
    s.insert("postgres", "customers", vec![customer(2, "Bo")]);
    let note = "Statements that failed after they were logged have no effect.";
    let name = "failed_statements";
    of(name, note, Family::V1_4, Class::Decidable, s)
}

fn ddl_tail() -> Fixture {
    let mut server = fresh(Family::V1_4);
    server.create_table("postgres", customers());
    server.insert(
        "postgres",
        "customers",
        vec![customer(1, "Ada"), customer(2, "Bo")],
    );
    server.update("postgres", "customers", vec![(1, customer(2, "Bob"))]);
    let mut server = loaded(Family::V1_4, server);
    let s = &mut server;
    s.add_column("postgres", "customers", column("age", DataType::Integer));
    s.insert(
        "postgres",
        "customers",
        vec![[customer(3, "Cy"), vec![int(33)]].concat()],
    );
    s.drop_column("postgres", "customers", "mail");
    s.rename_column("postgres", "customers", "name", "full_name");
    s.rename_table("postgres", "customers", "people");
    s.insert(
        "postgres",
        "people",
        vec![vec![int(4), text("Di"), Value::SmallInt(4)]],
    );
    s.create_table("postgres", events());
    s.insert("postgres", "events", vec![event(1)]);
    s.drop_table("postgres", "events");
    s.create_table("postgres", events());
    s.insert("postgres", "events", vec![event(1), event(2)]);
    s.delete("postgres", "events", &[0]);
    // The free name is taken again by another table.
    s.create_table("postgres", orders_alone("customers"));
    let note = "Columns added, dropped and renamed, a table renamed, one dropped and made again.";
    of("ddl_tail", note, Family::V1_4, Class::Decidable, s)
}

fn orders_alone(name: &str) -> Table {
    let mut table = orders();
    table.name = name.into();
    table.columns[1].foreign_key = None;
    table
}

fn twins() -> Fixture {
    let mut instance = fresh_instance();
    instance.databases.clear();
    let mut server = Server::start(Family::V1_4, START, instance);
    for name in ["left", "right"] {
        server.create_database(name);
        server.create_table(name, table("notes", vec![column("body", DataType::Text)]));
        server.insert(name, "notes", vec![vec![text("one")]]);
    }
    let mut server = loaded(Family::V1_4, server);
    for name in ["left", "right", "right"] {
        server.insert(name, "notes", vec![vec![text("two")]]);
    }
    let note = "Two databases with the same table and rows; nothing says whose the tail is.";
    of("twins", note, Family::V1_4, Class::Undecidable, &server)
}
