//! `rustdb-inspect` from outside: what it prints, how it ends, and that it
//! leaves everything as it was.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::print_stdout, clippy::string_slice)]

#[path = "../support/mod.rs"]
mod support;

mod browser;
mod check;
mod completions;
mod diff;
mod documents;
mod dump;
mod explain;
mod hash;
mod hostile;
mod info;
mod next;
mod owner;
mod page;
mod report;
mod screens;
mod stats;
mod terminal;
mod verify;
mod wal;
