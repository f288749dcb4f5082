//! `rustdb-inspect`: looks, and never writes.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::exit;
use super::options::Common;

/// Shows what is in a RustDB data directory, legacy or upgraded.
#[derive(Debug, Parser)]
#[command(name = "rustdb-inspect", version, about, max_term_width = 100)]
pub struct InspectCli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {}

/// Runs `rustdb-inspect` on the process's arguments.
pub fn run_inspect() -> ExitCode {
    let cli = InspectCli::parse();
    exit::finish("rustdb-inspect", match cli.command {})
}
