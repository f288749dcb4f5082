//! `--repair-replay` over random histories: a server crashes, is started again
//! and goes on; what it held before the crash is known.
//!
//! `RUSTDB_HISTORIES` sets how many histories of each kind are run, and
//! `RUSTDB_SEED` the first of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::histories::random::Random;
use crate::histories::seeds::seeds;
use rustdb_migrate::finding::Code;
use rustdb_migrate::recovery::Confidence;

use crate::support::content::{START, column, fresh_instance, int, key, table, text};
use crate::support::model::{DataType, Family, Table, Value};
use crate::support::repaired::{Made, Tables, comparable, tables};
use crate::support::server::Server;

/// A random history up to a crash, a start, and what came after it.
struct History {
    server: Server,
    /// What the server held before the crash, with the rows added since.
    truth: Tables,
    /// Database by sequence of what the snapshot did not hold at the crash.
    owners: BTreeMap<u64, String>,
}

const NAMES: [&str; 3] = ["users", "notes", "items"];

fn random_table(name: &str) -> Table {
    match name {
        "notes" => table(name, vec![column("body", DataType::Text)]),
        _ => table(
            name,
            vec![key("id", DataType::Serial), column("name", DataType::Text)],
        ),
    }
}

fn words(random: &mut Random) -> String {
    let words = ["ash", "birch", "cedar", "elm", "fir", "oak", "pine"];
    let picks = (0..3).map(|_| words[usize::try_from(random.below(7)).unwrap()]);
    picks.collect::<Vec<_>>().join(" ")
}

fn index(n: u64) -> usize {
    usize::try_from(n).unwrap()
}

impl History {
    fn run(family: Family, databases: u64, changes: bool, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut instance = fresh_instance();
        let one = instance.databases.remove(0).1;
        for at in 0..databases {
            let name = format!("d{at}");
            let mut database = one.clone();
            database.name.clone_from(&name);
            instance.databases.push((name, database));
        }
        let mut server = Server::start(family, START, instance);
        for _ in 0..random.below(190) + 3 {
            let database = format!("d{}", random.below(databases));
            statement(&mut server, &mut random, &database, changes);
        }
        let before = server.instance.clone();
        let mut owners = server.tail.clone();
        let first = format!("d{}", random.below(databases));
        server.restart(&first);
        let mut truth = tables(&before);
        for _ in 0..random.below(40) {
            let database = format!("d{}", random.below(databases));
            added_since(&mut server, &mut random, &database, &mut truth);
        }
        owners.extend(server.tail.clone());
        History {
            server,
            truth,
            owners,
        }
    }
}

fn statement(server: &mut Server, random: &mut Random, database: &str, changes: bool) {
    let name = NAMES[index(random.below(3))];
    let own = server.database(database).tables.iter();
    let Some((_, table)) = own.clone().find(|(key, _)| key == name) else {
        server.create_table(database, random_table(name));
        return;
    };
    let count = table.rows.len() as u64;
    let row = new_row(table, random);
    let roll = random.below(100);
    if changes && roll < 15 && count > 0 {
        let at = random.below(count);
        let mut values = table.rows[index(at)].values.clone();
        *values.last_mut().unwrap() = text(&words(random));
        server.update(database, name, vec![(at, values)]);
    } else if changes && roll < 25 && count > 0 {
        server.delete(database, name, &[random.below(count)]);
    } else if roll == 99 && random.chance(25) {
        server.empty_transaction();
    } else {
        server.insert(database, name, vec![row]);
    }
}

fn new_row(table: &Table, random: &mut Random) -> Vec<Value> {
    let words = text(&words(random));
    match table.sequences.first() {
        Some((_, next)) => vec![int(*next), words],
        None => vec![words],
    }
}

/// A row inserted after the start; it is content wherever it went.
fn added_since(server: &mut Server, random: &mut Random, database: &str, truth: &mut Tables) {
    let name = NAMES[index(random.below(3))];
    let own = server.database(database).tables.iter();
    let Some((_, table)) = own.clone().find(|(key, _)| key == name) else {
        return;
    };
    // A key that no row has.
    let mut row = new_row(table, random);
    if row.len() > 1 {
        row[0] = int(10_000 + i64::try_from(random.below(1 << 40)).unwrap());
    }
    let schema = Table {
        rows: Vec::new(),
        ..table.clone()
    };
    server.insert(database, name, vec![row]);
    let pushed = server.table(database, name).rows.last().unwrap().clone();
    let at = (database.to_owned(), name.to_owned());
    let own = truth.entry(at).or_insert(schema);
    if let (Some((_, next)), Value::Integer(id)) = (own.sequences.first_mut(), &pushed.values[0]) {
        *next = (*next).max(id + 1);
    }
    own.rows.push(pushed);
}

#[derive(Debug, Default)]
struct Score {
    histories: usize,
    claimed: usize,
    tables: usize,
    /// Tables put right without any decision.
    alone: usize,
}

/// Default: as the server showed it. Repaired: as before the crash wherever a
/// repair is claimed, and as the server showed it elsewhere; by itself it claims
/// nothing that the user's word is needed for.
fn check(history: &History, at: &str, score: &mut Score) {
    let files = history.server.killed();
    let shown = Made::of_files(&files, false);
    let made = Made::of_files(&files, true);
    assert!(!shown.has(Code::RepairedReplay), "{at}");
    let alone = made.named(Code::RepairedReplay);
    score.histories += 1;
    score.alone += alone.len();
    if shown.set_aside == 0 && shown.owners.is_empty() {
        assert_eq!(shown.tables, tables(&history.server.instance), "{at}");
    }
    for (sequence, (owner, confidence)) in &made.owners {
        let truth = history.owners.get(sequence);
        if truth.is_some() && owner.as_ref() != truth {
            assert_ne!(*confidence, Confidence::Certain, "{at}: {sequence}");
        }
    }
    let names: BTreeSet<_> = made.tables.keys().chain(shown.tables.keys()).collect();
    for name in names.iter().filter(|name| !alone.contains(&name.1)) {
        let (now, then) = (made.tables.get(*name), shown.tables.get(*name));
        assert_eq!(now, then, "{at}: {name:?} changed without a claim");
    }
    let decided = Made::decided(&files, &history.owners);
    assert_eq!(decided.set_aside, 0, "{at}: {:?}", decided.findings);
    let claimed = decided.named(Code::RepairedReplay);
    assert!(alone.is_subset(&claimed), "{at}: {alone:?} {claimed:?}");
    score.claimed += usize::from(!claimed.is_empty());
    score.tables += claimed.len();
    let repaired = |tables: &Tables, names: &BTreeSet<String>| -> Vec<_> {
        let of_names = tables.iter().filter(|(name, _)| names.contains(&name.1));
        of_names
            .map(|(name, t)| (name.clone(), comparable(t), t.sequences.clone()))
            .collect()
    };
    let truth = |names| repaired(&history.truth, names);
    assert_eq!(repaired(&decided.tables, &claimed), truth(&claimed), "{at}");
    // What the log says since the start is no matter of the repair.
    let guessed = made.owners.iter().any(|(sequence, (owner, _))| {
        let known = history.owners.get(sequence);
        known.is_some() && owner.as_ref() != known
    });
    if made.set_aside == 0 && !guessed {
        assert_eq!(repaired(&made.tables, &alone), truth(&alone), "{at}");
    }
}

fn run(family: Family, databases: u64, changes: bool) -> Score {
    let mut score = Score::default();
    for seed in seeds(12) {
        let history = History::run(family, databases, changes, seed);
        let at = format!("{family:?} {databases} {changes} seed {seed}");
        check(&history, &at, &mut score);
    }
    eprintln!("{family:?}, {databases} databases, changes {changes}: {score:?}");
    score
}

#[test]
fn one_database_comes_back_as_it_was() {
    for (family, changes) in [
        (Family::V1_4, true),
        (Family::V1_4, false),
        (Family::V1_10, false),
    ] {
        let score = run(family, 1, changes);
        assert!(score.claimed * 2 >= score.histories, "{score:?}");
    }
}

#[test]
fn several_databases_come_back_as_they_were_where_it_is_claimed() {
    for (family, changes) in [
        (Family::V1_4, true),
        (Family::V1_4, false),
        (Family::V1_10, false),
    ] {
        for databases in 2..4 {
            let score = run(family, databases, changes);
            assert!(score.claimed > 0, "{score:?}");
        }
    }
}
