//! `rustdb-inspect` from outside: what it prints, how it ends, and that it
//! leaves everything as it was.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::print_stdout, clippy::string_slice)]

#[path = "../support/mod.rs"]
mod support;

mod browser;
mod check;
mod diff;
mod dump;
mod explain;
mod hash;
mod hostile;
mod info;
mod next;
mod page;
mod report;
mod stats;
mod terminal;
mod verify;
mod wal;
