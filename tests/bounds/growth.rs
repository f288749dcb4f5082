//! Whatever part of a file is large, time grows with the bytes and so does
//! memory: each shape makes one field of the formats large, commands read it at
//! two sizes, and the exponents of processor time and of memory are held against
//! bounds. `RUSTDB_TRUST=full cargo test --release --test bounds growth -- --nocapture`
//! goes from 2^10 to 2^16; `cargo test` less far. Both print the table.

use crate::support;
use std::fs;
use std::path::Path;

use crate::lines::command;
use crate::measure::{Figures, growth, measure};
use crate::support::content::{column, fresh_instance, int, key, references, row, table, text};
use crate::support::model::{
    Column, DataType, Database, Family, Instance, Metadata, Operation, Privilege, Role, Since,
    Table, Value, WalEntry, encode_instance, frame,
};

/// Exponents that are still in proportion: a logarithm and the noise of a machine
/// with other work have room in the first.
const MOST_TIME: f64 = 1.2;
/// The same from 2^9 to 2^12, where a logarithm alone makes 1.14 and small trees
/// still fit into caches that the large ones leave.
const MOST_TIME_BRIEFLY: f64 = 1.35;
const MOST_MEMORY: f64 = 1.05;
/// Below these, figures are those of the program itself.
const LEAST_SECONDS: f64 = 0.25;
const LEAST_MIB: f64 = 24.0;
/// How often a command that seems to grow too fast is measured again.
const AGAIN: usize = 5;
/// Tries, of which the least counts.
const TRIES: usize = 2;

/// One field made large.
struct Shape {
    name: &'static str,
    make: fn(usize) -> (Instance, Vec<Operation>),
}

pub fn database(tables: Vec<Table>) -> Database {
    let named = |table: Table| (table.name.clone(), table);
    Database {
        name: "shop".into(),
        tables: tables.into_iter().map(named).collect(),
        enums: Vec::new(),
        views: Since(Vec::new()),
        table_metadata: Since(Vec::new()),
    }
}

pub fn of_databases(databases: Vec<Database>) -> Instance {
    let mut instance = fresh_instance();
    let named = |database: Database| (database.name.clone(), database);
    instance.databases = databases.into_iter().map(named).collect();
    instance
}

pub fn of_tables(tables: Vec<Table>) -> Instance {
    of_databases(vec![database(tables)])
}

fn filled(mut table: Table, rows: impl Iterator<Item = Vec<Value>>) -> Table {
    table.rows = rows.map(row).collect();
    table
}

/// `t(id, name)` with rows from 0 on.
pub fn people(count: usize) -> Table {
    let columns = vec![key("id", DataType::Integer), column("name", DataType::Text)];
    filled(
        table("t", columns),
        (0..count as i64).map(|id| vec![int(id), text("x")]),
    )
}

/// A table of one row and of columns that depend on their number.
fn wide(count: usize, make: impl Fn(usize) -> Column) -> Table {
    let table = table("w", (0..count).map(make).collect());
    filled(table, std::iter::once(vec![int(1); count]))
}

/// The columns c0, c1 and so on.
fn numbers(count: usize) -> Table {
    wide(count, |at| column(&format!("c{at}"), DataType::Integer))
}

/// The same, each with a sequence.
fn serials(count: usize) -> Table {
    let mut table = wide(count, |at| column(&format!("c{at}"), DataType::Serial));
    table.sequences = numbered("c", count).map(|name| (name, 2)).collect();
    table
}

fn drop_column(at: usize) -> Operation {
    Operation::DropColumn("w".into(), format!("c{at}"))
}

fn each(count: usize, make: impl Fn(usize) -> Operation) -> Vec<Operation> {
    (0..count).map(make).collect()
}

fn with_log(instance: Instance, log: Vec<Operation>) -> (Instance, Vec<Operation>) {
    (instance, log)
}

fn only(instance: Instance) -> (Instance, Vec<Operation>) {
    (instance, Vec::new())
}

fn role(name: String, members: Vec<String>, member_of: Vec<String>) -> (String, Role) {
    let role = Role {
        name: name.clone(),
        is_superuser: false,
        can_create_db: false,
        can_create_role: false,
        members,
        member_of,
    };
    (name, role)
}

fn numbered(prefix: &str, count: usize) -> impl Iterator<Item = String> {
    let prefix = prefix.to_owned();
    (0..count).map(move |at| format!("{prefix}{at}"))
}

const SHAPES: &[Shape] = &[
    Shape {
        name: "databases",
        make: |n| {
            let named = |name| Database {
                name,
                ..database(Vec::new())
            };
            only(of_databases(numbered("d", n).map(named).collect()))
        },
    },
    Shape {
        name: "tables",
        make: |n| {
            let tables =
                numbered("t", n).map(|name| table(&name, vec![key("id", DataType::Integer)]));
            only(of_tables(tables.collect()))
        },
    },
    Shape {
        name: "rows",
        make: |n| only(of_tables(vec![people(8 * n)])),
    },
    Shape {
        name: "columns",
        make: |n| only(of_tables(vec![numbers(n)])),
    },
    Shape {
        name: "columns of one name",
        make: |n| only(of_tables(vec![wide(n, |_| column("c", DataType::Integer))])),
    },
    Shape {
        name: "UNIQUE columns",
        make: |n| {
            let make = |at| Column {
                unique: Since(true),
                ..column(&format!("c{at}"), DataType::Integer)
            };
            only(of_tables(vec![wide(n, make)]))
        },
    },
    Shape {
        name: "PRIMARY KEY columns of one name",
        make: |n| only(of_tables(vec![wide(n, |_| key("c", DataType::Integer))])),
    },
    Shape {
        name: "foreign keys to one table",
        make: |n| {
            let make = |at| references(&format!("c{at}"), "t", "id");
            only(of_tables(vec![people(2), wide(n, make)]))
        },
    },
    Shape {
        name: "foreign keys among columns",
        make: |n| {
            let make = |at: usize| references(&format!("c{at}"), "w", &format!("c{}", n - 1 - at));
            only(of_tables(vec![wide(n, make)]))
        },
    },
    Shape {
        name: "SERIAL columns",
        make: |n| only(of_tables(vec![serials(n)])),
    },
    Shape {
        name: "labels of an enum type",
        make: |n| {
            let labels: Vec<String> = numbered("l", n).collect();
            let mood = DataType::Enum("mood".into(), labels.clone());
            let made = table("t", vec![column("m", mood)]);
            let last = labels.into_iter().rev();
            let rows = last.map(|label| vec![Value::Enum("mood".into(), label)]);
            only(of_tables(vec![filled(made, rows)]))
        },
    },
    Shape {
        name: "enum types",
        make: |n| {
            let mut instance = of_tables(vec![people(1)]);
            let types = numbered("e", n).map(|name| (name, vec!["a".into()]));
            instance.databases[0].1.enums = types.collect();
            only(instance)
        },
    },
    Shape {
        name: "users and their grants",
        make: |n| {
            let mut instance = of_tables(vec![people(1)]);
            let first = instance.users[0].1.clone();
            instance.users = numbered("u", n)
                .map(|name| {
                    let user = support::model::User {
                        username: name.clone(),
                        ..first.clone()
                    };
                    (name, user)
                })
                .collect();
            let grants = numbered("u", n).map(|name| (name, vec![Privilege::All]));
            let metadata = Metadata {
                name: "shop".into(),
                owner: "u0".into(),
                privileges: grants.collect(),
            };
            instance.database_metadata = vec![("shop".into(), metadata)];
            only(instance)
        },
    },
    Shape {
        name: "roles in a chain",
        make: |n| {
            let mut instance = of_tables(vec![people(1)]);
            let above = |at: usize| at.checked_sub(1).map(|at| format!("r{at}"));
            let roles = (0..n).map(|at| {
                role(
                    format!("r{at}"),
                    vec![format!("r{}", at + 1)],
                    above(at).into_iter().collect(),
                )
            });
            instance.roles = Since(roles.collect());
            only(instance)
        },
    },
    Shape {
        name: "log: inserts",
        make: |n| {
            let insert =
                |at| Operation::Insert("t".into(), row(vec![int(100 + at as i64), text("x")]));
            with_log(of_tables(vec![people(1)]), each(n, insert))
        },
    },
    Shape {
        name: "log: updates",
        make: |n| {
            let update = |at| {
                let new = row(vec![int(at as i64), text("y")]);
                Operation::Update("t".into(), at as u64, new)
            };
            with_log(of_tables(vec![people(n)]), each(n, update))
        },
    },
    Shape {
        name: "log: new tables",
        make: |n| {
            let create = |at| {
                let name = format!("n{at}");
                let made = table(&name, vec![key("id", DataType::Integer)]);
                Operation::CreateTable(name, made)
            };
            with_log(of_tables(vec![people(1)]), each(n, create))
        },
    },
    Shape {
        name: "log: new columns",
        make: |n| {
            let add =
                |at| Operation::AddColumn("t".into(), column(&format!("c{at}"), DataType::Integer));
            with_log(of_tables(vec![people(1)]), each(n, add))
        },
    },
    Shape {
        name: "log: columns dropped from the front",
        make: |n| with_log(of_tables(vec![numbers(n)]), each(n - 1, drop_column)),
    },
    Shape {
        name: "log: columns dropped from both ends",
        make: |n| {
            let drop = |at: usize| match at % 2 {
                0 => drop_column(at / 2),
                _ => drop_column(n - 1 - at / 2),
            };
            with_log(of_tables(vec![numbers(n)]), each(n - 1, drop))
        },
    },
    Shape {
        name: "log: columns of a new table dropped",
        make: |n| {
            let made = Operation::CreateTable("w".into(), table("w", numbers(n).columns));
            let mut log = each(n - 1, drop_column);
            log.insert(0, made);
            with_log(of_tables(vec![people(1)]), log)
        },
    },
    Shape {
        name: "log: all columns renamed",
        make: |n| {
            let rename =
                |at| Operation::RenameColumn("w".into(), format!("c{at}"), format!("d{at}"));
            with_log(of_tables(vec![numbers(n)]), each(n, rename))
        },
    },
    Shape {
        name: "log: SERIAL columns dropped",
        make: |n| with_log(of_tables(vec![serials(n)]), each(n - 1, drop_column)),
    },
    Shape {
        name: "log: a row of SERIAL columns",
        make: |n| {
            let insert = Operation::Insert("w".into(), row(vec![int(2); n]));
            with_log(of_tables(vec![serials(n)]), vec![insert])
        },
    },
    Shape {
        name: "views",
        make: |n| {
            let mut instance = of_tables(vec![people(1)]);
            let views = numbered("v", n).map(|name| (name, "SELECT id FROM t".to_owned()));
            instance.databases[0].1.views = Since(views.collect());
            only(instance)
        },
    },
    Shape {
        name: "log: renamed columns",
        make: |n| {
            let name = |at: usize| match at {
                0 => "name".to_owned(),
                at => format!("name{at}"),
            };
            let rename = |at| Operation::RenameColumn("t".into(), name(at), name(at + 1));
            with_log(of_tables(vec![people(1)]), each(n, rename))
        },
    },
];

/// What is done with a source, and what it is called.
const COMMANDS: [(&str, &str); 5] = [
    ("info", "rustdb-inspect info SOURCE"),
    ("dump", "rustdb-inspect dump SOURCE --threads 2"),
    ("verify", "rustdb-inspect verify SOURCE --threads 2"),
    ("wal", "rustdb-inspect wal SOURCE --attribute"),
    (
        "upgrade",
        "rustdb-migrate upgrade SOURCE TARGET -q --to per-table --threads 2",
    ),
];

/// Writes a source; its bytes.
fn write(dir: &Path, shape: &Shape, n: usize) -> u64 {
    let (instance, log) = (shape.make)(n);
    write_source(dir, Family::V2_3, &instance, &log)
}

/// Writes a source of a snapshot and the log after its checkpoint; its bytes.
pub fn write_source(dir: &Path, family: Family, instance: &Instance, log: &[Operation]) -> u64 {
    fs::create_dir_all(dir.join("wal")).unwrap();
    let bytes = encode_instance(family, instance);
    fs::write(dir.join("server_instance.db"), &bytes).unwrap();
    let checkpoint = Operation::Checkpoint(1_700_000_000);
    let mut segment = Vec::new();
    for (operation, sequence) in std::iter::once(&checkpoint).chain(log).zip(1..) {
        let entry = WalEntry {
            sequence,
            timestamp: 1_700_000_000,
            operation: operation.clone(),
        };
        segment.extend(frame(family, &entry));
    }
    fs::write(dir.join("wal/000000006553f100.wal"), &segment).unwrap();
    (bytes.len() + segment.len()) as u64
}

/// The figures of a command in the quickest of some runs, and of those before.
fn run(line: &str, scratch: &Path, mut best: Option<Figures>) -> Figures {
    let (source, target) = (scratch.join("source"), scratch.join("target"));
    for _ in 0..TRIES {
        let _ = fs::remove_dir_all(&target);
        let paths = [("SOURCE", &*source), ("TARGET", &*target)];
        let figures = measure(&mut command(line, &paths)).unwrap();
        best = Some(match best {
            Some(best) if best.cpu_seconds <= figures.cpu_seconds => best,
            _ => figures,
        });
    }
    best.unwrap()
}

/// The exponent between two sizes, none where the figure is that of the program
/// itself.
fn exponent(points: [(f64, f64); 2], least: f64) -> Option<f64> {
    let [(from, low), (to, high)] = points;
    let counted = [(from, low.max(least / 10.0)), (to, high)];
    (high > least).then(|| growth(&counted))
}

fn shown(exponent: Option<f64>) -> String {
    exponent.map_or("-".to_owned(), |exponent| format!("{exponent:.2}"))
}

#[test]
fn time_and_memory_grow_with_the_bytes() {
    let full = std::env::var("RUSTDB_TRUST").is_ok_and(|effort| effort == "full");
    let (sizes, most_time) = match full {
        true => ([1 << 10, 1 << 16], MOST_TIME),
        false => ([1 << 9, 1 << 12], MOST_TIME_BRIEFLY),
    };
    let parent = Path::new("/dev/shm");
    let parent = if parent.is_dir() {
        parent.to_owned()
    } else {
        std::env::temp_dir()
    };
    println!("| large | bytes | command | seconds | exponent | MiB | exponent |");
    println!("|---|--:|---|--:|--:|--:|--:|");
    let mut beyond = Vec::new();
    for shape in SHAPES {
        let scratch = [0, 1].map(|_| tempfile::tempdir_in(&parent).unwrap());
        let lens = [0, 1].map(|at| write(&scratch[at].path().join("source"), shape, sizes[at]));
        for (name, line) in COMMANDS {
            let too_much = |found: Option<f64>, most| found.is_some_and(|found| found > most);
            let exponents = |figures: &[Figures; 2]| {
                let points = |pick: fn(&Figures) -> f64| {
                    [0, 1].map(|at| (lens[at] as f64, pick(&figures[at])))
                };
                let time = exponent(points(|figures| figures.cpu_seconds), LEAST_SECONDS);
                let memory = exponent(points(|figures| figures.peak_mib), LEAST_MIB);
                (time, memory)
            };
            let mut figures = [0, 1].map(|at| run(line, scratch[at].path(), None));
            // Whatever else runs makes a command slower, never quicker.
            for _ in 0..AGAIN {
                if !too_much(exponents(&figures).0, most_time) {
                    break;
                }
                let [low, high] = figures;
                figures = [(0, low), (1, high)]
                    .map(|(at, before)| run(line, scratch[at].path(), Some(before)));
            }
            let (time, memory) = exponents(&figures);
            let [_, high] = &figures;
            let line = format!(
                "| {} | {} | {name} | {:.2} | {} | {:.0} | {} |",
                shape.name,
                lens[1],
                high.cpu_seconds,
                shown(time),
                high.peak_mib,
                shown(memory)
            );
            println!("{line}");
            if too_much(time, most_time) || too_much(memory, MOST_MEMORY) {
                beyond.push(line);
            }
        }
    }
    assert!(beyond.is_empty(), "{}", beyond.join("\n"));
}
