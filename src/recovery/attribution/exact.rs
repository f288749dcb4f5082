//! Exact search: every consistent assignment, with states that later records
//! cannot tell apart taken as one.
//!
//! Only hard facts count here, and only where everything is logged. A database
//! that no file names is free to own what the candidates leave it. When the
//! search would grow too large it ends early, and rules out less.

use std::rc::Rc;

use crate::error::Result;

use super::base::Base;
use super::candidates::Candidates;
use super::check::{Lookup, Trial};
use super::component::Component;
use super::hashed::HashedMap;
use super::horizon::{Asks, Horizon};
use super::problem::{Problem, Proof, Record, Slot, index, number};
use super::state::{Database, State};

/// States of one moment; above, the search ends.
const STATES_MAX: usize = 4_000;
/// Steps from state to state in all.
const STEPS_MAX: usize = 400_000;

/// What the search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Survivors {
    /// Per searched record of the component, the databases that some consistent
    /// assignment gives it, ascending.
    pub open: Vec<Vec<Slot>>,
    /// States looked at.
    pub states: usize,
}

struct Layer {
    states: Vec<State>,
    /// Per state, where it came from: the state before and the database.
    origins: Vec<Vec<(u32, Slot)>>,
}

/// Searches the records whose past is fully logged, as far as that is feasible:
/// what is consistent with the records looked at is all that can be consistent
/// with the whole. `None` when no assignment is consistent.
pub(super) fn search(
    (problem, base): (&Problem<'_>, &Base),
    component: &Component,
    candidates: &Candidates,
    insert_runs: &[u32],
    go_on: &dyn Fn() -> Result<()>,
) -> Result<Option<Survivors>> {
    let horizon = Horizon::new(problem, base, component, Asks::Facts);
    let lookup = Lookup {
        problem,
        horizon: &horizon,
    };
    let records = component
        .records
        .iter()
        .filter_map(|at| problem.records.get(*at).map(|record| (*at, record)))
        .take_while(|(_, record)| record.proof == Proof::Everything);
    let first = State::of_base(problem, base, &component.classes, &component.looked_up);
    let mut layers = vec![Layer {
        states: vec![first],
        origins: vec![Vec::new()],
    }];
    let (mut steps, mut states) = (0, 1);
    for (place, (at, record)) in records.enumerate() {
        go_on()?;
        let (Some(open), Some(keys_before), Some(layer)) = (
            candidates.open.get(place),
            insert_runs.get(at).copied(),
            layers.last(),
        ) else {
            break;
        };
        steps += layer.states.len().saturating_mul(open.len());
        if steps > STEPS_MAX {
            break;
        }
        let next = advance(&lookup, layer, record, at, open, keys_before);
        states += next.states.len();
        if next.states.is_empty() {
            return Ok(None);
        }
        if next.states.len() > STATES_MAX {
            break;
        }
        // The states themselves are needed no longer, only how they connect.
        if let Some(done) = layers.last_mut() {
            done.states = Vec::new();
        }
        layers.push(next);
    }
    Ok(Some(Survivors {
        open: walk_back(&layers),
        states,
    }))
}

/// What a record makes of one version of a database: the change of the state's
/// digest, and the database where it changes.
type Made = Option<(u128, Option<Rc<Database>>)>;

fn advance(
    lookup: &Lookup<'_, '_>,
    layer: &Layer,
    record: &Record<'_>,
    at: usize,
    open: &[Slot],
    keys_before: u32,
) -> Layer {
    let mut merged: HashedMap<u128, usize> = HashedMap::default();
    let mut versions: HashedMap<(Slot, u128), Made> = HashedMap::default();
    let mut next = Layer {
        states: Vec::new(),
        origins: Vec::new(),
    };
    let (horizon, now) = (lookup.horizon, number(at));
    let mut held = Vec::new();
    for (from, state) in layer.states.iter().enumerate() {
        let sum = state.digest(horizon, now + 1);
        for &class in open {
            state.held(class, horizon, now, &mut held);
            for one in &held {
                let Some(database) = state.database(class, one.changed) else {
                    continue;
                };
                let made = versions
                    .entry((class, one.digest))
                    .or_insert_with(|| make(lookup, database, class, (at, record), keys_before));
                let Some((change, changed)) = made else {
                    continue;
                };
                let digest = sum.wrapping_add(*change);
                let place = *merged.entry(digest).or_insert_with(|| {
                    let mut after = state.clone();
                    if let Some(database) = changed {
                        after.set(class, one.changed, database.clone());
                    }
                    next.states.push(after);
                    next.origins.push(Vec::new());
                    next.states.len() - 1
                });
                if let Some(origins) = next.origins.get_mut(place) {
                    origins.push((number(from), class));
                }
            }
        }
        if next.states.len() > STATES_MAX {
            break;
        }
    }
    next
}

/// `None` where the record breaks a fact.
fn make(
    lookup: &Lookup<'_, '_>,
    database: &Database,
    slot: Slot,
    (at, record): (usize, &Record<'_>),
    keys_before: u32,
) -> Made {
    // A database that no file names is free to do anything.
    let outcome = match slot < lookup.problem.snapshot_databases {
        true => lookup.check(database, record, keys_before),
        false => Trial::NoEffect,
    };
    match outcome {
        Trial::Breaks(_) => None,
        Trial::NoEffect => Some((0, None)),
        Trial::Applies => {
            let (horizon, next) = (lookup.horizon, number(at + 1));
            let after = database.after(horizon, std::iter::once((at, record)));
            let before = database.digest(slot, horizon, next);
            let change = after.digest(slot, horizon, next).wrapping_sub(before);
            Some((change, Some(after)))
        }
    }
}

/// The databases on some way from the first state to a last one.
fn walk_back(layers: &[Layer]) -> Vec<Vec<Slot>> {
    let mut open = Vec::new();
    let last = layers.last().map_or(0, |layer| layer.origins.len());
    let mut alive = vec![true; last];
    for (place, layer) in layers.iter().enumerate().skip(1).rev() {
        let before = place.checked_sub(1).and_then(|before| layers.get(before));
        let mut alive_before = vec![false; before.map_or(0, |layer| layer.origins.len())];
        let mut slots = Vec::new();
        for (origins, _) in layer
            .origins
            .iter()
            .zip(&alive)
            .filter(|(_, alive)| **alive)
        {
            for (from, slot) in origins {
                slots.push(*slot);
                if let Some(flag) = alive_before.get_mut(index(*from)) {
                    *flag = true;
                }
            }
        }
        slots.sort_unstable();
        slots.dedup();
        open.push(slots);
        alive = alive_before;
    }
    open.reverse();
    open
}
