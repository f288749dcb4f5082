//! Rows as JSON lines.

use crate::model::{RowRef, Table};

use super::columns::distinct_names;
use super::json::{push_redacted_value, push_string, push_value};
use super::value::push_number;

/// What a row's line shows beside its values.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowOptions {
    /// The tag of each value.
    pub typed: bool,
    /// xmin and xmax.
    pub versions: bool,
    /// The length of each value instead of the value.
    pub redact: bool,
}

/// Writes the rows of one table. Everything that is the same in every line is
/// escaped once.
#[derive(Debug)]
pub struct JsonRows {
    head: Vec<u8>,
    /// `"name":`, with the comma before all but the first.
    keys: Vec<Vec<u8>>,
    options: RowOptions,
}

impl JsonRows {
    /// The lines of a table.
    pub fn new(database: &str, table: &Table, options: RowOptions) -> Self {
        let mut head = b"{\"database\":".to_vec();
        push_string(&mut head, database);
        head.extend_from_slice(b",\"table\":");
        push_string(&mut head, &table.name);
        head.extend_from_slice(b",\"row\":{");
        let names = distinct_names(table);
        let keys = names.iter().enumerate().map(|(i, name)| {
            let mut key = Vec::new();
            if i > 0 {
                key.push(b',');
            }
            push_string(&mut key, name);
            key.push(b':');
            key
        });
        JsonRows {
            head,
            keys: keys.collect(),
            options,
        }
    }

    /// Bytes that stand in every line of a table beside its values: what a name of
    /// a megabyte costs.
    pub fn line_len(&self) -> usize {
        self.head.len() + self.keys.iter().map(Vec::len).sum::<usize>()
    }

    /// Appends one line.
    pub fn push(&self, out: &mut Vec<u8>, row: &RowRef<'_>) {
        out.extend_from_slice(&self.head);
        for (key, value) in self.keys.iter().zip(row.values()) {
            out.extend_from_slice(key);
            if self.options.redact {
                push_redacted_value(out, &value);
            } else {
                push_value(out, &value);
            }
        }
        out.push(b'}');
        if self.options.typed {
            self.push_types(out, row);
        }
        if self.options.versions {
            out.extend_from_slice(b",\"xmin\":");
            push_number(out, &row.xmin);
            out.extend_from_slice(b",\"xmax\":");
            push_number(out, &row.xmax);
        }
        out.extend_from_slice(b"}\n");
    }

    fn push_types(&self, out: &mut Vec<u8>, row: &RowRef<'_>) {
        out.extend_from_slice(b",\"types\":{");
        for (key, value) in self.keys.iter().zip(row.values()) {
            out.extend_from_slice(key);
            out.push(b'"');
            out.extend_from_slice(value.tag_name().as_bytes());
            out.push(b'"');
        }
        out.push(b'}');
    }
}
