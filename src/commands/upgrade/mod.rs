//! `upgrade`: a directory of any kind into a new one of any layout.
//!
//! Read, work out what the server last had, write into a staging directory,
//! verify what was written, compare content hashes, publish by one rename.

mod options;
mod placed;
mod plan;
mod quarantine;
mod report;
mod take_up;
mod target;
mod write;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::file::{Holder, InUse, Phase, Unchanged, check_target};
use crate::finding::{Code, Finding, Severity};
use crate::report::Report;

use super::constraints;
use super::undecided::undecided;
use super::{Backend, Directory};

use plan::Plan;

use options::UpgradeJob;
pub use options::UpgradeOptions;
pub use placed::Likelihood;
pub use quarantine::quarantined_tables;
pub use report::{Outcome, SourceSummary, TableSummary, TargetSummary, UpgradeReport};
pub use target::Target;

/// Fewest bytes of a target: those of its source divided by this.
const LEAST_PART: u64 = 4;

/// Upgrades the directory `source` into `target`, which is not there yet or empty,
/// or says in the report why not; nothing is written then.
///
/// # Errors
/// When files cannot be read or written, or the target is in the way.
pub fn upgrade(source: &Path, target: &Path, options: &UpgradeOptions) -> Result<UpgradeReport> {
    let job = &UpgradeJob {
        source,
        target,
        options,
    };
    let place = check_target(&options.disk, target, source)?;
    if !options.force {
        refuse_in_use(source)?;
        refuse_without_space(job, place.free_len)?;
    }
    let directory = match Directory::open(source, &options.open) {
        Ok(directory) => directory,
        Err(Error::Damage(damage)) => {
            let mut report = Report::new();
            report.add(Finding::from(&*damage));
            return Ok(UpgradeReport::refused(job, None, report, Outcome::Damaged));
        }
        Err(other) => return Err(other),
    };
    let mut report = directory.findings();
    plan::report_server(job, &directory, &mut report)?;
    let summary = SourceSummary::of(&directory)?;
    if let Some(outcome) = refusal(&report) {
        let mut refused = UpgradeReport::refused(job, Some(summary), report, outcome);
        refused.attribution = report::attribution_counts(&directory);
        refused.undecided = undecided(&directory, &options.open.recovery);
        return Ok(refused);
    }
    if let Some(asked) = undecided_family(job, &directory) {
        return Err(asked);
    }
    report_doubled_keys(&directory, &mut report)?;
    let plan = Plan::new(job, &directory, &mut report)?;
    directory.begin(Phase::Writing);
    let content = plan.run(job, &mut report, |rows| {
        write::carry_out(&plan, rows, job, &|| directory.check_unchanged())
    })?;
    Ok(UpgradeReport::done(
        job, summary, &directory, &plan, content, report,
    ))
}

/// No server reads another family's file, and overwrites it: which one to write
/// is asked where a damaged source could be of several.
fn undecided_family(job: &UpgradeJob<'_>, directory: &Directory) -> Option<Error> {
    let options = job.options;
    let told = options.release.is_some() || options.open.family.is_some();
    let Backend::Legacy { legacy, .. } = directory.backend() else {
        return None;
    };
    let several = legacy.snapshot.is_err() && legacy.families().len() > 1;
    if options.to != Target::Snapshot || told || !several {
        return None;
    }
    let families: Vec<String> = legacy.families().iter().map(ToString::to_string).collect();
    Some(Error::NeedsDecision(format!(
        "SOURCE {} is damaged, and what can be read of it fits the families {}\nSay which release the snapshot is for with `--release X.Y.Z`.",
        job.source.display(),
        families.join(", ")
    )))
}

/// A server that runs changes its files while they are read.
fn refuse_in_use(source: &Path) -> Result<()> {
    let holders = InUse::of(source).holders;
    let holders: Vec<String> = holders.iter().map(Holder::to_string).collect();
    match holders.is_empty() {
        true => Ok(()),
        false => Err(Error::NeedsDecision(format!(
            "SOURCE {} is in use by {}\nStop it, or upgrade a copy; --force goes on regardless.",
            source.display(),
            holders.join(", ")
        ))),
    }
}

/// A target that has no room would fail after all the work. Most sources need
/// about as many bytes as they have; one that needs less than this part of them
/// was never seen.
fn refuse_without_space(job: &UpgradeJob<'_>, free_len: Option<u64>) -> Result<()> {
    let source_len = Unchanged::since_now(job.source).occupied_len();
    let least = source_len / LEAST_PART;
    match free_len {
        Some(free_len) if free_len < least && !job.options.drop_dead => {
            let why = format!(
                "No space left on device: {free_len} bytes can be written, expected at least {least} for the {source_len} of SOURCE\n\
                 Free some space, or give another TARGET; --force tries regardless."
            );
            let full = io::Error::new(io::ErrorKind::StorageFull, why);
            Err(Error::io("write", job.target, full))
        }
        _ => Ok(()),
    }
}

/// Why the source cannot be upgraded as it stands.
fn refusal(report: &Report) -> Option<Outcome> {
    // What salvage could not keep is named, and does not stop it.
    let errors = report
        .findings()
        .iter()
        .filter(|finding| finding.severity == Severity::Error && !finding.code.is_loss());
    let outcomes = errors.map(|finding| match finding.code {
        Code::Ambiguous | Code::Orphan | Code::AssignmentContradicted | Code::NoRowShown => {
            Outcome::NeedsDecision
        }
        _ => Outcome::Damaged,
    });
    // Damage first: decisions about a damaged source come after its repair.
    outcomes.min()
}

/// Counts keys that stand twice in tables that a start of the server wrote to,
/// undone or not.
fn report_doubled_keys(directory: &Directory, report: &mut Report) -> Result<()> {
    let findings = report.findings().iter();
    let of_replay = findings.filter(|finding| finding.code.is_replay());
    let tables = of_replay.filter_map(|finding| finding.table.clone());
    let tables: BTreeSet<String> = tables.collect();
    constraints::check_keys(directory, &tables, report)
}
