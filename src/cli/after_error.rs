//! What an error leads on to.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::commands::nearby::data_directories;
use crate::engine::Store;
use crate::error::Error;
use crate::finding::Code;

use super::again::Again;
use super::next_steps::{Obstacle, Step, steps};
use super::shell::{beside, quoted, quoted_path, replaced};

/// Data directories that are proposed at most.
const SHOWN: usize = 5;

/// What an error leads on to: the path that was meant, or what to do about
/// damage.
pub(super) fn after_error(
    words: &[OsString],
    (source, target): (Option<&Path>, Option<&Path>),
    error: &anyhow::Error,
) -> Vec<Step> {
    let Some(source) = source else {
        return Vec::new();
    };
    match error.downcast_ref::<Error>() {
        Some(Error::NotADataDirectory { path, .. }) if path == source => meant(words, source),
        Some(Error::Io { path, .. }) if path == source && source.symlink_metadata().is_err() => {
            meant(words, source)
        }
        Some(Error::NeedsDecision(_)) => match target.filter(|path| is_taken(path)) {
            Some(target) => elsewhere(words, target),
            None => Vec::new(),
        },
        // Of a later version: there is nothing that this one could keep.
        Some(Error::Damage(damage)) if damage.code == Code::UnsupportedVersion => Vec::new(),
        Some(Error::Damage(_)) if source.is_dir() && !has(words, "--salvage") => {
            damaged(words, source)
        }
        Some(Error::Unreadable { path, .. }) if source.is_dir() => unreadable(words, source, path),
        _ => Vec::new(),
    }
}

/// What to do about damage; where rows were to be shown, also how to have those
/// that can be read.
fn damaged(words: &[OsString], source: &Path) -> Vec<Step> {
    let again = Again::upgrade_or(words, source);
    let mut steps = steps(Obstacle::Damage, &[], &[], &quoted_path(source), &again);
    if words.get(1).is_some_and(|word| word == "dump") {
        let purpose = "to see every row that can be read";
        let all = Again::of(words).with(&["--salvage"]);
        steps.push(Step::new(purpose, [command_line(all.words())]));
    }
    steps
}

/// What a disk does not give is left out where checksums say what of the rest
/// is whole; else a copy has zeros in its place.
fn unreadable(words: &[OsString], source: &Path, path: &Path) -> Vec<Step> {
    if Store::is_one(source) && !has(words, "--salvage") {
        return damaged(words, source);
    }
    let copy = beside(source, "-copy");
    let (from, to) = (quoted_path(source), quoted_path(&copy));
    let Ok(inside) = path.strip_prefix(source) else {
        return Vec::new();
    };
    let (file, copied) = (quoted_path(path), quoted_path(&copy.join(inside)));
    let salvage = Again::upgrade(&copy).with(&["--salvage"]);
    vec![Step::new(
        "to go on with a copy of what can be read; its first command complains of what cannot",
        [
            format!("cp -a {from} {to}"),
            format!("dd if={file} of={copied} bs=4096 conv=noerror,sync,notrunc"),
            format!("truncate -r {file} {copied}"),
            salvage.line(),
        ],
    )]
}

fn is_taken(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// What stands where a directory was to be written, and the same command with
/// a name beside it that is free.
fn elsewhere(words: &[OsString], target: &Path) -> Vec<Step> {
    // What a file is for stays at the end of its name.
    let end = target.extension().filter(|_| target.is_file());
    let mut names = (2_u64..).map(|number| match end {
        Some(end) => {
            let number = format!("-{number}.");
            beside(&beside(&target.with_extension(""), number), end)
        }
        None => beside(target, format!("-{number}")),
    });
    // As a word of its own: `--output=TARGET` is left as it is.
    let given = words.iter().any(|word| word == target.as_os_str());
    let free = names.find(|name| given && !is_taken(name));
    let again = free.map(|free| command_line(&replaced(words, target, &free)));
    let look = format!("ls -la {}", quoted_path(target));
    let mut steps = vec![Step::new("to see what is there", [look])];
    steps.extend(again.map(|again| Step::new("to write beside it", [again])));
    steps
}

/// A command line as it can be pasted, the program by its name alone.
fn command_line(words: &[OsString]) -> String {
    let program = Path::new(words.first().map_or(OsStr::new(""), |word| word));
    let program = quoted(program.file_name().unwrap_or_default());
    let rest = words.iter().skip(1).map(quoted);
    let words: Vec<String> = [program].into_iter().chain(rest).collect();
    words.join(" ")
}

fn has(words: &[OsString], option: &str) -> bool {
    words.iter().any(|word| word == option)
}

/// The same command for the data directories nearby; where there is none, how
/// to look for them.
fn meant(words: &[OsString], source: &Path) -> Vec<Step> {
    let found = data_directories(source);
    let shown = found.iter().take(SHOWN);
    let commands = shown.map(|one| command_line(&replaced(words, source, one)));
    match found.is_empty() {
        false => vec![Step::new("with the data directory that is there", commands)],
        true => vec![Step::new(
            "to look for data directories on this machine",
            ["find / -xdev -name server_instance.db".to_owned()],
        )],
    }
}
