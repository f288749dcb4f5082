//! What is claimed of one history and what `upgrade` without any option would
//! write, against what its server knew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rustdb_migrate::commands::upgrade::{Outcome, UpgradeOptions, upgrade};
use rustdb_migrate::commands::{Backend, Directory, OpenOptions};
use rustdb_migrate::error::Error;
use rustdb_migrate::finding::{Code, Finding, Severity};
use rustdb_migrate::model::{RowSource, ValueRef};
use rustdb_migrate::recovery::{Confidence, Recovery};
use rustdb_migrate::work::Threads;

use super::bytes::{Row, Value};
use super::search::{Limits, Rules, UNNAMED, consistent};
use super::server::Server;

/// Databases tried for the records of one tail, over all.
const STEPS: usize = 4_000;

/// How `upgrade` without any option ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// It would end with 0, and every row is right.
    Exact,
    /// It would end with 0, and a warning names each table that is not right.
    Warned,
    /// It would end with 0 and wrong rows, and says nothing.
    Silent,
    /// It asks.
    Asked,
    /// It takes the files for damaged.
    Refused,
}

/// What is claimed of one record.
#[derive(Debug, Clone, Copy)]
pub struct Claimed {
    pub sequence: u64,
    /// Of the likeliest database.
    pub weight: f64,
    /// Whether it is the true one.
    pub right: bool,
}

#[derive(Debug, Clone)]
pub struct Measured {
    pub answer: Answer,
    /// Tables whose rows are not right, in words.
    pub off: Vec<String>,
    /// Why it asks, in words.
    pub asked: Vec<String>,
    pub claims: Vec<Claimed>,
    /// Records that are certain and wrong, in words.
    pub wrong_certain: Vec<String>,
    /// Whether the files allow one assignment alone, whatever databases there
    /// may have been; `None` where that was not searched.
    pub determined: Option<bool>,
    /// The same if the one database that is named is all there was.
    pub assumed: bool,
}

impl Measured {
    /// Whether the files tell all that is needed.
    pub fn could_be_answered(&self) -> bool {
        self.determined == Some(true) || self.assumed
    }
}

type Rows = BTreeMap<(String, String), Vec<String>>;

impl Server {
    /// The rows that the server kept, by database and table; of a database that
    /// was dropped since the last checkpoint those it had then, for no file
    /// tells that it is gone.
    pub fn kept(&self) -> Rows {
        let mut rows = Rows::new();
        for databases in [&self.dropped, &self.databases] {
            for (database, tables) in databases {
                for (name, table) in tables {
                    let kept = table.rows.iter().filter(|row| row.xmax.is_none());
                    let mut kept: Vec<String> = kept.map(words).collect();
                    kept.sort();
                    if !kept.is_empty() {
                        rows.insert((database.clone(), name.clone()), kept);
                    }
                }
            }
        }
        rows
    }
}

fn words(row: &Row) -> String {
    let values: Vec<String> = row.values.iter().map(word).collect();
    values.join("|")
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::SmallInt(n) => format!("{n}s"),
        Value::Integer(n) => format!("{n}"),
        Value::Text(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

fn word_read(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::SmallInt(n) => format!("{n}s"),
        ValueRef::Integer(n) => format!("{n}"),
        ValueRef::Text(text) => text.to_owned(),
        ValueRef::Boolean(truth) => format!("{:?}", Value::Boolean(truth)),
        ValueRef::Date(date) => format!("{:?}", Value::Date(date.to_owned())),
        other => panic!("{other:?}"),
    }
}

fn rows_read(recovery: &Recovery) -> Rows {
    let mut rows = Rows::new();
    let databases = recovery.overlay.catalog().databases.iter().enumerate();
    for (d, database) in databases {
        for (t, table) in database.tables.iter().enumerate() {
            let mut kept = Vec::new();
            let mut stream = recovery.overlay.open_rows(d, t).unwrap();
            while let Some(batch) = stream.next_batch().unwrap() {
                for row in batch.rows().filter(|row| row.is_visible()) {
                    let values: Vec<String> = row.values().map(word_read).collect();
                    kept.push(values.join("|"));
                }
            }
            kept.sort();
            if !kept.is_empty() {
                rows.insert((database.name.clone(), table.name.clone()), kept);
            }
        }
    }
    rows
}

/// Whether a finding that people see by default names a table.
fn warns_of(finding: &Finding, table: &str) -> bool {
    let of_table = finding.table.as_deref() == Some(table);
    let detail = finding.detail.as_deref().unwrap_or_default();
    let mut words = detail.split(|c: char| !c.is_alphanumeric() && c != '_');
    finding.severity >= Severity::Warning && (of_table || words.any(|word| word == table))
}

/// Writes the files of a server, and holds what the crate says against it.
pub fn measure(server: &Server) -> Measured {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("data");
    std::fs::create_dir(&source).unwrap();
    super::write(server, &source);
    let open = OpenOptions {
        threads: Threads::ONE,
        ..OpenOptions::default()
    };
    let mut measured = Measured {
        answer: Answer::Refused,
        off: Vec::new(),
        asked: Vec::new(),
        claims: Vec::new(),
        wrong_certain: Vec::new(),
        determined: None,
        assumed: false,
    };
    searched(server, &mut measured);
    let directory = match Directory::open(&source, &open) {
        Ok(directory) => directory,
        Err(Error::Damage(_)) => return measured,
        Err(other) => panic!("{other}"),
    };
    let Backend::Legacy { legacy, recovery } = directory.backend() else {
        panic!("not legacy");
    };
    claims(server, legacy, recovery, &mut measured);
    // What opening says already, the upgrade need not say again.
    let opened = directory.findings();
    if opened.has_errors() {
        let errors = opened.findings().iter();
        let mut errors = errors.filter(|finding| finding.severity >= Severity::Error);
        let words = errors.clone().map(|finding| format!("{finding:?}"));
        measured.asked.extend(words);
        let asks = errors.all(|finding| asks(finding.code));
        measured.answer = if asks { Answer::Asked } else { Answer::Refused };
        return measured;
    }
    let (outcome, findings) = outcome(&source, &dir.path().join("new"), open);
    let why = findings.iter().map(|finding| format!("{finding:?}"));
    measured.asked.extend(why);
    measured.answer = match outcome {
        Outcome::Planned => answer(server, recovery, &findings, &mut measured),
        Outcome::NeedsDecision => Answer::Asked,
        _ => Answer::Refused,
    };
    measured
}

fn asks(code: Code) -> bool {
    let asking = [Code::Ambiguous, Code::Orphan, Code::CutUncertain];
    asking.contains(&code)
}

fn outcome(source: &Path, target: &Path, open: OpenOptions) -> (Outcome, Vec<Finding>) {
    let options = UpgradeOptions {
        disk: open.disk.clone(),
        open,
        dry_run: true,
        // Whether another process holds the files is not looked for.
        force: true,
        ..UpgradeOptions::default()
    };
    let report = upgrade(source, target, &options).unwrap();
    (report.outcome, report.findings)
}

fn claims(
    server: &Server,
    legacy: &rustdb_migrate::legacy::LegacyDir,
    recovery: &Recovery,
    measured: &mut Measured,
) {
    let truth: BTreeMap<u64, &str> = server.truth.iter().map(|(n, d)| (*n, &**d)).collect();
    for attributed in &recovery.attribution.tail {
        let sequence = legacy.wal.records[attributed.record].sequence;
        let Some(truth) = truth.get(&sequence) else {
            continue;
        };
        let truth = Some(*truth).filter(|name| server.held.contains_key(*name));
        // One that was dropped and made again is not the one that the files name.
        let again = truth.and_then(|name| server.made_again.get(name));
        let again = again.is_some_and(|before| sequence > *before);
        if attributed.confidence == Confidence::Certain && attributed.database.as_deref() != truth {
            let claimed = attributed.database.as_deref().unwrap_or_default();
            let truth = truth.unwrap_or("a database that no file names");
            measured
                .wrong_certain
                .push(format!("{sequence} of {truth} is certainly {claimed}"));
        }
        let mut open = attributed
            .candidates
            .iter()
            .filter(|candidate| candidate.ruled_out.is_none());
        let claimed = match attributed.confidence {
            Confidence::Certain => Some((attributed.database.as_deref(), 1.0)),
            Confidence::Probable => Some((attributed.database.as_deref(), attributed.weight)),
            _ => open.next().map(|one| (one.database.as_deref(), one.weight)),
        };
        measured
            .claims
            .extend(claimed.map(|(database, weight)| Claimed {
                sequence,
                weight,
                right: database == truth || (again && database.is_none()),
            }));
    }
}

fn answer(
    server: &Server,
    recovery: &Recovery,
    findings: &[Finding],
    measured: &mut Measured,
) -> Answer {
    let (kept, read) = (server.kept(), rows_read(recovery));
    let tables: BTreeSet<&(String, String)> = kept.keys().chain(read.keys()).collect();
    let off = tables
        .into_iter()
        .filter(|at| kept.get(*at) != read.get(*at));
    let off: Vec<&(String, String)> = off.collect();
    let count = |rows: Option<&Vec<String>>| rows.map_or(0, Vec::len);
    measured.off = off
        .iter()
        .map(|at| {
            let (kept, read) = (count(kept.get(*at)), count(read.get(*at)));
            format!("{}.{}: {read} rows, not those {kept}", at.0, at.1)
        })
        .collect();
    // Where changes were not logged that is all that can be said.
    let unlogged = findings
        .iter()
        .any(|f| f.severity >= Severity::Warning && f.code.as_str().starts_with("unlogged-"));
    let mut tables = off.iter();
    match off.is_empty() {
        true => Answer::Exact,
        false if server.unlogged && unlogged => Answer::Warned,
        false if tables.all(|at| findings.iter().any(|f| warns_of(f, &at.1))) => Answer::Warned,
        false => Answer::Silent,
    }
}

/// Whether the files determine what happened, by trying every assignment.
fn searched(server: &Server, measured: &mut Measured) {
    if !server.release.logs_changes()
        || server.unlogged
        || server.unmarked
        || server.tail.is_empty()
    {
        return;
    }
    let one = |unnamed, failing| {
        let limits = Limits {
            unnamed,
            rules: Rules {
                failing,
                keys_are_checked: server.release.checks_keys(),
            },
            steps: STEPS,
            found: 2,
        };
        let found = consistent(&server.held, &server.tail, limits);
        let named = |one: &BTreeSet<String>| one.len() == 1 && !one.contains(UNNAMED);
        found.map(|found| found.iter().all(named))
    };
    if server.held.len() <= 6 {
        measured.determined = one(2, true);
    }
    measured.assumed = measured.determined != Some(true)
        && server.held.len() == 1
        && one(0, false) == Some(true)
        && server
            .truth
            .iter()
            .all(|(_, database)| server.held.contains_key(database));
}
