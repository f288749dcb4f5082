//! `manifest.json` of an export: what it holds, so that who has the directory
//! alone knows what each file is, and whether all of them arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::codec::ContentHash;
use crate::error::{Error, Result};
use crate::file::{Disk, EntryKind, LocalDisk, SourceFile};
use crate::finding::Finding;
use crate::model::Catalog;
use crate::work::{Threads, in_order};

use super::dump::Chosen;
use super::schema::ColumnSchema;

/// The name of the file, at the top of the export.
pub const MANIFEST_NAME: &str = "manifest.json";
/// What `kind` says in one.
const KIND: &str = "rustdb-export";
/// Before the hash of all that stands above it, the last member of a manifest.
const SEAL: &str = ",\n  \"manifest_xxh3_128\": \"";
/// After that hash.
const SEAL_END: &str = "\"\n}\n";
/// Version of its shape.
const SCHEMA: u64 = 1;
/// Bytes of the largest one that is read.
const MAX_LEN: u64 = 64 << 20;
/// Bytes of a file that are read at a time.
const BLOCK_LEN: usize = 256 * 1024;
/// Differences that are told one by one.
const MAX_TOLD: usize = 100;

/// One file of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Its path in the export.
    pub path: String,
    /// How many rows it holds; a header line is none.
    pub rows: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// XXH3 of its bytes, 128 bits in hexadecimal digits, as `xxhsum -H2` shows it.
    pub xxh3_128: String,
}

/// One column, as it was declared and as it is written.
#[derive(Debug, Serialize)]
pub struct ManifestColumn {
    /// Its name in the files.
    pub column: String,
    /// As it was declared.
    #[serde(flatten)]
    pub declared: ColumnSchema,
    /// The type in the files.
    pub written_type: String,
    /// Whether the files refuse NULL.
    pub required: bool,
}

/// A table that was exported, with what proves that its files are whole.
#[derive(Debug, Serialize)]
pub struct ManifestTable {
    /// The database that it belongs to.
    pub database: String,
    /// Its name.
    pub table: String,
    /// Its files, in the order of their rows; none for a table without columns.
    pub files: Vec<ManifestFile>,
    /// Rows of all files.
    pub rows: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Its columns, in order.
    pub columns: Vec<ManifestColumn>,
    /// Next values by column.
    pub sequences: BTreeMap<String, i64>,
    /// Its owner, where the release has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What a user sees of it, as `hash` shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_hash: Option<ContentHash>,
}

/// What was decided about what the files do not say.
#[derive(Debug, Serialize)]
pub struct ManifestDecision {
    /// Tables that were given to databases by hand, `TABLE=DATABASE`.
    pub assign: Vec<String>,
    /// The decision file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribution: Option<String>,
    /// Whether the log was left out.
    pub without_wal: bool,
}

/// Everything.
#[derive(Debug, Serialize)]
pub struct Manifest<'m> {
    kind: &'static str,
    /// The form of the files.
    pub format: &'static str,
    /// The release family of the source.
    pub source_family: String,
    /// What was decided.
    pub decisions: ManifestDecision,
    /// What was found while it was made.
    pub findings: &'m [Finding],
    /// Labels of enum types, by database and type.
    pub enums: BTreeMap<&'m str, BTreeMap<&'m str, &'m [String]>>,
    /// Those that were exported, in the order in which they were written.
    pub tables: Vec<ManifestTable>,
}

impl<'m> Manifest<'m> {
    /// One of these tables.
    pub fn new(
        (format, source_family): (&'static str, String),
        decisions: ManifestDecision,
        findings: &'m [Finding],
        (catalog, tables): (&'m Catalog, Vec<ManifestTable>),
    ) -> Self {
        let named: BTreeSet<&str> = tables.iter().map(|table| table.database.as_str()).collect();
        let named = |name: &str| named.contains(name);
        let databases = catalog.databases.iter();
        let enums = databases
            .filter(|database| named(&database.name) && !database.enums.is_empty())
            .map(|database| {
                let enums = database.enums.iter();
                let labels = enums.map(|(name, labels)| (name.as_str(), labels.as_slice()));
                (database.name.as_str(), labels.collect())
            });
        Manifest {
            kind: KIND,
            format,
            source_family,
            decisions,
            findings,
            enums: enums.collect(),
            tables,
        }
    }
}

impl ManifestTable {
    /// A table of this content in these files; `columns` are the name and type of
    /// each in the files, and whether it refuses NULL.
    pub fn new(
        chosen: &Chosen<'_>,
        content_hash: Option<ContentHash>,
        columns: impl IntoIterator<Item = (String, String, bool)>,
        files: Vec<ManifestFile>,
    ) -> Self {
        let (database, table) = (&chosen.database.name, chosen.table);
        let columns = table.columns.iter().zip(columns);
        let columns = columns.map(|(column, (name, written_type, required))| ManifestColumn {
            column: name,
            declared: column.into(),
            written_type,
            required,
        });
        let sum = |of: fn(&ManifestFile) -> u64| files.iter().map(of).fold(0, u64::saturating_add);
        ManifestTable {
            database: database.clone(),
            table: table.name.clone(),
            rows: sum(|file| file.rows),
            bytes: sum(|file| file.bytes),
            files,
            columns: columns.collect(),
            sequences: table.sequences.iter().cloned().collect(),
            owner: table.owner.clone(),
            content_hash,
        }
    }
}

/// A manifest with its last member, the XXH3 of all bytes before it: what is
/// changed in the manifest itself is found too.
#[must_use]
pub fn sealed(document: &[u8]) -> Vec<u8> {
    let end = document.trim_ascii_end();
    seal(end.strip_suffix(b"}").unwrap_or(end).trim_ascii_end())
}

fn seal(head: &[u8]) -> Vec<u8> {
    let hash = ContentHash::of(head).to_string();
    [head, SEAL.as_bytes(), hash.as_bytes(), SEAL_END.as_bytes()].concat()
}

/// How the bytes of a manifest differ from its own last member.
fn seal_difference(bytes: &[u8]) -> Option<String> {
    let sealed = bytes.len().checked_sub(seal(&[]).len());
    let (head, end) = sealed
        .and_then(|at| bytes.split_at_checked(at))
        .unwrap_or((bytes, &[]));
    let found = match (seal(head) == bytes, end.starts_with(SEAL.as_bytes())) {
        (true, _) => return None,
        (false, true) => format!("found another hash of its bytes, {}", ContentHash::of(head)),
        (false, false) => "found no hash of its bytes at its end".to_owned(),
    };
    Some(format!(
        "{MANIFEST_NAME}: {found}, expected the one that dump writes: it was changed"
    ))
}

/// What is read again of a manifest.
#[derive(Deserialize)]
struct Read {
    kind: String,
    schema: u64,
    tables: Vec<ReadTable>,
}

#[derive(Deserialize)]
struct ReadTable {
    database: String,
    table: String,
    rows: u64,
    bytes: u64,
    files: Vec<ManifestFile>,
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
}

/// Whether a directory is an export, by its manifest.
///
/// # Errors
/// I/O errors.
pub fn is_export(dir: &Path) -> Result<bool> {
    let path = dir.join(MANIFEST_NAME);
    if LocalDisk.kind(&path)? != Some(EntryKind::File) {
        return Ok(false);
    }
    let file = SourceFile::open(&path)?;
    if file.len() > MAX_LEN {
        return Ok(false);
    }
    let bytes = file.read_all(MAX_LEN)?;
    let kind = serde_json::from_slice::<Kind>(&bytes);
    // One that was cut still opens with its kind.
    let start = String::from_utf8_lossy(bytes.get(..200).unwrap_or(&bytes)).into_owned();
    Ok(kind.map_or_else(|_| start.contains(KIND), |one| one.kind == KIND))
}

/// What differs between an export and its manifest; nothing where every file is
/// there with every byte, and no other.
///
/// # Errors
/// I/O errors.
pub fn check_export(dir: &Path, threads: Threads) -> Result<Vec<String>> {
    let mut told = Told::default();
    let bytes = SourceFile::open(&dir.join(MANIFEST_NAME))?.read_all(MAX_LEN)?;
    let read: Read = match serde_json::from_slice(&bytes) {
        Ok(read) => read,
        Err(error) => {
            told.add(format!(
                "{MANIFEST_NAME}: found {error}, expected what dump writes"
            ));
            return Ok(told.finish());
        }
    };
    if read.kind != KIND || read.schema != SCHEMA {
        let found = format!("found {:?} of version {}", read.kind, read.schema);
        told.add(format!(
            "{MANIFEST_NAME}: {found}, expected {KIND:?} of version {SCHEMA}"
        ));
        return Ok(told.finish());
    }
    seal_difference(&bytes)
        .into_iter()
        .for_each(|text| told.add(text));
    let mut files: BTreeMap<PathBuf, &ManifestFile> = BTreeMap::new();
    for table in &read.tables {
        let sum =
            |of: fn(&ManifestFile) -> u64| table.files.iter().map(of).fold(0, u64::saturating_add);
        let sums = (sum(|file| file.rows), sum(|file| file.bytes));
        if sums != (table.rows, table.bytes) {
            told.add(format!(
                "{}.{}: found {} rows and {} bytes in its files, expected {} and {}",
                table.database, table.table, sums.0, sums.1, table.rows, table.bytes
            ));
        }
        for file in &table.files {
            let path = PathBuf::from(&file.path);
            let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
            if file.path.is_empty() || !path.components().all(plain) {
                told.add(format!("{}: it leads out of the export", file.path));
            } else if files.insert(path, file).is_some() {
                told.add(format!("{}: it is named twice", file.path));
            }
        }
    }
    let entries: Vec<_> = files.iter().collect();
    let look = |job: usize, found: &mut Option<String>| {
        *found = match entries.get(job) {
            Some((path, file)) => difference(dir, path, file)?,
            None => None,
        };
        Ok::<(), Error>(())
    };
    in_order(threads, entries.len(), look, |_, found| {
        found.take().into_iter().for_each(|text| told.add(text));
        Ok(())
    })?;
    for entry in walkdir::WalkDir::new(dir).sort_by_file_name() {
        let entry = entry.map_err(|error| Error::io("list", dir, error.into()))?;
        let path = entry.path().strip_prefix(dir).unwrap_or(entry.path());
        let known = path == Path::new(MANIFEST_NAME) || files.contains_key(path);
        if !entry.file_type().is_dir() && !known {
            told.add(format!("{}: it is not in {MANIFEST_NAME}", path.display()));
        }
    }
    Ok(told.finish())
}

/// How a file differs from what is said of it.
fn difference(dir: &Path, path: &Path, expected: &ManifestFile) -> Result<Option<String>> {
    let mut whole = dir.to_owned();
    for part in path {
        if LocalDisk.kind(&whole)? != Some(EntryKind::Dir) {
            return Ok(Some(format!("{}: found no such file", expected.path)));
        }
        whole.push(part);
    }
    match LocalDisk.kind(&whole)? {
        Some(EntryKind::File) => {}
        None => return Ok(Some(format!("{}: found no such file", expected.path))),
        Some(_) => {
            let found = "found a directory, a link or a device, expected a file";
            return Ok(Some(format!("{}: {found}", expected.path)));
        }
    }
    let file = SourceFile::open(&whole)?;
    if file.len() != expected.bytes {
        let (found, bytes) = (file.len(), expected.bytes);
        return Ok(Some(format!(
            "{}: found {found} bytes, expected {bytes}",
            expected.path
        )));
    }
    let hash = file_hash(&file)?;
    Ok((hash != expected.xxh3_128).then(|| {
        let expected_hash = &expected.xxh3_128;
        format!(
            "{}: found hash {hash}, expected {expected_hash}",
            expected.path
        )
    }))
}

fn file_hash(file: &SourceFile) -> Result<String> {
    let mut hash = Xxh3::default();
    let mut block = vec![0; BLOCK_LEN];
    let mut at = 0;
    while at < file.len() {
        let rest = usize::try_from(file.len().saturating_sub(at)).unwrap_or(usize::MAX);
        let block = block.get_mut(..rest.min(BLOCK_LEN)).unwrap_or_default();
        file.read_exact_at(block, at)?;
        hash.update(block);
        at = at.saturating_add(u64::try_from(block.len()).unwrap_or(u64::MAX));
    }
    Ok(ContentHash(hash.digest128()).to_string())
}

/// Differences, the first of them one by one.
#[derive(Default)]
struct Told {
    texts: Vec<String>,
    more: u64,
}

impl Told {
    fn add(&mut self, text: String) {
        match self.texts.len() < MAX_TOLD {
            true => self.texts.push(text),
            false => self.more = self.more.saturating_add(1),
        }
    }

    fn finish(mut self) -> Vec<String> {
        if self.more > 0 {
            self.texts.push(format!("and {} more", self.more));
        }
        self.texts
    }
}
