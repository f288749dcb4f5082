//! The decision file: what `attribute` writes, people edit and `upgrade` obeys.
//!
//! One decision a line; `#` begins a comment. Names are JSON strings, because
//! they may hold anything.
//!
//! ```text
//! 117 = "shop"            # a record, by its sequence
//! 118-124 = "shop"        # the records of one statement, or any others in a row
//! 120 = "blog"            # one of them decided otherwise, further down
//! 125 = ?                 # not decided
//! 126 = quarantine        # keep it aside
//! table "log" = "shop"    # every record of a table that has no line of its own
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::RangeInclusive;

use super::{Attributed, Decision, Decisions, weight_text};

/// A line that is no decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: found {found:?}, expected {expected}")]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    /// What stands there, or its start.
    pub found: String,
    /// What must stand there.
    pub expected: String,
}

/// Most characters of a bad line that are shown: the file may be another one.
const SHOWN_CHARS: usize = 80;

const LINE: &str = "SEQUENCE = DECISION, FIRST-LAST = DECISION or table \"NAME\" = DECISION";
const DECISION: &str = "a database name in double quotes, quarantine or ?";

/// The decisions read so far, each with the number of its line.
#[derive(Default)]
struct LinesRead {
    single: BTreeMap<u64, (usize, Decision)>,
    /// By their first records; none overlaps another.
    ranges: BTreeMap<u64, (u64, usize, Decision)>,
    tables: BTreeMap<String, (usize, Decision)>,
}

impl Decisions {
    /// Reads a decision file. A line for one record goes before a range that
    /// stands above it; what is not decided, `?`, takes the record out of it.
    ///
    /// # Errors
    /// The first line that is no decision, or that decides otherwise about what
    /// a line above it has decided.
    pub fn parse(text: &str) -> Result<Self, BadLine> {
        let mut lines = LinesRead::default();
        for (number, line) in text.lines().enumerate() {
            let bad = |expected: String| BadLine {
                line: number + 1,
                found: line.trim().chars().take(SHOWN_CHARS).collect(),
                expected,
            };
            lines.add_line(number + 1, line.trim()).map_err(bad)?;
        }
        let single = lines.single.into_iter();
        let ranges = lines.ranges.into_iter();
        let tables = lines.tables.into_iter();
        Ok(Decisions {
            by_sequence: single.map(|(at, (_, decision))| (at, decision)).collect(),
            by_range: ranges
                .map(|(first, (last, _, decision))| (first, (last, decision)))
                .collect(),
            by_table: tables
                .map(|(name, (_, decision))| (name, decision))
                .collect(),
        })
    }
}

/// What must stand on a line that contradicts another.
fn one_decision(line: usize, other: &Decision) -> String {
    format!("one decision a record or table: line {line} says {other}")
}

impl LinesRead {
    fn add_line(&mut self, number: usize, line: &str) -> Result<(), String> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix("table") {
            let (name, rest) = string(rest).ok_or(LINE)?;
            let rest = rest.trim_start().strip_prefix('=').ok_or(LINE)?;
            let Some(decision) = decision(rest)? else {
                return Ok(());
            };
            return match self.tables.get(&name) {
                Some((line, other)) if *other != decision => Err(one_decision(*line, other)),
                _ => {
                    self.tables.insert(name, (number, decision));
                    Ok(())
                }
            };
        }
        let (records, rest) = line.split_once('=').ok_or(LINE)?;
        let records = sequences(records).ok_or(LINE)?;
        let decision = decision(rest)?;
        match records.start() == records.end() {
            true => self.single(number, *records.start(), decision),
            false => decision.map_or(Ok(()), |decision| self.range(number, &records, decision)),
        }
    }

    fn single(
        &mut self,
        number: usize,
        sequence: u64,
        decision: Option<Decision>,
    ) -> Result<(), String> {
        let Some(decision) = decision else {
            self.take_out(sequence);
            return Ok(());
        };
        match self.single.get(&sequence) {
            Some((line, other)) if *other != decision => Err(one_decision(*line, other)),
            _ => {
                self.single.insert(sequence, (number, decision));
                Ok(())
            }
        }
    }

    /// Takes a record out of the range that holds it.
    fn take_out(&mut self, sequence: u64) {
        let range = self.ranges.range(..=sequence).next_back();
        let Some((&first, (last, line, decision))) =
            range.filter(|(_, (last, ..))| *last >= sequence)
        else {
            return;
        };
        let (last, line, decision) = (*last, *line, decision.clone());
        self.ranges.remove(&first);
        if let Some(end) = sequence.checked_sub(1).filter(|end| *end >= first) {
            self.ranges.insert(first, (end, line, decision.clone()));
        }
        if let Some(start) = sequence.checked_add(1).filter(|start| *start <= last) {
            self.ranges.insert(start, (last, line, decision));
        }
    }

    /// Adds a range, as far as those that say the same leave it.
    fn range(
        &mut self,
        number: usize,
        records: &RangeInclusive<u64>,
        decision: Decision,
    ) -> Result<(), String> {
        let single = self.single.range(records.clone());
        let single = single.map(|(_, (line, other))| (line, other));
        let known = self.ranges.range(..=*records.end());
        let known = known.filter(|(_, (last, ..))| last >= records.start());
        let overlapping: Vec<_> = known.map(|(first, (last, ..))| (*first, *last)).collect();
        let ranges = overlapping
            .iter()
            .filter_map(|(first, _)| self.ranges.get(first));
        let ranges = ranges.map(|(_, line, other)| (line, other));
        let mut both = single.chain(ranges);
        if let Some((line, other)) = both.find(|(_, other)| **other != decision) {
            return Err(one_decision(*line, other));
        }
        let mut start = Some(*records.start());
        for (first, last) in overlapping {
            let gap = start
                .zip(first.checked_sub(1))
                .filter(|(from, to)| from <= to);
            if let Some((from, to)) = gap {
                self.ranges.insert(from, (to, number, decision.clone()));
            }
            start = last.checked_add(1);
        }
        if let Some(from) = start.filter(|from| from <= records.end()) {
            self.ranges.insert(from, (*records.end(), number, decision));
        }
        Ok(())
    }
}

/// One sequence, or a range of them.
fn sequences(text: &str) -> Option<RangeInclusive<u64>> {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    match text.split_once('-') {
        None => number(text).map(|one| one..=one),
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(first..=last)
        }
    }
}

/// A JSON string at the start of some text, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let string = strings.next()?.ok()?;
    Some((string, text.get(strings.byte_offset()..)?))
}

/// The decision at the start of some text; `None` for one not made yet.
fn decision(text: &str) -> Result<Option<Decision>, String> {
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
        Err(DECISION.to_owned())
    }
}

/// What the line of a record, or of the records of one statement, says.
#[derive(Debug, Clone, Copy)]
pub struct Line<'l> {
    /// Sequences of the first and the last record.
    pub records: (u64, u64),
    /// The operation.
    pub op: &'l str,
    /// The table that they name.
    pub table: &'l str,
    /// What is known of them.
    pub known: &'l Attributed,
    /// The values of the first, without line ends.
    pub values: Option<&'l str>,
}

/// Writes a line: the database as far as it is known, and what is known in a
/// comment.
pub fn decision_line(text: &mut String, line: &Line<'_>) {
    let quote = |name: &str| serde_json::Value::from(name).to_string();
    let known = line.known;
    let decision = match &known.database {
        _ if known.quarantined => "quarantine".to_owned(),
        Some(name) => quote(name),
        None => "?".to_owned(),
    };
    let (first, last) = line.records;
    // Writing to a string cannot fail.
    let _ = match first == last {
        true => write!(text, "{first}"),
        false => write!(text, "{first}-{last}"),
    };
    let confidence = known.confidence;
    let _ = write!(
        text,
        " = {decision}  # {confidence} {} {}",
        line.op,
        quote(line.table)
    );
    if let Some(values) = line.values {
        let _ = write!(text, " {values}");
    }
    if let Some(reason) = known.no_effect {
        let _ = write!(text, ", without effect: {reason}");
    }
    for candidate in known.candidates.iter().filter(|c| c.ruled_out.is_none()) {
        if let (Some(name), true) = (&candidate.database, candidate.weight < 1.0) {
            let _ = write!(text, ", {} {}", quote(name), weight_text(candidate.weight));
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
        let text = "# head\n\n 117 = \"sh\\\"op #1\" # why\n118=?\n119 = quarantine\ntable \"lo=g\" = \"b\"\n118 = \"late\"\n 120 - 123=\"r\"";
        let decisions = Decisions::parse(text).unwrap();
        let database = |name: &str| Decision::Database(name.into());
        assert_eq!(decisions.of(123, ""), Some(&database("r")));
        assert_eq!(decisions.of(124, ""), None);
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
            ("9-7 = \"a\"", 1),
            ("7-8-9 = \"a\"", 1),
            ("7- = \"a\"", 1),
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
            changes_nothing: false,
            unlisted: Arc::new([]),
            best: None,
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
        let mut write = |records, known: &Attributed| {
            decision_line(
                &mut text,
                &Line {
                    records,
                    op: "Insert",
                    table: "l\n#og",
                    known,
                    values: Some("{\"a\":\"# = ?\"}"),
                },
            );
        };
        write((7, 7), &known);
        write((10, 12), &known);
        known.database = None;
        write((8, 8), &known);
        known.quarantined = true;
        write((9, 9), &known);
        assert_eq!(text.lines().count(), 4);
        let decisions = Decisions::parse(&text).unwrap();
        let expected = Decision::Database("sh\"op\n".into());
        let decided = (6..14).map(|sequence| decisions.of(sequence, "").cloned());
        let [shop, aside] = [Some(expected), Some(Decision::Quarantine)];
        let all = [
            None,
            shop.clone(),
            None,
            aside,
            shop.clone(),
            shop.clone(),
            shop,
            None,
        ];
        assert_eq!(decided.collect::<Vec<_>>(), all);
    }

    fn decided(text: &str, sequences: RangeInclusive<u64>) -> Vec<Option<String>> {
        let decisions = Decisions::parse(text).unwrap();
        let of = |at| decisions.of(at, "").map(Decision::to_string);
        sequences.map(of).collect()
    }

    #[test]
    fn a_later_line_for_one_record_goes_before_its_range() {
        let some = |name: &str| Some(name.to_owned());
        let text = "1-5 = \"a\"\n3 = \"b\"\n1 = ?\n5 = ?";
        let expected = [None, some("a"), some("b"), some("a"), None];
        assert_eq!(decided(text, 1..=5), expected);
        let same = "2-3 = \"a\"\n5 = \"a\"\n1-6 = \"a\"\n7-8 = ?";
        let all = decided(same, 1..=7);
        assert_eq!(all.iter().filter(|one| **one == some("a")).count(), 6);
        assert_eq!(all.last(), Some(&None));
    }

    #[test]
    fn two_decisions_about_one_record_are_refused_with_both_lines() {
        for (text, line, other) in [
            ("7 = \"a\"\n7 = \"b\"", 2, "line 1 "),
            ("\n1-9 = \"a\"\n\n9-12 = quarantine", 4, "line 2 "),
            ("5 = \"a\"\n1-9 = \"b\"", 2, "line 1 "),
            ("1-3 = \"a\"\n4-6 = \"b\"\n2-5 = \"b\"", 3, "line 1 "),
            ("table \"t\" = \"a\"\ntable \"t\" = \"b\"", 2, "line 1 "),
        ] {
            let bad = Decisions::parse(text).unwrap_err();
            assert_eq!(bad.line, line, "{text}");
            assert!(bad.expected.contains(other), "{bad}");
        }
    }

    #[test]
    fn a_range_takes_no_more_room_for_its_length() {
        let text = "0-18446744073709551615 = \"a\"\n18446744073709551615 = ?\n0 = ?";
        let decisions = Decisions::parse(text).unwrap();
        assert_eq!(decisions.by_range.len(), 1);
        assert_eq!(decisions.of(u64::MAX, ""), None);
        assert!(decisions.of(u64::MAX - 1, "").is_some());
    }
}
