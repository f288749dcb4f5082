//! Collects findings.
//!
//! Readers add to a report and go on; they do not print, log or stop at the
//! first finding.

use std::path::Path;

use crate::error::Class;
use crate::finding::{Code, Finding, Severity};

/// The findings of one run, in the order they were found.
#[derive(Debug, Default, Clone)]
pub struct Report {
    findings: Vec<Finding>,
    salvaging: bool,
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
        }
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
        self.findings.push(finding);
    }

    /// Adds the findings of another report.
    pub fn extend(&mut self, other: Report) {
        self.findings.extend(other.findings);
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

    /// All findings.
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
