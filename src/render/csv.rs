//! Rows as CSV, as PostgreSQL reads it: a bare empty field is NULL, text is
//! always quoted, so that NULL and the empty string differ.

use crate::model::{RowRef, Table, ValueRef};

use super::columns::distinct_names;
use super::jsonl::RowOptions;
use super::value::{push_number, push_redacted, push_text};

/// Writes the rows of one table.
#[derive(Debug, Clone, Copy)]
pub struct CsvRows {
    options: RowOptions,
}

impl CsvRows {
    /// The lines of a table.
    pub fn new(options: RowOptions) -> Self {
        CsvRows { options }
    }

    /// Appends the header line.
    pub fn push_header(&self, out: &mut Vec<u8>, table: &Table) {
        let names = distinct_names(table);
        push_csv_line(out, names.iter().map(String::as_str));
        if self.options.versions {
            // In front of the line's end.
            out.pop();
            out.extend_from_slice(if names.is_empty() { b"" } else { b"," });
            out.extend_from_slice(b"xmin,xmax\n");
        }
    }

    /// Appends one line.
    pub fn push(&self, out: &mut Vec<u8>, row: &RowRef<'_>) {
        for (index, value) in row.values().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.push_field(out, &value);
        }
        if self.options.versions {
            if row.arity() > 0 {
                out.push(b',');
            }
            push_number(out, &row.xmin);
            out.push(b',');
            if let Some(xmax) = row.xmax {
                push_number(out, &xmax);
            }
        }
        out.push(b'\n');
    }

    fn push_field(&self, out: &mut Vec<u8>, value: &ValueRef<'_>) {
        match value {
            ValueRef::Null => {}
            _ if self.options.redact => push_redacted(out, value),
            _ => match value.as_text() {
                Some(text) => push_quoted(out, text.as_bytes()),
                None => push_text(out, value),
            },
        }
    }
}

/// Appends one line of quoted texts.
pub fn push_csv_line<'t>(out: &mut Vec<u8>, fields: impl IntoIterator<Item = &'t str>) {
    for (index, field) in fields.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_quoted(out, field.as_bytes());
    }
    out.push(b'\n');
}

/// Appends a quoted field.
fn push_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    if !text.contains(&b'"') {
        out.extend_from_slice(text);
        out.push(b'"');
        return;
    }
    let start = out.len();
    // Room for the case that every byte is a quote.
    out.resize(start.saturating_add(text.len().saturating_mul(2)), 0);
    let room = out.get_mut(start..).unwrap_or_default();
    let (_, _, written) = csv_core::quote(text, room, b'"', b'"', true);
    out.truncate(start.saturating_add(written));
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::pack_row;

    #[test]
    fn null_and_the_empty_string_differ() {
        let values = [
            ValueRef::Null,
            ValueRef::Text(""),
            ValueRef::Text("a,\"b\"\nc"),
            ValueRef::Integer(7),
        ];
        let row = pack_row(values, 3, None);
        let options = RowOptions {
            versions: true,
            ..RowOptions::default()
        };
        let mut out = Vec::new();
        CsvRows::new(options).push(&mut out, &row.as_row());
        assert_eq!(out, b",\"\",\"a,\"\"b\"\"\nc\",7,3,\n");
    }

    #[test]
    fn a_field_of_quotes_only_is_doubled() {
        let mut out = Vec::new();
        push_csv_line(&mut out, ["\"\"\"", "x"]);
        assert_eq!(out, b"\"\"\"\"\"\"\"\",\"x\"\n");
    }
}
