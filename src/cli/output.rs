//! Where a command's output goes: data to stdout, everything else to stderr.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;

use clap::ColorChoice;
use serde::Serialize;

use crate::render::{TextTable, escape, findings_text, wrapped};
use crate::report::Report;

use super::document::Head;
use super::options::Common;

/// Bytes collected before they are written.
const BUFFER_LEN: usize = 64 * 1024;
/// Fewest columns that a table is cut to.
const MIN_WIDTH: u16 = 40;
/// Findings of one code that are shown unless all are asked for.
pub(super) const FEW: usize = 5;

/// Standard output, buffered.
#[derive(Debug)]
pub(super) struct Output {
    writer: BufWriter<File>,
    color: bool,
    width: Option<u16>,
}

impl Output {
    /// Opens standard output. The descriptor is duplicated, because
    /// `io::stdout` looks for line ends in every block.
    pub(super) fn new(common: &Common) -> anyhow::Result<Self> {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let file = File::from(stdout.as_fd().try_clone_to_owned()?);
        let width = terminal.then(|| width(&file)).flatten();
        Ok(Output {
            color: wants_color(common.color, terminal),
            writer: BufWriter::with_capacity(BUFFER_LEN, file),
            width,
        })
    }

    /// A table as wide as the terminal; as wide as it needs elsewhere.
    pub(super) fn table(&self, header: &[&str]) -> TextTable {
        TextTable::new(header, self.width)
    }

    /// One label and its text, as a line; empty labels continue the one before.
    pub(super) fn field(&mut self, label: &str, text: &str) -> io::Result<()> {
        writeln!(self.writer, "{label:<12} {}", escape(text))
    }

    /// A sentence below a heading, within the width of the terminal.
    pub(super) fn wrapped(&self, text: &str) -> String {
        wrapped(text, "  ", self.width)
    }

    /// Findings for people, of each code the first few; `brief` as in
    /// [`findings_text`].
    pub(super) fn findings(
        &mut self,
        report: &Report,
        common: &Common,
        few: usize,
        brief: bool,
    ) -> io::Result<()> {
        let text = findings_text(report, shown(common, few), self.width, brief);
        let text = if self.color { colored(&text) } else { text };
        self.writer.write_all(text.as_bytes())
    }

    /// One JSON document: what all documents begin with, then the command's own
    /// fields.
    pub(super) fn document<C: Serialize>(
        &mut self,
        head: &Head<'_>,
        content: &C,
    ) -> anyhow::Result<()> {
        self.writer.write_all(&head.document(content)?)?;
        Ok(())
    }

    /// Writes what is buffered; without it errors would go unseen.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Columns of a terminal.
fn width(terminal: impl AsFd) -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    (size.ws_col > 0).then(|| size.ws_col.max(MIN_WIDTH))
}

/// How many findings of one code are shown.
fn shown(common: &Common, few: usize) -> usize {
    match common.verbose {
        0 => few,
        _ => usize::MAX,
    }
}

/// Shows findings beside data: on stderr, unless `-q`.
pub(super) fn warn(report: &Report, common: &Common) {
    if common.quiet || report.findings().is_empty() {
        return;
    }
    let terminal = io::stderr().is_terminal();
    let width = terminal.then(|| width(io::stderr())).flatten();
    let text = findings_text(report, shown(common, FEW), width, false);
    let text = match wants_color(common.color, terminal) {
        true => colored(&text),
        false => text,
    };
    // Nothing is left to do when stderr is closed.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// A word to the user beside the data: on stderr, unless `-q`.
pub(super) fn note(text: &str, common: &Common) {
    if !common.quiet {
        let _ = writeln!(io::stderr(), "{}", escape(text));
    }
}

/// Any value that serialises to a word, as that word.
pub(super) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

fn wants_color(choice: ColorChoice, terminal: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
            // An editor's shell, a build's log: it says that it takes no escapes.
            let takes_escapes = set("TERM").is_none_or(|term| term != "dumb");
            terminal && takes_escapes && set("NO_COLOR").is_none()
        }
    }
}

/// Severities at the start of lines in red and yellow.
fn colored(text: &str) -> String {
    let mut colored = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let found = [("error:", "31"), ("warning:", "33")]
            .iter()
            .find_map(|(word, color)| Some((word, color, line.strip_prefix(word)?)));
        match found {
            Some((word, color, rest)) => {
                colored.push_str(&format!("\x1b[{color}m{word}\x1b[0m{rest}"));
            }
            None => colored.push_str(line),
        }
    }
    colored
}
