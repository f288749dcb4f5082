//! Whose a record is, what replay undid and what a cut left: against real rules, by histories of
//! which the truth is known.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    missing_docs
)]

mod calibration;
mod claims;
mod cut;
mod decisions;
mod exact;
#[path = "../histories/mod.rs"]
mod histories;
mod mixed_times;
mod real_directories;
mod recovered;
mod repair;
mod repair_histories;
mod salvage_cuts;
#[path = "../support/mod.rs"]
mod support;
mod unlogged;
