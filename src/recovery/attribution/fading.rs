//! A sum whose terms cease to count one after the other, cheap to copy.

use std::cell::Cell;

use super::paged_vec::PagedVec;
use super::problem::{index, number};

/// Stages that are looked ahead for the next change.
const LOOK_AHEAD: u32 = 16;

/// Terms by the stage up to which they count.
#[derive(Debug, Clone)]
pub(super) struct Fading {
    by_stage: PagedVec<u128>,
    /// The sum of the terms that count at `stage`.
    sum: u128,
    stage: u32,
    /// A later stage, and the sum there: where the last look began to fade on.
    seen: Cell<(u32, u128)>,
}

impl Default for Fading {
    fn default() -> Self {
        Fading {
            by_stage: PagedVec::new(),
            sum: 0,
            stage: 0,
            seen: Cell::new((0, 0)),
        }
    }
}

impl Fading {
    /// Adds a term that counts up to a stage, that stage included.
    pub fn add(&mut self, until: u32, term: u128) {
        self.change(until, |sum| sum.wrapping_add(term));
    }

    /// Takes a term out again.
    pub fn remove(&mut self, until: u32, term: u128) {
        self.change(until, |sum| sum.wrapping_sub(term));
    }

    fn change(&mut self, until: u32, change: impl Fn(u128) -> u128) {
        if until < self.stage {
            return;
        }
        while self.by_stage.len() <= index(until) {
            self.by_stage.push(0);
        }
        if let Some(sum) = self.by_stage.get_mut(index(until)) {
            *sum = change(*sum);
            self.sum = change(self.sum);
            self.seen.set((self.stage, self.sum));
        }
    }

    /// Goes on to a stage.
    pub fn fade(&mut self, stage: u32) {
        (self.sum, _) = self.sum_from(stage);
        self.stage = stage.max(self.stage);
        self.seen.set((self.stage, self.sum));
    }

    /// The sum at a stage not before that of the last change, and a stage after
    /// it before which the sum stays the same.
    pub fn sum_from(&self, stage: u32) -> (u128, u32) {
        let term = |at: u32| self.by_stage.get(index(at)).copied();
        let (from, known) = match self.seen.get() {
            seen if seen.0 <= stage => seen,
            _ => (self.stage, self.sum),
        };
        let faded = (from..stage).map_while(term);
        let sum = faded.fold(known, u128::wrapping_sub);
        self.seen.set((stage, sum));
        let ahead = stage..stage.saturating_add(LOOK_AHEAD);
        let last = ahead.take_while(|at| term(*at) == Some(0)).count();
        (sum, stage.saturating_add(number(last)).saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_counts_up_to_its_stage() {
        let mut fading = Fading::default();
        fading.add(3, 10);
        fading.add(5, 100);
        assert_eq!(fading.sum_from(0), (110, 4));
        assert_eq!(fading.sum_from(3), (110, 4));
        assert_eq!(fading.sum_from(4), (100, 6));
        assert_eq!(fading.sum_from(6), (0, 7));
    }

    #[test]
    fn what_faded_is_neither_added_nor_removed() {
        let mut fading = Fading::default();
        fading.add(1, 7);
        fading.add(4, 20);
        fading.fade(2);
        fading.remove(1, 7);
        fading.add(0, 9);
        assert_eq!(fading.sum_from(2), (20, 5));
        fading.remove(4, 20);
        assert_eq!(fading.sum_from(2), (0, 6));
    }
}
