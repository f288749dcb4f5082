//! A signal ends every command that writes within a second of processor time,
//! in whatever phase it comes, and nothing of what was begun is left.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::growth::{of_databases, of_tables, people, write_source};
use crate::lines::command;
use crate::measure::cpu_seconds;
use crate::support::content::{int, row, text};
use crate::support::model::{Database, Family, Instance, Operation};

/// Processor time that a command may still use after the signal.
const MOST_SECONDS: f64 = 1.0;
/// Moments of each command at which the signal comes, by its whole time.
const MOMENTS: [f64; 2] = [0.3, 0.8];

/// A source whose reading, or the work on it, takes a while.
struct Source {
    name: &'static str,
    write: fn(&Path),
    lines: &'static [&'static str],
}

const SOURCES: [Source; 4] = [
    Source {
        name: "many equal databases",
        write: |dir| {
            let named = |at: usize| Database {
                name: format!("d{at}"),
                ..crate::growth::database(vec![people(1)])
            };
            let instance = of_databases((0..60).map(named).collect());
            write(dir, &instance, &inserts(1000));
        },
        lines: &[
            "rustdb-migrate upgrade -q SOURCE OUT",
            "rustdb-migrate attribute SOURCE -o OUT",
        ],
    },
    Source {
        name: "a long log",
        write: |dir| write(dir, &of_tables(vec![people(1)]), &inserts(20_000)),
        lines: &[
            "rustdb-migrate upgrade -q SOURCE OUT --to append",
            "rustdb-inspect stats SOURCE",
        ],
    },
    Source {
        name: "many rows",
        write: |dir| {
            let mut table = people(60_000);
            table.rows.reverse();
            write(dir, &of_tables(vec![table]), &[]);
        },
        lines: &[
            "rustdb-migrate upgrade -q SOURCE OUT",
            "rustdb-migrate upgrade -q SOURCE OUT --to snapshot --numeric text",
            "rustdb-inspect dump SOURCE --format csv -o OUT",
        ],
    },
    Source {
        name: "rows behind damage",
        write: |dir| {
            write(dir, &of_tables(vec![people(20_000)]), &[]);
            let path = dir.join("server_instance.db");
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle..middle + 100].fill(0xFF);
            fs::write(path, bytes).unwrap();
        },
        lines: &["rustdb-migrate upgrade -q SOURCE OUT --salvage"],
    },
];

fn write(dir: &Path, instance: &Instance, log: &[Operation]) {
    write_source(dir, Family::V1_4, instance, log);
}

fn inserts(count: i64) -> Vec<Operation> {
    (0..count)
        .map(|id| Operation::Insert("t".into(), row(vec![int(100 + id), text("x")])))
        .collect()
}

struct Bench {
    dir: PathBuf,
    temporary: PathBuf,
}

impl Bench {
    fn command(&self, line: &str) -> Command {
        let (source, out) = (self.dir.join("source"), self.dir.join("out"));
        let mut command = command(line, &[("SOURCE", &source), ("OUT", &out)]);
        command.env("TMPDIR", &self.temporary);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Lets it run for so much processor time, then asks it to end: its exit code,
    /// and what it used in all and after the signal.
    fn stopped(&self, line: &str, moment: f64) -> (Option<i32>, f64, f64) {
        let mut child = self.command(line).spawn().unwrap();
        let (mut spent, mut sent) = (0.0_f64, None);
        let status = loop {
            spent = spent.max(cpu_seconds(child.id()));
            if sent.is_none() && spent >= moment {
                sent = Some(spent);
                kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
            }
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        (status.code(), spent, spent - sent.unwrap_or(spent))
    }

    fn left(&self) -> Vec<PathBuf> {
        let entries = |dir: &Path| {
            let entries = fs::read_dir(dir).unwrap();
            entries
                .map(|entry| entry.unwrap().path())
                .collect::<Vec<_>>()
        };
        let mut left = entries(&self.dir);
        left.extend(entries(&self.temporary));
        left.retain(|path| !path.ends_with("source") && *path != self.temporary);
        left
    }
}

#[test]
fn a_signal_ends_every_phase_within_a_second() {
    let mut stopped = 0;
    for source in &SOURCES {
        let scratch = tempfile::tempdir().unwrap();
        let bench = Bench {
            dir: scratch.path().to_owned(),
            temporary: scratch.path().join("temporary"),
        };
        fs::create_dir(&bench.temporary).unwrap();
        (source.write)(&bench.dir.join("source"));
        for line in source.lines {
            let (_, whole, _) = bench.stopped(line, f64::MAX);
            for path in bench.left() {
                let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
            }
            for moment in MOMENTS {
                let (code, _, after) = bench.stopped(line, whole * moment);
                let name = source.name;
                println!("{name}: {line}: {after:.2} s after {:.2} s", whole * moment);
                assert!(after < MOST_SECONDS, "{name}: {line}: {after} s");
                if code == Some(143) {
                    stopped += 1;
                    assert_eq!(bench.left(), Vec::<PathBuf>::new(), "{name}: {line}");
                }
                for path in bench.left() {
                    let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
                }
            }
        }
    }
    assert!(
        stopped > 5,
        "nearly every command was faster than its signal"
    );
}
