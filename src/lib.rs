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
//! use rustdb_migrate::commands::OpenOptions;
//! use rustdb_migrate::commands::convert::Numeric;
//! use rustdb_migrate::commands::upgrade::{Outcome, Target, UpgradeOptions, upgrade};
//! use rustdb_migrate::engine::{Layout, LiveStore, StoreOptions};
//! use rustdb_migrate::file::LocalDisk;
//! use rustdb_migrate::model::{Value, ValueRef};
//!
//! # fn main() -> rustdb_migrate::error::Result<()> {
//! # let scratch = tempfile::tempdir().unwrap();
//! let target = scratch.path().join("new");
//! let report = upgrade(&UpgradeOptions {
//!     source: "fixtures/torn_tail/data".into(),
//!     target: target.clone(),
//!     disk: LocalDisk::shared(),
//!     to: Target::Layout(Layout::Paged),
//!     pages_per_file: None,
//!     open: OpenOptions::default(),
//!     release: None,
//!     numeric: Numeric::Keep,
//!     drop_dead: false,
//!     dry_run: false,
//!     force: false,
//! })?;
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
//! The modules are floors: each may use the ones below it, never those above.
//!
//! | floor | modules | knows |
//! |---|---|---|
//! | 6 | [`cli`] | arguments, exit codes; one file a subcommand |
//! | 5 | [`commands`] | one use case a file, over one logical view of any directory |
//! | 4 | [`recovery`] | what a crash and the old server's rules mean |
//! | 3 | [`legacy`], [`engine`], [`render`] | the old bytes; our bytes; output for people and programs |
//! | 2 | [`postgres`] | what a PostgreSQL server takes: names, types, equality |
//! | 2 | [`codec`], [`file`](mod@file), [`report`], [`work`] | bytes, files, findings and threads, no formats |
//! | 1 | [`model`], [`error`], [`finding`] | the vocabulary |
//!
//! The on-disk formats, read and written, are described byte by byte in
//! `man/rustdb-format.5`; comments name its sections.

#[cfg(feature = "cli")]
pub mod cli;
pub mod codec;
pub mod commands;
pub mod engine;
pub mod error;
pub mod file;
pub mod finding;
pub mod legacy;
pub mod model;
pub mod postgres;
pub mod recovery;
#[cfg(feature = "cli")]
pub mod render;
pub mod report;
pub mod work;
