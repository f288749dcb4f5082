//! The commands to run next when an upgrade needs a decision or is refused, as
//! they can be pasted into a shell.

use std::ffi::OsString;

use crate::commands::upgrade::{Outcome, UpgradeReport};
use crate::finding::{Code, Finding};
use crate::render::escape;

/// What stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Only the user can decide.
    Decision,
    /// The source is damaged.
    Damage,
}

/// Lines of a command each; none where nothing stands in the way.
pub(super) fn next_steps(
    report: &UpgradeReport,
    source: &std::path::Path,
    words: impl Iterator<Item = OsString>,
) -> Vec<String> {
    let obstacle = match report.outcome {
        Outcome::NeedsDecision => Obstacle::Decision,
        Outcome::Damaged => Obstacle::Damage,
        _ => return Vec::new(),
    };
    let source = quoted(&source.to_string_lossy());
    let again = command_line(words, &report.findings);
    steps(obstacle, &report.findings, &source, &again)
}

/// The commands that lead on; `source` and `again`, the upgrade, are quoted.
pub(super) fn steps(
    obstacle: Obstacle,
    findings: &[Finding],
    source: &str,
    again: &str,
) -> Vec<String> {
    match obstacle {
        Obstacle::Decision => decisions(findings, source, again),
        Obstacle::Damage => vec![
            format!("rustdb-inspect verify {source}"),
            format!("{again} --salvage --dry-run"),
            format!("{again} --salvage"),
        ],
    }
}

fn decisions(findings: &[Finding], source: &str, again: &str) -> Vec<String> {
    let open = |finding: &&Finding| matches!(finding.code, Code::Ambiguous | Code::Orphan);
    let mut lines = Vec::new();
    let first = findings.iter().find(open);
    if let Some(sequence) = first.and_then(|finding| finding.sequence) {
        lines.push(format!("rustdb-inspect wal {source} --explain {sequence}"));
    }
    lines.push(format!("rustdb-migrate attribute {source} -o decisions"));
    lines.push(format!("{again} --attribution decisions"));
    if let Some(assign) = first.and_then(assignment) {
        lines.push(format!("{again} --assign {assign}"));
    }
    if first.is_some() {
        lines.push(format!("{again} --on-ambiguous best"));
        lines.push(format!("{again} --on-ambiguous quarantine"));
    }
    lines
}

/// `TABLE=DATABASE` with the first candidate, as the detail names them.
fn assignment(finding: &Finding) -> Option<String> {
    let candidates = finding.detail.as_ref()?.strip_prefix("candidates: ")?;
    let first = candidates.split(", ").next()?;
    Some(quoted(&format!("{}={first}", finding.table.as_ref()?)))
}

/// The command as it was given, but for the options that a decision replaces.
fn command_line(words: impl Iterator<Item = OsString>, findings: &[Finding]) -> String {
    let mut codes = findings.iter().map(|finding| finding.code);
    let contradicted = codes.any(|code| code == Code::AssignmentContradicted);
    let mut line = "rustdb-migrate".to_owned();
    let mut skip_next = false;
    for word in words.skip(1) {
        let word = word.to_string_lossy();
        if std::mem::take(&mut skip_next) {
            continue;
        }
        match word.as_ref() {
            "--on-ambiguous" | "--attribution" => skip_next = true,
            "--assign" if contradicted => skip_next = true,
            word if contradicted && word.starts_with("--assign=") => {}
            "--dry-run" => {}
            word if word.starts_with("--on-ambiguous=") => {}
            word if word.starts_with("--attribution=") => {}
            word => {
                line.push(' ');
                line.push_str(&quoted(word));
            }
        }
    }
    line
}

/// A word of a command line, between quotes where a shell would read it
/// otherwise.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if word.chars().any(char::is_control) {
        // bash, zsh and fish alike take no escapes between single quotes.
        return format!(
            "$'{}'",
            escape(&word.replace('\\', "\\\\").replace('\'', "\\'"))
        );
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_pasted() {
        let words = [
            "x",
            "upgrade",
            "my data",
            "new's",
            "--on-ambiguous",
            "refuse",
            "--dry-run",
            "--to",
            "append",
        ];
        let line = command_line(words.iter().map(OsString::from), &[]);
        assert_eq!(
            line,
            "rustdb-migrate upgrade 'my data' 'new'\\''s' --to append"
        );
    }

    #[test]
    fn an_assignment_that_the_files_contradict_is_not_proposed_again() {
        let words = ["x", "upgrade", "a", "b", "--assign", "t=x", "--assign=u=y"];
        let words = || words.iter().map(OsString::from);
        let contradicted = [Finding::new(Code::AssignmentContradicted)];
        assert_eq!(
            command_line(words(), &contradicted),
            "rustdb-migrate upgrade a b"
        );
        let kept = "rustdb-migrate upgrade a b --assign t=x --assign=u=y";
        assert_eq!(command_line(words(), &[]), kept);
    }

    #[test]
    fn the_first_candidate_is_proposed() {
        let finding = Finding::new(Code::Ambiguous)
            .table("notes")
            .sequence(2)
            .detail("candidates: left, right");
        let lines = decisions(&[finding], "data", "rustdb-migrate upgrade data new");
        assert_eq!(
            lines,
            [
                "rustdb-inspect wal data --explain 2",
                "rustdb-migrate attribute data -o decisions",
                "rustdb-migrate upgrade data new --attribution decisions",
                "rustdb-migrate upgrade data new --assign notes=left",
                "rustdb-migrate upgrade data new --on-ambiguous best",
                "rustdb-migrate upgrade data new --on-ambiguous quarantine",
            ]
        );
    }
}
