//! What the commands write: targets, outputs and refusals.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

mod compact;
mod independent;
mod outputs;
mod quarantine;
mod refuses;
mod salvage_claims;
mod salvage_ours;
mod salvage_unread;
mod salvage_zeros;
#[path = "../support/mod.rs"]
mod support;
mod targets;
mod threads;
