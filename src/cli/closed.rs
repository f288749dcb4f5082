//! A standard output that was closed before the program began: what is written
//! there goes nowhere, and no write fails, because the runtime of the language
//! opens `/dev/null` in its place before anything else runs.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Exit, Program};

static CLOSED: AtomicBool = AtomicBool::new(false);

/// Looks before the runtime does.
#[ctor::ctor]
fn look() {
    let is_closed = rustix::io::fcntl_getfd(io::stdout()).is_err();
    CLOSED.store(is_closed, Ordering::Relaxed);
}

/// Refuses to work for nobody: says so, and how the program ends.
pub(super) fn refused(program: Program) -> Option<ExitCode> {
    let is_closed = CLOSED.load(Ordering::Relaxed);
    is_closed.then(|| {
        let why =
            "standard output is closed, so that nothing can be said; > /dev/null throws it away";
        let _ = writeln!(io::stderr(), "{}: {why}", program.name());
        Exit::CannotRun.into()
    })
}
