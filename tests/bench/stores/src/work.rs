//! What is measured.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::open;
use crate::peer::{Peer, ROW_LEN, Res};

/// Transactions of one row.
const SINGLE: i64 = 2_000;
/// Rows of a group.
const GROUP: usize = 100;
/// Rows that a process has written when it dies.
const CRASH_ROWS: i64 = 100_000;
const LOOKUPS: usize = 200_000;
/// Rows that fit into every cache, wherever they are.
const HOT: u64 = 500;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % limit
    }

    fn key(&mut self, limit: u64) -> i64 {
        self.below(limit).cast_signed()
    }

    fn shuffle(&mut self, keys: &mut [i64]) {
        for at in (1..keys.len()).rev() {
            let other = usize::try_from(self.below(at as u64 + 1)).unwrap_or(0);
            keys.swap(at, other);
        }
    }
}

fn say(work: &str, cell: String) {
    println!("{work}\t{cell}");
}

fn timed(work: &str, done: impl FnOnce() -> Res<()>) -> Res<()> {
    let start = Instant::now();
    done()?;
    say(
        &format!("{work}, s"),
        format!("{:.2}", start.elapsed().as_secs_f64()),
    );
    Ok(())
}

fn per_operation(work: &str, count: usize, done: impl FnOnce() -> Res<()>) -> Res<()> {
    let start = Instant::now();
    done()?;
    let micros = start.elapsed().as_secs_f64() * 1e6 / count as f64;
    say(&format!("{work}, us each"), format!("{micros:.1}"));
    Ok(())
}

/// Bytes that were handed to the system to write, by this process or by the store.
fn written(peer: &mut dyn Peer) -> Res<u64> {
    if let Some(written) = peer.written()? {
        return Ok(written);
    }
    let io = std::fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    Ok(line.ok_or("no wchar")?.parse()?)
}

/// Measures one store and prints a line for each work.
pub fn measure(name: &str, rows: i64) -> Res<()> {
    let mut random = Random(1);
    let mut keys: Vec<i64> = (0..rows).collect();
    let dir = tempfile::tempdir()?;
    let mut peer = open(name, dir.path())?;
    timed("load, keys rise", || {
        peer.load(&keys)?;
        peer.settle()?;
        // Some make an index when they are first asked for a key.
        peer.get(0).map(|_| ())
    })?;
    drop(peer);
    drop(dir);

    let dir = tempfile::tempdir()?;
    let mut peer = open(name, dir.path())?;
    random.shuffle(&mut keys);
    timed("load, keys at random", || {
        peer.load(&keys)?;
        peer.settle()?;
        // Some make an index when they are first asked for a key.
        peer.get(0).map(|_| ())
    })?;
    let limit = rows.cast_unsigned();
    per_operation(
        "insert, one a transaction",
        SINGLE.unsigned_abs() as usize,
        || (rows..rows + SINGLE).try_for_each(|key| peer.insert(&[key])),
    )?;
    let more: Vec<i64> = (rows + SINGLE..rows + 20 * SINGLE).collect();
    per_operation("insert, 100 a transaction", more.len(), || {
        more.chunks(GROUP).try_for_each(|group| peer.insert(group))
    })?;
    peer.settle()?;
    let mut look_up = |peer: &mut dyn Peer, work: &str, limit: u64, from: i64, there: bool| {
        per_operation(work, LOOKUPS, || {
            for _ in 0..LOOKUPS {
                if peer.get(from + random.key(limit))? != there {
                    return Err("a lookup is wrong".into());
                }
            }
            Ok(())
        })
    };
    look_up(&mut *peer, "look up, in cache", HOT.min(limit), 0, true)?;
    look_up(&mut *peer, "look up, beyond the cache", limit, 0, true)?;
    look_up(&mut *peer, "look up, absent", limit, 10 * rows, false)?;
    timed("scan", || {
        match peer.scan()? == (rows + 20 * SINGLE).cast_unsigned() {
            true => Ok(()),
            false => Err("a scan is wrong".into()),
        }
    })?;
    random.shuffle(&mut keys);
    let (changed, rest) = keys.split_at(keys.len() / 10);
    let before = written(&mut *peer)?;
    timed("update a tenth at random, 100 a transaction", || {
        changed
            .chunks(GROUP)
            .try_for_each(|group| peer.update(group, 1))
    })?;
    peer.settle()?;
    let bytes = written(&mut *peer)? - before;
    let each = bytes as f64 / (changed.len() * ROW_LEN) as f64;
    say("the same, bytes written a byte", format!("{each:.1}"));
    let gone = rest.get(..keys.len() / 10).unwrap_or_default();
    timed("delete a tenth at random, 100 a transaction", || {
        gone.chunks(GROUP).try_for_each(|group| peer.delete(group))
    })?;
    timed("compact", || peer.compact())?;
    if peer.is_embedded() {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: u64 = line
            .and_then(|line| line.split_whitespace().next())
            .unwrap_or("0")
            .parse()?;
        // The keys that this program holds itself.
        let own = (keys.len() + more.len()) as u64 * 8;
        say(
            "memory, MiB",
            format!("{}", (kib * 1024).saturating_sub(own) >> 20),
        );
        drop(peer);
        crash(name)?;
    }
    Ok(())
}

/// Opens a store whose process died.
fn crash(name: &str) -> Res<()> {
    let dir = tempfile::tempdir()?;
    let mut command = Command::new(std::env::current_exe()?);
    let status = command.args(["crash", name]).arg(dir.path()).status()?;
    if status.code().is_some() {
        return Err("the process was to die".into());
    }
    timed("open after a crash with 100,000 rows", || {
        let mut peer = open(name, dir.path())?;
        match peer.get(CRASH_ROWS - 1)? {
            true => Ok(()),
            false => Err("a row is lost".into()),
        }
    })
}

/// Writes rows and dies.
pub fn write_and_die(name: &str, dir: &Path) -> Res<()> {
    let mut peer = open(name, dir)?;
    let keys: Vec<i64> = (0..CRASH_ROWS).collect();
    keys.chunks(GROUP)
        .try_for_each(|group| peer.insert(group))?;
    std::process::abort()
}
