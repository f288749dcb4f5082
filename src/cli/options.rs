//! Options that several subcommands share.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ColorChoice, ValueEnum};

use crate::commands::{OpenOptions, Progress, read_text};
use crate::legacy::Family;
use crate::recovery::{Decisions, Request};
use crate::work::Threads;

use super::progress::ShowProgress;

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

/// Options that every subcommand takes.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Say less: no warnings, no progress
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more: every finding, the parts of each thing, and how long it took
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Colour in what people read: by default on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
    /// Whether to show how far long work is, on stderr
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    pub progress: ShowProgress,
    /// Where the work tells how far it is.
    #[arg(skip)]
    pub watch: Progress,
}

/// How to read a data directory.
#[derive(Debug, Clone, Args)]
pub struct Reading {
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

/// What the user knows that the files do not say.
#[derive(Debug, Clone, Args)]
pub struct Deciding {
    /// Skip the detection of the legacy family: 1.3, 1.4, 1.10 or 2.3
    #[arg(long, value_name = "FAMILY")]
    pub from_family: Option<Family>,
    /// Records of TABLE were written for DATABASE (repeatable)
    #[arg(long, value_name = "TABLE=DATABASE")]
    pub assign: Vec<String>,
    /// Decision file, as `rustdb-migrate attribute` writes it
    #[arg(long, value_name = "FILE")]
    pub attribution: Option<PathBuf>,
}

impl Reading {
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

/// Parses the process's arguments by a program's definition. `--color` is looked for beforehand, so that
/// help and usage errors obey it too.
pub fn parse<P: clap::Parser>(command: clap::Command) -> P {
    let mut words = std::env::args_os().skip(1).peekable();
    let mut color = ColorChoice::Auto;
    while let Some(word) = words.next() {
        let value = match word.to_str() {
            Some("--") => break,
            Some("--color") => words.peek().and_then(|value| value.to_str()),
            Some(text) => text.strip_prefix("--color="),
            None => None,
        };
        if let Some(choice) = value.and_then(|value| value.parse().ok()) {
            color = choice;
        }
    }
    let matches = command.color(color).get_matches();
    P::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}
