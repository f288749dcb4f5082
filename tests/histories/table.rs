//! What was claimed against what was right, by kind of history, as a table.

use std::collections::BTreeMap;
use std::fmt;

use super::measure::{Answer, Claimed, Measured};

/// Lower edges of the bins of weight; the last holds 1 alone.
pub const EDGES: [f64; 8] = [0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0];
const BINS: usize = EDGES.len();

/// Records claimed with a weight in one bin, and the histories they are of:
/// the records of one history go wrong together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bin {
    pub claimed: f64,
    pub right: f64,
    pub histories: f64,
    /// Histories with a wrong record in it.
    pub wrong_histories: f64,
    /// Sums over histories of squares and products, for the error of the share.
    claimed_squares: f64,
    right_squares: f64,
    products: f64,
}

impl Bin {
    fn count(&mut self, claims: &[&Claimed]) {
        if claims.is_empty() {
            return;
        }
        let claimed = claims.len() as f64;
        let right = claims.iter().filter(|claim| claim.right).count() as f64;
        self.claimed += claimed;
        self.right += right;
        self.histories += 1.0;
        self.wrong_histories += f64::from(u8::from(right < claimed));
        self.claimed_squares += claimed * claimed;
        self.right_squares += right * right;
        self.products += claimed * right;
    }

    fn add(&mut self, other: &Bin) {
        self.claimed += other.claimed;
        self.right += other.right;
        self.histories += other.histories;
        self.wrong_histories += other.wrong_histories;
        self.claimed_squares += other.claimed_squares;
        self.right_squares += other.right_squares;
        self.products += other.products;
    }

    /// Whether the share that is right reaches `share`, but for three standard
    /// errors of a sample of whole histories.
    pub fn reaches(&self, share: f64) -> bool {
        if self.claimed == 0.0 {
            return true;
        }
        let found = self.right / self.claimed;
        let spread =
            self.right_squares - 2.0 * found * self.products + found * found * self.claimed_squares;
        let of_sample = spread.max(0.0).sqrt() / self.claimed;
        let of_chance = (share * (1.0 - share) / self.histories).sqrt();
        found + 3.0 * of_sample.max(of_chance) >= share
    }
}

#[derive(Debug, Clone, Default)]
pub struct Line {
    pub histories: u64,
    pub answers: BTreeMap<Answer, u64>,
    /// Histories whose files determine what happened, and those answered.
    pub determined: (u64, u64),
    /// The same if the one database named was all there was.
    pub assumed: (u64, u64),
    pub wrong_certain: u64,
    pub bins: [Bin; BINS],
}

impl Line {
    pub fn count(&mut self, measured: &Measured) {
        self.histories += 1;
        *self.answers.entry(measured.answer).or_default() += 1;
        let answered = u64::from(measured.off.is_empty() && measured.answer == Answer::Exact);
        if measured.determined == Some(true) {
            self.determined = (self.determined.0 + 1, self.determined.1 + answered);
        } else if measured.assumed {
            self.assumed = (self.assumed.0 + 1, self.assumed.1 + answered);
        }
        self.wrong_certain += measured.wrong_certain.len() as u64;
        for (at, bin) in self.bins.iter_mut().enumerate() {
            let claims = measured.claims.iter();
            let own: Vec<&Claimed> = claims.filter(|claim| bin_of(claim.weight) == at).collect();
            bin.count(&own);
        }
    }

    pub fn add(&mut self, other: &Line) {
        self.histories += other.histories;
        for (answer, count) in &other.answers {
            *self.answers.entry(*answer).or_default() += count;
        }
        let sum = |a: (u64, u64), b: (u64, u64)| (a.0 + b.0, a.1 + b.1);
        self.determined = sum(self.determined, other.determined);
        self.assumed = sum(self.assumed, other.assumed);
        self.wrong_certain += other.wrong_certain;
        for (bin, other) in self.bins.iter_mut().zip(&other.bins) {
            bin.add(other);
        }
    }

    pub fn of(&self, answer: Answer) -> u64 {
        self.answers.get(&answer).copied().unwrap_or_default()
    }
}

fn bin_of(weight: f64) -> usize {
    EDGES.iter().rposition(|edge| weight >= *edge).unwrap_or(0)
}

/// Lines by kind.
#[derive(Debug, Clone, Default)]
pub struct Table(pub BTreeMap<String, Line>);

impl Table {
    pub fn all(&self) -> Line {
        let mut all = Line::default();
        self.0.values().for_each(|line| all.add(line));
        all
    }

    /// The bins that claim more than is right, in words.
    pub fn claims_too_much(&self) -> Vec<String> {
        let mut found = Vec::new();
        let all = self.all();
        for (edge, bin) in EDGES.into_iter().zip(&all.bins) {
            // From .999 on, 999 of 1,000 whatever the weight.
            if !bin.reaches(edge.min(0.999)) {
                found.push(format!("all kinds, from {edge}: {}", bin_words(bin)));
            }
        }
        for (kind, line) in &self.0 {
            // Kinds weigh differently outside; what is nearly sure is so in each.
            for (edge, bin) in EDGES.into_iter().zip(&line.bins).skip(BINS - 2) {
                if !bin.reaches(0.99) {
                    found.push(format!("{kind}, from {edge}: {}", bin_words(bin)));
                }
            }
        }
        found
    }
}

fn bin_words(bin: &Bin) -> String {
    match (bin.claimed == 0.0, bin.wrong_histories == 0.0) {
        (true, _) => "-".to_owned(),
        (_, true) => format!("{}", bin.claimed),
        _ => format!(
            "{}/{} ({} of {})",
            bin.right, bin.claimed, bin.wrong_histories, bin.histories
        ),
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "What `upgrade` without any option answers, by kind of history\n"
        )?;
        writeln!(
            f,
            "{:18} {:>9} {:>6} {:>6} {:>6} {:>6} {:>7} {:>11} {:>11} {:>13}",
            "kind",
            "histories",
            "exact",
            "warned",
            "SILENT",
            "asked",
            "refused",
            "determined",
            "one owner",
            "certain-WRONG"
        )?;
        let all = ("all".to_owned(), self.all());
        let lines = self.0.iter().chain([(&all.0, &all.1)]);
        for (kind, line) in lines.clone() {
            let share = |(of, answered): (u64, u64)| format!("{answered}/{of}");
            writeln!(
                f,
                "{kind:18} {:>9} {:>6} {:>6} {:>6} {:>6} {:>7} {:>11} {:>11} {:>13}",
                line.histories,
                line.of(Answer::Exact),
                line.of(Answer::Warned),
                line.of(Answer::Silent),
                line.of(Answer::Asked),
                line.of(Answer::Refused),
                share(line.determined),
                share(line.assumed),
                line.wrong_certain
            )?;
        }
        writeln!(
            f,
            "\ndetermined: answered exactly, of those where every assignment was tried and one alone is\nconsistent, databases that no file names included; one owner: the same, had there been none of these."
        )?;
        writeln!(
            f,
            "\nRecords by weight of the likeliest database: right/claimed (histories with a wrong one, of how many);\none number where all are right\n"
        )?;
        write!(f, "{:18}", "kind")?;
        for edge in EDGES {
            write!(f, " {:>24}", format!("from {edge}"))?;
        }
        writeln!(f)?;
        for (kind, line) in lines {
            write!(f, "{kind:18}")?;
            for bin in &line.bins {
                write!(f, " {:>24}", bin_words(bin))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
