//! Every fixture in each of our layouts: every changed byte, every cut and
//! every missing file is found.
//!
//! A directory is tried in pieces, because a check reads all of it: its catalog
//! with empty tables, written to in place so that a log is there too, and each
//! of its tables alone.

use std::path::{Path, PathBuf};

use rustdb_migrate::commands::Directory;
use rustdb_migrate::commands::content::{Content, hash_content};
use rustdb_migrate::engine::{
    CreateOptions, Layout, Level, LiveStore, Origin, Store, StoreOptions, create_on, verify_on,
};
use rustdb_migrate::error::{Error, Result};
use rustdb_migrate::finding::Finding;
use rustdb_migrate::model::{Catalog, Database, RowBatch, RowSource, RowStream};
use rustdb_migrate::report::Report;
use rustdb_migrate::work::Threads;

use crate::commands::{readers, salvage_options};
use crate::effort::{in_parallel, is_full, places, scaled};
use crate::sim_disk::SimDisk;
use crate::support::builder::{self, Fixture};
use crate::support::disk::{on_disk, put};
use crate::table::{End, Line, sum};

/// What a byte is changed with: each by one of them, and where everything is
/// tried one byte in eight by all of them.
const MASKS: [u8; 4] = [0x01, 0x20, 0x80, 0xff];

fn root() -> &'static Path {
    Path::new("/data")
}

/// A directory on a disk in memory.
struct Piece {
    name: String,
    disk: SimDisk,
}

/// One table of a source, as the only one; or none of its rows.
struct Part<'s> {
    source: &'s dyn RowSource,
    table: Option<(usize, usize)>,
}

struct NoRows;

impl RowStream for NoRows {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        Ok(None)
    }
}

impl RowSource for Part<'_> {
    fn row_count(&self, _: usize, _: usize) -> u64 {
        self.table.map_or(0, |(d, t)| self.source.row_count(d, t))
    }

    fn open_rows(&self, _: usize, _: usize) -> Result<Box<dyn RowStream + '_>> {
        match self.table {
            Some((d, t)) => self.source.open_rows(d, t),
            None => Ok(Box::new(NoRows)),
        }
    }
}

fn created(layout: Layout, catalog: &Catalog, rows: &dyn RowSource) -> SimDisk {
    let disk = SimDisk::new(root());
    let origin = Origin {
        family: "2.3".into(),
        cluster_id: 0x1234_5678_9abc_def0,
    };
    let mut options = CreateOptions::from(layout);
    options.threads = Threads::ONE;
    create_on(&disk.shared(), root(), options, catalog, rows, &origin).unwrap();
    disk
}

/// The pieces of a fixture in a layout; none when nothing of it can be kept.
fn pieces(fixture: &Fixture, layout: Layout) -> Vec<Piece> {
    let source = on_disk(&fixture.files);
    let Ok(directory) = Directory::open(source.path(), &salvage_options()) else {
        return Vec::new();
    };
    let catalog = directory.catalog();
    let empty = Part {
        source: &directory,
        table: None,
    };
    let disk = created(layout, catalog, &empty);
    let store = LiveStore::open_on(&disk.shared(), root(), StoreOptions::default()).unwrap();
    store.create_database("written in place").unwrap();
    drop(store);
    let name = format!("{} {layout}", fixture.name);
    let mut pieces = vec![Piece {
        name: format!("{name} catalog"),
        disk,
    }];
    for (d, database) in catalog.databases.iter().enumerate() {
        for (t, table) in database.tables.iter().enumerate() {
            let rows = Part {
                source: &directory,
                table: Some((d, t)),
            };
            if rows.row_count(0, 0) == 0 {
                continue;
            }
            let alone = Database {
                name: "d".into(),
                tables: vec![table.clone()],
                enums: Vec::new(),
                views: Vec::new(),
                table_grants: Vec::new(),
            };
            let alone = Catalog {
                databases: vec![alone],
                ..Catalog::default()
            };
            pieces.push(Piece {
                name: format!("{name} table {t} of database {d}"),
                disk: created(layout, &alone, &rows),
            });
        }
    }
    pieces
}

fn verified(disk: &SimDisk, level: Level) -> std::result::Result<Vec<Finding>, Error> {
    let mut report = Report::new();
    verify_on(&disk.shared(), root(), level, &mut report)?;
    Ok(report.findings().to_vec())
}

fn read(disk: &SimDisk) -> Result<Content> {
    let store = Store::open_on(&disk.shared(), root())?;
    hash_content(store.catalog(), &store, Threads::ONE)
}

/// How a change of a file ends: found by `verify` in that file, or not.
fn end(disk: &SimDisk, changed: &Path, level: Level, whole: Option<&Content>) -> End {
    let found = match verified(disk, level) {
        Ok(found) => found,
        Err(_) => return End::Detected,
    };
    let names_it = found.iter().any(|finding| {
        let file = finding.file.as_deref().unwrap_or(Path::new(""));
        // A file that is missing or short is named by what needs it.
        finding.offset.is_some() || changed.starts_with(file)
    });
    if !names_it {
        return End::Missed;
    }
    match (whole, whole.map(|_| read(disk))) {
        (Some(whole), Some(Ok(read))) if read != *whole => End::Missed,
        _ => End::Detected,
    }
}

/// The lines of one piece.
fn tried(piece: &Piece) -> Vec<Line> {
    let mut flips = Line::new("our layouts: byte changed, `verify`");
    let mut cuts = Line::new("our layouts: file cut or missing, `verify`");
    let disk = &piece.disk;
    assert!(
        verified(disk, Level::Structure).unwrap().is_empty(),
        "{}",
        piece.name
    );
    let whole = read(disk).unwrap();
    let files = disk.files();
    for (number, (path, bytes)) in files.iter().enumerate() {
        let name = |at: usize| format!("{}: {} at {at}", piece.name, path.display());
        for (count, at) in places(bytes.len(), 10, number + bytes.len())
            .into_iter()
            .enumerate()
        {
            let masks = match is_full() && count % 8 == 0 {
                true => &MASKS[..],
                false => &MASKS[count % MASKS.len()..][..1],
            };
            for mask in masks {
                let check = (count % scaled(61, 7) == 0).then_some(&whole);
                flips.trial(
                    || name(at),
                    || {
                        disk.patch(path, at, bytes[at] ^ mask);
                        end(disk, path, Level::Checksums, check)
                    },
                );
            }
            disk.patch(path, at, bytes[at]);
        }
        for len in places(bytes.len(), 5, number) {
            let check = (len % scaled(61, 7) == 0).then_some(&whole);
            cuts.trial(
                || name(len),
                || {
                    disk.put(path, &bytes[..len]);
                    end(disk, path, Level::Checksums, check)
                },
            );
        }
        disk.put(path, bytes);
        cuts.trial(
            || format!("{} missing", name(0)),
            || {
                disk.forget(path);
                missing(disk, path)
            },
        );
        disk.put(path, bytes);
    }
    assert!(disk.files() == files);
    vec![flips, cuts]
}

/// A file that is derived from others may be missing: it is made again.
fn missing(disk: &SimDisk, path: &Path) -> End {
    match verified(disk, Level::Structure) {
        Ok(found) if found.is_empty() => {
            let name = path.file_name().unwrap().to_string_lossy();
            match name.ends_with(".index") || name == "free_space.map" {
                true => End::Harmless,
                false => End::Missed,
            }
        }
        _ => End::Detected,
    }
}

/// The fixture of which all that users run sees every changed byte, where
/// everything is tried: one of a few kilobytes, with rows in several tables.
const WHOLLY_READ: &str = "twins";

/// The same directories, whole and on a real disk, for all that users run.
fn run_by_users(fixture: &Fixture, layout: Layout) -> Vec<Line> {
    let mut line =
        Line::new("our layouts: byte changed, `info`, `dump`, `upgrade`, `upgrade --salvage`");
    let source = on_disk(&fixture.files);
    let Ok(directory) = Directory::open(source.path(), &salvage_options()) else {
        return Vec::new();
    };
    let disk = created(layout, directory.catalog(), &directory);
    let dir = tempfile::tempdir_in(crate::scratch_parent()).unwrap();
    let data = dir.path().join("data");
    let files = disk.files();
    let below = |path: &PathBuf| {
        path.strip_prefix(root())
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    for (path, bytes) in &files {
        put(&data, &below(path), bytes);
    }
    let whole = read(&disk).unwrap();
    for (number, (path, bytes)) in files.iter().enumerate() {
        let own = data.join(below(path));
        let most = match fixture.name {
            WHOLLY_READ if is_full() => bytes.len(),
            _ => scaled(12, 2),
        };
        let stride = bytes.len().div_ceil(most.max(1)).max(1);
        for at in (number % stride..bytes.len()).step_by(stride) {
            let mut changed = bytes.clone();
            changed[at] ^= MASKS[at % MASKS.len()];
            std::fs::write(&own, &changed).unwrap();
            line.trial(
                || format!("{} {layout} {} at {at}", fixture.name, path.display()),
                || readers(&data, dir.path(), Some(&whole)),
            );
        }
        std::fs::write(&own, bytes).unwrap();
    }
    vec![line]
}

/// What every change of every file of our layouts comes to.
pub fn lines() -> Vec<Line> {
    let fixtures = builder::all();
    let all = fixtures.iter().flat_map(|fixture| {
        let layouts = Layout::ALL.into_iter();
        layouts.map(move |layout| (fixture, layout))
    });
    let jobs: Vec<_> = all.collect();
    let by_verify = in_parallel(&jobs, |(fixture, layout)| {
        sum(pieces(fixture, *layout).iter().map(tried))
    });
    let some: Vec<_> = jobs.iter().step_by(scaled(1, 7)).collect();
    let by_users = in_parallel(&some, |(fixture, layout)| run_by_users(fixture, *layout));
    sum(by_verify.into_iter().chain(by_users))
}
