//! Which tables of a repair may change: those of which each record stays in the
//! database that the start put it in, or belongs elsewhere by proof or decision.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::legacy::{LegacyDir, Snapshot};
use crate::report::Report;

use crate::recovery::attribution::{Attributed, Attribution, Confidence};

use super::{Repair, claims};

const UNPROVEN: &str = "nothing proves to which database its records belong";

/// A repair, and whose the records are that it applies again.
pub(in crate::recovery) struct Settled<'w> {
    pub repair: Repair<'w>,
    pub again: Attribution,
}

impl<'w> Repair<'w> {
    /// Attributes the records to apply again, and takes back what they do not
    /// prove: a record that would leave the database where the start put it on
    /// less than proof is `asked` about, or else its table stays as it stands.
    ///
    /// # Errors
    /// Those of `attribute`, and when rows cannot be read.
    pub fn settle(
        mut self,
        legacy: &LegacyDir,
        asked: bool,
        report: &mut Report,
        attribute: impl Fn(&Snapshot, &[usize], &mut Report) -> Result<Attribution>,
    ) -> Result<Option<Settled<'w>>> {
        loop {
            let mut seen = report.clone();
            let mut again = attribute(&self.snapshot, &self.tail, &mut seen)?;
            let mut unproven: BTreeSet<&'w str> = BTreeSet::new();
            for attributed in &mut again.tail {
                let Some(name) = self.leaves_unproven(legacy, attributed) else {
                    continue;
                };
                unproven.insert(name);
                attributed.database = None;
                attributed.weight = 0.0;
                if attributed.confidence == Confidence::Probable {
                    attributed.confidence = Confidence::Ambiguous;
                }
            }
            if asked || unproven.is_empty() {
                *report = seen;
                return Ok(Some(Settled {
                    repair: self,
                    again,
                }));
            }
            let Some(rest) = self.without(legacy, unproven, report)? else {
                return Ok(None);
            };
            self = rest;
        }
    }

    /// The table of a record that nothing proves to belong elsewhere, and that
    /// does not stay either.
    fn leaves_unproven(&self, legacy: &LegacyDir, attributed: &Attributed) -> Option<&'w str> {
        let settled = matches!(
            attributed.confidence,
            Confidence::Certain | Confidence::Assigned
        );
        if settled || attributed.quarantined || attributed.no_effect.is_some() {
            return None;
        }
        let record = legacy.wal.records.get(attributed.record)?;
        let table = record.operation.table()?;
        let changed = self.changed.iter().find(|changed| changed.name == table)?;
        let own = self.found.catalog.databases.get(changed.own.database)?;
        let stays = attributed.database.as_deref() == Some(own.name.as_str());
        (!stays).then_some(changed.name)
    }

    /// The same without some tables and those that foreign keys join to them,
    /// which are reported as they stand; `None` when none is left.
    fn without(
        self,
        legacy: &LegacyDir,
        mut names: BTreeSet<&'w str>,
        report: &mut Report,
    ) -> Result<Option<Self>> {
        let mut open: Vec<&str> = names.iter().copied().collect();
        while let Some(name) = open.pop() {
            for neighbour in self.joined.get(name).into_iter().flatten().copied() {
                if names.insert(neighbour) {
                    open.push(neighbour);
                }
            }
        }
        let (left, rest): (Vec<_>, Vec<_>) = self
            .changed
            .into_iter()
            .partition(|changed| names.contains(changed.name));
        claims::report_changes(legacy, self.found, self.start, &left, report);
        for changed in &left {
            let finding = claims::suspected(legacy, self.start, changed.name, UNPROVEN);
            report.add(finding);
        }
        match rest.is_empty() {
            true => Ok(None),
            false => Repair::new(legacy, self.found, self.start, rest, self.joined).map(Some),
        }
    }
}
