//! `rustdb-inspect`: looks, and never writes.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::asked::parse;
use super::man::Program;
use super::options::Common;
use super::progress::shown;
use super::signals::{Signals, tolerate_file_size_limit};
use super::{check, completions, diff, dump, exit, explain, hash, info, page, stats, verify, wal};

/// Shows what is in a RustDB data directory, legacy or upgraded
#[derive(Debug, Parser)]
#[command(name = "rustdb-inspect", version, max_term_width = 100)]
pub struct InspectCli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Info(info::InfoArgs),
    Dump(dump::DumpArgs),
    Wal(wal::WalArgs),
    Page(page::PageArgs),
    Verify(verify::VerifyArgs),
    Diff(diff::DiffArgs),
    Hash(hash::HashArgs),
    Check(check::CheckArgs),
    Stats(stats::StatsArgs),
    #[cfg(feature = "report")]
    Report(super::report::ReportArgs),
    Explain(explain::ExplainArgs),
    Completions(completions::CompletionsArgs),
}

impl Command {
    /// Only what writes files, for the user or for its own work, has something to
    /// remove.
    fn writes_files(&self) -> bool {
        match self {
            Command::Dump(args) => args.writes_files(),
            Command::Stats(_) => true,
            #[cfg(feature = "report")]
            Command::Report(_) => true,
            _ => false,
        }
    }
}

/// Runs `rustdb-inspect` on the process's arguments.
pub fn run_inspect() -> ExitCode {
    let (InspectCli { common, command }, asked) = parse(Program::Inspect);
    let streams = matches!(command, Command::Dump(_) | Command::Wal(_));
    let signals = match command.writes_files() {
        true => Signals::stop(&common.watch).map(Some),
        false => Ok(None),
    };
    let signals = match tolerate_file_size_limit().and(signals) {
        Ok(signals) => signals,
        Err(error) => return exit::finish(&asked, Err(error.into())),
    };
    let result = shown(&common, streams, || match command {
        Command::Info(args) => info::run(&args, &common),
        Command::Dump(args) => dump::run(&args, &common),
        Command::Wal(args) => wal::run(&args, &common),
        Command::Page(args) => page::run(&args, &common),
        Command::Verify(args) => verify::run(&args, &common),
        Command::Diff(args) => diff::run(&args, &common),
        Command::Hash(args) => hash::run(&args, &common),
        Command::Check(args) => check::run(&args, &common),
        Command::Stats(args) => stats::run(&args, &common),
        #[cfg(feature = "report")]
        Command::Report(args) => super::report::run(&args, &common),
        Command::Explain(args) => explain::run(&args, &common),
        Command::Completions(args) => completions::run(Program::Inspect, &args, &common),
    });
    match signals {
        Some(signals) => signals.finish(&asked, result, "what was begun is removed"),
        None => exit::finish(&asked, result),
    }
}
