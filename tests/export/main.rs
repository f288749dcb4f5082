//! What `dump` writes, loaded into the programs it is written for, and read
//! back through them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::string_slice, clippy::print_stdout)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/random.rs"]
mod random;

mod csv;
#[cfg(feature = "parquet")]
mod engines;
mod loaded;
mod manifest;
#[cfg(feature = "parquet")]
mod parquet;
mod postgres;
mod sql;
mod sql_access;
mod sql_edges;
mod sql_random;
mod sqlite;
