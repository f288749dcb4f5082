//! `rustdb-migrate`: writes new directories.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::asked::parse;
use super::man::Program;
use super::options::Common;
use super::progress::shown;
use super::signals::{Signals, tolerate_file_size_limit};
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

impl Command {
    /// What is left when it is stopped half-way.
    fn left(&self) -> &'static str {
        match self {
            Command::Compact(args) if args.is_in_place() => {
                "each table is as before or as after; run it again to go on"
            }
            _ => "what was begun is removed",
        }
    }
}

/// Runs `rustdb-migrate` on the process's arguments.
pub fn run_migrate() -> ExitCode {
    let (cli, asked) = parse::<MigrateCli>(Program::Migrate);
    let common = &cli.common;
    let left = cli.command.left();
    let signals = tolerate_file_size_limit().and_then(|()| Signals::stop(&common.watch));
    let signals = match signals {
        Ok(signals) => signals,
        Err(error) => return exit::finish(&asked, Err(error.into())),
    };
    let result = shown(common, false, || match cli.command {
        Command::Upgrade(args) => upgrade::run(&args, common),
        Command::Attribute(args) => attribute::run(&args, common),
        Command::Compact(args) => compact::run(&args, common),
        Command::Completions(args) => completions::run(Program::Migrate, &args, common),
    });
    signals.finish(&asked, result, left)
}
