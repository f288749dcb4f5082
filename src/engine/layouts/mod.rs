//! The layouts: how the rows of a table lie in files, and the choice among them.

pub(in crate::engine) mod append;
#[cfg(test)]
#[path = "bench/tests.rs"]
mod bench;
mod choice;
pub(in crate::engine) mod paged;
pub(in crate::engine) mod per_table;
#[cfg(test)]
mod tests;

pub(in crate::engine) use choice::Shape;
pub use choice::{CreateOptions, Layout};
pub use paged::MAX_PAGES_PER_FILE;
