//! What is measured: works that take turns, so that each run has a partner of
//! the same moment.

use std::path::PathBuf;
use std::process::Command;

use crate::measure::{Figures, copy_and_sync, len_of, measure, median, remove};

/// One thing that is done.
pub struct Work<'b> {
    pub name: String,
    /// The bytes it reads, a file or a directory, if its runs are compared with
    /// a copy of them.
    pub of: Option<PathBuf>,
    /// Likewise, if they are not.
    pub checks: Option<PathBuf>,
    /// What a run writes, removed before the next one.
    pub writes: Option<PathBuf>,
    /// Makes ready, unmeasured.
    pub prepare: Box<dyn Fn() -> Result<(), String> + 'b>,
    pub command: Box<dyn Fn() -> Command + 'b>,
}

impl<'b> Work<'b> {
    pub fn new(name: &str, command: impl Fn() -> Command + 'b) -> Self {
        Work {
            name: name.to_owned(),
            of: None,
            checks: None,
            writes: None,
            prepare: Box::new(|| Ok(())),
            command: Box::new(command),
        }
    }

    pub fn of(mut self, path: PathBuf) -> Self {
        self.of = Some(path);
        self
    }

    pub fn writes(mut self, path: PathBuf) -> Self {
        self.writes = Some(path);
        self
    }

    pub fn after(mut self, prepare: impl Fn() -> Result<(), String> + 'b) -> Self {
        self.prepare = Box::new(prepare);
        self
    }
}

/// What the runs of one work took.
pub struct Done {
    pub shape: &'static str,
    pub rows: u64,
    pub name: String,
    /// Whether it is a command of ours.
    pub is_ours: bool,
    /// Bytes that it read.
    pub read_len: Option<u64>,
    /// Bytes that it wrote, if they are a file or a directory.
    pub written_len: Option<u64>,
    /// Each run, and the seconds of the copy just before it.
    runs: Vec<(Figures, Option<f64>)>,
}

impl Done {
    pub fn seconds(&self) -> f64 {
        median(self.runs.iter().map(|(run, _)| run.seconds))
    }

    /// Processors that were busy, on average.
    fn processors(&self) -> f64 {
        let busy = |(run, _): &(Figures, Option<f64>)| run.cpu_seconds / run.seconds;
        median(self.runs.iter().map(busy))
    }

    /// The highest of all runs.
    pub fn peak_mib(&self) -> f64 {
        let peaks = self.runs.iter().map(|(run, _)| run.peak_mib);
        peaks.fold(0.0, f64::max)
    }

    pub fn rows_a_second(&self) -> f64 {
        self.rows as f64 / self.seconds()
    }

    /// Times a copy and a sync of the same bytes.
    pub fn to_copy(&self) -> Option<f64> {
        let ratios: Option<Vec<f64>> = self
            .runs
            .iter()
            .map(|(run, copy)| Some(run.seconds / (*copy)?))
            .collect();
        ratios.map(|ratios| median(ratios.into_iter()))
    }

    /// How many times as long another work took, run by run.
    pub fn faster_than(&self, other: &Done) -> f64 {
        let runs = self.runs.iter().zip(&other.runs);
        median(runs.map(|((own, _), (other, _))| other.seconds / own.seconds))
    }

    /// The line of the table.
    pub fn line(&self) -> String {
        let shown = |number: Option<f64>, digits| {
            number.map_or_else(String::new, |number| format!("{number:.digits$}"))
        };
        let rate = self.read_len.map(|len| len as f64 / 1e6 / self.seconds());
        format!(
            "| {} | {} | {} | {:.3} | {:.1} | {:.0} | {} | {:.1} | {} |",
            self.shape,
            self.rows,
            self.name,
            self.seconds(),
            self.processors(),
            self.rows_a_second(),
            shown(rate, 0),
            self.peak_mib(),
            shown(self.to_copy(), 1),
        )
    }
}

/// Runs works in turn, `runs` times each; a work that fails is named and left
/// out.
pub fn take_turns(
    (shape, rows): (&'static str, u64),
    works: &[Work<'_>],
    runs: u64,
    scratch: &std::path::Path,
) -> Vec<Done> {
    let mut done: Vec<Result<Vec<_>, String>> = works.iter().map(|_| Ok(Vec::new())).collect();
    for _ in 0..runs {
        for (work, done) in works.iter().zip(&mut done) {
            let Ok(runs) = done else {
                continue;
            };
            match run(work, scratch) {
                Ok(run) => runs.push(run),
                Err(why) => *done = Err(why),
            }
        }
    }
    let mut all = Vec::new();
    for (work, done) in works.iter().zip(done) {
        match done {
            Err(why) => println!(
                "| {shape} | {rows} | {}: skipped, {why} | | | | | | |",
                work.name
            ),
            Ok(runs) => {
                let done = Done {
                    shape,
                    rows,
                    name: work.name.clone(),
                    is_ours: work.of.is_some(),
                    read_len: work.of.as_deref().or(work.checks.as_deref()).map(len_of),
                    written_len: work.writes.as_deref().map(len_of),
                    runs,
                };
                println!("{}", done.line());
                all.push(done);
            }
        }
    }
    all
}

fn run(work: &Work<'_>, scratch: &std::path::Path) -> Result<(Figures, Option<f64>), String> {
    if let Some(path) = &work.writes {
        remove(path);
    }
    (work.prepare)()?;
    let copy = work.of.as_deref().map(|of| copy_and_sync(of, scratch));
    Ok((measure(&mut (work.command)())?, copy))
}
