//! Attribution against brute force: every assignment of a small tail is tried
//! against the server's rules, by a check that shares nothing with the crate.
//!
//! `RUSTDB_HISTORIES` and `RUSTDB_SEED` as in `attribution_histories`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod histories;
#[path = "histories/seeds.rs"]
mod seeds;

use std::collections::{BTreeMap, BTreeSet};

use histories::bytes::{Column, Databases, Operation, Row, Table, Value};
use histories::server::Release;
use histories::solve;
use histories::workload::{Kind, Workload};
use rustdb_migrate::recovery::Confidence;

/// A database that no file names.
const UNNAMED: &str = "?";
/// The longest tail that is tried through.
const RECORDS_MAX: usize = 9;

/// A row, and the record that pushed it.
#[derive(Clone)]
struct Version {
    row: Row,
    pushed_by: Option<usize>,
}

#[derive(Clone)]
struct Held {
    columns: Vec<Column>,
    rows: Vec<Version>,
}

type State = BTreeMap<String, BTreeMap<String, Held>>;

fn state_of(databases: &Databases) -> State {
    let held = |table: &Table| Held {
        columns: table.columns.clone(),
        rows: table
            .rows
            .iter()
            .map(|row| Version {
                row: row.clone(),
                pushed_by: None,
            })
            .collect(),
    };
    let mut state: State = databases
        .iter()
        .map(|(name, tables)| {
            let tables = tables
                .iter()
                .map(|(name, table)| (name.clone(), held(table)));
            (name.clone(), tables.collect())
        })
        .collect();
    state.insert(UNNAMED.to_owned(), BTreeMap::new());
    state
}

/// One record on one database: `false` when it would not have been logged.
/// `statement` is the first record that can belong to the same INSERT.
fn run(
    tables: &mut BTreeMap<String, Held>,
    operation: &Operation,
    at: usize,
    statement: usize,
) -> bool {
    match operation {
        Operation::CreateTable(name, table) => {
            let mut keys = table.columns.iter().filter_map(|c| c.foreign_key.as_ref());
            let stands = keys.all(|(parent, key)| {
                let parent = tables.get(parent);
                let mut columns = parent.iter().flat_map(|parent| &parent.columns);
                columns.any(|c| c.name == *key && c.primary_key)
            });
            let columns = table.columns.clone();
            let rows = Vec::new();
            tables.entry(name.clone()).or_insert(Held { columns, rows });
            return stands;
        }
        Operation::DropTable(name) => {
            tables.remove(name);
            return true;
        }
        Operation::Rename(old, new) => {
            return match (tables.contains_key(new), tables.remove(old)) {
                (false, Some(table)) => tables.insert(new.clone(), table).is_none(),
                _ => false,
            };
        }
        Operation::Insert(name, row) if !insertable(tables, name, row, statement) => return false,
        _ => {}
    }
    let name = match operation {
        Operation::Insert(name, _)
        | Operation::Update(name, ..)
        | Operation::Delete(name, _)
        | Operation::AddColumn(name, _)
        | Operation::DropColumn(name, _)
        | Operation::RenameColumn(name, ..) => name,
        _ => return true,
    };
    tables
        .get_mut(name)
        .is_some_and(|table| change(table, operation, at))
}

fn change(table: &mut Held, operation: &Operation, at: usize) -> bool {
    let position = |table: &Held, name: &str| table.columns.iter().position(|c| c.name == name);
    let push = |table: &mut Held, row: &Row| {
        table.rows.push(Version {
            row: row.clone(),
            pushed_by: Some(at),
        });
    };
    match operation {
        Operation::Insert(_, row) => {
            if row.values.len() == table.columns.len() {
                push(table, row);
            }
            true
        }
        Operation::Update(_, index, row) => {
            let fits = row.values.len() == table.columns.len();
            let old = table.rows.get_mut(usize::try_from(*index).unwrap());
            let Some(old) = old.filter(|_| fits) else {
                return false;
            };
            old.row.xmax = Some(1);
            push(table, row);
            true
        }
        Operation::Delete(_, index) => {
            let old = table.rows.get_mut(usize::try_from(*index).unwrap());
            old.is_some_and(|old| {
                old.row.xmax = Some(1);
                true
            })
        }
        Operation::AddColumn(_, column) => {
            let fresh = position(table, &column.name).is_none();
            table.columns.push(column.clone());
            for version in &mut table.rows {
                version.row.values.push(Value::Null);
            }
            fresh
        }
        Operation::DropColumn(_, name) => {
            let Some(at) = position(table, name).filter(|at| !table.columns[*at].primary_key)
            else {
                return false;
            };
            table.columns.remove(at);
            for version in &mut table.rows {
                version.row.values.remove(at);
            }
            true
        }
        Operation::RenameColumn(_, old, new) => {
            let Some(at) = position(table, old).filter(|_| position(table, new).is_none()) else {
                return false;
            };
            table.columns[at].name.clone_from(new);
            true
        }
        _ => true,
    }
}

/// Whether an INSERT would have been logged: of another arity always.
fn insertable(tables: &BTreeMap<String, Held>, name: &str, row: &Row, statement: usize) -> bool {
    let Some(table) = tables.get(name) else {
        return false;
    };
    if row.values.len() != table.columns.len() {
        return true;
    }
    let columns = table.columns.iter().zip(&row.values).enumerate();
    columns
        .filter(|(_, (_, value))| **value != Value::Null)
        .all(|(at, (column, value))| {
            let same = |version: &Version| {
                let before = version.pushed_by.is_none_or(|by| by < statement);
                version.row.xmax.is_none() && before && version.row.values[at] == *value
            };
            let taken = (column.primary_key || column.unique) && table.rows.iter().any(same);
            let referenced = column.foreign_key.as_ref().is_none_or(|(parent, key)| {
                let Some(parent) = tables.get(parent) else {
                    return false;
                };
                // Whatever wrote the literal, it is the same number.
                let equal = |other: &Value| match value.number() {
                    Some(number) => other.number() == Some(number),
                    None => other == value,
                };
                let at = parent.columns.iter().position(|c| c.name == *key);
                at.is_none_or(|at| parent.rows.iter().any(|v| equal(&v.row.values[at])))
            });
            !taken && referenced
        })
}

/// The table that an operation names before it.
fn table_of(operation: &Operation) -> Option<&str> {
    match operation {
        Operation::Insert(name, _) => Some(name),
        _ => None,
    }
}

/// Per record, the databases of every consistent assignment.
fn brute_force(held: &Databases, tail: &[Operation]) -> Vec<BTreeSet<String>> {
    let mut found = vec![BTreeSet::new(); tail.len()];
    // An INSERT logs one record a row: a run of them can be one statement.
    let mut statements: Vec<usize> = Vec::new();
    for (at, operation) in tail.iter().enumerate() {
        let same =
            at > 0 && table_of(operation).is_some_and(|t| table_of(&tail[at - 1]) == Some(t));
        statements.push(if same { statements[at - 1] } else { at });
    }
    let names: Vec<String> = state_of(held).into_keys().collect();
    let mut chosen = Vec::new();
    search(
        &state_of(held),
        tail,
        &statements,
        &names,
        &mut chosen,
        &mut found,
    );
    found
}

fn search(
    state: &State,
    tail: &[Operation],
    statements: &[usize],
    names: &[String],
    chosen: &mut Vec<String>,
    found: &mut [BTreeSet<String>],
) {
    let at = chosen.len();
    if at == tail.len() {
        for (found, chosen) in found.iter_mut().zip(chosen.iter()) {
            found.insert(chosen.clone());
        }
        return;
    }
    for name in names {
        let mut after = state.clone();
        if run(after.get_mut(name).unwrap(), &tail[at], at, statements[at]) {
            chosen.push(name.clone());
            search(&after, tail, statements, names, chosen, found);
            chosen.pop();
        }
    }
}

#[test]
fn exact_search_finds_what_brute_force_finds() {
    let kinds = [
        Kind::Wild,
        Kind::Reshaped,
        Kind::References,
        Kind::Purge,
        Kind::Late,
    ];
    let (mut tails, mut records, mut tight, mut certain) = (0, 0, 0, 0);
    for kind in kinds {
        for seed in seeds::seeds(25) {
            let workload = Workload::brief(kind, seed, 2 + seed % 5);
            let server = &workload.server;
            if server.tail.len() > RECORDS_MAX || server.release == Release::V1_5 {
                continue;
            }
            let consistent = brute_force(&server.held, &server.tail);
            let claims = solve(server);
            assert_eq!(consistent.len(), claims.len());
            tails += 1;
            for (claim, consistent) in claims.iter().zip(&consistent) {
                let at = format!("{kind:?} {seed}: {} of {}", claim.sequence, claim.truth);
                let named: BTreeSet<&str> = consistent
                    .iter()
                    .map(String::as_str)
                    .filter(|name| *name != UNNAMED)
                    .collect();
                assert!(named.contains(claim.truth.as_str()), "{at}: {named:?}");
                let candidates = claim.attributed.candidates.iter();
                let ruled_out: BTreeSet<&str> = candidates
                    .filter(|candidate| candidate.ruled_out.is_some())
                    .filter_map(|candidate| candidate.database.as_deref())
                    .collect();
                // No database of a consistent assignment is ruled out.
                assert!(
                    named.is_disjoint(&ruled_out),
                    "{at}: {named:?} {ruled_out:?}"
                );
                records += 1;
                tight += usize::from(claim.attributed.possible().all(|name| named.contains(name)));
                if claim.attributed.confidence == Confidence::Certain {
                    assert_eq!(consistent.len(), 1, "{at}: {consistent:?}");
                    certain += 1;
                }
            }
        }
    }
    eprintln!("{tails} tails, {records} records: {tight} as narrow, {certain} certain");
    assert!(tails > 20 && certain > 0, "{tails} {certain}");
    // Bounds and merged statements may leave more open, but rarely do.
    assert!(tight * 100 >= records * 98, "{tight} of {records}");
}
