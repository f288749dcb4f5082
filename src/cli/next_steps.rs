//! The commands to run next when something stands in the way or can be undone,
//! as they can be pasted into a shell.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::commands::info::Info;
use crate::commands::undecided::Undecided;
use crate::commands::upgrade::{Outcome, UpgradeReport};
use crate::error::Class;
use crate::finding::{Code, Finding, Severity};
use crate::render::{escape, wrapped};
use crate::report::Report;

use super::again::Again;
use super::shell::quoted_path;

/// The last release whose server shows the rows of a snapshot.
const LAST_TO_SHOW_ROWS: &str = "1.11.0";

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
    pub purpose: &'static str,
    /// The commands, one after the other.
    pub commands: Vec<String>,
}

impl Step {
    pub(super) fn new(purpose: &'static str, commands: impl IntoIterator<Item = String>) -> Self {
        Step {
            purpose,
            commands: commands.into_iter().collect(),
        }
    }
}

/// Ways to go on, for people; nothing for none. Commands stay lines of their own,
/// however long.
pub(super) fn steps_text(steps: &[Step], width: Option<u16>) -> String {
    let mut text = String::new();
    for (at, step) in steps.iter().enumerate() {
        let word = if at == 0 { "next" } else { "or" };
        let purpose = format!("{word}, {}:", step.purpose);
        text.push_str(&wrapped(&purpose, "", width));
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
    let given = Again::of_upgrade(words);
    let source = quoted_path(source);
    let findings = &report.findings;
    let again = to_run_again(&given, findings);
    let obstacle = match report.outcome {
        Outcome::NeedsDecision => Obstacle::Decision,
        Outcome::Damaged => Obstacle::Damage,
        Outcome::Planned | Outcome::PlannedWithLoss => {
            let mut steps = undo(findings, &again);
            steps.push(Step::new("to write it", [given.in_earnest().line()]));
            steps.extend(left_open(report, &source, &again));
            return steps;
        }
        _ => {
            // What is written stays: the other goes beside it.
            let mut steps = undo(findings, &again.beside(target, "-repaired"));
            steps.push(look(target));
            steps.extend(left_open(
                report,
                &source,
                &again.beside(target, "-decided"),
            ));
            return steps;
        }
    };
    steps(obstacle, findings, &report.undecided, &source, &again)
}

/// Ways to go on with what an upgrade did without proof.
fn left_open(report: &UpgradeReport, source: &str, other: &Again) -> Vec<Step> {
    let mut steps = Vec::new();
    if report.likelihood.is_some() {
        let list = format!("rustdb-inspect wal {source} --attribute{}", other.reading());
        steps.push(Step::new("to see by what records were placed", [list]));
        if report.quarantined == 0 {
            let purpose = "to place them otherwise, with an editor in between";
            steps.push(decision_file(purpose, source, other));
        }
    }
    let legacy = report
        .source
        .as_ref()
        .is_some_and(|read| read.wal.is_some());
    if report.quarantined > 0 && legacy {
        steps.push(decision_file(
            "to decide about the records in quarantine, with an editor in between",
            source,
            other,
        ));
    }
    // Nothing but the quarantine is left of the log that a directory of ours came of.
    if !legacy {
        steps.extend(take_up(&report.undecided, other));
    }
    steps
}

/// A decision about the records of a table that an earlier upgrade kept aside.
fn take_up(quarantined: &[Undecided], again: &Again) -> Option<Step> {
    let decision = assignment(quarantined, again)?;
    Some(Step::new(
        "to decide for the records of a table in quarantine",
        [again.with(&["--assign", &decision]).line()],
    ))
}

/// A decision about the first table of which there is none yet, and that can be
/// typed: no shell passes a NUL on, and a name with an equals sign would end there.
fn assignment(undecided: &[Undecided], again: &Again) -> Option<String> {
    let mut open = undecided.iter().filter(|one| !again.assigns(&one.table));
    open.find_map(|one| {
        let decision = format!("{}={}", one.table, one.databases.first()?);
        let is_option = decision.starts_with('-');
        let can_be_typed = !decision.contains('\0') && !one.table.contains('=') && !is_option;
        can_be_typed.then_some(decision)
    })
}

/// A decision file that goes on with earlier decisions, under a name that is
/// free: one that is there stays.
fn decision_file(purpose: &'static str, source: &str, again: &Again) -> Step {
    let first = std::iter::once("decisions".to_owned());
    let mut names = first.chain((2_u64..).map(|number| format!("decisions-{number}")));
    let free = |name: &String| {
        let given = again
            .options()
            .any(|(_, value)| value == Some(OsStr::new(name)));
        !given && Path::new(name).symlink_metadata().is_err()
    };
    let file = names.find(free).unwrap_or_default();
    let write = format!(
        "rustdb-migrate attribute {source} -o {file}{}",
        again.reading()
    );
    let obey = again.without(&["--attribution"]);
    Step::new(
        purpose,
        [write, obey.with(&["--attribution", &file]).line()],
    )
}

/// What a decision file leads on to, when everything in it is decided.
pub(super) fn after_attribute(
    source: &Path,
    file: &Path,
    words: impl Iterator<Item = OsString>,
) -> Vec<Step> {
    let given = Again::of(&words.collect::<Vec<_>>());
    let again = Again::upgrade(source).and(given.reading_words());
    let again = again.without(&["--attribution"]);
    let obey = again.and(["--attribution".into(), file.into()]);
    vec![Step::new("to write what it decides", [obey.line()])]
}

/// How to see what was written.
fn look(target: &Path) -> Step {
    Step::new(
        "to look at it",
        [format!("rustdb-inspect info {}", quoted_path(target))],
    )
}

/// What a start of the server did that can be undone.
fn undo(findings: &[Finding], again: &Again) -> Vec<Step> {
    let mut codes = findings.iter().map(|finding| finding.code);
    let provable = |code| {
        let twice = matches!(code, Code::ReplayedTwice | Code::ReplayedElsewhere);
        // Found by a look at what was replayed, and at nothing else.
        twice || code == Code::SequenceBehind
    };
    match codes.any(provable) && !again.has("--repair-replay") {
        true => vec![Step::new(
            "to undo what a start of the server did, first without writing",
            [&["--repair-replay", "--dry-run"][..], &["--repair-replay"]]
                .map(|how| again.with(how).line()),
        )],
        false => Vec::new(),
    }
}

/// What a directory that was looked at with these options leads on to.
pub(super) fn after_look(info: &Info, reading: &[OsString]) -> Vec<Step> {
    let source = quoted_path(&info.path);
    let mut again = Again::upgrade(&info.path).and(reading.iter().cloned());
    let obstacle = Obstacle::of(&info.report);
    if info.salvage && obstacle == Some(Obstacle::Decision) {
        again = again.with(&["--salvage"]);
    }
    if let Some(obstacle) = obstacle {
        let again = to_run_again(&again, info.findings());
        return steps(obstacle, info.findings(), &info.undecided, &source, &again);
    }
    let mut steps = undo(info.findings(), &again);
    steps.push(match info.layout {
        None => Step::new(
            "to write it in a layout that can be checked",
            [again.line()],
        ),
        Some(_) => Step::new(
            "to check every byte of it",
            [format!("rustdb-inspect verify {source}")],
        ),
    });
    steps.extend(take_up(&info.quarantined, &again));
    let load = format!(
        "rustdb-inspect dump {source}{} | psql -d postgres -v ON_ERROR_STOP=1 -f -",
        again.reading()
    );
    steps.push(Step::new("to load it into PostgreSQL", [load]));
    steps
}

/// The commands that lead on; `source` is quoted.
pub(super) fn steps(
    obstacle: Obstacle,
    findings: &[Finding],
    undecided: &[Undecided],
    source: &str,
    again: &Again,
) -> Vec<Step> {
    match obstacle {
        Obstacle::Decision => decisions(findings, undecided, source, again),
        Obstacle::Damage => {
            let mut steps = vec![Step::new(
                "to see all that is wrong",
                [format!("rustdb-inspect verify {source}")],
            )];
            if !again.has("--salvage") {
                steps.push(Step::new(
                    "to keep what can be kept, first without writing",
                    [&["--salvage", "--dry-run"][..], &["--salvage"]]
                        .map(|how| again.with(how).line()),
                ));
            }
            steps
        }
    }
}

fn decisions(
    findings: &[Finding],
    undecided: &[Undecided],
    source: &str,
    again: &Again,
) -> Vec<Step> {
    let is_open = |finding: &&Finding| {
        let asked = matches!(finding.code, Code::Ambiguous | Code::Orphan);
        asked && finding.severity == Severity::Error
    };
    let decides =
        |finding: &Finding| finding.severity == Severity::Error && finding.code != Code::NoRowShown;
    if !findings.iter().any(decides) {
        return another_server(source, again);
    }
    let mut steps = Vec::new();
    // Decisions of a file that the files prove wrong stand in the way of all
    // but better ones.
    let refused = findings
        .iter()
        .find(|finding| finding.code == Code::AssignmentContradicted)
        .filter(|_| again.has("--attribution"));
    let first = findings.iter().find(is_open).or(refused);
    if let Some(sequence) = first.and_then(|finding| finding.sequence) {
        let reading = again.reading();
        let explain = format!("rustdb-inspect wal {source} --explain {sequence}{reading}");
        steps.push(Step::new("to see what is known of a record", [explain]));
    }
    if let Some(assignment) = assignment(undecided, again).filter(|_| refused.is_none()) {
        let assign = again.with(&["--assign", &assignment]).line();
        steps.push(Step::new(
            "to decide for all undecided records of a table",
            [assign],
        ));
    }
    steps.push(decision_file(
        "to decide record by record, with an editor in between",
        source,
        again,
    ));
    if first.is_some() && again.has("--repair-replay") {
        let stay = again.without(&["--repair-replay"]).line();
        steps.push(Step::new(
            "to leave what the start of the server did as it stands",
            [stay],
        ));
    } else if first.is_some() && refused.is_none() {
        let best = again.with(&["--on-ambiguous", "best"]).line();
        steps.push(Step::new(
            "to let the evidence decide, such as it is",
            [best],
        ));
        let aside = again.with(&["--on-ambiguous", "quarantine"]).line();
        steps.push(Step::new(
            "to keep such records aside, in TARGET/quarantine.jsonl",
            [aside],
        ));
    }
    steps
}

/// Where the server of a snapshot would show no row of it.
fn another_server(source: &str, again: &Again) -> Vec<Step> {
    let earlier = again.without(&["--release"]);
    vec![
        Step::new(
            "to write for a server that shows rows, with its page storage off",
            [earlier.with(&["--release", LAST_TO_SHOW_ROWS]).line()],
        ),
        Step::new(
            "to load the rows into another server",
            [format!(
                "rustdb-inspect dump {source}{} > dump.sql",
                again.reading()
            )],
        ),
        Step::new("to write it regardless", [again.with(&["--force"]).line()]),
    ]
}

/// The command as it was given, but for the options that a decision replaces.
fn to_run_again(given: &Again, findings: &[Finding]) -> Again {
    let mut codes = findings.iter().map(|finding| finding.code);
    let contradicted = codes.any(|code| code == Code::AssignmentContradicted);
    let again = given.undecided();
    match contradicted {
        true => again.without(&["--assign"]),
        false => again,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(words: &[&str]) -> Again {
        Again::of(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    fn line(words: &[&str], findings: &[Finding]) -> String {
        to_run_again(&again(words), findings).line()
    }

    #[test]
    fn a_command_can_be_pasted() {
        let words = [
            "rustdb-migrate",
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
    fn options_stand_before_the_word_that_ends_them() {
        let given = again(&["rustdb-migrate", "upgrade", "--", "-a", "b"]);
        let line = given.with(&["--salvage"]).line();
        assert_eq!(line, "rustdb-migrate upgrade --salvage -- -a b");
    }

    #[test]
    fn an_assignment_that_the_files_contradict_is_not_proposed_again() {
        let words = ["upgrade", "a", "b", "--assign", "t=x", "--assign=u=y"];
        let contradicted = [Finding::new(Code::AssignmentContradicted)];
        assert_eq!(line(&words, &contradicted), "upgrade a b");
        let kept = "upgrade a b --assign t=x --assign u=y";
        assert_eq!(line(&words, &[]), kept);
    }

    fn of_table(table: &str, databases: &[&str]) -> Undecided {
        Undecided {
            table: table.to_owned(),
            databases: databases.iter().map(|one| (*one).to_owned()).collect(),
        }
    }

    #[test]
    fn a_database_that_fits_all_is_proposed() {
        let finding = Finding::new(Code::Ambiguous).table("notes").sequence(2);
        let untyped = ["a=b", "-c", "n\0"].map(|name| of_table(name, &["left"]));
        let others = [of_table("log", &[]), of_table("notes", &["left", "right"])];
        let undecided: Vec<Undecided> = untyped.into_iter().chain(others).collect();
        let again = again(&["rustdb-migrate", "upgrade", "data", "new"]);
        let steps = decisions(&[finding], &undecided, "data", &again);
        let expected = "\
next, to see what is known of a record:
  rustdb-inspect wal data --explain 2
or, to decide for all undecided records of a table:
  rustdb-migrate upgrade data new --assign notes=left
or, to decide record by record, with an editor in between:
  rustdb-migrate attribute data -o decisions
  rustdb-migrate upgrade data new --attribution decisions
or, to let the evidence decide, such as it is:
  rustdb-migrate upgrade data new --on-ambiguous best
or, to keep such records aside, in TARGET/quarantine.jsonl:
  rustdb-migrate upgrade data new --on-ambiguous quarantine
";
        assert_eq!(steps_text(&steps, None), expected);
    }

    #[test]
    fn where_no_database_fits_all_and_where_one_was_tried_a_file_is_proposed() {
        let finding = Finding::new(Code::Ambiguous).table("notes").sequence(2);
        let words = ["rustdb-migrate", "upgrade", "data", "new"];
        let tried = again(&words).with(&["--assign", "log=a", "--attribution", "decisions"]);
        let undecided = [of_table("log", &["b"]), of_table("notes", &[])];
        let steps = decisions(&[finding], &undecided, "data", &tried);
        let text = steps_text(&steps, None);
        assert!(!text.contains("all undecided records"), "{text}");
        let file = "  rustdb-migrate attribute data -o decisions-2 --assign log=a --attribution decisions\n  \
                    rustdb-migrate upgrade data new --assign log=a --attribution decisions-2\n";
        assert!(text.contains(file), "{text}");
    }
}
