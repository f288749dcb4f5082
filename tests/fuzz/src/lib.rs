//! The targets, as the fuzzer builds them. They are the files that the plain
//! tests use, at the places where those look for one another.
#![allow(dead_code)]

#[path = "../../support/random.rs"]
mod random;
#[path = "../../support/sim_disk.rs"]
mod sim_disk;
pub mod support;
#[path = "../targets.rs"]
pub mod targets;
