//! What is claimed of each record, in the words of the command line.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::legacy::{Snapshot, Wal};
use crate::model::Operation;
use crate::recovery::RunMap;
use crate::report::Report;

use super::assumed;
use super::explain::LISTED;
use super::problem::{Missing, Problem, Proof, Record, Slot, pushed_hashes};
use super::solver::{Solution, Solved, solve};
use super::{Attributed, Attribution, Candidate, Confidence, Decision, Decisions};

/// The weight from which a record is placed without asking. Chosen by
/// measurement on random histories and real directories: below it, whole
/// sessions were placed wrongly.
const PROBABLE: f64 = 0.97;
/// The weight up to which a database that no file names leaves a record to a
/// named one. How rarely databases are made is a guess, and no evidence: by
/// that alone nothing is placed.
const UNNAMED: f64 = 0.01;
/// The most that a database weighs where records may be missing, so that no
/// fact proves it: what stands in three digits is then below one.
const UNPROVEN: f64 = 0.9995;
/// Candidates listed of a record, and as many ruled out.
const LISTED_MAX: usize = 64;
/// Candidates listed whatever they weigh.
const LISTED_MIN: usize = 8;

/// Attributes the records of the tail, given by their positions in the log.
///
/// # Errors
/// When the snapshot's rows cannot be read, or the work is to stop.
pub fn attribute(
    snapshot: &Snapshot,
    wal: &Wal,
    tail: &[usize],
    runs: &RunMap,
    decisions: &Decisions,
    report: &mut Report,
) -> Result<Attribution> {
    let whole = Missing::Nothing;
    attribute_with_missing(snapshot, wal, (tail, runs), decisions, whole, report)
}

/// The attribution by decisions; but of a decision file that nobody edited
/// nothing is decided, and what is placed by likelihood stays so. `attribute`
/// is [`attribute_with_missing`] of the records at hand.
///
/// # Errors
/// Those of `attribute`.
pub fn attribute_as_edited(
    wal: &Wal,
    decisions: &Decisions,
    report: &mut Report,
    attribute: impl Fn(&Decisions, &mut Report) -> Result<Attribution>,
) -> Result<Attribution> {
    let attribution = attribute(decisions, report)?;
    let of_tables = decisions.of_tables();
    if of_tables == *decisions {
        return Ok(attribution);
    }
    let mut unasked = Report::new();
    let likely = attribute(&of_tables, &mut unasked)?;
    // Such a file has a line for every record, and all say what likelihood says.
    let mut tables = BTreeSet::new();
    for (decided, likely) in attribution.tail.iter().zip(&likely.tail) {
        let record = wal.records.get(decided.record);
        let by_itself = record.filter(|record| decisions.of_record(record.sequence).is_some());
        let Some(record) = by_itself else {
            continue;
        };
        let known = matches!(
            likely.confidence,
            Confidence::Certain | Confidence::Probable
        );
        if !known || decided.quarantined || likely.database != decided.database {
            return Ok(attribution);
        }
        tables.insert(record.operation.table());
    }
    let assumed = unasked.findings().iter();
    let assumed = assumed.filter(|finding| finding.code == Code::AssumedDatabase);
    let still = assumed.filter(|finding| tables.contains(&finding.table.as_deref()));
    still.for_each(|finding| report.add(finding.clone()));
    Ok(likely)
}

/// As [`attribute`], where the snapshot no longer holds every database that
/// there was.
///
/// # Errors
/// As [`attribute`].
pub fn attribute_with_missing(
    snapshot: &Snapshot,
    wal: &Wal,
    (tail, runs): (&[usize], &RunMap),
    decisions: &Decisions,
    missing: Missing,
    report: &mut Report,
) -> Result<Attribution> {
    let hashes = pushed_hashes(wal, tail);
    let mut problem = Problem::new(snapshot, (wal, &hashes), tail, runs, decisions, report);
    problem.missing = missing;
    let can_be_young = problem.can_be_young();
    let go_on = || snapshot.go_on();
    let solution = solve(problem, snapshot, &go_on)?;
    for refused in &solution.refused {
        if let Some(record) = solution.problem.records.get(refused.record) {
            let database = record.wish.and_then(|slot| solution.problem.database(slot));
            report.add(
                Finding::new(Code::AssignmentContradicted)
                    .database(database.unwrap_or_default())
                    .table(record.operation.table().unwrap_or_default())
                    .sequence(record.sequence)
                    .detail(refused.fact.to_string()),
            );
        }
    }
    let assumed = assumed::components(&solution, &go_on)?;
    let records = solution.problem.records.iter().zip(&solution.solved);
    let mut tail: Vec<Attributed> = Vec::with_capacity(solution.problem.records.len());
    for (record, solved) in records {
        let decision = match record.decision {
            // A decision for the table that facts overrule is none.
            None => decisions
                .of(
                    record.sequence,
                    record.operation.table().unwrap_or_default(),
                )
                .filter(|decision| **decision == Decision::Quarantine),
            Some(_) => None,
        };
        let alone = assumed.get(solved.component).copied().unwrap_or_default();
        let mut attributed = claim(&solution, record, solved, (decision, alone), report);
        // Most records have what the one before them has.
        if let Some(before) = tail.last() {
            share_with(&mut attributed, before);
        }
        tail.push(attributed);
    }
    assumed::report(&solution, &assumed, &tail, report);
    Ok(Attribution {
        tail,
        can_be_young,
        states: solution.states,
    })
}

fn share_with(attributed: &mut Attributed, before: &Attributed) {
    if before.database == attributed.database {
        attributed.database = before.database.clone();
    }
    if before.best == attributed.best {
        attributed.best = before.best.clone();
    }
    if before.candidates == attributed.candidates {
        attributed.candidates = before.candidates.clone();
    }
    if before.unlisted == attributed.unlisted {
        attributed.unlisted = before.unlisted.clone();
    }
    if before.evidence == attributed.evidence {
        attributed.evidence = before.evidence.clone();
    }
}

fn claim(
    solution: &Solution<'_>,
    record: &Record<'_>,
    solved: &Solved,
    (decision, assumed): (Option<&Decision>, bool),
    report: &mut Report,
) -> Attributed {
    let problem = &solution.problem;
    let assumed = assumed && !assumed::drops_nothing(record, solved);
    let (candidates, unlisted) = candidates(solution, (record, solved), assumed);
    let name = |slot: Slot| problem.database(slot).map(Arc::from);
    let mut attributed = Attributed {
        record: record.position,
        database: None,
        confidence: Confidence::Ambiguous,
        weight: 0.0,
        starts_statement: solved.starts,
        no_effect: None,
        changes_nothing: false,
        candidates,
        unlisted,
        best: solved.best.and_then(name),
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
            let (confidence, slot) = confidence(solution, record, solved, assumed);
            attributed.confidence = confidence;
            if let Some(slot) = slot {
                attributed.database = name(slot);
                attributed.best = name(slot);
                attributed.weight = match confidence {
                    Confidence::Certain => 1.0,
                    _ => weight(solution, (record, solved), slot, assumed),
                };
            }
            attributed.evidence = words(solution, solved, assumed).into();
            without_effect(problem, record, solved, &mut attributed);
        }
    }
    attributed
}

/// Says so where a record can have changed nothing.
fn without_effect(
    problem: &Problem<'_>,
    record: &Record<'_>,
    solved: &Solved,
    attributed: &mut Attributed,
) {
    let proven = record.proof > Proof::Nothing;
    // Of a table that no record made, nothing is left either.
    let drops = matches!(record.operation, Operation::DropTable { .. });
    if attributed.database.is_some() || solved.idle.is_empty() || !proven && !drops {
        return;
    }
    let named = |slots: &[Slot]| {
        slots
            .iter()
            .filter(|slot| **slot < problem.unknown())
            .count()
    };
    if proven && solved.idle.len() == solved.open.len() {
        attributed.no_effect = Some("the statement had failed, whichever database it was for");
    }
    attributed.changes_nothing = named(&solved.idle) == named(&solved.open);
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

/// What is claimed of a record, and for which database.
fn confidence(
    solution: &Solution<'_>,
    record: &Record<'_>,
    solved: &Solved,
    assumed: bool,
) -> (Confidence, Option<Slot>) {
    let problem = &solution.problem;
    let Some(component) = solution.components.get(solved.component) else {
        return (Confidence::Ambiguous, None);
    };
    let unknown = problem.unknown();
    let is_named = |slot: &Slot| *slot < unknown;
    if !solved.open.iter().any(is_named) {
        return (Confidence::Orphan, None);
    }
    if let Some(only) = component.only(&solved.open) {
        // Without a record for everything, a table can be where no record says.
        let proven = record.proof > Proof::Nothing && only < problem.snapshot_databases;
        return match proven {
            true => (Confidence::Certain, Some(only)),
            false => (Confidence::Probable, Some(only)),
        };
    }
    // Nothing in the files speaks against a database that is lost.
    let told = assumed && problem.missing == Missing::Unknown;
    if problem.missing.any() && !told {
        return (Confidence::Ambiguous, None);
    }
    let open = solved.open.iter().copied().filter(is_named);
    let sizes = open.filter(|class| component.classes.size(*class) == 1);
    let best = sizes.max_by(|a, b| solved.share(*a).total_cmp(&solved.share(*b)));
    match best {
        Some(best) if assumed => (Confidence::Probable, Some(best)),
        Some(best) if solved.share(best) >= PROBABLE && solved.share(unknown) <= UNNAMED => {
            (Confidence::Probable, Some(best))
        }
        _ if solved.share(unknown) >= PROBABLE => (Confidence::Orphan, None),
        _ => (Confidence::Ambiguous, None),
    }
}

/// The weight of one database: its part of what its class has, and of what
/// databases that are lost leave. Of what is `assumed` no more than
/// [`assumed::WEIGHT`], and of what is not proven no more than [`UNPROVEN`].
fn weight(
    solution: &Solution<'_>,
    (record, solved): (&Record<'_>, &Solved),
    slot: Slot,
    assumed: bool,
) -> f64 {
    let problem = &solution.problem;
    let Some(component) = solution.components.get(solved.component) else {
        return 0.0;
    };
    let class = component.classes.of(slot);
    let members = component.classes.members(class).len().max(1);
    let share = solved.share(class) / f64::from(super::problem::number(members));
    let lost = match problem.missing {
        Missing::Nothing => 0.0,
        Missing::Databases(count) => super::evidence::share(count),
        // As many again as those that are known.
        Missing::Unknown => f64::from(problem.snapshot_databases.max(1)),
    };
    let known = f64::from(problem.snapshot_databases.max(1));
    let lost = lost / (known + lost);
    let assumed = assumed && solved.open.contains(&problem.unknown());
    let most = match record.proof > Proof::Nothing {
        true => 1.0,
        false => UNPROVEN,
    };
    let weight = match (slot == problem.unknown(), assumed) {
        (true, false) => share * (1.0 - lost) + lost,
        (true, true) => (share * (1.0 - lost) + lost).max(1.0 - assumed::WEIGHT),
        (false, false) => share * (1.0 - lost),
        (false, true) => (share * (1.0 - lost)).min(assumed::WEIGHT),
    };
    weight.min(most)
}

/// Every database considered: those that fit, by weight, and those ruled out;
/// and the names of those that fit and are too many to be listed.
fn candidates(
    solution: &Solution<'_>,
    (record, solved): (&Record<'_>, &Solved),
    assumed: bool,
) -> (Arc<[Candidate]>, Arc<[Arc<str>]>) {
    let problem = &solution.problem;
    let classes = solution.components.get(solved.component);
    let members = |class: Slot| classes.map_or(&[][..], |c| c.classes.members(class));
    let open = solved.open.iter().flat_map(|class| members(*class).iter());
    let mut fitting: Vec<(Slot, f64)> = open
        .map(|slot| (*slot, weight(solution, (record, solved), *slot, assumed)))
        .collect();
    let name = |slot: Slot| problem.database(slot);
    // Of equals those that a file names go first, by name.
    fitting.sort_by(|(a, weight_a), (b, weight_b)| {
        let unnamed = name(*a).is_none().cmp(&name(*b).is_none());
        weight_b
            .total_cmp(weight_a)
            .then(unnamed)
            .then_with(|| name(*a).cmp(&name(*b)))
    });
    let mut listed = Vec::new();
    let mut unlisted: Vec<Arc<str>> = Vec::new();
    for (slot, weight) in fitting {
        // However improbable, one that no file names says why nothing is certain.
        let told = weight >= LISTED || slot == problem.unknown() || listed.len() < LISTED_MIN;
        if told && (listed.len() < LISTED_MAX || slot == problem.unknown()) {
            let class = classes.map_or(slot, |component| component.classes.of(slot));
            listed.push(Candidate {
                database: name(slot).map(str::to_owned),
                weight,
                evidence: solved.evidence(class).to_vec(),
                ruled_out: None,
            });
        } else {
            unlisted.extend(name(slot).map(Arc::from));
        }
    }
    let ruled_out = solved.ruled_out.iter();
    let ruled_out = ruled_out.flat_map(|(class, fact)| {
        let members = members(*class).iter();
        members.map(move |slot| (*slot, *fact))
    });
    listed.extend(ruled_out.take(LISTED_MAX).map(|(slot, fact)| Candidate {
        database: name(slot).map(str::to_owned),
        weight: 0.0,
        evidence: Vec::new(),
        ruled_out: Some(fact.to_string()),
    }));
    (listed.into(), unlisted.into())
}

/// Short words for what decided: that facts leave one database alone, or the
/// evidence for the best.
fn words(solution: &Solution<'_>, solved: &Solved, assumed: bool) -> Vec<&'static str> {
    let problem = &solution.problem;
    let component = solution.components.get(solved.component);
    let only = component.and_then(|component| component.only(&solved.open));
    let mut words = match (only, solved.ruled_out.is_empty()) {
        (Some(_), true) => vec!["only-database"],
        (Some(_), false) => vec!["others-ruled-out"],
        (None, _) => Vec::new(),
    };
    if assumed && solved.open.len() > 1 {
        words.push("assumed-database");
    }
    let Some(best) = solved.best else {
        return words;
    };
    if !solved.starts {
        words.push("same-statement");
    }
    let class = component.map_or(best, |component| component.classes.of(best));
    for (word, _) in solved.evidence(class) {
        if !words.contains(word) {
            words.push(word);
        }
    }
    if best == problem.unknown() && !words.contains(&"new-database") {
        words.push("new-database");
    }
    words
}
