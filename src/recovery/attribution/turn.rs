//! What the statements that begin with a record make of each version of each
//! database: worked out once for all states that hold the version.

use std::cell::OnceCell;
use std::rc::Rc;

use super::hashed::HashedMap;
use super::problem::Slot;
use super::state::{Database, State};
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
    change: OnceCell<Change>,
}

/// What a reading changes.
pub(super) struct Change {
    /// What it adds to the digest of a state, as the place after it sees it.
    pub digest: u128,
    /// The database afterwards, where it takes effect.
    pub database: Option<Rc<Database>>,
}

impl Turn {
    fn new(before: &Rc<Database>, place: usize, reading: &Reading) -> Self {
        Turn {
            weight: reading.weight(),
            next: after(place, reading),
            effect: reading.effect,
            place,
            before: before.clone(),
            change: OnceCell::new(),
        }
    }

    /// What it changes.
    pub fn change(&self, readings: &Readings<'_, '_>, slot: Slot) -> &Change {
        self.change.get_or_init(|| {
            if !self.effect {
                return Change {
                    digest: 0,
                    database: None,
                };
            }
            let (horizon, now) = (readings.lookup.horizon, readings.number(self.next));
            let records = (self.place..self.next).filter_map(|place| readings.record(place));
            let database = self.before.after(horizon, records);
            let before = self.before.digest(slot, horizon, now);
            Change {
                digest: database.digest(slot, horizon, now).wrapping_sub(before),
                database: Some(database),
            }
        })
    }
}

/// The turns of one record.
pub(super) struct Turns<'r, 'p, 'w> {
    readings: Readings<'p, 'w>,
    place: usize,
    open: &'r [Slot],
    /// Versions by database and digest.
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

    /// The versions a state holds, one for each open database.
    pub fn versions(&mut self, state: &State) -> Vec<usize> {
        let now = self.readings.number(self.place);
        let digests = state.digests(self.open, self.readings.lookup.horizon, now);
        let slots = self.open.iter().zip(digests);
        let mut versions = Vec::with_capacity(self.open.len());
        for (&slot, digest) in slots {
            let version = self.known.get(&(slot, digest)).copied();
            versions.push(version.unwrap_or_else(|| {
                let turns = state.database(slot).map_or_else(Vec::new, |database| {
                    let readings = self.readings.of(database, slot, self.place);
                    let turns = readings.iter();
                    turns
                        .map(|reading| Turn::new(database, self.place, reading))
                        .collect()
                });
                self.turns.push(turns);
                self.known.insert((slot, digest), self.turns.len() - 1);
                self.turns.len() - 1
            }));
        }
        versions
    }

    /// The turns of a version.
    pub fn of(&self, version: usize) -> &[Turn] {
        self.turns.get(version).map_or(&[], Vec::as_slice)
    }
}
