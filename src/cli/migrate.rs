//! `rustdb-migrate`: writes new directories.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::man::Program;
use super::options::{Common, parse};
use super::progress::shown;
use super::{attribute, compact, completions, exit, upgrade};

/// Moves RustDB 1.3-2.x data into a layout that scales and can be checked.
#[derive(Debug, Parser)]
#[command(name = "rustdb-migrate", version, max_term_width = 100)]
pub struct MigrateCli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Upgrade(upgrade::UpgradeArgs),
    Attribute(attribute::AttributeArgs),
    Compact(compact::CompactArgs),
    Completions(completions::CompletionsArgs),
}

/// Runs `rustdb-migrate` on the process's arguments.
pub fn run_migrate() -> ExitCode {
    let cli: MigrateCli = parse(Program::Migrate.command_with_examples());
    let common = &cli.common;
    let result = shown(common, false, || match cli.command {
        Command::Upgrade(args) => upgrade::run(&args, common),
        Command::Attribute(args) => attribute::run(&args, common),
        Command::Compact(args) => compact::run(&args, common),
        Command::Completions(args) => completions::run(Program::Migrate, &args, common),
    });
    exit::finish("rustdb-migrate", result)
}
