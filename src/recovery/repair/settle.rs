//! Which tables of a repair may change: those of which each record to apply
//! again belongs where it goes by proof or decision, or there is no other
//! database.

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
    /// prove: records of tables that change by likelihood are `asked` about, or
    /// else these tables stay as they stand.
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
                let Some(name) = self.unproven(legacy, attributed) else {
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

    /// The table of a record of which nothing proves whose it is.
    fn unproven(&self, legacy: &LegacyDir, attributed: &Attributed) -> Option<&'w str> {
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
        let only = match self.found.catalog.databases.as_slice() {
            [only] => attributed.database.as_deref() == Some(only.name.as_str()),
            _ => false,
        };
        (!only).then_some(changed.name)
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
