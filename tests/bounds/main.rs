//! Time and memory are bounded, whatever the input.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

mod engine_memory;
mod growth;
mod lines;
#[path = "../bench/measure.rs"]
#[allow(dead_code)]
mod measure;
mod memory_limit;
mod signals;
mod sparse;
#[path = "../support/mod.rs"]
mod support;
