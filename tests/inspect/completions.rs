//! Completions in the shells themselves, and where `--install` puts them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::run::inspect;

/// What a Tab after a line must offer.
const LINES: &[(&str, &[&str])] = &[
    ("rustdb-inspect du", &["dump"]),
    ("rustdb-inspect dump --for", &["--format"]),
    ("rustdb-inspect dump --format ", &["sql", "jsonl", "csv"]),
    ("rustdb-inspect wal data --expl", &["--explain"]),
    (
        "rustdb-inspect info --from-family ",
        &["1.3", "1.4", "1.10", "2.3"],
    ),
    (
        "rustdb-migrate upgrade --to ",
        &["paged", "per-table", "append", "snapshot"],
    ),
    (
        "rustdb-migrate upgrade data new --on-ambiguous ",
        &["refuse", "best", "quarantine"],
    ),
];

const BASH: &str = r#"
source <("$1" completions bash) || exit 9
shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMPREPLY=()
[[ $(complete -p "$1") =~ -F\ ([^ ]+) ]] || exit 8
"${BASH_REMATCH[1]}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// A shell on a terminal of its own, in which the line and a Tab are typed.
const ZSH: &str = r#"
zmodload zsh/zpty
mkdir -p "$1" && rustdb-inspect completions zsh > $1/_rustdb-inspect && rustdb-migrate completions zsh > $1/_rustdb-migrate
zpty z zsh -f -i
zpty -w z "PROMPT=; unsetopt beep list_beep; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; bindkey '^I' complete-word; stty cols 200; print -r -- READ''Y"
zpty -r z out '*READY*'
zpty -w -n z "$2"$'\t'
for i in {1..40}; do
    sleep 0.05
    while zpty -rt z chunk; do print -rn -- "$chunk"; i=20; done
done
zpty -d z
"#;

const FISH: &str = "$program completions fish | source; complete -C $line";

/// What a shell prints; `None` where it is not installed.
fn shell(program: &str, args: &[&str]) -> Option<String> {
    let tools = Path::new(env!("CARGO_BIN_EXE_rustdb-inspect"));
    let tools = tools.parent().unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let output = Command::new(program)
        .args(args)
        .env("PATH", path)
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(error) => {
            crate::support::skip::skip(&format!("{program}: {error}"));
            None
        }
    }
}

fn offers(shell: &str, line: &str, wanted: &[&str], said: &str) {
    for word in wanted {
        assert!(
            said.contains(word),
            "{shell}: {line:?}: no {word} in {said:?}"
        );
    }
}

#[test]
fn bash_completes_subcommands_options_and_values() {
    for (line, wanted) in LINES {
        let words: Vec<&str> = line.split(' ').collect();
        let args = [
            &["--norc", "--noprofile", "-c", BASH, "bash", words[0]],
            &words[..],
        ]
        .concat();
        let Some(said) = shell("bash", &args) else {
            return;
        };
        let got: Vec<&str> = said.split_whitespace().collect();
        assert!(
            wanted.iter().all(|one| got.contains(one)),
            "{line:?}: {got:?}"
        );
    }
}

#[test]
fn fish_completes_subcommands_options_and_values() {
    for (line, wanted) in LINES {
        let program = line.split(' ').next().unwrap();
        let script = FISH
            .replace("$program", program)
            .replace("$line", &format!("'{line}'"));
        let Some(said) = shell("fish", &["-N", "-c", &script]) else {
            return;
        };
        offers("fish", line, wanted, &said);
    }
}

#[test]
fn zsh_completes_subcommands_options_and_values() {
    let scratch = tempfile::tempdir().unwrap();
    let functions = scratch.path().join("functions");
    let script = scratch.path().join("drive.zsh");
    fs::write(&script, ZSH).unwrap();
    for (line, wanted) in LINES {
        let args = [
            "-f",
            script.to_str().unwrap(),
            functions.to_str().unwrap(),
            line,
        ];
        let Some(said) = shell("zsh", &args) else {
            return;
        };
        offers("zsh", line, wanted, &said);
    }
}

#[test]
fn what_is_installed_is_where_shells_and_man_look() {
    let home = tempfile::tempdir().unwrap();
    let program = home.path().join("bin/rustdb-inspect");
    fs::create_dir(home.path().join("bin")).unwrap();
    // By a process of its own: a file that this one has open for writing while
    // another test starts a process is busy.
    let copied = Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_rustdb-inspect"))
        .arg(&program)
        .status()
        .unwrap();
    assert!(copied.success());
    let output = Command::new(&program)
        .args(["completions", "--install"])
        .env("HOME", home.path())
        .env_remove("XDG_DATA_HOME")
        .env_remove("XDG_CONFIG_HOME")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let completions = ".local/share/bash-completion/completions/rustdb-migrate";
    for file in [
        completions,
        ".local/share/zsh/site-functions/_rustdb-inspect",
        ".config/fish/completions/rustdb-inspect.fish",
        "share/man/man1/rustdb-inspect.1",
        "share/man/man5/rustdb-format.5",
    ] {
        let path = home.path().join(file);
        assert!(path.is_file(), "{file}");
        assert!(said.contains(path.to_str().unwrap()), "{file}: {said}");
    }
    let bash = fs::read_to_string(home.path().join(completions)).unwrap();
    assert!(bash.contains("complete -F"));
    let path = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    match Command::new("man")
        .args(["-w", "rustdb-inspect"])
        .env("PATH", path)
        .env_remove("MANPATH")
        .output()
    {
        Ok(found) => {
            let found = String::from_utf8_lossy(&found.stdout).into_owned();
            assert!(found.contains("share/man/man1/rustdb-inspect.1"), "{found}");
        }
        Err(error) => crate::support::skip::skip(&format!("man: {error}")),
    }
    inspect(["completions"]).exits(2);
}
