//! `--repair-replay` over random histories with several starts.
//!
//! `RUSTDB_HISTORIES` sets how many histories of each kind are run, and
//! `RUSTDB_SEED` the first of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::print_stderr)]

mod support;

#[path = "histories/chains.rs"]
mod chains;
#[path = "histories/random.rs"]
mod random;
#[path = "histories/seeds.rs"]
mod seeds;

use std::collections::{BTreeMap, BTreeSet};

use chains::{History, Kind, NAMES};
use rustdb_migrate::finding::Code;
use seeds::seeds;

use support::content::{START, column, fresh_instance, table, text};
use support::model::{DataType, Family, Row};
use support::repaired::{Made, Tables, comparable, tables};
use support::server::Server;

/// The tables of some names, as they compare.
fn of_names(tables: &Tables, names: &BTreeSet<String>) -> Vec<(String, String, Vec<Row>)> {
    let tables = tables.iter().filter(|((_, name), _)| names.contains(name));
    tables
        .map(|((database, name), table)| (database.clone(), name.clone(), comparable(table)))
        .collect()
}

#[derive(Debug, Default)]
struct Score {
    histories: usize,
    /// Names whose tables are not what the statements made.
    damaged: usize,
    /// Names that a repair is claimed of.
    repaired: usize,
    reasons: BTreeMap<String, usize>,
}

fn check(history: &History, at: &str, score: &mut Score) {
    let files = history.server.killed();
    let shown = Made::of_files(&files, false);
    let made = Made::of_files(&files, true);
    assert!(!shown.has(Code::RepairedReplay), "{at}");
    let claimed = made.named(Code::RepairedReplay);
    score.histories += 1;
    let stands = tables(&history.server.instance);
    for name in NAMES {
        let names = BTreeSet::from([name.to_owned()]);
        let damaged = of_names(&stands, &names) != of_names(&history.truth, &names);
        score.damaged += usize::from(damaged);
        score.repaired += usize::from(damaged && claimed.contains(name));
    }
    for finding in &made.findings {
        if finding.code == Code::ReplaySuspected {
            let why = finding.detail.clone().unwrap_or_default();
            let why = why.split(": ").last().unwrap().to_owned();
            *score.reasons.entry(why).or_default() += 1;
        }
    }
    let names: BTreeSet<_> = made.tables.keys().chain(shown.tables.keys()).collect();
    for name in names.iter().filter(|name| !claimed.contains(&name.1)) {
        let (now, then) = (made.tables.get(*name), shown.tables.get(*name));
        assert_eq!(now, then, "{at}: {name:?} changed without a claim");
    }
    let decided = Made::decided(&files, &history.owners);
    assert_eq!(decided.set_aside, 0, "{at}: {:?}", decided.findings);
    assert_eq!(decided.named(Code::RepairedReplay), claimed, "{at}");
    assert_eq!(
        of_names(&decided.tables, &claimed),
        of_names(&history.truth, &claimed),
        "{at}"
    );
    for name in history
        .truth
        .keys()
        .filter(|name| claimed.contains(&name.1))
    {
        let sequences = |tables: &Tables| tables[name].sequences.clone();
        assert_eq!(
            sequences(&decided.tables),
            sequences(&history.truth),
            "{at}"
        );
    }
}

fn run(kind: Kind) -> Score {
    let mut score = Score::default();
    for seed in seeds(12) {
        let history = History::run(kind, seed);
        check(&history, &format!("{kind:?} seed {seed}"), &mut score);
    }
    eprintln!("{kind:?}: {score:?}");
    score
}

const ONE: Kind = Kind {
    family: Family::V1_10,
    databases: 1,
    changes: false,
    keyed: true,
    hasty: false,
    owned: false,
    noisy: false,
};

#[test]
fn keyed_tables_of_one_database_come_back() {
    let score = run(ONE);
    assert!(score.repaired * 10 >= score.damaged * 9, "{score:?}");
}

#[test]
fn tables_without_a_key_come_back_where_the_lost_records_are_accounted_for() {
    for family in [Family::V1_3, Family::V1_4, Family::V1_10] {
        let score = run(Kind {
            family,
            keyed: false,
            ..ONE
        });
        assert!(score.repaired * 10 >= score.damaged * 7, "{score:?}");
    }
}

#[test]
fn changed_rows_come_back_where_the_log_is_whole() {
    let score = run(Kind {
        family: Family::V1_4,
        changes: true,
        hasty: true,
        ..ONE
    });
    assert!(score.repaired * 2 >= score.damaged, "{score:?}");
}

#[test]
fn nothing_wrong_is_claimed_where_records_are_lost_that_leave_no_row() {
    for (family, changes) in [
        (Family::V1_4, true),
        (Family::V1_4, false),
        (Family::V1_10, false),
    ] {
        for keyed in [false, true] {
            for hasty in [false, true] {
                run(Kind {
                    family,
                    changes,
                    keyed,
                    hasty,
                    noisy: true,
                    ..ONE
                });
            }
        }
    }
}

#[test]
fn nothing_wrong_is_claimed_of_tables_that_stand_in_one_database_each() {
    for databases in 2..4 {
        for (family, hasty) in [(Family::V1_4, true), (Family::V1_10, false)] {
            run(Kind {
                family,
                databases,
                hasty,
                owned: true,
                ..ONE
            });
        }
    }
}

#[test]
fn where_the_starts_can_have_replayed_in_too_many_ways_it_is_said() {
    let mut instance = fresh_instance();
    let one = instance.databases[0].1.clone();
    for at in 0..4 {
        let mut database = one.clone();
        database.name = format!("d{at}");
        instance.databases.push((database.name.clone(), database));
    }
    let mut server = Server::start(Family::V1_10, START, instance);
    let notes = table("notes", vec![column("body", DataType::Text)]);
    server.create_table("d1", notes);
    server.insert("d1", "notes", vec![vec![text("once")]]);
    for seconds in [60, 0, 0] {
        server.restart_after(seconds, "d1");
    }
    let made = Made::of_files(&server.killed(), true);
    assert_eq!(made.tables, tables(&server.instance));
    let suspected = made.findings.iter();
    let suspected = suspected.filter(|finding| finding.code == Code::ReplaySuspected);
    let details: Vec<String> = suspected.filter_map(|f| f.detail.clone()).collect();
    assert_eq!(details.len(), 1);
    assert!(details[0].contains("too many ways"), "{details:?}");
}

#[test]
fn nothing_wrong_is_claimed_of_several_databases() {
    for (family, changes) in [(Family::V1_4, true), (Family::V1_10, false)] {
        for databases in 2..4 {
            for hasty in [false, true] {
                run(Kind {
                    family,
                    databases,
                    changes,
                    hasty,
                    ..ONE
                });
            }
        }
    }
}
