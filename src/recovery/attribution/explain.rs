//! Why one database and not another: the evidence of every record, weighed
//! along the likeliest assignment.

use crate::error::Result;

use super::evidence::{Clue, Model};
use super::problem::Slot;
use super::state::{Held, State};
use super::statement::{Reading, Readings};

/// Shares below which a database's evidence is not kept.
const EXPLAINED: f64 = 0.0005;
/// Databases whose evidence is kept for one record.
const EXPLAINED_MAX: usize = 16;

/// The evidence for and against one database.
pub(super) type Weighed = (Slot, Vec<Clue>);

/// What the likeliest assignment says of one record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    /// The class of its database, and what that was like, as a digest; `None`
    /// where none fits.
    pub home: Option<(Slot, u128)>,
    /// Whether the record starts a statement.
    pub starts: bool,
}

/// What is kept of one record along the likeliest assignment.
#[derive(Debug, Clone, Default)]
pub(super) struct Along {
    /// The evidence for and against the classes that are likely enough.
    pub weighed: Vec<Weighed>,
    /// Its database, one that fits with those of the records before.
    pub home: Option<Slot>,
}

/// Weighs the records of a component once more, each in the state that the
/// likeliest assignment of those before it leads to. The first element of a
/// statement carries the evidence of the whole.
///
/// # Errors
/// Those of `go_on`.
pub(super) fn weigh_along(
    readings: &Readings<'_, '_>,
    mut state: State,
    choices: &[Choice],
    share: impl Fn(usize, Slot) -> f64,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<Vec<Along>> {
    let mut found = vec![Along::default(); choices.len()];
    let (horizon, classes) = (readings.lookup.horizon, &readings.component.classes);
    let mut held = Vec::new();
    let mut place = 0;
    while let Some(choice) = choices.get(place) {
        go_on()?;
        let rest = choices.get(place + 1..).unwrap_or_default();
        let len = 1 + rest.iter().take_while(|next| !next.starts).count();
        let open = readings.candidates.open.get(place);
        let mut taken = None;
        let mut all = Vec::new();
        for &class in open.into_iter().flat_map(|open| open.iter()) {
            let version = choice.home.filter(|(home, _)| *home == class);
            let chosen = version.is_some();
            if !chosen && (share(place, class) < EXPLAINED || all.len() >= EXPLAINED_MAX) {
                continue;
            }
            state.held(class, horizon, readings.number(place), &mut held);
            let like = |held: &&Held| version.is_some_and(|(_, version)| held.digest == version);
            let Some(one) = held.iter().find(like).or(held.last()).copied() else {
                continue;
            };
            let Some(reading) = state.database(class, one.changed).and_then(|database| {
                likeliest(readings.of(database, class, place), chosen.then_some(len))
            }) else {
                continue;
            };
            all.push((class, reading.clues.clone()));
            if chosen {
                taken = Some((class, one.changed, reading));
            }
        }
        let home = taken.as_ref().and_then(|(class, changed, _)| {
            let nth = state.nth(*class, *changed);
            let members = classes.members(*class);
            members.get(nth).or(members.last()).copied()
        });
        for found in found.iter_mut().skip(place).take(len) {
            found.home = home;
        }
        if let Some(found) = found.get_mut(place) {
            found.weighed = all;
        }
        if let Some((class, changed, reading)) = taken
            && reading.effect
        {
            let records = (place..place + len).filter_map(|place| readings.record(place));
            let database = state.database(class, changed);
            let after = database.map(|known| known.after(horizon, records));
            after
                .into_iter()
                .for_each(|now| state.set(class, changed, now));
        }
        place += len;
    }
    Ok(found)
}

/// The likeliest reading, of a given length where one is asked for.
fn likeliest(readings: Vec<Reading>, len: Option<usize>) -> Option<Reading> {
    let fitting = readings
        .into_iter()
        .filter(|reading| len.is_none_or(|len| reading.len == len));
    let weight = |reading: &Reading| reading.weight(Model::Full);
    fitting.max_by(|a, b| weight(a).total_cmp(&weight(b)))
}
