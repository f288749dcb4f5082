//! Every fixture in each of our layouts: every changed byte, every cut and
//! every missing file is found.
//!
//! A directory is tried in pieces, because a check reads all of it: its catalog
//! with empty tables, written to in place so that a log and the indexes of keys
//! are there too, and each of its tables alone.

use std::path::Path;

use rustdb_migrate::codec::MadeRows;
use rustdb_migrate::commands::Directory;
use rustdb_migrate::commands::verify::Level;
use rustdb_migrate::engine::{
    CreateOptions, Durability, Layout, LiveStore, Origin, StoreOptions, create_on,
};
use rustdb_migrate::error::Result;
use rustdb_migrate::model::{Catalog, Database, RowSource, RowStream, ValueRef};
use rustdb_migrate::work::Threads;

use crate::commands::{content, data, findings, info_of, rows_of, salvage_options};
use crate::effort::{in_parallel, is_full, places};
use crate::sim_disk::SimDisk;
use crate::support::builder::{self, Fixture};
use crate::support::disk::on_disk;
use crate::table::{End, Line, Lines, sum};

/// What a byte is changed with: each by one of them, and where everything is
/// tried one byte in eight by all of them.
const MASKS: [u8; 4] = [0x01, 0x20, 0x80, 0xff];

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

impl RowSource for Part<'_> {
    fn row_count(&self, _: usize, _: usize) -> u64 {
        self.table.map_or(0, |(d, t)| self.source.row_count(d, t))
    }

    fn open_rows(&self, _: usize, _: usize) -> Result<Box<dyn RowStream + '_>> {
        match self.table {
            Some((d, t)) => self.source.open_rows(d, t),
            None => Ok(Box::new(MadeRows::new(std::iter::empty()))),
        }
    }
}

fn created(layout: Layout, catalog: &Catalog, rows: &dyn RowSource) -> SimDisk {
    let disk = SimDisk::new(data());
    let origin = Origin {
        family: "2.3".into(),
        cluster_id: 0x1234_5678_9abc_def0,
    };
    let mut options = CreateOptions::from(layout);
    options.threads = Threads::ONE;
    create_on(&disk.shared(), data(), options, catalog, rows, &origin).unwrap();
    disk
}

/// A disk with the same files, and nothing of how they came there.
fn anew(disk: &SimDisk) -> SimDisk {
    let new = SimDisk::new(data());
    for (path, bytes) in disk.files() {
        new.put(&path, &bytes);
    }
    new.settle();
    new
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
    let options = StoreOptions::default();
    let mut store = LiveStore::open_on(&disk.shared(), data(), options).unwrap();
    let mut tx = store.begin().unwrap();
    tx.create_database("written in place").unwrap();
    tx.commit(Durability::Sync).unwrap();
    // The first question makes the index of a table that has a key.
    let databases = store.view().unwrap().databases();
    for table in databases.flat_map(|database| database.tables()) {
        if table.schema().primary_key().is_some() {
            table.find(&ValueRef::Null).unwrap();
        }
    }
    drop(store);
    let name = format!("{} {layout}", fixture.name);
    let mut pieces = vec![Piece {
        name: format!("{name} catalog"),
        disk: anew(&disk),
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
                disk: anew(&created(layout, &alone, &rows)),
            });
        }
    }
    pieces
}

/// How a change of a file ends: found by `verify` in that file, or not.
fn end(disk: &SimDisk, changed: &Path) -> End {
    let Ok(found) = findings(disk, Level::Checksums) else {
        return End::Detected;
    };
    let names_it = found.iter().any(|finding| {
        let file = finding.file.as_deref().unwrap_or(Path::new(""));
        // A file that is missing or short is named by what needs it.
        finding.offset.is_some() || changed.starts_with(file)
    });
    match names_it {
        true => End::Detected,
        false => End::Missed,
    }
}

/// One of so many changes of what no command reads is seen by all of them
/// nonetheless.
const UNREAD: usize = 20;

/// Parts of the changes of a directory that are tried at the same time: some
/// directories take far longer than others.
const SHARES: usize = 16;

/// The lines of one piece, of every so many changes from the one at `share` on.
fn tried(piece: &Piece, (share, shares): (usize, usize)) -> Vec<Line> {
    let mut flips = Lines::new("our layouts: byte changed");
    let mut cuts = Lines::new("our layouts: file cut or missing");
    let disk = &piece.disk;
    let healthy = findings(disk, Level::Structure).unwrap();
    assert!(healthy.is_empty(), "{}", piece.name);
    let whole = content(disk).unwrap();
    let reads = disk.reads_of(|| assert_eq!(rows_of(disk, Some(&whole)), End::Harmless));
    let mut count = 0;
    let mut trial =
        |lines: &mut Lines, name: &dyn Fn() -> String, read: bool, verify: &dyn Fn() -> End| {
            lines.verify.trial(name, verify);
            count += 1;
            lines.readers.trial(name, || {
                info_of(disk);
                // Who reads the same does the same.
                match read || count % UNREAD == 0 {
                    true => rows_of(disk, Some(&whole)),
                    false => End::Harmless,
                }
            });
        };
    let files = disk.files();
    for (number, (path, bytes)) in files.iter().enumerate() {
        let name = |at: usize| format!("{}: {} at {at}", piece.name, path.display());
        let places_of_bytes = places(bytes.len(), 10, number + bytes.len());
        let shared = places_of_bytes.into_iter().enumerate();
        for (count, at) in shared.skip(share).step_by(shares) {
            let masks = match is_full() && count % 8 == 0 {
                true => &MASKS[..],
                false => &MASKS[count % MASKS.len()..][..1],
            };
            for mask in masks {
                disk.patch(path, at, bytes[at] ^ mask);
                trial(&mut flips, &|| name(at), reads[path].has(at), &|| {
                    end(disk, path)
                });
            }
            disk.patch(path, at, bytes[at]);
        }
        let lens = places(bytes.len(), 5, number);
        for len in lens.into_iter().skip(share).step_by(shares) {
            disk.put(path, &bytes[..len]);
            trial(&mut cuts, &|| name(len), !reads[path].is_none(), &|| {
                end(disk, path)
            });
        }
        if share == 0 {
            disk.forget(path);
            let name = || format!("{} missing", name(0));
            trial(&mut cuts, &name, true, &|| missing(disk, path));
        }
        disk.put(path, bytes);
    }
    assert!(disk.files() == files);
    flips.into_iter().chain(cuts).collect()
}

/// A file that is derived from others may be missing: it is made again.
fn missing(disk: &SimDisk, path: &Path) -> End {
    match findings(disk, Level::Structure) {
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

/// What every change of every file of our layouts comes to.
pub fn lines() -> Vec<Line> {
    let fixtures = builder::all();
    let shares = if is_full() { SHARES } else { 1 };
    let all = fixtures.iter().flat_map(|fixture| {
        let layouts = Layout::ALL.into_iter();
        let each = layouts.flat_map(|layout| (0..shares).map(move |share| (layout, share)));
        each.map(move |(layout, share)| (fixture, layout, share))
    });
    let jobs: Vec<_> = all.collect();
    sum(in_parallel(&jobs, |(fixture, layout, share)| {
        let pieces = pieces(fixture, *layout);
        sum(pieces.iter().map(|piece| tried(piece, (*share, shares))))
    }))
}
