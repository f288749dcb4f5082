//! Reads what a RustDB 1.3-2.x server left on disk, works out what the data
//! really was, and writes it into a layout that can be checked.
//!
//! The modules are floors: each may use the ones below it, never those above.
//!
//! | floor | modules | knows |
//! |---|---|---|
//! | 6 | [`cli`] | arguments, exit codes; one file a subcommand |
//! | 5 | [`commands`] | one use case a file, over one logical view of any directory |
//! | 4 | [`recovery`] | what a crash and the old server's rules mean |
//! | 3 | [`legacy`], [`engine`], [`render`] | the old bytes; our bytes; output for people and programs |
//! | 2 | [`postgres`] | what a PostgreSQL server takes: names, types, equality |
//! | 2 | [`codec`], [`file`](mod@file), [`report`], [`work`] | bytes, files, findings and threads, no formats |
//! | 1 | [`model`], [`error`], [`finding`] | the vocabulary |
//!
//! The on-disk formats, read and written, are described byte by byte in
//! `man/rustdb-format.5`; comments name its sections.

pub mod cli;
pub mod codec;
pub mod commands;
pub mod engine;
pub mod error;
pub mod file;
pub mod finding;
pub mod legacy;
pub mod model;
pub mod postgres;
pub mod recovery;
pub mod render;
pub mod report;
pub mod work;
