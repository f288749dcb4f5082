//! The command line: arguments, one call, one render, an exit code. The only
//! floor that knows clap and anyhow.

mod exit;
mod inspect;
mod migrate;
mod options;
mod upgrade;

pub use exit::Exit;
pub use inspect::{InspectCli, run_inspect};
pub use migrate::{MigrateCli, run_migrate};
