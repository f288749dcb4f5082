//! PostgreSQL, by a server of its own, where it is installed.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use postgres::{Client, NoTls, Statement};

use crate::peer::{CACHE_LEN, Peer, Res, text};

pub struct Postgres {
    server: Server,
    client: Client,
    select: Statement,
}

/// A server, which runs as nobody when root asks: it refuses root.
struct Server {
    dir: PathBuf,
    as_nobody: bool,
}

impl Server {
    fn run(&self, program: &str, args: &[&str]) -> Res<()> {
        let installed = Path::new("/usr/lib/postgresql/15/bin").join(program);
        let program = if installed.exists() {
            installed
        } else {
            program.into()
        };
        let mut command = match self.as_nobody {
            false => Command::new(program),
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]);
                command.arg(program);
                command
            }
        };
        let log = std::fs::File::create(self.dir.join("log"))?;
        let status = command
            .current_dir(&self.dir)
            .args(args)
            .stdout(log)
            .status()?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("{args:?}: {status}").into()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.run("pg_ctl", &["-w", "-m", "immediate", "stop", "-D", "data"]);
    }
}

impl Postgres {
    pub fn open(dir: &Path) -> Res<Self> {
        std::fs::set_permissions(dir, PermissionsExt::from_mode(0o777))?;
        let id = Command::new("id").arg("-u").output()?;
        let server = Server {
            dir: dir.to_owned(),
            as_nobody: id.stdout.starts_with(b"0"),
        };
        server.run(
            "initdb",
            &[
                "-k", "-A", "trust", "-U", "postgres", "-E", "UTF8", "-D", "data",
            ],
        )?;
        let mib = CACHE_LEN >> 20;
        let options = format!("-k {} -h '' -c shared_buffers={mib}MB", dir.display());
        server.run("pg_ctl", &["-w", "-o", &options, "start", "-D", "data"])?;
        let host = dir.to_str().ok_or("a name that is no text")?;
        let config = format!("host={host} user=postgres dbname=postgres");
        let mut client = Client::connect(&config, NoTls)?;
        client.batch_execute("CREATE TABLE t (id bigint PRIMARY KEY, text text)")?;
        let select = client.prepare("SELECT text FROM t WHERE id = $1")?;
        Ok(Postgres {
            server,
            client,
            select,
        })
    }
}

impl Peer for Postgres {
    fn load(&mut self, keys: &[i64]) -> Res<()> {
        let mut rows = self.client.copy_in("COPY t FROM STDIN")?;
        for key in keys {
            writeln!(rows, "{key}\t{}", text(*key, 0))?;
        }
        rows.finish()?;
        Ok(())
    }

    fn insert(&mut self, keys: &[i64]) -> Res<()> {
        let texts: Vec<_> = keys.iter().map(|key| text(*key, 0)).collect();
        let sql = "INSERT INTO t SELECT * FROM unnest($1::bigint[], $2::text[])";
        self.client.execute(sql, &[&keys, &texts])?;
        Ok(())
    }

    fn update(&mut self, keys: &[i64], version: u64) -> Res<()> {
        let texts: Vec<_> = keys.iter().map(|key| text(*key, version)).collect();
        let sql = "UPDATE t SET text = new.text \
                   FROM unnest($1::bigint[], $2::text[]) AS new (id, text) WHERE t.id = new.id";
        self.client.execute(sql, &[&keys, &texts])?;
        Ok(())
    }

    fn delete(&mut self, keys: &[i64]) -> Res<()> {
        self.client
            .execute("DELETE FROM t WHERE id = ANY($1)", &[&keys])?;
        Ok(())
    }

    fn get(&mut self, key: i64) -> Res<bool> {
        let row = self.client.query_opt(&self.select, &[&key])?;
        Ok(row.is_some_and(|row| row.get::<_, String>(0).len() > 1))
    }

    fn scan(&mut self) -> Res<u64> {
        let mut rows = self.client.copy_out("COPY t TO STDOUT")?;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut rows, &mut bytes)?;
        Ok(bytes.iter().filter(|byte| **byte == b'\n').count() as u64)
    }

    fn compact(&mut self) -> Res<()> {
        Ok(self.client.batch_execute("VACUUM FULL t")?)
    }

    fn settle(&mut self) -> Res<()> {
        Ok(self.client.batch_execute("CHECKPOINT")?)
    }

    /// Of the log, and of the pages of tables and indexes.
    fn written(&mut self) -> Res<Option<u64>> {
        // The numbers of the other processes come in a moment later.
        std::thread::sleep(std::time::Duration::from_secs(2));
        let sql = "SELECT wal_bytes::bigint + 8192 * \
                   (buffers_checkpoint + buffers_clean + buffers_backend) \
                   FROM pg_stat_wal, pg_stat_bgwriter";
        let row = self.client.query_one(sql, &[])?;
        Ok(Some(u64::try_from(row.get::<_, i64>(0))?))
    }

    fn is_embedded(&self) -> bool {
        let _ = &self.server;
        false
    }
}
