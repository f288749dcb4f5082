//! The command line: arguments, one call, one render, an exit code. The only
//! floor that knows clap and anyhow.

mod attribute;
mod check;
mod diff;
mod dump;
mod dump_schema;
mod exit;
mod hash;
mod info;
mod inspect;
mod man;
mod migrate;
mod options;
mod output;
mod progress;
mod upgrade;
mod verify;
mod wal;
mod wal_explain;
mod wal_line;

pub use exit::Exit;
pub use inspect::{InspectCli, run_inspect};
pub use man::{Program, man_page};
pub use migrate::{MigrateCli, run_migrate};
