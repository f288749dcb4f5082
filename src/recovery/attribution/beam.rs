//! Forward search over merged states: which assignment is the likeliest as a
//! whole. What the way back makes of it is in [`backward`](super::backward).
//!
//! The width is bounded, so a share is an estimate; it never proves anything.
//! What is left out is counted.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::error::Result;

use super::backward::{Beliefs, Done, Layer, Origin, log_sum, walk_back};
use super::evidence::{self, share};
use super::hashed::HashedMap;
use super::problem::{Slot, index, number};
use super::state::{Database, State};
use super::statement::Readings;
use super::turn::{Side, Turn, Turns};

/// Readings weighed in all, over which the width is spread.
const READINGS_MAX: usize = 1_500_000;
/// Widest and narrowest beam.
const WIDTHS: (usize, usize) = (256, 16);
/// States less likely than the best by this much (as a logarithm) are left out.
const SPAN: f64 = 13.0;
/// Databases, or classes of them, that one record is tried in from one state;
/// the likeliest go first.
const TRIED_MAX: usize = 48;
/// Records that are kept before the way back is walked for the oldest half.
const WINDOW: usize = 4_096;
/// The mark of a record that fits nowhere.
pub(super) const NOWHERE: Slot = Slot::MAX;

/// One state that can be reached, and how likely it is.
struct Node {
    /// The state it is reached from, or the state itself where nothing changed.
    state: Rc<State>,
    /// What is another in the state.
    changed: Option<Taker>,
    /// Logarithm of the likelihood of all ways here.
    total: f64,
    /// The same of the likeliest way, and its last step.
    best: f64,
    route: Route,
    origins: Vec<Origin>,
}

/// A database that took up a record.
struct Taker {
    class: Slot,
    /// Which of the changed databases it was.
    changed: Option<usize>,
    now: Rc<Database>,
}

/// The last step of the likeliest way to a node.
#[derive(Debug, Clone, Copy)]
struct Route {
    layer: u32,
    node: u32,
    slot: Slot,
    /// What the database was like before.
    version: u128,
}

/// Nodes of one place that wait to be expanded.
struct Pending {
    nodes: Vec<Node>,
    by_digest: HashedMap<u128, usize>,
    /// The largest total.
    best: f64,
    /// Logarithm of the sum of all totals.
    sum: f64,
    /// Logarithm of the likelihood of what was left out on the way here.
    lost: f64,
}

impl Default for Pending {
    fn default() -> Self {
        Pending {
            nodes: Vec::new(),
            by_digest: HashedMap::default(),
            best: f64::NEG_INFINITY,
            sum: f64::NEG_INFINITY,
            lost: f64::NEG_INFINITY,
        }
    }
}

/// One step from a node.
struct Step<'s> {
    place: usize,
    /// The node's position among those of its place.
    at: usize,
    node: &'s Node,
    side: Option<Side>,
    weight: f64,
}

/// A search over one component.
pub(super) struct Search<'p, 'w> {
    /// How records can be read.
    pub readings: Readings<'p, 'w>,
    /// Fails when the work is to stop.
    pub go_on: &'p dyn Fn() -> Result<()>,
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
    ///
    /// # Errors
    /// When the work is to stop.
    pub fn run(&self, first: State) -> Result<Beliefs> {
        let width = self.width();
        let mut pending: BTreeMap<usize, Pending> = BTreeMap::new();
        pending.insert(0, start(first));
        let mut done: BTreeMap<usize, Done> = BTreeMap::new();
        let mut routes: Vec<Vec<Route>> = vec![Vec::new(); self.len() + 1];
        let mut beliefs = Beliefs::new(self.len());
        while let Some((place, mut waiting)) = pending.pop_first() {
            (self.go_on)()?;
            // Weights only ever lower a likelihood, so what is behind and below
            // cannot catch up.
            let ahead = pending.values().map(|waiting| waiting.best);
            let floor = ahead.fold(waiting.best, f64::max) - SPAN;
            waiting.prune(width, floor);
            let ahead = pending.values().map(|waiting| waiting.sum);
            let kept = ahead.fold(waiting.sum, log_sum);
            if let (Some(lost), true) = (beliefs.lost.get_mut(place), waiting.lost.is_finite()) {
                *lost = (waiting.lost - log_sum(waiting.lost, kept)).exp();
            }
            let mut nodes = waiting.nodes;
            beliefs.states += nodes.len();
            if let Some(routes) = routes.get_mut(place) {
                *routes = nodes.iter().map(|node| node.route).collect();
            }
            if place >= self.len() {
                self.finish(&nodes, &mut done, &mut beliefs, &routes);
                break;
            }
            nodes.iter_mut().for_each(Node::arrive);
            self.expand(place, &nodes, &mut pending);
            done.insert(place, finished(nodes));
            let oldest = done.first_key_value().map_or(place, |(oldest, _)| *oldest);
            if place - oldest >= WINDOW {
                settle(&pending, &mut done, &mut beliefs, oldest + WINDOW / 2);
            }
        }
        Ok(beliefs)
    }

    fn expand(&self, place: usize, nodes: &[Node], pending: &mut BTreeMap<usize, Pending>) {
        let open = self.readings.candidates.open.get(place);
        let open = open.map_or(&[][..], |open| open);
        let mut turns = Turns::new(self.readings, place, open);
        let sides: Vec<Vec<Side>> = nodes.iter().map(|node| turns.sides(&node.state)).collect();
        let databases = self.readings.lookup.problem.snapshot_databases.max(1);
        let even = share(u64::from(databases)).ln();
        let mut expanded = false;
        for ((at, node), sides) in nodes.iter().enumerate().zip(&sides) {
            // What the state is to the records after each length of statement.
            let mut sums = BTreeMap::new();
            let of_sides = sides.iter().flat_map(|side| {
                let prior = share(u64::from(side.held.count)).ln() - even;
                let turns = turns.of(side.version).iter();
                turns.map(move |turn| (*side, turn, turn.weight + prior))
            });
            let mut steps: Vec<(Side, &Turn, f64)> = of_sides.collect();
            if steps.len() > TRIED_MAX {
                // A stable sort: equals stay in the order of their databases.
                steps.sort_by(|(_, _, a), (_, _, b)| b.total_cmp(a));
            }
            for (tried, (side, turn, weight)) in steps.into_iter().enumerate() {
                expanded = true;
                let step = Step {
                    place,
                    at,
                    node,
                    side: Some(side),
                    weight,
                };
                let waiting = pending.entry(turn.next).or_default();
                match tried < TRIED_MAX {
                    true => self.follow(&step, Some(turn), &mut sums, waiting),
                    false => waiting.lose(node.total + weight),
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
                side: None,
                weight: evidence::NOWHERE,
            };
            let waiting = pending.entry(place + 1).or_default();
            self.follow(&step, None, &mut BTreeMap::new(), waiting);
        }
    }

    /// Adds what follows a node by one step.
    fn follow(
        &self,
        step: &Step<'_>,
        turn: Option<&Turn>,
        sums: &mut BTreeMap<usize, u128>,
        waiting: &mut Pending,
    ) {
        let total = step.node.total + step.weight;
        if total < waiting.best - SPAN {
            waiting.lose(total);
            return;
        }
        let next = turn.map_or(step.place + 1, |turn| turn.next);
        let sum = sums.entry(next).or_insert_with(|| {
            let now = self.readings.number(next);
            let horizon = self.readings.lookup.horizon;
            step.node.state.digest(horizon, now)
        });
        let class = step.side.map_or(NOWHERE, |side| side.class);
        let change = turn.map(|turn| turn.change(&self.readings, class));
        let digest = change.map_or(*sum, |change| sum.wrapping_add(change.digest));
        let changed = change.and_then(|change| change.database.as_ref());
        waiting.reach(digest, step, class, changed);
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
        let best = numbered.max_by(|(at, a), (bt, b)| a.best.total_cmp(&b.best).then(bt.cmp(at)));
        let (mut place, mut node) = (self.len(), best.map_or(0, |(at, _)| at));
        while let Some(route) = routes.get(place).and_then(|routes| routes.get(node)) {
            let from = index(route.layer);
            if from >= place {
                break;
            }
            beliefs.choose(from..place, route.slot, route.version);
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

fn start(first: State) -> Pending {
    let route = Route {
        layer: 0,
        node: 0,
        slot: NOWHERE,
        version: 0,
    };
    let node = Node {
        state: Rc::new(first),
        changed: None,
        total: 0.0,
        best: 0.0,
        route,
        origins: Vec::new(),
    };
    Pending {
        nodes: vec![node],
        best: 0.0,
        sum: 0.0,
        ..Pending::default()
    }
}

impl Node {
    /// Makes the state what it is after the step that led here.
    fn arrive(&mut self) {
        if let Some(change) = self.changed.take() {
            let mut state = self.state.as_ref().clone();
            state.set(change.class, change.changed, change.now);
            self.state = Rc::new(state);
        }
    }
}

impl Pending {
    /// Counts what is left out, by the logarithm of its likelihood.
    fn lose(&mut self, total: f64) {
        self.lost = log_sum(self.lost, total);
    }

    /// Notes that a node is reached by one more way.
    fn reach(&mut self, digest: u128, step: &Step<'_>, slot: Slot, changed: Option<&Rc<Database>>) {
        let total = step.node.total + step.weight;
        let best = step.node.best + step.weight;
        self.sum = log_sum(self.sum, total);
        let origin = Origin {
            layer: number(step.place),
            node: number(step.at),
            slot,
            weight: step.weight,
        };
        let route = Route {
            layer: origin.layer,
            node: origin.node,
            slot,
            version: step.side.map_or(0, |side| side.held.digest),
        };
        let known = self.by_digest.get(&digest).copied();
        if let Some(known) = known.and_then(|at| self.nodes.get_mut(at)) {
            known.total = log_sum(known.total, total);
            known.origins.push(origin);
            if best > known.best {
                (known.best, known.route) = (best, route);
            }
            self.best = self.best.max(known.total);
            return;
        }
        self.best = self.best.max(total);
        self.by_digest.insert(digest, self.nodes.len());
        let change = changed.zip(step.side).map(|(now, side)| Taker {
            class: slot,
            changed: side.held.changed,
            now: now.clone(),
        });
        self.nodes.push(Node {
            state: step.node.state.clone(),
            changed: change,
            total,
            best,
            route,
            origins: vec![origin],
        });
    }

    /// Keeps the likeliest nodes, best first.
    fn prune(&mut self, width: usize, floor: f64) {
        // A stable sort: equals stay in the order they were reached.
        self.nodes.sort_by(|a, b| b.total.total_cmp(&a.total));
        let kept = self.nodes.partition_point(|node| node.total >= floor);
        for node in self.nodes.drain(kept.min(width)..) {
            self.lost = log_sum(self.lost, node.total);
        }
        let kept = self.nodes.iter().map(|node| node.total);
        self.sum = kept.fold(f64::NEG_INFINITY, log_sum);
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
