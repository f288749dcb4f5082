//! JSON documents, and values inside JSON lines.

use serde::Serialize;

use crate::model::ValueRef;

use super::escape::escape;
use super::value::{push_number, push_redacted, push_text};

/// Version of the shapes that commands print.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'c, C> {
    schema: u32,
    version: &'static str,
    #[serde(flatten)]
    content: &'c C,
}

/// One document: `schema`, the tool's `version`, then the fields of `content`.
///
/// # Errors
/// When `content` cannot be JSON, as a map whose keys are no strings.
pub fn json_document<C: Serialize>(content: &C) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(&Document {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        content,
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Appends a JSON string.
pub(super) fn push_string(out: &mut Vec<u8>, text: &str) {
    // Nearly every text stands for itself.
    let plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
    if text.as_bytes().iter().all(plain) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    // Writing a string to a vector cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// Appends a value: null, a number, a truth value, else a string.
pub(super) fn push_value(out: &mut Vec<u8>, value: &ValueRef<'_>) {
    match *value {
        ValueRef::Null => out.extend_from_slice(b"null"),
        ValueRef::SmallInt(v) => push_number(out, &v),
        ValueRef::Integer(v) => push_number(out, &v),
        ValueRef::Real(v) if v.is_finite() => push_number(out, &v),
        ValueRef::Boolean(_) => push_text(out, value),
        ValueRef::Numeric(text)
        | ValueRef::Text(text)
        | ValueRef::Char(text)
        | ValueRef::Date(text)
        | ValueRef::Timestamp(text)
        | ValueRef::TimestampTz(text)
        | ValueRef::Json(text)
        | ValueRef::Enum { label: text, .. } => push_string(out, text),
        ValueRef::Bytea(_) => {
            // The hexadecimal form opens with the one character to escape.
            out.extend_from_slice(b"\"\\");
            push_text(out, value);
            out.push(b'"');
        }
        ValueRef::Real(_) | ValueRef::Uuid(_) => {
            out.push(b'"');
            push_text(out, value);
            out.push(b'"');
        }
    }
}

/// A value as part of a document, in the form of JSON lines.
pub fn json_value(value: &ValueRef<'_>) -> serde_json::Value {
    let mut bytes = Vec::new();
    push_value(&mut bytes, value);
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// A row as people see it in a line: an object by its columns, or an array where
/// their names are not known; with `redact` the lengths of its values.
pub fn row_text(columns: &[&str], values: &[ValueRef<'_>], redact: bool) -> String {
    let named = !columns.is_empty() && columns.len() == values.len();
    let mut out = Vec::new();
    out.push(if named { b'{' } else { b'[' });
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        if let Some(column) = columns.get(at).filter(|_| named) {
            push_string(&mut out, column);
            out.push(b':');
        }
        match redact {
            true => push_redacted_value(&mut out, value),
            false => push_value(&mut out, value),
        }
    }
    out.push(if named { b'}' } else { b']' });
    String::from_utf8_lossy(&out).into_owned()
}

/// Text with what a terminal would obey escaped, cut after so many characters.
pub fn cut_text(text: &str, most: usize) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(most).collect();
    let rest = if chars.next().is_some() { "..." } else { "" };
    format!("{}{rest}", escape(&start))
}

/// Appends `"<redacted len:N>"`, or null: whether a value is there shows.
pub(super) fn push_redacted_value(out: &mut Vec<u8>, value: &ValueRef<'_>) {
    if let ValueRef::Null = value {
        out.extend_from_slice(b"null");
        return;
    }
    out.push(b'"');
    push_redacted(out, value);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_that_reads_back() {
        for (value, json) in [
            (ValueRef::Null, serde_json::json!(null)),
            (ValueRef::SmallInt(-1), serde_json::json!(-1)),
            (ValueRef::Real(0.1), serde_json::json!(0.1)),
            (ValueRef::Real(f64::NAN), serde_json::json!("NaN")),
            (ValueRef::Boolean(false), serde_json::json!(false)),
            (
                ValueRef::Text("a\"\\\n\u{1b}é"),
                serde_json::json!("a\"\\\n\u{1b}é"),
            ),
            (ValueRef::Bytea(b"hi"), serde_json::json!("\\x6869")),
            (ValueRef::Bytea(b""), serde_json::json!("\\x")),
        ] {
            let mut out = Vec::new();
            push_value(&mut out, &value);
            let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(read, json);
        }
    }

    #[test]
    fn a_document_opens_with_its_schema_and_version() {
        #[derive(Serialize)]
        struct Content {
            b: u8,
            a: u8,
        }
        let bytes = json_document(&Content { b: 1, a: 2 }).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let compact: String = text.split_whitespace().collect();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            compact,
            format!("{{\"schema\":1,\"version\":\"{version}\",\"b\":1,\"a\":2}}")
        );
    }
}
