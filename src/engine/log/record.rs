//! One record of our log (format page, "Our log").

use super::change::{Change, decode_change, encode_change};
use crate::codec::{ByteWriter, Cursor, Flaw};
use crate::engine::pages::address::{LogPosition, Lsn, RowId};
use crate::finding::Code;

/// Offset of the checksum.
const CRC_OFFSET: usize = 4;
/// Offset of the first byte under the checksum, beside the length.
const LSN_OFFSET: usize = CRC_OFFSET + 4;
const PREVIOUS_OFFSET: usize = LSN_OFFSET + 8;
const DURABLE_OFFSET: usize = PREVIOUS_OFFSET + 8;
const DATABASE_OFFSET: usize = DURABLE_OFFSET + 8;
const TABLE_OFFSET: usize = DATABASE_OFFSET + 4;
const KIND_OFFSET: usize = TABLE_OFFSET + 4;
/// Bytes before the payload: its length, checksum, LSN, record before, what is
/// durable, database, table, kind.
pub(in crate::engine) const LOG_RECORD_HEAD_LEN: usize = KIND_OFFSET + 1;

/// What a record states before its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct RecordHead {
    /// Bytes of the payload.
    pub payload_len: u32,
    /// Its position in the log.
    pub lsn: Lsn,
    /// The record before it; 0 for none.
    pub previous: Lsn,
    /// Everything before this position was on disk when it was written.
    pub durable: Lsn,
    /// Whose record it is.
    pub owner: Owner,
    /// What the payload is.
    kind: u8,
    crc: u32,
}

/// Database and table of a record; both all ones for the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::engine) struct Owner {
    /// Id of the database.
    pub database: u32,
    /// Id of the table.
    pub table: u32,
}

impl Owner {
    /// The directory as a whole.
    pub(in crate::engine) const DIRECTORY: Owner = Owner {
        database: u32::MAX,
        table: u32::MAX,
    };
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum Entry {
    /// A row version was added.
    Insert(Inserted),
    /// A row version was ended.
    End(EndedVersion),
    /// A row version was ended, and another one added.
    Update(EndedVersion, Inserted),
    /// A column's sequence goes on at another value.
    Sequence {
        /// The column.
        column: String,
        /// The value that the next row gets.
        next: i64,
    },
    /// One change of a batch.
    Change(Change),
    /// The end of a batch of so many changes, which stand right before it.
    Commit {
        /// How many.
        changes: u64,
    },
    /// Changes of tables that one transaction made, each with its table: one
    /// record, so that a crash leaves all of them or none.
    Group(Vec<(Owner, Entry)>),
}

/// A row version that was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Inserted {
    /// Where it went.
    pub id: RowId,
    /// The row in the row codec.
    pub row: Vec<u8>,
}

/// A row version that was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct EndedVersion {
    /// Which one.
    pub id: RowId,
    /// By which transaction.
    pub xmax: u64,
    /// Where its bytes went, if they moved.
    pub moved: Option<RowId>,
}

/// Kinds of records.
mod kind {
    pub const INSERT: u8 = 1;
    pub const END: u8 = 2;
    pub const UPDATE: u8 = 3;
    pub const SEQUENCE: u8 = 4;
    pub const CHANGE: u8 = 5;
    pub const COMMIT: u8 = 6;
    pub const GROUP: u8 = 7;
}

/// What stands before every record's own bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Of the directory.
    pub cluster_id: u128,
    /// See [`RecordHead`].
    pub lsn: Lsn,
    /// See [`RecordHead`].
    pub previous: Lsn,
    /// See [`RecordHead`].
    pub durable: Lsn,
    /// See [`RecordHead`].
    pub owner: Owner,
}

/// A checksum that already holds whose log it is.
fn seed(cluster_id: u128) -> crc32fast::Hasher {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&cluster_id.to_le_bytes());
    crc
}

/// Appends a record. Paths must be those that [`Entry::decode`] takes.
///
/// # Errors
/// The length of a payload that no record can have.
pub(super) fn encode(w: &mut ByteWriter, place: &Place, entry: &Entry) -> Result<(), u64> {
    let mut payload = ByteWriter::new();
    let kind = entry.encode(&mut payload);
    let len = u32::try_from(payload.len()).map_err(|_| payload.len() as u64)?;
    let mut covered = ByteWriter::new();
    covered.u64(place.lsn.0);
    covered.u64(place.previous.0);
    covered.u64(place.durable.0);
    covered.u32(place.owner.database);
    covered.u32(place.owner.table);
    covered.u8(kind);
    let mut crc = seed(place.cluster_id);
    crc.update(&len.to_le_bytes());
    crc.update(covered.as_slice());
    crc.update(payload.as_slice());
    w.u32(len);
    w.u32(crc.finalize());
    w.raw(covered.as_slice());
    w.raw(payload.as_slice());
    Ok(())
}

impl RecordHead {
    /// Reads a head; nothing of it is checked.
    ///
    /// # Errors
    /// When the bytes end before it does.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Flaw> {
        let mut c = Cursor::new(bytes);
        let (payload_len, crc) = (c.u32()?, c.u32()?);
        Ok(RecordHead {
            payload_len,
            crc,
            lsn: Lsn(c.u64()?),
            previous: Lsn(c.u64()?),
            durable: Lsn(c.u64()?),
            owner: Owner {
                database: c.u32()?,
                table: c.u32()?,
            },
            kind: c.u8()?,
        })
    }

    /// The place before the record.
    pub(in crate::engine) fn before(&self) -> LogPosition {
        LogPosition {
            at: self.lsn,
            last: self.previous,
        }
    }

    /// Position after the record.
    pub(in crate::engine) fn end(&self) -> Lsn {
        Lsn(self.lsn.0.saturating_add(self.len()))
    }

    /// Bytes of the record.
    pub(in crate::engine) fn len(&self) -> u64 {
        LOG_RECORD_HEAD_LEN as u64 + u64::from(self.payload_len)
    }

    /// Whether the checksum of a whole record is right.
    pub(super) fn is_whole(&self, record: &[u8], cluster_id: u128) -> bool {
        let mut crc = seed(cluster_id);
        crc.update(&self.payload_len.to_le_bytes());
        crc.update(record.get(LSN_OFFSET..).unwrap_or_default());
        record.len() as u64 == self.len() && crc.finalize() == self.crc
    }

    /// Reads what follows the head.
    ///
    /// # Errors
    /// When the payload is of no kind that is known.
    pub(super) fn entry(&self, payload: &[u8]) -> Result<Entry, Flaw> {
        let mut c = Cursor::new(payload);
        let entry = Entry::decode(&mut c, self.kind)?;
        match c.remaining() {
            0 => Ok(entry),
            rest => Cursor::bad(
                c.position(),
                Code::TrailingBytes,
                rest as u64,
                "no bytes after the record's fields",
            ),
        }
    }

    /// Whether it is a part of a batch.
    pub(in crate::engine) fn is_change(&self) -> bool {
        self.kind == kind::CHANGE
    }

    /// Whether it ends a batch.
    pub(in crate::engine) fn is_commit(&self) -> bool {
        self.kind == kind::COMMIT
    }
}

impl Entry {
    /// Appends the payload and gives its kind.
    fn encode(&self, w: &mut ByteWriter) -> u8 {
        match self {
            Entry::Insert(inserted) => {
                inserted.encode(w);
                kind::INSERT
            }
            Entry::End(ended) => {
                ended.encode(w);
                kind::END
            }
            Entry::Update(ended, inserted) => {
                ended.encode(w);
                inserted.encode(w);
                kind::UPDATE
            }
            Entry::Sequence { column, next } => {
                w.i64(*next);
                w.varint_bytes(column.as_bytes());
                kind::SEQUENCE
            }
            Entry::Change(change) => {
                encode_change(w, change);
                kind::CHANGE
            }
            Entry::Commit { changes } => {
                w.varint(*changes);
                kind::COMMIT
            }
            Entry::Group(entries) => {
                w.varint(entries.len() as u64);
                let mut fields = ByteWriter::new();
                for (owner, entry) in entries {
                    fields.clear();
                    let kind = entry.encode(&mut fields);
                    w.u32(owner.database);
                    w.u32(owner.table);
                    w.u8(kind);
                    w.raw(fields.as_slice());
                }
                kind::GROUP
            }
        }
    }

    fn decode(c: &mut Cursor<'_>, kind: u8) -> Result<Self, Flaw> {
        Ok(match kind {
            kind::INSERT => Entry::Insert(Inserted::decode(c)?),
            kind::END => Entry::End(EndedVersion::decode(c)?),
            kind::UPDATE => Entry::Update(EndedVersion::decode(c)?, Inserted::decode(c)?),
            kind::SEQUENCE => Entry::Sequence {
                next: c.i64()?,
                column: c.varint_str()?.to_owned(),
            },
            kind::CHANGE => Entry::Change(decode_change(c)?),
            kind::COMMIT => Entry::Commit {
                changes: c.varint()?,
            },
            kind::GROUP => Entry::Group(decode_group(c)?),
            kind => {
                let expected = "a record kind of 1 to 7";
                return Cursor::bad(0, Code::UnsupportedVersion, kind.into(), expected);
            }
        })
    }
}

/// The changes of a transaction: of tables alone, so that none holds others.
fn decode_group(c: &mut Cursor<'_>) -> Result<Vec<(Owner, Entry)>, Flaw> {
    let mut entries = Vec::new();
    for _ in 0..c.varint()? {
        let owner = Owner {
            database: c.u32()?,
            table: c.u32()?,
        };
        let at = c.position();
        let kind = c.u8()?;
        if !(kind::INSERT..=kind::SEQUENCE).contains(&kind) {
            return Cursor::bad(at, Code::BadTag, kind.into(), "a change of kind 1 to 4");
        }
        entries.push((owner, Entry::decode(c, kind)?));
    }
    Ok(entries)
}

impl Inserted {
    fn encode(&self, w: &mut ByteWriter) {
        w.varint(self.id.0);
        w.varint_bytes(&self.row);
    }

    fn decode(c: &mut Cursor<'_>) -> Result<Self, Flaw> {
        Ok(Inserted {
            id: RowId(c.varint()?),
            row: c.varint_bytes()?.to_vec(),
        })
    }
}

impl EndedVersion {
    fn encode(&self, w: &mut ByteWriter) {
        w.varint(self.id.0);
        w.varint(self.xmax);
        w.bool(self.moved.is_some());
        if let Some(moved) = self.moved {
            w.varint(moved.0);
        }
    }

    fn decode(c: &mut Cursor<'_>) -> Result<Self, Flaw> {
        Ok(EndedVersion {
            id: RowId(c.varint()?),
            xmax: c.varint()?,
            moved: c.option(|c| c.varint().map(RowId))?,
        })
    }
}

#[cfg(test)]
mod tests;
