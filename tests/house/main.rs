//! The rules of the house, and its pages: what they show is what the tools do.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

mod architecture;
mod imports;
mod man_pages;
mod pages;
