//! Every assignment of a tail to databases that the server's rules allow, by a
//! check that shares nothing with the crate.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::bytes::{Column, Databases, Operation, Row, Table, Value};

/// A database that no file names.
pub const UNNAMED: &str = "?";
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

type Tables = BTreeMap<String, Held>;
type State = Vec<(String, Rc<Tables>)>;

fn state_of(databases: &Databases, unnamed: usize) -> State {
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
    let named = databases.iter().map(|(name, tables)| {
        let tables = tables
            .iter()
            .map(|(name, table)| (name.clone(), held(table)));
        (name.clone(), Rc::new(tables.collect()))
    });
    let unnamed = (0..unnamed).map(|_| (UNNAMED.to_owned(), Rc::default()));
    named.chain(unnamed).collect()
}

/// One record on one database: `false` when it would not have been logged.
/// `statement` is the first record that can belong to the same INSERT.
fn run(
    tables: &mut Tables,
    operation: &Operation,
    (at, statement): (usize, usize),
    xid: u64,
    rules: Rules,
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
            let fresh = !tables.contains_key(name);
            tables.entry(name.clone()).or_insert(Held { columns, rows });
            return stands && (fresh || rules.failing);
        }
        Operation::DropTable(name) => {
            return tables.remove(name).is_some() || rules.failing;
        }
        Operation::Rename(old, new) => {
            return match (tables.contains_key(new), tables.remove(old)) {
                (false, Some(table)) => tables.insert(new.clone(), table).is_none(),
                _ => false,
            };
        }
        Operation::Insert(name, row) if !insertable(tables, name, row, statement, rules) => {
            return false;
        }
        Operation::Insert(name, row) if row.values.len() != tables[name].columns.len() => {
            return rules.failing;
        }
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
        .is_some_and(|table| change(table, operation, at, xid))
}

/// Whether a run shows a row when its transaction id is `xid`.
fn shown(row: &Row, xid: u64) -> bool {
    row.xmin <= xid && row.xmax.is_none_or(|end| end > xid)
}

fn change(table: &mut Held, operation: &Operation, at: usize, xid: u64) -> bool {
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
            old.row.xmax = Some(row.xmin);
            push(table, row);
            true
        }
        Operation::Delete(_, index) => {
            let old = table.rows.get_mut(usize::try_from(*index).unwrap());
            old.is_some_and(|old| {
                old.row.xmax = Some(xid);
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
fn insertable(tables: &Tables, name: &str, row: &Row, statement: usize, rules: Rules) -> bool {
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
                shown(&version.row, row.xmin) && before && version.row.values[at] == *value
            };
            let is_key = (column.primary_key || column.unique) && rules.keys_are_checked;
            let taken = is_key && table.rows.iter().any(same);
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
                let mut shown = parent.rows.iter().filter(|v| shown(&v.row, row.xmin));
                at.is_none_or(|at| shown.any(|v| equal(&v.row.values[at])))
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

/// What a server does with a statement.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whether statements can have failed after they were logged.
    pub failing: bool,
    /// Whether a key that a visible row has is refused.
    pub keys_are_checked: bool,
}

/// What a search may do.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Databases that no file names and that can own records.
    pub unnamed: usize,
    pub rules: Rules,
    /// Databases tried for a record, over all; past them nothing is known.
    pub steps: usize,
    /// Assignments after which it is enough.
    pub found: usize,
}

/// Per record, the databases of every consistent assignment; `None` where that
/// takes too many steps.
pub fn consistent(
    held: &Databases,
    tail: &[Operation],
    limits: Limits,
) -> Option<Vec<BTreeSet<String>>> {
    // An INSERT logs one record a row: a run of them can be one statement.
    let mut statements: Vec<usize> = Vec::new();
    // The largest xmin so far is what a DELETE can have written.
    let mut xids: Vec<u64> = Vec::new();
    for (at, operation) in tail.iter().enumerate() {
        let same =
            at > 0 && table_of(operation).is_some_and(|t| table_of(&tail[at - 1]) == Some(t));
        statements.push(if same { statements[at - 1] } else { at });
        let before = xids.last().copied().unwrap_or(1);
        xids.push(match operation {
            Operation::Insert(_, row) | Operation::Update(_, _, row) => before.max(row.xmin),
            _ => before,
        });
    }
    let mut search = Search {
        tail,
        statements,
        xids,
        rules: limits.rules,
        steps: limits.steps,
        missing: limits.found,
        chosen: Vec::new(),
        found: vec![BTreeSet::new(); tail.len()],
    };
    search.go(&mut state_of(held, limits.unnamed));
    (search.steps > 0).then_some(search.found)
}

struct Search<'t> {
    tail: &'t [Operation],
    statements: Vec<usize>,
    xids: Vec<u64>,
    rules: Rules,
    /// That are left.
    steps: usize,
    missing: usize,
    chosen: Vec<usize>,
    found: Vec<BTreeSet<String>>,
}

impl Search<'_> {
    fn go(&mut self, state: &mut State) {
        let at = self.chosen.len();
        if at == self.tail.len() {
            self.missing -= 1;
            for (found, chosen) in self.found.iter_mut().zip(&self.chosen) {
                found.insert(state[*chosen].0.clone());
            }
            return;
        }
        for slot in 0..state.len() {
            self.steps = self.steps.saturating_sub(1);
            if self.steps == 0 || self.missing == 0 {
                return;
            }
            let before = state[slot].1.clone();
            let fresh = |at: usize| {
                let one = at.checked_sub(1).and(state.get(at));
                one.is_some_and(|(name, own)| name == UNNAMED && own.is_empty())
            };
            // One that has nothing yet is like the next that has nothing.
            if fresh(slot) && fresh(slot - 1) {
                continue;
            }
            let mut after = (*before).clone();
            let place = (at, self.statements[at]);
            let (operation, xid) = (&self.tail[at], self.xids[at]);
            if run(&mut after, operation, place, xid, self.rules) {
                state[slot].1 = Rc::new(after);
                self.chosen.push(slot);
                self.go(state);
                self.chosen.pop();
                state[slot].1 = before;
            }
        }
    }
}
