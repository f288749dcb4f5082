//! Whole-process time and peak memory of the tools over generated snapshots,
//! as ratios against plain file work and other programs in the same run.
//!
//! `cargo bench --bench scale -- [ROWS] [RUNS]` (default 10,000,000 rows, 3
//! runs) prints markdown. The growth exponent is that of time over 10^4, 10^5,
//! ... rows up to ROWS.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::expect_used)]

mod generate;
mod measure;
#[path = "../support/model.rs"]
#[allow(dead_code)]
mod model;
mod peers;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use generate::Shape;
use measure::{Figures, copy_and_sync, growth, measure, median};

/// As this program it reads a whole snapshot and writes it again.
const OLD_SERVER: &str = "--as-old-server";

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, mode, from, to, ..] = &args[..]
        && mode == OLD_SERVER
    {
        return read_and_write_whole(from, to);
    }
    let numbers: Vec<u64> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let rows = numbers.first().copied().unwrap_or(10_000_000);
    let runs = numbers.get(1).copied().unwrap_or(3);
    println!("| shape | rows | work | s | rows/s | MB/s | peak MiB | to cp+sync |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut times: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    let powers = (4..).map(|power| 10u64.pow(power));
    for size in powers.take_while(|size| *size < rows).chain([rows]) {
        for (work, seconds) in (Bench::new(Shape::Narrow, size, runs)).run(size == rows) {
            let point = (size as f64, seconds);
            match times.iter_mut().find(|(known, _)| *known == work) {
                Some((_, points)) => points.push(point),
                None => times.push((work, vec![point])),
            }
        }
    }
    for shape in Shape::ALL
        .into_iter()
        .filter(|shape| *shape != Shape::Narrow)
    {
        Bench::new(shape, rows.min(1_000_000), runs).run(false);
    }
    println!("\n| work | growth exponent |\n|---|---|");
    for (work, points) in times.iter().filter(|(_, points)| points.len() > 2) {
        println!("| {work} | {:.2} |", growth(points));
    }
}

/// What the old server does at every start and checkpoint.
fn read_and_write_whole(from: &str, to: &str) {
    let bytes = fs::read(from).unwrap();
    let instance = model::decode_instance(model::Family::V1_4, &bytes).unwrap();
    drop(bytes);
    fs::write(to, model::encode_instance(model::Family::V1_4, &instance)).unwrap();
    File::open(to).unwrap().sync_all().unwrap();
}

/// One snapshot, and everything that is done with it.
struct Bench {
    dir: tempfile::TempDir,
    shape: Shape,
    rows: u64,
    runs: u64,
    len: u64,
    /// Seconds that a copy and a sync take.
    copy: f64,
}

impl Bench {
    fn new(shape: Shape, rows: u64, runs: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("data");
        let len = generate::snapshot(&source, shape, rows);
        let snapshot = source.join("server_instance.db");
        let to = dir.path().join("copy");
        let copies = (0..runs).map(|_| copy_and_sync(&snapshot, &to));
        let copy = median(copies);
        Bench {
            dir,
            shape,
            rows,
            runs,
            len,
            copy,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Seconds of each work, by name.
    fn run(&self, with_peers: bool) -> Vec<(String, f64)> {
        let inspect = env!("CARGO_BIN_EXE_rustdb-inspect");
        let migrate = env!("CARGO_BIN_EXE_rustdb-migrate");
        let source = self.path("data");
        let data = source.to_str().unwrap();
        let mut done = Vec::new();
        self.line("cp and sync", self.copy, f64::NAN);
        let mut time = |work: &str, program: &str, args: &[&str]| {
            let figures = self.median(program, args, &[]);
            done.push((work.to_owned(), figures.seconds));
            self.line(work, figures.seconds, figures.peak_mib);
        };
        time("info", inspect, &["info", data]);
        time(
            "verify --level structure",
            inspect,
            &["verify", data, "--level", "structure"],
        );
        time("hash", inspect, &["hash", data]);
        time(
            "dump --format jsonl",
            inspect,
            &["dump", data, "--format", "jsonl"],
        );
        if self.shape != Shape::ManyTables {
            time(
                "dump --format csv",
                inspect,
                &["dump", data, "--format", "csv"],
            );
        }
        for layout in ["paged", "per-table", "append", "snapshot"] {
            let target = self.path(layout);
            let to = target.to_str().unwrap();
            let args = ["upgrade", data, to, "--to", layout];
            let figures = self.median(migrate, &args, &[&target]);
            let work = format!("upgrade --to {layout}");
            let ratio = len_of(&target) as f64 / self.len as f64;
            let shown = format!("{work} ({:.0} % of the bytes)", ratio * 100.0);
            self.line(&shown, figures.seconds, figures.peak_mib);
            done.push((work, figures.seconds));
        }
        let paged = self.path("paged");
        let target = paged.to_str().unwrap();
        for (work, args) in [
            (
                "verify of the paged target, checksums",
                ["verify", target, "--level", "checksums"],
            ),
            (
                "verify of the paged target, structure",
                ["verify", target, "--level", "structure"],
            ),
        ] {
            let figures = self.median(inspect, &args, &[]);
            let mb = len_of(&paged) as f64 / 1e6 / figures.seconds;
            let shown = format!("{work} ({mb:.0} MB/s of the target)");
            self.line(&shown, figures.seconds, figures.peak_mib);
            done.push((work.to_owned(), figures.seconds));
        }
        let figures = self.median(inspect, &["diff", data, target], &[]);
        self.line(
            "diff with the paged target",
            figures.seconds,
            figures.peak_mib,
        );
        done.push(("diff with the paged target".into(), figures.seconds));
        if with_peers {
            self.peers(inspect, data);
        }
        done
    }

    fn peers(&self, inspect: &str, data: &str) {
        let own = std::env::current_exe().unwrap();
        let (from, to) = (self.path("data/server_instance.db"), self.path("whole"));
        let args = [OLD_SERVER, from.to_str().unwrap(), to.to_str().unwrap()];
        let figures = self.median(own.to_str().unwrap(), &args, &[&to]);
        self.line("bincode, the whole file", figures.seconds, figures.peak_mib);
        let csv = self.path("users.csv");
        let out = File::create(&csv).unwrap();
        let mut dump = Command::new(inspect);
        dump.args(["dump", data, "--format", "csv"]).stdout(out);
        assert!(dump.status().unwrap().success());
        // Another user reads it.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(self.dir.path(), open).unwrap();
        for (work, figures) in [peers::postgres(&csv), peers::sqlite(&csv)].concat() {
            match figures {
                Ok(figures) => self.line(&work, figures.seconds, figures.peak_mib),
                Err(why) => println!("| | | {work}: skipped, {why} | | | | | |"),
            }
        }
    }

    /// Runs a command, what it wrote removed before each run.
    fn median(&self, program: &str, args: &[&str], written: &[&Path]) -> Figures {
        let runs = (0..self.runs).map(|_| {
            for path in written {
                let _ = fs::remove_dir_all(path).or_else(|_| fs::remove_file(path));
            }
            measure(Command::new(program).args(args)).unwrap()
        });
        let runs: Vec<_> = runs.collect();
        Figures {
            seconds: median(runs.iter().map(|run| run.seconds)),
            cpu_seconds: median(runs.iter().map(|run| run.cpu_seconds)),
            peak_mib: median(runs.iter().map(|run| run.peak_mib)),
        }
    }

    fn line(&self, work: &str, seconds: f64, peak_mib: f64) {
        let peak = match peak_mib.is_nan() {
            true => String::new(),
            false => format!("{peak_mib:.1}"),
        };
        println!(
            "| {} | {} | {work} | {seconds:.2} | {:.0} | {:.0} | {peak} | {:.1} |",
            self.shape.name(),
            self.rows,
            self.rows as f64 / seconds,
            self.len as f64 / 1e6 / seconds,
            seconds / self.copy,
        );
    }
}

fn len_of(dir: &Path) -> u64 {
    let files = walkdir::WalkDir::new(dir).into_iter().flatten();
    let files = files.filter(|entry| entry.file_type().is_file());
    files
        .filter_map(|entry| entry.metadata().ok())
        .map(|meta| meta.len())
        .sum()
}
