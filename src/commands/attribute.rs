//! `attribute`: the attribution of every record of the tail, as a decision file.

use std::path::Path;

use crate::error::{Error, Result};
use crate::recovery::attribution::{Counts, decision_line};

use super::{Backend, Directory, OpenOptions};

/// A decision file and what it says.
#[derive(Debug)]
pub struct DecisionFile {
    /// Its text.
    pub text: String,
    /// Records of the tail by confidence.
    pub counts: Counts,
}

/// Writes the decision file of a legacy directory.
///
/// # Errors
/// When it is no legacy directory, or its snapshot is missing or damaged.
pub fn attribute(path: &Path, options: &OpenOptions) -> Result<DecisionFile> {
    let directory = Directory::open(path, options)?;
    let Backend::Legacy { legacy, recovery } = directory.backend() else {
        return Err(Error::Usage(format!(
            "{}: found a directory without a legacy WAL, expected one that a server left",
            path.display()
        )));
    };
    let counts = recovery.attribution.counts();
    let mut text = format!(
        "# Which database each record of the log was written for.\n\
         # Family {}, {} records after the cut: {} certain, {} probable, {} ambiguous, {} orphan.\n\
         #\n\
         # One decision a line; edit what follows the equals sign:\n\
         #   \"NAME\"       the record was written for this database\n\
         #   ?            not decided; upgrade does what --on-ambiguous says\n\
         #   quarantine   keep the record aside\n\
         # table \"NAME\" = DECISION decides for every record of a table without a line of its own.\n\
         # A decision that the files prove wrong is refused.\n",
        legacy.family,
        recovery.attribution.tail.len(),
        counts.certain,
        counts.probable,
        counts.ambiguous,
        counts.orphan,
    );
    for known in &recovery.attribution.tail {
        if let Some(record) = legacy.wal.records.get(known.record) {
            let table = record.operation.table().unwrap_or_default();
            decision_line(
                &mut text,
                record.sequence,
                record.operation.name(),
                table,
                known,
            );
        }
    }
    directory.check_unchanged()?;
    Ok(DecisionFile { text, counts })
}
