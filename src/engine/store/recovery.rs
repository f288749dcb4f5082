//! Brings a directory from its last checkpoint to its last record.
//!
//! A batch that is whole in the log but may be half in the files is carried out
//! again; what was changed after it is replayed into the tables, in memory.

use std::path::Path;
use std::sync::Arc;

use super::batch_check::BatchCheck;
use super::carry_out::CarryOut;
use super::changed_disk::ChangedDisk;
use super::control::{self, Control, ControlFile};
use crate::codec::Cursor;
use crate::engine::log::{
    Change, EndedVersion, Entry, Inserted, LogEnd, LogReader, Owner, SegmentFile,
};
use crate::engine::pages::address::{Cluster, LogPosition};
use crate::engine::pages::frame::Piece;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::codec::RowStart;
use crate::engine::table::row_changes::key_of;
use crate::engine::table::{Ended, LiveTable, SequencePlaces};
use crate::error::{Error, Result};
use crate::file::Disk;
use crate::finding::{Code, Finding, Severity};
use crate::report::Report;

/// A directory whose files are those of its last checkpoint.
#[derive(Debug)]
pub(in crate::engine) struct Recovered {
    /// Where files are to be read: with the last batch, on disk or above it.
    pub disk: Arc<dyn Disk>,
    /// What the control file says.
    pub control: Control,
    /// Records from here on are not in the files.
    pub from: LogPosition,
    /// What is wrong with the control file.
    pub findings: Report,
}

impl Recovered {
    /// The directory, whose files are of no state behind the last batch.
    pub(in crate::engine) fn cluster(&self) -> Cluster {
        self.control.cluster(self.from.at)
    }
}

/// Whether files may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Mode {
    /// A batch is carried out.
    Write,
    /// A batch is looked at as if it were carried out.
    Read,
}

/// The last whole batch of a log.
#[derive(Debug, Clone, Copy)]
struct LastBatch {
    /// Before its first change, and how many there are.
    first: LogPosition,
    changes: u64,
    /// Behind it.
    end: LogPosition,
}

/// Finds the last batch and carries it out.
///
/// # Errors
/// Damage of control file or log; I/O errors.
pub(in crate::engine) fn recover(
    disk: &Arc<dyn Disk>,
    root: &Path,
    mode: Mode,
) -> Result<Recovered> {
    let slots = ControlFile::read(&**disk, root)?;
    let control = slots.current().cloned().map_err(Clone::clone)?;
    if mode == Mode::Write && control.read_only != 0 {
        let found = format!("features {:#x} that forbid changes", control.read_only);
        let (path, expected) = (control::path(root), "features of this version");
        let code = Code::UnsupportedVersion;
        return Err(Error::damage(&path, 0, code, found, expected));
    }
    if mode == Mode::Write {
        control::sync(&**disk, root)?;
    }
    let torn = slots.slots.iter().any(Result::is_err);
    let checkpoint = control.checkpoint;
    let mut recovered = recover_from(disk, root, mode, (control, torn))?;
    // A slot that is bad may have been the newer one, and what it said of the log is
    // missed by nothing else. Where the log has a batch that the other one does not
    // know, a crash tore the slot that was to say so.
    let is_of_crash = torn && recovered.from != checkpoint;
    for damage in slots.damages(&control::path(root)) {
        let finding = Finding::from(&damage);
        recovered.findings.add(match is_of_crash {
            true => finding.severity(Severity::Warning),
            false => finding,
        });
    }
    Ok(recovered)
}

/// As [`recover`], from what a control file says, one of whose slots may be
/// `torn`.
///
/// # Errors
/// Damage of the log; I/O errors.
pub(in crate::engine) fn recover_from(
    disk: &Arc<dyn Disk>,
    root: &Path,
    mode: Mode,
    (mut control, torn): (Control, bool),
) -> Result<Recovered> {
    let log = control.log();
    let reader = LogReader::open(disk, root, log, control.checkpoint)?;
    // Before its first checkpoint only the log says where it began.
    if control.checkpoint == LogPosition::default()
        && let Some(segment) = SegmentFile::list(&**disk, root)?.first()
    {
        control.first = segment.start;
    }
    // Batches before the last one were carried out before it was written.
    let Some(batch) = last_batch(reader)? else {
        let control = match mode {
            // A crash may have torn the slot that was being written.
            Mode::Write if torn => control.advance(&**disk, root, control.checkpoint)?,
            _ => control,
        };
        return Ok(Recovered {
            disk: disk.clone(),
            from: control.checkpoint,
            control,
            findings: Report::new(),
        });
    };
    let mut check = BatchCheck::new(&**disk, root);
    let mut reader = LogReader::open(disk, root, log, batch.first)?;
    each_change(&mut reader, batch.changes, |change, place| {
        check.change(&change, place)
    })?;
    check.finish(reader.place().unwrap_or((root, 0)))?;
    let mut reader = LogReader::open(disk, root, log, batch.first)?;
    match mode {
        Mode::Write => {
            let mut carry_out = CarryOut::new(&**disk, root);
            each_change(&mut reader, batch.changes, |change, _| {
                carry_out.change(&change)
            })?;
            carry_out.finish()?;
            Ok(Recovered {
                disk: disk.clone(),
                control: control.advance(&**disk, root, batch.end)?,
                from: batch.end,
                findings: Report::new(),
            })
        }
        Mode::Read => {
            let mut changed = ChangedDisk::new(disk.clone());
            each_change(&mut reader, batch.changes, |change, _| {
                changed.change(root, change)
            })?;
            Ok(Recovered {
                disk: Arc::new(changed),
                control,
                from: batch.end,
                findings: Report::new(),
            })
        }
    }
}

fn last_batch(mut reader: LogReader) -> Result<Option<LastBatch>> {
    let mut last = None;
    // The changes in a row before the record at hand.
    let mut run: Vec<LogPosition> = Vec::new();
    while let Some(head) = reader.advance()? {
        if head.is_change() {
            run.push(head.before());
            continue;
        }
        if head.is_commit()
            && let Some(Entry::Commit { changes }) = reader.entry()?
        {
            let before = usize::try_from(changes).ok();
            let first = before.and_then(|changes| run.len().checked_sub(changes));
            let Some(first) = first else {
                let (path, offset) = reader.place().unwrap_or((Path::new(""), 0));
                let found = format!("a batch of {changes} changes after {} of them", run.len());
                let expected = "as many changes as the batch has";
                return Err(Error::damage(
                    path,
                    offset,
                    Code::CountMismatch,
                    found,
                    expected,
                ));
            };
            last = Some(LastBatch {
                first: run.get(first).copied().unwrap_or(head.before()),
                changes,
                end: LogPosition {
                    at: head.end(),
                    last: head.lsn,
                },
            });
        }
        run.clear();
    }
    Ok(last)
}

fn each_change(
    reader: &mut LogReader,
    changes: u64,
    mut take: impl FnMut(Change, (&Path, u64)) -> Result<()>,
) -> Result<()> {
    for _ in 0..changes {
        if reader.advance()?.is_some()
            && let Some(Entry::Change(change)) = reader.entry()?
        {
            take(change, reader.place().unwrap_or((Path::new(""), 0)))?;
        }
    }
    Ok(())
}

/// What replay changes of one table.
pub(in crate::engine) struct Replayed<'t> {
    /// Where it is.
    pub place: &'t TablePlace,
    /// Its rows.
    pub live: &'t mut dyn LiveTable,
    /// Its sequences, and where they are.
    pub sequences: (&'t mut Vec<(String, i64)>, &'t mut SequencePlaces),
}

/// The highest number of a transaction that a change of a table states; 0 for
/// none.
pub(in crate::engine) fn transaction_of(entry: &Entry) -> u64 {
    let xmin = |new: &Inserted| {
        let start = RowStart::read(&mut Cursor::new(&new.row));
        start.map_or(0, |start| start.xmin)
    };
    match entry {
        Entry::Insert(new) => xmin(new),
        Entry::End(ended) => ended.xmax,
        Entry::Update(ended, new) => ended.xmax.max(xmin(new)),
        _ => 0,
    }
}

/// Replays what happened since the last checkpoint; `apply` is given each
/// change with its table.
///
/// # Errors
/// Damage of the log, and those of `apply`.
pub(in crate::engine) fn replay(
    disk: &Arc<dyn Disk>,
    root: &Path,
    recovered: &Recovered,
    mut apply: impl FnMut(Owner, Entry, (&Path, u64)) -> Result<()>,
) -> Result<LogEnd> {
    let log = recovered.control.log();
    let mut reader = LogReader::open(disk, root, log, recovered.from)?;
    while let Some(head) = reader.advance()? {
        // Changes without their end: the checkpoint did not come to pass.
        if !head.is_change()
            && let Some(entry) = reader.entry()?
        {
            let place = reader.place().unwrap_or((root, 0));
            match entry {
                Entry::Group(entries) => {
                    let mut entries = entries.into_iter();
                    entries.try_for_each(|(owner, entry)| apply(owner, entry, place))?;
                }
                alone => apply(head.owner, alone, place)?,
            }
        }
    }
    Ok(reader.end())
}

impl Replayed<'_> {
    /// Makes one change again.
    ///
    /// # Errors
    /// Damage when the table is not as it was when the record was written.
    pub(in crate::engine) fn apply(&mut self, entry: Entry, at: (&Path, u64)) -> Result<()> {
        match entry {
            Entry::Insert(inserted) => self.insert(&inserted, at),
            Entry::End(ended) => self.end(&ended, at),
            Entry::Update(ended, inserted) => {
                self.end(&ended, at)?;
                self.insert(&inserted, at)
            }
            Entry::Sequence { column, next } => {
                let (sequences, sequence_places) = &mut self.sequences;
                sequence_places.set(sequences, column, next);
                Ok(())
            }
            Entry::Change(_) | Entry::Commit { .. } | Entry::Group(_) => Ok(()),
        }
    }

    fn insert(&mut self, inserted: &Inserted, at: (&Path, u64)) -> Result<()> {
        // A row that is none is damage of the log, not of whoever gives it.
        let piece = Piece {
            path: at.0,
            offset: at.1,
            bytes: &inserted.row,
        };
        if !key_of(&piece, self.place)?.visible {
            let (found, expected) = ("a row that has ended", "a new row");
            return Err(piece.damage(0, Code::OutOfRange, found, expected).into());
        }
        let id = self.live.insert(&inserted.row, Some(inserted.id))?;
        if id == inserted.id {
            return Ok(());
        }
        Err(diverged(at, format!("a row at {}", id.0), inserted.id.0))
    }

    fn end(&mut self, ended: &EndedVersion, at: (&Path, u64)) -> Result<()> {
        match self.live.end(ended.id, ended.xmax, ended.moved)? {
            Ended::Yes { moved } if moved == ended.moved => Ok(()),
            other => Err(diverged(at, format!("{other:?}"), ended.id.0)),
        }
    }
}

/// The damage that a record of a table means which is not there.
pub(in crate::engine) fn no_table(owner: Owner, (path, offset): (&Path, u64)) -> Error {
    let found = format!("table {} of database {}", owner.table, owner.database);
    let expected = "a table of the catalog";
    Error::damage(path, offset, Code::WrongPlace, found, expected)
}

fn diverged((path, offset): (&Path, u64), found: String, id: u64) -> Error {
    let expected = format!("the table as it was when the record of row {id} was written");
    Error::damage(path, offset, Code::WrongPlace, found, expected)
}
