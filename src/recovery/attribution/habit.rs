//! Which database a statement follows another in: sessions that stay in one
//! database, programs that go round several. Learned from the records whose
//! database is known; never more than a prior.

use std::collections::HashMap;

use super::problem::{Slot, index, number};

/// Weight of the even spread against what was counted.
const SPREAD: f64 = 1.0;
/// Transitions below which nothing is learned.
const LEARNED_FROM: f64 = 8.0;
/// How often a habit is left, and taken up again.
const LEFT: f64 = 0.03;
const TAKEN_UP: f64 = 0.02;

/// How the databases follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Regime {
    /// As counted.
    Habit,
    /// At random, with some inclination to stay.
    Free,
}

/// Counted transitions from statement to statement.
#[derive(Debug, Clone)]
pub(super) struct Habits {
    databases: usize,
    pairs: HashMap<(Slot, Slot), f64>,
    from: HashMap<Slot, f64>,
    counted: f64,
    stay: f64,
    last: Option<Slot>,
}

impl Habits {
    /// Nothing counted yet, over so many databases.
    pub fn new(databases: usize) -> Self {
        let even = 1.0 / f64::from(number(databases.max(1)));
        Habits {
            databases: databases.max(1),
            pairs: HashMap::new(),
            from: HashMap::new(),
            counted: 0.0,
            stay: even,
            last: None,
        }
    }

    /// Counts a statement in `to` that followed one in `from`.
    pub fn count(&mut self, from: Slot, to: Slot) {
        *self.pairs.entry((from, to)).or_default() += 1.0;
        *self.from.entry(from).or_default() += 1.0;
        self.counted += 1.0;
    }

    /// Sets the database of the last record before the tail.
    pub fn set_last(&mut self, last: Option<Slot>) {
        self.last = last;
    }

    /// The database of the last record before the tail, where it is known.
    pub fn last(&self) -> Option<Slot> {
        self.last
    }

    /// Sets how often a statement stays in the database of the one before, by
    /// statements of the tail.
    pub fn set_stay(&mut self, stayed: usize, moved: usize) {
        let even = 1.0 / f64::from(number(self.databases));
        let (stayed, moved) = (f64::from(number(stayed)), f64::from(number(moved)));
        self.stay = (stayed + 4.0 * even) / (stayed + moved + 4.0);
    }

    /// The regimes to reckon with, each with its share at the start.
    pub fn regimes(&self) -> &'static [(Regime, f64)] {
        match self.counted >= LEARNED_FROM {
            true => &[(Regime::Habit, 0.6), (Regime::Free, 0.4)],
            false => &[(Regime::Free, 1.0)],
        }
    }

    /// The logarithm of the chance to go on in a regime.
    pub fn switch(&self, from: Regime, to: Regime) -> f64 {
        if self.counted < LEARNED_FROM {
            return 0.0;
        }
        let chance: f64 = match (from, to) {
            (Regime::Habit, Regime::Habit) => 1.0 - LEFT,
            (Regime::Habit, Regime::Free) => LEFT,
            (Regime::Free, Regime::Free) => 1.0 - TAKEN_UP,
            (Regime::Free, Regime::Habit) => TAKEN_UP,
        };
        chance.ln()
    }

    /// The logarithm of the chance that a statement is in `to`.
    pub fn prior(&self, regime: Regime, before: Option<Slot>, to: Slot) -> f64 {
        let even = 1.0 / f64::from(number(self.databases));
        let Some(before) = before else {
            return even.ln();
        };
        let chance = match regime {
            Regime::Habit => {
                let pair = self.pairs.get(&(before, to)).copied().unwrap_or_default();
                let from = self.from.get(&before).copied().unwrap_or_default();
                (pair + SPREAD * even) / (from + SPREAD)
            }
            Regime::Free => {
                // The even spread is over the others.
                let others = f64::from(number(self.databases.saturating_sub(1).max(1)));
                match before == to {
                    true => self.stay,
                    false => (1.0 - self.stay) / others,
                }
            }
        };
        chance.max(1e-6).ln()
    }
}

/// [`Habits::prior`] by what was asked already.
pub(super) struct Priors<'h> {
    habits: &'h Habits,
    known: HashMap<(Regime, Option<Slot>), Vec<f64>>,
}

impl<'h> Priors<'h> {
    /// Nothing asked yet.
    pub fn new(habits: &'h Habits) -> Self {
        Priors {
            habits,
            known: HashMap::new(),
        }
    }

    /// The logarithm of the chance that a statement is in `to`.
    pub fn of(&mut self, regime: Regime, before: Option<Slot>, to: Slot) -> f64 {
        let known = self.known.entry((regime, before)).or_default();
        if let Some(prior) = known.get(index(to)) {
            return *prior;
        }
        let habits = self.habits;
        known.extend((number(known.len())..=to).map(|to| habits.prior(regime, before, to)));
        known.last().copied().unwrap_or_default()
    }
}
