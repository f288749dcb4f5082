//! Writing a target, and proving that it holds what was read.

use std::ops::Range;
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

use crate::commands::content::{Content, HashingRows, hash_content};
use crate::commands::{Directory, OpenOptions};
use crate::engine::{self, CreateOptions, Level, Origin};
use crate::error::{Error, Result};
use crate::file::{
    BulkWriter, DataDisk, Disk, Phase, SourceFile, Staging, WatchedDisk, encode_name, files_below,
    tree_len,
};
use crate::finding::{Code, Severity};
use crate::legacy::{SNAPSHOT_NAME, SnapshotEncoder};
use crate::model::{Form, RowSource};
use crate::recovery::Request;
use crate::report::Report;
use crate::work::{Threads, both, in_order};

use super::plan::Plan;
use super::{Target, UpgradeJob, placed, quarantine};

/// Bytes of a file that are hashed at a time.
const HASH_LEN: usize = 1 << 20;
/// Pieces of so many bytes that are read before others are looked for.
const MOST_PIECES: usize = 4096;

/// Streams the content once: into the target, which appears when it is proven
/// whole and the source stood still, or, on a dry run, nowhere.
///
/// # Errors
/// When files cannot be read or written, rows are not those that were
/// announced, or what was written differs; those of `check_unchanged`.
pub(super) fn carry_out(
    plan: &Plan<'_>,
    rows: &dyn RowSource,
    job: &UpgradeJob<'_>,
    check_unchanged: &dyn Fn() -> Result<()>,
) -> Result<Content> {
    if job.options.dry_run {
        let content = hash_content(&plan.catalog, rows, job.options.open.threads)?;
        check_unchanged()?;
        return Ok(content);
    }
    let hashed = HashingRows::new(rows, &plan.catalog);
    let staging = write(job, plan, &hashed)?;
    let content = hashed.content(&plan.catalog);
    quarantine::write(&*job.options.disk, plan.quarantined.clone(), staging.path())?;
    placed::write(
        &*job.options.disk,
        &plan.placed,
        plan.directory,
        staging.path(),
    )?;
    if job.options.to != Target::Snapshot {
        let names = [engine::QUARANTINE_NAME, engine::ATTRIBUTION_NAME];
        engine::seal_beside(&**staging.disk(), staging.path(), &names)?;
    }
    // The disk goes on while what it was given is read back.
    let threads = job.options.open.threads;
    let (synced, verified) = both(
        threads,
        || staging.sync(),
        || verify(job, plan, &staging, &content),
    );
    verified?;
    synced?;
    check_unchanged()?;
    staging.publish_synced()?;
    Ok(content)
}

/// Writes the planned content into a staging directory.
fn write(job: &UpgradeJob<'_>, plan: &Plan<'_>, rows: &dyn RowSource) -> Result<Staging> {
    // Also what writes can be stopped.
    let disk = WatchedDisk::shared(&job.options.disk, &job.options.open.progress);
    let staging = Staging::create(&disk, job.target, job.source)?;
    match job.options.to {
        Target::Layout(layout) => {
            let origin = Origin {
                family: plan.family.to_string(),
                cluster_id: cluster_id(job, plan, rows)?,
            };
            let mut create = CreateOptions::from(layout);
            create.threads = job.options.open.threads;
            create.pages_per_file = job.options.pages_per_file.unwrap_or(create.pages_per_file);
            engine::create_on(
                staging.disk(),
                staging.path(),
                create,
                &plan.catalog,
                rows,
                &origin,
            )?;
        }
        Target::Snapshot => write_snapshots(&staging, plan, rows)?,
    }
    Ok(staging)
}

/// Names the target by what it was made from: the same source gives the same
/// bytes, and a WAL of another directory is recognised.
fn cluster_id(job: &UpgradeJob<'_>, plan: &Plan<'_>, rows: &dyn RowSource) -> Result<u128> {
    let mut text = format!("{}\n{:?}\n", plan.family, plan.catalog);
    for (d, database) in plan.catalog.databases.iter().enumerate() {
        for t in 0..database.tables.len() {
            text.push_str(&format!("{} ", rows.row_count(d, t)));
        }
    }
    let mut hash = Xxh3::new();
    hash.update(text.as_bytes());
    let disk = match job.options.open.recovery.salvage {
        true => DataDisk::salvaging(&job.options.open.disk).0,
        false => job.options.open.disk.clone(),
    };
    let disk = &*disk;
    for entry in files_below(disk, job.source)? {
        let suffix = entry.path.extension().and_then(|suffix| suffix.to_str());
        let is_data = matches!(suffix, Some("db" | "dat" | "wal" | "log" | "table"));
        if is_data || entry.name == "control" {
            let below = entry.path.strip_prefix(job.source);
            hash.update(below.unwrap_or(&entry.path).as_os_str().as_encoded_bytes());
            let file = SourceFile::open_on(disk, &entry.path)?;
            hash_file(&file, &mut hash, job.options.open.threads)?;
        }
    }
    Ok(hash.digest128())
}

/// Holes are told by their place alone: a file of 8 TiB can be nothing else.
fn hash_file(file: &SourceFile, hash: &mut Xxh3, threads: Threads) -> Result<()> {
    hash.update(&file.len().to_le_bytes());
    let (mut ranges, mut pieces) = (Vec::<Range<u64>>::new(), Vec::new());
    ranges.push(0..file.len());
    while let Some(range) = ranges.pop() {
        let len = range.end.saturating_sub(range.start);
        if len == 0 || file.data_from(range.start)?.start >= range.end {
            continue;
        }
        if len > HASH_LEN as u64 {
            // The same places whatever the holes: halves, rounded up to blocks.
            let half = (len / 2).next_multiple_of(HASH_LEN as u64);
            let middle = range.start.saturating_add(half).min(range.end);
            ranges.extend([middle..range.end, range.start..middle]);
            continue;
        }
        pieces.push(range);
        if pieces.len() == MOST_PIECES || ranges.is_empty() {
            hash_pieces(file, &pieces, hash, threads)?;
            pieces.clear();
        }
    }
    hash_pieces(file, &pieces, hash, threads)
}

/// Read on several threads, and hashed in order.
fn hash_pieces(
    file: &SourceFile,
    pieces: &[Range<u64>],
    hash: &mut Xxh3,
    threads: Threads,
) -> Result<()> {
    let read = |piece: usize, bytes: &mut Vec<u8>| {
        let Some(range) = pieces.get(piece) else {
            return Ok(());
        };
        let len = range.end.saturating_sub(range.start);
        bytes.resize(usize::try_from(len).unwrap_or(HASH_LEN), 0);
        file.read_exact_at(bytes, range.start)
    };
    // Reading is a part of the work: more would only hold more.
    in_order(threads.few(), pieces.len(), read, |piece, bytes| {
        if let Some(range) = pieces.get(piece) {
            hash.update(&range.start.to_le_bytes());
            hash.update(bytes);
        }
        Ok(())
    })
}

fn write_snapshots(staging: &Staging, plan: &Plan<'_>, rows: &dyn RowSource) -> Result<()> {
    let (disk, dir) = (&**staging.disk(), staging.path());
    match plan.catalog.form {
        Form::Instance => write_snapshot(disk, &dir.join(SNAPSHOT_NAME), plan, rows, None),
        Form::SingleDatabase => {
            for (index, database) in plan.catalog.databases.iter().enumerate() {
                let name = format!("{}.db", encode_name(&database.name, index));
                write_snapshot(disk, &dir.join(name), plan, rows, Some(index))?;
            }
            Ok(())
        }
    }
}

fn write_snapshot(
    disk: &dyn Disk,
    path: &Path,
    plan: &Plan<'_>,
    rows: &dyn RowSource,
    only: Option<usize>,
) -> Result<()> {
    let mut file = BulkWriter::new(disk.create(path)?);
    SnapshotEncoder::new(&mut file, path, plan.family).write(&plan.catalog, rows, only)?;
    file.finish()
        .map_err(|error| Error::io("write", path, error))
}

/// Checks every byte that was written, reads it back and compares content.
fn verify(
    job: &UpgradeJob<'_>,
    plan: &Plan<'_>,
    staging: &Staging,
    expected: &Content,
) -> Result<()> {
    let open = OpenOptions {
        disk: job.options.disk.clone(),
        family: matches!(job.options.to, Target::Snapshot).then_some(plan.family),
        recovery: Request::default(),
        look_for_writers: false,
        threads: job.options.open.threads,
        progress: job.options.open.progress.clone(),
    };
    let written = Directory::open(staging.path(), &open)?;
    // Once for the checksums, once for the content.
    let len = tree_len(&*job.options.disk, staging.path()).saturating_mul(2);
    job.options.open.progress.begin(Phase::Checking, len);
    let (checked, found) = both(
        written.threads(),
        || check_layout(job, staging),
        || hash_content(written.catalog(), &written, written.threads()),
    );
    checked?;
    let found = found?;
    if found.versions_hash == expected.versions_hash {
        return Ok(());
    }
    let differing = expected
        .tables
        .iter()
        .zip(&found.tables)
        .find(|(e, f)| e != f);
    let place = differing.map_or_else(
        || "the catalog".to_owned(),
        |(table, _)| format!("table {:?} of database {:?}", table.table, table.database),
    );
    Err(wrong(
        staging,
        Code::NotPristine,
        format!("{place} differs from what was read"),
    ))
}

/// Checks every byte of a directory of ours.
fn check_layout(job: &UpgradeJob<'_>, staging: &Staging) -> Result<()> {
    if job.options.to == Target::Snapshot {
        return Ok(());
    }
    let mut report = Report::new();
    // Whoever hashes the content looks into every row.
    engine::verify_on(staging.disk(), staging.path(), Level::Links, &mut report)?;
    let errors = report.findings().iter();
    let mut errors = errors.filter(|finding| finding.code.severity() == Severity::Error);
    errors.next().map_or(Ok(()), |finding| {
        let found = finding.detail.clone().unwrap_or_default();
        Err(wrong(staging, finding.code, found))
    })
}

fn wrong(staging: &Staging, code: Code, found: String) -> Error {
    Error::damage(
        staging.path(),
        0,
        code,
        found,
        "exactly what was read from SOURCE",
    )
}
