//! The man pages of the commands are what the command line's definitions give.
//!
//! `BLESS=1 cargo test --test house` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};

use rustdb_migrate::cli::{Program, WORDS, man_page};
use rustdb_migrate::finding::Code;

fn path(program: Program) -> PathBuf {
    let man = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    man.join(format!("{}.1", program.name()))
}

#[test]
fn pages_are_in_step_with_the_command_line() {
    for program in Program::ALL {
        let page = man_page(program).unwrap();
        let path = path(program);
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, &page).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == page,
            "{} is out of step; BLESS=1 cargo test --test house writes it anew",
            path.display()
        );
    }
}

#[test]
fn every_finding_and_exit_code_is_documented() {
    for program in Program::ALL {
        let page = fs::read_to_string(path(program)).unwrap().replace('\\', "");
        for code in Code::ALL {
            assert!(page.contains(&format!("{code} (")), "{code}");
        }
        for heading in ["EXIT STATUS", "FINDINGS", "EXAMPLES", "SEE ALSO"] {
            assert!(
                page.contains(&format!(".SH \"{heading}\""))
                    || page.contains(&format!(".SH {heading}")),
                "{heading}"
            );
        }
    }
}

/// The kebab-case literals of the code that weighs evidence, without its tests.
fn evidence_words() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/recovery/attribution");
    let mut words = Vec::new();
    for file in ["evidence.rs", "statement.rs", "verdict.rs"] {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        let literals = text.split('"').skip(1).step_by(2);
        let word = |text: &&str| {
            let plain = text.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            plain && text.contains('-') && !text.starts_with('-')
        };
        words.extend(literals.filter(word).map(str::to_owned));
    }
    words
}

#[test]
fn every_word_that_is_printed_is_explained() {
    let codes = Code::ALL.iter().map(|code| code.as_str());
    let known: Vec<&str> = codes.chain(WORDS.iter().map(|word| word.word)).collect();
    let evidence = evidence_words();
    assert!(evidence.len() > 15, "{evidence:?}");
    for word in &evidence {
        assert!(known.contains(&word.as_str()), "{word}");
    }
    for word in [
        "tail",
        "in-snapshot",
        "no-effect",
        "checkpoint",
        "unreadable",
        "certain",
        "probable",
        "ambiguous",
        "orphan",
        "assigned",
        "clean",
        "torn-tail",
        "damaged-middle",
        "gap",
        "repeated",
        "empty-log",
        "marker",
        "no-marker",
        "unmarked-checkpoint",
        "salvage",
        "done",
        "damaged",
        "differs",
        "needs-decision",
        "planned",
        "planned-with-loss",
        "done-with-loss",
        "cut",
        "family",
        "quarantine",
        "verdict",
        "paged",
        "per-table",
        "append",
        "snapshot",
    ] {
        assert!(known.contains(&word), "{word}");
    }
    let page = fs::read_to_string(path(Program::Inspect))
        .unwrap()
        .replace('\\', "");
    for word in WORDS {
        assert!(
            page.contains(&format!("{} ({})", word.word, word.of)),
            "{}",
            word.word
        );
    }
    let names: Vec<&str> = WORDS.iter().map(|word| word.word).collect();
    assert!(names.is_sorted(), "in name order");
}

#[test]
fn examples_are_command_lines_that_are_taken() {
    for program in Program::ALL {
        for line in program.example_lines() {
            program.accepts(line.split(' ')).unwrap();
        }
    }
    let wrong = "rustdb-inspect info data --no-such-option";
    assert!(Program::Inspect.accepts(wrong.split(' ')).is_err());
}
