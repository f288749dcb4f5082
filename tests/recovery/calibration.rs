//! Attribution over generated histories whose truth is known.
//!
//! `RUSTDB_HISTORIES` sets how many histories of each kind are run; without it
//! a small number, so that the suite stays quick. `RUSTDB_KIND` and `RUSTDB_SEED`
//! narrow it to one kind and to the seeds from one on; `RUSTDB_TAIL` sets how
//! many records the long tails have; `RUSTDB_SHOW` shows each history that is
//! measured, what is claimed of it and what is right.
//!
//! The whole proof, ten thousand histories by kind, which also writes the table
//! that is kept, is one command:
//!
//! ```text
//! RUSTDB_KEEP=1 RUSTDB_HISTORIES=257 cargo test --release \
//!     --test recovery claims_are -- --nocapture
//! ```
//!
//! and brute force over thousands of small ones, and the real directories where
//! there are any, another:
//!
//! ```text
//! RUSTDB_HISTORIES=1000 RUSTDB_CORPUS=DIR cargo test --release --test recovery -- \
//!     exact unlogged real_directories --nocapture
//! ```
//!
//! What is wrong is printed with the variables that run it alone again.

use crate::histories::seeds;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::histories::clients::History;
use crate::histories::measure::{Answer, Measured, measure};
use crate::histories::server::Server;
use crate::histories::spec::Story;
use crate::histories::table::Table;
use crate::histories::workload::{Kind, Workload};
use crate::histories::{Claim, solve, solve_counting};
use rustdb_migrate::recovery::Confidence;

#[derive(Default)]
struct Score {
    records: usize,
    forced: usize,
    words: BTreeMap<String, usize>,
}

impl Score {
    fn count(&mut self, claim: &Claim) {
        let candidates = claim.attributed.candidates.iter();
        let mut possible = candidates.filter(|c| c.ruled_out.is_none());
        let best = possible.next().and_then(|c| c.database.as_deref());
        let right = |name: &str| name == claim.truth || (claim.truth == "late" && name.is_empty());
        self.records += 1;
        self.forced += usize::from(right(best.unwrap_or_default()));
        let word = match (&claim.attributed.database, claim.attributed.confidence) {
            (Some(name), confidence) if right(name) => format!("{confidence}-right"),
            (Some(_), confidence) => format!("{confidence}-WRONG"),
            (None, Confidence::Orphan) if claim.truth == "late" => "orphan-right".to_owned(),
            (None, Confidence::Orphan) => "orphan-WRONG".to_owned(),
            (None, confidence) => confidence.to_string(),
        };
        *self.words.entry(word).or_default() += 1;
    }

    fn of(&self, word: &str) -> usize {
        self.words.get(word).copied().unwrap_or_default()
    }
}

#[test]
fn certain_is_never_wrong_and_probable_is_calibrated() {
    let mut all = Score::default();
    let only = std::env::var("RUSTDB_KIND").unwrap_or_default();
    for kind in Kind::ALL {
        if !format!("{kind:?}").contains(&only) {
            continue;
        }
        let mut score = Score::default();
        for seed in seeds::seeds(2) {
            let workload = Workload::run(kind, seed);
            for claim in solve(&workload.server) {
                let certain = claim.attributed.confidence == Confidence::Certain;
                let name = claim.attributed.database.as_deref();
                let at = format!("{kind:?} {seed}: {} of {}", claim.sequence, claim.truth);
                assert!(
                    !certain || name == Some(&claim.truth),
                    "{at} is certainly {name:?}"
                );
                let ruled_out =
                    claim.attributed.candidates.iter().find(|c| {
                        c.ruled_out.is_some() && c.database.as_deref() == Some(&claim.truth)
                    });
                // Whose it was is always among the consistent assignments.
                assert!(ruled_out.is_none(), "{at}: {ruled_out:?}");
                score.count(&claim);
                all.count(&claim);
            }
        }
        eprintln!(
            "{kind:?}: forced {}/{} {:?}",
            score.forced, score.records, score.words
        );
    }
    eprintln!("all: forced {}/{} {:?}", all.forced, all.records, all.words);
    let (right, wrong) = (all.of("probable-right"), all.of("probable-WRONG"));
    eprintln!("probable: {right} right, {wrong} wrong");
    assert!(
        wrong * 20 <= right + wrong,
        "{wrong} of {} probable are wrong",
        right + wrong
    );
}

/// One history to measure: its kind, what it follows from, and its server.
struct Measurable {
    kind: String,
    seed: u64,
    spec: String,
    server: Server,
}

/// The history of a kind, by its number among all kinds, and a seed.
fn measurable(kind: usize, seed: u64) -> Measurable {
    match Kind::ALL.get(kind) {
        Some(kind) => Measurable {
            kind: format!("{kind:?}"),
            seed,
            spec: format!("{kind:?} seed {seed}"),
            server: Workload::run(*kind, seed).server,
        },
        None => {
            let history = History::run(Story::ALL[kind - Kind::ALL.len()], seed);
            Measurable {
                kind: format!("{:?}", history.spec.story),
                seed,
                spec: format!("{:?}", history.spec),
                server: history.server,
            }
        }
    }
}

fn kind_name(kind: usize) -> String {
    match Kind::ALL.get(kind) {
        Some(kind) => format!("{kind:?}"),
        None => format!("{:?}", Story::ALL[kind - Kind::ALL.len()]),
    }
}

const KINDS: usize = Kind::ALL.len() + Story::ALL.len();

/// What was measured.
#[derive(Default)]
struct Found {
    table: Table,
    /// What is wrong, in words and with how to run it again.
    wrong: Vec<String>,
    /// The same of what could have been answered and was not.
    unanswered: Vec<String>,
    seconds: BTreeMap<String, f64>,
}

impl Found {
    fn count(&mut self, history: &Measurable, measured: &Measured, seconds: f64) {
        let line = self.table.0.entry(history.kind.clone()).or_default();
        line.count(measured);
        *self.seconds.entry(history.kind.clone()).or_default() += seconds;
        let again = format!("RUSTDB_KIND={} RUSTDB_SEED={}", history.kind, history.seed);
        let wrong = measured.wrong_certain.iter();
        let mut wrong: Vec<String> = wrong.cloned().collect();
        if measured.answer == Answer::Silent {
            wrong.push(format!("wrong in silence: {}", measured.off.join("; ")));
        }
        for wrong in wrong {
            self.wrong
                .push(format!("{again}: {wrong}\n    {}", history.spec));
        }
        if measured.could_be_answered() && measured.answer != Answer::Exact {
            self.unanswered
                .push(format!("{again}: {:?}", measured.answer));
        }
    }
}

/// What the files hold, whose it is and what is claimed.
fn show(history: &Measurable, measured: &Measured) {
    eprintln!("{}", history.spec);
    for (database, tables) in &history.server.held {
        for (name, table) in tables {
            let columns = table.columns.iter().map(|column| &column.name);
            let columns: Vec<&String> = columns.collect();
            eprintln!("{database}.{name} {columns:?}");
            let rows = table.rows.iter().enumerate();
            rows.for_each(|(at, row)| eprintln!("    {at}: {row:?}"));
        }
    }
    let tail = history.server.tail.iter().zip(&history.server.truth);
    for (operation, (sequence, database)) in tail {
        eprintln!("{sequence} of {database}: {operation:?}");
    }
    for claim in &measured.claims {
        eprintln!("{claim:?}");
    }
    eprintln!("{:?} {:?}", measured.answer, measured.off);
    measured.asked.iter().for_each(|why| eprintln!("{why}"));
}

/// Measures histories of all kinds, on every processor.
fn measure_all(usual: u64) -> Found {
    let only = std::env::var("RUSTDB_KIND").unwrap_or_default();
    let kinds = (0..KINDS).filter(|kind| only.is_empty() || kind_name(*kind) == only);
    let jobs: Vec<(usize, u64)> = kinds
        .flat_map(|kind| seeds::seeds(usual).map(move |seed| (kind, seed)))
        // Hundreds of databases take as long as many histories of two.
        .filter(|(kind, seed)| kind_name(*kind) != "EqualMany" || seed % 16 == 0)
        .collect();
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Found::default());
    let work = || {
        while let Some((kind, seed)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let history = measurable(*kind, *seed);
            let started = Instant::now();
            let measured = measure(&history.server);
            let seconds = started.elapsed().as_secs_f64();
            if std::env::var_os("RUSTDB_SHOW").is_some() {
                show(&history, &measured);
            }
            found.lock().unwrap().count(&history, &measured, seconds);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut found = found.into_inner().unwrap();
    found.wrong.sort();
    found.unanswered.sort();
    found
}

/// How the kept table is made anew: ten thousand histories and more.
const KEEP: &str = "RUSTDB_KEEP=1 RUSTDB_HISTORIES=257 cargo test --release \
                    --test recovery claims_are -- --nocapture";
/// Before the bins that claim more than is right.
const TOO_MUCH: &str = "claimed with more weight than is right:";
/// Where the table of many histories is kept.
const KEPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/histories/calibration.txt"
);

#[test]
fn claims_are_calibrated_and_answers_exact_or_warned() {
    let started = Instant::now();
    let found = measure_all(8);
    let table = &found.table;
    eprintln!("seconds by kind: {:.1?}", found.seconds);
    eprintln!("{table}\n{:.1} s", started.elapsed().as_secs_f64());
    let too_much = table.claims_too_much();
    if std::env::var_os("RUSTDB_KEEP").is_some() {
        let mut text = format!("{KEEP}\n\n{table}\n{TOO_MUCH}");
        match too_much.is_empty() {
            true => text.push_str(" nothing\n"),
            false => too_much
                .iter()
                .for_each(|one| text.push_str(&format!("\n    {one}"))),
        }
        let trimmed = text.lines().map(|line| format!("{}\n", line.trim_end()));
        std::fs::write(KEPT, trimmed.collect::<String>()).unwrap();
    }
    for one in found.wrong.iter().chain(&found.unanswered).take(200) {
        eprintln!("{one}");
    }
    assert!(
        found.wrong.is_empty() && too_much.is_empty(),
        "{} wrong; claimed too much: {too_much:#?}",
        found.wrong.len()
    );
    let all = table.all();
    for (word, (of, answered)) in [("determined", all.determined), ("one owner", all.assumed)] {
        // Of a few, one is no share.
        let most = (of / 20).max(1);
        assert!(of - answered <= most, "{word}: {answered} of {of}");
    }
}

/// What is kept is of every kind there is and of histories enough, and shows
/// nothing wrong.
#[test]
fn the_kept_table_is_whole_and_right() {
    let kept = std::fs::read_to_string(KEPT).unwrap();
    let line = |kind: &str| {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        let mut lines = kept.lines().map(words);
        lines.find(|words: &Vec<String>| words.first().is_some_and(|word| word == kind))
    };
    for kind in 0..KINDS {
        let name = kind_name(kind);
        assert!(line(&name).is_some(), "{name} is missing: run {KEEP}");
    }
    let (titles, all) = (line("kind").unwrap(), line("all").unwrap());
    let number = |title: &str| -> u64 {
        let at = titles.iter().position(|own| own == title).unwrap();
        all[at].parse().unwrap()
    };
    assert!(number("histories") >= 10_000, "run {KEEP}");
    assert_eq!(number("SILENT"), 0);
    assert_eq!(
        all.last().map(String::as_str),
        Some("0"),
        "certain and wrong"
    );
    assert!(kept.contains(&format!("{TOO_MUCH} nothing")), "{KEPT}");
}

/// States looked at, and right records, for a tail of some length over many
/// databases of one schema.
fn long_tail(records: usize, databases: usize) -> (usize, usize) {
    let workload = Workload::long(records, databases);
    let (claims, states) = solve_counting(&workload.server);
    let right = claims.iter().filter(|claim| {
        let best = claim.attributed.possible().next();
        best == Some(claim.truth.as_str())
    });
    (states, right.count())
}

#[test]
fn states_grow_with_the_tail_and_not_faster() {
    let tail = std::env::var("RUSTDB_TAIL").ok();
    let tail: usize = tail.map_or(600, |tail| tail.parse().unwrap());
    let started = Instant::now();
    let (half, _) = long_tail(tail / 2, 50);
    let between = started.elapsed();
    let (whole, right) = long_tail(tail, 50);
    let (first, second) = (
        between.as_secs_f64(),
        (started.elapsed() - between).as_secs_f64(),
    );
    eprintln!(
        "{tail} records: {half} and {whole} states, {first:.1} s and {second:.1} s, {right} right"
    );
    assert!(
        whole <= half * 5 / 2,
        "{half} states for half the tail, {whole} for the whole"
    );
}
