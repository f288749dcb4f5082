//! SQL that `psql` loads into PostgreSQL 15, or `sqlite3` into SQLite 3.

mod access;
mod copy;
mod sqlite;
mod statements;

pub use access::{push_database_access, push_roles, push_table_access};
pub use copy::{CopyRows, END_OF_DATA};
pub use sqlite::{
    InsertRows, push_sqlite_database, push_sqlite_end, push_sqlite_header, push_sqlite_sequences,
    push_sqlite_table,
};
pub use statements::{
    push_constraints, push_database, push_end_of_database, push_header, push_table, push_views,
};

use crate::finding::Finding;

use super::escape;

/// Appends a comment; text from files cannot leave it.
fn push_comment(out: &mut Vec<u8>, text: &str) {
    for line in text.split('\n') {
        out.extend_from_slice(b"-- ");
        out.extend_from_slice(escape(line).as_bytes());
        out.push(b'\n');
    }
}

/// Appends what differs from the source.
fn push_notes(out: &mut Vec<u8>, notes: &[Finding]) {
    for note in notes {
        let detail = note.detail.as_deref().unwrap_or_default();
        // One line each: a name can hold a line end.
        let detail = escape(detail);
        out.extend_from_slice(format!("-- {}: {detail}\n", note.code).as_bytes());
    }
}

/// Appends a line.
fn push_line(out: &mut Vec<u8>, line: &str) {
    out.extend_from_slice(line.as_bytes());
    out.push(b'\n');
}
