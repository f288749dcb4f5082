//! The table of what was tried and what came of it, as the README shows it.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// How one trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Reported with the file and the offset, or refused with an error.
    Detected,
    /// Proved to change nothing that anybody reads.
    Harmless,
    /// Legacy files only: cannot be known, because nothing in them says so.
    Undetectable,
    /// Neither: a wrong "ok".
    Missed,
    /// Rows or a directory that were safe before and are not there after.
    Lost,
}

/// One kind of harm, and how all of its trials ended.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// What was done, to what.
    pub what: String,
    /// How many times.
    pub tried: u64,
    /// See [`End::Detected`].
    pub detected: u64,
    /// See [`End::Harmless`].
    pub harmless: u64,
    /// See [`End::Undetectable`].
    pub undetectable: u64,
    /// See [`End::Missed`].
    pub missed: u64,
    /// See [`End::Lost`].
    pub lost: u64,
    /// Panics, aborts and hangs.
    pub panicked: u64,
}

impl Line {
    /// Nothing tried yet.
    pub fn new(what: &str) -> Self {
        Line {
            what: what.into(),
            ..Line::default()
        }
    }

    /// Trials that were all refused or did no harm: any other ends the test.
    pub fn held(what: &str, detected: u64, harmless: u64) -> Self {
        Line {
            tried: detected + harmless,
            detected,
            harmless,
            ..Line::new(what)
        }
    }

    /// Does something and counts how it ended; `name` tells a trial that must
    /// not end so.
    pub fn trial(&mut self, name: impl Fn() -> String, work: impl FnOnce() -> End) {
        self.tried += 1;
        let end = catch_unwind(AssertUnwindSafe(work));
        let count = match end {
            Ok(End::Detected) => &mut self.detected,
            Ok(End::Harmless) => &mut self.harmless,
            Ok(End::Undetectable) => &mut self.undetectable,
            Ok(End::Missed) => &mut self.missed,
            Ok(End::Lost) => &mut self.lost,
            Err(_) => &mut self.panicked,
        };
        *count += 1;
        if matches!(end, Ok(End::Missed | End::Lost) | Err(_)) {
            println!("{}: {}: {end:?}", self.what, name());
        }
    }

    /// Adds the trials of another line of the same kind.
    pub fn add(&mut self, other: &Line) {
        self.tried += other.tried;
        self.detected += other.detected;
        self.harmless += other.harmless;
        self.undetectable += other.undetectable;
        self.missed += other.missed;
        self.lost += other.lost;
        self.panicked += other.panicked;
    }
}

/// One kind of change: what `verify` says of it, and what all other commands do.
pub struct Lines {
    pub verify: Line,
    pub readers: Line,
}

impl Lines {
    /// Nothing tried yet.
    pub fn new(what: &str) -> Self {
        let line = |by: &str| Line::new(&format!("{what}, {by}"));
        Lines {
            verify: line("`verify`"),
            readers: line("`info`, `dump`, `upgrade`, `upgrade --salvage`"),
        }
    }
}

impl IntoIterator for Lines {
    type Item = Line;
    type IntoIter = std::array::IntoIter<Line, 2>;

    fn into_iter(self) -> Self::IntoIter {
        [self.verify, self.readers].into_iter()
    }
}

/// Lines of the same kinds, added up.
pub fn sum(lines: impl IntoIterator<Item = Vec<Line>>) -> Vec<Line> {
    let mut all: Vec<Line> = Vec::new();
    for line in lines.into_iter().flatten() {
        match all.iter_mut().find(|known| known.what == line.what) {
            Some(known) => known.add(&line),
            None => all.push(line),
        }
    }
    all
}

impl Line {
    /// The line in markdown.
    pub fn row(&self) -> String {
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            self.what,
            self.tried,
            self.detected,
            self.harmless,
            self.undetectable,
            self.missed,
            self.lost,
            self.panicked
        )
    }
}

/// The lines as a table in markdown.
pub fn markdown(lines: &[Line]) -> String {
    let mut out = String::from(
        "| what was done | times | detected | harmless | cannot be known | missed | lost | panicked |\n|---|---|---|---|---|---|---|---|\n",
    );
    for line in lines {
        out += &line.row();
        out.push('\n');
    }
    out
}
