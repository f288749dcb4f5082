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
mod independent;
mod interface;
mod kills;
mod large;
mod many;
mod model;
#[path = "../support/peer.rs"]
mod peer;
#[path = "../support/random.rs"]
mod random;
#[allow(dead_code)]
#[path = "../../examples/shared.rs"]
mod shared;
#[path = "../support/sim_disk.rs"]
mod sim_disk;
#[path = "../support/skip.rs"]
mod skip;
mod workload;
