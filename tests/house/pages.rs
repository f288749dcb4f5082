//! The console blocks of every page are what the tools print: each `$ command`,
//! run in the order of its page, ends with the lines below it; a line `...`
//! stands for any number of lines.
//!
//! `BLESS=1 cargo test --test house` writes what is printed below each command
//! that has no such line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Commands that build or install: pages show them, tests do not run them.
const NOT_RUN: [&str; 3] = ["cargo ", "sudo ", "docker "];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page that can have console blocks.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    let man = fs::read_dir(root().join("man")).unwrap();
    pages.extend(man.map(|entry| entry.unwrap().path()));
    pages.retain(|page| page.extension().is_some_and(|ext| ext == "md"));
    pages.sort();
    assert!(pages.len() >= 5, "{pages:?}");
    pages
}

/// What follows a fresh clone: the fixtures, and a place for `/tmp`.
struct Clone(tempfile::TempDir);

impl Clone {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let from = root().join("fixtures");
        for entry in walkdir::WalkDir::new(&from) {
            let entry = entry.unwrap();
            let below = entry.path().strip_prefix(root()).unwrap();
            let to = dir.path().join("clone").join(below);
            match entry.file_type().is_dir() {
                true => fs::create_dir_all(to).unwrap(),
                false => drop(fs::copy(entry.path(), to).unwrap()),
            }
        }
        Clone(dir)
    }

    /// What a command prints, stdout before stderr.
    fn run(&self, command: &str) -> String {
        let there = format!("{}/", self.0.path().display());
        let programs = Path::new(env!("CARGO_BIN_EXE_rustdb-inspect"));
        let path = format!(
            "{}:{}",
            programs.parent().unwrap().display(),
            std::env::var("PATH").unwrap()
        );
        let output = Command::new("sh")
            .args(["-c", &command.replace("/tmp/", &there)])
            .current_dir(self.0.path().join("clone"))
            .env("PATH", path)
            .env("NO_COLOR", "1")
            .env("HOME", self.0.path())
            .env_remove("XDG_DATA_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_ne!(output.status.code(), Some(2), "{command}: {output:?}");
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8(said).unwrap().replace(&there, "/tmp/")
    }
}

/// Whether lines are those of a page, in which `...` stands for any number.
fn fits(wanted: &[&str], got: &[&str]) -> bool {
    match wanted {
        [] => got.is_empty(),
        ["...", rest @ ..] => (0..=got.len()).any(|at| fits(rest, &got[at..])),
        [line, rest @ ..] => got.first() == Some(line) && fits(rest, &got[1..]),
    }
}

/// A page with each command followed by what it prints, and whether something
/// else stood there.
fn as_run(page: &Path) -> (String, Vec<String>) {
    let clone = Clone::new();
    let text = fs::read_to_string(page).unwrap();
    let (mut written, mut wrong) = (String::new(), Vec::new());
    let mut lines = text.lines().peekable();
    let mut inside = false;
    while let Some(line) = lines.next() {
        written.push_str(&format!("{line}\n"));
        inside = match line {
            "```console" => true,
            "```" => false,
            _ => inside,
        };
        let Some(command) = line.strip_prefix("$ ").filter(|_| inside) else {
            continue;
        };
        let mut command = command.to_owned();
        while let Some(more) = command.strip_suffix('\\') {
            let next = lines.next().unwrap();
            written.push_str(&format!("{next}\n"));
            command = format!("{more} {next}");
        }
        let mut below = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("$ ") && *line != "```") {
            below.push(line);
        }
        if NOT_RUN.iter().any(|start| command.starts_with(start)) {
            below
                .iter()
                .for_each(|line| written.push_str(&format!("{line}\n")));
            continue;
        }
        let printed = clone.run(&command);
        let got: Vec<&str> = printed.lines().collect();
        let fitting = fits(&below, &got);
        if !fitting {
            wrong.push(format!("$ {command}\n{printed}"));
        }
        let kept = fitting || below.contains(&"...");
        for line in if kept { &below } else { &got } {
            written.push_str(&format!("{line}\n"));
        }
    }
    (written, wrong)
}

#[test]
fn console_blocks_show_what_is_printed() {
    let mut commands = 0;
    for page in pages() {
        let (written, wrong) = as_run(&page);
        commands += written.matches("\n$ ").count();
        if std::env::var_os("BLESS").is_some() {
            fs::write(&page, &written).unwrap();
            continue;
        }
        assert!(
            wrong.is_empty(),
            "{} shows something else than this; BLESS=1 cargo test --test house writes it anew:\n{}",
            page.display(),
            wrong.join("\n")
        );
    }
    assert!(commands >= 6, "{commands}");
}

/// The commands of ours that a page shows without what they print.
fn shown(page: &str) -> Vec<&str> {
    let mut inside = false;
    let mut commands = Vec::new();
    for line in page.lines() {
        inside = match line {
            "```sh" => true,
            "```" => false,
            _ => inside,
        };
        if inside && line.starts_with("rustdb-") {
            commands.push(line);
        }
    }
    commands
}

#[test]
fn what_a_page_says_to_run_runs() {
    let mut seen = 0;
    for page in pages() {
        let clone = Clone::new();
        for command in shown(&fs::read_to_string(page).unwrap()) {
            clone.run(command);
            seen += 1;
        }
    }
    assert!(seen >= 2, "{seen}");
}

#[test]
fn a_line_of_dots_stands_for_any_number_of_lines() {
    let got = ["a", "b", "c"];
    for wanted in [&["a", "...", "c"][..], &["..."], &["a", "b", "c", "..."]] {
        assert!(fits(wanted, &got), "{wanted:?}");
    }
    for wanted in [&["a", "c"][..], &["...", "b"], &["a", "b"], &[]] {
        assert!(!fits(wanted, &got), "{wanted:?}");
    }
}

#[test]
fn the_readme_is_short_and_what_it_names_is_there() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(text.lines().count() < 200, "{}", text.lines().count());
    for command in [
        "cargo install --locked --path .",
        "rustdb-migrate upgrade fixtures/",
        "cargo build --locked --release",
        "cargo test --locked",
    ] {
        assert!(
            text.lines().any(|line| line.starts_with(command)),
            "{command}"
        );
    }
    let quoted = text.split('`').skip(1).step_by(2);
    let files = quoted.filter(|word| word.starts_with("man/") && !word.contains('*'));
    let mut seen = 0;
    for file in files {
        assert!(root().join(file).is_file(), "{file}");
        seen += 1;
    }
    assert!(seen >= 5, "{seen}");
}
