//! Runs the programs: what each subcommand does, watched and ended alike.

use std::process::ExitCode;

use super::closed::refused;
use super::finish::finish;
use super::inspect::InspectCommand;
use super::migrate::MigrateCommand;
use super::parse::parse;
use super::progress::shown;
#[cfg(feature = "report")]
use super::report;
use super::signals::{Signals, tolerate_file_size_limit};
use super::{InspectCli, MigrateCli, Program};
use super::{
    attribute, check, compact, completions, diff, dump, explain, hash, info, page, stats, upgrade,
    verify, wal,
};

/// Runs `rustdb-inspect` on the process's arguments.
pub fn run_inspect() -> ExitCode {
    if let Some(refused) = refused(Program::Inspect) {
        return refused;
    }
    let (InspectCli { common, command }, asked) = parse(Program::Inspect);
    let streams = matches!(command, InspectCommand::Dump(_) | InspectCommand::Wal(_));
    let signals = match command.writes_files() {
        true => Signals::stop(&common.watch).map(Some),
        false => Ok(None),
    };
    let signals = match tolerate_file_size_limit().and(signals) {
        Ok(signals) => signals,
        Err(error) => return finish(&asked, Err(error.into())),
    };
    let result = shown(&common, streams, || match command {
        InspectCommand::Info(args) => info::run(&args, &common),
        InspectCommand::Dump(args) => dump::run(&args, &common),
        InspectCommand::Wal(args) => wal::run(&args, &common),
        InspectCommand::Page(args) => page::run(&args, &common),
        InspectCommand::Verify(args) => verify::run(&args, &common),
        InspectCommand::Diff(args) => diff::run(&args, &common),
        InspectCommand::Hash(args) => hash::run(&args, &common),
        InspectCommand::Check(args) => check::run(&args, &common),
        InspectCommand::Stats(args) => stats::run(&args, &common),
        #[cfg(feature = "report")]
        InspectCommand::Report(args) => report::run(&args, &common),
        InspectCommand::Explain(args) => explain::run(&args, &common),
        InspectCommand::Completions(args) => completions::run(Program::Inspect, &args, &common),
    });
    match signals {
        Some(signals) => signals.finish(&asked, result, "what was begun is removed"),
        None => finish(&asked, result),
    }
}

/// Runs `rustdb-migrate` on the process's arguments.
pub fn run_migrate() -> ExitCode {
    if let Some(refused) = refused(Program::Migrate) {
        return refused;
    }
    let (cli, asked) = parse::<MigrateCli>(Program::Migrate);
    let common = &cli.common;
    let left = cli.command.left();
    let signals = tolerate_file_size_limit().and_then(|()| Signals::stop(&common.watch));
    let signals = match signals {
        Ok(signals) => signals,
        Err(error) => return finish(&asked, Err(error.into())),
    };
    let result = shown(common, false, || match cli.command {
        MigrateCommand::Upgrade(args) => upgrade::run(&args, common),
        MigrateCommand::Attribute(args) => attribute::run(&args, common),
        MigrateCommand::Compact(args) => compact::run(&args, common),
        MigrateCommand::Completions(args) => completions::run(Program::Migrate, &args, common),
    });
    signals.finish(&asked, result, left)
}
