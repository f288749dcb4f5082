//! Exit codes, and the last word on errors.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::error::{Class, Error};

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

/// Turns the result of a command into its exit code; says on stderr why it
/// could not be done. A closed pipe ends quietly, as for any filter.
pub(super) fn finish(program: &str, result: anyhow::Result<Exit>) -> ExitCode {
    let error = match result {
        Ok(exit) => return exit.into(),
        Err(error) => error,
    };
    if is_broken_pipe(&error) {
        return Exit::Done.into();
    }
    let exit = match error.downcast_ref::<Error>() {
        Some(error) => Exit::from(error.class()),
        None => Exit::CannotRun,
    };
    // Nothing is left to do when stderr is closed too.
    let _ = writeln!(io::stderr(), "{program}: {error:#}");
    exit.into()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
    })
}
