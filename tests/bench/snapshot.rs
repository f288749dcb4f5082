//! One generated snapshot, and everything that is done with it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::OLD_SERVER;
use crate::generate::{self, Shape};
use crate::measure::{copy, remove};
use crate::peers::{DuckDb, Postgres, Sqlite};
use crate::work::{Done, Work, take_turns};

const INSPECT: &str = env!("CARGO_BIN_EXE_rustdb-inspect");
const MIGRATE: &str = env!("CARGO_BIN_EXE_rustdb-migrate");

/// A snapshot in a directory of its own.
pub struct Bench {
    dir: tempfile::TempDir,
    shape: Shape,
    rows: u64,
    runs: u64,
}

impl Bench {
    pub fn new(shape: Shape, rows: u64, runs: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        generate::snapshot(&dir.path().join("data"), shape, rows);
        // Peers run as another user.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(dir.path(), open).unwrap();
        Bench {
            dir,
            shape,
            rows,
            runs,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn take_turns(&self, works: &[Work<'_>]) -> Vec<Done> {
        let what = (self.shape.name(), self.rows);
        take_turns(what, works, self.runs, &self.path("copy"))
    }

    fn ours<'b>(&self, name: &str, program: &'b str, args: &[&str], of: &str) -> Work<'b> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let command = move || {
            let mut command = Command::new(program);
            command.args(&args);
            command
        };
        Work::new(name, command).of(self.path(of))
    }

    /// Every command that reads or converts, and peers beside it if asked.
    pub fn all(&self, with_peers: bool) -> Vec<Done> {
        let csv = self.path("rows.csv");
        if with_peers {
            generate::csv(&csv, self.shape, self.rows);
        }
        let postgres = with_peers.then(|| Postgres::start(&csv));
        let sqlite = with_peers.then(|| Sqlite::new(&csv));
        let duckdb = with_peers.then(|| DuckDb::new(&csv));
        let mut peers: [Vec<Work<'_>>; 3] = Default::default();
        match &postgres {
            Some(Ok(postgres)) => {
                peers[0].push(postgres.copy());
                peers[1].push(postgres.dump());
                peers[2].push(postgres.checksums());
            }
            Some(Err(why)) => println!("| | | PostgreSQL: skipped, {why} | | | | | | |"),
            None => {}
        }
        if let Some(sqlite) = &sqlite {
            peers[0].push(sqlite.import());
            peers[1].push(sqlite.dump());
            peers[2].push(sqlite.integrity_check());
        }
        if let Some(duckdb) = &duckdb {
            peers[1].push(duckdb.parquet());
        }
        let [upgrades, dumps, checks] = peers;
        let mut done = self.upgrades(with_peers, upgrades);
        done.extend(self.dumps(dumps));
        done.extend(self.reads());
        done.extend(self.checks(checks));
        done
    }

    fn upgrades<'b>(&self, with_old_server: bool, peers: Vec<Work<'b>>) -> Vec<Done> {
        let source = self.path("data");
        let mut works = Vec::new();
        for layout in ["paged", "per-table", "append", "snapshot"] {
            let target = self.path(layout);
            let args = ["upgrade", text(&source), text(&target), "--to", layout];
            let name = format!("upgrade --to {layout}");
            works.push(self.ours(&name, MIGRATE, &args, "data").writes(target));
        }
        if with_old_server {
            let (from, to) = (self.path("data/server_instance.db"), self.path("whole"));
            let own = std::env::current_exe().unwrap();
            let old = Work::new("bincode, the whole file", {
                let to = to.clone();
                move || {
                    let mut command = Command::new(&own);
                    command.arg(OLD_SERVER).arg(&from).arg(&to);
                    command
                }
            });
            works.push(old.writes(to));
        }
        works.extend(peers);
        self.take_turns(&works)
    }

    fn dumps<'b>(&self, peers: Vec<Work<'b>>) -> Vec<Done> {
        let source = self.path("data");
        let mut formats = vec!["jsonl", "csv", "sql"];
        if matches!(self.shape, Shape::ManyTables | Shape::FourTables) {
            // csv is one table's.
            formats.retain(|format| *format != "csv");
        }
        let mut works: Vec<Work<'_>> = formats
            .into_iter()
            .map(|format| {
                let args = ["dump", text(&source), "--format", format];
                self.ours(&format!("dump --format {format}"), INSPECT, &args, "data")
            })
            .collect();
        let tables = self.path("parquet");
        let args = [
            "dump",
            text(&source),
            "--format",
            "parquet",
            "-o",
            text(&tables),
        ];
        let parquet = self.ours("dump --format parquet", INSPECT, &args, "data");
        works.push(parquet.writes(tables));
        works.extend(peers);
        self.take_turns(&works)
    }

    fn reads(&self) -> Vec<Done> {
        let (source, target) = (self.path("data"), self.path("paged"));
        let (source, target) = (text(&source), text(&target));
        let mut works = vec![
            self.ours("info", INSPECT, &["info", source], "data"),
            self.ours("wal", INSPECT, &["wal", source], "data"),
            self.ours("hash", INSPECT, &["hash", source], "data"),
            self.ours("diff", INSPECT, &["diff", source, target], "data"),
        ];
        let args = ["verify", source, "--level", "structure"];
        works.push(self.ours("verify --level structure", INSPECT, &args, "data"));
        self.take_turns(&works)
    }

    fn checks<'b>(&self, peers: Vec<Work<'b>>) -> Vec<Done> {
        let target = self.path("paged");
        let mut works: Vec<Work<'_>> = ["checksums", "structure"]
            .into_iter()
            .map(|level| {
                let args = ["verify", text(&target), "--level", level];
                let name = format!("verify --level {level} of the pages");
                self.ours(&name, INSPECT, &args, "paged")
            })
            .collect();
        // At its default level, which is what an upgrade proves of what it wrote.
        for layout in ["paged", "per-table", "append"] {
            let target = self.path(layout);
            let name = format!("verify of {layout}");
            works.push(self.ours(&name, INSPECT, &["verify", text(&target)], layout));
        }
        works.extend(peers);
        self.take_turns(&works)
    }

    /// `compact` of the pages, in place and into a copy.
    pub fn compaction(&self, with_peers: bool) -> Vec<Done> {
        let (source, target) = (self.path("data"), self.path("packed-from"));
        remove(&target);
        let mut upgrade = Command::new(MIGRATE);
        upgrade.args(["upgrade", text(&source), text(&target), "--to", "paged"]);
        assert!(upgrade.output().unwrap().status.success());
        let sqlite = with_peers.then(|| {
            let csv = self.path("rows.csv");
            generate::csv(&csv, self.shape, self.rows);
            Sqlite::new(&csv)
        });
        let (in_place, packed) = (self.path("in-place"), self.path("packed"));
        let args = ["compact", text(&in_place)];
        let own = self.ours("compact", MIGRATE, &args, "packed-from");
        let own = own.writes(in_place.clone()).after({
            let target = target.clone();
            move || {
                copy(&target, &in_place);
                Ok(())
            }
        });
        let args = ["compact", text(&target), "--output", text(&packed)];
        let into = self.ours("compact --output", MIGRATE, &args, "packed-from");
        let mut works = vec![own, into.writes(packed.clone())];
        if let Some(sqlite) = &sqlite {
            works.push(sqlite.vacuum_into());
        }
        self.take_turns(&works)
    }
}

/// What the old server does at every start and checkpoint.
pub fn read_and_write_whole(from: &str, to: &str) {
    use crate::model::{Family, decode_instance, encode_instance};
    let bytes = fs::read(from).unwrap();
    let instance = decode_instance(Family::V1_4, &bytes).unwrap();
    drop(bytes);
    fs::write(to, encode_instance(Family::V1_4, &instance)).unwrap();
    File::open(to).unwrap().sync_all().unwrap();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
