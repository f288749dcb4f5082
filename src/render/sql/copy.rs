//! Rows as `COPY ... FROM stdin` reads them.

use crate::codec::{push_hex, push_text};
use crate::model::{RowRef, ValueRef};
use crate::postgres::plan::TablePlan;
use crate::postgres::{PgType, integer, push_copy};

use super::super::json::{push_redacted_value, push_string, push_value};
use super::super::value::{push_number, push_redacted};

/// The line after the last row.
pub const END_OF_DATA: &[u8] = b"\\.\n\n";

/// Writes the rows of one table.
#[derive(Debug)]
pub struct CopyRows<'p> {
    table: &'p TablePlan,
    redact: bool,
    /// One value, before it is escaped.
    text: Vec<u8>,
}

impl<'p> CopyRows<'p> {
    /// The rows of a table; with `redact`, lengths in place of values.
    pub fn new(table: &'p TablePlan, redact: bool) -> Self {
        CopyRows {
            table,
            redact,
            text: Vec::new(),
        }
    }

    /// Appends one line.
    pub fn push(&mut self, out: &mut Vec<u8>, row: &RowRef<'_>) {
        if self.table.as_json.is_some() {
            self.push_object(out, row);
            return;
        }
        for (index, (value, column)) in row.values().zip(&self.table.columns).enumerate() {
            if index > 0 {
                out.push(b'\t');
            }
            match value {
                ValueRef::Null => out.extend_from_slice(b"\\N"),
                _ if self.redact => push_redacted(out, &value),
                value => self.push_value(out, &value, &column.of),
            }
        }
        out.push(b'\n');
    }

    fn push_value(&mut self, out: &mut Vec<u8>, value: &ValueRef<'_>, of: &PgType) {
        match (of, value) {
            (PgType::SmallInt | PgType::BigInt, _) => match integer(value) {
                Some(integer) => push_number(out, &integer),
                None => push_text(out, value),
            },
            (PgType::TextBytes, _) => {
                self.text.clear();
                push_text(&mut self.text, value);
                out.push(b'\\');
                push_hex(out, &self.text);
            }
            (_, ValueRef::Bytea(bytes)) => {
                out.push(b'\\');
                push_hex(out, bytes);
            }
            (_, value) => match value.as_text() {
                Some(text) => push_copy(out, text.as_bytes()),
                // Digits and letters.
                None => push_text(out, value),
            },
        }
    }

    fn push_object(&mut self, out: &mut Vec<u8>, row: &RowRef<'_>) {
        let mut object = std::mem::take(&mut self.text);
        object.clear();
        object.push(b'{');
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
        push_copy(out, &object);
        out.push(b'\n');
        self.text = object;
    }
}
