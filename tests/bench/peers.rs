//! What other programs take for the same rows. Those that are not installed are
//! skipped and named.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::work::Work;

const TABLE: &str = "CREATE TABLE users (id bigint, name text, age int, joined date)";

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

/// PostgreSQL, and rows that it can load.
pub struct Postgres {
    cluster: Cluster,
    csv: PathBuf,
}

impl Postgres {
    /// A new cluster with checksums, started; `csv` has a header line.
    pub fn start(csv: &Path) -> Result<Self, String> {
        let bin = postgres_bin().ok_or("not installed")?;
        let cluster = Cluster::new(&bin);
        cluster.start()?;
        Ok(Postgres {
            cluster,
            csv: csv.to_owned(),
        })
    }

    fn psql(&self, commands: &[&str]) -> Command {
        let mut psql = self.cluster.command("psql");
        psql.args(["-qX", "-v", "ON_ERROR_STOP=1", "-d", "postgres"]);
        for command in commands {
            psql.args(["-c", command]);
        }
        psql
    }

    /// `\\copy` into an empty table.
    pub fn copy(&self) -> Work<'_> {
        let load = format!(
            "\\copy users FROM '{}' (FORMAT csv, HEADER)",
            self.csv.display()
        );
        let empty = ["DROP TABLE IF EXISTS users", TABLE, "CHECKPOINT"];
        let work = Work::new("psql \\copy", move || self.psql(&[&load]));
        work.after(move || run(&mut self.psql(&empty)))
    }

    /// `pg_dump` of what was copied last.
    pub fn dump(&self) -> Work<'_> {
        Work::new("pg_dump", || {
            let mut dump = self.cluster.command("pg_dump");
            dump.args(["-t", "users", "postgres"]);
            dump
        })
    }

    /// `pg_checksums` of the whole cluster, which stops.
    pub fn checksums(&self) -> Work<'_> {
        let work = Work::new("pg_checksums", || {
            let mut checksums = self.cluster.command("pg_checksums");
            checksums.arg("--check").arg("-D").arg(&self.cluster.data);
            checksums
        });
        let work = work.after(|| {
            self.cluster.stop();
            Ok(())
        });
        Work {
            checks: Some(self.cluster.data.clone()),
            ..work
        }
    }
}

/// SQLite, and rows that it can load.
pub struct Sqlite {
    dir: tempfile::TempDir,
    csv: PathBuf,
}

impl Sqlite {
    /// No database yet; `csv` has a header line.
    pub fn new(csv: &Path) -> Self {
        Sqlite {
            dir: tempfile::tempdir().unwrap(),
            csv: csv.to_owned(),
        }
    }

    fn db(&self) -> PathBuf {
        self.dir.path().join("users.db")
    }

    fn sqlite(&self, command: &str) -> Command {
        let mut sqlite = Command::new("sqlite3");
        sqlite.arg(self.db()).arg(command);
        sqlite
    }

    fn import_command(&self) -> Command {
        let csv = self.csv.display();
        self.sqlite(&format!(".import --csv --skip 1 {csv} users"))
    }

    /// `.import` into an empty table.
    pub fn import(&self) -> Work<'_> {
        let work = Work::new("sqlite3 .import", || self.import_command());
        work.writes(self.db())
            .after(|| run(&mut self.sqlite(TABLE)))
    }

    /// `.dump` of what was imported last.
    pub fn dump(&self) -> Work<'_> {
        Work::new("sqlite3 .dump", || self.sqlite(".dump"))
    }

    /// `PRAGMA integrity_check` of what was imported last.
    pub fn integrity_check(&self) -> Work<'_> {
        let work = Work::new("sqlite3 integrity_check", || {
            self.sqlite("PRAGMA integrity_check")
        });
        Work {
            checks: Some(self.db()),
            ..work
        }
    }

    /// `VACUUM INTO` of a table in which every tenth row was deleted.
    pub fn vacuum_into(&self) -> Work<'_> {
        let packed = self.dir.path().join("packed.db");
        let vacuum = format!("VACUUM INTO '{}'", packed.display());
        let work = Work::new("sqlite3 VACUUM INTO", move || self.sqlite(&vacuum));
        work.writes(packed).after(|| {
            if self.db().exists() {
                return Ok(());
            }
            run(&mut self.sqlite(TABLE))?;
            run(&mut self.import_command())?;
            run(&mut self.sqlite("DELETE FROM users WHERE id % 10 = 0"))
        })
    }
}

/// DuckDB out of Python, and rows that it can load.
pub struct DuckDb {
    dir: tempfile::TempDir,
    csv: PathBuf,
}

impl DuckDb {
    /// No database yet; `csv` has a header line.
    pub fn new(csv: &Path) -> Self {
        DuckDb {
            dir: tempfile::tempdir().unwrap(),
            csv: csv.to_owned(),
        }
    }

    fn python(&self, statement: &str) -> Command {
        let mut python = Command::new("python3");
        let script = "import sys, duckdb; duckdb.connect(sys.argv[1]).execute(sys.argv[2])";
        python.args(["-c", script]);
        python
            .arg(self.dir.path().join("users.duckdb"))
            .arg(statement);
        python
    }

    /// `COPY ... TO` of all rows, once they are loaded.
    pub fn parquet(&self) -> Work<'_> {
        let file = self.dir.path().join("users.parquet");
        let copy = format!("COPY users TO '{}' (FORMAT parquet)", file.display());
        let load = format!(
            "CREATE TABLE IF NOT EXISTS users AS FROM read_csv('{}', types = \
             {{'id': 'BIGINT', 'name': 'VARCHAR', 'age': 'BIGINT', 'joined': 'DATE'}})",
            self.csv.display()
        );
        let work = Work::new("DuckDB COPY TO Parquet", move || self.python(&copy));
        work.writes(file)
            .after(move || run(&mut self.python(&load)))
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?} ended with {status}")),
        Err(error) => Err(format!("{:?}: {error}", command.get_program())),
    }
}
