//! Directories of ours: written, read back, damaged in every way and verified.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod append;
mod append_damage;
mod bytes;
mod damage;
mod example;
mod forged;
mod magic;
mod newer;
mod paged;
mod paged_damage;
mod paged_forged;
#[path = "../support/peer.rs"]
mod peer;
mod round_trip;
mod sample;
#[path = "../support/skip.rs"]
mod skip;
