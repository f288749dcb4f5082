//! `check`: every data directory below a path, compared with what was written
//! down about it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::engine::Store;
use crate::error::{Class, Error, Result};
use crate::file::{Disk, LocalDisk, Named, OutputOptions, SourceFile, descend, write_output};
use crate::finding::Code;
use crate::legacy::LegacyDir;
use crate::recovery::CutReason;
use crate::recovery::attribution::Counts;

use crate::work::Threads;

use super::content::hash_content;
use super::manifest::{MANIFEST_NAME, check_export, is_export};
use super::verify::{Level, verify};
use super::wal::summary;
use super::{Look, OpenOptions};

/// The file that says what is expected.
const EXPECTED_NAME: &str = "expected.json";
/// A directory of this name has the file beside it under [`EXPECTED_NAME`].
const DATA_NAME: &str = "data";
/// How much longer than what is found the text of what is expected may be, and
/// by how many bytes beyond that.
const MOST_TIMES: u64 = 4;
const ROOM_LEN: u64 = 1024 * 1024;
/// Most differences that are shown, and characters of a value.
const SHOWN_DIFFERENCES: usize = 100;
const SHOWN_CHARS: usize = 200;
/// Version of the file's shape.
const SCHEMA: u32 = 1;

/// What is written down about a directory: nothing in it depends on where the
/// directory is.
#[derive(Debug, Serialize)]
struct Expected {
    schema: u32,
    /// Family or layout.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// Why the directory cannot be read at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<CutReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tail: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribution: Option<Counts>,
    /// Findings by code.
    findings: BTreeMap<&'static str, u64>,
    /// Hash of the whole content.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    /// Tables by database.
    #[serde(skip_serializing_if = "Option::is_none")]
    databases: Option<BTreeMap<String, BTreeMap<String, ExpectedTable>>>,
}

#[derive(Debug, Serialize)]
struct ExpectedTable {
    live: u64,
    dead: u64,
    hash: String,
    versions_hash: String,
}

/// How a directory compares with what is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Agreement {
    /// As expected.
    Same,
    /// Something else, in words.
    Differs(Vec<String>),
    /// Nothing is written down.
    Missing,
    /// What stands there was not written by `check`.
    Foreign,
    /// It was written down now.
    Blessed,
}

/// One directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// As it was given, or found below what was given.
    pub directory: PathBuf,
    /// The file beside it.
    pub expected: PathBuf,
    /// How they compare.
    pub outcome: Agreement,
}

/// Data directories and exports at or below a path, sorted; links are not followed.
///
/// # Errors
/// When a directory cannot be listed, or there is none.
pub fn find_directories(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    descend(root, &mut |path, entries| {
        let entries = entries.map_err(|error| Error::io("list", path, error))?;
        let is_one = is_data_directory(path, entries) || is_export(path)?;
        if is_one {
            found.push(path.to_owned());
        }
        // Its own subdirectories are its own.
        Ok(!is_one)
    })?;
    if found.is_empty() {
        return Err(Error::Usage(format!(
            "{}: found no data directory and no export there or below",
            root.display()
        )));
    }
    Ok(found)
}

fn is_data_directory(path: &Path, entries: &[Named]) -> bool {
    let mut names = entries.iter().map(|entry| entry.name.to_string_lossy());
    // The bytes tell; without a file there are none.
    let has_file = entries.iter().any(|entry| entry.is_file);
    has_file && Store::is_one(path) || names.any(|name| LegacyDir::is_of_one(&name))
}

/// Where it is written down what a directory is expected to hold: beside it,
/// `expected.json` for a directory named `data`, else `NAME.expected.json`.
fn expected_path(directory: &Path) -> Result<PathBuf> {
    // The name of `.` or `..` is only known of the whole path.
    let whole = directory
        .canonicalize()
        .map_err(|error| Error::io("open", directory, error))?;
    let name = whole.file_name().unwrap_or_default();
    if name == DATA_NAME {
        return Ok(whole.with_file_name(EXPECTED_NAME));
    }
    let mut file = name.to_owned();
    file.push(".");
    file.push(EXPECTED_NAME);
    Ok(whole.with_file_name(file))
}

/// Compares a directory with what is written down about it; with `bless`,
/// writes that down instead.
///
/// # Errors
/// When files cannot be read or written; with `bless`, when a file of another
/// origin stands in the way.
pub fn check(directory: &Path, bless: bool) -> Result<Checked> {
    if is_export(directory)? {
        let found = check_export(directory, Threads::available())?;
        return Ok(Checked {
            directory: directory.to_owned(),
            expected: directory.join(MANIFEST_NAME),
            outcome: match found.is_empty() {
                true => Agreement::Same,
                false => Agreement::Differs(found),
            },
        });
    }
    let expected = expected_path(directory)?;
    let now = look(directory)?;
    let mut text = serde_json::to_vec_pretty(&now)
        .map_err(|error| Error::io("encode", &expected, error.into()))?;
    text.push(b'\n');
    let before = read(&expected, text.len())?;
    let own = before.as_ref().is_some_and(is_own);
    let value =
        serde_json::to_value(&now).map_err(|error| Error::io("encode", &expected, error.into()))?;
    let outcome = match &before {
        None if bless => write(&expected, &text, false)?,
        None => Agreement::Missing,
        Some(_) if bless && !own => {
            return Err(Error::Usage(format!(
                "{}: found a file that check did not write, expected none\nMove it away first.",
                expected.display()
            )));
        }
        Some(_) if !own => Agreement::Foreign,
        Some(before) => match differences(before, &value) {
            found if found.is_empty() => Agreement::Same,
            _ if bless => write(&expected, &text, true)?,
            found => Agreement::Differs(found),
        },
    };
    Ok(Checked {
        directory: directory.to_owned(),
        expected,
        outcome,
    })
}

fn is_own(value: &Value) -> bool {
    value.get("schema").and_then(Value::as_u64) == Some(u64::from(SCHEMA))
        && value.get("findings").is_some_and(Value::is_object)
}

/// What is written down, or nothing; `Null` for what is no JSON. A text much
/// longer than the one it is to be compared with says something else, and is not
/// read.
fn read(path: &Path, own_len: usize) -> Result<Option<Value>> {
    if LocalDisk.kind(path)?.is_none() {
        return Ok(None);
    }
    let file = SourceFile::open(path)?;
    let most = (own_len as u64)
        .saturating_mul(MOST_TIMES)
        .saturating_add(ROOM_LEN);
    if file.len() > most {
        return Err(Error::Usage(format!(
            "{}: found a file of {} bytes, expected at most {most}\n\
             Move it away; --bless writes it anew.",
            path.display(),
            file.len()
        )));
    }
    let text = file.read_all(most)?;
    Ok(Some(serde_json::from_slice(&text).unwrap_or(Value::Null)))
}

fn write(path: &Path, text: &[u8], replace: bool) -> Result<Agreement> {
    let options = OutputOptions {
        replace,
        mode: 0o644,
        ..OutputOptions::default()
    };
    write_output(path, &options, text)?;
    Ok(Agreement::Blessed)
}

fn look(directory: &Path) -> Result<Expected> {
    let options = OpenOptions::default();
    let mut expected = Expected {
        schema: SCHEMA,
        kind: None,
        refused: None,
        verdict: None,
        cut: None,
        tail: None,
        attribution: None,
        findings: BTreeMap::new(),
        hash: None,
        databases: None,
    };
    let verification = match verify(directory, &options, Level::Full) {
        Ok(verification) => verification,
        Err(error @ (Error::Io { .. } | Error::Unreadable { .. })) => return Err(error),
        Err(error) => {
            expected.refused = Some(match error.class() {
                Class::Damage => "damaged",
                Class::NeedsDecision => "needs-decision",
                Class::CannotRun => "not-a-data-directory",
            });
            return Ok(expected);
        }
    };
    expected.kind = Some(verification.identity.to_string());
    for finding in verification.report.findings() {
        let count = expected.findings.entry(Code::as_str(finding.code));
        *count.or_default() += 1;
    }
    let look = match Look::open(directory, &options) {
        Ok(look) => look,
        // Said by the findings already.
        Err(Error::Damage(_)) => return Ok(expected),
        Err(other) => return Err(other),
    };
    if let Some(legacy) = look.legacy() {
        let wal = summary(legacy, look.recovery());
        expected.verdict = Some(wal.verdict);
        expected.cut = wal.cut;
        expected.tail = Some(wal.tail);
        expected.attribution = wal.attribution;
    }
    if let Some(directory) = look.directory() {
        let content = hash_content(directory.catalog(), directory, directory.threads());
        let content = match content {
            Err(Error::Damage(_)) => return Ok(expected),
            content => content?,
        };
        expected.hash = Some(content.hash.to_string());
        let mut databases: BTreeMap<String, BTreeMap<String, ExpectedTable>> = BTreeMap::new();
        for database in &content.databases {
            databases.entry(database.database.clone()).or_default();
        }
        for table in content.tables {
            let one = ExpectedTable {
                live: table.live,
                dead: table.dead,
                hash: table.hash.to_string(),
                versions_hash: table.versions_hash.to_string(),
            };
            let tables = databases.entry(table.database).or_default();
            tables.insert(table.table, one);
        }
        expected.databases = Some(databases);
    }
    Ok(expected)
}

/// What differs, by path into the document; of very many, the first ones and how
/// many more there are.
fn differences(expected: &Value, found: &Value) -> Vec<String> {
    let (mut all, mut more) = (Vec::new(), 0_usize);
    let mut open = vec![(String::new(), Some(expected), Some(found))];
    while let Some((path, expected, found)) = open.pop() {
        if expected == found {
            continue;
        }
        if let (Some(Value::Object(expected)), Some(Value::Object(found))) = (expected, found) {
            let mut keys: Vec<&String> = expected.keys().chain(found.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys.into_iter().rev() {
                let path = format!("{path}/{key}");
                open.push((path, expected.get(key), found.get(key)));
            }
            continue;
        }
        if all.len() == SHOWN_DIFFERENCES {
            more = more.saturating_add(1);
            continue;
        }
        all.push(format!(
            "{path}: found {}, expected {}",
            shown(found),
            shown(expected)
        ));
    }
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "nothing".to_owned();
    };
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_name_the_path_and_both_values() {
        let expected = json!({"a": {"live": 1, "x": 2}, "b": 3});
        let found = json!({"a": {"live": 5, "y": 7}, "b": 3});
        assert_eq!(
            differences(&expected, &found),
            [
                "/a/live: found 5, expected 1",
                "/a/x: found nothing, expected 2",
                "/a/y: found 7, expected nothing",
            ]
        );
        assert_eq!(differences(&found, &found), Vec::<String>::new());
    }
}
