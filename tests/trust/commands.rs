//! What a user runs on a directory, without a process for each.

use std::path::Path;

use rustdb_migrate::commands::content::{Content, hash_content};
use rustdb_migrate::commands::convert::Numeric;
use rustdb_migrate::commands::info::info;
use rustdb_migrate::commands::upgrade::{Outcome, Target, UpgradeOptions, upgrade};
use rustdb_migrate::commands::verify::{Level, verify};
use rustdb_migrate::commands::{Directory, OpenOptions};
use rustdb_migrate::engine::Layout;
use rustdb_migrate::error::{Error, Result};
use rustdb_migrate::file::LocalDisk;
use rustdb_migrate::finding::Finding;
use rustdb_migrate::recovery::{OnAmbiguous, Request};
use rustdb_migrate::work::Threads;

use crate::table::End;

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

/// What `dump` reads.
pub fn content(path: &Path, options: &OpenOptions) -> Result<Content> {
    let directory = Directory::open(path, options)?;
    hash_content(directory.catalog(), &directory, Threads::ONE)
}

/// What `verify` finds; an error is a finding too.
pub fn findings(path: &Path) -> std::result::Result<Vec<Finding>, Error> {
    let verified = verify(path, &open_options(), Level::Full)?;
    Ok(verified.report.findings().to_vec())
}

fn upgraded(source: &Path, target: &Path, open: OpenOptions) -> Result<Outcome> {
    let options = UpgradeOptions {
        source: source.to_owned(),
        target: target.to_owned(),
        disk: LocalDisk::shared(),
        to: Target::Layout(Layout::Append),
        pages_per_file: None,
        open,
        family: None,
        numeric: Numeric::Keep,
        drop_dead: false,
        dry_run: false,
        // Nobody else has it open, and looking for them takes long.
        force: true,
    };
    Ok(upgrade(&options)?.outcome)
}

/// Runs `info`, `dump`, `upgrade` and `upgrade --salvage` on a directory. None
/// may end well with other content than `whole`, and none may leave a target
/// of content that its source does not give. Harmless is what all of them go
/// through and nothing is said of.
pub fn readers(path: &Path, scratch: &Path, whole: Option<&Content>) -> End {
    // Whatever it finds; it must come back.
    let _ = info(path, &open_options());
    let differs = |content: &Content| whole.is_some_and(|whole| whole != content);
    let mut end = End::Harmless;
    for open in [open_options(), salvage_options()] {
        let salvage = open.recovery.salvage;
        let read = content(path, &open);
        if !salvage && read.as_ref().is_ok_and(differs) {
            return End::Missed;
        }
        let target = scratch.join("target");
        let outcome = upgraded(path, &target, open);
        match (&outcome, target.is_dir()) {
            (Ok(Outcome::Done | Outcome::DoneWithLoss), true) => {
                let new = content(&target, &open_options()).expect("it was just verified");
                std::fs::remove_dir_all(&target).unwrap();
                let silent = matches!(outcome, Ok(Outcome::Done));
                if read.map_or(true, |read| read != new) || silent && differs(&new) {
                    return End::Missed;
                }
                if !silent {
                    end = End::Detected;
                }
            }
            (Ok(Outcome::Damaged | Outcome::NeedsDecision) | Err(_), false) => {
                end = End::Detected;
            }
            _ => return End::Missed,
        }
    }
    end
}
