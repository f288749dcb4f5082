//! Which readings of all tables together account for the records that are gone:
//! sequences rise by one, so their number is known.

use std::collections::{BTreeMap, BTreeSet};

use crate::recovery::cut::RECORDS_PER_CHECKPOINT;

use super::solution::{Mended, Solution};
use super::words::{LostRun, RUNS_MAX};

/// Combinations that are tried before giving up.
const COMBINATIONS_MAX: usize = 4096;

/// What one solution says of so many runs.
#[derive(Debug)]
struct Share<'s> {
    solution: &'s Solution,
    /// Records of rows, and perhaps of the table.
    records: usize,
    /// Runs that a checkpoint fell into, at least.
    checkpoints: usize,
    /// Which runs it has rows of: every way, a bit a run.
    runs: BTreeSet<u32>,
    /// Whether a checkpoint held the first rows, and so whose the table is.
    is_first_held: bool,
}

impl<'s> Share<'s> {
    fn new(solution: &'s Solution, runs: usize) -> Option<Self> {
        let is_possible = |found: &&Vec<LostRun>| {
            // A running server would have checkpointed before it crashed.
            let mut older = found.iter().skip(1);
            found.len() == runs && older.all(|run| run.rows - run.held < RECORDS_PER_CHECKPOINT)
        };
        let ways: Vec<_> = solution.runs.iter().filter(is_possible).collect();
        let first = ways.first()?;
        let rows: usize = first.iter().map(|run| run.rows).sum();
        let with_rows = |found: &Vec<LostRun>| {
            let runs = found.iter().enumerate();
            runs.filter(|(_, run)| run.rows > 0)
                .fold(0, |runs, (at, _)| runs | 1 << at)
        };
        let mut oldest = first.iter().rev().skip_while(|run| run.rows == 0);
        Some(Share {
            solution,
            records: rows + usize::from(rows > 0 || !solution.creates),
            checkpoints: first.iter().filter(|run| run.held > 0).count(),
            runs: ways.iter().map(|found| with_rows(found)).collect(),
            is_first_held: oldest.next().is_none_or(|run| run.held > 0),
        })
    }
}

/// What all readings that account for the missing records have in common, by
/// name: where they agree. `gone` records precede those that are left; with
/// `several` databases a table that no checkpoint held can be another's.
pub(super) fn accounted<'w>(
    names: &BTreeMap<&'w str, Vec<Solution>>,
    gone: u64,
    several: bool,
) -> BTreeMap<&'w str, Mended> {
    let mut agreed: BTreeMap<&str, Option<&Mended>> = BTreeMap::new();
    for runs in 1..=RUNS_MAX {
        let shares = names.values().map(|all| {
            let shares = all.iter().filter_map(|solution| Share::new(solution, runs));
            shares.collect()
        });
        let shares: Vec<Vec<Share<'_>>> = shares.collect();
        let combinations = shares
            .iter()
            .try_fold(1usize, |product, shares| product.checked_mul(shares.len()));
        let Some(combinations) = combinations.filter(|count| *count <= COMBINATIONS_MAX) else {
            return BTreeMap::new();
        };
        for number in 0..combinations {
            let chosen = combination(&shares, number);
            if !accounts(&chosen, runs, gone) {
                continue;
            }
            for (name, share) in names.keys().zip(chosen) {
                let known = agreed.entry(name).or_insert(Some(&share.solution.mended));
                let open = several && !share.is_first_held;
                known.take_if(|known| open || **known != share.solution.mended);
            }
        }
    }
    let agreed = agreed.into_iter();
    agreed
        .filter_map(|(name, mended)| Some((name, mended?.clone())))
        .collect()
}

/// One share of each, by a number below their product.
fn combination<'s, 'c>(shares: &'c [Vec<Share<'s>>], mut number: usize) -> Vec<&'c Share<'s>> {
    let mut chosen = Vec::new();
    for share in shares {
        let len = share.len().max(1);
        chosen.extend(share.get(number % len));
        number /= len;
    }
    chosen
}

/// Whether the shares leave no record unexplained: each start wrote a
/// Checkpoint record, and a running server one after every so many. A run of
/// which nothing is left explains nothing.
fn accounts(chosen: &[&Share<'_>], runs: usize, gone: u64) -> bool {
    let records: usize = chosen.iter().map(|share| share.records).sum();
    let fewest = chosen.iter().map(|share| share.checkpoints).max();
    let most = records / RECORDS_PER_CHECKPOINT;
    let checkpoints = gone.checked_sub((records + runs) as u64);
    let checkpoints = checkpoints.and_then(|count| usize::try_from(count).ok());
    let mut covered = BTreeSet::from([0]);
    for share in chosen {
        let pairs = covered.iter().flat_map(|runs| {
            let more = share.runs.iter();
            more.map(move |more| *runs | *more)
        });
        covered = pairs.collect();
    }
    checkpoints.is_some_and(|count| (fewest.unwrap_or_default()..=most).contains(&count))
        && covered.contains(&((1 << runs) - 1))
}
