//! The man pages of the commands are what the command line's definitions give.
//!
//! `BLESS=1 cargo test --test man_pages` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};

use rustdb_migrate::cli::{Program, man_page};
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
            "{} is out of step; BLESS=1 cargo test --test man_pages writes it anew",
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
