//! Where a command's output goes: data to stdout, everything else to stderr.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;

use clap::ColorChoice;
use serde::Serialize;

use crate::render::{Detail, TextTable, escape, findings_text, wrapped};
use crate::report::Report;

use super::document::Head;
use super::options::Common;

/// Bytes collected before they are written.
const BUFFER_LEN: usize = 64 * 1024;
/// Fewest columns that a table is cut to.
const MIN_WIDTH: u16 = 40;
/// Findings of one code that are shown unless all are asked for.
const FEW: usize = 5;

/// Words whose explanation is pointed to.
const SHOWN_WORDS: usize = 3;
/// Columns before the text of a field.
const FIELD_INDENT: &str = "             ";

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy)]
struct Screen {
    width: u16,
    height: u16,
}

impl Screen {
    fn of(terminal: impl AsFd) -> Option<Self> {
        let size = rustix::termios::tcgetwinsize(terminal).ok()?;
        (size.ws_col > 0).then(|| Screen {
            width: size.ws_col.max(MIN_WIDTH),
            height: size.ws_row,
        })
    }
}

/// Standard output, buffered.
#[derive(Debug)]
pub(super) struct Output {
    writer: BufWriter<File>,
    color: bool,
    screen: Option<Screen>,
}

impl Output {
    /// Opens standard output. The descriptor is duplicated, because
    /// `io::stdout` looks for line ends in every block.
    pub(super) fn new(common: &Common) -> anyhow::Result<Self> {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let file = File::from(stdout.as_fd().try_clone_to_owned()?);
        let screen = terminal.then(|| Screen::of(&file)).flatten();
        Ok(Output {
            color: wants_color(common.color, terminal),
            writer: BufWriter::with_capacity(BUFFER_LEN, file),
            screen,
        })
    }

    /// Characters of a line of the terminal, where it is one.
    pub(super) fn width(&self) -> Option<u16> {
        self.screen.map(|screen| screen.width)
    }

    /// A table as wide as the terminal; as wide as it needs elsewhere.
    pub(super) fn table(&self, header: &[&str]) -> TextTable {
        TextTable::new(header, self.width())
    }

    /// Leaves the rows of a table that leave room for the rest of a screen, and
    /// says how many more there are; all of them where there is no terminal, and
    /// with `-v`.
    pub(super) fn cut_rows<T>(&self, rows: &mut Vec<T>, common: &Common) -> String {
        let height = self.screen.map_or(0, |screen| usize::from(screen.height));
        let most = height / 3;
        if height == 0 || common.verbose > 0 || rows.len() <= most {
            return String::new();
        }
        let more = rows.len() - most;
        rows.truncate(most);
        format!("... and {more} more (-v shows all)\n")
    }

    /// One label and its text, as a line; empty labels continue the one before.
    pub(super) fn field(&mut self, label: &str, text: &str) -> io::Result<()> {
        let text = wrapped(&escape(text), FIELD_INDENT, self.width());
        let text = text.trim_start();
        write!(self.writer, "{label:<12} {text}")
    }

    /// A sentence by itself.
    pub(super) fn sentence(&mut self, text: &str) -> io::Result<()> {
        let text = wrapped(text, "", self.width());
        self.writer.write_all(text.as_bytes())
    }

    /// A sentence below a heading, within the width of the terminal.
    pub(super) fn wrapped(&self, text: &str) -> String {
        wrapped(text, "  ", self.width())
    }

    /// Findings for people, above `rest` other lines.
    pub(super) fn findings(
        &mut self,
        report: &Report,
        common: &Common,
        rest: usize,
    ) -> io::Result<()> {
        let text = fitting(report, common, self.screen, self.above() + rest);
        self.colored(&text)
    }

    /// The first of some ways to say it that leaves room for `rest` other lines
    /// on the terminal; where none does the last, and without a terminal the
    /// first.
    pub(super) fn fitting(
        &mut self,
        rest: usize,
        ways: impl IntoIterator<Item = String>,
    ) -> io::Result<()> {
        let text = first_fitting(self.screen, self.above() + rest, ways);
        self.colored(&text)
    }

    /// What [`Output::fitting`] can say of findings in one way.
    pub(super) fn findings_text(&self, report: &Report, detail: Detail) -> String {
        findings_text(report, detail, self.width())
    }

    /// Where to read what the words mean that are above: codes of findings, and
    /// others.
    pub(super) fn words(&self, report: &Report, others: &[&str]) -> String {
        words_text(report, others, self.width())
    }

    /// Lines that are said already: a screen is less than the buffer holds.
    fn above(&self) -> usize {
        let said = self.writer.buffer().iter();
        said.filter(|byte| **byte == b'\n').count()
    }

    fn colored(&mut self, text: &str) -> io::Result<()> {
        match self.color {
            true => self.writer.write_all(colored(text).as_bytes()),
            false => self.writer.write_all(text.as_bytes()),
        }
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

/// Of findings: everything, then what `explain` says too left out, then one of
/// each code, its line alone, the errors alone, and at last the codes.
pub(super) const DETAILS: [Detail; 6] = {
    let all = Detail {
        shown: FEW,
        meanings: true,
        remedies: true,
        errors_alone: false,
    };
    let few = Detail {
        meanings: false,
        ..all
    };
    let one = Detail { shown: 1, ..few };
    let line = Detail {
        remedies: false,
        ..one
    };
    let errors = Detail {
        errors_alone: true,
        ..line
    };
    let codes = Detail { shown: 0, ..line };
    [all, few, one, line, errors, codes]
};

fn first_fitting(
    screen: Option<Screen>,
    rest: usize,
    ways: impl IntoIterator<Item = String>,
) -> String {
    let mut ways = ways.into_iter();
    let mut text = ways.next().unwrap_or_default();
    let Some(screen) = screen.filter(|screen| screen.height > 0) else {
        return text;
    };
    // The prompt takes a line too.
    let room = usize::from(screen.height).saturating_sub(rest.saturating_add(1));
    while text.lines().count() > room {
        match ways.next() {
            Some(shorter) => text = shorter,
            None => break,
        }
    }
    text
}

/// Findings, as many as fit above `rest` other lines; all of them with `-v`.
fn fitting(report: &Report, common: &Common, screen: Option<Screen>, rest: usize) -> String {
    let width = screen.map(|screen| screen.width);
    if common.verbose > 0 {
        return findings_text(report, Detail::of_first(usize::MAX), width);
    }
    let ways = DETAILS.iter().map(|detail| {
        let mut text = findings_text(report, *detail, width);
        if !detail.meanings && !report.findings().is_empty() {
            text.push_str(&words_text(report, &[], width));
        }
        text
    });
    first_fitting(screen, rest, ways)
}

/// The command that explains words; as many as a line holds.
fn words_text(report: &Report, others: &[&str], width: Option<u16>) -> String {
    let mut words: Vec<&str> = Vec::new();
    for finding in report.findings() {
        let code = finding.code.as_str();
        if !words.contains(&code) && words.len() < SHOWN_WORDS {
            words.push(code);
        }
    }
    let line = |words: &[&str]| {
        let all: Vec<&str> = words.iter().chain(others).copied().collect();
        format!("words: rustdb-inspect explain {}\n", all.join(" "))
    };
    let width = width.map_or(usize::MAX, usize::from);
    while words.len() > 1 && line(&words).len() > width {
        words.pop();
    }
    match words.is_empty() && others.is_empty() {
        true => String::new(),
        false => line(&words),
    }
}

/// Shows findings beside data: on stderr, with `-q` errors alone.
pub(super) fn warn(report: &Report, common: &Common) {
    warn_above(report, common, 0);
}

/// As [`warn`], above `rest` lines that follow.
pub(super) fn warn_above(report: &Report, common: &Common, rest: usize) {
    let errors = common.quiet.then(|| report.errors());
    let report = errors.as_ref().unwrap_or(report);
    if report.findings().is_empty() {
        return;
    }
    let terminal = io::stderr().is_terminal();
    let screen = terminal.then(|| Screen::of(io::stderr())).flatten();
    let text = fitting(report, common, screen, rest);
    let text = match wants_color(common.color, terminal) {
        true => colored(&text),
        false => text,
    };
    // Nothing is left to do when stderr is closed.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Characters of a line of standard error, where it is a terminal.
pub(super) fn error_width() -> Option<u16> {
    let screen = io::stderr().is_terminal().then(|| Screen::of(io::stderr()));
    screen.flatten().map(|screen| screen.width)
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
