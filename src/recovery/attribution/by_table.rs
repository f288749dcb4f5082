//! Attribution by table name alone: a record goes to the one database that has
//! its table at that moment.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::legacy::{Snapshot, Wal};
use crate::model::Operation;
use crate::recovery::{Effect, Overlay, RunMap};
use crate::report::Report;

use super::{Attributed, Attribution, Candidate, Confidence, Decision, Decisions};

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
    _report: &mut Report,
) -> Result<Attribution> {
    let mut overlay = Overlay::new(snapshot);
    // Tables made after the snapshot could also lie in a database that no file
    // names; only what the snapshot itself holds is proof.
    let mut made_in_tail = BTreeSet::new();
    let mut attribution = Attribution::default();
    for &position in tail {
        let Some(record) = wal.records.get(position) else {
            continue;
        };
        let operation = &record.operation;
        let Some(table) = operation.table() else {
            continue;
        };
        let mut attributed = match decisions.of(record.sequence, table) {
            Some(Decision::Database(name)) => Attributed::assigned(position, name),
            _ => by_name(&overlay, position, operation, table),
        };
        // A transaction can create tables that no record shows.
        let no_transaction = runs.at(position).max_xmin == 1;
        let proven = no_transaction && !made_in_tail.contains(table);
        if attributed.confidence == Confidence::Certain && !proven {
            attributed.confidence = Confidence::Probable;
        }
        match operation {
            Operation::CreateTable { table, .. } | Operation::RenameTable { new: table, .. } => {
                made_in_tail.insert(table.clone());
            }
            _ => {}
        }
        if let Some(name) = &attributed.database {
            let database = overlay.database_or_new(name);
            let xmax = runs.at(position).max_xmin;
            if let Effect::None(reason) = overlay.apply(database, operation, xmax) {
                attributed.no_effect = Some(reason);
            }
        }
        attribution.tail.push(attributed);
    }
    Ok(attribution)
}

fn by_name(overlay: &Overlay, record: usize, operation: &Operation, table: &str) -> Attributed {
    let creates = matches!(operation, Operation::CreateTable { .. });
    let all = 0..overlay.database_count();
    let having: Vec<usize> = all
        .clone()
        .filter(|db| overlay.has_table(*db, table))
        .collect();
    // CREATE TABLE runs where the table is not there yet; of a database that
    // has it, the statement would have failed.
    let fitting: Vec<usize> = match creates {
        true if having.len() < overlay.database_count() => {
            all.filter(|db| !having.contains(db)).collect()
        }
        true => all.collect(),
        false if matches!(operation, Operation::DropTable { .. }) && having.is_empty() => {
            all.collect()
        }
        false => having,
    };
    let names = |db: &usize| overlay.catalog().databases.get(*db).map(|d| d.name.clone());
    let candidates: Vec<Candidate> = fitting
        .iter()
        .map(|db| Candidate {
            database: names(db),
            weight: 1.0 / fitting.len().max(1) as f64,
            ruled_out: None,
        })
        .collect();
    let database = match candidates.as_slice() {
        [only] => only.database.clone(),
        _ => None,
    };
    let confidence = match (candidates.len(), creates) {
        (0, _) => Confidence::Orphan,
        (1, false) => Confidence::Certain,
        (1, true) => Confidence::Probable,
        _ => Confidence::Ambiguous,
    };
    let evidence = if database.is_some() {
        vec!["only-database"]
    } else {
        Vec::new()
    };
    Attributed {
        record,
        database,
        confidence,
        no_effect: None,
        candidates,
        evidence,
    }
}

impl Attributed {
    /// A record that the user assigned.
    pub(super) fn assigned(record: usize, database: &str) -> Self {
        Attributed {
            record,
            database: Some(database.to_owned()),
            confidence: Confidence::Assigned,
            no_effect: None,
            candidates: Vec::new(),
            evidence: vec!["assigned"],
        }
    }
}
