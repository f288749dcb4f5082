//! What the integration tests share: an oracle for the legacy bytes, a small
//! server that leaves such bytes, and the fixtures made with both.

// Every test binary uses another part of it.
#![allow(dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing)]

pub mod agreement;
pub mod arbitrary;
pub mod builder;
pub mod content;
pub mod convert;
pub mod csv;
pub mod damaged;
pub mod disk;
pub mod hostile;
pub mod model;
pub mod pages;
pub mod peer;
pub mod repaired;
pub mod restart;
pub mod run;
pub mod schema;
pub mod server;
pub mod skip;
pub mod strict;
pub mod tool;
pub mod truth;
pub mod wal;
