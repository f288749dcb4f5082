//! Which database each record of the tail was written for.
//!
//! No WAL record names its database. What a record proves about it, what only
//! speaks for it, and what the user decided are kept apart: a claim is
//! [`Certain`](Confidence::Certain) only when every consistent assignment agrees.

mod against;
mod assumed;
mod backward;
mod base;
mod beam;
mod bounds;
mod candidates;
mod check;
mod classes;
mod columns;
mod component;
mod decision_file;
mod decisions;
mod evidence;
mod exact;
mod explain;
mod facts;
mod fading;
mod hashed;
mod horizon;
mod paged_vec;
mod problem;
mod sequences;
mod solver;
mod state;
mod statement;
mod table;
mod turn;
mod verdict;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

pub use decision_file::{BadLine, Line, decision_line};
pub use decisions::{Decision, Decisions, OnAmbiguous};
pub use problem::{Missing, first_unproven};
pub use verdict::{attribute, attribute_as_edited, attribute_with_missing};

/// A weight in three digits, never more than it is.
pub fn weight_text(weight: f64) -> String {
    format!("{:.3}", (weight * 1000.0).floor() / 1000.0)
}

/// How sure an attribution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Confidence {
    /// Every consistent assignment agrees.
    Certain,
    /// Evidence favours one of several.
    Probable,
    /// Nothing separates the candidates.
    Ambiguous,
    /// No known database fits.
    Orphan,
    /// The user decided.
    Assigned,
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Confidence::Certain => "certain",
            Confidence::Probable => "probable",
            Confidence::Ambiguous => "ambiguous",
            Confidence::Orphan => "orphan",
            Confidence::Assigned => "assigned",
        })
    }
}

/// A database that could own a record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// Its name; `None` for a database that no file names.
    pub database: Option<String>,
    /// Its share of all likelihood, 0 to 1.
    pub weight: f64,
    /// What speaks for it and against it, as natural logarithms; none for what
    /// facts alone decide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<(&'static str, f64)>,
    /// The hard fact that rules it out, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ruled_out: Option<String>,
}

/// What is known of one record of the tail.
#[derive(Debug, Clone, PartialEq)]
pub struct Attributed {
    /// Position of the record in [`Wal::records`](crate::legacy::Wal::records).
    pub record: usize,
    /// Its database, or `None` when nobody can say.
    pub database: Option<Arc<str>>,
    /// How sure that is.
    pub confidence: Confidence,
    /// Share of all likelihood that its database has, 0 to 1: 1 for a certain
    /// or assigned record, 0 for one without a database.
    pub weight: f64,
    /// Whether a statement begins with it in the likeliest assignment; one
    /// statement has one owner.
    pub starts_statement: bool,
    /// Why the statement has no effect, when it had failed after logging.
    pub no_effect: Option<&'static str>,
    /// Whether it changes nothing in any database that a file names, as far as
    /// it can have been written for one.
    pub changes_nothing: bool,
    /// Every database considered: those that could own it, the largest weight
    /// first, then those ruled out.
    pub candidates: Arc<[Candidate]>,
    /// Named databases that could own it too, too many to be listed.
    pub unlisted: Arc<[Arc<str>]>,
    /// Its database in the likeliest assignment of all records together, where
    /// that has a name: what it is given when one has to be taken.
    pub best: Option<Arc<str>>,
    /// Short kebab-case words for what decided. As with candidates, records
    /// with the same share them.
    pub evidence: Arc<[&'static str]>,
    /// Whether the user wants it kept aside, whoever owns it.
    pub quarantined: bool,
    /// Whether everything before it is known to be logged.
    pub past_logged: bool,
}

impl Attributed {
    /// Takes back what was claimed: nothing is known of its database.
    pub(in crate::recovery) fn withdraw(&mut self, confidence: Confidence) {
        self.database = None;
        self.weight = 0.0;
        self.confidence = confidence;
    }

    /// Adds a word for what decided.
    pub(in crate::recovery) fn add_evidence(&mut self, word: &'static str) {
        let words = self.evidence.iter().copied();
        self.evidence = words.chain([word]).collect();
    }

    /// The named databases that no fact rules out, the largest weight first.
    pub fn possible(&self) -> impl Iterator<Item = &str> {
        possible(&self.candidates, &self.unlisted)
    }

    /// The same, not yet listed.
    pub(in crate::recovery) fn owners(&self) -> Owners {
        Owners {
            candidates: self.candidates.clone(),
            unlisted: self.unlisted.clone(),
        }
    }
}

/// The databases that a record can be of, as it has them in common with others.
#[derive(Debug, Clone)]
pub(in crate::recovery) struct Owners {
    candidates: Arc<[Candidate]>,
    unlisted: Arc<[Arc<str>]>,
}

impl Owners {
    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        possible(&self.candidates, &self.unlisted)
    }

    /// Whether both are the same lists.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.candidates, &other.candidates)
            && Arc::ptr_eq(&self.unlisted, &other.unlisted)
    }
}

fn possible<'a>(
    candidates: &'a [Candidate],
    unlisted: &'a [Arc<str>],
) -> impl Iterator<Item = &'a str> {
    let open = candidates
        .iter()
        .filter(|candidate| candidate.ruled_out.is_none());
    let listed = open.filter_map(|candidate| candidate.database.as_deref());
    listed.chain(unlisted.iter().map(AsRef::as_ref))
}

/// The attribution of the whole tail, in record order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attribution {
    /// One entry a record of the tail.
    pub tail: Vec<Attributed>,
    /// Whether records can be of a database that no file names: one made since
    /// the checkpoint, or one that was lost.
    pub can_be_young: bool,
    /// Hypothetical states that were looked at: what time grows with.
    pub states: usize,
}

/// Records by confidence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// See [`Confidence::Certain`].
    pub certain: u64,
    /// See [`Confidence::Probable`].
    pub probable: u64,
    /// See [`Confidence::Ambiguous`].
    pub ambiguous: u64,
    /// See [`Confidence::Orphan`].
    pub orphan: u64,
    /// See [`Confidence::Assigned`].
    pub assigned: u64,
}

impl Attribution {
    /// Leaves open what only the user can decide: whether a record is to be
    /// applied at all, where the snapshot can hold it already; `decided` says by
    /// position in the log where that was done. The best that can be done with one
    /// that it seems to hold, as `held` says, is nothing.
    pub(in crate::recovery) fn leave_open(
        &mut self,
        decided: impl Fn(usize) -> bool,
        held: impl Fn(usize) -> bool,
    ) {
        for attributed in &mut self.tail {
            if attributed.no_effect.is_none() && !decided(attributed.record) {
                attributed.best = attributed.database.take().or(attributed.best.take());
                attributed.confidence = Confidence::Ambiguous;
                attributed.weight = 0.0;
                attributed.changes_nothing = held(attributed.record);
            }
        }
    }

    /// Records by confidence.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for attributed in &self.tail {
            *match attributed.confidence {
                Confidence::Certain => &mut counts.certain,
                Confidence::Probable => &mut counts.probable,
                Confidence::Ambiguous => &mut counts.ambiguous,
                Confidence::Orphan => &mut counts.orphan,
                Confidence::Assigned => &mut counts.assigned,
            } += 1;
        }
        counts
    }

    /// What is known of a record, by its position in the log.
    pub fn of_record(&self, record: usize) -> Option<&Attributed> {
        let at = self.tail.binary_search_by_key(&record, |a| a.record).ok()?;
        self.tail.get(at)
    }
}
