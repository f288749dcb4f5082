//! Findings for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::finding::{Code, Finding};
use crate::report::Report;

use super::escape;

/// Findings of one code that are shown unless all are asked for.
const SHOWN_PER_CODE: usize = 5;

/// Findings line by line, each code's remedy once; with `verbose` all of them,
/// else the first few of each code and how many more there are.
pub fn findings_text(report: &Report, verbose: u8) -> String {
    let mut by_code: BTreeMap<Code, Vec<&Finding>> = BTreeMap::new();
    for finding in report.findings() {
        by_code.entry(finding.code).or_default().push(finding);
    }
    let mut text = String::new();
    for (code, findings) in by_code {
        let shown = if verbose > 0 {
            findings.len()
        } else {
            SHOWN_PER_CODE
        };
        for finding in findings.iter().take(shown) {
            line(&mut text, finding);
        }
        if findings.len() > shown {
            let more = findings.len() - shown;
            let _ = writeln!(text, "  ... and {more} more {code} (-v shows all)");
        }
        let _ = writeln!(text, "  {}\n  {}", code.meaning(), report.remedy(code));
    }
    text
}

/// Severity, code, place, detail. Writing to a string cannot fail.
fn line(text: &mut String, finding: &Finding) {
    let _ = write!(text, "{}: {}", finding.severity, finding.code);
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
    text.push('\n');
}
