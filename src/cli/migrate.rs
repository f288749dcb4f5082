//! `rustdb-migrate`: writes new directories.

use clap::{Parser, Subcommand};

use super::options::{Common, CompletionsArgs};
use super::{attribute, compact, upgrade};

/// Moves RustDB 1.3-2.x data into a layout that scales and can be checked.
#[derive(Debug, Parser)]
#[command(name = "rustdb-migrate", version, max_term_width = 100)]
pub struct MigrateCli {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) command: MigrateCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum MigrateCommand {
    Upgrade(upgrade::UpgradeArgs),
    Attribute(attribute::AttributeArgs),
    Compact(compact::CompactArgs),
    Completions(CompletionsArgs),
}

impl MigrateCommand {
    /// What is left when it is stopped half-way.
    pub(super) fn left(&self) -> &'static str {
        match self {
            MigrateCommand::Compact(args) if args.is_in_place() => {
                "each table is as before or as after; run it again to go on"
            }
            _ => "what was begun is removed",
        }
    }
}
