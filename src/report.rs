//! Collects findings.
//!
//! Readers add to a report and go on; they do not print, log or stop at the
//! first finding.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Class;
use crate::finding::{Code, Finding, Severity};

/// Findings of one code that are kept one by one: of more, their number is. What was
/// lost is always named.
const MOST_OF_CODE: u64 = 10_000;

/// The findings of one run, in the order they were found.
#[derive(Debug, Default, Clone)]
pub struct Report {
    findings: Vec<Finding>,
    salvaging: bool,
    of_code: BTreeMap<Code, Counted>,
}

/// How many findings of a code there are.
#[derive(Debug, Default, Clone, Copy)]
struct Counted {
    kept: u64,
    /// Those that are not kept, and the finding that stands for them.
    more: u64,
    place: usize,
}

impl Report {
    /// An empty report.
    pub fn new() -> Self {
        Report::default()
    }

    /// A report of known findings.
    pub fn of(findings: &[Finding]) -> Self {
        Report {
            findings: findings.to_vec(),
            salvaging: false,
            of_code: BTreeMap::new(),
        }
    }

    /// Its errors alone.
    pub fn errors(&self) -> Self {
        let errors = self.findings.iter();
        let errors = errors.filter(|finding| finding.severity >= Severity::Error);
        Report::of(&errors.cloned().collect::<Vec<_>>()).salvaging(self.salvaging)
    }

    /// Says whether what can be kept is being kept already, which nobody needs
    /// to be advised then.
    pub fn salvaging(mut self, salvaging: bool) -> Self {
        self.salvaging |= salvaging;
        self
    }

    /// What the user can do about a code that was found.
    pub fn remedy(&self, code: Code) -> &'static str {
        match self.salvaging {
            true => code.remedy_when_salvaging(),
            false => code.remedy(),
        }
    }

    /// Adds a finding.
    pub fn add(&mut self, finding: Finding) {
        self.add_as(finding, 1);
    }

    /// Adds a finding that stands for so many.
    fn add_as(&mut self, mut finding: Finding, count: u64) {
        finding.shorten();
        let counted = self.of_code.entry(finding.code).or_default();
        if finding.code.is_loss() || counted.more == 0 && counted.kept < MOST_OF_CODE {
            counted.kept = counted.kept.saturating_add(1);
            self.findings.push(finding);
            return;
        }
        if counted.more == 0 {
            counted.place = self.findings.len();
            self.findings.push(Finding::new(finding.code));
        }
        counted.more = counted.more.saturating_add(count);
        if let Some(summary) = self.findings.get_mut(counted.place) {
            summary.severity = summary.severity.max(finding.severity);
            summary.detail = Some(format!("and {} more of this kind", counted.more));
        }
    }

    /// Adds the findings of another report.
    pub fn extend(&mut self, other: Report) {
        for (place, finding) in other.findings.into_iter().enumerate() {
            let counted = other.of_code.get(&finding.code);
            let more = counted.filter(|counted| counted.more > 0 && counted.place == place);
            self.add_as(finding, more.map_or(1, |counted| counted.more));
        }
        self.salvaging |= other.salvaging;
    }

    /// The same findings, those of one code with another severity.
    pub fn with_severity(mut self, code: Code, severity: Severity) -> Self {
        let of_code = self
            .findings
            .iter_mut()
            .filter(|finding| finding.code == code);
        of_code.for_each(|finding| finding.severity = severity);
        self
    }

    /// Adds to the details of findings what is to be said of each.
    pub fn note(&mut self, of: impl Fn(&Finding) -> Option<String>) {
        for finding in &mut self.findings {
            if let Some(note) = of(finding) {
                finding.detail = Some(match finding.detail.take() {
                    Some(detail) => format!("{detail}; {note}"),
                    None => note,
                });
                finding.shorten();
            }
        }
    }

    /// The same findings, that of one code about a file replaced by another.
    pub fn replaced(mut self, code: Code, file: &Path, by: &Finding) -> Self {
        let of_code = self.findings.iter_mut().filter(|one| one.code == code);
        let of_file = of_code.filter(|one| one.file.as_deref() == Some(file));
        of_file.for_each(|finding| finding.clone_from(by));
        self
    }

    /// The same findings, their files named from below a directory.
    pub fn below(mut self, directory: &Path) -> Self {
        for finding in &mut self.findings {
            let below = finding.file.as_deref();
            let below = below.and_then(|file| file.strip_prefix(directory).ok());
            if let Some(below) = below.filter(|below| !below.as_os_str().is_empty()) {
                finding.file = Some(below.to_owned());
            }
        }
        self
    }

    /// In the order in which they were found; where one code has very many, the last
    /// of it says how many more there are.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The heaviest severity, if anything was found.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// Whether something is damaged, lost or contradictory.
    pub fn has_errors(&self) -> bool {
        self.worst() == Some(Severity::Error)
    }

    /// What the errors found mean for the exit code; `None` without errors.
    /// Damage first: decisions about a damaged source come after its repair.
    pub fn class(&self) -> Option<Class> {
        let mut errors = self
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .peekable();
        errors.peek()?;
        match errors.all(|finding| finding.code.needs_decision()) {
            true => Some(Class::NeedsDecision),
            false => Some(Class::Damage),
        }
    }

    /// Whether a code was found.
    pub fn has(&self, code: Code) -> bool {
        self.findings.iter().any(|finding| finding.code == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_findings_of_a_kind_the_first_are_kept_and_the_rest_counted() {
        let mut report = Report::new();
        for _ in 0..2 {
            let mut part = Report::new();
            (0..MOST_OF_CODE + 7).for_each(|_| part.add(Finding::new(Code::Ambiguous)));
            report.extend(part);
        }
        report.add(Finding::new(Code::TornTail));
        let findings = report.findings();
        assert_eq!(findings.len() as u64, MOST_OF_CODE + 2);
        let summaries: Vec<_> = findings
            .iter()
            .filter_map(|one| one.detail.as_deref())
            .collect();
        assert_eq!(
            summaries,
            [format!("and {} more of this kind", MOST_OF_CODE + 14)]
        );
    }
}
