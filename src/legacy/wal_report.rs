//! What is not in order in a log, as findings.

use super::Wal;
use crate::finding::{Code, Finding, Severity};
use crate::report::Report;

impl Wal {
    /// Adds a finding for everything that is not in order. Sequences missing or
    /// repeated before record `first_tail` cost nothing, because the snapshot
    /// holds what stood there; damage stays damage wherever it is.
    pub fn report(&self, first_tail: usize, report: &mut Report) {
        for bad in &self.bad {
            let code = match (bad.torn, bad.framed) {
                (true, _) => Code::TornTail,
                (false, true) => Code::WalUnreadable,
                (false, false) => Code::WalDamaged,
            };
            let beyond = self.records_beyond(bad);
            let mut detail = format!(
                "{} bytes: found {}, expected {}",
                bad.len, bad.damage.found, bad.damage.expected
            );
            if !bad.torn {
                detail.push_str(&format!("; {beyond} readable records stand beyond"));
            }
            report.add(
                Finding::new(code)
                    .file(&bad.damage.file)
                    .offset(bad.offset)
                    .detail(detail),
            );
        }
        for (jumps, code) in [
            (&self.gaps, Code::WalGap),
            (&self.repeats, Code::WalRepeated),
        ] {
            for jump in jumps {
                let Some(record) = self.records.get(jump.record) else {
                    continue;
                };
                let severity = match jump.record >= first_tail {
                    true => Severity::Error,
                    false => Severity::Warning,
                };
                let mut finding = Finding::new(code)
                    .severity(severity)
                    .offset(record.offset)
                    .sequence(jump.after)
                    .detail(format!(
                        "found sequence {} after {}",
                        jump.after, jump.before
                    ));
                if let Some(segment) = self.segment_of(record) {
                    finding = finding.file(segment.file.path());
                }
                report.add(finding);
            }
        }
    }
}
