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

impl Decision {
    /// Whether it names this database.
    pub fn is_for(&self, database: &str) -> bool {
        matches!(self, Decision::Database(name) if name == database)
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Decision::Database(name) => f.write_str(name),
            Decision::Quarantine => f.write_str("quarantine"),
        }
    }
}

/// Decisions by record and by table; a record's own decision goes first, then
/// that of a range of records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// By WAL sequence number.
    pub by_sequence: BTreeMap<u64, Decision>,
    /// By first and last WAL sequence number; no range overlaps another.
    pub by_range: BTreeMap<u64, (u64, Decision)>,
    /// By table name.
    pub by_table: BTreeMap<String, Decision>,
}

impl Decisions {
    /// The decision for a record, if there is one.
    pub fn of(&self, sequence: u64, table: &str) -> Option<&Decision> {
        self.of_record(sequence)
            .or_else(|| self.by_table.get(table))
    }

    /// The decision for this very record, by itself or in a range.
    pub fn of_record(&self, sequence: u64) -> Option<&Decision> {
        let alone = self.by_sequence.get(&sequence);
        alone.or_else(|| {
            let (_, (last, decision)) = self.by_range.range(..=sequence).next_back()?;
            (*last >= sequence).then_some(decision)
        })
    }

    /// Those about whole tables alone.
    pub fn of_tables(&self) -> Decisions {
        Decisions {
            by_table: self.by_table.clone(),
            ..Decisions::default()
        }
    }

    /// Every decision, in no order that means anything.
    pub fn all(&self) -> impl Iterator<Item = &Decision> {
        let ranges = self.by_range.values().map(|(_, decision)| decision);
        let single = self.by_sequence.values().chain(ranges);
        single.chain(self.by_table.values())
    }

    /// Adds `TABLE=DATABASE`; the first `=` separates them.
    ///
    /// # Errors
    /// In words, when there is no `=` or nothing before it, or when another
    /// decision about the table is there.
    pub fn assign(&mut self, text: &str) -> Result<(), String> {
        match text.split_once('=') {
            Some((table, database)) if !table.is_empty() && !database.is_empty() => {
                self.decide_table(table, Decision::Database(database.to_owned()))
            }
            _ => Err(format!("found {text:?}, expected TABLE=DATABASE")),
        }
    }

    /// Decides about the records of a table.
    ///
    /// # Errors
    /// In words, when another decision about it is there.
    pub fn decide_table(&mut self, table: &str, decision: Decision) -> Result<(), String> {
        match self.by_table.get(table) {
            Some(other) if *other != decision => Err(format!(
                "found {table}={decision} and {table}={other}, expected one decision about a table"
            )),
            _ => {
                self.by_table.insert(table.to_owned(), decision);
                Ok(())
            }
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
