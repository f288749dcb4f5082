//! What the fixed structures share: magic number first, CRC-32 last.

use std::path::Path;

use crc32fast::Hasher;

use super::address::{Lsn, Lsns};
use crate::codec::{ByteWriter, Cursor, Flaw};
use crate::error::Damage;
use crate::file::SourceFile;
use crate::finding::Code;

/// Version of every format here; a later one is refused.
pub(in crate::engine) const FORMAT_VERSION: u32 = 1;
/// Bytes of a magic number.
pub(in crate::engine) const MAGIC_LEN: usize = 8;
/// Bytes of a checksum.
pub(in crate::engine) const CRC_LEN: usize = 4;

/// Some bytes of a file, and where they stand.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Piece<'a> {
    /// The file.
    pub path: &'a Path,
    /// File offset of the first byte.
    pub offset: u64,
    /// The bytes.
    pub bytes: &'a [u8],
}

impl<'a> Piece<'a> {
    /// Bytes that are of a file, at no offset that is known.
    pub(in crate::engine) fn of(file: &'a SourceFile, bytes: &'a [u8]) -> Self {
        Piece {
            path: file.path(),
            offset: 0,
            bytes,
        }
    }

    /// Checks magic number and checksum, and gives the fields between them.
    ///
    /// # Errors
    /// `BadMagic`, `Truncated` or `ChecksumMismatch`.
    pub(in crate::engine) fn open(
        &self,
        magic: &[u8; MAGIC_LEN],
        mut crc: Hasher,
    ) -> Result<Fields<'a>, Damage> {
        let Some((covered, stored)) = self.bytes.split_last_chunk::<CRC_LEN>() else {
            let found = format!("{} bytes", self.bytes.len());
            return Err(self.damage(0, Code::Truncated, found, "a magic number and a checksum"));
        };
        let Some(fields) = covered.strip_prefix(magic) else {
            let found = covered.get(..MAGIC_LEN).unwrap_or(covered);
            let found = format!("\"{}\"", found.escape_ascii());
            let expected = format!("\"{}\"", magic.escape_ascii());
            return Err(self.damage(0, Code::BadMagic, found, expected));
        };
        crc.update(covered);
        check_crc(self, covered.len(), crc, u32::from_le_bytes(*stored))?;
        Ok(Fields {
            piece: *self,
            cursor: Cursor::new(fields),
        })
    }

    /// Checks that the state stated at `at` is one of the directory's own: of no
    /// later one, and of no copy that was changed by itself.
    ///
    /// # Errors
    /// `WrongPlace`.
    pub(in crate::engine) fn check_lsn(
        &self,
        at: usize,
        lsn: Lsn,
        Lsns { first, last }: Lsns,
    ) -> Result<(), Damage> {
        if lsn == Lsn::default() || (first..=last).contains(&lsn) {
            return Ok(());
        }
        let found = format!("a state at position {} of a log", lsn.0);
        let expected = format!("0, or one of this log, {} to {}", first.0, last.0);
        Err(self.damage(at, Code::WrongPlace, found, expected))
    }

    /// Damage at an offset inside the piece.
    pub(in crate::engine) fn damage(
        &self,
        at: usize,
        code: Code,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Damage {
        Damage {
            file: self.path.to_owned(),
            offset: self.offset.saturating_add(at as u64),
            code,
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// The damage that a flaw means in a piece whose length is certain.
    pub(in crate::engine) fn flaw(&self, flaw: Flaw) -> Damage {
        match flaw {
            Flaw::Short { need } => {
                let found = format!("a value that needs {need} bytes");
                let expected = format!("at most {} bytes", self.bytes.len());
                self.damage(0, Code::BadLength, found, expected)
            }
            Flaw::Bad {
                at,
                code,
                found,
                expected,
            } => self.damage(at, code, found.to_string(), expected),
        }
    }
}

/// Compares a checksum with the one stored at `at`.
pub(in crate::engine) fn check_crc(
    piece: &Piece<'_>,
    at: usize,
    computed: Hasher,
    stored: u32,
) -> Result<(), Damage> {
    let computed = computed.finalize();
    if computed == stored {
        return Ok(());
    }
    Err(piece.damage(
        at,
        Code::ChecksumMismatch,
        format!("checksum {stored:08x}"),
        format!("{computed:08x} by the bytes"),
    ))
}

/// The fields of a piece whose checksum is right, read one after another.
pub(in crate::engine) struct Fields<'a> {
    piece: Piece<'a>,
    cursor: Cursor<'a>,
}

impl<'a> Fields<'a> {
    /// Offset of the next field in the piece.
    pub(in crate::engine) fn position(&self) -> usize {
        MAGIC_LEN + self.cursor.position()
    }

    /// Reads one field.
    pub(in crate::engine) fn read<T>(
        &mut self,
        read: impl FnOnce(&mut Cursor<'a>) -> Result<T, Flaw>,
    ) -> Result<T, Damage> {
        let fields = Piece {
            offset: self.piece.offset + MAGIC_LEN as u64,
            ..self.piece
        };
        read(&mut self.cursor).map_err(|flaw| fields.flaw(flaw))
    }

    /// Reads the format version and refuses any but ours.
    pub(in crate::engine) fn version(&mut self) -> Result<(), Damage> {
        let at = self.position();
        let found = self.read(Cursor::u32)?;
        if found == FORMAT_VERSION {
            return Ok(());
        }
        let expected = format!("version {FORMAT_VERSION}");
        let found = format!("version {found}");
        Err(self
            .piece
            .damage(at, Code::UnsupportedVersion, found, expected))
    }

    /// Reads a number that must be what the place of the piece demands.
    pub(in crate::engine) fn expect<T: PartialEq + std::fmt::LowerHex>(
        &mut self,
        what: &str,
        expected: T,
        read: impl FnOnce(&mut Cursor<'a>) -> Result<T, Flaw>,
    ) -> Result<(), Damage> {
        let at = self.position();
        let found = self.read(read)?;
        if found == expected {
            return Ok(());
        }
        Err(self.piece.damage(
            at,
            Code::WrongPlace,
            format!("{what} {found:#x}"),
            format!("{expected:#x}"),
        ))
    }

    /// Damage at an offset inside the piece.
    pub(in crate::engine) fn damage(
        &self,
        at: usize,
        code: Code,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Damage {
        self.piece.damage(at, code, found, expected)
    }
}

/// Appends the checksum of everything written since `crc` was seeded.
pub(in crate::engine) fn seal(w: &mut ByteWriter, mut crc: Hasher) {
    crc.update(w.as_slice());
    w.u32(crc.finalize());
}
