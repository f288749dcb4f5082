//! One use case a file. Every command sees a directory, legacy or ours, through
//! one logical view ([`Directory`]); none prints.

pub mod content;
pub mod convert;
pub mod upgrade;

mod directory;

pub use crate::file::file_outside;

pub use directory::{Backend, Directory, Kind, OpenOptions, Opened};
