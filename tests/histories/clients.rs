//! Random histories of several clients: starts of the server between, databases
//! that no file names, tables made after the last checkpoint, keys entered once
//! more.

use super::bytes::{Column, DataType, Row, Value};
use super::random::Random;
use super::server::{Release, Server};
use super::spec::{Shape, Spec, Story};

const TABLES: [&str; 6] = ["users", "orders", "items", "notes", "posts", "tags"];
const WORDS: [&str; 8] = ["ash", "birch", "cedar", "elm", "fir", "oak", "pine", "yew"];

fn column(name: &str, data_type: DataType) -> Column {
    Column {
        name: name.to_owned(),
        data_type,
        primary_key: false,
        unique: false,
        foreign_key: None,
    }
}

fn columns(shape: Shape, release: Release) -> Vec<Column> {
    let key = |data_type| Column {
        primary_key: true,
        ..column("id", data_type)
    };
    let (name, number) = (
        column("name", DataType::Text),
        column("number", DataType::Integer),
    );
    match shape {
        Shape::Serial => vec![key(DataType::Serial), name, number],
        Shape::Counted => vec![column("id", DataType::Serial), name],
        Shape::ByHand => vec![key(DataType::Integer), name],
        Shape::Keyless => vec![name, number],
        Shape::Unique => {
            let mut code = column("code", DataType::Text);
            code.unique = release != Release::V1_3;
            vec![key(DataType::Serial), code, number]
        }
        Shape::Child => {
            let mut parent = column("parent", DataType::Integer);
            parent.foreign_key = Some((TABLES[0].to_owned(), "id".to_owned()));
            vec![key(DataType::Serial), parent, name]
        }
    }
}

pub struct History {
    pub spec: Spec,
    pub server: Server,
    random: Random,
    /// Where statements go; one that stands twice gets twice as many.
    pool: Vec<String>,
    current: usize,
}

impl History {
    /// Runs a history up to a kill.
    pub fn run(story: Story, seed: u64) -> Self {
        let (spec, random) = Spec::of(story, seed);
        let name = |at| match at {
            0 => "postgres".to_owned(),
            at => format!("d{at}"),
        };
        let pool: Vec<String> = (0..spec.named).map(name).collect();
        let names: Vec<&str> = pool.iter().map(String::as_str).collect();
        let mut history = History {
            server: Server::new(spec.release, &names),
            random,
            current: 0,
            pool,
            spec,
        };
        history.fill();
        history.work(history.spec.before, false);
        for _ in 0..history.spec.restarts {
            let some = history.random.below(40);
            history.work(some, false);
            if history.spec.clean {
                history.server.checkpoint();
            }
            let first = history.below(history.spec.named as usize);
            let first = history.pool[first].clone();
            if !history.server.restart(&first) {
                history.server.checkpoint();
            }
        }
        if history.spec.restarts == 0 || history.random.chance(30) {
            history.server.checkpoint();
        }
        history.tail();
        if history.spec.unmarked {
            history.die_in_checkpoint();
        }
        history
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.below(end as u64) as usize
    }

    /// Tables and first rows. Of many databases the log is gone since.
    fn fill(&mut self) {
        let shapes = self.spec.shapes.clone();
        let many = self.spec.filled > 8;
        let rows = self.random.below(if many { 4 } else { 40 });
        self.server.quiet(many);
        for database in self.pool.clone().iter().take(self.spec.filled as usize) {
            for (shape, table) in shapes.iter().zip(TABLES) {
                if self.spec.uneven && self.random.chance(50) {
                    continue;
                }
                let columns = columns(*shape, self.spec.release);
                let table = match self.spec.own_tables {
                    true => format!("{table}_{database}"),
                    false => table.to_owned(),
                };
                self.server.create(database, &table, columns);
                let own = match self.spec.equal {
                    true => rows,
                    false => self.random.below(40),
                };
                for at in 0..own {
                    let before = self.random.clone();
                    if self.spec.equal {
                        self.random = Random::new(at);
                    }
                    self.insert(database, &table);
                    if self.spec.equal {
                        self.random = before;
                    }
                    self.server.settle();
                }
            }
        }
        self.server.quiet(false);
        self.server.checkpoint();
    }

    fn work(&mut self, statements: u64, until_checkpoint: bool) {
        for _ in 0..statements {
            // Ninety-nine records can stand behind a checkpoint, and then there
            // is the next one.
            if until_checkpoint && self.server.tail.len() >= 99 {
                return;
            }
            let database = self.database();
            self.statement(&database);
            self.server.settle();
        }
    }

    fn tail(&mut self) {
        let (young, dropped, tables) = (self.spec.young, self.spec.dropped, self.spec.new_tables);
        let events = young + dropped + tables;
        let mut events: Vec<u64> = (0..events).collect();
        for at in 0..events.len() {
            let other = self.below(at + 1);
            events.swap(at, other);
        }
        let between = self.spec.after / (events.len() as u64 + 1);
        for event in events {
            let before = self.random.below(between + 1);
            self.work(before, true);
            if event < young {
                self.young(event);
            } else if event < young + dropped {
                self.drop_database();
            } else {
                let database = self.database();
                self.new_table(&database);
            }
            self.server.settle();
            self.work(between - before, true);
        }
        self.work(between, true);
    }

    fn die_in_checkpoint(&mut self) {
        if self.random.chance(25) {
            let first = self.below(self.spec.named as usize);
            let first = self.pool[first].clone();
            return self.server.restart_unmarked(&first);
        }
        for _ in 0..300 {
            if self.server.checkpoint_is_due() {
                return self.server.dies_in_checkpoint();
            }
            let database = self.database();
            self.statement(&database);
        }
    }

    fn young(&mut self, at: u64) {
        let name = format!("young{at}");
        self.server.create_database(&name);
        let count = 1 + self.below(self.spec.shapes.len());
        for (shape, table) in self.spec.shapes.clone().into_iter().zip(TABLES).take(count) {
            let table = match self.spec.apart {
                true => format!("{table}_of_{at}"),
                false => table.to_owned(),
            };
            let columns = columns(shape, self.spec.release);
            self.server.create(&name, &table, columns);
        }
        self.pool.push(name.clone());
        if self.random.chance(50) {
            self.pool.push(name);
        }
    }

    fn drop_database(&mut self) {
        if self.pool.len() < 2 {
            return;
        }
        let at = 1 + self.below(self.pool.len() - 1);
        let name = self.pool[at].clone();
        self.server.drop_database(&name);
        if self.spec.again {
            self.server.create_database(&name);
            let shapes = self.spec.shapes.clone();
            for (shape, table) in shapes.into_iter().zip(TABLES) {
                if self.random.chance(70) {
                    let columns = columns(shape, self.spec.release);
                    self.server.create(&name, table, columns);
                }
            }
        } else {
            self.pool.retain(|own| *own != name);
        }
        self.current = 0;
    }

    fn new_table(&mut self, database: &str) -> bool {
        let free = TABLES
            .iter()
            .find(|name| self.server.table(database, name).is_none());
        let Some(name) = free else {
            return false;
        };
        let shapes = self.spec.shapes.clone();
        let shape = shapes[self.below(shapes.len())];
        let columns = columns(shape, self.spec.release);
        self.server.create(database, name, columns)
    }

    /// The database of the next statement.
    fn database(&mut self) -> String {
        let count = self.pool.len();
        if self.spec.clients > 0 || !self.random.chance(self.spec.stay) {
            self.current = self.below(count.max(self.spec.clients as usize));
        }
        self.pool[self.current % count].clone()
    }

    fn tables(&self, database: &str) -> Vec<String> {
        let own = self.server.databases.get(database);
        own.into_iter()
            .flat_map(|own| own.keys().cloned())
            .collect()
    }

    fn statement(&mut self, database: &str) {
        if self.random.chance(self.spec.begins) {
            return self.transaction(database);
        }
        let tables = self.tables(database);
        if tables.is_empty() {
            // Whoever has no table has nothing to write to.
            return;
        }
        let table = tables[self.below(tables.len())].clone();
        let roll = self.random.below(100);
        let (fails, reshapes) = (self.spec.fails, self.spec.fails + self.spec.reshapes);
        if roll < fails {
            self.failing(database, &table);
        } else if roll < reshapes {
            self.reshape(database, &table);
        } else if roll < reshapes + self.spec.changes {
            self.change(database, &table);
        } else {
            self.insert(database, &table);
        }
    }

    fn transaction(&mut self, database: &str) {
        let before = self.server.databases.get(database).cloned();
        self.server.begin();
        for _ in 0..self.random.below(4) {
            let tables = self.tables(database);
            if !tables.is_empty() {
                let table = tables[self.below(tables.len())].clone();
                match self.random.chance(self.spec.changes) {
                    true => self.change(database, &table),
                    false => self.insert(database, &table),
                }
            }
        }
        let roll = self.random.below(100);
        match before {
            Some(before) if roll < 25 => self.server.rollback(database, before),
            Some(before) if roll < 30 => {
                // Others write meanwhile.
                self.server.commit();
                for _ in 0..self.random.below(4) {
                    let other = self.database();
                    let tables = self.tables(&other);
                    if let Some(table) = tables.first() {
                        self.insert(&other, table);
                    }
                }
                self.server.rollback(database, before);
            }
            _ => self.server.commit(),
        }
    }

    fn failing(&mut self, database: &str, table: &str) {
        if self.random.chance(70) {
            let shape = self.spec.shapes[0];
            let columns = columns(shape, self.spec.release);
            self.server.create(database, table, columns);
        } else {
            self.server.drop_table(database, "absent");
        }
    }

    fn reshape(&mut self, database: &str, table: &str) {
        let other = TABLES[self.below(6)];
        match self.random.below(7) {
            0 => {
                self.new_table(database);
            }
            1 => {
                self.server.drop_table(database, table);
            }
            2 => {
                let mail = column("mail", DataType::Text);
                self.server.add_column(database, table, mail);
            }
            3 => {
                self.server.drop_column(database, table, "number");
            }
            4 => {
                self.server.rename_column(database, table, "name", "title");
            }
            _ => {
                self.server.rename(database, table, other);
            }
        }
    }

    fn text(&mut self) -> Value {
        let number = self.random.below(self.spec.texts);
        let word = WORDS[number as usize % 8];
        Value::Text(format!("{word} {number}"))
    }

    /// A row as a user gives it; `None` where it cannot be.
    fn row(&mut self, database: &str, table: &str) -> Option<Vec<Option<Value>>> {
        let columns = self.server.table(database, table)?.columns.clone();
        let mut row = Vec::new();
        for column in &columns {
            row.push(match (column.data_type, &column.foreign_key) {
                (DataType::Serial, _) => None,
                (_, Some((parent, key))) => Some(self.referenced(database, parent, key)?),
                (DataType::Integer, _) if column.name == "id" => {
                    Some(self.next_by_hand(database, table))
                }
                (DataType::Integer, _) => Some(Value::literal(self.random.below(98) as i64)),
                _ if column.unique => {
                    let number = self.random.below(1 << 40);
                    Some(Value::Text(format!("code {number}")))
                }
                _ => Some(self.text()),
            });
        }
        Some(row)
    }

    fn referenced(&mut self, database: &str, parent: &str, key: &str) -> Option<Value> {
        let parent = self.server.table(database, parent)?;
        let at = parent.columns.iter().position(|c| c.name == *key)?;
        let shown = parent.rows.iter().filter(|row| self.server.shows(row));
        let keys: Vec<Value> = shown.map(|row| row.values[at].clone()).collect();
        let at = self.below(keys.len());
        keys.get(at).cloned()
    }

    /// The number after the largest that is shown, or one further on.
    fn next_by_hand(&mut self, database: &str, table: &str) -> Value {
        let gap = match self.random.chance(15) {
            true => 1 + self.random.below(40) as i64,
            false => 1,
        };
        let rows = &self.server.table(database, table).unwrap().rows;
        let shown = rows.iter().filter(|row| self.server.shows(row));
        let numbers = shown.filter_map(|row| row.values[0].number());
        Value::literal(numbers.max().unwrap_or(0) + gap)
    }

    fn insert(&mut self, database: &str, table: &str) {
        let Some(mut row) = self.row(database, table) else {
            return;
        };
        if row.is_empty() {
            return;
        }
        let by_hand = self.server.table(database, table).unwrap().columns[0].name == "id";
        if by_hand && self.random.chance(self.spec.by_hand) {
            row[0] = Some(self.next_by_hand(database, table));
        }
        if by_hand && self.random.chance(self.spec.reenter) {
            let rows = self.server.table(database, table).unwrap().rows.iter();
            let hidden = rows.filter(|row| !self.server.shows(row));
            let keys: Vec<Value> = hidden.map(|row: &Row| row.values[0].clone()).collect();
            let at = self.below(keys.len());
            if let Some(key) = keys.get(at) {
                row[0] = Some(key.clone());
            }
        }
        if self.server.insert(database, table, &[row.clone()]) || !by_hand {
            return;
        }
        // The number was taken: the user gives another.
        row[0] = Some(self.next_by_hand(database, table));
        self.server.insert(database, table, &[row]);
    }

    fn change(&mut self, database: &str, table: &str) {
        let Some(own) = self.server.table(database, table) else {
            return;
        };
        let (rows, columns) = (own.rows.clone(), own.columns.clone());
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        let picked = rows[self.below(rows.len())].values.clone();
        let sweeping = self.random.chance(self.spec.sweeping);
        let at = match sweeping {
            true => columns.len() - 1,
            false => 0,
        };
        let matches = move |row: &[Value]| row[at] == picked[at];
        if self.random.chance(35) {
            self.server.delete(database, table, &matches);
            return;
        }
        let settable: Vec<usize> = (0..columns.len())
            .filter(|at| columns[*at].name != "id" && columns[*at].foreign_key.is_none())
            .collect();
        if settable.is_empty() {
            return;
        }
        let set = settable[self.below(settable.len())];
        let value = match columns[set].data_type {
            DataType::Integer => Value::literal(self.random.below(98) as i64),
            _ => self.text(),
        };
        self.server
            .update(database, table, &matches, &|row| row[set] = value.clone());
    }
}
