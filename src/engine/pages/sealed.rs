//! Sealed files: one JSON document in a checksummed envelope (format page,
//! "Sealed files").

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::frame::{CRC_LEN, FORMAT_VERSION, MAGIC_LEN, Piece, seal};
use crate::codec::{ByteWriter, Cursor};
use crate::error::{Damage, Error, Result};
use crate::file::{Disk, SourceFile};
use crate::finding::Code;

/// First bytes of a sealed file.
pub(in crate::engine) const MAGIC: &[u8; MAGIC_LEN] = b"RDBXSEAL";
/// Bytes before the payload: magic, version, kind, cluster, database, length.
pub(in crate::engine) const HEAD_LEN: usize = MAGIC_LEN + 4 + 4 + 16 + 4 + 8;
/// Most bytes of a sealed file.
pub(in crate::engine) const SEALED_MAX_LEN: u64 = 1 << 30;

/// What a sealed file is and whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Seal {
    /// Names the document's type.
    pub kind: u32,
    /// Of the directory.
    pub cluster_id: u128,
    /// Of the database; all ones in the directory's own catalog.
    pub database: u32,
}

/// Kind of `global.db`.
pub(in crate::engine) const KIND_GLOBAL: u32 = 1;
/// Kind of `metadata.db`.
pub(in crate::engine) const KIND_METADATA: u32 = 2;
/// Kind of the descriptor of a table.
pub(in crate::engine) const KIND_TABLE: u32 = 3;
/// Each copy of a document that stands twice starts at a multiple of this: a bad
/// block of a disk takes one of them alone.
pub(in crate::engine) const COPY_ALIGN: usize = 4096;
/// In place of a database id.
pub(in crate::engine) const NO_DATABASE: u32 = u32::MAX;

/// Writes a new sealed file.
///
/// # Errors
/// When the file is there or cannot be written, or the document is too large.
pub(in crate::engine) fn write(
    disk: &dyn Disk,
    path: &Path,
    owner: &Seal,
    document: &impl Serialize,
) -> Result<()> {
    let bytes = encode(path, owner, document)?;
    let written = disk.create(path)?.write_all_at(&bytes, 0);
    written.map_err(|error| Error::io("write", path, error))
}

/// The bytes of a sealed file.
///
/// # Errors
/// `LimitReached` when the document is too large.
pub(in crate::engine) fn encode(
    path: &Path,
    owner: &Seal,
    document: &impl Serialize,
) -> Result<Vec<u8>> {
    let payload = serde_json::to_vec(document);
    let payload = payload.map_err(|error| Error::Internal(error.to_string()))?;
    let len = (HEAD_LEN + CRC_LEN) as u64 + payload.len() as u64;
    if len > SEALED_MAX_LEN {
        return Err(Error::LimitReached {
            what: format!("{len} bytes of the catalog for {}", path.display()),
            most: SEALED_MAX_LEN,
        });
    }
    let mut w = ByteWriter::new();
    w.raw(MAGIC);
    w.u32(FORMAT_VERSION);
    w.u32(owner.kind);
    w.u128(owner.cluster_id);
    w.u32(owner.database);
    w.bytes(&payload);
    seal(&mut w, crc32fast::Hasher::new());
    Ok(w.into_vec())
}

/// Reads a sealed file of one kind, cluster and database.
///
/// # Errors
/// When it cannot be read, is damaged, or belongs elsewhere.
pub(in crate::engine) fn read<T: DeserializeOwned>(
    disk: &dyn Disk,
    path: &Path,
    owner: &Seal,
) -> Result<T> {
    let file = SourceFile::open_on(disk, path)?;
    let bytes = file.read_all(SEALED_MAX_LEN)?;
    let piece = Piece {
        path,
        offset: 0,
        bytes: &bytes,
    };
    let payload = open(&piece, owner)?;
    Ok(parse(&piece, payload)?)
}

/// Reads a sealed file of one kind, whosever it is.
///
/// # Errors
/// When it cannot be read or is damaged.
pub(in crate::engine) fn read_any<T: DeserializeOwned>(
    disk: &dyn Disk,
    path: &Path,
    kind: u32,
) -> Result<(Seal, T)> {
    let bytes = SourceFile::open_on(disk, path)?.read_all(SEALED_MAX_LEN)?;
    let piece = Piece {
        path,
        offset: 0,
        bytes: &bytes,
    };
    let (owner, payload) = open_any(&piece, kind, None)?;
    Ok((owner, parse(&piece, payload)?))
}

/// The bytes of a sealed file whose document stands twice.
///
/// # Errors
/// As [`encode`].
pub(in crate::engine) fn encode_twice(
    path: &Path,
    owner: &Seal,
    document: &impl Serialize,
) -> Result<Vec<u8>> {
    let mut copy = encode(path, owner, document)?;
    copy.resize(copy.len().next_multiple_of(COPY_ALIGN), 0);
    copy.extend_from_within(..);
    Ok(copy)
}

/// A document that stands twice in its file.
#[derive(Debug)]
pub(in crate::engine) struct Twice<T> {
    /// Whose it says it is.
    pub owner: Seal,
    /// The first whole copy.
    pub document: T,
    /// What is wrong with the other one.
    pub damage: Option<Damage>,
    /// Bytes of the file, and those that agree with a checksum.
    pub lens: (u64, u64),
}

/// Reads a document that stands twice, of one kind and, if `owner` is given, of
/// one cluster and database.
///
/// # Errors
/// When it cannot be read, no copy of it is whole, or one is of a later version.
pub(in crate::engine) fn read_twice<T: DeserializeOwned>(
    disk: &dyn Disk,
    path: &Path,
    kind: u32,
    owner: Option<&Seal>,
) -> Result<Twice<T>> {
    let file = SourceFile::open_on(disk, path)?;
    let bytes = file.read_all(SEALED_MAX_LEN.saturating_mul(2))?;
    let (mut found, mut first_damage) = (None, None);
    for offset in (0..bytes.len().max(1)).step_by(COPY_ALIGN) {
        let rest = bytes.get(offset..).unwrap_or_default();
        // What is wrong at the start is said; further on, only copies count.
        if offset > 0 && !rest.starts_with(MAGIC) {
            continue;
        }
        let piece = Piece {
            path,
            offset: offset as u64,
            bytes: rest.get(..copy_len(rest)).unwrap_or(rest),
        };
        let read = open_any(&piece, kind, owner)
            .and_then(|(owner, payload)| Ok((owner, parse(&piece, payload)?)));
        match read {
            Ok((owner, document)) if found.is_none() => {
                let damage = first_damage.take().or_else(|| other_copy(&piece, &bytes));
                let checked = match damage {
                    None => bytes.len(),
                    Some(_) => piece.bytes.len(),
                };
                let is_whole = damage.is_none();
                found = Some(Twice {
                    owner,
                    document,
                    damage,
                    lens: (file.len(), checked as u64),
                });
                if is_whole {
                    break;
                }
            }
            // It says more than the copy that can be read, and stays.
            Err(damage) if damage.code == Code::UnsupportedVersion => return Err(damage.into()),
            Err(damage) if found.is_none() => {
                first_damage.get_or_insert(damage);
            }
            Ok(_) | Err(_) => {}
        }
    }
    if let Some(found) = found {
        return Ok(found);
    }
    let damage = first_damage.ok_or_else(|| Error::Internal("no copy".into()))?;
    Err(damage.into())
}

/// Bytes of the sealed document at the start of `bytes`, as it says itself.
fn copy_len(bytes: &[u8]) -> usize {
    let len = bytes.get(HEAD_LEN - 8..).and_then(|b| b.first_chunk());
    let len = len.map(|len| u64::from_le_bytes(*len));
    let len = len.and_then(|len| usize::try_from(len).ok());
    let len = len.and_then(|len| len.checked_add(HEAD_LEN + CRC_LEN));
    len.unwrap_or(bytes.len()).min(bytes.len())
}

/// What is wrong with a file whose first copy is `first`.
fn other_copy(first: &Piece<'_>, file: &[u8]) -> Option<Damage> {
    let mut expected = first.bytes.to_vec();
    expected.resize(expected.len().next_multiple_of(COPY_ALIGN), 0);
    expected.extend_from_within(..);
    if expected == file {
        return None;
    }
    let same = expected
        .iter()
        .zip(file)
        .take_while(|(a, b)| a == b)
        .count();
    let found = format!("another byte, in a file of {} bytes", file.len());
    let whole = Piece {
        offset: 0,
        ..*first
    };
    Some(whole.damage(
        same,
        Code::ChecksumMismatch,
        found,
        "the document a second time",
    ))
}

fn open<'a>(piece: &Piece<'a>, owner: &Seal) -> Result<&'a [u8], Damage> {
    open_any(piece, owner.kind, Some(owner)).map(|(_, payload)| payload)
}

fn open_any<'a>(
    piece: &Piece<'a>,
    kind: u32,
    owner: Option<&Seal>,
) -> Result<(Seal, &'a [u8]), Damage> {
    let mut fields = piece.open(MAGIC, crc32fast::Hasher::new())?;
    fields.version()?;
    fields.expect("kind", kind, Cursor::u32)?;
    let found = match owner {
        Some(owner) => {
            fields.expect("cluster", owner.cluster_id, Cursor::u128)?;
            fields.expect("database", owner.database, Cursor::u32)?;
            *owner
        }
        None => Seal {
            kind,
            cluster_id: fields.read(Cursor::u128)?,
            database: fields.read(Cursor::u32)?,
        },
    };
    let payload = fields.read(Cursor::bytes)?;
    let at = fields.position();
    match fields.read(|c| Ok(c.remaining()))? {
        0 => Ok((found, payload)),
        rest => {
            let found = format!("{rest} bytes after the document");
            Err(fields.damage(at, Code::TrailingBytes, found, "the checksum"))
        }
    }
}

/// The parser's own message is not passed on: it may quote the document, which
/// holds password hashes.
fn parse<T: DeserializeOwned>(piece: &Piece<'_>, payload: &[u8]) -> Result<T, Damage> {
    serde_json::from_slice(payload).map_err(|error| {
        // The document is one line: the column is the offset.
        let at = HEAD_LEN.saturating_add(error.column().saturating_sub(1));
        let (code, found) = match error.classify() {
            // The start of the message is fixed text.
            serde_json::error::Category::Data if error.to_string().starts_with("unknown ") => (
                Code::UnsupportedVersion,
                "a member that this version does not know",
            ),
            serde_json::error::Category::Data => {
                (Code::BadCatalog, "a value that does not fit its field")
            }
            _ => (Code::BadCatalog, "bytes that are not JSON"),
        };
        piece.damage(at, code, found, "the catalog's document")
    })
}
