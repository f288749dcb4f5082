//! Options that several subcommands share.

use std::path::PathBuf;

use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ColorChoice, ValueEnum};

use crate::commands::{OpenOptions, Progress, read_text};
use crate::legacy::Family;
use crate::recovery::{Decisions, Request};
use crate::work::Threads;

/// The legacy families, as the command line names them.
pub(super) const FAMILIES: &[&str] = &["1.3", "1.4", "1.10", "2.3"];
/// Most bytes of a decision file: some hundred thousand decisions with their
/// comments.
const MAX_DECISION_LEN: u64 = 64 * 1024 * 1024;

/// Output for people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// When to show how far things are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ShowProgress {
    /// On a terminal, unless -q
    #[default]
    Auto,
    /// Always; a line a second where there is no terminal
    Always,
    /// Never
    Never,
}

/// Stands last in every help: what a command does comes first.
const GENERAL: &str = "General options";

/// Options that every subcommand takes.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Say less: no warnings, no progress
    #[arg(short, long, global = true, help_heading = GENERAL)]
    pub quiet: bool,
    /// Say more: every finding, the parts of each thing, and how long it took
    #[arg(short, long, global = true, help_heading = GENERAL, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Colour in what people read: by default on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, help_heading = GENERAL, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
    /// Whether to show how far long work is, on stderr
    #[arg(long, global = true, help_heading = GENERAL, value_enum, value_name = "WHEN", default_value_t)]
    pub progress: ShowProgress,
    /// Where the work tells how far it is.
    #[arg(skip)]
    pub watch: Progress,
}

/// How to read a data directory.
#[derive(Debug, Clone, Args)]
pub struct ReadArgs {
    /// Show the snapshot alone, without applying the WAL
    #[arg(long)]
    pub no_wal: bool,
    /// Threads that read at once [default: one a processor, at most 8]
    #[arg(long, value_name = "N")]
    pub threads: Option<Threads>,
    #[command(flatten)]
    pub deciding: Deciding,
}

/// How far to go beyond what the files say by themselves.
#[derive(Debug, Clone, Copy, Args)]
pub struct Beyond {
    /// Go on past damage, keep what can be kept and list what cannot
    #[arg(long)]
    pub salvage: bool,
    /// Undo what an earlier start of the server did wrong, where it is proven
    #[arg(long)]
    pub repair_replay: bool,
}

impl Beyond {
    /// Asks for it.
    pub fn apply(&self, options: &mut OpenOptions) {
        options.recovery.salvage = self.salvage;
        options.recovery.repair_replay = self.repair_replay;
    }
}

/// Showing what an upgrade would keep of a damaged directory.
#[derive(Debug, Clone, Copy, Args)]
pub struct Salvaging {
    /// Go on past damage, show what `upgrade --salvage` would keep and list what it would not
    #[arg(long, conflicts_with = "no_wal")]
    pub salvage: bool,
}

/// What the user knows that the files do not say.
#[derive(Debug, Clone, Args)]
pub struct Deciding {
    /// Skip the detection of the legacy family
    #[arg(long, value_name = "FAMILY", value_parser = one_of::<Family>(FAMILIES))]
    pub from_family: Option<Family>,
    /// Records of TABLE were written for DATABASE (repeatable)
    #[arg(long, value_name = "TABLE=DATABASE")]
    pub assign: Vec<String>,
    /// Decision file, as `rustdb-migrate attribute` writes it
    #[arg(long, value_name = "FILE")]
    pub attribution: Option<PathBuf>,
}

impl ReadArgs {
    /// The options in the terms of the library.
    pub fn open_options(&self, common: &Common) -> anyhow::Result<OpenOptions> {
        let mut options = self.deciding.open_options()?;
        options.progress = common.watch.clone();
        options.recovery.without_wal = self.no_wal;
        options.threads = self.threads.unwrap_or_default();
        Ok(options)
    }
}

impl Deciding {
    /// The options as words, for a command that is to read alike.
    pub fn words(&self) -> Vec<String> {
        let family = self.from_family.map(|family| family.to_string());
        let file = self.attribution.as_ref();
        let file = file.map(|file| file.to_string_lossy().into_owned());
        let assigned = self.assign.iter().cloned().map(|one| ("--assign", one));
        let words = family.map(|family| ("--from-family", family)).into_iter();
        let words = words
            .chain(assigned)
            .chain(file.map(|file| ("--attribution", file)));
        words
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect()
    }

    /// The options in the terms of the library, with the WAL applied.
    pub fn open_options(&self) -> anyhow::Result<OpenOptions> {
        Ok(OpenOptions {
            family: self.from_family,
            recovery: Request {
                decisions: decisions(&self.assign, self.attribution.as_deref())?,
                ..Request::default()
            },
            look_for_writers: true,
            ..OpenOptions::default()
        })
    }
}

/// Writes what completes commands, options and values in a shell
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
--install writes the completions of both programs for bash, zsh and fish, and their man pages, where the shells and \
man look for what belongs to one user, and says where. For one shell and one program alone:\n\
bash: rustdb-inspect completions bash > ~/.local/share/bash-completion/completions/rustdb-inspect\n\
zsh:  rustdb-inspect completions zsh > DIRECTORY_OF_FPATH/_rustdb-inspect\n\
fish: rustdb-inspect completions fish > ~/.config/fish/completions/rustdb-inspect.fish")]
pub struct CompletionsArgs {
    /// bash, zsh or fish
    #[arg(value_parser = ["bash", "zsh", "fish"], required_unless_present = "install")]
    pub(super) shell: Option<String>,
    /// Put the completions and man pages of both programs where they are found
    #[arg(long, conflicts_with = "shell")]
    pub(super) install: bool,
}

/// Parses one of a few words, which help and completions show.
pub(super) fn one_of<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: std::str::FromStr + Clone + Send + Sync + 'static,
    T::Err: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}

/// What the user decided, from the command line.
pub fn decisions(assign: &[String], file: Option<&std::path::Path>) -> anyhow::Result<Decisions> {
    let mut decisions = Decisions::default();
    if let Some(file) = file {
        let text = read_text(file, MAX_DECISION_LEN).context("--attribution")?;
        let read = Decisions::parse(&text);
        decisions = read.with_context(|| format!("--attribution {}", file.display()))?;
    }
    for text in assign {
        decisions
            .assign(text)
            .map_err(|why| anyhow::anyhow!("--assign: {why}"))?;
    }
    Ok(decisions)
}
