//! What was asked, as far as it is known before it is known whether it can be
//! done.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use super::Program;

/// A command line that is understood.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Which program.
    pub program: Program,
    /// Which of its subcommands; empty where none was understood.
    pub command: String,
    /// The command line, the program first.
    pub words: Vec<OsString>,
    /// The directory to read, if the subcommand takes one.
    pub source: Option<PathBuf>,
    /// The directory to write, if the subcommand takes one.
    pub target: Option<PathBuf>,
    /// Whether one JSON document is to stand on stdout, whatever happens.
    pub json: bool,
    /// Whether as little as possible is to be said.
    pub quiet: bool,
}

impl Asked {
    /// Writes a document of something that failed; who cannot read it is told
    /// on stderr.
    pub(super) fn print(&self, document: &[u8]) {
        let mut out = io::stdout().lock();
        let _ = out.write_all(document).and_then(|()| out.flush());
    }
}
