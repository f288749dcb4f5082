//! Changes of a batch in the log (format page, "Batches").

use std::path::{Path, PathBuf};

use crate::codec::{ByteWriter, Cursor, Flaw};
use crate::finding::Code;

/// One change. Paths are below the root of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum Change {
    /// Bytes at an offset of a file, which is created if it is missing.
    Write {
        /// The file.
        path: PathBuf,
        /// Bytes from its start.
        offset: u64,
        /// What stands there then.
        bytes: Vec<u8>,
    },
    /// The length of a file.
    SetLen {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        len: u64,
    },
    /// A file takes the place of another. No other change of the batch writes
    /// either of them.
    Rename {
        /// Its name so far.
        from: PathBuf,
        /// Its name from now on.
        to: PathBuf,
    },
    /// A file goes away, if it is there.
    Remove {
        /// The file.
        path: PathBuf,
    },
    /// A directory, created if it is missing.
    CreateDir {
        /// The directory.
        path: PathBuf,
    },
    /// An empty directory goes away, if it is there.
    RemoveDir {
        /// The directory.
        path: PathBuf,
    },
}

/// Kinds of changes.
mod kind {
    pub const WRITE: u8 = 1;
    pub const SET_LEN: u8 = 2;
    pub const RENAME: u8 = 3;
    pub const REMOVE: u8 = 4;
    pub const CREATE_DIR: u8 = 5;
    pub const REMOVE_DIR: u8 = 6;
}

/// Appends a change.
pub(super) fn encode_change(w: &mut ByteWriter, change: &Change) {
    let put = |w: &mut ByteWriter, tag: u8, path: &Path| {
        w.u8(tag);
        // Paths of ours are made of encoded names, which are ASCII.
        w.varint_bytes(path.as_os_str().as_encoded_bytes());
    };
    match change {
        Change::Write {
            path,
            offset,
            bytes,
        } => {
            put(w, kind::WRITE, path);
            w.varint(*offset);
            w.varint_bytes(bytes);
        }
        Change::SetLen { path, len } => {
            put(w, kind::SET_LEN, path);
            w.varint(*len);
        }
        Change::Rename { from, to } => {
            put(w, kind::RENAME, from);
            w.varint_bytes(to.as_os_str().as_encoded_bytes());
        }
        Change::Remove { path } => put(w, kind::REMOVE, path),
        Change::CreateDir { path } => put(w, kind::CREATE_DIR, path),
        Change::RemoveDir { path } => put(w, kind::REMOVE_DIR, path),
    }
}

/// Reads a change.
///
/// # Errors
/// When the bytes are none, or its path leads elsewhere.
pub(super) fn decode_change(c: &mut Cursor<'_>) -> Result<Change, Flaw> {
    let at = c.position();
    let tag = c.u8()?;
    // What follows another tag is known to later versions alone.
    if !(kind::WRITE..=kind::REMOVE_DIR).contains(&tag) {
        return unknown(at, tag);
    }
    let path = decode_path(c)?;
    Ok(match tag {
        kind::WRITE => Change::Write {
            path,
            offset: c.varint()?,
            bytes: c.varint_bytes()?.to_vec(),
        },
        kind::SET_LEN => Change::SetLen {
            path,
            len: c.varint()?,
        },
        kind::RENAME => Change::Rename {
            from: path,
            to: decode_path(c)?,
        },
        kind::REMOVE => Change::Remove { path },
        kind::CREATE_DIR => Change::CreateDir { path },
        kind::REMOVE_DIR => Change::RemoveDir { path },
        tag => return unknown(at, tag),
    })
}

fn unknown<T>(at: usize, tag: u8) -> Result<T, Flaw> {
    let expected = "a change of 1 to 6";
    Cursor::bad(at, Code::UnsupportedVersion, tag.into(), expected)
}

/// A path below the root, made of the characters that encoded names have, so
/// that no bytes of a log lead out of the directory.
fn decode_path(c: &mut Cursor<'_>) -> Result<PathBuf, Flaw> {
    let at = c.position();
    let text = c.varint_str()?;
    let plain = |part: &str| {
        let known = |b: u8| b.is_ascii_alphanumeric() || b"._-%~+=".contains(&b);
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(known)
    };
    let parts: Vec<_> = text.split('/').collect();
    if parts.len() > 4 || !parts.iter().all(|part| plain(part)) {
        let len = text.len() as u64;
        return Cursor::bad(at, Code::OutOfRange, len, "a path of encoded names");
    }
    Ok(parts.iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        for path in [
            "",
            "/etc",
            "a/../b",
            "a//b",
            ".",
            "a/.b",
            "a\0",
            "a\\b",
            "a/b/c/d/e",
        ] {
            let mut w = ByteWriter::new();
            encode_change(&mut w, &Change::Remove { path: path.into() });
            let read = decode_change(&mut Cursor::new(w.as_slice()));
            assert!(read.is_err(), "{path}");
        }
    }
}
