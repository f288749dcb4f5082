//! Runs the built programs, as a user would.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value as Json;

/// A run of `rustdb-inspect` that has ended.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    fn of(output: Output) -> Self {
        Run {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The run, if it ended with this code.
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout: {}\nstderr: {}",
            self.stdout, self.stderr
        );
        self
    }

    /// Standard output as one JSON document.
    pub fn json(&self) -> Json {
        let document: Json = serde_json::from_str(&self.stdout).unwrap();
        assert_eq!(document["schema"], 1);
        assert_eq!(document["version"], env!("CARGO_PKG_VERSION"));
        document
    }

    /// Standard output as JSON lines.
    pub fn lines(&self) -> Vec<Json> {
        let lines = self.stdout.lines();
        lines.map(|l| serde_json::from_str(l).unwrap()).collect()
    }
}

/// `rustdb-inspect` with its environment fixed.
pub fn inspect_command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rustdb-inspect"));
    command.env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

/// Runs `rustdb-inspect`.
pub fn inspect<'a>(args: impl IntoIterator<Item = &'a str>) -> Run {
    Run::of(inspect_command().args(args).output().unwrap())
}

/// Runs `rustdb-migrate`.
pub fn migrate<'a>(args: impl IntoIterator<Item = &'a str>) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rustdb-migrate"));
    Run::of(command.args(args).stdin(Stdio::null()).output().unwrap())
}

/// The fixtures.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The data directory of a fixture.
pub fn data(fixture: &str) -> String {
    text(&fixtures().join(fixture).join("data"))
}

/// What is known of a fixture.
pub fn truth(fixture: &str) -> Json {
    let path = fixtures().join(fixture).join("truth.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The names of all fixtures.
pub fn fixture_names() -> Vec<String> {
    let entries = fs::read_dir(fixtures()).unwrap().map(Result::unwrap);
    let directories = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> = directories
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() > 20, "{names:?}");
    names
}

/// A path as an argument.
pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Every file below a directory with its bytes: what must not change.
pub fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files
        .map(|entry| {
            let bytes = fs::read(entry.path()).unwrap();
            (entry.into_path(), bytes)
        })
        .collect()
}

/// Copies a directory.
pub fn copy(from: &Path, to: &Path) {
    for (path, bytes) in tree(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
}

/// Rows by database and table, each `[[tag, value], ...]`, sorted: the shape of
/// what is known of a fixture or a real directory.
pub type Rows = BTreeMap<(String, String), Vec<String>>;

/// The rows that `dump --format jsonl --typed` wrote.
pub fn dumped(run: &Run) -> Rows {
    let mut rows = Rows::new();
    for line in run.stdout.lines() {
        let line: Line = serde_json::from_str(line).unwrap();
        let values = line.row.0.iter().zip(&line.types.0);
        let values = values.map(|((name, value), (typed, tag))| {
            assert_eq!(name, typed);
            Json::Array(vec![tag.clone(), value.clone()])
        });
        let row = Json::Array(values.collect()).to_string();
        rows.entry((line.database, line.table))
            .or_default()
            .push(row);
    }
    rows.values_mut().for_each(|rows| rows.sort());
    rows
}

/// The rows of a document `{database: {table: {"rows": [...]}}}`.
pub fn known(databases: &Json) -> Rows {
    let mut rows = Rows::new();
    for (database, tables) in databases.as_object().unwrap() {
        for (table, content) in tables.as_object().unwrap() {
            let all = content["rows"].as_array().unwrap();
            let mut all: Vec<_> = all.iter().map(Json::to_string).collect();
            all.sort();
            if !all.is_empty() {
                rows.insert((database.clone(), table.clone()), all);
            }
        }
    }
    rows
}

#[derive(serde::Deserialize)]
struct Line {
    database: String,
    table: String,
    row: Pairs,
    types: Pairs,
}

/// An object with its order, and with a name that stands twice.
struct Pairs(Vec<(String, Json)>);

impl<'de> serde::Deserialize<'de> for Pairs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Pairs;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}
