//! Where a command's output goes: data to stdout, everything else to stderr.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;

use clap::ColorChoice;
use serde::Serialize;

use crate::render::{TextTable, escape, findings_text, json_document};
use crate::report::Report;

use super::options::Common;

/// Bytes collected before they are written.
const BUFFER_LEN: usize = 64 * 1024;
/// Fewest columns that a table is cut to.
const MIN_WIDTH: u16 = 40;

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
        let width = terminal
            .then(|| rustix::termios::tcgetwinsize(&file).ok())
            .flatten()
            .map(|size| size.ws_col.max(MIN_WIDTH));
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

    /// Findings for people.
    pub(super) fn findings(&mut self, report: &Report, common: &Common) -> io::Result<()> {
        let text = findings_text(report.findings(), common.verbose);
        let text = if self.color { colored(&text) } else { text };
        self.writer.write_all(text.as_bytes())
    }

    /// One JSON document.
    pub(super) fn json<C: Serialize>(&mut self, content: &C) -> anyhow::Result<()> {
        self.writer.write_all(&json_document(content)?)?;
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

/// Shows findings beside data: on stderr, unless `-q`.
pub(super) fn warn(report: &Report, common: &Common) {
    if common.quiet || report.findings().is_empty() {
        return;
    }
    let text = findings_text(report.findings(), common.verbose);
    let text = match wants_color(common.color, io::stderr().is_terminal()) {
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
            terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
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
