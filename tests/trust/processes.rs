//! The built programs as processes: killed, asked to end, without room, on a
//! file system that takes nothing, and several on one directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::effort::{is_full, scaled};
use crate::random::Random;
use crate::support::content::{event, events, populated};
use crate::support::model::{Family, Row, encode_instance};
use crate::support::run::{inspect, tree};
use crate::table::Line;

/// Nothing here may take longer.
const PATIENCE: Duration = Duration::from_secs(120);
/// Rows of the table that is to take its time.
const ROWS: i64 = 20_000;
const LAYOUTS: [&str; 4] = ["paged", "per-table", "append", "snapshot"];

type Tree = BTreeMap<PathBuf, Vec<u8>>;

pub fn lines() -> Vec<Line> {
    let bench = Bench::new();
    vec![
        bench.killed_upgrades(),
        bench.killed_compactions(),
        bench.signals(),
        bench.two_at_once(),
        bench.running_server(),
        file_systems(&bench),
    ]
}

/// A source that takes a moment, and what comes of it when nobody disturbs.
struct Bench {
    dir: TempDir,
    source: Tree,
    /// What `upgrade` writes, by layout, and how long it took.
    whole: BTreeMap<&'static str, (Tree, Duration)>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut server = populated(Family::V1_4);
        server.create_table("shop", events());
        let table = server.table("shop", "events");
        table.rows = (0..ROWS)
            .map(|id| Row {
                values: event(id),
                xmin: 1,
                xmax: (id % 3 == 0).then_some(2),
            })
            .collect();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        let bytes = encode_instance(Family::V1_4, &server.instance);
        fs::write(data.join("server_instance.db"), bytes).unwrap();
        let mut bench = Bench {
            source: tree(&data),
            dir,
            whole: BTreeMap::new(),
        };
        for layout in LAYOUTS {
            let target = bench.at(&format!("whole-{layout}"));
            let start = Instant::now();
            assert!(ended(bench.upgrade(layout, &target)).0.success());
            let took = start.elapsed();
            bench.whole.insert(layout, (relative(&target), took));
        }
        bench
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn upgrade(&self, layout: &str, target: &Path) -> Child {
        let mut command = migrate("upgrade");
        command.arg(self.at("data")).arg(target);
        command.args(["--to", layout]).spawn().unwrap()
    }

    /// A directory of ours, with dead versions, that may be changed.
    fn ours(&self, layout: &str, name: &str) -> PathBuf {
        let to = self.at(name);
        for (path, bytes) in &self.whole[layout].0 {
            let path = to.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        to
    }

    /// SOURCE is as it was, and TARGET whole or absent; which of them.
    fn check(&self, layout: &str, target: &Path) -> bool {
        assert!(tree(&self.at("data")) == self.source, "SOURCE changed");
        let there = target.exists();
        if there {
            assert!(
                relative(target) == self.whole[layout].0,
                "{layout}: in part"
            );
        }
        there
    }

    fn killed_upgrades(&self) -> Line {
        let mut random = Random(seed());
        let (mut absent, mut whole) = (0, 0);
        for trial in 0..scaled(400, 8) {
            let layout = LAYOUTS[trial % 4];
            let target = self.at("new");
            let mut child = self.upgrade(layout, &target);
            // Later ones fall into the checks and the syncs at the end.
            let took = self.whole[layout].1.as_micros() as u64;
            sleep(Duration::from_micros(random.below(took * 11 / 10)));
            child.kill().unwrap();
            child.wait().unwrap();
            if self.check(layout, &target) {
                whole += 1;
            } else {
                absent += 1;
                assert!(ended(self.upgrade(layout, &target)).0.success());
                assert!(self.check(layout, &target));
            }
            assert_eq!(hidden(self.dir.path()), 0, "left after the next run");
            fs::remove_dir_all(&target).unwrap();
        }
        Line::held(
            "processes: SIGKILL of `upgrade` at any moment",
            0,
            absent + whole,
        )
    }

    fn killed_compactions(&self) -> Line {
        let mut random = Random(seed());
        let trials = scaled(300, 6);
        for trial in 0..trials {
            let layout = LAYOUTS[trial % 3];
            let dir = self.ours(layout, "ours");
            let before = visible(&dir);
            let start = Instant::now();
            let mut child = migrate("compact").arg(&dir).spawn().unwrap();
            let took = self.whole[layout].1.as_micros() as u64;
            sleep(Duration::from_micros(random.below(took)));
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(
                visible(&dir),
                before,
                "{layout} after {:?}",
                start.elapsed()
            );
            assert!(
                ended(migrate("compact").arg(&dir).spawn().unwrap())
                    .0
                    .success()
            );
            assert_eq!(visible(&dir), before, "{layout}");
            inspect(["verify", dir.to_str().unwrap()]).exits(0);
            fs::remove_dir_all(&dir).unwrap();
        }
        Line::held(
            "processes: SIGKILL of `compact` at any moment",
            0,
            trials as u64,
        )
    }

    /// Commands that are asked to end while they write.
    fn signals(&self) -> Line {
        let (mut stopped, mut done) = (0, 0);
        for round in 0..scaled(40, 1) {
            for (at, (signal, name, code)) in [
                (Signal::INT, "SIGINT", 130),
                (Signal::TERM, "SIGTERM", 143),
                (Signal::HUP, "SIGHUP", 129),
            ]
            .into_iter()
            .enumerate()
            {
                let layout = LAYOUTS[(round + at) % 4];
                for command in ["upgrade", "compact", "dump"] {
                    let (child, trace) = self.begin(command, layout);
                    wait_for(&trace);
                    kill_process(Pid::from_child(&child), signal).unwrap();
                    let (status, said) = ended(child);
                    match status.code() {
                        Some(0) => done += 1,
                        other => {
                            assert_eq!(other, Some(code), "{command}: {said}");
                            assert!(said.contains(&format!("stopped by {name};")), "{said}");
                            stopped += 1;
                        }
                    }
                    self.end(command, layout, status.success());
                }
            }
        }
        assert!(stopped > 0, "every command was faster than its signal");
        self.ignored();
        Line::held("processes: SIGINT, SIGTERM, SIGHUP", stopped, done + 1)
    }

    /// Starts a command; and where it can be seen that it writes.
    fn begin(&self, command: &str, layout: &str) -> (Child, Trace) {
        let begun = Trace::Hidden(self.dir.path().to_owned());
        match command {
            "upgrade" => (self.upgrade(layout, &self.at("new")), begun),
            "dump" => {
                let program = env!("CARGO_BIN_EXE_rustdb-inspect");
                let mut dump = quiet(program, "dump");
                dump.arg(self.at("data")).args(["--format", "csv", "-o"]);
                (dump.arg(self.at("new")).spawn().unwrap(), begun)
            }
            _ => {
                let layout = if layout == "snapshot" {
                    "paged"
                } else {
                    layout
                };
                let dir = self.ours(layout, "ours");
                let trace = Trace::Path(dir.join("compact"));
                (migrate("compact").arg(&dir).spawn().unwrap(), trace)
            }
        }
    }

    /// What must be true after it.
    fn end(&self, command: &str, layout: &str, done: bool) {
        assert_eq!(hidden(self.dir.path()), 0, "{command} left something");
        if command == "compact" {
            let dir = self.at("ours");
            assert!(!dir.join("compact").exists());
            assert_eq!(visible(&dir), visible(&self.at("whole-paged")));
            inspect(["verify", dir.to_str().unwrap()]).exits(0);
            fs::remove_dir_all(dir).unwrap();
            return;
        }
        let target = self.at("new");
        match command {
            "upgrade" => assert_eq!(self.check(layout, &target), done),
            _ => assert_eq!(target.exists(), done),
        }
        if done {
            fs::remove_dir_all(target).unwrap();
        }
    }

    /// Who starts a command under `nohup` wants it to go on.
    fn ignored(&self) {
        let script = "trap '' HUP INT; exec \"$0\" upgrade \"$1\" \"$2\" --to paged";
        let mut command = quiet("sh", "-c");
        command.args([script, env!("CARGO_BIN_EXE_rustdb-migrate")]);
        command.arg(self.at("data")).arg(self.at("new"));
        let child = command.spawn().unwrap();
        wait_for(&Trace::Hidden(self.dir.path().to_owned()));
        for signal in [Signal::HUP, Signal::INT] {
            // Gone already when it was fast.
            let _ = kill_process(Pid::from_child(&child), signal);
        }
        let (status, said) = ended(child);
        assert!(status.success(), "{said}");
        assert!(self.check("paged", &self.at("new")));
        fs::remove_dir_all(self.at("new")).unwrap();
    }

    /// Processes of this tool that want the same directory at the same time.
    fn two_at_once(&self) -> Line {
        let (mut refused, mut done) = (0, 0);
        let mut count = |status: ExitStatus, said: &str| match status.code() {
            Some(0) => done += 1,
            Some(3) => refused += 1,
            other => panic!("{other:?}: {said}"),
        };
        for round in 0..scaled(50, 2) {
            let layout = LAYOUTS[round % 3];
            let target = self.at("new");
            let both = [self.upgrade(layout, &target), self.upgrade(layout, &target)];
            let both = both.map(ended);
            let winners = both.iter().filter(|(status, _)| status.success()).count();
            assert_eq!(winners, 1, "{both:?}");
            both.iter().for_each(|(status, said)| count(*status, said));
            assert!(self.check(layout, &target));
            assert_eq!(hidden(self.dir.path()), 0);
            fs::remove_dir_all(&target).unwrap();

            let dir = self.ours(layout, "ours");
            let before = visible(&dir);
            let mut all: Vec<Child> = (0..2)
                .map(|_| migrate("compact").arg(&dir).spawn().unwrap())
                .collect();
            let mut read = migrate("upgrade");
            all.push(read.arg(&dir).arg(&target).spawn().unwrap());
            let all: Vec<_> = all.into_iter().map(ended).collect();
            all.iter().for_each(|(status, said)| count(*status, said));
            assert!(all.iter().any(|(status, _)| status.success()), "{all:?}");
            assert_eq!(visible(&dir), before);
            if target.exists() {
                assert_eq!(visible(&target), before);
                fs::remove_dir_all(&target).unwrap();
            }
            fs::remove_dir_all(&dir).unwrap();
        }
        Line::held("processes: several on one directory", refused, done)
    }
}

impl Bench {
    /// A server that still runs: refused by what writes, said by what looks.
    fn running_server(&self) -> Line {
        let data = self.at("data");
        let held = data.join("server_instance.db");
        let log = fs::OpenOptions::new().append(true).open(held).unwrap();
        let mut server = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(log)
            .spawn()
            .unwrap();
        let name = format!("cat (process {})", server.id());
        let dir = data.to_str().unwrap();
        let mut looked = 0;
        for command in [
            "info",
            "verify",
            "hash",
            "wal",
            "stats",
            "dump --format jsonl",
        ] {
            let said = inspect(command.split(' ').chain([dir])).exits(0);
            let told =
                said.stderr.contains("source-in-use") || said.stdout.contains("source-in-use");
            assert!(told, "{command}: {}", said.stderr);
            assert!((said.stderr + &said.stdout).contains(&name), "{command}");
            looked += 1;
        }
        let target = self.at("new");
        for more in [&[][..], &["--dry-run"], &["--to", "snapshot"]] {
            let mut upgrade = migrate("upgrade");
            let child = upgrade.arg(&data).arg(&target).args(more).spawn().unwrap();
            let (status, said) = ended(child);
            assert_eq!(status.code(), Some(3), "{said}");
            assert!(said.contains(&name), "{said}");
            assert!(!target.exists());
        }
        let mut forced = migrate("upgrade");
        let child = forced
            .arg(&data)
            .arg(&target)
            .arg("--force")
            .spawn()
            .unwrap();
        let (status, said) = ended(child);
        assert!(status.success() && said.contains("source-in-use"), "{said}");
        assert!(self.check("paged", &target));
        fs::remove_dir_all(&target).unwrap();
        drop(server.stdin.take());
        server.wait().unwrap();
        let quiet = inspect(["info", dir]).exits(0);
        assert!(!quiet.stderr.contains("source-in-use"));
        Line::held("processes: a server that still runs", 3, looked + 2)
    }
}

/// A small file system of its own, full or read-only.
fn file_systems(bench: &Bench) -> Line {
    let what = "processes: a full or a read-only file system";
    let mount = bench.at("mount");
    fs::create_dir(&mount).unwrap();
    let mut refused = 0;
    // Before the work where that is plain, else in the middle of it.
    let all = LAYOUTS
        .iter()
        .flat_map(|layout| [(*layout, ""), (*layout, "--force")]);
    for (layout, more) in all {
        // Room for a half of it.
        let len: usize = bench.whole[layout].0.values().map(Vec::len).sum();
        let size = (len / 2).to_string();
        let full =
            "mount -t tmpfs -o size=$SIZE none $M && touch $M/ready && rm $M/ready || exit 99
            $MIGRATE upgrade $DATA $M/new --to $LAYOUT $MORE; code=$?; ls -A $M; exit $code";
        let (code, left, said) = mounted(
            bench,
            &mount,
            full,
            &[("SIZE", &size), ("LAYOUT", layout), ("MORE", more)],
        );
        if code == Some(99) || said.contains("unshare") {
            println!("skipped: {what}: this user may not mount one");
            return Line::held(what, 0, 0);
        }
        assert_eq!((code, left.trim()), (Some(2), ""), "{layout}: {said}");
        assert!(said.contains("No space left on device"), "{said}");
        refused += 1;
    }
    let whole = bench.at("whole-paged");
    let whole = whole.to_str().unwrap();
    let in_place = "mount -t tmpfs -o size=20m none $M && cp -r $OURS $M/ours || exit 99
        dd if=/dev/zero of=$M/rest bs=4k 2>/dev/null
        $MIGRATE compact $M/ours; code=$?; rm $M/rest
        $INSPECT hash $M/ours | head -1; $INSPECT verify $M/ours >&2 || exit 98
        $MIGRATE compact -q $M/ours >&2 || exit 97; $INSPECT hash $M/ours | head -1; exit $code";
    let (code, hashes, said) = mounted(bench, &mount, in_place, &[("OURS", whole)]);
    assert_eq!(code, Some(2), "{said}");
    let expected = format!("{}  directory\n", visible(Path::new(whole)));
    assert_eq!(hashes, expected.repeat(2));
    let read_only =
        "mount -t tmpfs none $M && cp -r $OURS $M/ours && cp -r $DATA $M/data || exit 99
        mount -o remount,ro $M || exit 99
        for dir in $M/ours $M/data; do
            $INSPECT info $dir >&2 && $INSPECT verify $dir >&2 && $INSPECT hash $dir >&2 || exit 98
        done
        $MIGRATE upgrade $M/data $M/new; echo $?
        $MIGRATE compact $M/ours; echo $?
        $MIGRATE compact $M/ours --output $M/new; echo $?
        $MIGRATE attribute $M/data -o $M/file; echo $?
        $INSPECT dump $M/data --format csv -o $M/new; echo $?";
    let (code, codes, said) = mounted(bench, &mount, read_only, &[("OURS", whole)]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(codes, "2\n".repeat(5), "{said}");
    assert_eq!(said.matches("Read-only file system").count(), 5, "{said}");
    Line::held(what, refused + 1 + 5, 6)
}

/// Runs a script in a mount name space of its own: exit code, stdout, stderr.
fn mounted(
    bench: &Bench,
    mount: &Path,
    script: &str,
    more: &[(&str, &str)],
) -> (Option<i32>, String, String) {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", script]);
    command.env("M", mount).env("DATA", bench.at("data"));
    command.env("MIGRATE", env!("CARGO_BIN_EXE_rustdb-migrate"));
    command.env("INSPECT", env!("CARGO_BIN_EXE_rustdb-inspect"));
    command.envs(more.iter().copied());
    let Ok(output) = command.output() else {
        return (Some(99), String::new(), String::new());
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Where one can see that a command has begun to write.
enum Trace {
    /// A hidden directory in this one.
    Hidden(PathBuf),
    Path(PathBuf),
}

/// Waits until a command writes, or has done so.
fn wait_for(trace: &Trace) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        let there = match trace {
            Trace::Hidden(dir) => hidden(dir) > 0,
            Trace::Path(path) => path.exists(),
        };
        if there {
            return;
        }
        sleep(Duration::from_micros(200));
    }
}

/// Directories under construction.
fn hidden(dir: &Path) -> usize {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let names = entries.map(|name| name.into_string().unwrap());
    names.filter(|name| name.starts_with(".rustdb")).count()
}

/// Files by their paths below a directory.
fn relative(dir: &Path) -> Tree {
    let files = tree(dir).into_iter();
    files
        .map(|(path, bytes)| (path.strip_prefix(dir).unwrap().to_owned(), bytes))
        .collect()
}

/// The hash of what a user sees.
fn visible(dir: &Path) -> String {
    let said = inspect(["hash", dir.to_str().unwrap(), "--format", "json"]).exits(0);
    said.json()["hash"].as_str().unwrap().to_owned()
}

fn migrate(command: &str) -> Command {
    quiet(env!("CARGO_BIN_EXE_rustdb-migrate"), command)
}

fn quiet(program: &str, first: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(first).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// How a child ended, and what it said; it must end.
fn ended(mut child: Child) -> (ExitStatus, String) {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("process {} hangs", child.id());
        }
        sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    (output.status, said)
}

/// Another one each time when everything is tried.
fn seed() -> u64 {
    let clock = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let seed = if is_full() { clock.as_secs() } else { 7 };
    println!("random moments from seed {seed}");
    seed
}
