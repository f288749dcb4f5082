//! The log of a damaged directory: its whole records, also those beyond damage.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::engine::log::{Change, Entry, LogFacts, LogReader, Owner, SegmentFile};
use crate::engine::pages::address::{LogPosition, Lsn};
use crate::engine::store::batch_check::BatchCheck;
use crate::engine::store::changed_disk::ChangedDisk;
use crate::engine::store::control::Control;
use crate::engine::store::recovery::{Mode, Recovered, recover_from};
use crate::error::{Damage, Error, Result};
use crate::file::Disk;
use crate::finding::{Code, Finding};
use crate::report::Report;

use super::found_control::FoundControl;

/// What the log gives.
pub(super) enum Log {
    /// It can be replayed as always.
    Whole(Recovered),
    /// Not, but these are its whole records behind the last whole batch.
    Damaged(Recovered, BTreeMap<Owner, Vec<Entry>>),
}

/// Reads the log behind the checkpoint, or all of it where that is not known.
///
/// # Errors
/// I/O errors.
pub(super) fn read_log(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    found: FoundControl,
    report: &mut Report,
) -> Result<Log> {
    let mut control = found.control;
    let first = first_segment(&**disk, dir);
    if !found.is_known {
        let at = first.unwrap_or_default();
        let last = Lsn::default();
        control.checkpoint = LogPosition { at, last };
    }
    match recover_from(disk, dir, Mode::Read, (control.clone(), false)) {
        Ok(recovered) => match hole(disk, dir, &recovered)? {
            None => return Ok(Log::Whole(recovered)),
            Some(finding) => report.add(finding),
        },
        Err(Error::Damage(damage)) => report.add(lost(&damage)),
        Err(other) => return Err(other),
    }
    walk_log(disk, dir, control, report)
}

/// The whole records of a log that cannot be replayed: behind the checkpoint that
/// the control file names, or of all of it.
///
/// # Errors
/// I/O errors.
pub(super) fn walk_log(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    control: Control,
    report: &mut Report,
) -> Result<Log> {
    let first = first_segment(&**disk, dir);
    let mut walk = Walk {
        disk,
        dir,
        records: BTreeMap::new(),
        run: Vec::new(),
        batch: None,
    };
    let from = control.checkpoint;
    // That its end is missing was said.
    let log = LogFacts {
        synced: Lsn::default(),
        any_head: true,
        ..control.log()
    };
    let reader = match LogReader::open(disk, dir, log, from) {
        Err(Error::Damage(_)) => {
            let at = first.unwrap_or_default();
            let last = Lsn::default();
            let from = LogPosition { at, last };
            LogReader::open(disk, dir, log, from)
        }
        reader => reader,
    };
    match reader {
        Ok(reader) if first.is_some() => walk.records(reader, report)?,
        Ok(_) | Err(Error::Damage(_)) => {}
        Err(other) => return Err(other),
    }
    let disk: Arc<dyn Disk> = match walk.batch.take() {
        Some(batch) => Arc::new(batch),
        None => disk.clone(),
    };
    // Nothing is replayed: the records are taken as they are.
    let recovered = Recovered {
        disk,
        from: control.checkpoint,
        control,
        findings: Report::new(),
    };
    Ok(Log::Damaged(recovered, walk.records))
}

/// What keeps whole records from being reached, if anything does.
fn hole(disk: &Arc<dyn Disk>, dir: &Path, recovered: &Recovered) -> Result<Option<Finding>> {
    let log = recovered.control.log();
    let lost = |finding: &Finding| {
        let found = Finding::new(Code::RecordsLost);
        let found = found.detail(finding.detail.clone().unwrap_or_default());
        match &finding.file {
            Some(file) => found.file(file),
            None => found,
        }
    };
    let read = LogReader::open(disk, dir, log, recovered.from);
    let walked = read.and_then(|mut reader| {
        while reader.advance()?.is_some() {}
        Ok(reader
            .tail()
            .filter(|tail| tail.whole > 0)
            .map(|tail| lost(&tail.finding())))
    });
    match walked {
        Err(Error::Damage(damage)) => Ok(Some(lost(&Finding::from(&*damage)))),
        other => other,
    }
}

fn first_segment(disk: &dyn Disk, dir: &Path) -> Option<Lsn> {
    let segments = SegmentFile::list(disk, dir).ok()?;
    segments.first().map(|segment| segment.start)
}

pub(super) fn lost(damage: &Damage) -> Finding {
    let (found, expected) = (&damage.found, &damage.expected);
    let finding = Finding::new(Code::RecordsLost).file(&damage.file);
    finding.offset(damage.offset).detail(format!(
        "found {found}, expected {expected}; what could not be read of the log is lost"
    ))
}

struct Walk<'d> {
    disk: &'d Arc<dyn Disk>,
    dir: &'d Path,
    records: BTreeMap<Owner, Vec<Entry>>,
    /// Changes in a row before the record at hand.
    run: Vec<Change>,
    /// The disk with the last whole batch.
    batch: Option<ChangedDisk>,
}

impl Walk<'_> {
    fn records(&mut self, mut reader: LogReader, report: &mut Report) -> Result<()> {
        loop {
            let head = match reader.advance() {
                Ok(Some(head)) => head,
                Ok(None) => match reader.tail().is_some_and(|tail| tail.whole > 0) {
                    true if reader.pass_damage()? => continue,
                    _ => return Ok(()),
                },
                Err(Error::Damage(damage)) => {
                    report.add(lost(&damage));
                    self.run.clear();
                    match reader.pass_damage()? {
                        true => continue,
                        false => return Ok(()),
                    }
                }
                Err(other) => return Err(other),
            };
            let entry = match reader.entry() {
                Ok(Some(entry)) => entry,
                Ok(None) => continue,
                Err(Error::Damage(damage)) => {
                    report.add(lost(&damage));
                    continue;
                }
                Err(other) => return Err(other),
            };
            match entry {
                Entry::Change(change) => self.run.push(change),
                Entry::Commit { changes } => {
                    let place = reader.place().unwrap_or((self.dir, 0));
                    self.commit(changes, place, report)?;
                }
                Entry::Group(entries) => {
                    self.run.clear();
                    for (owner, entry) in entries {
                        self.records.entry(owner).or_default().push(entry);
                    }
                }
                alone => {
                    self.run.clear();
                    self.records.entry(head.owner).or_default().push(alone);
                }
            }
        }
    }

    /// What stands before a whole batch is in the files, with it.
    fn commit(&mut self, changes: u64, place: (&Path, u64), report: &mut Report) -> Result<()> {
        let run = std::mem::take(&mut self.run);
        self.records.clear();
        self.batch = None;
        let count = usize::try_from(changes).unwrap_or(usize::MAX);
        let Some(first) = run.len().checked_sub(count) else {
            // Its start is gone: it was carried out before that was removed.
            return Ok(());
        };
        let changes = || run.iter().skip(first);
        let mut check = BatchCheck::new(&**self.disk, self.dir);
        let checked = changes()
            .try_for_each(|change| check.change(change, place))
            .and_then(|()| Ok(check.finish(place)?));
        match checked {
            Ok(()) => {}
            Err(Error::Damage(_)) => return Ok(()),
            Err(other) => return Err(other),
        }
        let mut changed = ChangedDisk::new(self.disk.clone());
        for change in changes() {
            match changed.change(self.dir, change.clone()) {
                // Something else is in the place of one file: the others go on.
                Err(Error::Damage(damage)) => report.add(lost(&damage)),
                made => made?,
            }
        }
        self.batch = Some(changed);
        Ok(())
    }
}
