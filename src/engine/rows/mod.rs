//! Rows as bytes: one row, rows without a gap under one checksum, rows on their
//! way to a new table, and how many there are.

pub(in crate::engine) mod block;
pub(in crate::engine) mod codec;
pub(in crate::engine) mod counts;
pub(in crate::engine) mod encoded;
pub(in crate::engine) mod key;
pub(in crate::engine) mod packed_time;
pub(in crate::engine) mod row_run;
