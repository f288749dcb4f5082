//! The one document that a command prints with `--format json`, whatever
//! happened.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::commands::upgrade::UpgradeReport;
use crate::commands::{Directory, Identity};
use crate::error::{Class, Error};
use crate::finding::{Code, Finding, file_fields, path_fields};
use crate::render::json_document;
use crate::report::Report;

use super::asked::Asked;
use super::exit::{Exit, error_text};
use super::next_steps::Step;
use super::shell::arguments;

/// What every document begins with, and the fields of one command.
#[derive(Debug, Serialize)]
struct Document<'d, C> {
    /// The subcommand; empty where none was understood.
    command: &'d str,
    source: Option<&'d DirectoryShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorObject>,
    findings: &'d [Finding],
    next: Vec<Vec<String>>,
    #[serde(flatten)]
    content: C,
}

/// A directory, in the words that all documents use for it.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct DirectoryShown {
    #[serde(flatten, serialize_with = "path_fields")]
    path: PathBuf,
    #[serde(flatten)]
    identity: Option<Identity>,
}

/// What stands at the head of a document of a command that could be carried
/// out.
#[derive(Debug)]
pub(super) struct Head<'d> {
    /// The subcommand.
    pub command: &'static str,
    /// What was read.
    pub source: Option<DirectoryShown>,
    /// How it ended, in a word.
    pub outcome: &'static str,
    /// Everything found.
    pub findings: &'d [Finding],
    /// What to do next.
    pub next: &'d [Step],
}

impl DirectoryShown {
    /// A directory of which only the path is known.
    pub(super) fn at(path: &Path) -> Self {
        DirectoryShown {
            path: path.to_owned(),
            identity: None,
        }
    }

    /// A directory whose kind is known.
    pub(super) fn known(path: &Path, identity: Identity) -> Self {
        DirectoryShown {
            path: path.to_owned(),
            identity: Some(identity),
        }
    }

    /// Its path, for people.
    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// What it is, for people; nothing where that is not known.
    pub(super) fn kind(&self) -> String {
        let identity = self.identity.as_ref();
        identity.map_or_else(String::new, Identity::to_string)
    }

    /// A directory that was opened.
    pub(super) fn of(directory: &Directory) -> Self {
        Self::known(directory.path(), directory.identity())
    }
}

impl<'d> Head<'d> {
    /// That of a command whose exit code is what its findings say.
    pub(super) fn of(command: &'static str, source: DirectoryShown, report: &'d Report) -> Self {
        Head {
            command,
            source: Some(source),
            outcome: outcome(Exit::from(report)),
            findings: report.findings(),
            next: &[],
        }
    }

    /// The document as text.
    pub(super) fn document<C: Serialize>(&self, content: &C) -> anyhow::Result<Vec<u8>> {
        Ok(json_document(&Document {
            command: self.command,
            source: self.source.as_ref(),
            outcome: Some(self.outcome),
            error: None,
            findings: self.findings,
            next: next(self.next),
            content,
        })?)
    }
}

/// How a command ended, as a word; its number is the exit code.
pub(super) fn outcome(exit: Exit) -> &'static str {
    match exit {
        Exit::Done => "done",
        Exit::Damage => "damaged",
        Exit::CannotRun => "cannot-run",
        Exit::NeedsDecision => "needs-decision",
    }
}

/// Every command that leads on, as its arguments; none asks for a document
/// itself, so that who wants one of each can ask alike.
pub(super) fn next(steps: &[Step]) -> Vec<Vec<String>> {
    let commands = steps.iter().flat_map(|step| &step.commands);
    let mut commands: Vec<Vec<String>> = commands.map(|command| arguments(command)).collect();
    for words in &mut commands {
        let pair = |two: &[String]| two == ["--format", "json"];
        if let Some(at) = words.windows(2).position(pair) {
            words.drain(at..at + 2);
        }
        words.retain(|word| word != "--format=json");
    }
    commands
}

/// Why nothing could be done.
#[derive(Debug, Serialize)]
pub(super) struct ErrorObject {
    code: &'static str,
    message: String,
    #[serde(flatten, serialize_with = "file_fields")]
    file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
}

impl ErrorObject {
    fn new(code: &'static str, message: &str) -> Self {
        ErrorObject {
            code,
            message: message.to_owned(),
            file: None,
            offset: None,
        }
    }

    /// A command line that is not understood.
    pub(super) fn usage(message: &str) -> Self {
        Self::new("usage", message)
    }

    /// A command that a signal ended.
    pub(super) fn stopped(message: &str) -> Self {
        Self::new("stopped", message)
    }

    /// An error of a command.
    pub(super) fn of(error: &anyhow::Error) -> Self {
        let message = error_text(error);
        let of_system = error.chain().any(|cause| cause.is::<io::Error>());
        let Some(own) = error.downcast_ref::<Error>() else {
            return Self::new(if of_system { "io" } else { "usage" }, &message);
        };
        let (code, file, offset) = match own {
            Error::Damage(damage) => (
                damage.code.as_str(),
                Some(damage.file.as_path()),
                Some(damage.offset),
            ),
            Error::Io { path, .. } => ("io", Some(path.as_path()), None),
            Error::Unreadable { path, offset, .. } => ("io", Some(path.as_path()), Some(*offset)),
            Error::NotADataDirectory { path, .. } => {
                let code = Code::NotADataDirectory.as_str();
                (code, Some(path.as_path()), None)
            }
            other if other.class() == Class::NeedsDecision => ("needs-decision", None, None),
            Error::Internal(_) => ("internal", None, None),
            _ => ("usage", None, None),
        };
        ErrorObject {
            file: file.map(Path::to_owned),
            offset,
            ..Self::new(code, &message)
        }
    }
}

/// What an error says as a finding: where in the files something is wrong.
pub(super) fn error_findings(error: &anyhow::Error) -> Vec<Finding> {
    match error.downcast_ref::<Error>() {
        Some(Error::Damage(damage)) => vec![Finding::from(&**damage)],
        Some(Error::NotADataDirectory { path, .. }) => {
            vec![Finding::new(Code::NotADataDirectory).file(path)]
        }
        _ => Vec::new(),
    }
}

/// The document of a command that could not be carried out.
pub(super) fn failure(
    asked: &Asked,
    error: ErrorObject,
    findings: &[Finding],
    steps: &[Step],
) -> Vec<u8> {
    let source = asked.source.as_deref().map(DirectoryShown::at);
    let document = Document {
        command: &asked.command,
        source: source.as_ref(),
        outcome: None,
        error: Some(error),
        findings,
        next: next(steps),
        content: Nothing {},
    };
    json_document(&document).unwrap_or_default()
}

#[derive(Debug, Serialize)]
struct Nothing {}

/// The document of `upgrade`: its report, which has the shape of the others,
/// and what only they have.
#[derive(Debug, Serialize)]
struct UpgradeDocument<'d> {
    command: &'static str,
    /// Where the report has none, because nothing could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<DirectoryShown>,
    #[serde(flatten)]
    report: &'d UpgradeReport,
    next: Vec<Vec<String>>,
}

/// The document of an upgrade that was carried out or refused.
pub(super) fn upgrade_document(
    report: &UpgradeReport,
    source: &Path,
    steps: &[Step],
) -> anyhow::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(&UpgradeDocument {
        command: "upgrade",
        source: report.source.is_none().then(|| DirectoryShown::at(source)),
        report,
        next: next(steps),
    })?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_program_is_no_wrong_use_of_it() {
        let code = |error: Error| ErrorObject::of(&error.into()).code;
        assert_eq!(code(Error::Internal("x".into())), "internal");
        assert_eq!(code(Error::Usage("x".into())), "usage");
    }
}
