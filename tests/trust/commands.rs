//! What a user runs on a directory, without a process for each and on a disk in
//! memory.

use std::path::Path;

use rustdb_migrate::commands::content::{Content, hash_content};
use rustdb_migrate::commands::info::info;
use rustdb_migrate::commands::upgrade::{Outcome, Target, UpgradeOptions, upgrade};
use rustdb_migrate::commands::verify::{Level, verify};
use rustdb_migrate::commands::{Directory, OpenOptions};
use rustdb_migrate::engine::Layout;
use rustdb_migrate::error::{Error, Result};
use rustdb_migrate::finding::Finding;
use rustdb_migrate::recovery::{OnAmbiguous, Request};
use rustdb_migrate::work::Threads;

use crate::sim_disk::SimDisk;
use crate::table::End;

/// The directory that is looked at.
pub fn data() -> &'static Path {
    Path::new("/disk/data")
}

fn target() -> &'static Path {
    Path::new("/disk/target")
}

/// One thread, and nothing decided.
pub fn open_options() -> OpenOptions {
    OpenOptions {
        threads: Threads::ONE,
        ..OpenOptions::default()
    }
}

/// As `--salvage --on-ambiguous best`.
pub fn salvage_options() -> OpenOptions {
    OpenOptions {
        recovery: Request {
            salvage: true,
            on_ambiguous: OnAmbiguous::Best,
            ..Request::default()
        },
        ..open_options()
    }
}

fn on(disk: &SimDisk, options: OpenOptions) -> OpenOptions {
    OpenOptions {
        disk: disk.shared(),
        ..options
    }
}

fn content_of(path: &Path, options: &OpenOptions) -> Result<Content> {
    let directory = Directory::open(path, options)?;
    hash_content(directory.catalog(), &directory, Threads::ONE)
}

/// What `dump` reads.
pub fn content(disk: &SimDisk) -> Result<Content> {
    content_of(data(), &on(disk, open_options()))
}

/// What `verify` finds; an error is a finding too.
pub fn findings(disk: &SimDisk, level: Level) -> std::result::Result<Vec<Finding>, Error> {
    let verified = verify(data(), &on(disk, open_options()), level)?;
    Ok(verified.report.findings().to_vec())
}

fn upgraded(disk: &SimDisk, open: OpenOptions) -> Result<Outcome> {
    let options = UpgradeOptions {
        disk: disk.shared(),
        to: Target::Layout(Layout::Append),
        open,
        // Nobody else has it open, and looking for them takes long.
        force: true,
        ..UpgradeOptions::default()
    };
    Ok(upgrade(data(), target(), &options)?.outcome)
}

/// Runs `info` on a directory. It must come back, whatever it finds.
pub fn info_of(disk: &SimDisk) {
    let _ = info(data(), &on(disk, open_options()));
}

/// Runs `dump`, `upgrade` and `upgrade --salvage` on a directory. None may end
/// well with other content than `whole`, and none may leave a target of content
/// that its source does not give, or anything else. Harmless is what all of them
/// go through and nothing is said of.
pub fn rows_of(changed: &SimDisk, whole: Option<&Content>) -> End {
    let differs = |content: &Content| whole.is_some_and(|whole| whole != content);
    let before = changed.files();
    let mut end = End::Harmless;
    for options in [open_options(), salvage_options()] {
        let disk = changed.fork();
        let open = on(&disk, options);
        let salvage = open.recovery.salvage;
        let read = content_of(data(), &open);
        // What stands whole beside the damage may be shown, with the damage said.
        let said = || Directory::open(data(), &open).is_ok_and(|d| d.findings().has_errors());
        if !salvage && read.as_ref().is_ok_and(differs) && !said() {
            return End::Missed;
        }
        let outcome = upgraded(&disk, open.clone());
        let mut after = disk.files();
        let new_files = after.split_off(target());
        if after != before {
            return End::Missed;
        }
        match (&outcome, new_files.is_empty()) {
            (Ok(Outcome::Done | Outcome::DoneWithLoss), false) => {
                let new = content_of(target(), &on(&disk, open_options()));
                let new = new.expect("it was just verified");
                let silent = matches!(outcome, Ok(Outcome::Done));
                if read.map_or(true, |read| read != new) || silent && differs(&new) {
                    return End::Missed;
                }
                if !silent {
                    end = End::Detected;
                }
            }
            (Ok(Outcome::Damaged | Outcome::NeedsDecision) | Err(_), true) => {
                end = End::Detected;
            }
            _ => return End::Missed,
        }
    }
    end
}
