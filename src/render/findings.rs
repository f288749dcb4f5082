//! Findings for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::finding::{Code, Finding};
use crate::report::Report;

use super::{escape, wrapped};

/// Findings line by line, each code's remedy once; of each code the first
/// `shown`, and how many more there are. No line is wider than `width`, but for
/// a path or value. With `brief` the sentence that says what a code means
/// is left out: `explain` has it.
pub fn findings_text(report: &Report, shown: usize, width: Option<u16>, brief: bool) -> String {
    let mut by_code: BTreeMap<Code, Vec<&Finding>> = BTreeMap::new();
    for finding in report.findings() {
        by_code.entry(finding.code).or_default().push(finding);
    }
    let mut text = String::new();
    for (code, findings) in by_code {
        for finding in findings.iter().take(shown) {
            let line = line(finding);
            // What follows the first line stands apart from the next finding.
            let mut lines = wrapped(&line, "  ", width);
            lines.drain(..2);
            text.push_str(&lines);
        }
        if findings.len() > shown {
            let more = findings.len() - shown;
            let _ = writeln!(text, "  ... and {more} more {code} (-v shows all)");
        }
        if !brief {
            text.push_str(&wrapped(code.meaning(), "  ", width));
        }
        text.push_str(&wrapped(report.remedy(code), "  ", width));
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
    match (&finding.database, &finding.table) {
        (Some(database), Some(table)) => {
            let _ = write!(text, ": {}.{}", escape(database), escape(table));
        }
        (Some(name), None) | (None, Some(name)) => {
            let _ = write!(text, ": {}", escape(name));
        }
        (None, None) => {}
    }
    if let Some(sequence) = finding.sequence {
        let _ = write!(text, ", record {sequence}");
    }
    if let Some(detail) = &finding.detail {
        let _ = write!(text, ": {}", escape(detail));
    }
    text
}
