//! What a PostgreSQL 15 server takes: names, types, which value fits which type
//! without a loss, and when two values are equal to it.
//!
//! Nothing here reads or writes a file; [`plan`] is what the reader of a
//! directory hands to the writer of SQL.

mod column_type;
mod copy;
mod decimal;
mod fit;
mod json;
mod key;
mod moment;
mod name;
pub mod plan;
mod sqlite;

pub use column_type::{EnumType, PgType, candidates, sqlite_candidates};
pub use copy::{copy_len, push_copy};
pub use fit::{decimal_digits, fits, integer, moment, unscaled};
pub use key::{MAX_KEY_LEN, comparable, push_key};
pub use moment::Moment;
pub use name::{NameRules, assign_names, quote_ident, quote_literal};
pub use sqlite::{push_sqlite, push_sqlite_text, sqlite_len};

/// Columns that a table can have.
pub const MAX_COLUMNS: usize = 1600;

/// Columns that a table of SQLite can have.
pub const MAX_SQLITE_COLUMNS: usize = 2000;

/// Bytes of the longest statement that SQLite reads, with room for what is not values.
pub const MAX_SQLITE_STATEMENT: u64 = 1_000_000_000 - 64 * 1024;

/// Bytes of a row that lie in its page whatever its length: longer values move
/// out of the page, down to [`INLINE_LEN`] each.
pub const MAX_INLINE_ROW: usize = 8000;

/// Bytes of the longest value that is never moved out of its page.
pub const INLINE_LEN: usize = 24;

/// Bytes that a row takes in its page beside its values, each column's NULL bit
/// included.
pub const fn row_head_len(columns: usize) -> usize {
    32 + columns / 8
}

/// Bytes of the longest line that COPY reads.
pub const MAX_COPY_LINE: u64 = 0x3fff_ffff - 64 * 1024;
