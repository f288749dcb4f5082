//! Forward search over merged states: which assignment is the likeliest as a
//! whole. What the way back makes of it is in [`backward`](super::backward).
//!
//! The width is bounded, so a share is an estimate; it never proves anything.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::backward::{Beliefs, Done, Layer, Origin, log_sum, walk_back};
use super::evidence;
use super::habit::{Habits, Priors, Regime};
use super::hashed::HashedMap;
use super::problem::{Slot, index, number};
use super::state::{Database, State};
use super::statement::Readings;
use super::turn::{Turn, Turns};

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

/// One state that can be reached, and how likely it is.
struct Node {
    /// The state it is reached from, or the state itself where nothing changed.
    state: Rc<State>,
    /// The database that is another in the state.
    changed: Option<(Slot, Rc<Database>)>,
    /// Logarithm of the likelihood of all ways here.
    total: f64,
    /// The same of the likeliest way, and its last step.
    best: f64,
    route: Route,
    before: Option<Slot>,
    regime: Regime,
    origins: Vec<Origin>,
}

/// The last step of the likeliest way to a node.
#[derive(Debug, Clone, Copy)]
struct Route {
    layer: u32,
    node: u32,
    slot: Slot,
}

type Key = (u128, Option<Slot>, Regime);

/// Nodes of one place that wait to be expanded.
struct Pending {
    nodes: Vec<Node>,
    by_key: HashedMap<Key, usize>,
    /// The largest total.
    best: f64,
}

impl Default for Pending {
    fn default() -> Self {
        Pending {
            nodes: Vec::new(),
            by_key: HashedMap::default(),
            best: f64::NEG_INFINITY,
        }
    }
}

/// One step from a node.
struct Step<'s> {
    place: usize,
    /// The node's position among those of its place.
    at: usize,
    node: &'s Node,
    slot: Slot,
    weight: f64,
    effect: bool,
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
        let open = self.readings.candidates.open.iter().map(|open| open.len());
        let readings = open.sum::<usize>().max(1);
        (READINGS_MAX / readings).clamp(WIDTHS.1, WIDTHS.0)
    }

    /// Searches from the state of the snapshot on.
    pub fn run(&self, first: State) -> Beliefs {
        let width = self.width();
        let mut priors = Priors::new(self.habits);
        let mut pending: BTreeMap<usize, Pending> = BTreeMap::new();
        pending.insert(0, self.start(first));
        let mut done: BTreeMap<usize, Done> = BTreeMap::new();
        let mut routes: Vec<Vec<Route>> = vec![Vec::new(); self.len() + 1];
        let mut beliefs = Beliefs::new(self.len());
        while let Some((place, waiting)) = pending.pop_first() {
            // Weights only ever lower a likelihood, so what is behind and below
            // cannot catch up.
            let ahead = pending.values().map(|waiting| waiting.best);
            let mut nodes = waiting.nodes;
            prune(&mut nodes, width, ahead.fold(waiting.best, f64::max) - SPAN);
            beliefs.states += nodes.len();
            if let Some(routes) = routes.get_mut(place) {
                *routes = nodes.iter().map(|node| node.route).collect();
            }
            if place >= self.len() {
                self.finish(&nodes, &mut done, &mut beliefs, &routes);
                break;
            }
            nodes.iter_mut().for_each(Node::arrive);
            self.expand(place, &nodes, &mut priors, &mut pending);
            done.insert(place, finished(nodes));
            let oldest = done.first_key_value().map_or(place, |(oldest, _)| *oldest);
            if place - oldest >= WINDOW {
                settle(&pending, &mut done, &mut beliefs, oldest + WINDOW / 2);
            }
        }
        beliefs
    }

    fn start(&self, first: State) -> Pending {
        let before = match self.neighbours.first() {
            Some(Some(before)) => *before,
            _ => None,
        };
        let first = Rc::new(first);
        let regimes = self.habits.regimes().iter();
        let nodes = regimes.map(|(regime, share)| Node {
            state: first.clone(),
            changed: None,
            total: share.ln(),
            best: share.ln(),
            route: Route {
                layer: 0,
                node: 0,
                slot: NOWHERE,
            },
            before,
            regime: *regime,
            origins: Vec::new(),
        });
        Pending {
            nodes: nodes.collect(),
            by_key: HashedMap::default(),
            best: 0.0,
        }
    }

    fn expand(
        &self,
        place: usize,
        nodes: &[Node],
        priors: &mut Priors<'_>,
        pending: &mut BTreeMap<usize, Pending>,
    ) {
        let open = self.readings.candidates.open.get(place);
        let open = open.map_or(&[][..], |open| open);
        let mut turns = Turns::new(self.readings, place, open);
        let versions: Vec<Vec<usize>> = nodes
            .iter()
            .map(|node| turns.versions(&node.state))
            .collect();
        let mut expanded = false;
        for ((at, node), versions) in nodes.iter().enumerate().zip(&versions) {
            // What the state is to the records after each length of statement.
            let mut sums = BTreeMap::new();
            for (&slot, version) in open.iter().zip(versions) {
                for turn in turns.of(*version) {
                    expanded = true;
                    let step = Step {
                        place,
                        at,
                        node,
                        slot,
                        weight: turn.weight,
                        effect: turn.effect,
                    };
                    self.follow(&step, Some(turn), &mut sums, priors, pending);
                }
            }
        }
        if expanded {
            return;
        }
        for (at, node) in nodes.iter().enumerate() {
            let step = Step {
                place,
                at,
                node,
                slot: NOWHERE,
                weight: evidence::NOWHERE,
                effect: false,
            };
            self.follow(&step, None, &mut BTreeMap::new(), priors, pending);
        }
    }

    /// Adds what follows a node by one step.
    fn follow(
        &self,
        step: &Step<'_>,
        turn: Option<&Turn>,
        sums: &mut BTreeMap<usize, u128>,
        priors: &mut Priors<'_>,
        pending: &mut BTreeMap<usize, Pending>,
    ) {
        let next = turn.map_or(step.place + 1, |turn| turn.next);
        let waiting = pending.entry(next).or_default();
        let floor = waiting.best - SPAN;
        let before = match self.neighbours.get(step.place) {
            Some(Some(outside)) => *outside,
            _ => step.node.before,
        };
        let known = match step.slot {
            NOWHERE => step.node.before,
            slot => Some(slot),
        };
        for (regime, _) in self.habits.regimes() {
            let prior = match step.slot {
                NOWHERE => 0.0,
                slot => priors.of(*regime, before, slot),
            };
            let weight = step.weight + prior + self.habits.switch(step.node.regime, *regime);
            if step.node.total + weight < floor {
                continue;
            }
            let sum = sums.entry(next).or_insert_with(|| {
                let now = self.readings.number(next);
                let horizon = self.readings.lookup.horizon;
                step.node.state.digest(horizon, now)
            });
            let change = turn.map(|turn| turn.change(&self.readings, step.slot));
            let digest = change.map_or(*sum, |change| sum.wrapping_add(change.digest));
            let origin = Origin {
                layer: number(step.place),
                node: number(step.at),
                slot: step.slot,
                weight,
                effect: step.effect,
            };
            let changed = change.and_then(|change| change.database.as_ref());
            waiting.reach((digest, known, *regime), step, origin, changed);
        }
    }

    /// The way back from the last place: shares of what was not settled yet.
    fn finish(
        &self,
        nodes: &[Node],
        done: &mut BTreeMap<usize, Done>,
        beliefs: &mut Beliefs,
        routes: &[Vec<Route>],
    ) {
        let numbered = nodes.iter().enumerate();
        // The first of equals, whatever the number of nodes.
        let best = numbered.max_by(|(at, a), (bt, b)| a.best.total_cmp(&b.best).then(at.cmp(bt)));
        let (mut place, mut node) = (self.len(), best.map_or(0, |(at, _)| at));
        while let Some(route) = routes.get(place).and_then(|routes| routes.get(node)) {
            let from = index(route.layer);
            if from >= place {
                break;
            }
            beliefs.choose(from..place, route.slot);
            (place, node) = (from, index(route.node));
        }
        let last = Layer {
            place: self.len(),
            origins: nodes.iter().map(|node| node.origins.as_slice()).collect(),
            totals: nodes.iter().map(|node| node.total).collect(),
        };
        walk_back(&[last], done, beliefs, self.len());
        done.clear();
    }
}

impl Node {
    /// Makes the state what it is after the step that led here.
    fn arrive(&mut self) {
        if let Some((slot, database)) = self.changed.take() {
            let mut state = self.state.as_ref().clone();
            state.set(slot, database);
            self.state = Rc::new(state);
        }
    }
}

impl Pending {
    /// Notes that a node is reached by one more way.
    fn reach(&mut self, key: Key, step: &Step<'_>, origin: Origin, changed: Option<&Rc<Database>>) {
        let total = step.node.total + origin.weight;
        let best = step.node.best + origin.weight;
        let route = Route {
            layer: origin.layer,
            node: origin.node,
            slot: origin.slot,
        };
        if let Some(known) = self.by_key.get(&key).and_then(|at| self.nodes.get_mut(*at)) {
            known.total = log_sum(known.total, total);
            known.origins.push(origin);
            if best > known.best {
                (known.best, known.route) = (best, route);
            }
            self.best = self.best.max(known.total);
            return;
        }
        self.best = self.best.max(total);
        self.by_key.insert(key, self.nodes.len());
        self.nodes.push(Node {
            state: step.node.state.clone(),
            changed: changed.map(|database| (step.slot, database.clone())),
            total,
            best,
            route,
            before: key.1,
            regime: key.2,
            origins: vec![origin],
        });
    }
}

/// The way back from what is pending, far enough behind it to be settled.
fn settle(
    pending: &BTreeMap<usize, Pending>,
    done: &mut BTreeMap<usize, Done>,
    beliefs: &mut Beliefs,
    before: usize,
) {
    let fronts = pending.iter().map(|(place, waiting)| Layer {
        place: *place,
        origins: waiting.nodes.iter().map(|n| n.origins.as_slice()).collect(),
        totals: waiting.nodes.iter().map(|n| n.total).collect(),
    });
    walk_back(&fronts.collect::<Vec<_>>(), done, beliefs, before);
    *done = done.split_off(&before);
}

/// What remains of nodes that are expanded.
fn finished(nodes: Vec<Node>) -> Done {
    let mut layer = Done {
        totals: nodes.iter().map(|node| node.total).collect(),
        // Collected anew: collecting in place would keep the room of the nodes.
        origins: Vec::with_capacity(nodes.len()),
    };
    for node in nodes {
        layer.origins.push(node.origins.into_boxed_slice());
    }
    layer
}

/// Keeps the likeliest nodes, best first.
fn prune(nodes: &mut Vec<Node>, width: usize, floor: f64) {
    nodes.retain(|node| node.total >= floor);
    // A stable sort: equals stay in the order they were reached.
    nodes.sort_by(|a, b| b.total.total_cmp(&a.total));
    nodes.truncate(width);
}
