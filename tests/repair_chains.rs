//! `--repair-replay` over random histories with several starts: a server is
//! killed and started again, works on what that left, and so on. What its users'
//! statements made, each once, is kept beside it by the values of the rows.
//!
//! `RUSTDB_HISTORIES` sets how many histories of each kind are run, and
//! `RUSTDB_SEED` the first of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::print_stderr)]

mod support;

#[path = "histories/random.rs"]
mod random;

use std::collections::{BTreeMap, BTreeSet};

use random::Random;
use rustdb_migrate::finding::Code;

use support::content::{START, column, fresh_instance, int, key, table, text};
use support::model::{DataType, Family, Row, Table, Value};
use support::repaired::{Made, Tables, comparable, tables};
use support::server::Server;

const NAMES: [&str; 3] = ["users", "notes", "items"];

/// What a kind of history has.
#[derive(Debug, Clone, Copy)]
struct Kind {
    family: Family,
    databases: u64,
    /// Whether users also update and delete.
    changes: bool,
    /// Whether every table has a key.
    keyed: bool,
    /// Whether all but the first start fall into one second.
    hasty: bool,
}

struct History {
    kind: Kind,
    server: Server,
    random: Random,
    /// What the statements made.
    truth: Tables,
    /// Database by sequence of records that a snapshot did not hold at a crash.
    owners: BTreeMap<u64, String>,
    next_id: i64,
}

impl History {
    fn run(kind: Kind, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut instance = fresh_instance();
        let one = instance.databases.remove(0).1;
        for at in 0..kind.databases {
            let mut database = one.clone();
            database.name = format!("d{at}");
            instance.databases.push((database.name.clone(), database));
        }
        let starts = random.below(3) + 2;
        let mut history = History {
            kind,
            server: Server::start(kind.family, START, instance),
            random,
            truth: Tables::new(),
            owners: BTreeMap::new(),
            next_id: 1,
        };
        history.work(190);
        for start in 0..starts {
            history.owners.append(&mut history.server.tail.clone());
            let first = history.random.below(kind.databases);
            let seconds = if kind.hasty && start > 0 { 0 } else { 60 };
            history.server.restart_after(seconds, &format!("d{first}"));
            let most = [20, 130][usize::from(history.random.chance(50))];
            history.work(most);
        }
        history.owners.append(&mut history.server.tail.clone());
        history
    }

    fn work(&mut self, most: u64) {
        for _ in 0..self.random.below(most) + 1 {
            self.statement();
            if self.kind.hasty {
                self.server.clock -= 1;
            }
        }
    }

    fn statement(&mut self) {
        let database = format!("d{}", self.random.below(self.kind.databases));
        let name = NAMES[self.below(3)];
        let at = (database.clone(), name.to_owned());
        let own = self.server.database(&database).tables.iter();
        let standing = own.clone().find(|(key, _)| key == name);
        let Some((_, standing)) = standing.cloned() else {
            if !self.truth.contains_key(&at) {
                let new = self.new_table(name);
                self.truth.insert(at, new.clone());
                self.server.create_table(&database, new);
            }
            return;
        };
        let roll = self.random.below(100);
        let picked = self.below(standing.rows.len().max(1));
        let picked = standing.rows.get(picked).map(|row| row.values.clone());
        match picked.filter(|values| self.is_known(&at, values)) {
            Some(values) if self.kind.changes && roll < 15 => {
                let mut new = values.clone();
                *new.last_mut().unwrap() = self.words();
                self.update(&at, &standing, &values, &new);
            }
            Some(values) if self.kind.changes && roll < 25 => {
                self.server
                    .delete(&database, name, &with(&standing, &values));
                let own = self.truth.get_mut(&at).unwrap();
                own.rows
                    .iter_mut()
                    .filter(|row| row.values == values)
                    .for_each(end);
            }
            _ => self.insert(&at, &standing),
        }
    }

    fn insert(&mut self, at: &(String, String), standing: &Table) {
        let mut row = vec![self.words()];
        if standing.columns.len() > 1 {
            row.insert(0, int(self.next_id));
            self.next_id += 1;
        }
        let schema = Table {
            rows: Vec::new(),
            ..standing.clone()
        };
        let own = self.truth.entry(at.clone()).or_insert(schema);
        own.rows.push(version(row.clone()));
        if let (Some((_, next)), Value::Integer(id)) = (own.sequences.first_mut(), &row[0]) {
            *next = (*next).max(id + 1);
        }
        self.server.insert(&at.0, &at.1, vec![row]);
    }

    /// UPDATE by values: every version that has them is ended, dead ones too.
    fn update(&mut self, at: &(String, String), standing: &Table, old: &[Value], new: &[Value]) {
        let hits = with(standing, old).into_iter();
        let hits = hits.map(|index| (index, new.to_vec())).collect();
        self.server.update(&at.0, &at.1, hits);
        let own = self.truth.get_mut(at).unwrap();
        let mut pushed = Vec::new();
        for row in own.rows.iter_mut().filter(|row| row.values == old) {
            end(row);
            pushed.push(version(new.to_vec()));
        }
        own.rows.extend(pushed);
    }

    fn is_known(&self, at: &(String, String), values: &[Value]) -> bool {
        let own = self.truth.get(at);
        own.is_some_and(|own| own.rows.iter().any(|row| row.values == values))
    }

    fn new_table(&self, name: &str) -> Table {
        match name == "notes" && !self.kind.keyed {
            true => table(name, vec![column("body", DataType::Text)]),
            false => table(
                name,
                vec![key("id", DataType::Serial), column("name", DataType::Text)],
            ),
        }
    }

    fn words(&mut self) -> Value {
        let words = ["ash", "birch", "cedar", "elm", "fir", "oak", "pine"];
        let picks = (0..4).map(|_| words[self.below(7)]);
        text(&picks.collect::<Vec<_>>().join(" "))
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.random.below(end as u64)).unwrap()
    }
}

fn version(values: Vec<Value>) -> Row {
    Row {
        values,
        xmin: 1,
        xmax: None,
    }
}

fn end(row: &mut Row) {
    row.xmax = Some(1);
}

/// Where versions with some values stand.
fn with(table: &Table, values: &[Value]) -> Vec<u64> {
    let rows = (0..).zip(&table.rows);
    let found = rows.filter(|(_, row)| row.values == values);
    found.map(|(at, _)| at).collect()
}

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
            let why = if std::env::var("T").is_ok() {
                format!("{at} {:?} {why}", finding.table)
            } else {
                why
            };
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
    let count = std::env::var("RUSTDB_HISTORIES").map_or(12, |count| count.parse().unwrap());
    let first: u64 = std::env::var("RUSTDB_SEED").map_or(0, |seed| seed.parse().unwrap());
    let mut score = Score::default();
    for seed in first..first + count {
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
fn nothing_wrong_is_claimed_where_changes_are_lost() {
    for keyed in [false, true] {
        run(Kind {
            family: Family::V1_4,
            changes: true,
            keyed,
            ..ONE
        });
    }
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
