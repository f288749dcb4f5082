//! The one assumption that is made without asking: a table made after the last
//! checkpoint is of the one database that the files name, where its records
//! fit there without anything odd. That another database was made since, and
//! the table in it, nothing can rule out; so the assumption is told. Where the
//! snapshot is gone, and with it the names of all databases, the one that stands
//! in its place is assumed likewise.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::model::Operation;
use crate::report::Report;

use super::check::{Lookup, Trial, insert_runs};
use super::component::Component;
use super::evidence::{self, Clue};
use super::horizon::{Asks, Horizon};
use super::problem::{Missing, Proof, Record};
use super::solver::{Solution, Solved};
use super::state::State;
use super::{Attributed, Confidence};

/// The most that an assumption weighs, for each of its records. How often people
/// make a database after the last checkpoint is in no file and was not measured,
/// so nothing above even odds is claimed; random histories in which they may do so
/// find the assumption right more often than that.
pub(super) const WEIGHT: f64 = 0.5;

/// The slot of the one database.
const ONLY: u32 = 0;

/// Of every part of the tail, whether all its records are assumed to be of the
/// one database that the files name.
///
/// # Errors
/// Those of `go_on`.
pub(super) fn components(
    solution: &Solution<'_>,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<Vec<bool>> {
    let problem = &solution.problem;
    let alone = problem.databases.len() == 1 && problem.snapshot_databases == 1;
    let all = solution.components.iter();
    let nameable = !problem.missing.any() || problem.missing == Missing::Unknown;
    // Where facts leave the one database alone, nothing is to be assumed.
    let is_open = |component: &Component| {
        let mut solved = component.records.iter();
        solved.any(|at| {
            let solved = solution.solved.get(*at);
            solved.is_some_and(|solved| solved.open.contains(&problem.unknown()))
        })
    };
    let insert_runs = insert_runs(problem);
    let assumed = all.map(|component| match alone && nameable && is_open(component) {
        true => fits(solution, component, &insert_runs, go_on),
        false => Ok(false),
    });
    assumed.collect()
}

/// Whether every record takes effect in the one database, and looks as if it
/// had been written there.
fn fits(
    solution: &Solution<'_>,
    component: &Component,
    insert_runs: &[u32],
    go_on: &dyn Fn() -> Result<()>,
) -> Result<bool> {
    let (problem, base) = (&solution.problem, &solution.base);
    let horizon = Horizon::new(problem, base, component, Asks::Evidence);
    let lookup = Lookup {
        problem,
        horizon: &horizon,
    };
    let mut state = State::of_base(problem, base, &component.classes, &component.looked_up);
    let mut changed = None;
    let mut clues: Vec<Clue> = Vec::new();
    for at in &component.records {
        go_on()?;
        let (Some(record), Some(database)) =
            (problem.records.get(*at), state.database(ONLY, changed))
        else {
            return Ok(false);
        };
        // As before a CREATE TABLE, it speaks against nobody.
        let solved = solution.solved.get(*at);
        if solved.is_some_and(|solved| drops_nothing(record, solved)) {
            continue;
        }
        let keys_before = insert_runs.get(*at).copied().unwrap_or_default();
        if lookup.check(database, record, keys_before) != Trial::Applies {
            return Ok(false);
        }
        clues.clear();
        if let (Operation::Insert { row, .. }, Some(table)) =
            (record.operation, database.table(record.table))
        {
            evidence::insert(&lookup, database, record, table, row, &mut clues);
        }
        let odd = |(word, _): &Clue| match *word {
            "serial-behind" => true,
            "serial-gap" => record.proof > Proof::Nothing,
            _ => false,
        };
        if clues.iter().any(odd) {
            return Ok(false);
        }
        let after = database.after(&horizon, std::iter::once((*at, record)));
        state.set(ONLY, changed, after);
        changed = Some(0);
    }
    Ok(true)
}

/// Whether a record is a DROP TABLE of none, whichever database it was for.
pub(super) fn drops_nothing(record: &Record<'_>, solved: &Solved) -> bool {
    let drops = matches!(record.operation, Operation::DropTable { .. });
    drops && solved.idle.len() == solved.open.len()
}

/// Names every table whose records were placed by the assumption.
pub(super) fn report(
    solution: &Solution<'_>,
    assumed: &[bool],
    tail: &[Attributed],
    report: &mut Report,
) {
    let problem = &solution.problem;
    let mut tables: BTreeSet<&str> = BTreeSet::new();
    let records = problem.records.iter().zip(&solution.solved).zip(tail);
    for ((record, solved), attributed) in records {
        let by_it = assumed.get(solved.component) == Some(&true)
            && attributed.confidence == Confidence::Probable
            && solved.open.contains(&problem.unknown());
        let names = [Some(record.table), record.renamed_to]
            .into_iter()
            .flatten();
        if by_it && !matches!(record.operation, Operation::DropTable { .. }) {
            let names = names.filter_map(|name| problem.names.get(super::problem::index(name)));
            tables.extend(names.map(String::as_str));
        }
    }
    let database = problem.database(ONLY).unwrap_or_default();
    let why = match problem.missing {
        Missing::Unknown => "which databases there had been is in no file, and this one is there",
        _ => {
            "it was made after the last checkpoint, and this is the only database that the files name"
        }
    };
    for table in tables {
        let finding = Finding::new(Code::AssumedDatabase)
            .database(database)
            .table(table);
        report.add(finding.detail(why));
    }
}
