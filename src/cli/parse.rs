//! The command line of the process, as far as it is understood.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgMatches, ColorChoice};

use super::Program;
use super::asked::Asked;
use super::document::{ErrorObject, failure};

/// Names under which subcommands take the directory that they read.
const SOURCE_IDS: [&str; 4] = ["source", "dir", "path", "a"];
/// Names under which they take the directory that they write.
const TARGET_IDS: [&str; 2] = ["target", "output"];

impl Asked {
    fn of(program: Program, words: Vec<OsString>) -> Self {
        let definition = program.command();
        let known = |word: &&str| definition.find_subcommand(word).is_some();
        let command = words.iter().skip(1).filter_map(|word| word.to_str());
        Asked {
            program,
            // Where the rest is not understood, the first word that names one.
            command: command
                .into_iter()
                .find(known)
                .unwrap_or_default()
                .to_owned(),
            json: asks_for_json(&words),
            words,
            source: None,
            target: None,
            quiet: false,
        }
    }

    fn understood(mut self, matches: &ArgMatches) -> Self {
        let Some((command, matches)) = matches.subcommand() else {
            return self;
        };
        command.clone_into(&mut self.command);
        self.quiet = matches.get_flag("quiet");
        self.source = SOURCE_IDS.iter().find_map(|id| {
            let paths = matches.try_get_many::<PathBuf>(id).ok()??;
            paths.into_iter().next().cloned()
        });
        self.target = TARGET_IDS.iter().find_map(|id| {
            let path = matches.try_get_one::<PathBuf>(id).ok()??;
            Some(path.clone())
        });
        self
    }
}

/// Parses the process's arguments by a program's definition. `--color` is
/// looked for beforehand, so that help and usage errors obey it too, and so is
/// `--format json`, so that a usage error is a document.
pub(super) fn parse<P: clap::Parser>(program: Program) -> (P, Asked) {
    let words: Vec<OsString> = std::env::args_os().collect();
    let color = option(&words, "--color")
        .filter_map(|choice| choice.parse().ok())
        .last();
    let command = program.command_with_examples();
    let command = command.color(color.unwrap_or(ColorChoice::Auto));
    let asked = Asked::of(program, words);
    let parsed = command
        .try_get_matches_from(&asked.words)
        .and_then(|matches| Ok((P::from_arg_matches(&matches)?, matches)));
    match parsed {
        Ok((cli, matches)) => (cli, asked.understood(&matches)),
        Err(error) => {
            if error.use_stderr() && asked.json {
                let message = error.render().to_string();
                let part = ErrorObject::usage(message.trim_end().trim_start_matches("error: "));
                asked.print(&failure(&asked, part, &[], &[]));
            }
            error.exit()
        }
    }
}

fn asks_for_json(words: &[OsString]) -> bool {
    option(words, "--format").any(|format| format == "json")
}

/// The values that a command line gives an option.
fn option<'w>(words: &'w [OsString], name: &'w str) -> impl Iterator<Item = &'w str> {
    let options = words.iter().take_while(|word| *word != "--").enumerate();
    options.filter_map(move |(at, word)| match word.to_str() {
        Some(word) if word == name => words.get(at + 1)?.to_str(),
        Some(word) => word.strip_prefix(name)?.strip_prefix('='),
        None => None,
    })
}
