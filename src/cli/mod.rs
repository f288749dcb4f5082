//! The command line: arguments, one call, one render, an exit code. The only
//! floor that knows clap and anyhow.

mod after_error;
mod again;
mod asked;
mod attribute;
mod check;
mod closed;
mod compact;
mod completions;
mod diff;
mod document;
mod dump;
mod dump_files;
mod dump_options;
#[cfg(feature = "parquet")]
mod dump_parquet;
mod dump_schema;
mod dump_sql;
mod examples;
mod exit;
mod explain;
mod finish;
mod hash;
mod info;
mod inspect;
mod man;
mod migrate;
mod next_steps;
mod options;
mod output;
mod owner;
mod page;
mod page_json;
mod parse;
mod program;
mod progress;
#[cfg(feature = "report")]
mod report;
#[cfg(feature = "report")]
mod report_pages;
#[cfg(feature = "report")]
mod report_timeline;
#[cfg(feature = "report")]
mod report_writes;
mod run;
mod shell;
mod signals;
mod stats;
mod upgrade;
mod verify;
mod wal;
mod wal_explain;
mod wal_line;
mod words;

pub use exit::Exit;
pub use inspect::InspectCli;
pub use man::man_page;
pub use migrate::MigrateCli;
pub use program::Program;
pub use run::{run_inspect, run_migrate};
pub use words::{WORDS, Word};
