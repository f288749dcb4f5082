//! Exact search: every consistent assignment, with states that later records
//! cannot tell apart taken as one.
//!
//! Only hard facts count here, and only where everything is logged. A database
//! that no file names is free to own what the candidates leave it. When the
//! search would grow too large it gives up, and claims nothing.

use std::collections::HashMap;

use super::base::Base;
use super::candidates::Candidates;
use super::check::{Lookup, Outcome};
use super::component::Component;
use super::horizon::{Asks, Horizon};
use super::problem::{Problem, Proof, Record, Slot, index, number};
use super::state::State;

/// States of one moment; above, the search gives up.
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

/// Searches the records whose past is fully logged; `None` when that is too
/// much, or when no assignment is consistent.
pub(super) fn search(
    problem: &Problem<'_>,
    base: &Base,
    component: &Component,
    candidates: &Candidates,
    insert_runs: &[u32],
) -> Option<Survivors> {
    let horizon = Horizon::new(problem, base, component, Asks::Facts);
    let lookup = Lookup {
        problem,
        horizon: &horizon,
    };
    let records: Vec<(usize, &Record<'_>)> = component
        .records
        .iter()
        .filter_map(|at| problem.records.get(*at).map(|record| (*at, record)))
        .take_while(|(_, record)| record.proof == Proof::Everything)
        .collect();
    let first = State::of_base(problem, base, |name| component.looked_up.contains(&name));
    let mut layers = vec![Layer {
        states: vec![first],
        origins: vec![Vec::new()],
    }];
    let (mut steps, mut states) = (0, 1);
    for (place, (at, record)) in records.iter().enumerate() {
        let open = candidates.open.get(place)?;
        let keys_before = insert_runs.get(*at).copied()?;
        let layer = layers.last()?;
        steps += layer.states.len().saturating_mul(open.len());
        if steps > STEPS_MAX {
            return None;
        }
        let next = advance(&lookup, layer, record, *at, open, keys_before)?;
        states += next.states.len();
        // The states themselves are needed no longer, only how they connect.
        if let Some(done) = layers.last_mut() {
            done.states.clear();
        }
        layers.push(next);
    }
    Some(Survivors {
        open: walk_back(&layers),
        states,
    })
}

fn advance(
    lookup: &Lookup<'_, '_>,
    layer: &Layer,
    record: &Record<'_>,
    at: usize,
    open: &[Slot],
    keys_before: u32,
) -> Option<Layer> {
    let mut merged: HashMap<u128, usize> = HashMap::new();
    let mut next = Layer {
        states: Vec::new(),
        origins: Vec::new(),
    };
    for (from, state) in layer.states.iter().enumerate() {
        for &slot in open {
            let named = slot < lookup.problem.snapshot_databases;
            let outcome = match named {
                true => lookup.check(state, slot, record, keys_before),
                false => Outcome::NoEffect,
            };
            let mut after = state.clone();
            match outcome {
                Outcome::Breaks(_) => continue,
                Outcome::NoEffect => {}
                Outcome::Applies => after.apply(slot, record, number(at)),
            }
            let digest = after.digest(lookup.problem, lookup.horizon, number(at + 1));
            let place = *merged.entry(digest).or_insert_with(|| {
                next.states.push(after);
                next.origins.push(Vec::new());
                next.states.len() - 1
            });
            if let Some(origins) = next.origins.get_mut(place) {
                origins.push((number(from), slot));
            }
        }
    }
    let feasible = !next.states.is_empty() && next.states.len() <= STATES_MAX;
    feasible.then_some(next)
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
