//! Figures against what they should be.

use crate::generate::FOUR_TABLES;
use crate::measure::growth;
use crate::work::Done;

/// Most memory of a command, in MiB.
const MOST_MIB: f64 = 64.0;
/// Most that the time may grow: time ~ rows^e.
const MOST_GROWTH: f64 = 1.05;

/// Everything that was done.
pub struct All<'d> {
    /// In the order in which it was done.
    pub done: &'d [Done],
    /// Rows of the largest snapshots.
    pub rows: u64,
}

enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl All<'_> {
    fn find(&self, name: &str) -> Option<&Done> {
        let of_size = |done: &&Done| done.rows == self.rows && done.name == name;
        self.done.iter().find(of_size)
    }

    fn ratio(&self, own: &str, peer: &str) -> Option<f64> {
        Some(self.find(own)?.faster_than(self.find(peer)?))
    }

    /// Bytes per second against a peer that reads bytes of its own.
    fn rate(&self, own: &str, peer: &str) -> Option<f64> {
        let (own, peer) = (self.find(own)?, self.find(peer)?);
        Some(own.faster_than(peer) * own.read_len? as f64 / peer.read_len? as f64)
    }

    /// What several tables cost, each layout.
    fn four_tables(&self) {
        let find = |name: &str| {
            let named = |done: &&Done| done.shape == FOUR_TABLES && done.name == name;
            self.done.iter().find(named)
        };
        for layout in ["paged", "per-table", "append"] {
            let name = format!("upgrade --to {layout}");
            let upgrade = find(&name);
            let work = format!("{FOUR_TABLES}: {name}, time of cp and sync");
            let figure = upgrade.and_then(Done::to_copy);
            goal(&work, figure, " x", &Bound::AtMost(1.5));
            let verify = find(&format!("verify of {layout}"));
            let work = format!("{FOUR_TABLES}: verify of {layout}, time of the upgrade");
            let figure = upgrade
                .zip(verify)
                .map(|(upgrade, verify)| upgrade.faster_than(verify));
            goal(&work, figure, " x", &Bound::AtMost(1.0));
        }
    }

    /// Prints how each work grows, and the goals.
    pub fn print(&self) {
        println!("\n| work | rows | growth exponent of time | MiB, smallest and largest |");
        println!("|---|---|---|---|");
        let mut steepest: Option<(f64, &str)> = None;
        for done in self.done.iter().filter(|done| done.rows == self.rows) {
            let same = |other: &&Done| other.name == done.name && other.shape == done.shape;
            let sizes: Vec<&Done> = self.done.iter().filter(same).collect();
            let points = sizes.iter().map(|done| (done.rows as f64, done.seconds()));
            let points: Vec<_> = points.collect();
            let [first, _, ..] = &sizes[..] else {
                continue;
            };
            let exponent = growth(&points);
            if done.is_ours && steepest.is_none_or(|(most, _)| exponent > most) {
                steepest = Some((exponent, &done.name));
            }
            println!(
                "| {} | {} to {} | {exponent:.2} | {:.0}, {:.0} |",
                done.name,
                first.rows,
                done.rows,
                first.peak_mib(),
                done.peak_mib(),
            );
        }
        println!("\n| work, {} rows | figure | goal | |", self.rows);
        println!("|---|---|---|---|");
        self.times();
        self.four_tables();
        if let Some((exponent, name)) = steepest {
            let work = format!("growth of time, steepest: {name}");
            goal(&work, Some(exponent), "", &Bound::AtMost(MOST_GROWTH));
        }
        let bounded = |done: &&Done| done.is_ours && !["info", "wal"].contains(&&*done.name);
        let peaks = self.done.iter().filter(bounded);
        let highest = peaks.max_by(|a, b| a.peak_mib().total_cmp(&b.peak_mib()));
        if let Some(done) = highest {
            let what = (done.shape, done.rows, &done.name);
            let work = format!("memory, highest: {}, {} rows, {}", what.0, what.1, what.2);
            let peak = Some(done.peak_mib());
            goal(&work, peak, " MiB", &Bound::AtMost(MOST_MIB));
        }
    }

    fn times(&self) {
        let paged = "upgrade --to paged";
        for layout in ["paged", "per-table", "append"] {
            let name = format!("upgrade --to {layout}");
            let figure = self.find(&name).and_then(Done::to_copy);
            let work = format!("{name}, time of cp and sync");
            goal(&work, figure, " x", &Bound::AtMost(2.0));
        }
        let old = "bincode, the whole file";
        let work = format!("{paged}, times as fast as {old}");
        goal(&work, self.ratio(paged, old), " x", &Bound::AtLeast(15.0));
        let memory = self.find(paged).zip(self.find(old));
        let memory = memory.map(|(own, old)| old.peak_mib() / own.peak_mib());
        let work = format!("{paged}, memory: one part in ... of {old}");
        goal(&work, memory, "", &Bound::AtLeast(50.0));
        let work = format!("{paged}, times as fast as psql \\copy");
        let figure = self.ratio(paged, "psql \\copy");
        goal(&work, figure, " x", &Bound::AtLeast(5.0));
        let own = "verify --level checksums of the pages";
        let work = format!("{own}, bytes a second against pg_checksums");
        let figure = self.rate(own, "pg_checksums");
        goal(&work, figure, " x", &Bound::AtLeast(1.0));
        let structure = self.find("verify --level structure");
        let rate = structure.and_then(|done| Some(done.read_len? as f64 / 1e9 / done.seconds()));
        let work = "verify --level structure of the snapshot";
        goal(work, rate, " GB/s", &Bound::AtLeast(1.5));
        for (own, peer) in [
            ("dump --format jsonl", "pg_dump"),
            ("dump --format csv", "pg_dump"),
            ("dump --format sql", "pg_dump"),
            ("compact", "sqlite3 VACUUM INTO"),
            ("compact --output", "sqlite3 VACUUM INTO"),
        ] {
            let work = format!("{own}, rows a second against {peer}");
            goal(&work, self.ratio(own, peer), " x", &Bound::AtLeast(1.0));
        }
        for (own, peer) in [
            ("dump --format sql", "dump --format jsonl"),
            ("dump --format parquet", "DuckDB COPY TO Parquet"),
        ] {
            let work = format!("{own}, rows a second against {peer}");
            goal(&work, self.ratio(own, peer), " x", &Bound::AtLeast(0.5));
        }
        let size = self.find(paged);
        let size = size.and_then(|done| Some((done.written_len? as f64, done.read_len? as f64)));
        let percent = size.map(|(target, source)| target / source * 100.0);
        let work = "size of the pages, of the snapshot";
        goal(work, percent, " %", &Bound::AtMost(60.0));
    }
}

fn goal(work: &str, figure: Option<f64>, unit: &str, bound: &Bound) {
    let (sign, limit) = match bound {
        Bound::AtMost(limit) => ("<=", limit),
        Bound::AtLeast(limit) => (">=", limit),
    };
    let shown = figure.map_or_else(|| "no peer".to_owned(), |f| format!("{f:.2}{unit}"));
    let met = figure.map(|figure| match bound {
        Bound::AtMost(limit) => figure <= *limit,
        Bound::AtLeast(limit) => figure >= *limit,
    });
    let met = match met {
        None => "not measured",
        Some(true) => "met",
        Some(false) => "not met",
    };
    println!("| {work} | {shown} | {sign} {limit}{unit} | {met} |");
}
