//! What an old server left: files are read as the format page says, and the fixtures stand.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used
)]

mod agreement;
mod directory;
mod family;
mod fixtures;
mod properties;
mod rows;
mod snapshot;
#[path = "../support/mod.rs"]
mod support;
mod wal;
mod wal_order;
