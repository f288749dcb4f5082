//! Random histories: what applications do to several databases of one server.

use super::bytes::{Column, DataType, Value};
use super::random::Random;
use super::server::{Release, Server};

/// What one statement selects.
type Predicate = Box<dyn Fn(&[Value]) -> bool>;

/// How a history goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Equal tables, inserts only, different sequences.
    Inserts,
    /// Equal tables, all statements, one session at a time.
    Sessions,
    /// Equal tables, updates and deletes of many rows.
    Purge,
    /// Many databases, tables of equal names, some with another column.
    Many,
    /// Databases that start equal and are filled in turn.
    Mirror,
    /// Orders that refer to the customers of their database.
    References,
    /// Tables created, changed, renamed and dropped.
    Reshaped,
    /// Everything at once, on few values: as many coincidences as possible.
    Wild,
    /// Everything at once, with transactions between.
    Transactions,
    /// A release that logs neither updates nor deletes.
    Later,
    /// A database created after the checkpoint.
    Late,
}

impl Kind {
    pub const ALL: [Kind; 11] = [
        Kind::Inserts,
        Kind::Sessions,
        Kind::Purge,
        Kind::Many,
        Kind::Mirror,
        Kind::References,
        Kind::Reshaped,
        Kind::Wild,
        Kind::Transactions,
        Kind::Later,
        Kind::Late,
    ];
}

pub struct Workload {
    pub server: Server,
    random: Random,
    kind: Kind,
    databases: Vec<String>,
    tables: Vec<&'static str>,
    /// Values of the column `age`.
    ages: i64,
    /// How often, in 100, a statement stays in the database of the one before.
    stay: u64,
    current: usize,
}

fn column(name: &str, data_type: DataType) -> Column {
    Column {
        name: name.to_owned(),
        data_type,
        primary_key: false,
        unique: false,
        foreign_key: None,
    }
}

fn people() -> Vec<Column> {
    let mut id = column("id", DataType::Serial);
    id.primary_key = true;
    vec![
        id,
        column("name", DataType::Text),
        column("age", DataType::Integer),
        column("joined", DataType::Date),
    ]
}

const WORDS: [&str; 22] = [
    "ash", "birch", "cedar", "dogwood", "elm", "fir", "gum", "hazel", "ivy", "juniper", "kapok",
    "larch", "maple", "oak", "pine", "quince", "rowan", "spruce", "teak", "yew", "alder", "box",
];

impl Workload {
    /// Runs a history up to a kill.
    pub fn run(kind: Kind, seed: u64) -> Self {
        let mut workload = Workload::filled(kind, seed, 0);
        workload.tail();
        workload
    }

    /// A history with a tail of few statements.
    pub fn brief(kind: Kind, seed: u64, statements: u64) -> Self {
        let mut workload = Workload::filled(kind, seed, 0);
        (0..statements).for_each(|_| workload.statement());
        workload
    }

    /// A history of one database, with transactions between: nothing but the
    /// rows that were never logged is in doubt.
    pub fn unlogged(kind: Kind, seed: u64) -> Self {
        let mut workload = Workload::filled(kind, seed, 1);
        for _ in 0..10 + workload.random.below(40) {
            if workload.random.chance(8) {
                workload.server.begin();
                (0..1 + workload.random.below(4)).for_each(|_| workload.statement());
                workload.server.commit();
            }
            workload.statement();
            if workload.server.truth.len() > 110 {
                break;
            }
        }
        workload
    }

    /// Databases with rows, right after a checkpoint; `databases` says how
    /// many, 0 that the kind does.
    fn filled(kind: Kind, seed: u64, databases: u64) -> Self {
        let mut random = Random::new(seed);
        let count = match kind {
            _ if databases > 0 => databases,
            Kind::Many => 5 + random.below(4),
            Kind::Late => 1 + random.below(2),
            Kind::Reshaped => 2 + random.below(2),
            _ => 2 + random.below(2),
        };
        let all = [
            "postgres", "east", "west", "d0", "d1", "d2", "d3", "d4", "d5",
        ];
        let databases: Vec<&str> = all.into_iter().take(count as usize).collect();
        let release = match kind {
            Kind::Later => Release::V1_5,
            Kind::Wild | Kind::Inserts if random.chance(40) => Release::V1_3,
            _ => Release::V1_4,
        };
        let wild = matches!(kind, Kind::Wild | Kind::Transactions);
        let mut workload = Workload {
            server: Server::new(release, &databases),
            databases: databases.iter().map(|name| (*name).to_owned()).collect(),
            tables: match kind {
                Kind::Many => vec!["users", "people", "staff", "guests", "crew"],
                Kind::Wild => vec!["users", "people"],
                _ => vec!["users"],
            },
            ages: if wild { 6 } else { 98 },
            stay: match kind {
                Kind::Sessions => 60,
                Kind::Wild => random.below(80),
                Kind::Reshaped | Kind::Late => 50,
                _ => 0,
            },
            random,
            kind,
            current: 0,
        };
        workload.fill();
        workload.server.checkpoint();
        workload
    }

    /// A long tail over many databases of one schema.
    pub fn long(records: usize, databases: usize) -> Self {
        let names: Vec<String> = (0..databases).map(|n| format!("d{n:02}")).collect();
        let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut workload = Workload {
            server: Server::new(Release::V1_4, &borrowed),
            databases: names,
            tables: vec!["users"],
            ages: 98,
            stay: 60,
            random: Random::new(7),
            kind: Kind::Many,
            current: 0,
        };
        for (at, database) in workload.databases.clone().iter().enumerate() {
            workload.server.create(database, "users", people());
            for _ in 0..3 + at * 5 {
                workload.insert(database, "users");
            }
        }
        workload.server.checkpoint();
        while workload.server.truth.len() < records {
            workload.statement();
        }
        workload
    }

    fn fill(&mut self) {
        if self.kind == Kind::References {
            self.fill_references();
            return;
        }
        for database in self.databases.clone() {
            for table in self.tables.clone() {
                if self.kind == Kind::Wild && self.random.chance(20) {
                    continue;
                }
                let mut columns = people();
                if matches!(self.kind, Kind::Many) && self.random.chance(40) {
                    columns.push(column("note", DataType::Text));
                }
                if self.kind == Kind::Wild && self.random.chance(30) {
                    columns[2].unique = self.server.release != Release::V1_3;
                }
                self.server.create(&database, table, columns);
            }
        }
        if self.kind == Kind::Mirror {
            // Filled in turn; the checkpoint comes somewhere on the way.
            let rounds = 15 + self.random.below(20);
            for _ in 0..rounds {
                for database in self.databases.clone() {
                    self.insert(&database, "users");
                }
            }
            for at in 0..self.random.below(3) as usize {
                let database = self.databases[at % self.databases.len()].clone();
                self.insert(&database, "users");
            }
            return;
        }
        for database in self.databases.clone() {
            for table in self.tables.clone() {
                let rows = match self.kind {
                    Kind::Wild | Kind::Transactions => self.random.below(6),
                    Kind::Many => 4 + self.random.below(12),
                    _ => 12 + self.random.below(50),
                };
                (0..rows).for_each(|_| self.insert(&database, table));
            }
        }
        if !matches!(self.kind, Kind::Inserts | Kind::Later) {
            (0..self.random.below(30)).for_each(|_| self.statement());
        }
    }

    fn fill_references(&mut self) {
        for database in self.databases.clone() {
            let mut key = column("id", DataType::Integer);
            key.primary_key = true;
            let customers = vec![key, column("name", DataType::Text)];
            self.server.create(&database, "customers", customers);
            let mut id = column("id", DataType::Serial);
            id.primary_key = true;
            let mut customer = column("customer", DataType::Integer);
            customer.foreign_key = Some(("customers".to_owned(), "id".to_owned()));
            let orders = vec![id, customer, column("note", DataType::Text)];
            self.server.create(&database, "orders", orders);
            let first = 100 + self.random.below(20) as i64;
            for n in 0..10 + self.random.below(25) as i64 {
                let name = self.words();
                let row = vec![Some(Value::literal(first + n)), Some(Value::Text(name))];
                self.server.insert(&database, "customers", &[row]);
            }
            (0..self.random.below(20)).for_each(|_| self.order(&database));
        }
    }

    fn tail(&mut self) {
        if self.kind == Kind::Late {
            let (before, after) = (self.random.below(20), self.random.below(30));
            (0..before).for_each(|_| self.statement());
            self.server.create_database("late");
            self.databases.push("late".to_owned());
            let table = if self.random.chance(50) {
                "notes"
            } else {
                "users"
            };
            self.server.create("late", table, people());
            self.tables.push("notes");
            (0..after).for_each(|_| self.statement());
            return;
        }
        if self.kind == Kind::Mirror {
            let rounds = self.random.below(12);
            for _ in 0..rounds {
                for database in self.databases.clone() {
                    self.insert(&database, "users");
                }
            }
            (0..30 + self.random.below(20)).for_each(|_| self.statement());
            return;
        }
        let statements = match self.kind {
            Kind::Wild | Kind::Transactions => self.random.below(14),
            Kind::Many => 50 + self.random.below(40),
            _ => 30 + self.random.below(40),
        };
        let begin = match self.kind {
            Kind::Transactions => self.random.below(10),
            _ => u64::MAX,
        };
        for n in 0..statements {
            if n >= begin && self.random.chance(25) {
                self.server.begin();
                (0..1 + self.random.below(4)).for_each(|_| self.statement());
                self.server.commit();
            }
            self.statement();
            if self.server.truth.len() > 110 {
                break;
            }
        }
    }

    fn statement(&mut self) {
        if !self.random.chance(self.stay) {
            self.current = self.random.below(self.databases.len() as u64) as usize;
        }
        let database = self.databases[self.current].clone();
        let at = self.random.below(self.tables.len() as u64) as usize;
        let table = self.tables[at];
        let roll = self.random.below(100);
        match self.kind {
            Kind::Inserts => self.insert(&database, table),
            Kind::References if roll < 85 => self.order(&database),
            Kind::References => self.customer(&database),
            Kind::Sessions if roll < 50 => self.insert(&database, table),
            Kind::Sessions if roll < 85 => self.update(&database, table),
            Kind::Sessions => self.delete(&database, table),
            Kind::Purge if roll < 30 => self.insert(&database, table),
            Kind::Purge if roll < 65 => self.update(&database, table),
            Kind::Purge => self.delete(&database, table),
            Kind::Many if roll < 88 => self.insert(&database, table),
            Kind::Many if roll < 97 => self.update(&database, table),
            Kind::Many => self.delete(&database, table),
            Kind::Mirror | Kind::Later if roll < 65 => self.insert(&database, table),
            Kind::Mirror | Kind::Later if roll < 97 => self.update(&database, table),
            Kind::Mirror | Kind::Later => self.delete(&database, table),
            Kind::Reshaped if roll < 60 => self.insert(&database, table),
            Kind::Reshaped if roll < 70 => self.update(&database, table),
            Kind::Reshaped => self.reshape(&database, table),
            Kind::Late if roll < 75 => self.insert(&database, table),
            Kind::Late => self.update(&database, table),
            Kind::Wild | Kind::Transactions => self.anything(&database, table, roll),
        }
    }

    fn anything(&mut self, database: &str, table: &str, roll: u64) {
        match roll {
            0..35 => self.insert(database, table),
            35..45 => self.explicit(database, table),
            45..50 => self.several(database, table),
            50..70 => self.update(database, table),
            70..85 => self.delete(database, table),
            85..88 => self.wrong_arity(database, table),
            _ => self.reshape(database, table),
        }
    }

    fn words(&mut self) -> String {
        let count = 1 + self.random.below(6);
        let words: Vec<&str> = (0..count)
            .map(|_| WORDS[self.random.below(22) as usize])
            .collect();
        words.join(" ")
    }

    fn age(&mut self) -> Value {
        Value::literal(1 + self.random.below(self.ages as u64) as i64)
    }

    fn date(&mut self) -> Value {
        let (year, month) = (1970 + self.random.below(70), 1 + self.random.below(12));
        Value::Date(format!(
            "{year}-{month:02}-{:02}",
            1 + self.random.below(28)
        ))
    }

    /// A row of a table by its columns, the serial left to its default.
    fn row(&mut self, database: &str, table: &str) -> Option<Vec<Option<Value>>> {
        let columns = self.server.table(database, table)?.columns.clone();
        let row = columns
            .iter()
            .map(|column| match (column.data_type, column.name.as_str()) {
                (DataType::Serial, _) | (_, "note") => None,
                (DataType::Integer, _) => Some(self.age()),
                (DataType::Date, _) => Some(self.date()),
                _ => Some(Value::Text(self.words())),
            });
        Some(row.collect())
    }

    fn insert(&mut self, database: &str, table: &str) {
        if let Some(row) = self.row(database, table) {
            self.server.insert(database, table, &[row]);
        }
    }

    fn several(&mut self, database: &str, table: &str) {
        let rows: Vec<_> = (0..3).filter_map(|_| self.row(database, table)).collect();
        if rows.len() == 3 {
            self.server.insert(database, table, &rows);
        }
    }

    fn explicit(&mut self, database: &str, table: &str) {
        if let Some(mut row) = self.row(database, table) {
            row[0] = Some(Value::literal(1 + self.random.below(30) as i64));
            self.server.insert(database, table, &[row]);
        }
    }

    fn wrong_arity(&mut self, database: &str, table: &str) {
        if let Some(mut row) = self.row(database, table) {
            row.push(Some(Value::Boolean(true)));
            self.server.insert(database, table, &[row]);
        }
    }

    fn order(&mut self, database: &str) {
        let customers = self.server.table(database, "customers").unwrap();
        let keys: Vec<Value> = customers
            .rows
            .iter()
            .map(|row| row.values[0].clone())
            .collect();
        let key = keys[self.random.below(keys.len() as u64) as usize].clone();
        let note = Value::Text(self.words());
        self.server
            .insert(database, "orders", &[vec![None, Some(key), Some(note)]]);
    }

    fn customer(&mut self, database: &str) {
        let customers = self.server.table(database, "customers").unwrap();
        let largest = customers
            .rows
            .iter()
            .filter_map(|row| row.values[0].number())
            .max();
        let key = Value::literal(largest.unwrap_or(100) + 1);
        let name = Value::Text(self.words());
        self.server
            .insert(database, "customers", &[vec![Some(key), Some(name)]]);
    }

    /// A column and a value that some row has in it, or a range of it.
    fn predicate(&mut self, database: &str, table: &str) -> Option<Predicate> {
        let table = self.server.table(database, table)?;
        if table.rows.is_empty() || table.columns.is_empty() {
            return None;
        }
        let picked = &table.rows[self.random.below(table.rows.len() as u64) as usize];
        let age = table.columns.iter().position(|column| column.name == "age");
        let at = match (self.random.chance(50), age) {
            (false, Some(at)) => at,
            _ => 0,
        };
        let value = picked.values.get(at)?.clone();
        if self.random.chance(5)
            && let Some(limit) = value.number()
        {
            return Some(Box::new(move |row| {
                row[at].number().is_some_and(|n| n < limit)
            }));
        }
        Some(Box::new(move |row| row[at] == value))
    }

    fn update(&mut self, database: &str, table: &str) {
        let Some(matches) = self.predicate(database, table) else {
            return;
        };
        let columns = self.server.table(database, table).unwrap().columns.clone();
        let settable: Vec<usize> = (0..columns.len())
            .filter(|at| columns[*at].name != "id")
            .collect();
        if settable.is_empty() {
            return;
        }
        let at = settable[self.random.below(settable.len() as u64) as usize];
        let key = matches!(self.kind, Kind::Wild | Kind::Transactions) && self.random.chance(10);
        let value = match columns[at].data_type {
            DataType::Integer => self.age(),
            DataType::Date => self.date(),
            _ => Value::Text(self.words()),
        };
        let id = Value::literal(1 + self.random.below(30) as i64);
        self.server
            .update(database, table, &*matches, &|row| match key {
                true => row[0] = id.clone(),
                false => row[at] = value.clone(),
            });
    }

    fn delete(&mut self, database: &str, table: &str) {
        if let Some(matches) = self.predicate(database, table) {
            self.server.delete(database, table, &*matches);
        }
    }

    fn reshape(&mut self, database: &str, table: &str) {
        let other = ["scratch", "users", "people"][self.random.below(3) as usize];
        match self.random.below(8) {
            0 | 1 => {
                self.server.create(database, other, people());
            }
            2 => {
                self.server.drop_table(database, other);
            }
            3 => {
                self.server
                    .add_column(database, table, column("mail", DataType::Text));
            }
            4 => {
                self.server.drop_column(database, table, "joined");
            }
            5 => {
                self.server.rename_column(database, table, "age", "years");
            }
            6 => {
                self.server.rename(database, table, other);
            }
            _ => self.insert(database, other),
        }
    }
}
