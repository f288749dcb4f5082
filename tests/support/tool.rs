//! The built tools, run as a user runs them, and what they left behind.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// How a tool ended and what it said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

fn run(program: &str, args: &[&OsStr]) -> Said {
    let output = Command::new(program).args(args).output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs `rustdb-migrate`.
pub fn migrate<S: AsRef<OsStr>>(args: &[S]) -> Said {
    let args: Vec<&OsStr> = args.iter().map(AsRef::as_ref).collect();
    run(env!("CARGO_BIN_EXE_rustdb-migrate"), &args)
}

/// Runs `rustdb-inspect`.
pub fn inspect<S: AsRef<OsStr>>(args: &[S]) -> Said {
    let args: Vec<&OsStr> = args.iter().map(AsRef::as_ref).collect();
    run(env!("CARGO_BIN_EXE_rustdb-inspect"), &args)
}

/// Every file below a directory with its bytes; links as what they point at.
pub fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap);
    entries
        .filter(|entry| !entry.file_type().is_dir())
        .map(|entry| {
            let path = entry.path().strip_prefix(root).unwrap().to_owned();
            let bytes = match entry.file_type().is_file() {
                true => fs::read(entry.path()).unwrap(),
                false => fs::read_link(entry.path()).map_or(Vec::new(), |link| {
                    link.into_os_string().into_encoded_bytes()
                }),
            };
            (path, bytes)
        })
        .collect()
}

/// A directory with `data/` to read and room beside it to write.
pub struct Bench {
    pub dir: TempDir,
}

impl Bench {
    /// `data/` holds these files.
    pub fn new(files: &super::server::Files) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        for (path, bytes) in files {
            super::disk::put(&dir.path().join("data"), path, bytes);
        }
        Bench { dir }
    }

    pub fn source(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn target(&self) -> PathBuf {
        self.dir.path().join("new")
    }

    /// `upgrade data new --to LAYOUT MORE...`; SOURCE must not change by a byte,
    /// and nothing but TARGET may appear beside it.
    pub fn upgrade(&self, layout: &str, more: &[&str]) -> Said {
        let before = tree(&self.source());
        let (source, target) = (self.source(), self.target());
        let mut args = vec![
            OsStr::new("upgrade"),
            source.as_os_str(),
            target.as_os_str(),
        ];
        args.extend(["--to", layout].map(OsStr::new));
        args.extend(more.iter().map(OsStr::new));
        let said = migrate(&args);
        assert_eq!(tree(&self.source()), before, "SOURCE changed");
        for entry in fs::read_dir(self.dir.path()).unwrap() {
            let name = entry.unwrap().file_name();
            assert!(
                name == "data" || name == "new" || name == "report.json",
                "{name:?} left behind"
            );
        }
        said
    }

    /// As [`upgrade`](Self::upgrade), which must end with `code` and say each of
    /// `words` on stderr, and leave no TARGET.
    pub fn refused(&self, code: i32, words: &[&str]) -> Said {
        for layout in ["per-table", "snapshot"] {
            let said = self.upgrade(layout, &[]);
            assert_eq!(said.code, Some(code), "{layout}: {}", said.err);
            for word in words {
                assert!(
                    said.err.contains(word),
                    "{layout}: no {word:?} in {}",
                    said.err
                );
            }
            assert!(!self.target().exists(), "{layout}: TARGET is there");
        }
        self.upgrade("per-table", &["--dry-run"])
    }
}
