//! Rows as `COPY ... FROM stdin` reads them.

use crate::codec::{push_hex, push_text};
use crate::model::{RowRef, ValueRef};
use crate::postgres::PgType;
use crate::postgres::plan::TablePlan;

use super::super::json::{push_redacted_value, push_string, push_value};
use super::super::value::push_redacted;

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
        for (index, (value, column)) in row.values.iter().zip(&self.table.columns).enumerate() {
            if index > 0 {
                out.push(b'\t');
            }
            match value {
                ValueRef::Null => out.extend_from_slice(b"\\N"),
                _ if self.redact => push_redacted(out, value),
                value => self.push_value(out, value, &column.of),
            }
        }
        out.push(b'\n');
    }

    fn push_value(&mut self, out: &mut Vec<u8>, value: &ValueRef<'_>, of: &PgType) {
        self.text.clear();
        push_text(&mut self.text, value);
        if let PgType::TextBytes = of {
            let text = std::mem::take(&mut self.text);
            push_hex(&mut self.text, &text);
        }
        push_escaped(out, &self.text);
    }

    fn push_object(&mut self, out: &mut Vec<u8>, row: &RowRef<'_>) {
        let mut object = std::mem::take(&mut self.text);
        object.clear();
        object.push(b'{');
        for (index, (value, column)) in row.values.iter().zip(&self.table.columns).enumerate() {
            if index > 0 {
                object.push(b',');
            }
            push_string(&mut object, &column.name);
            object.push(b':');
            match self.redact {
                true => push_redacted_value(&mut object, value),
                false => push_value(&mut object, value),
            }
        }
        object.push(b'}');
        push_escaped(out, &object);
        out.push(b'\n');
        self.text = object;
    }
}

/// Appends a field: what COPY gives a meaning is escaped.
fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        let letter = match byte {
            b'\\' => b'\\',
            b'\t' => b't',
            b'\n' => b'n',
            b'\r' => b'r',
            0x08 => b'b',
            0x0b => b'v',
            0x0c => b'f',
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', letter]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_means_something_to_copy_is_escaped() {
        let mut out = Vec::new();
        push_escaped(&mut out, b"\\N\t\\.\r\n\x08\x0b\x0c\x1b'\"\xc3\xa9");
        assert_eq!(out, b"\\\\N\\t\\\\.\\r\\n\\b\\v\\f\x1b'\"\xc3\xa9");
    }
}
