//! What several starts of the server did to a table, undone: the starts are
//! worked out from the log, the server is simulated through all of them, and
//! each version is traced to the statement that made it.
//!
//! What is assumed (which Checkpoint records a start wrote, which database came
//! first, what stood there before the log that is left) is proven only if it
//! gives exactly the tables of the snapshot, and everything else that does so
//! gives the same rows. A log that is cut off tells less: either the rows that
//! repeat account for every record that is gone, or the release logs nothing but
//! inserts and each key stands once again.

mod account;
mod found;
mod obstacle;
mod simulation;
mod solution;
mod story;
mod timeline;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::legacy::{LegacyDir, Snapshot};

use found::{FoundTables, found_tables};
use obstacle::Obstacles;
use solution::{Budget, Solution, Subject};
use story::Story;
use timeline::{Timeline, timelines};

pub(super) use solution::Mended;

/// Row versions that are held in memory at most.
const ROWS_MAX: u64 = 131_072;
/// Ways in which the starts can have replayed that are followed.
const WAYS_MAX: usize = 64;

const TOO_MANY: &str = "there are too many ways in which the starts can have made it";
const UNLIKE: &str = "no way in which the server can have been started makes these tables";
const UNACCOUNTED: &str = "the rows do not account for the records that are gone from the log";
const SEVERAL: &str = "several ways in which the server can have been started make these tables";

/// What is proven of the names, and why nothing is of the others.
#[derive(Debug, Default)]
pub(super) struct Chain<'w> {
    pub mended: BTreeMap<&'w str, Mended>,
    pub open: BTreeMap<&'w str, &'static str>,
}

impl Chain<'_> {
    /// Nothing is proven of any name that stands.
    fn unproven<'w>(names: BTreeSet<&'w str>, why: &'static str) -> Chain<'w> {
        Chain {
            mended: BTreeMap::new(),
            open: names.into_iter().map(|name| (name, why)).collect(),
        }
    }
}

/// What all ways share.
struct Search<'s, 'w> {
    legacy: &'w LegacyDir,
    snapshot: &'s Snapshot,
    found: BTreeMap<&'w str, FoundTables>,
    obstacles: Obstacles<'w>,
    complete: bool,
}

/// What one way proves of a name: nothing, or the tables as they should be.
type Proven<'w> = BTreeMap<&'w str, Option<Mended>>;

/// Looks for the starts that made the tables of a snapshot.
///
/// # Errors
/// When the snapshot's rows cannot be read.
pub(super) fn prove<'w>(
    legacy: &'w LegacyDir,
    snapshot: &'w Snapshot,
    first_tail: usize,
) -> Result<Chain<'w>> {
    let complete = legacy.wal.records.first().is_some_and(|r| r.sequence == 1);
    let names = names(legacy, snapshot, complete);
    let rows = names.iter().flat_map(|name| {
        let databases = snapshot.catalog.databases.iter().enumerate();
        databases.filter_map(|(d, database)| {
            let extent = snapshot.extent(d, database.table_index(name)?)?;
            Some(extent.count)
        })
    });
    let timelines = timelines(&legacy.wal, first_tail);
    if rows.fold(0u64, u64::saturating_add) > ROWS_MAX || timelines.is_empty() {
        return Ok(Chain::unproven(names, TOO_MANY));
    }
    let mut found = BTreeMap::new();
    for name in &names {
        let tables = found_tables(snapshot, name)?;
        if !tables.is_empty() {
            found.insert(*name, tables);
        }
    }
    let search = Search {
        obstacles: Obstacles::new(&legacy.wal.records, snapshot),
        legacy,
        snapshot,
        found,
        complete,
    };
    let chain = search.run(&timelines);
    Ok(chain.unwrap_or_else(|| Chain::unproven(names, TOO_MANY)))
}

/// The names of the log; where it is cut off, those of all tables.
fn names<'w>(legacy: &'w LegacyDir, snapshot: &'w Snapshot, complete: bool) -> BTreeSet<&'w str> {
    let records = legacy.wal.records.iter();
    let logged = records.filter_map(|record| record.operation.table());
    let databases = snapshot.catalog.databases.iter();
    let tables = databases.flat_map(|database| &database.tables);
    let tables = tables.filter(|_| !complete);
    logged
        .chain(tables.map(|table| table.name.as_str()))
        .collect()
}

impl<'w> Search<'_, 'w> {
    /// Follows every way; `None` when there are too many.
    fn run(&self, timelines: &[Timeline]) -> Option<Chain<'w>> {
        let mut budget = Budget::new();
        let mut chain = Chain::default();
        let mut ways: Vec<Proven<'w>> = Vec::new();
        for timeline in timelines {
            for firsts in self.firsts(timeline.starts)? {
                let way = self.follow(timeline, &firsts, &mut chain.open, &mut budget)?;
                ways.push(way);
            }
        }
        // A way under which a table is impossible is none if another allows it.
        let possible: BTreeSet<&str> = ways.iter().flat_map(|way| way.keys().copied()).collect();
        ways.retain(|way| way.len() == possible.len());
        for name in self.found.keys() {
            let mut proven = ways
                .iter()
                .map(|way| way.get(name).and_then(Option::as_ref));
            let first = proven.next().flatten();
            match first {
                Some(mended) if proven.all(|other| other == first) => {
                    chain.open.remove(name);
                    chain.mended.insert(name, mended.clone());
                }
                Some(_) => {
                    chain.open.insert(name, SEVERAL);
                }
                None => {
                    let why = match possible.contains(name) && !self.complete {
                        true => UNACCOUNTED,
                        false => UNLIKE,
                    };
                    chain.open.entry(name).or_insert(why);
                }
            }
        }
        Some(chain)
    }

    /// Every choice of a database by each start.
    fn firsts(&self, starts: usize) -> Option<Vec<Vec<usize>>> {
        let databases = self.snapshot.catalog.databases.len();
        let mut all: Vec<Vec<usize>> = vec![Vec::new()];
        for _ in 0..starts {
            let longer = all.iter().flat_map(|firsts| {
                (0..databases).map(|first| {
                    let mut longer = firsts.clone();
                    longer.push(first);
                    longer
                })
            });
            all = longer.collect();
            if all.len() > WAYS_MAX {
                return None;
            }
        }
        Some(all)
    }

    /// What one way makes of each name that it does not rule out.
    fn follow(
        &self,
        timeline: &Timeline,
        firsts: &[usize],
        open: &mut BTreeMap<&'w str, &'static str>,
        budget: &mut Budget,
    ) -> Option<Proven<'w>> {
        let mut solved: BTreeMap<&str, Vec<Solution>> = BTreeMap::new();
        for (name, found) in &self.found {
            if let Some(why) = self.obstacles.of(name, timeline) {
                open.insert(name, why);
                continue;
            }
            let story = Story::new(name, &self.legacy.wal.records, timeline);
            let subject = Subject {
                snapshot: self.snapshot,
                found,
                story: &story,
                complete: self.complete,
                unlogged: !self.obstacles.logs_changes(),
            };
            let solutions = subject.solutions(firsts, budget)?;
            if let Some(why) = solutions.open {
                open.insert(name, why);
            }
            if !solutions.all.is_empty() {
                solved.insert(name, solutions.all);
            }
        }
        let accounted = match self.complete || solved.len() < self.found.len() {
            true => BTreeMap::new(),
            false => account::accounted(&solved, self.records_gone(), self.is_several()),
        };
        let proven = solved.iter().map(|(name, solutions)| {
            let alone = self.alone(solutions);
            let proven = match (accounted.get(name), alone) {
                (Some(mended), Some(alone)) if *mended != alone => None,
                (Some(mended), _) => Some(mended.clone()),
                (None, alone) => alone,
            };
            (*name, proven)
        });
        Some(proven.collect())
    }

    /// Whether a record can be another database's.
    fn is_several(&self) -> bool {
        self.snapshot.catalog.databases.len() > 1
    }

    /// Records before those that are left.
    fn records_gone(&self) -> u64 {
        let first = self.legacy.wal.records.first();
        first.map_or(0, |record| record.sequence.saturating_sub(1))
    }

    /// What the solutions of one name prove without those of the others.
    fn alone(&self, solutions: &[Solution]) -> Option<Mended> {
        // Releases before 1.5 log changes: those that are gone may have ended
        // and removed rows.
        let keys_prove = self.legacy.family.has_views() && !self.is_several();
        let whole = |solution: &Solution| self.complete || solution.whole_life;
        let all_whole = solutions.iter().all(whole);
        let mut proving = solutions
            .iter()
            .filter(|solution| all_whole || (keys_prove && solution.single_keys))
            .map(|solution| &solution.mended);
        let first = proving.next()?;
        proving.all(|other| other == first).then(|| first.clone())
    }
}

impl Mended {
    /// Whether it differs from what stands.
    pub fn changes(&self) -> bool {
        self.found != self.rows.len() as u64 || !self.made.is_empty()
    }
}
