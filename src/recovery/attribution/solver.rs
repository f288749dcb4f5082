//! From facts and evidence to what is claimed of each record.

use std::rc::Rc;

use crate::error::Result;
use crate::legacy::{Snapshot, Wal};
use crate::model::Operation;

use super::backward::Beliefs;
use super::base::{Base, Questions, only, row_hash};
use super::beam::{NOWHERE, Neighbours, Search};
use super::candidates::{self, Candidates};
use super::check::{Lookup, insert_runs};
use super::component::{Component, components};
use super::evidence::Part;
use super::exact;
use super::explain::{Choice, Weighed, weigh_along};
use super::facts::Fact;
use super::habit::Habits;
use super::horizon::{Asks, Horizon};
use super::problem::{NameId, Problem, Slot, hash};
use super::state::State;
use super::statement::Readings;
use crate::codec::{ByteWriter, RowValues};

/// Rows logged before the tail that are looked up to learn from.
const LEARNED_RECORDS: usize = 2_000;
/// A share of likelihood below which a statement counts as failed.
const FAILED_SHARE: f64 = 0.005;
/// A share from which a neighbour's database counts as known.
const KNOWN_SHARE: f64 = 0.9;

/// What was found out about one record.
#[derive(Debug, Clone, Default)]
pub(super) struct Solved {
    /// Databases that no fact rules out, ascending; shared as in [`Candidates`].
    pub open: Rc<[Slot]>,
    /// Databases that a fact rules out.
    pub ruled_out: Rc<[(Slot, Fact)]>,
    /// The database in the likeliest assignment as a whole.
    pub best: Option<Slot>,
    /// Shares of likelihood, ascending by database; empty where nothing was
    /// left to weigh.
    pub shares: Box<[(Slot, f64)]>,
    /// Whether it starts a statement in that assignment.
    pub starts: bool,
    /// The evidence for the databases that are likely enough.
    pub weighed: Box<[Weighed]>,
    /// Whether it had failed, whichever database it was for.
    pub failed: bool,
}

impl Solved {
    /// The evidence for and against a database.
    pub fn evidence(&self, slot: Slot) -> &[Part] {
        let found = self.weighed.iter().find(|(weighed, _)| *weighed == slot);
        found.map_or(&[], |(_, parts)| parts)
    }

    /// The share of a database.
    pub fn share(&self, slot: Slot) -> f64 {
        if only(&self.open) == Some(slot) {
            return 1.0;
        }
        let found = self.shares.binary_search_by_key(&slot, |(slot, _)| *slot);
        let share = found.ok().and_then(|at| self.shares.get(at));
        share.map_or(0.0, |(_, share)| *share)
    }
}

/// The tail, solved.
pub(super) struct Solution<'w> {
    /// The tail as it was put.
    pub problem: Problem<'w>,
    /// Its independent parts.
    pub components: Vec<Component>,
    /// By position in [`Problem::records`].
    pub solved: Vec<Solved>,
    /// The snapshot, as far as it was asked.
    pub base: Base,
    /// How databases follow one another.
    pub habits: Habits,
    /// States looked at in all.
    pub states: usize,
}

/// Solves the tail.
///
/// # Errors
/// When the snapshot's rows cannot be read.
pub(super) fn solve<'w>(
    problem: Problem<'w>,
    snapshot: &Snapshot,
    wal: &Wal,
) -> Result<Solution<'w>> {
    let components = components(&problem, snapshot);
    let undecided = |name: NameId| {
        let concerned = components.iter().filter(|c| c.looked_up.contains(&name));
        concerned
            .into_iter()
            .any(|component| component.reshaped || owners(&problem, snapshot, component) > 1)
    };
    let mut questions = Questions::of_tail(&problem);
    let earlier = earlier_rows(&problem, wal);
    questions.rows.extend(earlier.iter().flatten());
    let base = Base::read(&problem, snapshot, questions, undecided)?;
    let mut solution = Solution {
        solved: vec![Solved::default(); problem.records.len()],
        habits: learn(&problem, &base, &earlier),
        base,
        components,
        problem,
        states: 0,
    };
    solution.narrow();
    solution.weigh();
    solution.learn_stay();
    solution.weigh();
    solution.explain();
    Ok(solution)
}

/// Databases of the snapshot that have one of a component's tables.
fn owners(problem: &Problem<'_>, snapshot: &Snapshot, component: &Component) -> usize {
    let databases = snapshot.catalog.databases.iter();
    let owns = databases.filter(|database| {
        let mut names = database
            .tables
            .iter()
            .filter_map(|t| problem.name_id(&t.name));
        names.any(|name| component.names.contains(&name))
    });
    owns.count()
}

/// Hashes of the rows logged before the tail, in log order; `None` for records
/// that push none.
fn earlier_rows(problem: &Problem<'_>, wal: &Wal) -> Vec<Option<u64>> {
    let first = problem.records.first().map_or(0, |record| record.position);
    let records = wal
        .records
        .get(first.saturating_sub(LEARNED_RECORDS)..first);
    let mut bytes = ByteWriter::new();
    let mut hashes = Vec::new();
    for record in records.unwrap_or_default() {
        if let Operation::Checkpoint { .. } = record.operation {
            continue;
        }
        let named = record
            .operation
            .table()
            .and_then(|table| problem.name_id(table));
        let row = named.and(record.operation.pushed_row());
        hashes.push(row.map(|row| row_hash(row.values().map(|value| hash(&mut bytes, &value)))));
    }
    hashes
}

/// Learns how databases follow one another from rows that the snapshot holds.
fn learn(problem: &Problem<'_>, base: &Base, earlier: &[Option<u64>]) -> Habits {
    let databases = super::problem::index(problem.snapshot_databases);
    let mut habits = Habits::new(databases);
    let mut before = None;
    for row in earlier {
        let holders = row.and_then(|row| base.holders.get(&row));
        let holder = holders.and_then(|slots| only(slots));
        if let (Some(before), Some(holder)) = (before, holder) {
            habits.count(before, holder);
        }
        before = holder;
    }
    habits.set_last(before);
    habits
}

impl Solution<'_> {
    /// Hard facts: bounds first, then exact search where it is feasible.
    fn narrow(&mut self) {
        let insert_runs = insert_runs(&self.problem);
        for component in &self.components {
            let mut candidates = candidates::narrow(&self.problem, &self.base, component);
            if candidates.open.iter().any(|open| open.len() > 1) {
                let survivors = exact::search(
                    &self.problem,
                    &self.base,
                    component,
                    &candidates,
                    &insert_runs,
                );
                if let Some(survivors) = survivors {
                    self.states += survivors.states;
                    keep(&mut candidates, &survivors.open);
                }
            }
            let Candidates { open, ruled_out } = candidates;
            let found = component.records.iter().zip(open).zip(ruled_out);
            for ((at, open), ruled_out) in found {
                let Some(solved) = self.solved.get_mut(*at) else {
                    continue;
                };
                solved.best = only(&open);
                (solved.open, solved.ruled_out) = (open, ruled_out);
                solved.starts = true;
            }
        }
    }

    /// Evidence, for the components that facts leave undecided.
    fn weigh(&mut self) {
        for at in 0..self.components.len() {
            let Some((component, candidates)) = self.undecided(at) else {
                continue;
            };
            let records = component.records.clone();
            let beliefs = self.with_readings(component, &candidates, |readings, first| {
                let search = Search {
                    readings,
                    habits: &self.habits,
                    neighbours: &self.neighbours(component),
                };
                search.run(first)
            });
            self.states += beliefs.states;
            self.note(&records, &beliefs);
        }
    }

    /// The evidence along the likeliest assignment, to show it.
    fn explain(&mut self) {
        for at in 0..self.components.len() {
            let Some((component, candidates)) = self.undecided(at) else {
                continue;
            };
            let records = component.records.clone();
            let solved = records.iter().filter_map(|at| self.solved.get(*at));
            let choices = solved.map(|solved| Choice {
                slot: solved.best,
                starts: solved.starts,
            });
            let choices: Vec<Choice> = choices.collect();
            let share = |place: usize, slot| {
                let solved = records.get(place).and_then(|at| self.solved.get(*at));
                solved.map_or(0.0, |solved| solved.share(slot))
            };
            let weighed = self.with_readings(component, &candidates, |readings, first| {
                weigh_along(&readings, first, &choices, share)
            });
            for (at, weighed) in records.iter().zip(weighed) {
                if let Some(solved) = self.solved.get_mut(*at) {
                    solved.weighed = weighed.into();
                }
            }
        }
    }

    /// A component that facts leave undecided, and what they leave.
    fn undecided(&self, at: usize) -> Option<(&Component, Candidates)> {
        let component = self.components.get(at)?;
        let solved = component.records.iter();
        let solved = solved.filter_map(|at| self.solved.get(*at));
        if solved.clone().all(|solved| solved.open.len() == 1) {
            return None;
        }
        let candidates = Candidates {
            open: solved.map(|solved| solved.open.clone()).collect(),
            ruled_out: Vec::new(),
        };
        Some((component, candidates))
    }

    fn with_readings<T>(
        &self,
        component: &Component,
        candidates: &Candidates,
        run: impl FnOnce(Readings<'_, '_>, State) -> T,
    ) -> T {
        let horizon = Horizon::new(&self.problem, &self.base, component, Asks::Evidence);
        let readings = Readings {
            lookup: Lookup {
                problem: &self.problem,
                horizon: &horizon,
            },
            component,
            candidates,
        };
        let looked_up = |name| component.looked_up.contains(&name);
        let first = State::of_base(&self.problem, &self.base, looked_up);
        run(readings, first)
    }

    fn note(&mut self, records: &[usize], beliefs: &Beliefs) {
        for (place, at) in records.iter().enumerate() {
            let Some(solved) = self.solved.get_mut(*at) else {
                continue;
            };
            let best = beliefs.best.get(place).copied();
            solved.best = best.filter(|slot| *slot != NOWHERE);
            let shares = beliefs.shares.get(place).cloned().unwrap_or_default();
            solved.shares = shares.into();
            solved.starts = beliefs.starts.get(place).copied().unwrap_or(true);
            let effect = beliefs.effects.get(place).copied();
            solved.failed =
                solved.best.is_some() && effect.is_some_and(|share| share < FAILED_SHARE);
        }
    }

    /// What is known of the record before each one, where another component
    /// owns it.
    fn neighbours(&self, component: &Component) -> Neighbours {
        let mut neighbours = Vec::with_capacity(component.records.len());
        let mut last_own = None;
        for at in &component.records {
            let before = at.checked_sub(1);
            neighbours.push(match before {
                None => Some(self.habits.last()),
                Some(before) if last_own == Some(before) => None,
                Some(before) => Some(self.solved.get(before).and_then(|solved| {
                    solved
                        .best
                        .filter(|slot| solved.share(*slot) >= KNOWN_SHARE)
                })),
            });
            last_own = Some(*at);
        }
        neighbours
    }

    /// Counts over the likeliest assignment how often a statement stays in the
    /// database of the one before.
    fn learn_stay(&mut self) {
        let (mut stayed, mut moved) = (0, 0);
        let mut before: Option<Slot> = None;
        for solved in &self.solved {
            let known = solved
                .best
                .filter(|slot| solved.share(*slot) >= KNOWN_SHARE);
            if let (true, Some(before), Some(now)) = (solved.starts, before, known) {
                match before == now {
                    true => stayed += 1,
                    false => moved += 1,
                }
            }
            before = known;
        }
        self.habits.set_stay(stayed, moved);
    }
}

/// Takes over what exact search left open; the rest it proved impossible.
fn keep(candidates: &mut Candidates, survivors: &[Vec<Slot>]) {
    for (at, survivors) in survivors.iter().enumerate() {
        let open = candidates.open.get(at).cloned().unwrap_or_default();
        let gone = open.iter().filter(|slot| !survivors.contains(slot));
        let gone: Vec<_> = gone.map(|slot| (*slot, Fact::NoCompletion)).collect();
        candidates.narrow(at, survivors, &gone);
    }
}
