//! What can be found wrong or worth saying, under stable codes.
//!
//! One table gives every code its severity, its meaning and its remedy; errors,
//! JSON, the man page and `explain` all read from it.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

mod code;
mod counted;

pub use code::Code;
pub use counted::counted;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Nothing is lost, but something needs attention.
    Warning,
    /// Something is damaged, lost or contradictory.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// One thing found, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What kind of thing.
    pub code: Code,
    /// How much it weighs here.
    pub severity: Severity,
    /// The file, as the user can open it.
    #[serde(flatten, serialize_with = "file_fields")]
    pub file: Option<PathBuf>,
    /// Bytes from the start of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The database concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The table concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The WAL sequence number concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Found against expected, in words; never a secret, and never a value of a row
    /// but the one example of what a column of an export cannot be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// `path` as a field of a document, and `path_bytes`, its bytes in hexadecimal
/// digits, where it is not UTF-8: JSON has only text.
///
/// # Errors
/// Those of the serializer.
pub fn path_fields<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    fields(Some(path), ("path", "path_bytes"), serializer)
}

/// Likewise as `file` and `file_bytes`; no field where there is none.
///
/// # Errors
/// Those of the serializer.
pub fn file_fields<S: Serializer>(
    file: &Option<PathBuf>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    fields(file.as_deref(), ("file", "file_bytes"), serializer)
}

/// Likewise as `written` and `written_bytes`: a file that a command wrote.
///
/// # Errors
/// Those of the serializer.
pub fn written_fields<S: Serializer>(
    file: &Option<PathBuf>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    fields(file.as_deref(), ("written", "written_bytes"), serializer)
}

/// Likewise as `directory` and `directory_bytes`.
///
/// # Errors
/// Those of the serializer.
pub fn directory_fields<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    fields(Some(path), ("directory", "directory_bytes"), serializer)
}

/// Likewise as `expected` and `expected_bytes`: what a directory is compared with.
///
/// # Errors
/// Those of the serializer.
pub fn expected_fields<S: Serializer>(
    path: &Option<PathBuf>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    fields(path.as_deref(), ("expected", "expected_bytes"), serializer)
}

fn fields<S: Serializer>(
    path: Option<&Path>,
    (text, bytes): (&'static str, &'static str),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    if let Some(path) = path {
        map.serialize_entry(text, &path.to_string_lossy())?;
        if path.to_str().is_none() {
            let digits = base16ct::lower::encode_string(path.as_os_str().as_bytes());
            map.serialize_entry(bytes, &digits)?;
        }
    }
    map.end()
}

/// Longest name or detail of a finding, in bytes.
const LONGEST_TEXT: usize = 4 * 1024;

impl Finding {
    /// A finding of the code's own severity, without a place.
    pub fn new(code: Code) -> Self {
        Finding {
            code,
            severity: code.severity(),
            file: None,
            offset: None,
            database: None,
            table: None,
            sequence: None,
            detail: None,
        }
    }

    /// Sets the severity.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Sets the file.
    pub fn file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Sets the offset in the file.
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Sets the database.
    pub fn database(mut self, database: impl Into<String>) -> Self {
        self.database = Some(database.into());
        self
    }

    /// Sets the table.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = Some(table.into());
        self
    }

    /// Sets the sequence number.
    pub fn sequence(mut self, sequence: u64) -> Self {
        self.sequence = Some(sequence);
        self
    }

    /// Cuts names and details that nobody can read: a name may have the length of
    /// a file, and stand in ten thousand findings.
    pub fn shorten(&mut self) {
        let texts = [&mut self.database, &mut self.table, &mut self.detail];
        for text in texts.into_iter().flatten() {
            if text.len() > LONGEST_TEXT {
                let len = text.len();
                let end = text.floor_char_boundary(LONGEST_TEXT / 2);
                text.truncate(end);
                text.push_str(&format!("... ({len} bytes)"));
                text.shrink_to_fit();
            }
        }
    }

    /// Sets the detail.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}
