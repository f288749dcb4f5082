//! Random histories of a server that is killed and started again several times
//! and works on what each start left; what its users' statements made, each
//! once, is kept beside it by the values of the rows.

use std::collections::BTreeMap;

use crate::random::Random;
use crate::support::content::{START, column, fresh_instance, int, key, table, text};
use crate::support::model::{DataType, Family, Row, Table, Value};
use crate::support::repaired::Tables;
use crate::support::server::Server;

/// The names that tables have.
pub const NAMES: [&str; 3] = ["users", "notes", "items"];

/// What a kind of history has.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    pub family: Family,
    pub databases: u64,
    /// Whether users also update and delete.
    pub changes: bool,
    /// Whether every table has a key.
    pub keyed: bool,
    /// Whether all but the first start fall into one second.
    pub hasty: bool,
    /// Whether each name stands in one database only.
    pub owned: bool,
    /// Whether statements fail, change nothing, or run in transactions.
    pub noisy: bool,
}

pub struct History {
    kind: Kind,
    pub server: Server,
    random: Random,
    /// What the statements made.
    pub truth: Tables,
    /// Database by sequence of records that a snapshot did not hold at a crash.
    pub owners: BTreeMap<u64, String>,
    next_id: i64,
    /// Rows of transactions that no snapshot holds yet: table and values.
    unlogged: Vec<((String, String), Vec<Value>)>,
    /// Whether another start follows.
    goes_on: bool,
}

impl History {
    /// One history of a kind.
    pub fn run(kind: Kind, seed: u64) -> Self {
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
