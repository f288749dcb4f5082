//! What can have happened to the tables of one name: every assumption under
//! which the server's own rules give exactly what the snapshot holds.

use std::collections::BTreeMap;

use crate::codec::ContentHash;
use crate::legacy::Snapshot;
use crate::model::PackedRow;

use super::found::{FoundTables, has_single_keys, hash_at, places, row_count, true_rows};
use super::simulation::{Content, Outcome, World, simulate};
use super::story::Story;
use super::words::{LostRun, readings};

/// Versions that are looked at in all before giving up.
const WORK_MAX: usize = 60_000_000;

/// The tables of a name as they should be.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::recovery::repair) struct Mended {
    /// The table that the users' statements were written for.
    pub database: usize,
    pub table: usize,
    /// What it should hold.
    pub rows: Vec<PackedRow>,
    /// The rows of those that an INSERT made.
    pub inserted: Vec<usize>,
    /// Row versions that it holds.
    pub found: u64,
    /// Tables that only a start made, with what they hold.
    pub made: Vec<((usize, usize), u64)>,
    /// See [`Outcome::meant`].
    pub meant: Vec<(usize, Option<u64>)>,
}

/// One assumption that holds.
#[derive(Debug)]
pub(super) struct Solution {
    pub mended: Mended,
    /// The runs whose records are gone, newest first, if nothing was there
    /// before the first of them: several ways, as a run may have left no row.
    pub runs: Vec<Vec<LostRun>>,
    /// Whether the log creates the table.
    pub creates: bool,
    /// Whether it does and nothing stood there before.
    pub whole_life: bool,
    /// Whether the table has a key and each stands once.
    pub single_keys: bool,
}

/// What is known of a name before any assumption.
pub(super) struct Subject<'s, 'w> {
    pub snapshot: &'s Snapshot,
    pub found: &'s FoundTables,
    pub story: &'s Story<'w>,
    /// Whether the log reaches back to its first record.
    pub complete: bool,
    /// Whether versions may be marked without a record.
    pub unlogged: bool,
}

/// What was found of a name.
#[derive(Debug, Default)]
pub(super) struct Solutions {
    pub all: Vec<Solution>,
    /// Why one that fits is not among them.
    pub open: Option<&'static str>,
}

/// How much may still be looked at.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
}

impl Budget {
    pub fn new() -> Self {
        Budget { left: WORK_MAX }
    }

    fn spend(&mut self, work: usize) -> Option<()> {
        self.left = self.left.checked_sub(work)?;
        Some(())
    }
}

const READINGS: &str = "its rows repeat in too many ways";
const HOLES: &str = "rows of it are lost, or copies of a row say different things of its end";

impl Subject<'_, '_> {
    /// Every assumption that holds, given where the starts replayed to; `None`
    /// when they are too many to try.
    pub fn solutions(&self, firsts: &[usize], budget: &mut Budget) -> Option<Solutions> {
        let mut solutions = Solutions::default();
        for home in self.found.keys().copied() {
            let world = World {
                home,
                firsts,
                databases: self.snapshot.catalog.databases.len(),
                origins: &[],
                count: 0,
                again: 0,
                exists: false,
            };
            if self.complete {
                self.judge(world, &mut solutions, budget)?;
                continue;
            }
            for (count, again) in self.bases(world, budget)? {
                let origins: Vec<usize> = (0..count).collect();
                let world = World {
                    origins: &origins,
                    count,
                    again,
                    exists: count > 0 || !self.story.creates(),
                    ..world
                };
                self.judge(world, &mut solutions, budget)?;
            }
        }
        Some(solutions)
    }

    fn simulate(&self, world: World<'_>, budget: &mut Budget) -> Option<Option<Outcome>> {
        let rows = world.origins.len() + self.story.records.len();
        let copies = self.story.steps.len().min(8 + world.firsts.len());
        budget.spend(rows.saturating_mul(copies).max(1))?;
        Some(simulate(self.story, world))
    }

    /// How many rows can have been there when the log begins, and how many of
    /// them a start replayed from a segment that is gone.
    fn bases(&self, world: World<'_>, budget: &mut Budget) -> Option<Vec<(usize, usize)>> {
        let total = row_count(self.found);
        let probe_count = total + 1;
        let origins: Vec<usize> = (0..probe_count).collect();
        let probe = |again, budget: &mut Budget| {
            let world = World {
                origins: &origins,
                count: probe_count,
                again,
                exists: true,
                ..world
            };
            let outcome = self.simulate(world, budget)?;
            Some(outcome.map(|outcome| (length(&outcome), outcome)))
        };
        let Some((alone, _)) = probe(0, budget)? else {
            return Some(Vec::new());
        };
        let twice = probe(1, budget)?;
        let copies = twice.as_ref().map_or(0, |(with, _)| with - alone);
        let last = twice.filter(|_| self.story.only_inserts() && self.found.len() == 1);
        let last = last.and_then(|(_, outcome)| {
            let table = outcome.tables.get(&world.home)?;
            let of_last = |content| content == Content::Base(probe_count - 1);
            let at = table.iter().rposition(|version| of_last(version.content))?;
            total.checked_sub(table.len() - at)
        });
        let mut bases = Vec::new();
        for again in 0..=total {
            let others = (alone + again * copies).checked_sub(probe_count);
            let count = others.and_then(|others| total.checked_sub(others));
            let Some(count) = count.filter(|count| *count >= again) else {
                break;
            };
            let hash = |at: Option<usize>| hash_at(self.found, (world.home, at?));
            // The last row that is replayed again ends the base.
            let fits = again == 0 || last.is_none() || hash(last) == hash(count.checked_sub(1));
            if fits {
                bases.push((count, again));
            }
            if copies == 0 {
                break;
            }
        }
        Some(bases)
    }

    /// Takes an assumption up if it gives what the snapshot holds.
    fn judge(&self, world: World<'_>, into: &mut Solutions, budget: &mut Budget) -> Option<()> {
        let Some(outcome) = self.simulate(world, budget)? else {
            return Some(());
        };
        let base = world.origins.len();
        let Some(places) = places(&outcome, self.found, self.story, base, self.unlogged) else {
            return Some(());
        };
        let values: Vec<Option<ContentHash>> = places
            .iter()
            .map(|place| hash_at(self.found, (*place)?).copied())
            .collect();
        let readings = match self.complete {
            true => return self.take(world, Vec::new(), &places, into, budget),
            false => readings(&values, world.again),
        };
        let Some(readings) = readings else {
            into.open = Some(READINGS);
            return Some(());
        };
        let mut by_origins: BTreeMap<(Vec<usize>, usize), Vec<Vec<LostRun>>> = BTreeMap::new();
        for reading in readings {
            let same = by_origins.entry((reading.origins, reading.count));
            let runs = reading.from_first.then_some(reading.runs);
            same.or_default().extend(runs);
        }
        for ((origins, count), runs) in by_origins {
            let world = World {
                origins: &origins,
                count,
                ..world
            };
            self.take(world, runs, &places, into, budget)?;
        }
        Some(())
    }

    fn take(
        &self,
        world: World<'_>,
        runs: Vec<Vec<LostRun>>,
        places: &super::found::Places,
        into: &mut Solutions,
        budget: &mut Budget,
    ) -> Option<()> {
        let Some(outcome) = self.simulate(world, budget)? else {
            return Some(());
        };
        let rows = true_rows(&outcome, world.home, self.found, self.story, places);
        let (Some(rows), None) = (rows, outcome.open) else {
            into.open = outcome.open.or(Some(HOLES));
            return Some(());
        };
        let Some(own) = self.found.get(&world.home) else {
            return Some(());
        };
        let others = self.found.iter().filter(|(at, _)| **at != world.home);
        let made = others.map(|(at, found)| ((*at, found.table), found.rows.len() as u64));
        let inserted = outcome.truth.iter().enumerate();
        let inserted = inserted.filter(|(_, version)| version.inserted);
        let mended = Mended {
            database: world.home,
            table: own.table,
            found: own.rows.len() as u64,
            inserted: inserted.map(|(at, _)| at).collect(),
            made: made.collect(),
            meant: outcome.meant,
            rows,
        };
        let database = self.snapshot.catalog.databases.get(world.home);
        let schema = database.and_then(|database| database.tables.get(own.table));
        into.all.push(Solution {
            runs,
            creates: self.story.creates(),
            whole_life: self.story.creates() && world.origins.is_empty(),
            single_keys: schema.is_some_and(|schema| has_single_keys(schema, &mended.rows)),
            mended,
        });
        Some(())
    }
}

fn length(outcome: &Outcome) -> usize {
    outcome.tables.values().map(Vec::len).sum()
}
