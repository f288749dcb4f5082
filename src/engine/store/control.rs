//! The control file: what a directory is, in two slots (format page, "Control
//! file").
//!
//! A checkpoint writes the slot that is not in use. Each slot is a block of its
//! own to every disk, so a torn write leaves the other one whole.

use std::path::{Path, PathBuf};

use crate::codec::{ByteWriter, Cursor};
use crate::engine::layouts::{Layout, Shape};
use crate::engine::log::LogFacts;
use crate::engine::pages::address::{Cluster, LSN_LIMIT, LogPosition, Lsn, Lsns};
use crate::engine::pages::frame::{CRC_LEN, FORMAT_VERSION, Fields, MAGIC_LEN, Piece, seal};
use crate::engine::pages::paths::CONTROL_NAME;
use crate::error::{Damage, Error, Result};
use crate::file::{Disk, SourceFile};
use crate::finding::Code;

/// First bytes of a slot.
pub(in crate::engine) const MAGIC: &[u8; MAGIC_LEN] = b"RDBXCTRL";
/// Bytes of a slot.
pub(in crate::engine) const SLOT_LEN: usize = 4096;
/// Slots of a control file.
pub(in crate::engine) const SLOT_COUNT: usize = 2;
/// Bytes of the control file.
pub(in crate::engine) const CONTROL_LEN: u64 = (SLOT_LEN * SLOT_COUNT) as u64;
/// Most bytes of the family's name.
pub(in crate::engine) const FAMILY_MAX_LEN: usize = 32;

/// Offset in a slot of the number of pages per file.
const PAGES_PER_FILE_OFFSET: usize = SLOT_LEN - CRC_LEN - 4;
/// Offset in a slot of the last record before the checkpoint.
const LAST_RECORD_OFFSET: usize = PAGES_PER_FILE_OFFSET - 8;

/// Offset in a slot of the three sets of feature bits.
const FEATURES_OFFSET: usize = LAST_RECORD_OFFSET - 12;
/// Offset in a slot of where the log began.
const FIRST_OFFSET: usize = FEATURES_OFFSET - 8;
/// Offset in a slot of how far the log is on disk.
const SYNCED_OFFSET: usize = FIRST_OFFSET - 8;

/// What a directory was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The schema family of the source, such as `1.4`; at most 32 bytes.
    pub family: String,
    /// Names the directory in every file. Derived from the content of the
    /// source, so that the same source gives the same bytes.
    pub cluster_id: u128,
}

impl Origin {
    /// Checks that the control file can hold it.
    ///
    /// # Errors
    /// `Usage` when the family is too long.
    pub(in crate::engine) fn check(&self) -> Result<()> {
        if self.family.len() <= FAMILY_MAX_LEN {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "the name of the source family has {} bytes, expected at most {FAMILY_MAX_LEN}",
            self.family.len()
        )))
    }
}

/// What one slot says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Control {
    /// Rises by one with every write; its lowest bit is the slot's number.
    pub generation: u64,
    /// How tables lie in files.
    pub shape: Shape,
    /// What the directory was made from.
    pub origin: Origin,
    /// The files hold what was before, and nothing of what is behind it.
    pub checkpoint: LogPosition,
    /// Where the log began; 0 where nothing was written to it yet. Chosen at
    /// random, so that copies that were changed apart are told apart.
    pub first: Lsn,
    /// The log was on disk up to here when the slot was written.
    pub synced: Lsn,
    /// Features of later versions that every reader and writer may ignore.
    pub compatible: u32,
    /// Features of later versions that a reader may ignore and a writer not.
    pub read_only: u32,
}

impl Control {
    /// The slot of its generation, to its last byte.
    fn encode(&self) -> Vec<u8> {
        let mut w = ByteWriter::new();
        w.raw(MAGIC);
        w.u32(FORMAT_VERSION);
        w.u128(self.origin.cluster_id);
        w.u64(self.generation);
        w.u64(self.checkpoint.at.0);
        w.u8(self.shape.layout.tag());
        w.u8(self.origin.family.len().to_le_bytes()[0]);
        w.raw(self.origin.family.as_bytes());
        w.raw(&vec![0; SYNCED_OFFSET.saturating_sub(w.len())]);
        w.u64(self.synced.0);
        w.u64(self.first.0);
        w.u32(self.compatible);
        w.u32(self.read_only);
        w.u32(0);
        w.u64(self.checkpoint.last.0);
        w.u32(self.shape.pages_per_file);
        seal(&mut w, crc32fast::Hasher::new());
        w.into_vec()
    }

    /// Reads the slot of number `slot`.
    fn decode(piece: &Piece<'_>, slot: u64) -> Result<Self, Damage> {
        let mut fields = piece.open(MAGIC, crc32fast::Hasher::new())?;
        fields.version()?;
        let cluster_id = fields.read(Cursor::u128)?;
        let at = fields.position();
        let generation = fields.read(Cursor::u64)?;
        if generation % SLOT_COUNT as u64 != slot {
            let found = format!("generation {generation} in slot {slot}");
            return Err(fields.damage(at, Code::WrongPlace, found, "the other slot"));
        }
        let at = fields.position();
        let checkpoint_at = Lsn(fields.read(Cursor::u64)?);
        if checkpoint_at.0 >= LSN_LIMIT {
            let found = format!("a checkpoint at {}", checkpoint_at.0);
            let expected = format!("one before {LSN_LIMIT}");
            return Err(fields.damage(at, Code::OutOfRange, found, expected));
        }
        let at = fields.position();
        let tag = fields.read(Cursor::u8)?;
        let Some(layout) = Layout::from_tag(tag) else {
            let (found, expected) = (format!("layout {tag}"), "a layout of 1 to 3");
            return Err(fields.damage(at, Code::UnsupportedVersion, found, expected));
        };
        let family = read_family(&mut fields)?;
        let at = fields.position();
        let padding = fields.read(|c| c.take(SYNCED_OFFSET.saturating_sub(at)))?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(fields.damage(at, Code::OutOfRange, "padding in use", "zeros"));
        }
        let synced = Lsn(fields.read(Cursor::u64)?);
        let first = Lsn(fields.read(Cursor::u64)?);
        if synced.0 >= LSN_LIMIT {
            let found = format!("a log on disk up to {}", synced.0);
            let expected = format!("one that ends before {LSN_LIMIT}");
            return Err(fields.damage(SYNCED_OFFSET, Code::OutOfRange, found, expected));
        }
        let began = checkpoint_at == Lsn::default() || checkpoint_at >= first;
        if !began || synced < first {
            let found = format!("a log that began at {}", first.0);
            let expected = "one that began before what it has";
            return Err(fields.damage(FIRST_OFFSET, Code::OutOfRange, found, expected));
        }
        let compatible = fields.read(Cursor::u32)?;
        let read_only = fields.read(Cursor::u32)?;
        let at = fields.position();
        let incompatible = fields.read(Cursor::u32)?;
        if incompatible != 0 {
            let found = format!("incompatible features {incompatible:#x}");
            let expected = "features of this version";
            return Err(fields.damage(at, Code::UnsupportedVersion, found, expected));
        }
        let at = fields.position();
        let last = Lsn(fields.read(Cursor::u64)?);
        if last >= checkpoint_at && last != Lsn::default() {
            let found = format!("a last record at {}", last.0);
            let expected = format!("one before the checkpoint at {}", checkpoint_at.0);
            return Err(fields.damage(at, Code::OutOfRange, found, expected));
        }
        let pages_per_file = fields.read(Cursor::u32)?;
        let Some(shape) = Shape::new(layout, pages_per_file) else {
            let found = format!("{pages_per_file} pages per file of the layout {layout}");
            let expected = "a number that goes with the layout";
            return Err(fields.damage(PAGES_PER_FILE_OFFSET, Code::OutOfRange, found, expected));
        };
        Ok(Control {
            generation,
            shape,
            origin: Origin { family, cluster_id },
            checkpoint: LogPosition {
                at: checkpoint_at,
                last,
            },
            first,
            synced,
            compatible,
            read_only,
        })
    }

    /// Writes what the next generation says into the slot that is not in use,
    /// and syncs it.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn advance(
        &self,
        disk: &dyn Disk,
        root: &Path,
        checkpoint: LogPosition,
    ) -> Result<Self> {
        let synced = self.synced.max(checkpoint.at);
        let next = Control {
            generation: self.generation.saturating_add(1),
            checkpoint,
            // Where a log began that may not be on disk is not known yet.
            first: if synced < self.first {
                Lsn::default()
            } else {
                self.first
            },
            synced,
            ..self.clone()
        };
        let path = path(root);
        let file = disk.open_write(&path)?;
        let offset = next.generation % SLOT_COUNT as u64 * SLOT_LEN as u64;
        let written = file
            .write_all_at(&next.encode(), offset)
            .and_then(|()| file.sync());
        written.map_err(|error| Error::io("write", &path, error))?;
        Ok(next)
    }

    /// What it says of the log.
    pub(in crate::engine) fn log(&self) -> LogFacts {
        LogFacts {
            cluster_id: self.origin.cluster_id,
            synced: self.synced,
            any_head: false,
        }
    }

    /// The directory, whose files may be of states of its log up to `last`.
    pub(in crate::engine) fn cluster(&self, last: Lsn) -> Cluster {
        Cluster {
            id: self.origin.cluster_id,
            lsns: Lsns {
                first: self.first,
                last,
            },
        }
    }

    /// What the control file of a new directory says.
    pub(in crate::engine) fn new(shape: Shape, origin: &Origin) -> Self {
        Control {
            generation: SLOT_COUNT as u64,
            shape,
            origin: origin.clone(),
            checkpoint: LogPosition::default(),
            first: Lsn::default(),
            synced: Lsn::default(),
            compatible: 0,
            read_only: 0,
        }
    }

    /// Writes a new control file, both slots filled: from the first day on, one
    /// bad slot is damage and never a slot that was not used yet.
    ///
    /// # Errors
    /// When the file is there or cannot be written.
    pub(in crate::engine) fn create(&self, disk: &dyn Disk, root: &Path) -> Result<()> {
        let path = path(root);
        let file = disk.create(&path)?;
        for generation in [self.generation, self.generation.saturating_sub(1)] {
            let control = Control {
                generation,
                ..self.clone()
            };
            let offset = (generation % SLOT_COUNT as u64) * SLOT_LEN as u64;
            file.write_all_at(&control.encode(), offset)
                .map_err(|error| Error::io("write", &path, error))?;
        }
        Ok(())
    }
}

fn read_family(fields: &mut Fields<'_>) -> Result<String, Damage> {
    let at = fields.position();
    let len = usize::from(fields.read(Cursor::u8)?);
    if len > FAMILY_MAX_LEN {
        let expected = format!("at most {FAMILY_MAX_LEN} bytes");
        return Err(fields.damage(at, Code::BadLength, format!("{len} bytes"), expected));
    }
    fields.read(|c| {
        let bytes = c.take(len)?;
        c.utf8(bytes).map(str::to_owned)
    })
}

/// Where the control file of a directory is.
pub(in crate::engine) fn path(root: &Path) -> PathBuf {
    root.join(CONTROL_NAME)
}

/// Makes durable what is read of the control file. A slot may be in the system's cache
/// alone, where the process that wrote it could not sync it: whoever goes on from there
/// would find the older slot after the next crash, and a batch in the log that renames
/// files which are other ones by then.
///
/// # Errors
/// I/O errors.
pub(in crate::engine) fn sync(disk: &dyn Disk, root: &Path) -> Result<()> {
    let path = path(root);
    let synced = disk.open_write(&path)?.sync();
    synced.map_err(|error| Error::io("sync", &path, error))
}

/// A control file as it was found.
#[derive(Debug)]
pub(in crate::engine) struct ControlFile {
    /// Its length.
    pub len: u64,
    /// What each slot says, or what is wrong with it.
    pub slots: [Result<Control, Damage>; SLOT_COUNT],
    /// What is wrong with the file as a whole.
    pub shape: Option<Damage>,
}

impl ControlFile {
    /// Reads the control file of a directory.
    ///
    /// # Errors
    /// When it cannot be read, or is no regular file.
    pub(in crate::engine) fn read(disk: &dyn Disk, root: &Path) -> Result<Self> {
        let file = SourceFile::open_on(disk, &path(root))?;
        // A longer file is reported; its first two slots may still be good.
        let len = file.len().min(CONTROL_LEN);
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(SLOT_LEN * SLOT_COUNT)];
        file.read_exact_at(&mut bytes, 0)?;
        let slot = |number: usize| {
            let start = number * SLOT_LEN;
            let end = (start + SLOT_LEN).min(bytes.len());
            let piece = Piece {
                path: file.path(),
                offset: start as u64,
                bytes: bytes.get(start..end).unwrap_or_default(),
            };
            if piece.bytes.len() < SLOT_LEN {
                let found = format!("{} bytes", piece.bytes.len());
                let expected = format!("a slot of {SLOT_LEN} bytes");
                return Err(piece.damage(0, Code::Truncated, found, expected));
            }
            Control::decode(&piece, number as u64)
        };
        let slots = [slot(0), slot(1)];
        let shape = (file.len() > CONTROL_LEN).then(|| Damage {
            file: file.path().to_owned(),
            offset: CONTROL_LEN,
            code: Code::TrailingBytes,
            found: format!("a file of {} bytes", file.len()),
            expected: format!("{CONTROL_LEN} bytes"),
        });
        Ok(ControlFile {
            len: file.len(),
            slots,
            shape,
        })
    }

    /// The slot in use: the whole one of the higher generation.
    ///
    /// # Errors
    /// `UnsupportedVersion` when a later version wrote a whole slot: it says
    /// more than this one can read. Else the damage of the first slot when both
    /// are bad.
    pub(in crate::engine) fn current(&self) -> Result<&Control, &Damage> {
        let [first, second] = &self.slots;
        let newer = self.slots.iter().filter_map(|slot| slot.as_ref().err());
        let mut newer = newer.filter(|damage| damage.code == Code::UnsupportedVersion);
        if let Some(newer) = newer.next() {
            return Err(newer);
        }
        match (first, second) {
            (Ok(a), Ok(b)) if b.generation > a.generation => Ok(b),
            (Ok(a), _) => Ok(a),
            (Err(_), Ok(b)) => Ok(b),
            (Err(damage), Err(_)) => Err(damage),
        }
    }

    /// Everything that is wrong with it.
    pub(in crate::engine) fn damages(&self, path: &Path) -> Vec<Damage> {
        let slots = self.slots.iter().filter_map(|slot| slot.as_ref().err());
        let whole = self.shape.iter().cloned().chain(self.contradiction(path));
        slots.cloned().chain(whole).collect()
    }

    /// What the two slots contradict each other in, if they do.
    fn contradiction(&self, path: &Path) -> Option<Damage> {
        let [Ok(a), Ok(b)] = &self.slots else {
            return None;
        };
        let apart = a.generation.abs_diff(b.generation);
        let alike = a.origin == b.origin && a.shape == b.shape;
        (apart != 1 || !alike).then(|| Damage {
            file: path.to_owned(),
            offset: SLOT_LEN as u64,
            code: Code::WrongPlace,
            found: format!("slots {apart} generations apart, alike: {alike}"),
            expected: "two slots of one directory, one generation apart".into(),
        })
    }
}
