//! The head of a segment of our log, and its name (format page, "Our log").

use std::path::{Path, PathBuf};

use crate::codec::{ByteWriter, Cursor};
use crate::engine::pages::address::Lsn;
use crate::engine::pages::frame::{CRC_LEN, FORMAT_VERSION, MAGIC_LEN, Piece, seal};
use crate::error::{Damage, Result};
use crate::file::{Disk, SourceFile};

/// The directory of the log.
pub const LOG_DIR: &str = "wal";
/// First bytes of a segment.
const MAGIC: &[u8; MAGIC_LEN] = b"RDBXWLOG";
/// After the first LSN of a segment in its name.
const SUFFIX: &str = ".log";
/// Hexadecimal digits of the name before the suffix.
const NAME_DIGITS: usize = 16;
/// Bytes of the head: magic, version, cluster, start, record before, CRC.
pub(in crate::engine) const SEGMENT_HEAD_LEN: usize = MAGIC_LEN + 4 + 16 + 8 + 8 + CRC_LEN;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHead {
    /// Of the directory.
    pub cluster_id: u128,
    /// Position in the log of its first byte, which is the head's.
    pub start: Lsn,
    /// The last record before it; 0 for none.
    pub previous: Lsn,
}

impl SegmentHead {
    /// Its bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut w = ByteWriter::new();
        w.raw(MAGIC);
        w.u32(FORMAT_VERSION);
        w.u128(self.cluster_id);
        w.u64(self.start.0);
        w.u64(self.previous.0);
        seal(&mut w, crc32fast::Hasher::new());
        w.into_vec()
    }

    /// Reads the head of a segment of a directory, whose name says where it
    /// starts.
    ///
    /// # Errors
    /// When it is damaged, of another directory, or under another's name.
    pub(super) fn decode(
        piece: &Piece<'_>,
        cluster_id: u128,
        start: Lsn,
    ) -> Result<SegmentHead, Damage> {
        let mut fields = piece.open(MAGIC, crc32fast::Hasher::new())?;
        fields.version()?;
        fields.expect("cluster", cluster_id, Cursor::u128)?;
        fields.expect("start", start.0, Cursor::u64)?;
        Ok(SegmentHead {
            cluster_id,
            start,
            previous: Lsn(fields.read(Cursor::u64)?),
        })
    }
}

/// A segment by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct SegmentFile {
    /// Where it is.
    pub path: PathBuf,
    /// Position in the log of its first byte.
    pub start: Lsn,
}

impl SegmentFile {
    /// The segment of a directory that starts at a position.
    pub(in crate::engine) fn new(root: &Path, start: Lsn) -> Self {
        let name = format!("{:0NAME_DIGITS$x}{SUFFIX}", start.0);
        SegmentFile {
            path: root.join(LOG_DIR).join(name),
            start,
        }
    }

    /// The segments of a directory in order; none when it has no log. Files of
    /// other names are left alone.
    ///
    /// # Errors
    /// When the log's directory cannot be listed.
    pub(in crate::engine) fn list(disk: &dyn Disk, root: &Path) -> Result<Vec<SegmentFile>> {
        let dir = root.join(LOG_DIR);
        if disk.kind(&dir)?.is_none() {
            return Ok(Vec::new());
        }
        crate::engine::pages::paths::check_dir(disk, &dir)?;
        let entries = disk.entries(&dir)?;
        let mut segments: Vec<_> = entries
            .iter()
            .filter_map(|entry| start_of(&entry.name))
            .map(|start| SegmentFile::new(root, start))
            .collect();
        segments.sort_by_key(|segment| segment.start);
        Ok(segments)
    }

    /// Reads the head; its damage is the inner result.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn head(
        &self,
        file: &SourceFile,
        cluster_id: u128,
    ) -> Result<Result<SegmentHead, Damage>> {
        let mut bytes = [0; SEGMENT_HEAD_LEN];
        let len = usize::try_from(file.len()).unwrap_or(SEGMENT_HEAD_LEN);
        let (there, _) = bytes.split_at_mut(len.min(SEGMENT_HEAD_LEN));
        file.read_exact_at(there, 0)?;
        let piece = Piece {
            path: &self.path,
            offset: 0,
            bytes: there,
        };
        Ok(SegmentHead::decode(&piece, cluster_id, self.start))
    }
}

/// The position that the name of a segment states.
fn start_of(name: &str) -> Option<Lsn> {
    let digits = name.strip_suffix(SUFFIX)?;
    let lower = digits
        .bytes()
        .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if digits.len() != NAME_DIGITS || !lower {
        return None;
    }
    u64::from_str_radix(digits, 16).ok().map(Lsn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_and_every_changed_byte_is_found() {
        let head = SegmentHead {
            cluster_id: 7,
            start: Lsn(4096),
            previous: Lsn(4000),
        };
        let bytes = head.encode();
        assert_eq!(bytes.len(), SEGMENT_HEAD_LEN);
        let read = |bytes: &[u8]| {
            let piece = Piece {
                path: Path::new("x"),
                offset: 0,
                bytes,
            };
            SegmentHead::decode(&piece, 7, Lsn(4096))
        };
        assert_eq!(read(&bytes).unwrap(), head);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(read(&flipped).is_err(), "byte {at}");
            assert!(read(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn names_say_where_a_segment_starts() {
        let segment = SegmentFile::new(Path::new("d"), Lsn(0xabc));
        assert_eq!(segment.path, Path::new("d/wal/0000000000000abc.log"));
        assert_eq!(start_of("0000000000000abc.log"), Some(Lsn(0xabc)));
        for other in [
            "abc.log",
            "0000000000000ABC.log",
            "0000000000000abc.wal",
            "x",
        ] {
            assert_eq!(start_of(other), None, "{other}");
        }
    }
}
