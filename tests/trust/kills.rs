//! Stops `upgrade`, `compact` and the live store after each of their file
//! operations, and lets each of them fail: what was there before is there after,
//! what is new is there whole or not at all, and running it again succeeds.

mod store;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustdb_migrate::commands::compact::{compact, compact_into};
use rustdb_migrate::commands::content::{Content, hash_content};
use rustdb_migrate::commands::upgrade::{Outcome, Target, UpgradeOptions, upgrade};
use rustdb_migrate::commands::verify::{Level, verify};
use rustdb_migrate::commands::{Directory, OpenOptions};
use rustdb_migrate::engine::Layout;
use rustdb_migrate::error::{Error, Result};
use rustdb_migrate::file::Disk;
use rustdb_migrate::recovery::{OnAmbiguous, Request};
use rustdb_migrate::work::Threads;

use crate::effort::{places, scaled};
use crate::random::Random;
use crate::sim_disk::{Files, SimDisk};
use crate::table::{End, Line};

/// A command on a disk.
pub struct Case {
    /// What it is counted as in the table.
    group: &'static str,
    what: String,
    /// With what it works on, and nothing else.
    disk: SimDisk,
    run: Run,
    /// What must hold whenever it has ended, after `run` succeeded if true.
    check: Check,
}

type Run = Box<dyn Fn(&Arc<dyn Disk>) -> Result<()>>;
type Check = Box<dyn Fn(&SimDisk, bool) -> Result<(), String>>;

/// The lines of a group of cases.
struct Tally {
    kills: Line,
    faults: Line,
    hindered: Line,
}

impl Tally {
    fn new(group: &str) -> Self {
        let line = |what: &str| Line::new(&format!("{group}: {what}"));
        Tally {
            kills: line("stopped after any operation, power lost"),
            faults: line("any operation fails (ENOSPC, EIO)"),
            hindered: line("EINTR, short reads and writes"),
        }
    }
}

/// How a trial ended: the command was done or refused, or something was lost.
fn end(trial: Result<bool, String>) -> End {
    match trial {
        Ok(true) => End::Harmless,
        Ok(false) => End::Detected,
        Err(why) => {
            println!("{why}");
            End::Lost
        }
    }
}

pub fn lines() -> Vec<Line> {
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for case in cases() {
        let tally = tallies.entry(case.group);
        case.try_all(tally.or_insert_with_key(|group| Tally::new(group)));
    }
    let tallies = tallies.into_values();
    tallies
        .flat_map(|tally| [tally.kills, tally.faults, tally.hindered])
        .collect()
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for to in ["paged", "per-table", "append", "snapshot"] {
        cases.push(upgrade_case("torn_tail", to));
    }
    cases.push(upgrade_case("twins", "paged"));
    for layout in Layout::ALL {
        cases.push(compact_case(layout));
    }
    cases.push(compact_copy_case());
    cases.extend(Layout::ALL.map(store::case));
    cases
}

impl Case {
    fn try_all(&self, tally: &mut Tally) {
        let changes = self.undisturbed();
        for k in places(changes as usize + 1, 40, 0) {
            let k = k as u64;
            for seed in 0..scaled(8, 1) as u64 {
                let name = || format!("{}, change {k}, seed {seed}", self.what);
                tally.kills.trial(name, || end(self.kill(k, seed)));
            }
            for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
                let name = || format!("{}, change {k}, {kind}", self.what);
                tally.faults.trial(name, || end(self.fault(k, kind)));
            }
        }
        for every in 1..=scaled(200, 10) as u64 {
            let name = || format!("{}, every {every}. read or write", self.what);
            tally.hindered.trial(name, || end(self.hinder(every)));
        }
    }

    /// Runs it without any harm; how many changes it makes.
    fn undisturbed(&self) -> u64 {
        let disk = self.disk.fork();
        let before = disk.changes();
        (self.run)(&disk.shared()).unwrap();
        (self.check)(&disk, true).unwrap();
        let changes = disk.changes() - before;
        assert!(changes > 6, "{}: {changes} changes", self.what);
        changes
    }

    fn kill(&self, k: u64, seed: u64) -> Result<bool, String> {
        let disk = self.disk.fork();
        disk.fail_after(k, ErrorKind::Other);
        let ended = (self.run)(&disk.shared()).is_ok();
        disk.crash(&mut Random(k * 1000 + seed));
        (self.check)(&disk, ended)?;
        self.again(&disk)?;
        Ok(true)
    }

    fn fault(&self, k: u64, kind: ErrorKind) -> Result<bool, String> {
        let disk = self.disk.fork();
        disk.fail_once(k, kind);
        let ended = match (self.run)(&disk.shared()) {
            Ok(()) => true,
            Err(Error::Io { .. }) => false,
            Err(other) => return Err(format!("an error of I/O became {other}")),
        };
        disk.heal();
        (self.check)(&disk, ended)?;
        if !ended && hidden(&disk) {
            return Err("a hidden directory was left behind".into());
        }
        self.again(&disk)?;
        Ok(ended)
    }

    fn hinder(&self, every: u64) -> Result<bool, String> {
        let disk = self.disk.fork();
        disk.hinder(every);
        (self.run)(&disk.shared()).map_err(|error| format!("failed: {error}"))?;
        disk.heal();
        (self.check)(&disk, true)?;
        Ok(true)
    }

    /// Runs it again, over what is left.
    fn again(&self, disk: &SimDisk) -> Result<(), String> {
        disk.heal();
        match (self.run)(&disk.shared()) {
            Ok(()) => {}
            // Complete already: there is nothing to do again.
            Err(Error::NeedsDecision(why)) if why.contains("TARGET") => {}
            Err(error) => return Err(format!("the second run failed: {error}")),
        }
        (self.check)(disk, true)?;
        match hidden(disk) {
            true => Err("the second run left a hidden directory".into()),
            false => Ok(()),
        }
    }
}

/// Whether a directory under construction lies there.
fn hidden(disk: &SimDisk) -> bool {
    let entries = disk.entries(root()).unwrap();
    entries
        .iter()
        .any(|entry| entry.name.starts_with(".rustdb"))
}

fn root() -> &'static Path {
    Path::new("/disk")
}

fn source() -> PathBuf {
    root().join("data")
}

fn target() -> PathBuf {
    root().join("new")
}

/// A disk with the data of a fixture.
fn disk_with(fixture: &str) -> SimDisk {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let from = from.join(fixture).join("data");
    let disk = SimDisk::new(root());
    for entry in walkdir::WalkDir::new(&from) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let to = source().join(entry.path().strip_prefix(&from).unwrap());
            disk.put(&to, &std::fs::read(entry.path()).unwrap());
        }
    }
    disk.settle();
    disk
}

fn open(disk: &Arc<dyn Disk>) -> OpenOptions {
    OpenOptions {
        disk: disk.clone(),
        recovery: Request {
            on_ambiguous: OnAmbiguous::Quarantine,
            ..Request::default()
        },
        // One at a time: the k-th change is the same one in every run.
        threads: Threads::ONE,
        ..OpenOptions::default()
    }
}

fn upgrade_on(disk: &Arc<dyn Disk>, to: Target, target: &Path) -> Result<()> {
    let options = UpgradeOptions {
        disk: disk.clone(),
        to,
        open: open(disk),
        ..UpgradeOptions::default()
    };
    let report = upgrade(&source(), target, &options)?;
    assert_eq!(report.outcome, Outcome::Done);
    Ok(())
}

fn below(disk: &SimDisk, dir: &Path) -> Files {
    let files = disk.files().into_iter();
    files.filter(|(path, _)| path.starts_with(dir)).collect()
}

fn content(disk: &SimDisk, dir: &Path) -> Result<Content, String> {
    let shared = disk.shared();
    let directory = Directory::open(dir, &open(&shared)).map_err(|error| error.to_string())?;
    hash_content(directory.catalog(), &directory, Threads::ONE).map_err(|error| error.to_string())
}

fn verified(disk: &SimDisk, dir: &Path) -> Result<(), String> {
    let shared = disk.shared();
    let verified = verify(dir, &open(&shared), Level::Full).map_err(|error| error.to_string())?;
    match verified.report.has_errors() {
        true => Err(format!("{:?}", verified.report.findings())),
        false => Ok(()),
    }
}

/// Nothing but `target` is new, it is not there or as `whole`, and what was
/// there before is as it was.
fn absent_or_whole(
    disk: &SimDisk,
    before: &Files,
    whole: &Files,
    done: bool,
) -> Result<(), String> {
    let files = disk.files();
    let known = |path: &PathBuf| before.contains_key(path);
    if before
        .iter()
        .any(|(path, bytes)| files.get(path) != Some(bytes))
    {
        return Err("SOURCE changed".into());
    }
    let new: BTreeMap<_, _> = below(disk, &target());
    if done && new.is_empty() {
        return Err("TARGET is not there".into());
    }
    if !new.is_empty() && new != *whole {
        return Err("TARGET is there in part".into());
    }
    let stray = files.keys().find(|path| {
        let hidden =
            path.starts_with(root()) && path.to_string_lossy().contains("/.rustdb-staging-");
        !known(path) && !path.starts_with(target()) && !hidden
    });
    stray.map_or(Ok(()), |path| Err(format!("{} is new", path.display())))
}

fn upgrade_case(fixture: &str, to: &str) -> Case {
    let disk = disk_with(fixture);
    let before = disk.files();
    let to: Target = to.parse().unwrap();
    let reference = disk.fork();
    upgrade_on(&reference.shared(), to, &target()).unwrap();
    let whole = below(&reference, &target());
    verified(&reference, &target()).unwrap();
    let hash = |dir: &Path| content(&reference, dir).unwrap().versions_hash;
    assert_eq!(hash(&source()), hash(&target()), "{fixture} {to}");
    Case {
        group: "`upgrade`, to every layout",
        what: format!("`upgrade` of {fixture} to {to}"),
        disk,
        run: Box::new(move |disk| upgrade_on(disk, to, &target())),
        check: Box::new(move |disk, done| absent_or_whole(disk, &before, &whole, done)),
    }
}

/// A disk with a directory of ours alone, dead versions in it.
fn disk_of_ours(layout: Layout) -> SimDisk {
    let disk = disk_with("torn_tail");
    upgrade_on(&disk.shared(), Target::Layout(layout), &root().join("ours")).unwrap();
    disk
}

fn compact_case(layout: Layout) -> Case {
    let disk = disk_of_ours(layout);
    let dir = root().join("ours");
    let before = content(&disk, &dir).unwrap();
    assert!(before.tables.iter().any(|table| table.dead > 0));
    let check_dir = dir.clone();
    Case {
        group: "`compact`, in place and with --output",
        what: format!("`compact` in place, {layout}"),
        disk,
        run: Box::new(move |disk| compact(&dir, &open(disk)).map(drop)),
        check: Box::new(move |disk, done| {
            let after = content(disk, &check_dir)?;
            if after.hash != before.hash {
                return Err("visible rows differ".into());
            }
            for (old, new) in before.tables.iter().zip(&after.tables) {
                let as_before = new.versions_hash == old.versions_hash;
                if (done || !as_before) && new.dead > 0 {
                    return Err(format!("{} is neither as before nor as after", new.table));
                }
            }
            // What lies beside the tables is removed when it is opened to be written.
            if done {
                verified(disk, &check_dir)
            } else {
                Ok(())
            }
        }),
    }
}

fn compact_copy_case() -> Case {
    let disk = disk_of_ours(Layout::Paged);
    let before = disk.files();
    let run =
        |disk: &Arc<dyn Disk>| compact_into(&root().join("ours"), &target(), &open(disk)).map(drop);
    let reference = disk.fork();
    run(&reference.shared()).unwrap();
    let whole = below(&reference, &target());
    Case {
        group: "`compact`, in place and with --output",
        what: "`compact --output`, paged".into(),
        disk,
        run: Box::new(run),
        check: Box::new(move |disk, done| absent_or_whole(disk, &before, &whole, done)),
    }
}
