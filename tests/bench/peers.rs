//! What other programs take for the same rows. Those that are not installed are
//! skipped and named.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::measure::{Figures, measure};

const TABLE: &str = "CREATE TABLE users (id bigint, name text, age int, joined date)";

/// One line of the table: what was done, and what it took.
pub type Line = (String, Result<Figures, String>);

/// PostgreSQL with the rows of `csv`, which has a header line.
pub fn postgres(csv: &Path) -> Vec<Line> {
    let Some(bin) = postgres_bin() else {
        return vec![("PostgreSQL".into(), Err("not installed".into()))];
    };
    let cluster = Cluster::new(&bin);
    let mut lines = Vec::new();
    if let Err(why) = cluster.start() {
        return vec![("PostgreSQL".into(), Err(why))];
    }
    let load = format!("\\copy users FROM '{}' (FORMAT csv, HEADER)", csv.display());
    let psql = |sql: &str| {
        let mut psql = cluster.command("psql");
        psql.args(["-qX", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-c", sql]);
        psql
    };
    if let Err(why) = run(&mut psql(TABLE)) {
        lines.push(("PostgreSQL".into(), Err(why)));
    } else {
        lines.push(("psql \\copy".to_owned(), measure(&mut psql(&load))));
        let mut dump = cluster.command("pg_dump");
        lines.push((
            "pg_dump".into(),
            measure(dump.args(["-t", "users", "postgres"])),
        ));
    }
    cluster.stop();
    let len = len_of(&cluster.data) as f64 / 1e6;
    let mut checksums = cluster.command("pg_checksums");
    let figures = measure(checksums.arg("--check").arg("-D").arg(&cluster.data));
    lines.push((format!("pg_checksums of {len:.0} MB"), figures));
    lines
}

/// The directory of PostgreSQL's programs.
fn postgres_bin() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok();
    let installed = versions.into_iter().flatten().flatten();
    let installed = installed.map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all: Vec<_> = installed.chain(std::env::split_paths(&path)).collect();
    all.sort();
    all.into_iter()
        .find(|dir| dir.join("initdb").exists() && dir.join("pg_checksums").exists())
}

/// A server of its own, which runs as nobody when root asks: it refuses root.
struct Cluster {
    bin: PathBuf,
    dir: tempfile::TempDir,
    data: PathBuf,
    as_nobody: bool,
}

impl Cluster {
    fn new(bin: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let id = Command::new("id").arg("-u").output();
        let as_nobody = id.is_ok_and(|out| out.stdout.starts_with(b"0"));
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(dir.path(), open).unwrap();
        Cluster {
            bin: bin.to_owned(),
            data: dir.path().join("data"),
            dir,
            as_nobody,
        }
    }

    fn command(&self, program: &str) -> Command {
        let path = self.bin.join(program);
        let mut command = match self.as_nobody {
            false => Command::new(path),
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]);
                command.arg(path);
                command
            }
        };
        command
            .current_dir(self.dir.path())
            .env("PGHOST", self.dir.path())
            .env("PGUSER", "postgres");
        command
    }

    fn start(&self) -> Result<(), String> {
        let mut init = self.command("initdb");
        init.args(["-k", "-A", "trust", "-U", "postgres", "-E", "UTF8", "-D"]);
        run(init.arg(&self.data))?;
        let socket = format!("-k {} -h ''", self.dir.path().display());
        let mut start = self.command("pg_ctl");
        run(start
            .args(["-w", "-o", &socket, "start", "-D"])
            .arg(&self.data))
    }

    fn stop(&self) {
        let mut stop = self.command("pg_ctl");
        let _ = run(stop
            .args(["-w", "-m", "fast", "stop", "-D"])
            .arg(&self.data));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// SQLite with the rows of `csv`.
pub fn sqlite(csv: &Path) -> Vec<Line> {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("users.db");
    let sqlite = |commands: &[&str]| {
        let mut sqlite = Command::new("sqlite3");
        sqlite.arg(&db).args(commands);
        sqlite
    };
    if let Err(why) = run(&mut sqlite(&[TABLE])) {
        return vec![("sqlite3".into(), Err(why))];
    }
    let import = format!(".import --csv --skip 1 {} users", csv.display());
    let vacuum = format!("VACUUM INTO '{}'", dir.path().join("packed.db").display());
    let lines = [
        ("sqlite3 .import", import.as_str()),
        ("sqlite3 VACUUM INTO", &vacuum),
        ("sqlite3 integrity_check", "PRAGMA integrity_check"),
        ("sqlite3 .dump", ".dump"),
    ];
    let lines = lines.map(|(name, command)| (name.to_owned(), measure(&mut sqlite(&[command]))));
    lines.into()
}

fn run(command: &mut Command) -> Result<(), String> {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?} ended with {status}")),
        Err(error) => Err(format!("{:?}: {error}", command.get_program())),
    }
}

fn len_of(dir: &Path) -> u64 {
    let files = walkdir::WalkDir::new(dir).into_iter().flatten();
    files
        .filter_map(|entry| entry.metadata().ok())
        .map(|meta| meta.len())
        .sum()
}
