//! Names, texts, lengths, links and devices that mean harm: nothing outside
//! TARGET is touched, nothing hangs, no terminal is steered, no secret is told.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustdb_migrate::commands::content::hash_content;
use rustdb_migrate::commands::{Directory, OpenOptions};

use crate::effort::scaled;
use crate::support::content::{column, customer, fresh, loaded, populated, table, text};
use crate::support::hostile::names;
use crate::support::model::{DataType, Family, encode_instance};
use crate::support::run::{copy, data, fixture_names};
use crate::support::tool::{Said, migrate, tree};
use crate::table::Line;

const LAYOUTS: [&str; 4] = ["paged", "per-table", "append", "snapshot"];
/// Nothing that is refused may take longer.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn lines() -> Vec<Line> {
    vec![
        hostile_names(),
        huge_lengths(),
        many_databases(),
        no_regular_files(),
        targets_in_the_way(),
        secrets(),
    ]
}

/// A directory that nothing may leave: `work/` is where commands write, all
/// else must stay as it is.
struct Jail {
    dir: tempfile::TempDir,
    before: BTreeMap<PathBuf, Vec<u8>>,
}

impl Jail {
    /// With a source in it.
    fn new(source: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["data", "outside", "etc", "work"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at("outside/file"), "mine").unwrap();
        fs::write(at("etc/passwd"), "root").unwrap();
        source(&at("data"));
        // Written by root, what is made has the rights of its source.
        for entry in walkdir::WalkDir::new(at("data")) {
            let entry = entry.unwrap();
            let mode = match (entry.file_type().is_dir(), entry.file_type().is_file()) {
                (true, _) => 0o700,
                (_, true) => 0o600,
                _ => continue,
            };
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode)).unwrap();
        }
        let before = tree(dir.path());
        Jail { dir, before }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a program in `work/`; `{}` is the source.
    fn run(&self, program: &str, line: &str) -> Said {
        let source = self.at("data");
        let words = line.split(' ').map(|word| match word {
            "{}" => source.clone().into_os_string(),
            word => word.into(),
        });
        let start = Instant::now();
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", "60", program]).args(words);
        let output = command.current_dir(self.at("work")).output().unwrap();
        assert!(start.elapsed() < Duration::from_secs(60), "{line} hangs");
        let said = Said {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(said.code.is_some_and(|code| code <= 3), "{line}: {said:?}");
        assert!(!said.err.contains("panicked"), "{line}: {}", said.err);
        said
    }

    fn migrate(&self, line: &str) -> Said {
        self.run(env!("CARGO_BIN_EXE_rustdb-migrate"), line)
    }

    fn inspect(&self, line: &str) -> Said {
        self.run(env!("CARGO_BIN_EXE_rustdb-inspect"), line)
    }

    /// All is as it was but for `work/`, where nothing but these names is, whose
    /// files their owner alone can read.
    fn check(&self, allowed: &[&str]) {
        let mut after = tree(self.dir.path());
        after.retain(|path, _| !path.starts_with("work"));
        assert!(after == self.before, "something outside TARGET changed");
        for entry in fs::read_dir(self.at("work")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(allowed.contains(&name.as_str()), "{name} is new");
        }
        for entry in walkdir::WalkDir::new(self.at("work")).min_depth(1) {
            let meta = entry.unwrap().metadata().unwrap();
            let mode = if meta.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(meta.permissions().mode() & 0o777, mode);
        }
    }
}

/// Names that look alike, and such that no file system takes.
fn all_names() -> Vec<String> {
    let mut all = names();
    let alike = [
        "paypal",
        "p\u{430}ypal",
        "\u{fb00}",
        "ff",
        "\u{df}",
        "\u{1e9e}",
        "ss",
        "\u{130}",
        "i",
        "a\u{200d}b",
        "ab",
        "\u{212b}",
        "\u{c5}",
        "\u{7f}",
        "\u{9b}31m",
        "\u{feff}",
        "-rf",
        "~",
        "$(touch outside)",
        ".rustdb-staging-0",
        "control",
        "global.db",
        "lost+found",
    ];
    all.extend(alike.map(String::from));
    all.extend(["a", "b"].map(|last| "l".repeat(9_999) + last));
    all.push("\u{1f980}".repeat(2_500));
    all.push("\n".repeat(10_000));
    all.sort();
    all.dedup();
    all
}

fn hostile_names() -> Line {
    let names = all_names();
    let jail = Jail::new(|dir| {
        let mut server = fresh(Family::V1_4);
        for (at, name) in names.iter().enumerate() {
            let inner = table(name, vec![column(name, DataType::Text)]);
            server.create_table("postgres", inner);
            server.insert("postgres", name, vec![vec![text(name)]]);
            server.create_database(name);
            let own = format!("in_{at}");
            server.create_table(name, table(&own, vec![column("c", DataType::Text)]));
            server.insert(name, &own, vec![vec![text("\u{1b}]0;title\u{7}\u{9b}2J")]]);
        }
        let bytes = encode_instance(Family::V1_4, &loaded(Family::V1_4, server).instance);
        fs::write(dir.join("server_instance.db"), bytes).unwrap();
    });
    let mut said = Vec::new();
    for layout in LAYOUTS {
        let upgraded = jail.migrate(&format!("upgrade -v {{}} {layout} --to {layout}"));
        assert_eq!(upgraded.code, Some(0), "{layout}: {}", upgraded.err);
        said.push(upgraded);
        for command in ["info -v", "verify -v", "hash", "stats"] {
            let shown = jail.inspect(&format!("{command} {layout}"));
            assert_eq!(shown.code, Some(0), "{command} {layout}: {}", shown.err);
            said.push(shown);
        }
        let same = jail.inspect(&format!("diff {{}} {layout}"));
        assert_eq!(same.code, Some(0), "{layout}: {}", same.err);
        said.push(same);
    }
    for layout in ["paged", "per-table", "append"] {
        let packed = jail.migrate(&format!("compact {layout}"));
        assert_eq!(packed.code, Some(0), "{layout}: {}", packed.err);
        said.push(packed);
    }
    let dumped = jail.inspect("dump {} --format csv -o csv");
    assert_eq!(dumped.code, Some(0), "{}", dumped.err);
    said.push(dumped);
    let files = tree(&jail.at("work/csv"));
    // In "postgres" a table of each name, one in each database of that name, and
    // the manifest of all.
    assert_eq!(files.len(), 2 * names.len() + 1);
    assert_eq!(jail.migrate("attribute {} -o decisions").code, Some(0));
    let report = jail.migrate("upgrade {} reported --report report.json");
    assert_eq!(report.code, Some(0));
    let mut allowed = LAYOUTS.to_vec();
    allowed.extend(["csv", "decisions", "reported", "report.json"]);
    jail.check(&allowed);
    for said in &said {
        for text in [&said.out, &said.err] {
            let bad = text.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(bad, None, "a control character reaches a terminal");
        }
    }
    Line::held(
        "hostile names, as databases, tables and columns",
        0,
        3 * names.len() as u64,
    )
}

/// Every place of a snapshot as a length that no file has.
fn huge_lengths() -> Line {
    let (mut refused, mut read) = (0, 0);
    let whole = encode_instance(Family::V1_4, &populated(Family::V1_4).instance);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server_instance.db");
    let step = scaled(1, 23);
    for len in [u64::MAX, 1 << 63, 1 << 40, 1 << 32] {
        for at in (0..whole.len() - 8).step_by(step) {
            let mut bytes = whole.clone();
            bytes[at..at + 8].copy_from_slice(&len.to_le_bytes());
            fs::write(&path, bytes).unwrap();
            let opened = Directory::open(dir.path(), &OpenOptions::default());
            let hashed = opened.and_then(|directory| {
                hash_content(directory.catalog(), &directory, directory.threads())
            });
            match hashed {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > read, "{refused} refused, {read} read");
    Line::held(
        "lengths of 4 GiB to 16 EiB anywhere in a snapshot",
        refused,
        read,
    )
}

/// Databases of nothing: each costs 44 bytes of the file.
fn many_databases() -> Line {
    let count = scaled(1_000_000, 20_000) as u64;
    let jail = Jail::new(|dir| {
        let mut bytes = count.to_le_bytes().to_vec();
        for at in 0..count {
            for _ in 0..2 {
                bytes.extend(7_u64.to_le_bytes());
                bytes.extend(format!("{at:07}").bytes());
            }
            bytes.extend([0; 16]);
        }
        // No grants, no users.
        bytes.extend([0; 16]);
        fs::write(dir.join("server_instance.db"), bytes).unwrap();
    });
    // Far below what names, rows and indexes of so many may take.
    let limited = format!("ulimit -v {}; exec \"$0\" \"$@\"", 200_000 + count * 3);
    let mut tried = 0;
    for (program, command) in [
        (
            env!("CARGO_BIN_EXE_rustdb-inspect"),
            "info --format json {}",
        ),
        (env!("CARGO_BIN_EXE_rustdb-inspect"), "verify {}"),
        (
            env!("CARGO_BIN_EXE_rustdb-inspect"),
            "hash --format json {}",
        ),
        (
            env!("CARGO_BIN_EXE_rustdb-inspect"),
            "dump --format jsonl {}",
        ),
        (
            env!("CARGO_BIN_EXE_rustdb-migrate"),
            "upgrade -q {} new --to snapshot --threads 2",
        ),
        (
            env!("CARGO_BIN_EXE_rustdb-migrate"),
            "upgrade -q {} none --dry-run --threads 2",
        ),
    ] {
        let source = jail.at("data");
        let words = command.split(' ').map(|word| match word {
            "{}" => source.to_str().unwrap(),
            word => word,
        });
        let start = Instant::now();
        let mut run = Command::new("sh");
        run.args(["-c", &limited, program]).args(words);
        run.env("MALLOC_ARENA_MAX", "1")
            .current_dir(jail.at("work"));
        let output = run.output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{command}: {err}");
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "{command} takes too long"
        );
        println!("{count} databases, {command}: {:?}", start.elapsed());
        tried += 1;
    }
    jail.check(&["new"]);
    Line::held(
        &format!("{count} databases of nothing, memory bounded"),
        0,
        tried,
    )
}

/// What stands in for a file.
const KINDS: [&str; 6] = ["pipe", "zero", "link", "dangling", "directory", "socket"];

fn stand_in(kind: &str, path: &Path, real: &Path) {
    let moved = path.with_file_name("moved");
    let _ = fs::rename(path, real);
    match kind {
        "pipe" => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        "zero" => symlink("/dev/zero", path).unwrap(),
        "link" => symlink(real, path).unwrap(),
        "dangling" => symlink(moved, path).unwrap(),
        "directory" => fs::create_dir(path).unwrap(),
        _ => drop(UnixListener::bind(path).unwrap()),
    }
}

/// Links, pipes, sockets and devices where files are expected.
fn no_regular_files() -> Line {
    let (mut refused, mut passed) = (0, 0);
    let ours = tempfile::tempdir().unwrap();
    let target = ours.path().join("ours");
    let args = ["upgrade", &data("torn_tail"), target.to_str().unwrap()];
    assert_eq!(migrate(&args).code, Some(0));
    let files: Vec<PathBuf> = tree(&target).into_keys().collect();
    let legacy = tree(Path::new(&data("torn_tail"))).into_keys();
    let legacy = legacy.chain([PathBuf::from("wal")]);
    let of_legacy = legacy.map(|name| (data("torn_tail"), name));
    let of_ours = files
        .into_iter()
        .map(|name| (target.to_str().unwrap().to_owned(), name));
    let mut places: Vec<_> = of_legacy.chain(of_ours).collect();
    places.extend(
        ["quarantine.jsonl", "wal", "db_shop"]
            .map(|name| (target.to_str().unwrap().to_owned(), PathBuf::from(name))),
    );
    let step = scaled(1, 11);
    let trials = places
        .iter()
        .flat_map(|place| KINDS.map(|kind| (place, kind)));
    for ((from, name), kind) in trials.step_by(step) {
        let jail = Jail::new(|dir| {
            copy(Path::new(from), dir);
            let path = dir.join(name);
            stand_in(kind, &path, &dir.with_file_name("outside").join("moved"));
        });
        let start = Instant::now();
        for (program, command) in [
            (env!("CARGO_BIN_EXE_rustdb-inspect"), "info {}"),
            (env!("CARGO_BIN_EXE_rustdb-inspect"), "verify {}"),
            (
                env!("CARGO_BIN_EXE_rustdb-inspect"),
                "dump --format jsonl {}",
            ),
            (env!("CARGO_BIN_EXE_rustdb-migrate"), "upgrade {} new"),
            (
                env!("CARGO_BIN_EXE_rustdb-migrate"),
                "upgrade {} salvaged --salvage",
            ),
            (
                env!("CARGO_BIN_EXE_rustdb-migrate"),
                "compact {} --output packed",
            ),
        ] {
            match jail.run(program, command).code {
                Some(0) => passed += 1,
                _ => refused += 1,
            }
        }
        assert!(start.elapsed() < PATIENCE, "{kind} for {}", name.display());
        jail.check(&["new", "salvaged", "packed"]);
    }
    assert!(refused > passed, "{refused} refused, {passed} passed");
    Line::held(
        "links, pipes, sockets, devices and directories for files",
        refused,
        passed,
    )
}

/// A TARGET that is something else, or becomes so while it is written.
fn targets_in_the_way() -> Line {
    let jail = Jail::new(|dir| copy(Path::new(&data("torn_tail")), dir));
    let target = jail.at("work/new");
    let mut refused = 0;
    for kind in KINDS {
        match kind {
            "link" => symlink(jail.at("outside"), &target).unwrap(),
            "directory" => fs::create_dir_all(target.join("mine")).unwrap(),
            kind => stand_in(kind, &target, &jail.at("no")),
        }
        for command in [
            "upgrade {} new",
            "upgrade {} new --to snapshot",
            "upgrade {} new --dry-run",
        ] {
            let said = jail.migrate(command);
            assert_eq!(said.code, Some(3), "{kind} {command}: {}", said.err);
            refused += 1;
        }
        let said = jail.inspect("dump {} --format csv -o new");
        assert_eq!(said.code, Some(3), "{kind}: {}", said.err);
        refused += 1;
        if target.is_dir() && !target.is_symlink() {
            fs::remove_dir_all(&target).unwrap();
        } else {
            fs::remove_file(&target).unwrap();
        }
        jail.check(&[]);
    }
    // It appears when the hidden directory is there already.
    let (work, outside) = (jail.at("work"), jail.at("outside"));
    for round in 0..scaled(50, 3) {
        let watched = (work.clone(), outside.clone());
        let swap = std::thread::spawn(move || {
            let (work, outside) = watched;
            let start = Instant::now();
            while fs::read_dir(&work).unwrap().next().is_none() {
                assert!(start.elapsed() < PATIENCE);
            }
            symlink(outside, work.join("new"))
        });
        let said = jail.migrate(&format!("upgrade {{}} new --to {}", LAYOUTS[round % 4]));
        // Before it, the link is in the way; after it, TARGET is.
        match swap.join().unwrap() {
            Ok(()) => assert_eq!(said.code, Some(3), "{}", said.err),
            Err(_) => assert_eq!(said.code, Some(0), "{}", said.err),
        }
        match target.is_symlink() {
            true => fs::remove_file(&target).unwrap(),
            false => fs::remove_dir_all(&target).unwrap(),
        }
        jail.check(&[]);
        refused += 1;
    }
    Line::held(
        "a TARGET that is a link, a pipe, a device, taken or swapped",
        refused,
        0,
    )
}

/// Hashes of passwords and values of rows, in whatever is not asked for them.
fn secrets() -> Line {
    let mut tried = 0;
    let value = "a value that nobody but the owner reads";
    let mut server = populated(Family::V2_3);
    server.insert("shop", "customers", vec![customer(77, value)]);
    let mut sources: Vec<(String, Jail)> = Vec::new();
    let files = server.killed();
    let snapshot = files["server_instance.db"].clone();
    let put = |dir: &Path, snapshot: &[u8]| {
        for (path, bytes) in &files {
            crate::support::disk::put(dir, path, bytes);
        }
        fs::write(dir.join("server_instance.db"), snapshot).unwrap();
    };
    let step = scaled(31, 2_999);
    for at in (0..snapshot.len()).step_by(step) {
        let mut bytes = snapshot.clone();
        bytes[at] ^= 0x81;
        sources.push((format!("byte {at}"), Jail::new(|dir| put(dir, &bytes))));
        sources.push((
            format!("cut at {at}"),
            Jail::new(|dir| put(dir, &snapshot[..at])),
        ));
    }
    for fixture in fixture_names() {
        sources.push((
            fixture.clone(),
            Jail::new(|dir| copy(Path::new(&data(&fixture)), dir)),
        ));
    }
    let hashes: Vec<String> = "0123456789abcdef"
        .chars()
        .map(|c| c.to_string().repeat(64))
        .collect();
    for (what, jail) in &sources {
        let said = [
            jail.inspect("info -v {}"),
            jail.inspect("info --format json {}"),
            jail.inspect("verify -v {}"),
            jail.inspect("verify --format json {}"),
            jail.inspect("dump --format jsonl --schema-only {}"),
            jail.inspect("dump --redact {}"),
            jail.inspect("hash {}"),
            jail.inspect("wal --attribute {}"),
            jail.migrate("upgrade -v {} new --salvage --format json"),
            jail.migrate("upgrade -v {} again"),
            jail.migrate("attribute {}"),
        ];
        for (at, said) in said.iter().enumerate() {
            tried += 1;
            for text in [&said.out, &said.err] {
                let told = hashes.iter().any(|hash| text.contains(hash.as_str()));
                assert!(!told, "{what}, command {at} tells a hash");
                assert!(!text.contains(value), "{what}, command {at} tells a value");
            }
        }
        jail.check(&["new", "again"]);
    }
    // It is there to be found.
    let whole = Jail::new(|dir| put(dir, &snapshot));
    let shown = whole.inspect("dump --format jsonl {}").out;
    assert!(shown.contains(value));
    let secret = whole
        .inspect("dump --format jsonl --schema-only --with-secrets {}")
        .out;
    assert!(hashes.iter().any(|hash| secret.contains(hash.as_str())));
    Line::held("outputs searched for password hashes and values", 0, tried)
}
