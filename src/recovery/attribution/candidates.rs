//! Which databases a record can have been written for, by what holds in every
//! consistent assignment: bounds instead of states, in linear time.
//!
//! Every bound errs to the side of more candidates. A record that one database
//! alone is left for sharpens the bounds of the others, so passes repeat until
//! nothing changes.

use super::base::Base;
use super::bounds::Bounds;
use super::component::Component;
use super::facts::Fact;
use super::problem::{Problem, Slot};

/// Passes over a component; each one but the last narrows something.
const PASSES_MAX: usize = 8;

/// Per record of the component: who can own it, and who not for which reason.
#[derive(Debug, Clone, Default)]
pub(super) struct Candidates {
    /// Slots that nothing rules out, ascending.
    pub open: Vec<Vec<Slot>>,
    /// Slots that have such a table at some time and are ruled out.
    pub ruled_out: Vec<Vec<(Slot, Fact)>>,
}

/// Narrows the candidates of a component's records.
pub(super) fn narrow(problem: &Problem<'_>, base: &Base, component: &Component) -> Candidates {
    let count = component.records.len();
    let all: Vec<Slot> = (0..=problem.unknown()).collect();
    let mut candidates = Candidates {
        open: vec![all; count],
        ruled_out: vec![Vec::new(); count],
    };
    for pass in 0..PASSES_MAX {
        let mut changed = false;
        let mut bounds = Bounds::new(problem, base, component);
        for (at, record) in component.records.iter().enumerate() {
            let Some(record) = problem.records.get(*record) else {
                continue;
            };
            let (Some(open), Some(out)) = (
                candidates.open.get_mut(at),
                candidates.ruled_out.get_mut(at),
            ) else {
                continue;
            };
            let before = open.len();
            open.retain(|slot| match bounds.against(record, *slot) {
                None => true,
                Some(fact) => {
                    if fact != Fact::NoTable || pass > 0 {
                        out.push((*slot, fact));
                    }
                    false
                }
            });
            changed |= open.len() != before;
            bounds.apply(at, record, open);
        }
        if !changed {
            break;
        }
    }
    candidates
}
