//! How a process ends: its exit code, and the last word on errors.

use std::io::{self, Write};
use std::process::ExitCode;

use super::Exit;
use super::after_error::after_error;
use super::asked::Asked;
use super::document::{ErrorObject, error_findings, failure};
use super::exit::error_text;
use super::next_steps::steps_text;
use super::output::error_width;

/// Turns the result of a command into its exit code; says on stderr why it
/// could not be done and what to do, and as a document on stdout where one was
/// asked for. A closed pipe ends quietly, as for any filter.
pub(super) fn finish(asked: &Asked, result: anyhow::Result<Exit>) -> ExitCode {
    let error = match result {
        Ok(exit) => return exit.into(),
        Err(error) => error,
    };
    if is_broken_pipe(&error) {
        return Exit::Done.into();
    }
    let exit = Exit::of_error(&error);
    let steps = after_error(
        &asked.words,
        (asked.source.as_deref(), asked.target.as_deref()),
        &error,
    );
    if asked.json {
        let part = ErrorObject::of(&error);
        asked.print(&failure(asked, part, &error_findings(&error), &steps));
    }
    let mut text = format!("{}: {}\n", asked.program.name(), error_text(&error));
    if !asked.quiet {
        text.push_str(&steps_text(&steps, error_width()));
    }
    // Nothing is left to do when stderr is closed too.
    let _ = io::stderr().write_all(text.as_bytes());
    exit.into()
}

/// Whether whoever read stdout went away.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe)
    })
}
