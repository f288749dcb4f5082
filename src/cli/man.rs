//! What each program takes, and the man pages, made from the definitions of the command line, so that they
//! cannot say anything else.

use std::io;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::finding::Code;

use super::examples::{self, ExampleText, with_examples};
use super::words::{WORDS, Word};
use super::{InspectCli, MigrateCli, Program};

const EXIT_STATUS: &[(&str, &str)] = &[
    (
        "0",
        "Done, nothing wrong. A torn tail of the newest WAL segment is what any crash leaves: a warning, not damage.",
    ),
    ("1", "Damage or a difference was found."),
    (
        "2",
        "It could not run: usage, input or output, not a data directory, a fault of the program.",
    ),
    (
        "3",
        "A decision is needed, and nothing was written: records whose database is ambiguous, TARGET exists, SOURCE is in use. What only looks shows what is known.",
    ),
    (
        "129, 130, 143",
        "What writes files was stopped by SIGHUP, SIGINT or SIGTERM: a directory that was begun is removed, one that is compacted in place can be opened and compacted again. A second signal ends it at once; what is left then goes with the next command that writes beside it.",
    ),
];

impl Program {
    pub(super) fn command(self) -> Command {
        match self {
            Program::Migrate => MigrateCli::command(),
            Program::Inspect => InspectCli::command(),
        }
    }

    fn examples(self) -> &'static [ExampleText] {
        match self {
            Program::Migrate => examples::MIGRATE,
            Program::Inspect => examples::INSPECT,
        }
    }

    /// The definition whose help ends with examples, as the program runs it.
    pub fn command_with_examples(self) -> Command {
        with_examples(self.command(), self.examples())
    }

    /// The command lines of the page's EXAMPLES.
    pub fn example_lines(self) -> impl Iterator<Item = &'static str> {
        self.examples().iter().map(|(line, _)| *line)
    }

    /// Whether a command line, program name first, is one that it takes.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn accepts<'l>(self, line: impl Iterator<Item = &'l str>) -> Result<(), String> {
        let parsed = self.command().try_get_matches_from(line);
        parsed.map(drop).map_err(|error| error.to_string())
    }
}

/// The man page of a program, in roff.
///
/// # Errors
/// Never, but for a defect of the page's writer.
pub fn man_page(program: Program) -> io::Result<String> {
    let command = program.command();
    let mut page = Vec::new();
    let man = Man::new(command.clone().disable_help_subcommand(true))
        .title(program.name().to_uppercase())
        .section("1")
        .date("")
        .source(format!("rustdb-migrate {}", env!("CARGO_PKG_VERSION")))
        .manual("RustDB migration");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    let mut text = String::from_utf8_lossy(&page).into_owned();
    text.push_str(".PP\nThe kind of a data directory, legacy family or target layout, is always found from its bytes.\n");
    page.clear();
    man.render_options_section(&mut page)?;
    text.push_str(&String::from_utf8_lossy(&page));
    for subcommand in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        text.push_str(&subcommand_section(program, subcommand)?);
    }
    let mut end = Roff::new();
    exit_status(&mut end);
    findings(&mut end);
    words(&mut end);
    example_lines(&mut end, program);
    see_also(&mut end, program);
    text.push_str(&end.render());
    Ok(one_preamble(&text))
}

/// One section: the subcommand's own synopsis, options and notes.
fn subcommand_section(program: Program, subcommand: &Command) -> io::Result<String> {
    let name = subcommand.get_name().to_owned();
    let command = subcommand
        .clone()
        .bin_name(format!("{} {name}", program.name()))
        .disable_help_flag(true);
    let man = Man::new(command);
    let mut bytes = Vec::new();
    man.render_synopsis_section(&mut bytes)?;
    man.render_description_section(&mut bytes)?;
    man.render_options_section(&mut bytes)?;
    let has_notes = subcommand.get_after_long_help().is_some();
    if has_notes || subcommand.get_after_help().is_some() {
        man.render_extra_section(&mut bytes)?;
    }
    // Their sections become parts of one.
    let mut text = format!(".SH {}\n", name.to_uppercase());
    for line in String::from_utf8_lossy(&bytes).lines() {
        match line.strip_prefix(".SH ") {
            Some("SYNOPSIS" | "DESCRIPTION") => text.push_str(".PP"),
            Some("EXTRA") => text.push_str(".SS NOTES"),
            Some(heading) => text.push_str(&format!(".SS {heading}")),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    Ok(text)
}

fn exit_status(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_STATUS {
        entry(roff, code, meaning);
    }
}

fn findings(roff: &mut Roff) {
    roff.control("SH", ["FINDINGS"]);
    roff.text([roman(
        "What can be found, under the codes that the output for people and for programs shows. The severity is the usual one; the place where something is found can make it lighter.",
    )]);
    for code in Code::ALL {
        let title = format!("{code} ({})", code.severity());
        let text = format!("{} {}", code.meaning(), code.remedy());
        entry(roff, &title, &text);
    }
}

fn words(roff: &mut Roff) {
    roff.control("SH", ["WORDS"]);
    roff.text([roman(
        "What else the tools print, and what it means, as rustdb-inspect explain says it.",
    )]);
    for Word { word, of, meaning } in WORDS {
        entry(roff, &format!("{word} ({of})"), meaning);
    }
}

fn example_lines(roff: &mut Roff, program: Program) {
    roff.control("SH", ["EXAMPLES"]);
    for (line, meaning) in program.examples() {
        entry(roff, line, meaning);
    }
}

fn see_also(roff: &mut Roff, program: Program) {
    roff.control("SH", ["SEE ALSO"]);
    let others = Program::ALL.into_iter().filter(|other| *other != program);
    let mut text = Vec::new();
    for other in others {
        text.extend([bold(other.name()), roman("(1), ")]);
    }
    text.extend([bold("rustdb-format"), roman("(5)")]);
    roff.text(text);
}

fn entry(roff: &mut Roff, title: &str, text: &str) {
    roff.control("TP", []);
    roff.text([bold(title)]);
    roff.text([roman(text)]);
}

/// Every part opens with the same two lines; the page needs them once.
fn one_preamble(text: &str) -> String {
    let mut seen = Vec::new();
    let mut page = String::with_capacity(text.len());
    for line in text.lines() {
        if line.starts_with(".ie ") || line.starts_with(".el ") {
            if seen.contains(&line) {
                continue;
            }
            seen.push(line);
        }
        page.push_str(line.trim_end());
        page.push('\n');
    }
    page
}
