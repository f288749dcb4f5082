//! The same plan for the command line of SQLite: one database, its tables with
//! their keys, and a statement for each row.

use crate::finding::Finding;
use crate::model::{DataType, RowRef, Table, ValueRef};
use crate::postgres::plan::{DatabasePlan, TablePlan};
use crate::postgres::{PgType, push_sqlite, push_sqlite_text, quote_ident, quote_literal};

use super::super::json::{push_redacted_value, push_string, push_value};
use super::super::value::push_redacted;
use super::{push_comment, push_line, push_notes};

/// Appends what comes first; `missing` is what was found that keeps rows out of
/// the script.
pub fn push_sqlite_header(out: &mut Vec<u8>, missing: &[Finding], redacted: bool) {
    push_comment(
        out,
        "RustDB data for SQLite 3. Load it into a new database:\n\
         sqlite3 -bail new.db < FILE\n\
         Lines such as `-- type-widened: ...` say what differs from the source.",
    );
    if redacted {
        push_comment(
            out,
            "Values are redacted: every column is text and has no constraints.",
        );
    }
    if !missing.is_empty() {
        push_comment(
            out,
            "The source is not whole, or records of its log wait for a decision:",
        );
        push_notes(out, missing);
    }
    push_line(out, "PRAGMA foreign_keys = OFF;");
    push_line(out, "BEGIN;");
}

/// Appends what the database is called, and its views as comments: their SQL is the
/// old server's.
pub fn push_sqlite_database(out: &mut Vec<u8>, database: &DatabasePlan) {
    push_comment(out, &format!("database {:?}", database.name));
    push_notes(out, &database.notes);
    super::push_views(out, database);
}

/// Appends what closes the script.
pub fn push_sqlite_end(out: &mut Vec<u8>) {
    push_line(out, "COMMIT;");
}

/// Appends a table; rows follow.
pub fn push_sqlite_table(out: &mut Vec<u8>, table: &TablePlan, source: &Table) {
    push_notes(out, &table.notes);
    let mut lines = Vec::new();
    match &table.as_json {
        Some(column) => lines.push(format!("    {} TEXT NOT NULL", quote_ident(column))),
        None => {
            for (at, column) in table.columns.iter().enumerate() {
                let declared = source.columns.get(at).map(|column| &column.data_type);
                let mut line = format!("    {}", quote_ident(&column.name));
                line.push_str(affinity(&column.of, declared));
                if column.not_null {
                    line.push_str(" NOT NULL");
                }
                match table.key(at) {
                    Some(key) if key.primary => line.push_str(" PRIMARY KEY"),
                    Some(_) => line.push_str(" UNIQUE"),
                    None => {}
                }
                if counts(table, at) {
                    line.push_str(" AUTOINCREMENT");
                }
                lines.push(line);
            }
            for key in &table.foreign_keys {
                let column = table.columns.get(key.column);
                let column = quote_ident(column.map_or("", |column| &column.name));
                let (to, referenced) = (quote_ident(&key.table), quote_ident(&key.referenced));
                lines.push(format!(
                    "    FOREIGN KEY ({column}) REFERENCES {to} ({referenced})"
                ));
            }
        }
    }
    let name = quote_ident(&table.name);
    push_line(
        out,
        &format!("CREATE TABLE {name} (\n{}\n);", lines.join(",\n")),
    );
}

/// Appends what follows the rows of a table: where its key goes on.
pub fn push_sqlite_sequences(out: &mut Vec<u8>, table: &TablePlan) {
    let sequences = table.columns.iter().enumerate();
    for (_, column) in sequences.filter(|(at, _)| counts(table, *at)) {
        let next = column.sequence.as_ref().map(|sequence| sequence.next);
        let last = match next {
            Some(Some(next)) => next.saturating_sub(1),
            _ => i64::MAX,
        };
        let name = quote_literal(&table.name);
        push_line(
            out,
            &format!("DELETE FROM sqlite_sequence WHERE name = {name};"),
        );
        push_line(
            out,
            &format!("INSERT INTO sqlite_sequence (name, seq) VALUES ({name}, {last});"),
        );
    }
    out.push(b'\n');
}

/// Whether a column is the key that SQLite counts on.
fn counts(table: &TablePlan, at: usize) -> bool {
    table.key(at).is_some_and(|key| key.primary)
        && table
            .columns
            .get(at)
            .is_some_and(|column| column.sequence.is_some())
}

/// The type of a column, none of which changes a value that fits.
fn affinity(of: &PgType, declared: Option<&DataType>) -> &'static str {
    match (of, declared) {
        (PgType::BigInt, Some(DataType::Numeric { .. })) => " NUMERIC",
        (PgType::BigInt, _) => " INTEGER",
        (PgType::SqliteReal, Some(DataType::Numeric { .. })) => " NUMERIC",
        (PgType::SqliteReal, _) => " REAL",
        (PgType::Boolean, _) => " BOOLEAN",
        (PgType::Bytea, _) => " BLOB",
        _ => " TEXT",
    }
}

/// Writes the rows of one table.
#[derive(Debug)]
pub struct InsertRows<'p> {
    table: &'p TablePlan,
    redact: bool,
    head: Vec<u8>,
}

impl<'p> InsertRows<'p> {
    /// The rows of a table; with `redact`, lengths in place of values.
    pub fn new(table: &'p TablePlan, redact: bool) -> Self {
        InsertRows {
            table,
            redact,
            head: format!("INSERT INTO {} VALUES (", quote_ident(&table.name)).into_bytes(),
        }
    }

    /// Appends one statement.
    pub fn push(&self, out: &mut Vec<u8>, row: &RowRef<'_>) {
        out.extend_from_slice(&self.head);
        if self.table.as_json.is_some() {
            self.push_object(out, row);
        } else {
            for (index, (value, column)) in row.values().zip(&self.table.columns).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                match value {
                    ValueRef::Null => out.extend_from_slice(b"NULL"),
                    value if self.redact => {
                        out.push(b'\'');
                        push_redacted(out, &value);
                        out.push(b'\'');
                    }
                    value => push_sqlite(out, &value, &column.of),
                }
            }
        }
        out.extend_from_slice(b");\n");
    }

    fn push_object(&self, out: &mut Vec<u8>, row: &RowRef<'_>) {
        let mut object = vec![b'{'];
        for (index, (value, column)) in row.values().zip(&self.table.columns).enumerate() {
            if index > 0 {
                object.push(b',');
            }
            push_string(&mut object, &column.name);
            object.push(b':');
            match self.redact {
                true => push_redacted_value(&mut object, &value),
                false => push_value(&mut object, &value),
            }
        }
        object.push(b'}');
        push_sqlite_text(out, &String::from_utf8_lossy(&object));
    }
}
