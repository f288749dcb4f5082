//! What is claimed of a record, boundary by boundary: histories of a few
//! statements whose truth, and whose doubt, is plain.

use crate::histories;
use std::collections::BTreeSet;

use crate::histories::bytes::{Column, DataType, Value};
use crate::histories::server::{Release, Server};
use crate::histories::solve;
use rustdb_migrate::finding::Code;
use rustdb_migrate::legacy::{Family, LegacyDir};
use rustdb_migrate::recovery::attribution::{
    Attribution, Confidence, Missing, attribute_with_missing,
};
use rustdb_migrate::recovery::{Decisions, OnAmbiguous, Recovery, Request, RunMap, find_cut};
use rustdb_migrate::report::Report;

fn column(name: &str, data_type: DataType, primary_key: bool) -> Column {
    Column {
        name: name.to_owned(),
        data_type,
        primary_key,
        unique: false,
        foreign_key: None,
    }
}

fn people() -> Vec<Column> {
    vec![
        column("id", DataType::Serial, true),
        column("name", DataType::Text, false),
    ]
}

fn keyed() -> Vec<Column> {
    vec![
        column("k", DataType::Integer, true),
        column("v", DataType::Text, false),
    ]
}

fn text(text: &str) -> Option<Value> {
    Some(Value::Text(text.to_owned()))
}

/// A row of [`people`], its number drawn.
fn person(server: &mut Server, database: &str, table: &str, name: &str) {
    assert!(server.insert(database, table, &[vec![None, text(name)]]));
}

fn number(server: &mut Server, database: &str, n: i64) {
    let row = vec![Some(Value::literal(n)), text("v")];
    assert!(server.insert(database, "acc", &[row]));
}

fn read(server: &Server, dir: &std::path::Path) -> LegacyDir {
    histories::write(server, dir);
    LegacyDir::read(dir, Some(Family::V1_4)).unwrap()
}

fn recover(server: &Server, assign: &[&str]) -> Recovery {
    let dir = tempfile::tempdir().unwrap();
    let mut request = Request::default();
    for decision in assign {
        request.decisions.assign(decision).unwrap();
    }
    Recovery::plan(&read(server, dir.path()), &request).unwrap()
}

/// Key 41000 stands in `postgres` twice: before the start in transaction 2,
/// and after it, when the server counted from 1 and did not see the first.
fn reentered(restarted: bool) -> Server {
    let mut server = Server::new(Release::V1_4, &["postgres", "east"]);
    for database in ["postgres", "east"] {
        server.create(database, "acc", keyed());
    }
    if restarted {
        server.xid = 2;
    }
    number(&mut server, "postgres", 7);
    number(&mut server, "postgres", 41_000);
    number(&mut server, "east", 42_000);
    server.checkpoint();
    server.xid = 1;
    let owner = if restarted { "postgres" } else { "east" };
    number(&mut server, owner, 41_000);
    // Of a release that logs what is deleted, keys that stand prove something.
    let deleted = server.delete("postgres", "acc", &|row| row[0].number() == Some(7));
    assert_eq!(deleted, 1);
    server
}

#[test]
fn a_key_in_a_row_that_the_run_cannot_see_proves_nothing() {
    let server = reentered(true);
    let claims = solve(&server);
    assert_ne!(claims[0].attributed.database.as_deref(), Some("east"));
    let mut candidates = claims[0].attributed.candidates.iter();
    let postgres = candidates.find(|c| c.database.as_deref() == Some("postgres"));
    assert_eq!(postgres.unwrap().ruled_out, None);
}

#[test]
fn a_key_in_a_row_that_the_run_sees_speaks_against_its_database() {
    let claims = solve(&reentered(false));
    assert_eq!(claims[0].attributed.confidence, Confidence::Certain);
    assert_eq!(claims[0].attributed.database.as_deref(), Some("east"));
}

#[test]
fn a_key_that_stands_proves_nothing_of_a_release_that_takes_it_again() {
    let mut server = Server::new(Release::V1_3, &["postgres", "b"]);
    for (database, n) in [("postgres", 1), ("b", 2)] {
        server.create(database, "acc", keyed());
        number(&mut server, database, n);
    }
    server.checkpoint();
    number(&mut server, "postgres", 1);
    let claims = solve(&server);
    assert_ne!(claims[0].attributed.confidence, Confidence::Certain);
    let mut open = claims[0].attributed.candidates.iter();
    let own = open.find(|c| c.database.as_deref() == Some("postgres"));
    assert_eq!(own.unwrap().ruled_out, None);
}

/// An INSERT of too many values at the end; whether the server kept its row.
fn wide(release: Release, databases: &[&str]) -> (Server, bool) {
    let mut server = Server::new(release, databases);
    for database in databases {
        server.create(database, "acc", keyed());
    }
    server.checkpoint();
    number(&mut server, databases[0], 1);
    let wide = vec![Some(Value::literal(2)), text("shown"), text("more")];
    let kept = server.insert(databases[0], "acc", &[wide]);
    (server, kept)
}

#[test]
fn a_row_of_too_many_values_is_kept_where_the_server_can_have_kept_it_and_told() {
    for (release, family) in [(Release::V1_5, Family::V1_4), (Release::V1_3, Family::V1_3)] {
        let (server, kept) = wide(release, &["postgres"]);
        assert_eq!(kept, release == Release::V1_5);
        let dir = tempfile::tempdir().unwrap();
        histories::write(&server, dir.path());
        let legacy = LegacyDir::read(dir.path(), Some(family)).unwrap();
        // Releases 1.4 and 1.5 write the same: which it was is to be said.
        let asked = Recovery::plan(&legacy, &Request::default()).unwrap();
        assert_eq!(asked.set_aside.len(), usize::from(kept));
        assert_eq!(asked.report.has_errors(), kept);
        let request = Request {
            on_ambiguous: OnAmbiguous::Best,
            ..Request::default()
        };
        let recovery = Recovery::plan(&legacy, &request).unwrap();
        let rows = recovery
            .overlay
            .table(0, "acc")
            .unwrap()
            .state()
            .row_count();
        assert_eq!(
            rows,
            server.kept()[&("postgres".into(), "acc".into())].len() as u64
        );
        let mut found = recovery.report.findings().iter();
        let told = found.any(|f| f.code == Code::ExtraValues && f.table.as_deref() == Some("acc"));
        assert_eq!(told, kept);
    }
}

#[test]
fn a_row_of_too_many_values_is_no_failed_statement_of_whichever_database() {
    let (server, kept) = wide(Release::V1_5, &["east", "lab"]);
    assert!(kept);
    let recovery = recover(&server, &[]);
    assert!(!recovery.report.has(Code::FailedStatement));
    assert_eq!(recovery.set_aside.len(), recovery.attribution.tail.len());
}

#[test]
fn a_number_of_another_scale_is_the_key_that_it_equals() {
    let numeric = |text: &str| Some(Value::Numeric(text.to_owned()));
    let data_type = DataType::Numeric {
        precision: 10,
        scale: 2,
    };
    let mut server = Server::new(Release::V1_3, &["postgres", "b"]);
    for (database, key) in [("postgres", "1.5"), ("b", "1.50")] {
        server.create(database, "items", vec![column("k", data_type, true)]);
        let mut refers = column("k", data_type, false);
        refers.foreign_key = Some(("items".to_owned(), "k".to_owned()));
        server.create(database, "ref", vec![refers]);
        assert!(server.insert(database, "items", &[vec![numeric(key)]]));
    }
    server.checkpoint();
    assert!(server.insert("postgres", "ref", &[vec![numeric("1.50")]]));
    let claims = solve(&server);
    assert_ne!(claims[0].attributed.confidence, Confidence::Certain);
}

#[test]
fn databases_that_nothing_tells_apart_share_evenly() {
    let names: Vec<String> = (0..40).map(|n| format!("d{n:02}")).collect();
    let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut server = Server::new(Release::V1_4, &borrowed);
    for name in &names {
        server.create(name, "users", people());
        person(&mut server, name, "users", "elm");
    }
    server.checkpoint();
    for at in [3, 17, 3, 3, 29, 17] {
        person(&mut server, &names[at], "users", "ash");
    }
    for claim in solve(&server) {
        assert_eq!(claim.attributed.confidence, Confidence::Ambiguous);
        let weights = claim.attributed.candidates.iter().map(|c| c.weight);
        assert!(
            weights
                .into_iter()
                .all(|weight| (weight - 0.025).abs() < 1e-9)
        );
        let all: BTreeSet<&str> = claim.attributed.possible().collect();
        assert_eq!(all.len(), 40);
    }
}

/// One database is named, and `late`, if it is made, is not; both make the
/// same table and fill it.
fn made_since(with_late: bool) -> Server {
    let mut server = Server::new(Release::V1_4, &["postgres"]);
    server.checkpoint();
    if with_late {
        server.create_database("late");
    }
    let owners = ["postgres", "late"];
    let owners = &owners[..1 + usize::from(with_late)];
    for owner in owners {
        server.create(owner, "items", people());
    }
    for name in ["ash", "elm", "fir"] {
        owners
            .iter()
            .for_each(|owner| person(&mut server, owner, "items", name));
    }
    server
}

#[test]
fn a_table_made_since_is_assumed_to_be_the_only_databases_and_that_is_told() {
    let recovery = recover(&made_since(false), &[]);
    let mut tail = recovery.attribution.tail.iter();
    assert!(tail.all(|a| a.confidence == Confidence::Probable));
    let mut found = recovery.report.findings().iter();
    let told =
        found.any(|f| f.code == Code::AssumedDatabase && f.table.as_deref() == Some("items"));
    assert!(told && recovery.set_aside.is_empty());
}

#[test]
fn a_name_made_twice_is_not_taken_for_a_failed_statement() {
    let recovery = recover(&made_since(true), &[]);
    let mut tail = recovery.attribution.tail.iter();
    assert!(tail.all(|a| a.database.is_none() && a.no_effect.is_none()));
    assert_eq!(recovery.set_aside.len(), recovery.attribution.tail.len());
    assert!(!recovery.report.has(Code::AssumedDatabase));
    assert!(!recovery.report.has(Code::FailedStatement));
}

#[test]
fn a_table_made_since_beside_several_databases_is_not_placed() {
    let mut server = Server::new(Release::V1_4, &["postgres", "shop", "blog"]);
    server.create("postgres", "users", people());
    for _ in 0..50 {
        person(&mut server, "postgres", "users", "ash");
    }
    server.checkpoint();
    server.create("blog", "orders", people());
    for _ in 0..30 {
        person(&mut server, "blog", "orders", "elm");
        person(&mut server, "postgres", "users", "fir");
    }
    for claim in solve(&server) {
        let claimed = claim.attributed.database.as_deref();
        let expected = (claim.truth == "postgres").then_some("postgres");
        assert_eq!(claimed, expected, "record {}", claim.sequence);
    }
}

/// `a` and `b` have a table of one column, `c` one of two.
#[test]
fn a_decision_for_a_table_takes_nothing_from_a_database_that_facts_name() {
    let mut server = Server::new(Release::V1_4, &["a", "b", "c"]);
    let one = || vec![column("k", DataType::Text, false)];
    let two = || [one(), vec![column("w", DataType::Text, false)]].concat();
    for (database, columns) in [("a", one()), ("b", one()), ("c", two())] {
        server.create(database, "t", columns);
    }
    server.create("b", "own", one());
    server.insert("b", "own", &[vec![text("x")]]);
    server.checkpoint();
    // As no release writes that keeps rows of too many values.
    server.delete("b", "own", &|_| true);
    server.insert("b", "t", &[vec![text("which?")]]);
    server.insert("c", "t", &[vec![text("of c"), text("x")]]);
    let recovery = recover(&server, &["t=b"]);
    let tail = recovery.attribution.tail.iter();
    let owners: Vec<_> = tail.map(|a| a.database.as_deref()).collect();
    assert_eq!(owners, [Some("b"), Some("b"), Some("c")]);
    assert!(recovery.set_aside.is_empty());
}

#[test]
fn a_decision_for_a_table_that_leaves_a_record_no_database_is_refused() {
    let mut server = Server::new(Release::V1_4, &["a", "b"]);
    for (database, rows) in [("a", 3), ("b", 5)] {
        server.create(database, "t", people());
        (0..rows).for_each(|n| person(&mut server, database, "t", &format!("{database}{n}")));
    }
    server.checkpoint();
    // Of the two rows one at least is of `b`: the row updated is its sixth.
    let row = |n: i64, name: &str| vec![Some(Value::literal(n)), text(name)];
    server.insert("b", "t", &[row(900, "first")]);
    server.insert("a", "t", &[row(901, "second")]);
    let changed = server.update(
        "b",
        "t",
        &|row| row[1] == Value::Text("first".into()),
        &|row: &mut Vec<Value>| row[1] = Value::Text("changed".into()),
    );
    assert_eq!(changed, 1);
    let recovery = recover(&server, &["t=a"]);
    assert!(recovery.report.has(Code::AssignmentContradicted));
    let recovery = recover(&server, &["t=b"]);
    assert!(!recovery.report.has(Code::AssignmentContradicted));
    assert!(recovery.set_aside.is_empty());
}

fn with_missing(server: &Server, missing: Missing) -> Attribution {
    let dir = tempfile::tempdir().unwrap();
    let legacy = read(server, dir.path());
    let snapshot = legacy.snapshot.as_ref().unwrap().as_ref().unwrap();
    let mut report = Report::new();
    let cut = find_cut(&legacy, snapshot, &mut report).unwrap();
    let runs = RunMap::new(&legacy.wal);
    let decisions = Decisions::default();
    let tail = (&*cut.tail, &runs);
    attribute_with_missing(
        snapshot,
        &legacy.wal,
        tail,
        &decisions,
        missing,
        &mut report,
    )
    .unwrap()
}

#[test]
fn nothing_is_sure_while_databases_are_lost() {
    let mut server = Server::new(Release::V1_4, &["a"]);
    server.create("a", "t", people());
    person(&mut server, "a", "t", "ash");
    server.checkpoint();
    person(&mut server, "a", "t", "elm");
    let whole = with_missing(&server, Missing::Nothing);
    assert_eq!(whole.tail[0].database.as_deref(), Some("a"));
    assert!(!whole.can_be_young);
    let lost = with_missing(&server, Missing::Databases(2));
    assert_eq!(lost.tail[0].confidence, Confidence::Ambiguous);
    let weights: Vec<_> = lost.tail[0]
        .candidates
        .iter()
        .map(|c| (c.database.as_deref(), c.weight))
        .collect();
    let unnamed = weights.iter().find(|(name, _)| name.is_none()).unwrap();
    assert!(unnamed.1 > 0.6 && lost.can_be_young, "{weights:?}");
}

/// Its rows are gone, so that the column's numbers are in no row; `lab` has such a
/// table of no row.
#[test]
fn a_sequence_is_of_the_name_that_its_column_had() {
    let mut server = Server::new(Release::V1_4, &["east", "lab"]);
    let of = |id: &str| {
        let name = column("name", DataType::Text, false);
        vec![column(id, DataType::Serial, true), name]
    };
    server.create("east", "items", of("sid"));
    server.create("lab", "items", of("num"));
    for _ in 0..8 {
        person(&mut server, "east", "items", "ash");
    }
    server.delete("east", "items", &|_| true);
    server.checkpoint();
    assert!(server.rename_column("east", "items", "sid", "num"));
    for name in ["ash", "elm", "fir", "oak", "yew"] {
        person(&mut server, "east", "items", name);
    }
    for claim in solve(&server) {
        let claimed = claim.attributed.database.as_deref();
        assert_ne!(claimed, Some("lab"), "record {}", claim.sequence);
    }
    // The next start draws from behind them.
    let recovery = recover(&server, &["items=east"]);
    let east = recovery.overlay.position("east").unwrap();
    let table = recovery.overlay.catalog().databases[east].tables.clone();
    let sequences = table[0].sequences_by_name();
    assert_eq!(sequences.get("num"), Some(&6));
    assert_eq!(sequences.get("sid"), Some(&9));
}

#[test]
fn findings_say_what_a_renamed_table_is_called_now() {
    let (mut server, _) = wide(Release::V1_5, &["postgres"]);
    assert!(server.rename("postgres", "acc", "ledger"));
    assert!(server.rename("postgres", "ledger", "book"));
    let recovery = recover(&server, &["acc=postgres"]);
    let mut found = recovery.report.findings().iter();
    let wide = found
        .find(|finding| finding.code == Code::ExtraValues)
        .unwrap();
    assert_eq!(wide.table.as_deref(), Some("acc"));
    let detail = wide.detail.as_deref().unwrap();
    assert!(detail.ends_with("it is called book now"), "{detail}");
}

#[test]
fn nothing_is_called_by_another_name_once_it_is_dropped() {
    let (mut server, _) = wide(Release::V1_5, &["postgres"]);
    assert!(server.create("postgres", "other", keyed()));
    assert!(server.drop_table("postgres", "acc"));
    assert!(server.rename("postgres", "other", "acc"));
    assert!(server.rename("postgres", "acc", "book"));
    let recovery = recover(&server, &["acc=postgres"]);
    let mut found = recovery.report.findings().iter();
    let wide = found.find(|finding| finding.code == Code::ExtraValues);
    assert_eq!(wide.unwrap().detail.as_deref(), Some("3 values"));
}

/// The UPDATE, of another segment, means the row behind it, whose index the refused
/// one has not taken.
#[test]
fn who_leaves_a_row_of_too_many_values_out_says_that_it_was_refused() {
    let mut server = Server::new(Release::V1_4, &["postgres"]);
    server.create("postgres", "acc", keyed());
    server.checkpoint();
    let wide = vec![Some(Value::literal(1)), text("w"), text("more")];
    assert!(!server.insert("postgres", "acc", &[wide]));
    let refused = server.truth.last().unwrap().0;
    number(&mut server, "postgres", 2);
    let set = |row: &mut Vec<Value>| row[1] = Value::Text("changed".to_owned());
    assert_eq!(server.update("postgres", "acc", &|_| true, &set), 1);
    let dir = tempfile::tempdir().unwrap();
    let wal = read(&server, dir.path()).wal;
    let last = wal.records.last().unwrap();
    let newest = wal.segment_of(last).unwrap().file.path().to_owned();
    let bytes = std::fs::read(&newest).unwrap();
    let (before, update) = bytes.split_at(usize::try_from(last.offset).unwrap());
    std::fs::write(&newest, before).unwrap();
    std::fs::write(newest.with_file_name("00000000ffffffff.wal"), update).unwrap();
    let legacy = LegacyDir::read(dir.path(), Some(Family::V1_4)).unwrap();
    let mut request = Request::default();
    assert!(
        Recovery::plan(&legacy, &request)
            .unwrap()
            .report
            .has_errors()
    );
    request.decisions = Decisions::parse(&format!("{refused} = quarantine\n")).unwrap();
    request.decisions.assign("acc=postgres").unwrap();
    let recovery = Recovery::plan(&legacy, &request).unwrap();
    assert!(
        !recovery.report.has_errors(),
        "{:?}",
        recovery.report.findings()
    );
    let table = recovery.overlay.table(0, "acc").unwrap().state();
    let ended: Vec<bool> = table
        .appended
        .iter()
        .map(|row| row.xmax.is_some())
        .collect();
    assert_eq!(ended, [true, false]);
    assert_eq!(recovery.set_aside.len(), 1);
}
