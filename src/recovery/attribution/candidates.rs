//! Which databases a record can have been written for, by what holds in every
//! consistent assignment: bounds instead of states, in linear time.
//!
//! Every bound errs to the side of more candidates. A record that one database
//! alone is left for sharpens the bounds of the others, so passes repeat until
//! nothing changes.

use std::rc::Rc;

use crate::error::Result;

use super::base::Base;
use super::bounds::Bounds;
use super::component::Component;
use super::facts::Fact;
use super::problem::{Problem, Slot};

/// Passes over a component; each one but the last narrows something.
const PASSES_MAX: usize = 8;

/// Per record of the component: who can own it, and who not for which reason.
/// Of a long log there are many: a record that has the same as the one before
/// shares it.
#[derive(Debug, Clone, Default)]
pub(super) struct Candidates {
    /// Slots that nothing rules out, ascending.
    pub open: Vec<Rc<[Slot]>>,
    /// Slots that have such a table at some time and are ruled out.
    pub ruled_out: Vec<Rc<[(Slot, Fact)]>>,
    /// Of the open slots, those in which the record would have changed nothing.
    pub idle: Vec<Rc<[Slot]>>,
}

impl Candidates {
    /// Leaves a record some of its slots, and rules out others.
    pub fn narrow(&mut self, at: usize, kept: &[Slot], out: &[(Slot, Fact)]) {
        set(&mut self.open, at, kept);
        if !out.is_empty() {
            let before = self.ruled_out.get(at).cloned().unwrap_or_default();
            set(&mut self.ruled_out, at, &[&before, out].concat());
        }
    }
}

fn set<T: Clone + PartialEq>(lists: &mut [Rc<[T]>], at: usize, list: &[T]) {
    let before = at.checked_sub(1).and_then(|before| lists.get(before));
    let shared = before.filter(|before| ***before == *list).cloned();
    if let Some(place) = lists.get_mut(at) {
        *place = shared.unwrap_or_else(|| list.into());
    }
}

/// Narrows the candidates of a component's records.
///
/// # Errors
/// Those of `go_on`.
pub(super) fn narrow(
    problem: &Problem<'_>,
    base: &Base,
    component: &Component,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<Candidates> {
    let count = component.records.len();
    let mut candidates = Candidates {
        open: vec![component.classes.all(); count],
        ruled_out: vec![Rc::default(); count],
        idle: vec![Rc::default(); count],
    };
    let (mut kept, mut out, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for pass in 0..PASSES_MAX {
        let mut changed = false;
        let mut bounds = Bounds::new(problem, base, component);
        for (at, record) in component.records.iter().enumerate() {
            let Some(record) = problem.records.get(*record) else {
                continue;
            };
            let Some(open) = candidates.open.get(at).cloned() else {
                continue;
            };
            go_on()?;
            kept.clear();
            out.clear();
            for &slot in &*open {
                match bounds.against(record, slot) {
                    None => kept.push(slot),
                    Some(Fact::NoTable) if pass == 0 => {}
                    Some(fact) => out.push((slot, fact)),
                }
            }
            if kept.len() != open.len() {
                candidates.narrow(at, &kept, &out);
                changed = true;
            }
            idle.clear();
            let fits = kept.iter().any(|slot| bounds.fits(record, *slot));
            let is_idle = |slot: &&Slot| bounds.is_idle(record, **slot, fits);
            idle.extend(kept.iter().filter(is_idle));
            set(&mut candidates.idle, at, &idle);
            if let Some(open) = candidates.open.get(at) {
                bounds.apply(at, record, open);
            }
        }
        if !changed {
            break;
        }
    }
    Ok(candidates)
}
