//! `rustdb-inspect`: looks, and never writes.

use clap::{Parser, Subcommand};

use super::options::{Common, CompletionsArgs};
use super::{check, diff, dump, explain, hash, info, page, stats, verify, wal};

/// Shows what is in a RustDB data directory, legacy or upgraded
#[derive(Debug, Parser)]
#[command(name = "rustdb-inspect", version, max_term_width = 100)]
pub struct InspectCli {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) command: InspectCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum InspectCommand {
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
    Completions(CompletionsArgs),
}

impl InspectCommand {
    /// Only what writes files, for the user or for its own work, has something to
    /// remove.
    pub(super) fn writes_files(&self) -> bool {
        match self {
            InspectCommand::Dump(args) => args.writes_files(),
            InspectCommand::Stats(_) => true,
            #[cfg(feature = "report")]
            InspectCommand::Report(_) => true,
            _ => false,
        }
    }
}
