//! What is claimed of each record, in the words of the command line.

use std::sync::Arc;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::legacy::{Snapshot, Wal};
use crate::recovery::RunMap;
use crate::report::Report;

use super::problem::{Problem, Proof, Record, Slot, pushed_hashes};
use super::solver::{Solution, Solved, solve};
use super::{Attributed, Attribution, Candidate, Confidence, Decision, Decisions};

/// The share from which a database is called probable: above the share that has
/// to be right, because the shares are estimates.
const PROBABLE: f64 = 0.9;
/// Named databases below this share are not listed beside better ones.
const LISTED: f64 = 0.0005;
/// Databases listed with the fact that rules them out.
const RULED_OUT_MAX: usize = 64;

/// Attributes the records of the tail, given by their positions in the log.
///
/// # Errors
/// When the snapshot's rows cannot be read.
pub fn attribute(
    snapshot: &Snapshot,
    wal: &Wal,
    tail: &[usize],
    runs: &RunMap,
    decisions: &Decisions,
    report: &mut Report,
) -> Result<Attribution> {
    let hashes = pushed_hashes(wal, tail);
    let problem = Problem::new(snapshot, (wal, &hashes), tail, runs, decisions, report);
    let solution = solve(problem, snapshot, wal)?;
    let records = solution.problem.records.iter().zip(&solution.solved);
    let mut tail: Vec<Attributed> = Vec::with_capacity(solution.problem.records.len());
    for (record, solved) in records {
        let table = record.operation.table().unwrap_or_default();
        let decision = decisions.of(record.sequence, table);
        let mut attributed = claim(&solution, record, solved, decision, report);
        // Most records have what the one before them has.
        if let Some(before) = tail.last() {
            if before.database == attributed.database {
                attributed.database = before.database.clone();
            }
            if before.candidates == attributed.candidates {
                attributed.candidates = before.candidates.clone();
            }
            if before.evidence == attributed.evidence {
                attributed.evidence = before.evidence.clone();
            }
        }
        tail.push(attributed);
    }
    Ok(Attribution {
        tail,
        states: solution.states,
    })
}

fn claim(
    solution: &Solution<'_>,
    record: &Record<'_>,
    solved: &Solved,
    decision: Option<&Decision>,
    report: &mut Report,
) -> Attributed {
    let problem = &solution.problem;
    let mut attributed = Attributed {
        record: record.position,
        database: None,
        confidence: Confidence::Ambiguous,
        weight: 0.0,
        starts_statement: solved.starts,
        no_effect: solved
            .failed
            .then_some("the statement had failed, whichever database it was for"),
        candidates: candidates(problem, solved),
        evidence: Arc::new([]),
        quarantined: false,
        past_logged: record.proof == Proof::Everything,
    };
    match (decision, record.decision) {
        (Some(Decision::Quarantine), _) => {
            attributed.quarantined = true;
            attributed.evidence = Arc::new(["assigned"]);
        }
        (_, Some(decided)) => decide(problem, record, solved, decided, &mut attributed, report),
        _ => {
            attributed.confidence = confidence(problem, record, solved);
            let claimed = matches!(
                attributed.confidence,
                Confidence::Certain | Confidence::Probable
            );
            if claimed {
                let name = solved.best.and_then(|slot| problem.database(slot));
                attributed.database = name.map(Arc::from);
                attributed.weight = solved.best.map_or(0.0, |slot| solved.share(slot));
            }
            attributed.evidence = words(problem, solved).into();
        }
    }
    attributed
}

/// A decision of the user, unless a fact contradicts it.
fn decide(
    problem: &Problem<'_>,
    record: &Record<'_>,
    solved: &Solved,
    decided: Slot,
    attributed: &mut Attributed,
    report: &mut Report,
) {
    let name = problem.database(decided).unwrap_or_default();
    attributed.evidence = Arc::new(["assigned"]);
    let against = solved.ruled_out.iter().find(|(slot, _)| *slot == decided);
    match against {
        Some((_, fact)) if record.proof > Proof::Nothing => {
            attributed.confidence = Confidence::Orphan;
            report.add(
                Finding::new(Code::AssignmentContradicted)
                    .database(name)
                    .table(record.operation.table().unwrap_or_default())
                    .sequence(record.sequence)
                    .detail(fact.to_string()),
            );
        }
        _ => {
            attributed.confidence = Confidence::Assigned;
            attributed.weight = 1.0;
            attributed.database = Some(name.into());
        }
    }
}

fn confidence(problem: &Problem<'_>, record: &Record<'_>, solved: &Solved) -> Confidence {
    let Some(best) = solved.best.filter(|slot| *slot < problem.unknown()) else {
        return Confidence::Orphan;
    };
    if let [only] = &*solved.open {
        // Without a record for everything, a table can be where no record says.
        return match record.proof > Proof::Nothing && *only < problem.snapshot_databases {
            true => Confidence::Certain,
            false => Confidence::Probable,
        };
    }
    let unknown = problem.unknown();
    let named = solved.open.iter().filter(|slot| **slot < unknown).count();
    let share = solved.share(best);
    // A database that no file names is improbable from the start, so against it
    // alone the better one is probable.
    match share >= PROBABLE || (named == 1 && share > solved.share(unknown)) {
        true => Confidence::Probable,
        false => Confidence::Ambiguous,
    }
}

/// Every database considered: those that fit, the likeliest assignment's first
/// and then by share, and those ruled out.
fn candidates(problem: &Problem<'_>, solved: &Solved) -> Arc<[Candidate]> {
    let mut fitting: Vec<(Slot, f64)> = solved
        .open
        .iter()
        .map(|slot| (*slot, solved.share(*slot)))
        .collect();
    let is_best = |slot: Slot| solved.best == Some(slot);
    fitting.sort_by(|(a, share_a), (b, share_b)| {
        let by_best = is_best(*b).cmp(&is_best(*a));
        by_best.then(share_b.total_cmp(share_a)).then(a.cmp(b))
    });
    // However improbable, one that no file names says why nothing is certain.
    let is_unknown = |slot: Slot| slot == problem.unknown();
    fitting.retain(|(slot, share)| is_best(*slot) || is_unknown(*slot) || *share >= LISTED);
    let name = |slot: Slot| problem.database(slot).map(str::to_owned);
    let fitting = fitting.into_iter().map(|(slot, weight)| Candidate {
        database: name(slot),
        weight,
        evidence: solved.evidence(slot).to_vec(),
        ruled_out: None,
    });
    let ruled_out = solved.ruled_out.iter().take(RULED_OUT_MAX);
    let ruled_out = ruled_out.map(|(slot, fact)| Candidate {
        database: name(*slot),
        weight: 0.0,
        evidence: Vec::new(),
        ruled_out: Some(fact.to_string()),
    });
    fitting.chain(ruled_out).collect()
}

/// Short words for what decided: that facts leave one database alone, or the
/// evidence for the best.
fn words(problem: &Problem<'_>, solved: &Solved) -> Vec<&'static str> {
    let mut words = match (solved.open.len(), solved.ruled_out.is_empty()) {
        (1, true) => vec!["only-database"],
        (1, false) => vec!["others-ruled-out"],
        _ => Vec::new(),
    };
    let Some(best) = solved.best else {
        return words;
    };
    if !solved.starts {
        words.push("same-statement");
    }
    for (word, _) in solved.evidence(best) {
        if !words.contains(word) {
            words.push(word);
        }
    }
    if best == problem.unknown() && !words.contains(&"new-database") {
        words.push("new-database");
    }
    words
}
