//! The decision file: what `attribute` writes, people edit and `upgrade` obeys.
//!
//! One decision a line; `#` begins a comment. Names are JSON strings, because
//! they may hold anything.
//!
//! ```text
//! 117 = "shop"            # a record, by its sequence
//! 118 = ?                 # not decided
//! 119 = quarantine        # keep it aside
//! table "log" = "shop"    # every record of a table that has no line of its own
//! ```

use std::fmt::Write;

use super::{Attributed, Decision, Decisions};

/// A line that is no decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: found {found:?}, expected {expected}")]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    /// What stands there, or its start.
    pub found: String,
    /// What must stand there.
    pub expected: &'static str,
}

/// Most characters of a bad line that are shown: the file may be another one.
const SHOWN_CHARS: usize = 80;

const LINE: &str = "SEQUENCE = DECISION or table \"NAME\" = DECISION";
const DECISION: &str = "a database name in double quotes, quarantine or ?";

impl Decisions {
    /// Reads a decision file. A decision that stands twice counts as it stands
    /// last.
    ///
    /// # Errors
    /// The first line that is no decision.
    pub fn parse(text: &str) -> Result<Self, BadLine> {
        let mut decisions = Decisions::default();
        for (number, line) in text.lines().enumerate() {
            let bad = |expected| BadLine {
                line: number + 1,
                found: line.trim().chars().take(SHOWN_CHARS).collect(),
                expected,
            };
            decisions.add_line(line.trim()).map_err(bad)?;
        }
        Ok(decisions)
    }

    fn add_line(&mut self, line: &str) -> Result<(), &'static str> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix("table") {
            let (name, rest) = string(rest).ok_or(LINE)?;
            let rest = rest.trim_start().strip_prefix('=').ok_or(LINE)?;
            if let Some(decision) = decision(rest)? {
                self.by_table.insert(name, decision);
            }
            return Ok(());
        }
        let (sequence, rest) = line.split_once('=').ok_or(LINE)?;
        let sequence = sequence.trim().parse().map_err(|_| LINE)?;
        if let Some(decision) = decision(rest)? {
            self.by_sequence.insert(sequence, decision);
        }
        Ok(())
    }
}

/// A JSON string at the start of some text, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let string = strings.next()?.ok()?;
    Some((string, text.get(strings.byte_offset()..)?))
}

/// The decision at the start of some text; `None` for one not made yet.
fn decision(text: &str) -> Result<Option<Decision>, &'static str> {
    let text = text.trim_start();
    let (decision, rest) = if let Some(rest) = text.strip_prefix('?') {
        (None, rest)
    } else if let Some(rest) = text.strip_prefix("quarantine") {
        (Some(Decision::Quarantine), rest)
    } else {
        let (name, rest) = string(text).ok_or(DECISION)?;
        (Some(Decision::Database(name)), rest)
    };
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') {
        Ok(decision)
    } else {
        Err(DECISION)
    }
}

/// Writes the line of one record: its database as far as it is known, and what
/// is known in a comment.
pub fn decision_line(text: &mut String, sequence: u64, op: &str, table: &str, known: &Attributed) {
    let quote = |name: &str| serde_json::Value::from(name).to_string();
    let decision = match &known.database {
        Some(name) => quote(name),
        None => "?".to_owned(),
    };
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{sequence} = {decision}  # {} {op} {}",
        known.confidence,
        quote(table)
    );
    if let Some(reason) = known.no_effect {
        let _ = write!(text, ", without effect: {reason}");
    }
    for candidate in known.candidates.iter().filter(|c| c.ruled_out.is_none()) {
        if let (Some(name), true) = (&candidate.database, candidate.weight < 1.0) {
            let _ = write!(text, ", {} {:.3}", quote(name), candidate.weight);
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::recovery::Confidence;
    use crate::recovery::attribution::Candidate;

    #[test]
    fn every_form_of_line_is_read() {
        let text = "# head\n\n 117 = \"sh\\\"op #1\" # why\n118=?\n119 = quarantine\ntable \"lo=g\" = \"b\"\n118 = \"late\"\n";
        let decisions = Decisions::parse(text).unwrap();
        let database = |name: &str| Decision::Database(name.into());
        let by_sequence: Vec<_> = decisions.by_sequence.into_iter().collect();
        assert_eq!(
            by_sequence,
            [
                (117, database("sh\"op #1")),
                (118, database("late")),
                (119, Decision::Quarantine)
            ]
        );
        assert_eq!(
            decisions.by_table.into_iter().collect::<Vec<_>>(),
            [("lo=g".into(), database("b"))]
        );
    }

    #[test]
    fn a_line_that_is_no_decision_is_named() {
        for (text, line) in [
            ("117", 1),
            ("\nx = \"a\"", 2),
            ("117 = shop", 1),
            ("117 = \"a\" \"b\"", 1),
            ("table log = \"a\"", 1),
            ("117 = \"open", 1),
            ("-1 = \"a\"", 1),
            ("117 = quarantined", 1),
        ] {
            assert_eq!(Decisions::parse(text).unwrap_err().line, line, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut known = Attributed {
            record: 0,
            database: Some("sh\"op\n".into()),
            confidence: Confidence::Probable,
            weight: 0.97,
            starts_statement: true,
            no_effect: None,
            candidates: Arc::new([Candidate {
                database: Some("sh\"op\n".into()),
                weight: 0.97,
                evidence: Vec::new(),
                ruled_out: None,
            }]),
            evidence: Arc::new([]),
            quarantined: false,
            past_logged: true,
        };
        let mut text = String::new();
        decision_line(&mut text, 7, "Insert", "l\n#og", &known);
        known.database = None;
        decision_line(&mut text, 8, "Insert", "log", &known);
        assert_eq!(text.lines().count(), 2);
        let decisions = Decisions::parse(&text).unwrap();
        let expected = Decision::Database("sh\"op\n".into());
        assert_eq!(
            decisions.by_sequence.into_iter().collect::<Vec<_>>(),
            [(7, expected)]
        );
    }
}
