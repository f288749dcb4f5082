//! `explain`, the examples of every help, and completions.

use std::process::Command;

use rustdb_migrate::cli::Program;
use rustdb_migrate::finding::Code;

use crate::support::run::{data, inspect, migrate};

#[test]
fn every_code_is_explained_and_all_of_them_without_one() {
    let all = inspect(["explain"]).exits(0);
    let document = inspect(["explain", "--format=json"]).exits(0).json();
    assert_eq!(document["codes"].as_array().unwrap().len(), Code::ALL.len());
    for code in Code::ALL {
        let one = inspect(["explain", code.as_str()]).exits(0);
        // A verdict on a log can have the name of a code: both are explained.
        for part in one.stdout.trim_end().split("\n\n") {
            assert!(all.stdout.contains(part), "{code}");
        }
        assert!(one.stdout.starts_with(&format!("{code} (")), "{code}");
        assert!(one.stdout.contains(code.meaning()) && one.stdout.contains(code.remedy()));
    }
}

#[test]
fn a_slip_is_answered_with_the_nearest_name() {
    let code = inspect(["explain", "torntail"]).exits(2);
    assert!(
        code.stderr.contains("did you mean \"torn-tail\"?"),
        "{}",
        code.stderr
    );
    let subcommand = inspect(["inof", "data"]).exits(2);
    assert!(
        subcommand.stderr.contains("'info'"),
        "{}",
        subcommand.stderr
    );
    let directory = data("family_2_3");
    let table = inspect(["dump", &directory, "--table=ordres"]).exits(2);
    assert!(
        table.stderr.contains("did you mean \"orders\"?"),
        "{}",
        table.stderr
    );
    let database = inspect(["dump", &directory, "--database=shpo"]).exits(2);
    assert!(
        database.stderr.contains("did you mean \"shop\"?"),
        "{}",
        database.stderr
    );
}

#[test]
fn every_help_ends_with_examples() {
    for program in Program::ALL {
        let command = program.command_with_examples();
        for subcommand in command.get_subcommands() {
            let name = subcommand.get_name();
            let help = match program {
                Program::Inspect => inspect([name, "--help"]),
                Program::Migrate => migrate([name, "--help"]),
            };
            let (_, examples) = help.exits(0).stdout.rsplit_once("Examples:\n").map_or_else(
                || panic!("{name} has none"),
                |(a, b)| (a.to_owned(), b.to_owned()),
            );
            let line = format!("  {} {name}", program.name());
            assert!(examples.starts_with(&line), "{name}: {examples}");
        }
    }
}

#[test]
fn completions_are_taken_by_their_shell() {
    for shell in ["bash", "zsh", "fish"] {
        for script in [
            inspect(["completions", shell]),
            migrate(["completions", shell]),
        ] {
            let script = script.exits(0).stdout;
            assert!(script.contains("color") && script.len() > 1000, "{shell}");
            let scratch = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(scratch.path(), script).unwrap();
            // Reads the script and runs nothing.
            match Command::new(shell).arg("-n").arg(scratch.path()).status() {
                Ok(status) => assert!(status.success(), "{shell}"),
                Err(error) => crate::support::skip::skip(&format!("{shell}: {error}")),
            }
        }
    }
    inspect(["completions", "powershell"]).exits(2);
}
