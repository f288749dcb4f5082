//! The way back through a search: how much of all likelihood agrees with each
//! database of each record.

use std::collections::BTreeMap;
use std::ops::Range;

use super::problem::{Slot, index};

/// Shares below this are not told.
const TOLD: f64 = 1e-7;
/// Places before and after a record at which what is left out concerns it.
const LOST_BEFORE: usize = 16;
const LOST_AFTER: usize = 48;

/// What the search says of a component.
#[derive(Debug, Clone, Default)]
pub(super) struct Beliefs {
    /// The likeliest assignment as a whole, by place: the class, and what the
    /// database was like, as a digest.
    pub best: Vec<(Slot, u128)>,
    /// Shares of all likelihood by place and class, ascending.
    pub shares: Vec<Vec<(Slot, f64)>>,
    /// By place, the share of likelihood that the search left out there.
    pub lost: Vec<f64>,
    /// Whether a record starts a statement, by place, in the likeliest assignment.
    pub starts: Vec<bool>,
    /// States looked at.
    pub states: usize,
    /// Records whose shares are settled.
    tidy: usize,
}

impl Beliefs {
    /// Nothing known yet of so many records.
    pub fn new(len: usize) -> Self {
        Beliefs {
            best: vec![(Slot::MAX, 0); len],
            shares: vec![Vec::new(); len],
            starts: vec![true; len],
            lost: vec![0.0; len + 1],
            tidy: 0,
            states: 0,
        }
    }

    /// Notes one statement of the likeliest assignment.
    pub fn choose(&mut self, places: Range<usize>, slot: Slot, version: u128) {
        for place in places.clone() {
            let (best, starts) = (self.best.get_mut(place), self.starts.get_mut(place));
            if let (Some(best), Some(starts)) = (best, starts) {
                (*best, *starts) = ((slot, version), place == places.start);
            }
        }
    }

    /// The share of likelihood that was left out where it can concern a record:
    /// ways that differ in it part from the others there, and meet them soon.
    pub fn lost_near(&self, place: usize) -> f64 {
        let first = place.saturating_sub(LOST_BEFORE);
        let near = self.lost.iter().skip(first);
        let near = near.take(place - first + LOST_AFTER);
        let kept = near.map(|lost| 1.0 - lost.clamp(0.0, 1.0));
        1.0 - kept.product::<f64>()
    }

    /// Forgets shares too small to be told; the records below `before` are settled.
    pub fn settled(&mut self, before: usize) {
        let shares = self.shares.get_mut(self.tidy..before);
        for shares in shares.into_iter().flatten() {
            shares.retain(|(_, share)| *share >= TOLD);
            shares.shrink_to_fit();
        }
        self.tidy = before.max(self.tidy);
    }
}

/// One way to a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    /// The place it comes from.
    pub layer: u32,
    pub node: u32,
    /// The database of the records between.
    pub slot: Slot,
    /// The logarithm of their likelihood.
    pub weight: f64,
}

/// What remains of a place: how it was reached.
pub(super) struct Done {
    /// Logarithms of the likelihood of all ways to each node.
    pub totals: Vec<f64>,
    /// The ways to each node.
    pub origins: Vec<Box<[Origin]>>,
}

/// Nodes of one place from which the way back starts.
pub(super) struct Layer<'n> {
    pub place: usize,
    /// The ways to each node.
    pub origins: Vec<&'n [Origin]>,
    /// Logarithms of the likelihood of all ways to each node.
    pub totals: Vec<f64>,
}

/// Spreads the likelihood of the front back over the places behind it, and
/// notes the shares of the places below `before`.
pub(super) fn walk_back(
    fronts: &[Layer<'_>],
    done: &BTreeMap<usize, Done>,
    beliefs: &mut Beliefs,
    before: usize,
) {
    let all = fronts.iter().flat_map(|front| front.totals.iter().copied());
    let sum = all.fold(f64::NEG_INFINITY, log_sum);
    // Shares of nodes, by place.
    let mut shares: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    let mut spread = |shares: &mut BTreeMap<usize, Vec<f64>>,
                      place: usize,
                      share: f64,
                      total: f64,
                      origins: &[Origin]| {
        if share < 1e-9 {
            return;
        }
        for origin in origins {
            let from = index(origin.layer);
            let Some(source) = done.get(&from) else {
                continue;
            };
            let Some(reached) = source.totals.get(index(origin.node)) else {
                continue;
            };
            let part = share * (reached + origin.weight - total).exp();
            let nodes = shares
                .entry(from)
                .or_insert_with(|| vec![0.0; source.totals.len()]);
            if let Some(node) = nodes.get_mut(index(origin.node)) {
                *node += part;
            }
            // A statement that reaches over the border is noted as a whole.
            if from < before {
                (from..place).for_each(|at| note(beliefs, at, origin, part));
            }
        }
    };
    for front in fronts {
        for (origins, total) in front.origins.iter().zip(&front.totals) {
            spread(
                &mut shares,
                front.place,
                (total - sum).exp(),
                *total,
                origins,
            );
        }
    }
    while let Some((place, nodes)) = shares.pop_last() {
        let Some(layer) = done.get(&place) else {
            continue;
        };
        let known = layer.origins.iter().zip(&layer.totals);
        for ((origins, total), share) in known.zip(nodes) {
            spread(&mut shares, place, share, *total, origins);
        }
    }
    beliefs.settled(before);
}

fn note(beliefs: &mut Beliefs, place: usize, origin: &Origin, part: f64) {
    let slot = origin.slot;
    let Some(shares) = beliefs.shares.get_mut(place) else {
        return;
    };
    match shares.binary_search_by_key(&slot, |(slot, _)| *slot) {
        Ok(at) => {
            if let Some((_, share)) = shares.get_mut(at) {
                *share += part;
            }
        }
        Err(at) => shares.insert(at, (slot, part)),
    }
}

/// The logarithm of the sum of two numbers given by their logarithms.
pub(super) fn log_sum(a: f64, b: f64) -> f64 {
    let (small, large) = if a < b { (a, b) } else { (b, a) };
    if small == f64::NEG_INFINITY {
        return large;
    }
    large + (small - large).exp().ln_1p()
}
