//! Exit codes, and errors in words.

use std::process::ExitCode;

use crate::error::{Class, Error};
use crate::render::escape_lines;
use crate::report::Report;

/// How a command ended; the number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done, nothing wrong.
    Done = 0,
    /// Damage or a difference was found.
    Damage = 1,
    /// Could not run: usage, I/O, not a data directory.
    CannotRun = 2,
    /// A decision is needed; nothing was written.
    NeedsDecision = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

impl From<Class> for Exit {
    fn from(class: Class) -> Exit {
        match class {
            Class::Damage => Exit::Damage,
            Class::CannotRun => Exit::CannotRun,
            Class::NeedsDecision => Exit::NeedsDecision,
        }
    }
}

impl From<&Report> for Exit {
    fn from(report: &Report) -> Exit {
        report.class().map_or(Exit::Done, Exit::from)
    }
}

impl Exit {
    /// The exit of two results together: what could not run outweighs damage,
    /// damage outweighs a decision.
    pub fn and(self, other: Exit) -> Exit {
        let weight = |exit: &Exit| match exit {
            Exit::Done => 0,
            Exit::NeedsDecision => 1,
            Exit::Damage => 2,
            Exit::CannotRun => 3,
        };
        std::cmp::max_by_key(self, other, weight)
    }

    /// How a command that failed ends.
    pub(super) fn of_error(error: &anyhow::Error) -> Exit {
        match error.downcast_ref::<Error>() {
            Some(error) => Exit::from(error.class()),
            None => Exit::CannotRun,
        }
    }
}

/// An error in words: ours say their cause themselves.
pub(super) fn error_text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause.to_string());
        if cause.is::<Error>() {
            break;
        }
    }
    escape_lines(&text)
}
