//! From facts to evidence: what is left of the candidates of each record, and
//! how likely each one is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use crate::error::Result;
use crate::legacy::Snapshot;

use super::backward::Beliefs;
use super::base::{Base, Questions};
use super::beam::{NOWHERE, Search};
use super::candidates::{self, Candidates};
use super::check::{Lookup, insert_runs};
use super::classes::{Classes, UNBOUNDED};
use super::component::{Component, components};
use super::evidence::{Clue, Model};
use super::exact;
use super::explain::{Along, Choice, Weighed, weigh_along};
use super::facts::Fact;
use super::horizon::{Asks, Horizon};
use super::problem::{NameId, Problem, Proof, Slot};
use super::state::State;
use super::statement::Readings;

/// What was found out about one record. Databases go by class.
#[derive(Debug, Clone, Default)]
pub(super) struct Solved {
    /// The part of the tail that it belongs to.
    pub component: usize,
    /// Classes that no fact rules out, ascending; shared as in [`Candidates`].
    pub open: Rc<[Slot]>,
    /// Classes that a fact rules out.
    pub ruled_out: Rc<[(Slot, Fact)]>,
    /// Open classes in which it would have changed nothing.
    pub idle: Rc<[Slot]>,
    /// The database in the likeliest assignment as a whole.
    pub best: Option<Slot>,
    /// Shares of likelihood, ascending by class; empty where nothing was
    /// left to weigh.
    pub shares: Box<[(Slot, f64)]>,
    /// Whether it starts a statement in that assignment.
    pub starts: bool,
    /// The evidence for the classes that are likely enough.
    pub weighed: Box<[Weighed]>,
}

impl Solved {
    /// The evidence for and against a class.
    pub fn evidence(&self, class: Slot) -> &[Clue] {
        let found = self.weighed.iter().find(|(weighed, _)| *weighed == class);
        found.map_or(&[], |(_, clues)| clues)
    }

    /// The share of a class.
    pub fn share(&self, class: Slot) -> f64 {
        if *self.open == [class] {
            return 1.0;
        }
        let found = self
            .shares
            .binary_search_by_key(&class, |(class, _)| *class);
        let share = found.ok().and_then(|at| self.shares.get(at));
        share.map_or(0.0, |(_, share)| *share)
    }
}

/// A decision for a table that a record of the table cannot follow.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    /// The record, in [`Problem::records`].
    pub record: usize,
    /// The fact.
    pub fact: Fact,
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
    /// Decisions for a table that facts contradict.
    pub refused: Vec<Refused>,
    /// States looked at in all.
    pub states: usize,
}

/// Solves the tail; `go_on` fails when the work is to stop.
///
/// # Errors
/// When the snapshot's rows cannot be read; those of `go_on`.
pub(super) fn solve<'w>(
    problem: Problem<'w>,
    snapshot: &Snapshot,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<Solution<'w>> {
    let mut components = components(&problem, snapshot);
    let owners = owners(&problem, snapshot);
    let undecided = components.iter().filter(|component| {
        let names = component.names.iter();
        let mut owners = names.flat_map(|name| owners.get(name).into_iter().flatten());
        let first = owners.next();
        component.reshaped || owners.any(|other| Some(other) != first)
    });
    let undecided: HashSet<NameId> = undecided
        .flat_map(|component| component.looked_up.iter().copied())
        .collect();
    let questions = Questions::of_tail(&problem);
    let base = Base::read(&problem, snapshot, questions, |name| {
        undecided.contains(&name)
    })?;
    for component in &mut components {
        let (looked_up, records) = (&component.looked_up, &component.records);
        component.classes = Classes::new(&problem, &base, looked_up, records);
    }
    let mut solution = Solution {
        solved: vec![Solved::default(); problem.records.len()],
        base,
        components,
        problem,
        refused: Vec::new(),
        states: 0,
    };
    let insert_runs = insert_runs(&solution.problem);
    for at in 0..solution.components.len() {
        solution.narrow(at, &insert_runs, go_on)?;
        if solution.grant_wishes(at) {
            solution.narrow_by_wishes(at, &insert_runs, go_on)?;
        }
        solution.weigh(at, go_on)?;
    }
    Ok(solution)
}

/// The databases of the snapshot that have a table of each name.
fn owners(problem: &Problem<'_>, snapshot: &Snapshot) -> HashMap<NameId, Vec<Slot>> {
    let mut owners: HashMap<NameId, Vec<Slot>> = HashMap::new();
    for (database, slot) in snapshot.catalog.databases.iter().zip(0..) {
        for table in &database.tables {
            if let Some(name) = problem.name_id(&table.name) {
                owners.entry(name).or_default().push(slot);
            }
        }
    }
    owners
}

impl Solution<'_> {
    /// Hard facts: bounds first, then exact search where it is feasible. Says
    /// whether some assignment is consistent, as far as was searched.
    fn narrow(
        &mut self,
        of: usize,
        insert_runs: &[u32],
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<bool> {
        let Some(component) = self.components.get(of) else {
            return Ok(true);
        };
        let mut candidates = candidates::narrow(&self.problem, &self.base, component, go_on)?;
        let mut consistent = true;
        if candidates.open.iter().any(|open| open.len() > 1) {
            let survivors = exact::search(
                (&self.problem, &self.base),
                component,
                &candidates,
                insert_runs,
                go_on,
            )?;
            consistent = survivors.is_some();
            if let Some(survivors) = survivors {
                self.states += survivors.states;
                keep(&mut candidates, &survivors.open);
            }
        }
        let found = component.records.iter().enumerate();
        for (place, at) in found {
            let Some(solved) = self.solved.get_mut(*at) else {
                continue;
            };
            let open = candidates.open.get(place).cloned().unwrap_or_default();
            let idle = candidates.idle.get(place).cloned().unwrap_or_default();
            let idle = match idle.iter().all(|class| open.contains(class)) {
                true => idle,
                false => idle.iter().copied().filter(|c| open.contains(c)).collect(),
            };
            *solved = Solved {
                component: of,
                best: component.only(&open),
                open,
                ruled_out: candidates.ruled_out.get(place).cloned().unwrap_or_default(),
                idle,
                starts: true,
                ..Solved::default()
            };
        }
        Ok(consistent)
    }

    /// Takes the decisions for whole tables over for the records that facts
    /// leave undecided, and that the database decided for can own. Refuses one
    /// that could be followed nowhere, where something was to be decided.
    fn grant_wishes(&mut self, of: usize) -> bool {
        let mut granted = false;
        let mut vain: BTreeMap<NameId, Option<usize>> = BTreeMap::new();
        let Some(component) = self.components.get(of) else {
            return false;
        };
        for at in &component.records {
            let (Some(record), Some(solved)) =
                (self.problem.records.get_mut(*at), self.solved.get(*at))
            else {
                continue;
            };
            let Some(wish) = record.wish else {
                continue;
            };
            let can_own = solved.open.contains(&wish);
            let ruled_out = || solved.ruled_out.iter().any(|(slot, _)| *slot == wish);
            let undecided = record.proof == Proof::Nothing;
            let first = vain.entry(record.table).or_insert(Some(*at));
            if can_own || ruled_out() || !undecided {
                *first = None;
            }
            let open = can_own && (undecided || component.only(&solved.open).is_none());
            // A row that the table cannot take is another database's, where one
            // can take it. A statement that failed is what was decided.
            let idle = record.operation.pushed_row().is_some()
                && solved.idle.contains(&wish)
                && solved.idle.len() < solved.open.len();
            if open && !idle {
                record.decision = Some(wish);
                granted = true;
            }
        }
        let vain = vain.into_values().flatten();
        let fact = Fact::NoTable;
        self.refused
            .extend(vain.map(|record| Refused { record, fact }));
        granted
    }

    /// Narrows again once decisions for tables are taken over, and notes the
    /// first record that they leave no database.
    fn narrow_by_wishes(
        &mut self,
        of: usize,
        insert_runs: &[u32],
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        let records = self.components.get(of).map(|c| c.records.clone());
        let records = records.unwrap_or_default();
        let had = |solved: &Solved| !solved.open.is_empty();
        let before: Vec<bool> = records
            .iter()
            .map(|at| self.solved.get(*at).is_some_and(had))
            .collect();
        let consistent = self.narrow(of, insert_runs, go_on)?;
        let decided = |at: &usize| {
            let record = self.problem.records.get(*at);
            record.is_some_and(|record| record.wish.is_some() && record.decision == record.wish)
        };
        let mut lost = records.iter().zip(before).filter_map(|(at, before)| {
            let solved = self.solved.get(*at)?;
            let fact = solved
                .ruled_out
                .iter()
                .find(|(_, fact)| *fact != Fact::Assigned);
            let fact = fact.map_or(Fact::NoCompletion, |(_, fact)| *fact);
            (before && !had(solved)).then_some((*at, fact))
        });
        let first = lost.next().or_else(|| {
            let first = records.iter().copied().find(decided)?;
            (!consistent).then_some((first, Fact::NoCompletion))
        });
        self.refused
            .extend(first.map(|(record, fact)| Refused { record, fact }));
        Ok(())
    }

    /// Evidence, for a component that facts leave undecided.
    fn weigh(&mut self, of: usize, go_on: &dyn Fn() -> Result<()>) -> Result<()> {
        let Some((component, candidates)) = self.undecided(of) else {
            return Ok(());
        };
        let records = component.records.clone();
        if candidates.open.iter().all(|open| open.len() <= 1) {
            // Databases that nothing tells apart: there is nothing to weigh.
            let classes = component.classes.clone();
            for at in &records {
                if let Some(solved) = self.solved.get_mut(*at) {
                    let members = solved.open.first().map(|class| classes.members(*class));
                    solved.best = members.and_then(|members| members.first()).copied();
                }
            }
            return Ok(());
        }
        let mut full = Beliefs::default();
        let mut mixed: Vec<Vec<(Slot, f64)>> = vec![Vec::new(); records.len()];
        let mut states = 0;
        for (model, part) in Model::ALL {
            let beliefs =
                self.with_readings(component, &candidates, model, |readings, first| {
                    Search { readings, go_on }.run(first)
                })?;
            states += beliefs.states;
            for (place, mixed) in mixed.iter_mut().enumerate() {
                let open = candidates.open.get(place).map_or(&[][..], |open| open);
                mix(mixed, part, &beliefs, place, even(&component.classes, open));
            }
            if model == Model::Full {
                full = beliefs;
            }
        }
        let choices: Vec<Choice> = full
            .best
            .iter()
            .zip(&full.starts)
            .map(|(home, starts)| Choice {
                home: Some(*home).filter(|(class, _)| *class != NOWHERE),
                starts: *starts,
            })
            .collect();
        let share = |place: usize, class| {
            let mut shares = mixed.get(place).into_iter().flatten();
            shares
                .find(|(slot, _)| *slot == class)
                .map_or(0.0, |(_, share)| *share)
        };
        let along =
            self.with_readings(component, &candidates, Model::Full, |readings, first| {
                weigh_along(&readings, first, &choices, share, go_on)
            })?;
        self.states += states;
        let found = records.iter().zip(along).zip(mixed);
        for (((at, along), shares), choice) in found.zip(&choices) {
            let Some(solved) = self.solved.get_mut(*at) else {
                continue;
            };
            let Along { weighed, home } = along;
            solved.best = home;
            solved.weighed = weighed.into();
            solved.shares = shares.into();
            solved.starts = choice.starts;
        }
        Ok(())
    }

    /// A component that facts leave undecided, and what they leave.
    fn undecided(&self, of: usize) -> Option<(&Component, Candidates)> {
        let component = self.components.get(of)?;
        let solved = component.records.iter();
        let solved = solved.filter_map(|at| self.solved.get(*at));
        let mut decided = solved.clone().map(|s| component.only(&s.open).is_some());
        if decided.all(|decided| decided) {
            return None;
        }
        let candidates = Candidates {
            open: solved.map(|solved| solved.open.clone()).collect(),
            ..Candidates::default()
        };
        Some((component, candidates))
    }

    fn with_readings<T>(
        &self,
        component: &Component,
        candidates: &Candidates,
        model: Model,
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
            model,
        };
        let classes = &component.classes;
        let first = State::of_base(&self.problem, &self.base, classes, &component.looked_up);
        run(readings, first)
    }
}

/// The share of every open class, if each database is as likely as any other.
fn even(classes: &Classes, open: &[Slot]) -> Vec<(Slot, f64)> {
    let sizes = open.iter().map(|class| match classes.size(*class) {
        UNBOUNDED => (*class, 1.0),
        size => (*class, f64::from(size)),
    });
    let sizes: Vec<(Slot, f64)> = sizes.collect();
    let all: f64 = sizes.iter().map(|(_, size)| size).sum();
    let shares = sizes.into_iter();
    shares.map(|(class, size)| (class, size / all)).collect()
}

/// Adds a model's part to the shares of a record: what its search found, and
/// evenly what it left out.
fn mix(
    mixed: &mut Vec<(Slot, f64)>,
    part: f64,
    beliefs: &Beliefs,
    place: usize,
    even: Vec<(Slot, f64)>,
) {
    if mixed.is_empty() {
        mixed.extend(even.iter().map(|(class, _)| (*class, 0.0)));
    }
    let found = beliefs.shares.get(place).map_or(&[][..], Vec::as_slice);
    let sum: f64 = found
        .iter()
        .filter(|(class, _)| *class != NOWHERE)
        .map(|(_, share)| share)
        .sum();
    let lost = match sum > 0.0 {
        true => beliefs.lost_near(place),
        false => 1.0,
    };
    for ((class, mixed), (_, even)) in mixed.iter_mut().zip(even) {
        let share = found.iter().find(|(known, _)| known == class);
        let share = share.map_or(0.0, |(_, share)| share / sum.max(f64::MIN_POSITIVE));
        *mixed += part * ((1.0 - lost) * share + lost * even);
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
