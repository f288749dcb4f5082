//! What the user decided about records whose database the files do not prove.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What to do with a record, by decision of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It was written for this database.
    Database(String),
    /// Keep it aside in `quarantine.jsonl`.
    Quarantine,
}

/// Decisions by record and by table; a record's own decision goes first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// By WAL sequence number.
    pub by_sequence: BTreeMap<u64, Decision>,
    /// By table name.
    pub by_table: BTreeMap<String, Decision>,
}

impl Decisions {
    /// The decision for a record, if there is one.
    pub fn of(&self, sequence: u64, table: &str) -> Option<&Decision> {
        self.by_sequence
            .get(&sequence)
            .or_else(|| self.by_table.get(table))
    }

    /// Adds `TABLE=DATABASE`; the first `=` separates them.
    ///
    /// # Errors
    /// In words, when there is no `=` or nothing before it.
    pub fn assign(&mut self, text: &str) -> Result<(), String> {
        match text.split_once('=') {
            Some((table, database)) if !table.is_empty() && !database.is_empty() => {
                let decision = Decision::Database(database.to_owned());
                self.by_table.insert(table.to_owned(), decision);
                Ok(())
            }
            _ => Err(format!("found {text:?}, expected TABLE=DATABASE")),
        }
    }
}

/// What to do with records whose database stays unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnAmbiguous {
    /// Write nothing and say what to decide.
    #[default]
    Refuse,
    /// Take the best candidate.
    Best,
    /// Keep them aside in `quarantine.jsonl`.
    Quarantine,
}

impl fmt::Display for OnAmbiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OnAmbiguous::Refuse => "refuse",
            OnAmbiguous::Best => "best",
            OnAmbiguous::Quarantine => "quarantine",
        })
    }
}

impl FromStr for OnAmbiguous {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "refuse" => Ok(OnAmbiguous::Refuse),
            "best" => Ok(OnAmbiguous::Best),
            "quarantine" => Ok(OnAmbiguous::Quarantine),
            _ => Err("expected refuse, best or quarantine".into()),
        }
    }
}
