//! What an error leads on to.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::commands::nearby::data_directories;
use crate::error::Error;

use super::next_steps::{Obstacle, Step, steps};
use super::shell::{beside, quoted, replaced};

/// Data directories that are proposed at most.
const SHOWN: usize = 5;

/// What an error leads on to: the path that was meant, or what to do about
/// damage.
pub(super) fn after_error(
    words: &[OsString],
    source: Option<&Path>,
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
        Some(Error::Damage(_)) if source.is_dir() && !has(words, "--salvage") => {
            let target = beside(source, "-new");
            let again = format!(
                "rustdb-migrate upgrade {} {}",
                quoted(source),
                quoted(target)
            );
            steps(Obstacle::Damage, &[], &quoted(source), &again)
        }
        _ => Vec::new(),
    }
}

fn has(words: &[OsString], option: &str) -> bool {
    words.iter().any(|word| word == option)
}

/// The same command for the data directories nearby; where there is none, how
/// to look for them.
fn meant(words: &[OsString], source: &Path) -> Vec<Step> {
    let found = data_directories(source);
    let commands = found.iter().take(SHOWN).map(|one| {
        let words = replaced(words, source, one);
        let program = Path::new(words.first().map_or(OsStr::new(""), |word| word));
        let program = quoted(program.file_name().unwrap_or_default());
        let rest = words.iter().skip(1).map(quoted);
        let words: Vec<String> = [program].into_iter().chain(rest).collect();
        words.join(" ")
    });
    match found.is_empty() {
        false => vec![Step::new("with the data directory that is there", commands)],
        true => vec![Step::new(
            "to look for data directories on this machine",
            ["find / -xdev -name server_instance.db".to_owned()],
        )],
    }
}
