//! Findings for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::finding::{Code, Finding, Severity};
use crate::report::Report;

use super::{escape, wrapped};

/// How much is said of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detail {
    /// Findings of one code that are shown; for 0 only the codes are.
    pub shown: usize,
    /// Whether what a code means is said: `explain` says it too.
    pub meanings: bool,
    /// Whether it is said what to do.
    pub remedies: bool,
    /// Whether only errors are shown, and of the rest the codes.
    pub errors_alone: bool,
}

impl Detail {
    /// All there is to say of the first findings of each code.
    pub fn of_first(shown: usize) -> Self {
        Detail {
            shown,
            meanings: true,
            remedies: true,
            errors_alone: false,
        }
    }
}

/// Findings line by line, what a code means and what to do once a code. No line
/// is wider than `width`, but for a path or value.
pub fn findings_text(report: &Report, detail: Detail, width: Option<u16>) -> String {
    let mut by_code: BTreeMap<Code, Vec<&Finding>> = BTreeMap::new();
    let mut by_code_alone = by_code.clone();
    for finding in report.findings() {
        let is_lighter = detail.errors_alone && finding.severity != Severity::Error;
        let those = match detail.shown == 0 || is_lighter {
            true => &mut by_code_alone,
            false => &mut by_code,
        };
        those.entry(finding.code).or_default().push(finding);
    }
    let mut text = String::new();
    for (code, findings) in by_code {
        for finding in findings.iter().take(detail.shown) {
            text.push_str(&item(&line(finding), width));
        }
        if findings.len() > detail.shown {
            let more = findings.len() - detail.shown;
            let _ = writeln!(text, "  ... and {more} more {code} (-v shows all)");
            if let Some(line) = tables_not_shown(&findings, detail.shown) {
                text.push_str(&item(&line, width));
            }
        }
        if detail.meanings {
            text.push_str(&wrapped(code.meaning(), "  ", width));
        }
        if detail.remedies {
            text.push_str(&wrapped(report.remedy(code), "  ", width));
        }
    }
    text.push_str(&codes_text(&by_code_alone, width));
    text
}

/// The tables of warnings and errors that are not shown one by one: who reads no
/// further still sees each table that is not as it should be.
fn tables_not_shown(findings: &[&Finding], shown: usize) -> Option<String> {
    let (shown, rest) = findings.split_at_checked(shown)?;
    let named: BTreeSet<Option<String>> = shown.iter().map(|finding| place(finding)).collect();
    let grave = rest.iter().filter(|f| f.severity != Severity::Info);
    let tables: BTreeSet<String> = grave
        .clone()
        .filter(|finding| finding.table.is_some())
        .map(|finding| place(finding))
        .filter(|place| !named.contains(place))
        .flatten()
        .collect();
    let first = grave.into_iter().next().filter(|_| !tables.is_empty())?;
    let tables = Vec::from_iter(tables).join(", ");
    Some(format!("{}: {}: also {tables}", first.severity, first.code))
}

/// The database and the table of a finding.
fn place(finding: &Finding) -> Option<String> {
    match (&finding.database, &finding.table) {
        (Some(database), Some(table)) => Some(format!("{}.{}", escape(database), escape(table))),
        (Some(name), None) | (None, Some(name)) => Some(escape(name)),
        (None, None) => None,
    }
}

/// A line whose continuations stand apart from what follows.
fn item(line: &str, width: Option<u16>) -> String {
    let mut lines = wrapped(line, "  ", width);
    lines.drain(..2);
    lines
}

/// Codes and how often each was found, the gravest first.
fn codes_text(by_code: &BTreeMap<Code, Vec<&Finding>>, width: Option<u16>) -> String {
    let mut text = String::new();
    for severity in [Severity::Error, Severity::Warning, Severity::Info] {
        let of = |findings: &Vec<&Finding>| {
            let found = findings.iter();
            found.filter(|one| one.severity == severity).count()
        };
        let codes = by_code.iter().filter_map(|(code, findings)| {
            let count = of(findings);
            (count > 0).then(|| format!("{code} ({count})"))
        });
        let codes: Vec<String> = codes.collect();
        if !codes.is_empty() {
            text.push_str(&item(&format!("{severity}: {}", codes.join(", ")), width));
        }
    }
    text
}

/// Severity, code, place, detail. Writing to a string cannot fail.
fn line(finding: &Finding) -> String {
    let mut text = format!("{}: {}", finding.severity, finding.code);
    if let Some(file) = &finding.file {
        let _ = write!(text, ": {}", escape(&file.display().to_string()));
        if let Some(offset) = finding.offset {
            let _ = write!(text, ", offset {offset}");
        }
    }
    if let Some(place) = place(finding) {
        let _ = write!(text, ": {place}");
    }
    if let Some(sequence) = finding.sequence {
        let _ = write!(text, ", record {sequence}");
    }
    if let Some(detail) = &finding.detail {
        let _ = write!(text, ": {}", escape(detail));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_findings_that_are_not_shown_are_named() {
        let mut report = Report::new();
        for table in ["a", "a", "b", "c", "b"] {
            report.add(Finding::new(Code::Ambiguous).table(table));
        }
        let text = findings_text(&report, Detail::of_first(2), None);
        assert!(
            text.contains("\nerror: ambiguous-attribution: also b, c\n"),
            "{text}"
        );
        let all = findings_text(&report, Detail::of_first(5), None);
        assert!(!all.contains("also"), "{all}");
    }
}
