//! `attribute`: the attribution of every record of the tail, as a decision file.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::finding::{Finding, counted};
use crate::legacy::{Family, LegacyDir, WalRecord};
use crate::recovery::Recovery;
use crate::recovery::attribution::{Attributed, Counts, Line, decision_line};

use super::affected::{Affected, NamedValues, affected};
use super::{Backend, Directory, OpenOptions};

/// Records of one statement whose values are shown.
const SHOWN: usize = 5;
/// Databases whose rows are shown for one record.
const DATABASES_SHOWN: usize = 4;
/// Records that end rows of which the rows are shown; more would take too much
/// memory.
const ENDING_MAX: usize = 10_000;

/// A decision file and what it says.
#[derive(Debug)]
pub struct DecisionFile {
    /// What is written: lines of decisions, with what is known in comments.
    pub text: String,
    /// The family of what was read.
    pub family: Family,
    /// Records of the tail by confidence.
    pub counts: Counts,
    /// Records that wait for a decision.
    pub undecided: usize,
    /// Everything found.
    pub findings: Vec<Finding>,
}

/// Writes the decision file of a legacy directory; `show` gives the text of a
/// row, on one line and not too long.
///
/// # Errors
/// When it is no legacy directory, or its snapshot is missing or damaged.
pub fn attribute(
    path: &Path,
    options: &OpenOptions,
    show: impl Fn(&NamedValues<'_>) -> String,
) -> Result<DecisionFile> {
    let directory = Directory::open(path, options)?;
    let Backend::Legacy { legacy, recovery } = directory.backend() else {
        return Err(Error::Usage(format!(
            "{}: found a directory without a legacy WAL, expected one that a server left\n\
             Decide about records in its quarantine with `rustdb-migrate upgrade DIR NEW --assign TABLE=DATABASE`.",
            path.display()
        )));
    };
    let counts = recovery.attribution.counts();
    let mut text = format!(
        "# Which database each record of the log was written for.\n\
         # Family {}, {} after the cut: {} certain, {} probable, {} ambiguous, {} orphan, {} assigned.\n\
         #\n\
         # One decision a line, for one record or for all of one statement; edit what\n\
         # follows the equals sign:\n\
         #   \"NAME\"       the record was written for this database\n\
         #   ?            not decided; upgrade does what --on-ambiguous says\n\
         #   quarantine   keep the record aside\n\
         # A line for one record goes before that of a range above it.\n\
         # table \"NAME\" = DECISION decides for every record of a table without a line of its own.\n\
         # A decision that the files prove wrong is refused.\n\
         # Behind a name stands its weight: the share that the database has of all likelihood.\n",
        legacy.family,
        counted(recovery.attribution.tail.len(), "record"),
        counts.certain,
        counts.probable,
        counts.ambiguous,
        counts.orphan,
        counts.assigned,
    );
    let statements = statements(legacy, recovery);
    let about = affected(legacy, recovery, shown(legacy, &statements), show)?;
    for statement in &statements {
        push_statement(&mut text, legacy, statement, &about);
    }
    directory.check_unchanged()?;
    Ok(DecisionFile {
        text,
        family: legacy.family,
        counts,
        undecided: recovery.attribution.tail.iter().filter(is_open).count(),
        findings: directory.findings().findings().to_vec(),
    })
}

/// Whether a record waits for a decision.
fn is_open(known: &&Attributed) -> bool {
    known.database.is_none() && !known.quarantined && known.no_effect.is_none()
}

/// The records whose rows are shown.
fn shown(legacy: &LegacyDir, statements: &[Statement<'_>]) -> Vec<usize> {
    let first = statements
        .iter()
        .flat_map(|statement| statement.known.iter().take(SHOWN));
    let mut ending = 0;
    let shown = first.map(|known| known.record).filter(|record| {
        let record = legacy.wal.records.get(*record);
        let ends = record.is_some_and(|record| record.operation.ends_version());
        ending += usize::from(ends);
        !ends || ending <= ENDING_MAX
    });
    shown.collect()
}

/// Records of one statement that are to be decided alike.
struct Statement<'r> {
    records: Vec<&'r WalRecord>,
    known: Vec<&'r Attributed>,
}

fn statements<'r>(legacy: &'r LegacyDir, recovery: &'r Recovery) -> Vec<Statement<'r>> {
    let mut statements: Vec<Statement<'r>> = Vec::new();
    for known in &recovery.attribution.tail {
        let Some(record) = legacy.wal.records.get(known.record) else {
            continue;
        };
        let last = statements.last_mut().filter(|statement| {
            let (Some(before), Some(said)) = (statement.records.last(), statement.known.last())
            else {
                return false;
            };
            !known.starts_statement
                && record.sequence.checked_sub(1) == Some(before.sequence)
                && record.operation.name() == before.operation.name()
                && record.operation.table() == before.operation.table()
                && (&known.database, known.confidence) == (&said.database, said.confidence)
                && (known.quarantined, known.no_effect) == (said.quarantined, said.no_effect)
        });
        match last {
            Some(statement) => {
                statement.records.push(record);
                statement.known.push(known);
            }
            None => statements.push(Statement {
                records: vec![record],
                known: vec![known],
            }),
        }
    }
    statements
}

fn push_statement(
    text: &mut String,
    legacy: &LegacyDir,
    statement: &Statement<'_>,
    about: &BTreeMap<usize, Affected<String>>,
) {
    let (records, known) = (&statement.records, &statement.known);
    let (Some(first), Some(last), Some(said)) = (records.first(), records.last(), known.first())
    else {
        return;
    };
    let alone = records.len() == 1;
    let values = about
        .get(&said.record)
        .and_then(|about| about.pushed.as_deref());
    decision_line(
        text,
        &Line {
            records: (first.sequence, last.sequence),
            op: first.operation.name(),
            table: first.operation.table().unwrap_or_default(),
            known: said,
            values: values.filter(|_| alone),
        },
    );
    for known in known.iter().take(SHOWN) {
        let (Some(about), Some(record)) = (
            about.get(&known.record),
            legacy.wal.records.get(known.record),
        ) else {
            continue;
        };
        if let Some(values) = about.pushed.as_deref().filter(|_| !alone) {
            text.push_str(&format!("#   {} {values}\n", record.sequence));
        }
        for ended in about.ended.iter().take(DATABASES_SHOWN) {
            let row = match &ended.row {
                Ok(row) => row.as_str(),
                Err(why) => why,
            };
            let doubt = if ended.doubtful { ", or another," } else { "" };
            let database = serde_json::Value::from(&*ended.database).to_string();
            text.push_str(&format!(
                "#   {} ends row {} in {database}{doubt}: {row}\n",
                record.sequence, ended.index
            ));
        }
    }
    let more = records.len().saturating_sub(SHOWN);
    if more > 0 {
        text.push_str(&format!("#   and {more} more\n"));
    }
}
