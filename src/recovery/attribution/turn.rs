//! What the statements that begin with a record make of each version of each
//! database: worked out once for all states that hold the version.

use std::cell::OnceCell;
use std::rc::Rc;

use super::hashed::HashedMap;
use super::problem::Slot;
use super::state::{Database, Held, State};
use super::statement::{Reading, Readings, after};

/// One reading of a record in one version of a database.
pub(super) struct Turn {
    /// Logarithm of its likelihood.
    pub weight: f64,
    /// The place after it.
    pub next: usize,
    /// Whether the records take effect.
    pub effect: bool,
    place: usize,
    before: Rc<Database>,
    change: OnceCell<Delta>,
}

/// What a reading changes.
pub(super) struct Delta {
    /// What it adds to the digest of a state, as the place after it sees it.
    pub digest: u128,
    /// The database afterwards, where it takes effect.
    pub database: Option<Rc<Database>>,
}

impl Turn {
    fn new(before: &Rc<Database>, place: usize, reading: &Reading, weight: f64) -> Self {
        Turn {
            weight,
            next: after(place, reading),
            effect: reading.effect,
            place,
            before: before.clone(),
            change: OnceCell::new(),
        }
    }

    /// What it changes.
    pub fn change(&self, readings: &Readings<'_, '_>, slot: Slot) -> &Delta {
        self.change.get_or_init(|| {
            if !self.effect {
                return Delta {
                    digest: 0,
                    database: None,
                };
            }
            let (horizon, now) = (readings.lookup.horizon, readings.number(self.next));
            let records = (self.place..self.next).filter_map(|place| readings.record(place));
            let database = self.before.after(horizon, records);
            let before = self.before.digest(slot, horizon, now);
            Delta {
                digest: database.digest(slot, horizon, now).wrapping_sub(before),
                database: Some(database),
            }
        })
    }
}

/// The databases of a state that can have a turn in the same way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side {
    /// Their class.
    pub class: Slot,
    /// See [`Held`].
    pub held: Held,
    /// Which turns they have.
    pub version: usize,
}

/// The turns of one record.
pub(super) struct Turns<'r, 'p, 'w> {
    readings: Readings<'p, 'w>,
    place: usize,
    open: &'r [Slot],
    /// Versions by class and digest.
    known: HashedMap<(Slot, u128), usize>,
    turns: Vec<Vec<Turn>>,
}

impl<'r, 'p, 'w> Turns<'r, 'p, 'w> {
    /// Of the record at a place, in the databases that can own it.
    pub fn new(readings: Readings<'p, 'w>, place: usize, open: &'r [Slot]) -> Self {
        Turns {
            readings,
            place,
            open,
            known: HashedMap::default(),
            turns: Vec::new(),
        }
    }

    /// The databases of a state that can have the turn, those that stand the
    /// same together.
    pub fn sides(&mut self, state: &State) -> Vec<Side> {
        let now = self.readings.number(self.place);
        let horizon = self.readings.lookup.horizon;
        let mut sides = Vec::with_capacity(self.open.len());
        let mut all = Vec::new();
        for &class in self.open {
            state.held(class, horizon, now, &mut all);
            for held in &all {
                let version = self.known.get(&(class, held.digest)).copied();
                let version = version.unwrap_or_else(|| self.take_up(state, class, *held));
                sides.push(Side {
                    class,
                    held: *held,
                    version,
                });
            }
        }
        sides
    }

    fn take_up(&mut self, state: &State, class: Slot, held: Held) -> usize {
        let database = state.database(class, held.changed);
        let turns = database.map_or_else(Vec::new, |database| {
            let readings = self.readings.of(database, class, self.place);
            let model = self.readings.model;
            let turns = readings
                .iter()
                .map(|reading| Turn::new(database, self.place, reading, reading.weight(model)));
            turns.collect()
        });
        self.turns.push(turns);
        self.known
            .insert((class, held.digest), self.turns.len() - 1);
        self.turns.len() - 1
    }

    /// The turns of a version.
    pub fn of(&self, version: usize) -> &[Turn] {
        self.turns.get(version).map_or(&[], Vec::as_slice)
    }
}
