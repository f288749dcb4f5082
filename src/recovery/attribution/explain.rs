//! Why one database and not another: the evidence of every record, weighed
//! along the likeliest assignment.

use super::evidence::Part;
use super::problem::Slot;
use super::state::State;
use super::statement::{Reading, Readings};

/// Shares below which a database's evidence is not kept.
const EXPLAINED: f64 = 0.0005;
/// Databases whose evidence is kept for one record.
const EXPLAINED_MAX: usize = 16;

/// The evidence for and against one database.
pub(super) type Weighed = (Slot, Vec<Part>);

/// What the likeliest assignment says of one record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    /// The database; `None` where none fits.
    pub slot: Option<Slot>,
    /// Whether the record starts a statement.
    pub starts: bool,
}

/// Weighs the records of a component once more, each in the state that the
/// likeliest assignment of those before it leads to. The first element of a
/// statement carries the evidence of the whole.
pub(super) fn weigh_along(
    readings: &Readings<'_, '_>,
    mut state: State,
    choices: &[Choice],
    share: impl Fn(usize, Slot) -> f64,
) -> Vec<Vec<Weighed>> {
    let mut weighed = vec![Vec::new(); choices.len()];
    let mut place = 0;
    while let Some(choice) = choices.get(place) {
        let rest = choices.get(place + 1..).unwrap_or_default();
        let len = 1 + rest.iter().take_while(|next| !next.starts).count();
        let open = readings.candidates.open.get(place);
        let mut taken = None;
        let mut all = Vec::new();
        for &slot in open.into_iter().flat_map(|open| open.iter()) {
            let chosen = choice.slot == Some(slot);
            if !chosen && (share(place, slot) < EXPLAINED || all.len() >= EXPLAINED_MAX) {
                continue;
            }
            let Some(reading) = state.database(slot).and_then(|database| {
                likeliest(readings.of(database, slot, place), chosen.then_some(len))
            }) else {
                continue;
            };
            all.push((slot, reading.parts.clone()));
            if chosen {
                taken = Some(reading);
            }
        }
        if let Some(weighed) = weighed.get_mut(place) {
            *weighed = all;
        }
        if let (Some(slot), Some(reading)) = (choice.slot, taken)
            && reading.effect
        {
            let records = (place..place + len).filter_map(|place| readings.record(place));
            let horizon = readings.lookup.horizon;
            let database = state
                .database(slot)
                .map(|known| known.after(horizon, records));
            database.into_iter().for_each(|now| state.set(slot, now));
        }
        place += len;
    }
    weighed
}

/// The likeliest reading, of a given length where one is asked for.
fn likeliest(readings: Vec<Reading>, len: Option<usize>) -> Option<Reading> {
    let fitting = readings
        .into_iter()
        .filter(|reading| len.is_none_or(|len| reading.len == len));
    fitting.max_by(|a, b| a.weight().total_cmp(&b.weight()))
}
