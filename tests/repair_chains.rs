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
    /// Whether each name stands in one database only.
    owned: bool,
    /// Whether statements fail, change nothing, or run in transactions.
    noisy: bool,
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
    /// Rows of transactions that no snapshot holds yet: table and values.
    unlogged: Vec<((String, String), Vec<Value>)>,
    /// Whether another start follows.
    goes_on: bool,
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
            unlogged: Vec::new(),
            goes_on: true,
        };
        history.work(190);
        for start in 0..starts {
            history.owners.append(&mut history.server.tail.clone());
            let first = format!("d{}", history.random.below(kind.databases));
            let seconds = if kind.hasty && start > 0 { 0 } else { 60 };
            history.server.restart_after(seconds, &first);
            history.forget_lost();
            history.goes_on = start + 1 < starts;
            let most = [20, 130][usize::from(history.random.chance(50))];
            history.work(most);
        }
        history.owners.append(&mut history.server.tail.clone());
        history
    }

    /// What a transaction did after the last checkpoint is in no file.
    fn forget_lost(&mut self) {
        for (at, values) in std::mem::take(&mut self.unlogged) {
            let database = self.server.database(&at.0);
            let mut own = database.tables.iter().filter(|(name, _)| *name == at.1);
            let held = own.any(|(_, table)| table.rows.iter().any(|row| row.values == values));
            let own = self.truth.get_mut(&at).unwrap();
            own.rows.retain(|row| held || row.values != values);
        }
    }

    fn work(&mut self, most: u64) {
        for _ in 0..self.random.below(most) + 1 {
            let second = self.server.clock;
            self.statement();
            if self.kind.hasty {
                self.server.clock = second;
            }
        }
    }

    fn statement(&mut self) {
        let at_name = self.below(3);
        let owner = at_name as u64 % self.kind.databases;
        let any = self.random.below(self.kind.databases);
        let database = format!("d{}", if self.kind.owned { owner } else { any });
        let name = NAMES[at_name];
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
            _ if self.kind.noisy && roll >= 97 => self.noise(&at, &standing, roll),
            Some(values) if self.kind.changes && roll < 15 => {
                let mut new = values.clone();
                if !self.kind.noisy || roll > 4 {
                    *new.last_mut().unwrap() = self.words();
                }
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

    /// What leaves a record without effect, or an effect without a record.
    fn noise(&mut self, at: &(String, String), standing: &Table, roll: u64) {
        let row = self.new_row(standing);
        match roll {
            97 => self.server.create_table(&at.0, self.new_table(&at.1)),
            98 => self.server.empty_transaction(),
            _ if self.kind.changes || !self.goes_on => {}
            _ => {
                self.server.empty_transaction();
                self.server.insert_unlogged(&at.0, &at.1, row.clone());
                self.unlogged.push((at.clone(), row));
                self.note_inserted(at, standing);
            }
        }
    }

    fn insert(&mut self, at: &(String, String), standing: &Table) {
        let row = self.new_row(standing);
        self.server.insert(&at.0, &at.1, vec![row]);
        self.note_inserted(at, standing);
    }

    fn new_row(&mut self, standing: &Table) -> Vec<Value> {
        let mut row = vec![self.words()];
        if standing.columns.len() > 1 {
            row.insert(0, int(self.next_id));
            self.next_id += 1;
        }
        row
    }

    /// The row that the server pushed last belongs to the truth.
    fn note_inserted(&mut self, at: &(String, String), standing: &Table) {
        let schema = Table {
            rows: Vec::new(),
            ..standing.clone()
        };
        let pushed = self.server.table(&at.0, &at.1).rows.last().unwrap().clone();
        let own = self.truth.entry(at.clone()).or_insert(schema);
        if let (Some((_, next)), Value::Integer(id)) =
            (own.sequences.first_mut(), &pushed.values[0])
        {
            *next = (*next).max(id + 1);
        }
        own.rows.push(pushed);
    }

    /// UPDATE by values: every version that has them is ended, dead ones too.
    fn update(&mut self, at: &(String, String), standing: &Table, old: &[Value], new: &[Value]) {
        let hits = with(standing, old).into_iter();
        let hits = hits.map(|index| (index, new.to_vec())).collect();
        self.server.update(&at.0, &at.1, hits);
        let new = self.server.table(&at.0, &at.1).rows.last().unwrap().clone();
        let own = self.truth.get_mut(at).unwrap();
        let ended = own.rows.iter_mut().filter(|row| row.values == old);
        let ended = ended.map(end).count();
        own.rows.extend(vec![new; ended]);
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
fn a_table_of_one_of_several_databases_comes_back() {
    let mut instance = fresh_instance();
    let mut other = instance.databases[0].1.clone();
    other.name = "shop".into();
    instance.databases.push(("shop".into(), other));
    let mut server = Server::start(Family::V1_10, START, instance);
    let users = vec![key("id", DataType::Serial), column("name", DataType::Text)];
    server.create_table("shop", table("users", users));
    let add = |server: &mut Server, ids: std::ops::Range<i64>| {
        for id in ids {
            server.insert(
                "shop",
                "users",
                vec![vec![int(id), text(&format!("user {id}"))]],
            );
        }
    };
    add(&mut server, 1..151);
    let mut truth = tables(&server.instance);
    for from in [200, 300] {
        server.restart("shop");
        add(&mut server, from..from + 30);
        let rows = &server.table("shop", "users").rows;
        let own = truth.get_mut(&("shop".into(), "users".into())).unwrap();
        own.rows.extend_from_slice(&rows[rows.len() - 30..]);
        own.sequences = vec![("id".into(), from + 30)];
    }
    let made = Made::of_files(&server.killed(), true);
    assert_eq!(made.tables, truth);
    assert_eq!(made.named(Code::RepairedReplay).len(), 1);
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
