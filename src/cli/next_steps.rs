//! The commands to run next when something stands in the way or can be undone,
//! as they can be pasted into a shell.

use std::ffi::OsString;
use std::path::Path;

use crate::commands::info::Info;
use crate::commands::upgrade::{Outcome, UpgradeReport};
use crate::error::Class;
use crate::finding::{Code, Finding};
use crate::render::escape;
use crate::report::Report;

/// What stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Only the user can decide.
    Decision,
    /// The source is damaged.
    Damage,
}

impl Obstacle {
    /// That of a legacy directory.
    pub(super) fn of(report: &Report) -> Option<Self> {
        match report.class()? {
            Class::NeedsDecision => Some(Obstacle::Decision),
            _ => Some(Obstacle::Damage),
        }
    }
}

/// One way to go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// What it is for: `to ...`.
    pub purpose: &'static str,
    /// The commands, one after the other.
    pub commands: Vec<String>,
}

impl Step {
    fn new(purpose: &'static str, commands: impl IntoIterator<Item = String>) -> Self {
        Step {
            purpose,
            commands: commands.into_iter().collect(),
        }
    }
}

/// Ways to go on, for people; nothing for none.
pub(super) fn steps_text(steps: &[Step]) -> String {
    let mut text = String::new();
    for (at, step) in steps.iter().enumerate() {
        let word = if at == 0 { "next" } else { "or" };
        text.push_str(&format!("{word}, {}:\n", step.purpose));
        for command in &step.commands {
            text.push_str(&format!("  {}\n", escape(command)));
        }
    }
    text
}

/// What an upgrade that was run as `words` leads on to.
pub(super) fn after_upgrade(
    report: &UpgradeReport,
    (source, target): (&Path, &Path),
    words: impl Iterator<Item = OsString>,
) -> Vec<Step> {
    let words: Vec<String> = words
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let source = quoted(&source.to_string_lossy());
    let again = command_line(&words, &report.findings);
    let obstacle = match report.outcome {
        Outcome::NeedsDecision => Obstacle::Decision,
        Outcome::Damaged => Obstacle::Damage,
        _ if words.iter().any(|word| word == "--repair-replay") => return Vec::new(),
        Outcome::Planned | Outcome::PlannedWithLoss => return undo(&report.findings, &again),
        _ => {
            // What is written stays: the other goes beside it.
            let target = target.to_string_lossy();
            let beside = format!("{}-repaired", target.trim_end_matches('/'));
            let other = words.iter().map(|word| match *word == target {
                true => beside.clone(),
                false => word.clone(),
            });
            let other = command_line(&other.collect::<Vec<_>>(), &report.findings);
            return undo(&report.findings, &other);
        }
    };
    steps(obstacle, &report.findings, &source, &again)
}

/// What a start of the server did that can be undone.
fn undo(findings: &[Finding], again: &str) -> Vec<Step> {
    let mut codes = findings.iter().map(|finding| finding.code);
    let provable = |code| {
        let twice = matches!(code, Code::ReplayedTwice | Code::ReplayedElsewhere);
        // Found by a look at what was replayed, and at nothing else.
        twice || code == Code::SequenceBehind
    };
    match codes.any(provable) {
        true => vec![Step::new(
            "to undo what a start of the server did where that is proven, first without writing",
            ["--repair-replay --dry-run", "--repair-replay"].map(|how| format!("{again} {how}")),
        )],
        false => Vec::new(),
    }
}

/// What a directory that was looked at leads on to; a healthy one to nothing.
pub(super) fn after_look(info: &Info) -> Vec<Step> {
    let source = quoted(&info.path);
    if info.layout.is_some() {
        return Vec::new();
    }
    let again = upgrade_of(info);
    match Obstacle::of(&info.report) {
        Some(obstacle) => steps(obstacle, info.findings(), &source, &again),
        None => undo(info.findings(), &again),
    }
}

/// The upgrade of a directory into a new one beside it.
pub(super) fn upgrade_of(info: &Info) -> String {
    let target = format!("{}-new", info.path.trim_end_matches('/'));
    format!(
        "rustdb-migrate upgrade {} {}",
        quoted(&info.path),
        quoted(&target)
    )
}

/// The commands that lead on; `source` and `again`, the upgrade, are quoted.
fn steps(obstacle: Obstacle, findings: &[Finding], source: &str, again: &str) -> Vec<Step> {
    match obstacle {
        Obstacle::Decision => decisions(findings, source, again),
        Obstacle::Damage => vec![
            Step::new(
                "to see all that is wrong",
                [format!("rustdb-inspect verify {source}")],
            ),
            Step::new(
                "to keep what can be kept, first without writing",
                match again.split(' ').any(|word| word == "--salvage") {
                    // It was asked for already: the damage goes beyond it.
                    true => return steps_beyond(source),
                    false => {
                        ["--salvage --dry-run", "--salvage"].map(|how| format!("{again} {how}"))
                    }
                },
            ),
        ],
    }
}

/// What is left where salvage was asked for already.
fn steps_beyond(source: &str) -> Vec<Step> {
    vec![Step::new(
        "to see all that is wrong",
        [format!("rustdb-inspect verify {source}")],
    )]
}

fn decisions(findings: &[Finding], source: &str, again: &str) -> Vec<Step> {
    let open = |finding: &&Finding| matches!(finding.code, Code::Ambiguous | Code::Orphan);
    let mut steps = Vec::new();
    // What is decided about must be found by the same reading.
    let mut asked = String::new();
    for flag in ["--salvage", "--repair-replay"] {
        if again.split(' ').any(|word| word == flag) {
            asked.push_str(&format!(" {flag}"));
        }
    }
    let first = findings.iter().find(open);
    if let Some(sequence) = first.and_then(|finding| finding.sequence) {
        let explain = format!("rustdb-inspect wal {source} --explain {sequence}{asked}");
        steps.push(Step::new("to see what is known of a record", [explain]));
    }
    if let Some(assign) = first.and_then(assignment) {
        let assign = format!("{again} --assign {assign}");
        steps.push(Step::new("to decide for all records of a table", [assign]));
    }
    steps.push(Step::new(
        "to decide record by record, with an editor in between",
        [
            format!("rustdb-migrate attribute {source} -o decisions{asked}"),
            format!("{again} --attribution decisions"),
        ],
    ));
    if first.is_some() {
        let best = format!("{again} --on-ambiguous best");
        steps.push(Step::new(
            "to let the evidence decide, such as it is",
            [best],
        ));
        let aside = format!("{again} --on-ambiguous quarantine");
        steps.push(Step::new(
            "to keep such records aside, in TARGET/quarantine.jsonl",
            [aside],
        ));
    }
    steps
}

/// `TABLE=DATABASE` with the first candidate, as the detail names them.
fn assignment(finding: &Finding) -> Option<String> {
    let candidates = finding.detail.as_ref()?.strip_prefix("candidates: ")?;
    let first = candidates.split(", ").next()?;
    Some(quoted(&format!("{}={first}", finding.table.as_ref()?)))
}

/// The command as it was given, but for the options that a decision replaces.
fn command_line(words: &[String], findings: &[Finding]) -> String {
    let mut codes = findings.iter().map(|finding| finding.code);
    let contradicted = codes.any(|code| code == Code::AssignmentContradicted);
    let mut line = "rustdb-migrate".to_owned();
    let mut skip_next = false;
    for word in words.iter().skip(1) {
        if std::mem::take(&mut skip_next) {
            continue;
        }
        match word.as_str() {
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

    fn line(words: &[&str], findings: &[Finding]) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        command_line(&words, findings)
    }

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
        assert_eq!(
            line(&words, &[]),
            "rustdb-migrate upgrade 'my data' 'new'\\''s' --to append"
        );
    }

    #[test]
    fn an_assignment_that_the_files_contradict_is_not_proposed_again() {
        let words = ["x", "upgrade", "a", "b", "--assign", "t=x", "--assign=u=y"];
        let contradicted = [Finding::new(Code::AssignmentContradicted)];
        assert_eq!(line(&words, &contradicted), "rustdb-migrate upgrade a b");
        let kept = "rustdb-migrate upgrade a b --assign t=x --assign=u=y";
        assert_eq!(line(&words, &[]), kept);
    }

    #[test]
    fn the_first_candidate_is_proposed() {
        let finding = Finding::new(Code::Ambiguous)
            .table("notes")
            .sequence(2)
            .detail("candidates: left, right");
        let steps = decisions(&[finding], "data", "rustdb-migrate upgrade data new");
        let expected = "\
next, to see what is known of a record:
  rustdb-inspect wal data --explain 2
or, to decide for all records of a table:
  rustdb-migrate upgrade data new --assign notes=left
or, to decide record by record, with an editor in between:
  rustdb-migrate attribute data -o decisions
  rustdb-migrate upgrade data new --attribution decisions
or, to let the evidence decide, such as it is:
  rustdb-migrate upgrade data new --on-ambiguous best
or, to keep such records aside, in TARGET/quarantine.jsonl:
  rustdb-migrate upgrade data new --on-ambiguous quarantine
";
        assert_eq!(steps_text(&steps), expected);
    }
}
