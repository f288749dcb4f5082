//! Forward search over merged states, and the way back: which assignment is the
//! likeliest as a whole, and how much of all likelihood agrees with it record
//! by record.
//!
//! The width is bounded, so a share is an estimate; it never proves anything.

use std::collections::{BTreeMap, HashMap};

use super::backward::{Beliefs, Done, Layer, Origin, log_sum, walk_back};
use super::evidence;
use super::habit::{Habits, Regime};
use super::paged_vec::PagedVec;
use super::problem::{Slot, number};
use super::state::State;
use super::statement::{Reading, Readings, after};

/// Readings weighed in all, over which the width is spread.
const READINGS_MAX: usize = 3_000_000;
/// Widest and narrowest beam.
const WIDTHS: (usize, usize) = (256, 24);
/// States less likely than the best by this much (as a logarithm) are dropped.
const SPAN: f64 = 13.0;
/// Records that are kept before the way back is walked for the oldest half.
const WINDOW: usize = 4_096;
/// The mark of a record that fits nowhere.
pub(super) const NOWHERE: Slot = Slot::MAX;

/// What was known of the record before, by place: `Some` when it belongs to
/// another component.
pub(super) type Neighbours = Vec<Option<Option<Slot>>>;

struct Node {
    state: State,
    /// Logarithm of the likelihood of all ways here.
    total: f64,
    /// The same of the likeliest way, and that way.
    best: f64,
    history: PagedVec<Step>,
    before: Option<Slot>,
    regime: Regime,
    origins: Vec<Origin>,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    slot: Slot,
    starts: bool,
}

type Key = (u128, Option<Slot>, Regime);

/// Nodes of one place that wait to be expanded.
struct Pending {
    nodes: Vec<Node>,
    by_key: HashMap<Key, usize>,
    /// The largest total.
    best: f64,
}

impl Default for Pending {
    fn default() -> Self {
        Pending {
            nodes: Vec::new(),
            by_key: HashMap::new(),
            best: f64::NEG_INFINITY,
        }
    }
}

/// A search over one component.
pub(super) struct Search<'p, 'w> {
    /// How records can be read.
    pub readings: Readings<'p, 'w>,
    /// How databases follow one another.
    pub habits: &'p Habits,
    /// What precedes each record in other components.
    pub neighbours: &'p Neighbours,
}

impl Search<'_, '_> {
    fn len(&self) -> usize {
        self.readings.component.records.len()
    }

    fn width(&self) -> usize {
        let open = self.readings.candidates.open.iter().map(Vec::len);
        let readings = open.sum::<usize>().max(1);
        (READINGS_MAX / readings).clamp(WIDTHS.1, WIDTHS.0)
    }

    /// Searches from the state of the snapshot on.
    pub fn run(&self, first: State) -> Beliefs {
        let width = self.width();
        let mut pending: BTreeMap<usize, Pending> = BTreeMap::new();
        pending.insert(0, self.start(first));
        let mut done: BTreeMap<usize, Done> = BTreeMap::new();
        let mut beliefs = Beliefs {
            shares: vec![Vec::new(); self.len()],
            effects: vec![0.0; self.len()],
            ..Beliefs::default()
        };
        while let Some((place, waiting)) = pending.pop_first() {
            // Weights only ever lower a likelihood, so what is behind and below
            // cannot catch up.
            let ahead = pending.values().map(|waiting| waiting.best);
            let mut nodes = waiting.nodes;
            prune(&mut nodes, width, ahead.fold(waiting.best, f64::max) - SPAN);
            beliefs.states += nodes.len();
            if place >= self.len() {
                self.finish(&nodes, &mut done, &mut beliefs);
                break;
            }
            self.expand_all(place, &nodes, &mut pending);
            done.insert(
                place,
                Done {
                    totals: nodes.iter().map(|node| node.total).collect(),
                    origins: nodes.into_iter().map(|node| node.origins).collect(),
                },
            );
            let oldest = done.first_key_value().map_or(place, |(oldest, _)| *oldest);
            if place - oldest >= WINDOW {
                self.settle(&pending, &mut done, &mut beliefs, oldest + WINDOW / 2);
            }
        }
        beliefs
    }

    fn start(&self, first: State) -> Pending {
        let before = match self.neighbours.first() {
            Some(Some(before)) => *before,
            _ => None,
        };
        let mut pending = Pending {
            best: 0.0,
            ..Pending::default()
        };
        for (regime, share) in self.habits.regimes() {
            pending.nodes.push(Node {
                state: first.clone(),
                total: share.ln(),
                best: share.ln(),
                history: PagedVec::new(),
                before,
                regime: *regime,
                origins: Vec::new(),
            });
        }
        pending
    }

    fn expand_all(&self, place: usize, nodes: &[Node], pending: &mut BTreeMap<usize, Pending>) {
        let mut expanded = false;
        for (at, node) in nodes.iter().enumerate() {
            let open = self.readings.candidates.open.get(place);
            for &slot in open.into_iter().flatten() {
                for reading in self.readings.of(&node.state, slot, place) {
                    expanded = true;
                    let origin = (number(place), number(at));
                    self.follow(place, node, slot, Some(&reading), origin, pending);
                }
            }
        }
        if expanded {
            return;
        }
        for (at, node) in nodes.iter().enumerate() {
            self.follow(
                place,
                node,
                NOWHERE,
                None,
                (number(place), number(at)),
                pending,
            );
        }
    }

    /// Adds what follows a node by one reading.
    fn follow(
        &self,
        place: usize,
        node: &Node,
        slot: Slot,
        reading: Option<&Reading>,
        (layer, at): (u32, u32),
        pending: &mut BTreeMap<usize, Pending>,
    ) {
        let next = reading.map_or(place + 1, |reading| after(place, reading));
        let weight = reading.map_or(evidence::NOWHERE, Reading::weight);
        let before = match self.neighbours.get(place) {
            Some(Some(outside)) => *outside,
            _ => node.before,
        };
        let known = if slot == NOWHERE {
            node.before
        } else {
            Some(slot)
        };
        let prior = |regime: Regime| match slot {
            NOWHERE => self.habits.switch(node.regime, regime),
            slot => {
                self.habits.prior(regime, before, slot) + self.habits.switch(node.regime, regime)
            }
        };
        let weights = self.habits.regimes().iter();
        let weights: Vec<(Regime, f64)> = weights
            .map(|(regime, _)| (*regime, weight + prior(*regime)))
            .collect();
        let waiting = pending.entry(next).or_default();
        let floor = waiting.best - SPAN;
        if weights
            .iter()
            .all(|(_, weight)| node.total + weight < floor)
        {
            return;
        }
        let state = self.after(place, next, node, slot, reading);
        let lookup = self.readings.lookup;
        let now = self
            .readings
            .record(next)
            .map_or(u32::MAX, |(at, _)| number(at));
        let digest = state.digest(lookup.problem, lookup.horizon, now);
        let mut history = node.history.clone();
        for step in place..next {
            history.push(Step {
                slot,
                starts: step == place,
            });
        }
        for (regime, weight) in weights {
            let origin = Origin {
                layer,
                node: at,
                slot,
                weight,
                effect: reading.is_some_and(|reading| reading.effect),
            };
            let reached = Node {
                state: state.clone(),
                total: node.total + weight,
                best: node.best + weight,
                history: history.clone(),
                before: known,
                regime,
                origins: vec![origin],
            };
            waiting.add((digest, known, regime), reached);
        }
    }

    fn after(
        &self,
        place: usize,
        next: usize,
        node: &Node,
        slot: Slot,
        reading: Option<&Reading>,
    ) -> State {
        let mut state = node.state.clone();
        if reading.is_some_and(|reading| reading.effect) {
            for place in place..next {
                if let Some((at, record)) = self.readings.record(place) {
                    state.apply(slot, record, number(at));
                }
            }
        }
        state
    }

    /// The way back from the last place: shares of what was not settled yet.
    fn finish(&self, nodes: &[Node], done: &mut BTreeMap<usize, Done>, beliefs: &mut Beliefs) {
        let Some(best) = nodes.iter().max_by(|a, b| a.best.total_cmp(&b.best)) else {
            return;
        };
        beliefs.best = best.history.iter().map(|step| step.slot).collect();
        beliefs.starts = best.history.iter().map(|step| step.starts).collect();
        let last = Layer {
            place: self.len(),
            origins: nodes.iter().map(|node| node.origins.as_slice()).collect(),
            totals: nodes.iter().map(|node| node.total).collect(),
        };
        walk_back(&[last], done, beliefs, self.len());
        done.clear();
    }

    /// The way back from what is pending, far enough behind it to be settled.
    fn settle(
        &self,
        pending: &BTreeMap<usize, Pending>,
        done: &mut BTreeMap<usize, Done>,
        beliefs: &mut Beliefs,
        before: usize,
    ) {
        let fronts: Vec<Layer<'_>> = pending
            .iter()
            .map(|(place, waiting)| Layer {
                place: *place,
                origins: waiting.nodes.iter().map(|n| n.origins.as_slice()).collect(),
                totals: waiting.nodes.iter().map(|n| n.total).collect(),
            })
            .collect();
        walk_back(&fronts, done, beliefs, before);
        *done = done.split_off(&before);
    }
}

impl Pending {
    fn add(&mut self, key: Key, node: Node) {
        self.best = self.best.max(node.total);
        let Some(at) = self.by_key.get(&key) else {
            self.by_key.insert(key, self.nodes.len());
            self.nodes.push(node);
            return;
        };
        let Some(known) = self.nodes.get_mut(*at) else {
            return;
        };
        known.total = log_sum(known.total, node.total);
        self.best = self.best.max(known.total);
        known.origins.extend(node.origins);
        if node.best > known.best {
            known.best = node.best;
            known.history = node.history;
        }
    }
}

/// Keeps the likeliest nodes, best first.
fn prune(nodes: &mut Vec<Node>, width: usize, floor: f64) {
    nodes.retain(|node| node.total >= floor);
    // A stable sort: equals stay in the order they were reached.
    nodes.sort_by(|a, b| b.total.total_cmp(&a.total));
    nodes.truncate(width);
}
