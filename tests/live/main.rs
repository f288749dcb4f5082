//! The store that is written in place: random changes, random crashes, against
//! a model in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stdout
)]

mod crashes;
mod damage;
mod large;
mod model;
mod random;
mod sim_disk;
mod workload;
