//! A PostgreSQL server of its own for each test that wants one: in a scratch
//! directory, on a socket, stopped when it goes out of scope.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::csv::csv;
use crate::support::skip::skip;

/// Where Debian puts the server's programs.
const BIN: &str = "/usr/lib/postgresql/15/bin";

pub struct Postgres {
    child: Child,
    dir: TempDir,
}

/// A user that is not root, whom the server insists on.
struct Servant {
    name: String,
    uid: u32,
    gid: u32,
}

impl Servant {
    /// `None` unless the tests run as root.
    fn find(dir: &Path) -> Option<Servant> {
        if fs::metadata(dir).unwrap().uid() != 0 {
            return None;
        }
        let users = fs::read_to_string("/etc/passwd").unwrap();
        ["postgres", "nobody"].iter().find_map(|name| {
            let of_user = |line: &&str| line.split(':').next() == Some(name);
            let fields: Vec<&str> = users.lines().find(of_user)?.split(':').collect();
            Some(Servant {
                name: (*name).into(),
                uid: fields[2].parse().unwrap(),
                gid: fields[3].parse().unwrap(),
            })
        })
    }
}

/// A program of the server, run as somebody it accepts.
fn program(name: &str, servant: Option<&Servant>) -> Command {
    let path = Path::new(BIN).join(name);
    let Some(servant) = servant else {
        return Command::new(path);
    };
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={}", servant.name))
        .arg(format!("--regid={}", servant.gid))
        .arg("--clear-groups")
        .arg(path);
    command
}

impl Postgres {
    /// Starts a server; `None`, and a word about it, where none is installed.
    pub fn start() -> Option<Postgres> {
        if !Path::new(BIN).join("initdb").exists() {
            skip(&format!("PostgreSQL 15 is not installed in {BIN}"));
            return None;
        }
        let dir = tempfile::Builder::new().tempdir_in("/tmp").unwrap();
        let servant = Servant::find(dir.path());
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
        for name in ["data", "socket"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            if let Some(servant) = &servant {
                let path = dir.path().join(name);
                chown(path, Some(servant.uid), Some(servant.gid)).unwrap();
            }
        }
        let data = dir.path().join("data");
        let made = program("initdb", servant.as_ref())
            .args([
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "-N",
                "-D",
            ])
            .arg(&data)
            .current_dir("/")
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let settings = [
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
        ];
        let settings = settings
            .iter()
            .chain(&["listen_addresses=", "autovacuum=off"]);
        let settings = settings.chain(&[
            "wal_level=minimal",
            "max_wal_senders=0",
            "shared_buffers=16MB",
        ]);
        let child = program("postgres", servant.as_ref())
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(dir.path().join("socket"))
            .args(settings.flat_map(|setting| ["-c", setting]))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Postgres { child, dir };
        server.wait();
        Some(server)
    }

    fn wait(&self) {
        let patience = Instant::now() + Duration::from_secs(60);
        while !self.run("postgres", "SELECT 1;").status.success() {
            assert!(Instant::now() < patience, "the server does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs a script through psql, as a user would.
    pub fn run(&self, database: &str, script: &str) -> Output {
        let mut psql = Command::new(Path::new(BIN).join("psql"))
            .args(["-X", "-q", "-U", "postgres", "-v", "ON_ERROR_STOP=1"])
            .args(["-f", "-", "-h"])
            .arg(self.dir.path().join("socket"))
            .env("PGDATABASE", database)
            .env("PGOPTIONS", "-c timezone=UTC")
            .current_dir(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = psql.stdin.take().unwrap();
        std::thread::scope(|scope| {
            // It may stop reading at an error.
            scope.spawn(move || drop(stdin.write_all(script.as_bytes())));
            psql.wait_with_output().unwrap()
        })
    }

    /// Loads a script, which must not fail.
    pub fn load(&self, script: &str) {
        let output = self.run("postgres", script);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(!said.contains("ERROR"), "{said}");
    }

    /// The records that a query gives, NULL as `None`.
    pub fn query(&self, database: &str, query: &str) -> Vec<Vec<Option<String>>> {
        let copies = self.copies(database, &[query.to_owned()]);
        copies.into_iter().next().unwrap()
    }

    /// The records of several queries over one connection.
    pub fn copies(&self, database: &str, queries: &[String]) -> Vec<Vec<Vec<Option<String>>>> {
        let mut script = String::new();
        for (at, query) in queries.iter().enumerate() {
            script.push_str(&format!("\\o {at}.csv\n"));
            script.push_str(&format!(
                "COPY ({query}) TO STDOUT WITH (FORMAT csv, FORCE_QUOTE *);\n"
            ));
        }
        let output = self.run(database, &script);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let read = |at: usize| {
            let path: PathBuf = self.dir.path().join(format!("{at}.csv"));
            let records = csv(&fs::read_to_string(&path).unwrap());
            fs::remove_file(path).unwrap();
            let field = |(text, quoted)| if quoted { Some(text) } else { None };
            let of = |record: Vec<_>| record.into_iter().map(field).collect();
            records.into_iter().map(of).collect()
        };
        (0..queries.len()).map(read).collect()
    }

    /// The one value of a query.
    pub fn value(&self, database: &str, query: &str) -> String {
        let records = self.query(database, query);
        assert_eq!((records.len(), records[0].len()), (1, 1), "{query}");
        records[0][0].clone().unwrap_or_default()
    }

    /// The databases that a script made.
    pub fn databases(&self) -> Vec<String> {
        let query = "SELECT datname FROM pg_database \
                     WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY 1";
        let records = self.query("postgres", query);
        records
            .into_iter()
            .map(|mut record| record.remove(0).unwrap())
            .collect()
    }

    /// Makes room for another directory.
    pub fn clear(&self) {
        let roles =
            "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres'";
        let quoted = |name: &String| name.replace('"', "\"\"");
        let mut drops = String::new();
        for name in self.databases() {
            drops.push_str(&format!("DROP DATABASE \"{}\";\n", quoted(&name)));
        }
        for record in self.query("postgres", roles) {
            let name = record[0].as_ref().unwrap();
            drops.push_str(&format!("DROP ROLE \"{}\";\n", quoted(name)));
        }
        let output = self.run("postgres", &drops);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGINT: end the sessions and stop.
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-INT", &pid]).status();
        if !told.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
