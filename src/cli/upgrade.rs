//! `rustdb-migrate upgrade`.

use super::Exit;
use super::options::Common;

/// Writes SOURCE into a new directory TARGET.
#[derive(Debug, clap::Args)]
pub struct UpgradeArgs {}

/// Runs the subcommand.
pub fn run(_args: &UpgradeArgs, _common: &Common) -> anyhow::Result<Exit> {
    Ok(Exit::Done)
}
