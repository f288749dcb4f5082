//! Random directories: whatever a file holds, its script loads and gives back
//! every row.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::loaded::assert_holds;
use crate::postgres::Postgres;
use crate::random::Random;
use crate::sql_edges::{edges, row};
use crate::support::arbitrary;
use crate::support::content::{column, fresh_instance, table};
use crate::support::disk::{SNAPSHOT, on_disk};
use crate::support::model::{
    Column, DataType, Family, Instance, Since, Table, Value, encode_instance,
};
use crate::support::run::{dumped, inspect, text};
use crate::support::server::Files;

/// Dumps, loads and compares a snapshot; how many rows it had.
fn loads(server: &Postgres, family: Family, instance: &Instance, what: &str) -> usize {
    let snapshot = (SNAPSHOT.to_owned(), encode_instance(family, instance));
    let files = on_disk(&Files::from([snapshot]));
    let directory = text(files.path());
    let args = ["dump", &directory, "--from-family", family.name()];
    let script = inspect(args).exits(0).stdout;
    let output = server.run("postgres", &script);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {said}\n{script}");
    let rows = inspect(args.into_iter().chain(["--format=jsonl", "--typed"])).exits(0);
    let rows = assert_holds(server, &script, &dumped(&rows), what);
    server.clear();
    rows
}

#[test]
fn random_directories_load() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = (arbitrary::family(), arbitrary::instance());
    let mut rows = 0;
    for case in 0..24 {
        let (family, instance) = strategy.new_tree(&mut runner).unwrap().current();
        rows += loads(&server, family, &instance, &format!("case {case}"));
    }
    assert!(rows > 5, "{rows}");
}

/// Columns of likely and unlikely types, keys and foreign keys, and values that
/// often fit and often repeat.
fn tables(random: &mut Random) -> Vec<Table> {
    let edges = edges();
    let pick = |random: &mut Random, len: usize| {
        usize::try_from(random.below(u64::try_from(len).unwrap())).unwrap()
    };
    let mut made: Vec<Table> = Vec::new();
    for at in 0..60 {
        let mut columns: Vec<Column> = Vec::new();
        let mut pools: Vec<Vec<Value>> = Vec::new();
        for position in 0..=pick(random, 3) {
            let (of, values, _) = &edges[pick(random, edges.len())];
            let of = match of {
                // Each of its own, or they would share one type.
                DataType::Enum(name, labels) => {
                    DataType::Enum(format!("{name}{at}"), labels.clone())
                }
                other => other.clone(),
            };
            let mut one = column(&format!("c{position}"), of);
            let mut pool = values.clone();
            if random.chance(20) {
                pool.extend(edges[pick(random, edges.len())].1.clone());
            }
            one.nullable = random.chance(60);
            one.primary_key = random.chance(25);
            one.unique = Since(random.chance(25));
            if !made.is_empty() && random.chance(30) {
                let referenced = &made[pick(random, made.len())];
                let target = pick(random, referenced.columns.len());
                let key = &referenced.columns[target];
                one.foreign_key = Some((referenced.name.clone(), key.name.clone()));
                // Often the referenced values, in the referenced type.
                if random.chance(70) {
                    one.data_type = key.data_type.clone();
                    pool = referenced
                        .rows
                        .iter()
                        .map(|row| row.values[target].clone())
                        .collect();
                }
            }
            if pool.is_empty() || random.chance(20) {
                pool.push(Value::Null);
            }
            columns.push(one);
            pools.push(pool);
        }
        let count = random.below(6);
        let values = |random: &mut Random| -> Vec<Value> {
            let one = |pool: &Vec<Value>| pool[pick(random, pool.len())].clone();
            pools.iter().map(one).collect()
        };
        let rows = (0..count).map(|_| row(values(random))).collect();
        made.push(Table {
            rows,
            ..table(&format!("t{at}"), columns)
        });
    }
    made
}

#[test]
fn random_keys_and_values_that_nearly_fit_load() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let (mut rows, mut constraints) = (0, 0);
    for seed in 0..7 {
        let mut instance = fresh_instance();
        let tables = tables(&mut Random::new(seed));
        let tables = tables.into_iter().map(|table| (table.name.clone(), table));
        instance.databases[0].1.tables = tables.collect();
        let files = Files::from([(
            SNAPSHOT.to_owned(),
            encode_instance(Family::V2_3, &instance),
        )]);
        let files = on_disk(&files);
        let script = inspect(["dump", &text(files.path())]).exits(0).stdout;
        constraints += script.matches(" ADD PRIMARY KEY ").count();
        constraints += script.matches(" ADD UNIQUE ").count();
        constraints += script.matches(" ADD FOREIGN KEY ").count();
        rows += loads(&server, Family::V2_3, &instance, &format!("seed {seed}"));
    }
    assert!(rows > 600 && constraints > 100, "{rows} {constraints}");
}
