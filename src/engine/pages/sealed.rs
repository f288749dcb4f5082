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
/// When the document is too large.
pub(in crate::engine) fn encode(
    path: &Path,
    owner: &Seal,
    document: &impl Serialize,
) -> Result<Vec<u8>> {
    let unfit = |what: String| Error::Usage(format!("cannot write {}: {what}", path.display()));
    let payload = serde_json::to_vec(document).map_err(|error| unfit(error.to_string()))?;
    let len = (HEAD_LEN + CRC_LEN) as u64 + payload.len() as u64;
    if len > SEALED_MAX_LEN {
        return Err(unfit(format!(
            "the catalog takes {len} bytes, expected at most {SEALED_MAX_LEN}"
        )));
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

fn open<'a>(piece: &Piece<'a>, owner: &Seal) -> Result<&'a [u8], Damage> {
    let mut fields = piece.open(MAGIC, crc32fast::Hasher::new())?;
    fields.version()?;
    fields.expect("kind", owner.kind, Cursor::u32)?;
    fields.expect("cluster", owner.cluster_id, Cursor::u128)?;
    fields.expect("database", owner.database, Cursor::u32)?;
    let payload = fields.read(Cursor::bytes)?;
    let at = fields.position();
    match fields.read(|c| Ok(c.remaining()))? {
        0 => Ok(payload),
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
        let found = match error.classify() {
            serde_json::error::Category::Data => "a value that does not fit its field",
            _ => "bytes that are not JSON",
        };
        piece.damage(at, Code::BadCatalog, found, "the catalog's document")
    })
}
