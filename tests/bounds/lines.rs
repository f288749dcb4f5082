//! Command lines as they stand in tables.

use std::path::Path;
use std::process::Command;

/// A line with the programs under test, and paths in place of words.
pub fn command(line: &str, paths: &[(&str, &Path)]) -> Command {
    let mut words = line.split(' ').map(|word| match word {
        "rustdb-inspect" => env!("CARGO_BIN_EXE_rustdb-inspect").into(),
        "rustdb-migrate" => env!("CARGO_BIN_EXE_rustdb-migrate").into(),
        word => {
            let path = paths.iter().find(|(name, _)| *name == word);
            path.map_or(word.into(), |(_, path)| path.as_os_str().to_owned())
        }
    });
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}
