//! Attribution over generated histories whose truth is known.
//!
//! `RUSTDB_HISTORIES` sets how many histories of each kind are run; without it
//! a small number, so that the suite stays quick. `RUSTDB_KIND` and `RUSTDB_SEED`
//! narrow it to one kind and to the seeds from one on; `RUSTDB_TAIL` sets how
//! many records the long tails have.
//!
//! The whole proof, 11,000 histories, brute force over thousands of small ones,
//! and the real directories where there are any, is one command:
//!
//! ```text
//! RUSTDB_HISTORIES=1000 RUSTDB_CORPUS=DIR cargo test --release \
//!     --test attribution_histories --test attribution_exact \
//!     --test attribution_unlogged --test attribution_corpus -- --nocapture
//! ```
//!
//! It prints, for each kind, how many of the best candidates are right
//! (`forced`, what `--on-ambiguous best` takes) and what was claimed.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod histories;
#[path = "histories/seeds.rs"]
mod seeds;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use histories::clients::History;
use histories::measure::{Answer, measure};
use histories::server::Server;
use histories::spec::Story;
use histories::table::Table;
use histories::workload::{Kind, Workload};
use histories::{Claim, solve, solve_counting};
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
    spec: String,
    server: Server,
}

/// The history of a kind, by its number among all kinds, and a seed.
fn measurable(kind: usize, seed: u64) -> Measurable {
    match Kind::ALL.get(kind) {
        Some(kind) => Measurable {
            kind: format!("{kind:?}"),
            spec: format!("{kind:?} seed {seed}"),
            server: Workload::run(*kind, seed).server,
        },
        None => {
            let history = History::run(Story::ALL[kind - Kind::ALL.len()], seed);
            Measurable {
                kind: format!("{:?}", history.spec.story),
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

/// Measures histories of all kinds, on every processor.
fn measure_all(usual: u64) -> (Table, Vec<String>) {
    let only = std::env::var("RUSTDB_KIND").unwrap_or_default();
    let kinds = (0..KINDS).filter(|kind| only.is_empty() || kind_name(*kind) == only);
    let jobs: Vec<(usize, u64)> = kinds
        .flat_map(|kind| seeds::seeds(usual).map(move |seed| (kind, seed)))
        // Hundreds of databases take as long as many histories of two.
        .filter(|(kind, seed)| kind_name(*kind) != "EqualMany" || seed % 16 == 0)
        .collect();
    let next = AtomicUsize::new(0);
    let found = Mutex::new((Table::default(), Vec::new(), BTreeMap::<String, f64>::new()));
    let work = || {
        while let Some((kind, seed)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let history = measurable(*kind, *seed);
            let started = Instant::now();
            let measured = measure(&history.server);
            let mut found = found.lock().unwrap();
            *found.2.entry(history.kind.clone()).or_default() += started.elapsed().as_secs_f64();
            let line = found.0.0.entry(history.kind.clone()).or_default();
            line.count(&measured);
            let wrong = measured.wrong_certain.iter();
            let mut wrong: Vec<String> = wrong.cloned().collect();
            if measured.answer == Answer::Silent {
                wrong.push(format!("wrong in silence: {}", measured.off.join("; ")));
            }
            for wrong in wrong {
                let again = format!("RUSTDB_KIND={} RUSTDB_SEED={seed}", history.kind);
                found
                    .1
                    .push(format!("{again}: {wrong}\n    {}", history.spec));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let (table, mut wrong, seconds) = found.into_inner().unwrap();
    eprintln!("seconds by kind: {seconds:.1?}");
    wrong.sort();
    (table, wrong)
}

/// Where the table of many histories is kept.
const KEPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/histories/calibration.txt"
);

#[test]
fn claims_are_calibrated_and_answers_exact_or_warned() {
    let started = Instant::now();
    let (table, wrong) = measure_all(8);
    eprintln!("{table}\n{:.1} s", started.elapsed().as_secs_f64());
    if std::env::var_os("RUSTDB_KEEP").is_some() {
        let how = "RUSTDB_KEEP=1 RUSTDB_HISTORIES=N cargo test --release --test attribution_histories calibrated";
        std::fs::write(KEPT, format!("{how}\n\n{table}")).unwrap();
    }
    for one in wrong.iter().take(100) {
        eprintln!("{one}");
    }
    let too_much = table.claims_too_much();
    assert!(
        wrong.is_empty() && too_much.is_empty(),
        "{} wrong; claimed too much: {too_much:#?}",
        wrong.len()
    );
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
