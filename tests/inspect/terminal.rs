//! Manners: what fits a terminal, what a pipe gets, how much is said, and what
//! a slip of the hand is answered with.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::run::{Run, data, inspect, inspect_command, migrate, text};

/// What a command prints on a terminal of this many columns, by `script`, which
/// lends it one; `None` where there is no such program.
/// `first` is what the shell does before.
pub fn on_terminal(
    columns: u16,
    first: &str,
    environment: &str,
    program: &str,
    args: &[&str],
) -> Option<String> {
    let line = format!(
        "stty cols {columns}; {first} {environment} exec {program} {}",
        args.join(" ")
    );
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]);
    match command.stdin(Stdio::null()).output() {
        Ok(output) => Some(String::from_utf8(output.stdout).unwrap().replace('\r', "")),
        Err(_) => {
            crate::support::skip::skip("the program script is not installed");
            None
        }
    }
}

const INSPECT: &str = env!("CARGO_BIN_EXE_rustdb-inspect");
const MIGRATE: &str = env!("CARGO_BIN_EXE_rustdb-migrate");

/// An upgraded copy of a fixture.
fn upgraded(fixture: &str, scratch: &Path) -> String {
    let new = text(&scratch.join("new"));
    migrate(["upgrade", &data(fixture), &new]).exits(0);
    new
}

#[test]
fn tables_fit_the_width_of_the_terminal() {
    let scratch = tempfile::tempdir().unwrap();
    let new = upgraded("family_1_4", scratch.path());
    let (source, target) = (data("family_1_4"), text(&scratch.path().join("none")));
    let copy = text(&scratch.path().join("copy"));
    for (program, args, header) in [
        (INSPECT, vec!["info", "-q", &source], "DATABASE"),
        (INSPECT, vec!["stats", "-q", &new], "DATABASE"),
        (INSPECT, vec!["page", "-q", &new, "shop.orders"], "PAGE"),
        (INSPECT, vec!["wal", "-q", "--stats", &source], "OPERATION"),
        (
            MIGRATE,
            vec!["upgrade", &source, &target, "--dry-run"],
            "DATABASE",
        ),
        (
            MIGRATE,
            vec!["compact", &new, "--output", &copy],
            "DATABASE",
        ),
    ] {
        for columns in [50, 80, 200] {
            let _ = std::fs::remove_dir_all(&copy);
            let Some(said) = on_terminal(columns, "", "", program, &args) else {
                return;
            };
            let lines = said.lines();
            let lines = lines.skip_while(|line| !line.trim_start().starts_with(header));
            // The sum below it ends a table; sentences around it have no gaps.
            let lines = lines.take_while(|line| !line.starts_with(|c: char| c.is_ascii_digit()));
            let table: Vec<&str> = lines.filter(|line| line.contains("  ")).collect();
            assert!(table.len() > 1, "{args:?}: {said}");
            for line in table {
                assert!(
                    line.chars().count() <= columns.into(),
                    "{columns} {args:?}: {line}"
                );
            }
        }
    }
}

#[test]
fn colour_is_for_terminals_and_no_color_is_obeyed() {
    let source = data("torn_tail");
    let args = ["info", source.as_str()];
    let Some(colored) = on_terminal(80, "", "NO_COLOR= TERM=xterm", INSPECT, &args) else {
        return;
    };
    assert!(
        colored.contains("\u{1b}[33mwarning:\u{1b}[0m torn-tail"),
        "{colored}"
    );
    for (environment, more) in [
        ("NO_COLOR=1 TERM=xterm", vec![]),
        ("NO_COLOR= TERM=xterm", vec!["--color=never"]),
        ("NO_COLOR= TERM=dumb", vec![]),
    ] {
        let args = [&args[..], &more].concat();
        let plain = on_terminal(80, "", environment, INSPECT, &args).unwrap();
        assert!(
            !plain.contains('\u{1b}') && plain.contains("warning: torn-tail"),
            "{plain}"
        );
    }
    let piped = inspect(args);
    assert!(!piped.stdout.contains('\u{1b}'));
    let forced = inspect([&args[..], &["--color=always"]].concat());
    assert!(forced.stdout.contains("\u{1b}[33mwarning:"));
    // The word says it all: colour alone carries nothing.
    assert_eq!(
        forced
            .stdout
            .replace("\u{1b}[33m", "")
            .replace("\u{1b}[0m", ""),
        piped.stdout
    );
}

/// Every command that reads a directory.
fn commands<'a>(source: &'a str, new: &'a str) -> Vec<Vec<&'a str>> {
    vec![
        vec!["info", source],
        vec!["dump", source],
        vec!["dump", source, "--format=jsonl"],
        vec!["wal", source],
        vec!["page", new, "shop.orders"],
        vec!["verify", source],
        vec!["diff", source, new],
        vec!["hash", source],
        vec!["stats", new],
        vec!["explain"],
        vec!["completions", "bash"],
    ]
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let scratch = tempfile::tempdir().unwrap();
    let new = upgraded("family_1_4", scratch.path());
    let source = data("family_1_4");
    for args in commands(&source, &new) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let run = inspect_command()
            .args(&args)
            .arg("-q")
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(run.status.code(), Some(0), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&run.stderr), "", "{args:?}");
    }
}

#[test]
fn a_standard_output_that_is_closed_is_an_error_and_one_that_goes_nowhere_is_not() {
    let scratch = tempfile::tempdir().unwrap();
    let new = upgraded("family_1_4", scratch.path());
    let source = data("family_1_4");
    let (other, file) = (
        text(&scratch.path().join("other")),
        text(&scratch.path().join("decisions")),
    );
    let mut lines: Vec<(&str, Vec<&str>)> = commands(&source, &new)
        .into_iter()
        .map(|args| (INSPECT, args))
        .collect();
    lines.extend([
        (INSPECT, vec!["--version"]),
        (INSPECT, vec!["info", "--help"]),
        (INSPECT, vec!["info", &source, "--format=json"]),
        (MIGRATE, vec!["upgrade", &source, &other]),
        (MIGRATE, vec!["upgrade", &source, &other, "--dry-run"]),
        (MIGRATE, vec!["attribute", &source]),
        (MIGRATE, vec!["attribute", &source, "-o", &file]),
        (MIGRATE, vec!["compact", &new]),
    ]);
    let run = |how: &str, program: &str, args: &[&str]| {
        let line = format!("exec \"$0\" \"$@\" {how}");
        let mut command = Command::new("sh");
        command.args(["-c", &line, program]).args(args);
        command.stdin(Stdio::null()).output().unwrap()
    };
    for (program, args) in lines {
        let closed = run(">&-", program, &args);
        let said = String::from_utf8_lossy(&closed.stderr).into_owned();
        assert_eq!(closed.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains("standard output is closed"), "{said}");
        for way in [">/dev/null", "1<>/dev/null"] {
            let nowhere = run(way, program, &args);
            assert_eq!(
                nowhere.status.code(),
                Some(0),
                "{args:?} {way}: {nowhere:?}"
            );
            // For the next way.
            let _ = std::fs::remove_dir_all(&other);
            let _ = std::fs::remove_file(&file);
        }
    }
}

fn with<'a>(args: &[&'a str], flag: &'a str) -> Run {
    inspect(args.iter().copied().chain([flag]))
}

#[test]
fn quiet_says_nothing_beside_the_data_and_verbose_says_how_long_it_took() {
    let scratch = tempfile::tempdir().unwrap();
    let new = upgraded("torn_tail", scratch.path());
    let source = data("torn_tail");
    for args in commands(&source, &new) {
        let (plain, quiet, verbose) = (
            inspect(args.iter().copied()),
            with(&args, "-q"),
            with(&args, "-v"),
        );
        assert_eq!(
            (quiet.code, verbose.code),
            (plain.code, plain.code),
            "{args:?}"
        );
        assert_eq!(quiet.stderr, "", "{args:?}");
        assert!(quiet.stdout.len() <= plain.stdout.len(), "{args:?}");
        assert!(
            !quiet.stdout.contains("warning: "),
            "{args:?}: {}",
            quiet.stdout
        );
        assert!(!plain.stderr.contains("took "), "{args:?}");
        let last = verbose.stderr.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("took ") && last.ends_with(" s"),
            "{args:?}: {last}"
        );
        assert!(verbose.stdout.len() >= plain.stdout.len(), "{args:?}");
    }
}

#[test]
fn a_pipe_gets_no_progress() {
    let run = inspect(["hash", &data("family_1_4")]).exits(0);
    assert!(
        !run.stderr.contains("left") && !run.stderr.contains('\r'),
        "{}",
        run.stderr
    );
}

#[test]
fn a_slip_of_the_hand_is_answered_with_the_nearest_name() {
    let scratch = tempfile::tempdir().unwrap();
    let new = upgraded("family_1_4", scratch.path());
    let source = data("family_1_4");
    for (args, meant) in [
        (vec!["inof", &source], "'info'"),
        (vec!["dump", &source, "--formt=csv"], "'--format'"),
        (vec!["dump", &source, "--table=ordres"], "\"orders\""),
        (vec!["dump", &source, "--database=shopp"], "\"shop\""),
        (vec!["page", &new, "shop.ordres"], "\"shop.orders\""),
        (vec!["wal", &source, "--table=ordres"], "\"orders\""),
        (
            vec!["wal", &source, "--table=shop.ordres"],
            "\"shop.orders\"",
        ),
        (vec!["wal", &source, "--database=shpo"], "\"shop\""),
        (vec!["wal", &source, "--op=Inser"], "\"Insert\""),
        (vec!["info", &source, "--assign=ordres=shop"], "\"orders\""),
        (vec!["explain", "torn-tial"], "\"torn-tail\""),
    ] {
        let run = inspect(args.iter().copied()).exits(2);
        assert!(run.stderr.contains(meant), "{args:?}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{args:?}");
    }
    let run = migrate(["upgrdae", &source, "x"]).exits(2);
    assert!(run.stderr.contains("'upgrade'"), "{}", run.stderr);
}
