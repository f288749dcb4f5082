//! What is not in order in a log, as findings.

use super::{Jump, Wal};
use crate::finding::{Code, Finding, Severity, counted};
use crate::report::Report;

impl Wal {
    /// Adds a finding for everything that is not in order. Sequences missing
    /// before record `first_tail` cost nothing, because the snapshot holds what
    /// stood there, unless nothing tells which side of the gap came first;
    /// damage stays damage wherever it is.
    pub fn report(&self, first_tail: usize, report: &mut Report) {
        for bad in &self.bad {
            let code = match (bad.torn, bad.zeros, bad.framed) {
                (true, _, _) => Code::TornTail,
                (false, true, _) => Code::WalZeros,
                (false, false, true) => Code::WalUnreadable,
                (false, false, false) => Code::WalDamaged,
            };
            let beyond = self.records_beyond(bad);
            let mut detail = match code {
                Code::WalZeros => counted(bad.len, "zero"),
                _ => format!(
                    "{}: found {}, expected {}",
                    counted(bad.len, "byte"),
                    bad.damage.found,
                    bad.damage.expected
                ),
            };
            if bad.torn && bad.zeros {
                // Space that was set aside and never written, as after a loss of power.
                detail.push_str("; zeros: how many statements stood there is in no file");
            }
            if !bad.is_harmless() {
                detail.push_str(&format!("; beyond: {}", counted(beyond, "readable record")));
            }
            report.add(
                Finding::new(code)
                    .file(&bad.damage.file)
                    .offset(bad.offset)
                    .detail(detail),
            );
        }
        for one in &self.misnumbered {
            let Some(segment) = self.segments.get(one.segment) else {
                continue;
            };
            let finding = Finding::new(Code::WalNumber).file(segment.file.path());
            report.add(finding.offset(one.offset).detail(format!(
                "found sequence {}, and by its neighbours it is {}",
                one.found, one.expected
            )));
        }
        self.report_copies(report);
        for jump in &self.gaps {
            let severity = match jump.record >= first_tail || self.name_falls(jump) {
                true => Severity::Error,
                false => Severity::Warning,
            };
            self.report_jump(Code::WalGap, severity, jump, report);
        }
        for jump in &self.repeats {
            self.report_jump(Code::WalRepeated, Severity::Error, jump, report);
        }
    }

    fn report_copies(&self, report: &mut Report) {
        for copy in &self.copies {
            let file = |at: usize| self.segments.get(at).map(|segment| &segment.file);
            let (Some(file), Some(of)) = (file(copy.segment), file(copy.of)) else {
                continue;
            };
            let whole = copy.len == file.len();
            let what = match (whole, copy.records) {
                (true, _) => "the segment".to_owned(),
                (false, records) => counted(records, "record"),
            };
            let other = match copy.segment == copy.of {
                true => "another one".to_owned(),
                false => of
                    .path()
                    .file_name()
                    .unwrap_or_default()
                    .display()
                    .to_string(),
            };
            let how = match whole {
                true => format!("{what} is the beginning of {other}, or a part of it"),
                false => format!("{what} in {} also in {other}", counted(copy.len, "byte")),
            };
            let finding = Finding::new(Code::WalCopy).file(file.path());
            report.add(finding.offset(copy.offset).detail(how));
        }
    }

    fn report_jump(&self, code: Code, severity: Severity, jump: &Jump, report: &mut Report) {
        let Some(record) = self.records.get(jump.record) else {
            return;
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

    /// Whether the segment after a gap has the lower name, and its records the
    /// earlier time: either the clock stepped back and a segment is missing, or the
    /// server began to count anew.
    pub fn name_falls(&self, jump: &Jump) -> bool {
        let at = |at: Option<usize>| {
            let record = self.records.get(at?)?;
            let name = self.segment_of(record)?.name.to_ascii_lowercase();
            Some((name, record.timestamp))
        };
        let (before, after) = (at(jump.record.checked_sub(1)), at(Some(jump.record)));
        before.zip(after).is_some_and(|(before, after)| {
            // Under a clock that stepped back within a segment, names fall and times
            // go on: they were given by the same clock before and after.
            after.0 < before.0 && after.1 <= before.1
        })
    }
}
