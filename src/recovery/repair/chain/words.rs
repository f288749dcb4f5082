//! What a table held when the log that is left begins: rows of runs whose
//! records are gone, some of them several times.
//!
//! A segment is replayed at the next two starts and then deleted. With `R` the
//! rows of a run and `h` those of them that a checkpoint held, a table that was
//! only inserted into holds `h0 R0 h1 R0 R1 h2 R1 R2 ...`: so each run can be
//! told by its repetition, the newest first.

use crate::codec::ContentHash;

/// Readings that are collected before giving up.
const READINGS_MAX: usize = 512;
/// Runs that are looked for.
pub(super) const RUNS_MAX: usize = 6;

/// Rows of a run whose records are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LostRun {
    /// Rows that it inserted.
    pub rows: usize,
    /// Of those, the first that a checkpoint held at the next start.
    pub held: usize,
}

/// One reading of a table's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    /// Per row: which of the rows that were inserted it is.
    pub origins: Vec<usize>,
    /// How many were inserted.
    pub count: usize,
    /// The runs, newest first.
    pub runs: Vec<LostRun>,
    /// Whether nothing stands before the first of them.
    pub from_first: bool,
}

/// Where a run's rows stand for the last time, and where the first of them
/// stand before that.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// One past the last row of the run.
    end: usize,
    rows: usize,
    /// One past the rows that the checkpoint held, and how many.
    head_end: usize,
    held: usize,
}

/// Readings of `rows`, the last `again` of which are those of the newest run
/// that is gone; `None` when there are too many. A row that is not known equals
/// none.
pub(super) fn readings(rows: &[Option<ContentHash>], again: usize) -> Option<Vec<Reading>> {
    let mut found = Vec::new();
    let mut open = vec![(Vec::<Found>::new(), rows.len(), again)];
    while let Some((runs, end, again)) = open.pop() {
        let before = end.checked_sub(again)?;
        let with = |head_end, held| {
            let mut runs = runs.clone();
            runs.push(Found {
                end,
                rows: again,
                head_end,
                held,
            });
            runs
        };
        if before <= again && equal(rows, 0, before, before) {
            found.push(reading(rows.len(), &with(before, before), 0));
        }
        if before > 0 {
            found.push(reading(rows.len(), &with(before, 0), before));
        }
        if runs.len() + 1 < RUNS_MAX {
            for (earlier, held) in repetitions(rows, before, again)? {
                let head_end = before - earlier;
                open.push((with(head_end, held), head_end - held, earlier));
            }
        }
        if found.len() + open.len() > READINGS_MAX {
            return None;
        }
    }
    Some(found)
}

/// Whether so many rows at two places are the same.
fn equal(rows: &[Option<ContentHash>], a: usize, b: usize, count: usize) -> bool {
    (0..count).all(|at| same(rows, a + at, b + at))
}

fn same(rows: &[Option<ContentHash>], a: usize, b: usize) -> bool {
    let known = rows.get(a).copied().flatten();
    known.is_some() && known == rows.get(b).copied().flatten()
}

/// Ways in which the rows before a run of `again` rows end with those of the
/// run before, the first rows of the run itself, and those of the run before
/// again: how many rows the run before has, and how many of this one are held.
/// `None` when there are too many.
fn repetitions(
    rows: &[Option<ContentHash>],
    before: usize,
    again: usize,
) -> Option<Vec<(usize, usize)>> {
    let mut ways = Vec::new();
    let heads = 0..=again.min(before);
    let heads = heads.filter(|held| equal(rows, before - held, before, *held));
    ways.extend(heads.take(READINGS_MAX).map(|held| (0, held)));
    let Some(last) = before.checked_sub(1) else {
        return Some(ways);
    };
    for earlier_last in (0..last).filter(|at| same(rows, *at, last)) {
        let period = last - earlier_last;
        let behind = (0..=earlier_last.min(period - 1))
            .take_while(|back| same(rows, earlier_last - back, last - back))
            .count();
        let ahead = (0..again.min(period - 1))
            .take_while(|at| same(rows, earlier_last + 1 + at, before + at))
            .count();
        ways.extend((period - behind..=ahead).map(|held| (period - held, held)));
        if ways.len() > READINGS_MAX {
            return None;
        }
    }
    Some(ways)
}

/// Numbers the rows, the oldest run's first; `rest` rows stand before all runs.
fn reading(len: usize, runs: &[Found], rest: usize) -> Reading {
    let mut origins = vec![0; len];
    let mut number = |end: usize, count: usize, first: usize| {
        let places = origins.iter_mut().take(end).skip(end - count);
        places.zip(first..).for_each(|(place, of)| *place = of);
    };
    number(rest, rest, 0);
    let mut first = rest;
    for (place, run) in runs.iter().enumerate().rev() {
        number(run.head_end, run.held, first);
        number(run.end, run.rows, first);
        // The start after the next one replayed it again, before the newer run.
        if let Some(newer) = place.checked_sub(1).and_then(|newer| runs.get(newer)) {
            number(newer.end - newer.rows, run.rows, first);
        }
        first += run.rows;
    }
    Reading {
        origins,
        count: first,
        runs: runs
            .iter()
            .map(|run| LostRun {
                rows: run.rows,
                held: run.held,
            })
            .collect(),
        from_first: rest == 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows that the runs leave, by the rule in the module's text.
    fn left(runs: &[(&str, usize)]) -> String {
        let mut rows = String::new();
        for (at, (run, held)) in runs.iter().enumerate() {
            rows.extend(run.chars().take(*held));
            rows.push_str(at.checked_sub(1).map_or("", |before| runs[before].0));
            rows.push_str(run);
        }
        rows
    }

    fn read(rows: &str, again: usize) -> Vec<(String, Vec<LostRun>, bool)> {
        let hashes = rows.bytes().map(|b| Some(ContentHash::of(&[b])));
        let found = readings(&hashes.collect::<Vec<_>>(), again).unwrap();
        let found = found.into_iter().map(|reading| {
            let mut inserted = vec![' '; reading.count];
            for (of, letter) in reading.origins.iter().zip(rows.chars()) {
                assert!([' ', letter].contains(&inserted[*of]), "{rows} {reading:?}");
                inserted[*of] = letter;
            }
            (
                inserted.into_iter().collect(),
                reading.runs,
                reading.from_first,
            )
        });
        found.collect()
    }

    #[test]
    fn each_run_is_told_by_its_repetition() {
        let cases: [&[(&str, usize)]; 5] = [
            &[("abc", 0)],
            &[("abc", 2)],
            &[("abc", 1), ("de", 2)],
            &[("abcd", 3), ("efg", 0), ("hi", 1)],
            &[("ab", 2), ("c", 1), ("de", 2), ("fg", 0)],
        ];
        for runs in cases {
            let rows = left(runs);
            let (newest, _) = runs.last().unwrap();
            let whole: String = runs.iter().map(|(run, _)| *run).collect();
            let mut expected: Vec<LostRun> = Vec::new();
            for (run, held) in runs.iter().rev() {
                expected.push(LostRun {
                    rows: run.len(),
                    held: *held,
                });
            }
            let found = read(&rows, newest.len());
            let from_first = found.iter().filter(|(_, _, from_first)| *from_first);
            let of_length = from_first.filter(|(_, found, _)| found.len() == runs.len());
            let of_length: Vec<_> = of_length.collect();
            assert_eq!(of_length, [&(whole, expected, true)], "{rows}");
        }
    }

    #[test]
    fn equal_rows_leave_several_readings_or_too_many() {
        let inserted: Vec<_> = read("aaaa", 2).into_iter().map(|(rows, ..)| rows).collect();
        assert!(inserted.contains(&"aa".to_owned()) && inserted.contains(&"aaaa".to_owned()));
        let same = vec![Some(ContentHash::of(b"a")); 400];
        assert_eq!(readings(&same, 100), None);
    }

    #[test]
    fn a_row_that_is_not_known_repeats_nothing() {
        let found = readings(&[None, None], 1).unwrap();
        assert!(found.iter().all(|reading| reading.count == 2));
    }
}
