//! Reads what a RustDB 1.3-2.x server left on disk, works out what the data
//! really was, and writes it into a layout that can be checked.
//!
//! # Reading what a server left
//!
//! A directory of any kind is one logical view: databases, tables, a stream of
//! rows. That of a server has its log applied, by the rules that the running
//! server followed; what the files do not say for certain is a finding.
//!
//! ```
//! use rustdb_migrate::commands::{Directory, OpenOptions};
//! use rustdb_migrate::model::{RowSource, Value};
//!
//! # fn main() -> rustdb_migrate::error::Result<()> {
//! // Of a server that was killed while it wrote.
//! let left = Directory::open("fixtures/torn_tail/data".as_ref(), &OpenOptions::default())?;
//! let findings = left.findings();
//! let codes: Vec<&str> = findings.findings().iter().map(|one| one.code.as_str()).collect();
//! assert_eq!(codes, ["unlogged-changes", "torn-tail"]);
//!
//! let databases = &left.catalog().databases;
//! let (d, lab) = databases.iter().enumerate().find(|(_, one)| one.name == "lab").unwrap();
//! let t = lab.tables.iter().position(|one| one.name == "samples").unwrap();
//! let mut codes = Vec::new();
//! let mut rows = left.open_rows(d, t)?;
//! while let Some(batch) = rows.next_batch()? {
//!     for row in batch.rows().filter(|row| row.is_visible()) {
//!         codes.extend(row.value(0).map(|code| code.to_owned()));
//!     }
//! }
//! assert_eq!(codes, [Value::Char("B2    ".into())]);
//! # Ok(())
//! # }
//! ```
//!
//! # Converting it, and opening what was written
//!
//! An upgrade reads, writes beside the target, verifies every byte, compares
//! content hashes and renames. What it finds is in its report; only what keeps
//! it from running is an error.
//!
//! ```
//! use std::path::Path;
//!
//! use rustdb_migrate::commands::upgrade::{Outcome, Target, UpgradeOptions, upgrade};
//! use rustdb_migrate::engine::{Layout, LiveStore, StoreOptions};
//! use rustdb_migrate::model::{Value, ValueRef};
//!
//! # fn main() -> rustdb_migrate::error::Result<()> {
//! # let scratch = tempfile::tempdir().unwrap();
//! let target = scratch.path().join("new");
//! let options = UpgradeOptions {
//!     to: Target::Layout(Layout::Append),
//!     drop_dead: true,
//!     ..Default::default()
//! };
//! let report = upgrade(Path::new("fixtures/torn_tail/data"), &target, &options)?;
//! assert_eq!(report.outcome, Outcome::Done);
//!
//! let store = LiveStore::open(&target, StoreOptions::default())?;
//! let samples = store.table("lab", "samples")?;
//! let (_, row) = samples.find(&ValueRef::Char("B2    "))?.unwrap();
//! assert_eq!(row.values[2], Value::Numeric("2.5".into()));
//! # Ok(())
//! # }
//! ```
//!
//! [`engine::Store`] opens such a directory for reading alone, and
//! [`engine::LiveStore`] shows how to write.
//!
//! # Features
//!
//! Without default features this is a library alone, without the programs and what
//! they need: `default-features = false`.
//!
//! # Stability
//!
//! Codes of findings, exit codes and the shapes of JSON stay. Enums that grow
//! with layouts, families, findings and errors are `non_exhaustive`.
//!
//! # The modules
//!
//! | module | what is there |
//! |---|---|
//! | [`engine`] | directories of ours: [`LiveStore`](engine::LiveStore), [`Store`](engine::Store), verification |
//! | [`commands`] | what the programs do, one use case a module |
//! | [`model`] | databases, tables, rows, values |
//! | [`error`], [`finding`], [`report`] | why something could not be done, and what was found |
//!
//! What else they take and give is below. Modules that are not shown serve the programs
//! and the tests of this package, and change as these need it. Which may use which is in
//! `man/internals.md`; the formats, read and written, are described byte by byte in
//! `man/rustdb-format.5`, whose sections comments name.

pub use codec::{MadeRows, pack_row};
pub use file::{
    Disk, DiskFile, DiskWriter, EntryKind, LocalDisk, Lock, Phase, Progress, ProgressNow, Room,
    SourceEntry, Watch,
};
pub use work::Threads;

pub mod commands;
pub mod engine;
pub mod error;
pub mod finding;
pub mod model;
pub mod report;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod codec;
#[doc(hidden)]
pub mod file;
#[doc(hidden)]
pub mod legacy;
#[doc(hidden)]
pub mod postgres;
#[doc(hidden)]
pub mod recovery;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod render;
#[doc(hidden)]
pub mod work;
