//! The targets, as the fuzzer builds them. They are the files that the plain
//! tests use, at the places where those look for one another.
#![allow(dead_code)]

#[path = "../../support/random.rs"]
mod random;
#[path = "../../support/sim_disk.rs"]
mod sim_disk;
mod support {
    #[path = "../../../support/convert.rs"]
    pub mod convert;
    #[path = "../../../support/model.rs"]
    pub mod model;
    #[path = "../../../support/strict.rs"]
    pub mod strict;
}
#[path = "../targets.rs"]
pub mod targets;
