//! `upgrade`: a directory of any kind into a new one of any layout.
//!
//! Read, work out what the server last had, write into a staging directory,
//! verify what was written, compare content hashes, publish by one rename.

mod quarantine;
mod report;
mod target;

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::file::check_target;
use crate::finding::{Code, Finding, Severity};
use crate::legacy::Family;
use crate::model::{Catalog, RowSource};
use crate::report::Report;

use super::content::{Content, HashingRows};
use super::convert::{ConvertedRows, CountingRows, Numeric, catalog_for};
use super::{Backend, Directory, OpenOptions};

pub use report::{Outcome, SourceSummary, TableSummary, TargetSummary, UpgradeReport};
pub use target::Target;

/// What to upgrade, and how.
#[derive(Debug, Clone)]
pub struct UpgradeOptions {
    /// The directory to read.
    pub source: PathBuf,
    /// The directory to write.
    pub target: PathBuf,
    /// The layout to write.
    pub to: Target,
    /// With the layout paged: pages of one file; default 1 GiB of them.
    pub pages_per_file: Option<u32>,
    /// How to read the source.
    pub open: OpenOptions,
    /// With a snapshot target: the family to write; default the source's own.
    pub family: Option<Family>,
    /// With a snapshot target: what to do with Numeric values.
    pub numeric: Numeric,
    /// Leave out row versions that are not visible.
    pub drop_dead: bool,
    /// Plan and report, and write nothing.
    pub dry_run: bool,
}

/// Upgrades, or says in the report why not; nothing is written then.
///
/// # Errors
/// When files cannot be read or written, or the target is in the way.
pub fn upgrade(options: &UpgradeOptions) -> Result<UpgradeReport> {
    check_target(&options.target, &options.source)?;
    let directory = match Directory::open(&options.source, &options.open) {
        Ok(directory) => directory,
        Err(Error::Damage(damage)) => {
            let mut report = Report::new();
            report.add(Finding::from(&*damage));
            return Ok(UpgradeReport::refused(
                options,
                None,
                report,
                Outcome::Damaged,
            ));
        }
        Err(other) => return Err(other),
    };
    let mut report = directory.findings();
    let source = SourceSummary::of(&directory)?;
    if let Some(outcome) = refusal(&report) {
        let mut refused = UpgradeReport::refused(options, Some(source), report, outcome);
        refused.attribution = report::attribution_counts(&directory);
        return Ok(refused);
    }
    let plan = Plan::new(options, &directory, &mut report)?;
    let content = plan.run(options, &directory, &mut report)?;
    Ok(UpgradeReport::done(
        options, source, &directory, &plan, content, report,
    ))
}

/// Why the source cannot be upgraded as it stands.
fn refusal(report: &Report) -> Option<Outcome> {
    // What salvage could not keep is named, and does not stop it.
    let errors = report
        .findings()
        .iter()
        .filter(|finding| finding.severity == Severity::Error && !finding.code.is_loss());
    let outcomes = errors.map(|finding| match finding.code {
        Code::Ambiguous | Code::Orphan | Code::AssignmentContradicted | Code::CutUncertain => {
            Outcome::NeedsDecision
        }
        _ => Outcome::Damaged,
    });
    // Damage first: decisions about a damaged source come after its repair.
    outcomes.min()
}

/// The content to write.
pub(super) struct Plan {
    /// As the target will hold it.
    catalog: Catalog,
    /// The legacy family that the content is of.
    family: Family,
    numeric: Numeric,
    live_counts: Option<Vec<Vec<u64>>>,
}

impl Plan {
    fn new(options: &UpgradeOptions, directory: &Directory, report: &mut Report) -> Result<Self> {
        let source_family = directory.source_family()?;
        let (family, numeric) = match options.to {
            Target::Snapshot => (options.family.unwrap_or(source_family), options.numeric),
            Target::Layout(_) => (source_family, Numeric::Keep),
        };
        let catalog = match options.to {
            Target::Snapshot if family != source_family => {
                catalog_for(directory.catalog(), source_family, family, report)
            }
            _ => directory.catalog().clone(),
        };
        let live_counts = match options.drop_dead {
            true => Some(live_counts(directory)?),
            false => None,
        };
        Ok(Plan {
            catalog,
            family,
            numeric,
            live_counts,
        })
    }

    /// Streams the content once: into the target, or, on a dry run, nowhere.
    fn run(
        &self,
        options: &UpgradeOptions,
        directory: &Directory,
        report: &mut Report,
    ) -> Result<Content> {
        let counted = CountingRows::new(directory);
        let converted = ConvertedRows::new(&counted, self.numeric, self.live_counts.clone());
        let hashed = HashingRows::new(&converted, &self.catalog);
        if options.dry_run {
            drain(&self.catalog, &hashed)?;
        } else {
            let staging = target::write(options, self, &hashed)?;
            quarantine::write(directory, staging.path())?;
            target::verify(options, self, &staging, &hashed.content(&self.catalog))?;
            staging.publish()?;
        }
        self.report_numeric(options, &counted, report);
        Ok(hashed.content(&self.catalog))
    }

    fn report_numeric(
        &self,
        options: &UpgradeOptions,
        counted: &CountingRows<'_>,
        report: &mut Report,
    ) {
        let count = counted.count();
        if options.to != Target::Snapshot || count.values == 0 {
            return;
        }
        let finding = match self.numeric {
            Numeric::Keep => Finding::new(Code::UnreadableByServer).detail(format!(
                "{} Numeric values were written as they are",
                count.values
            )),
            Numeric::Real if count.inexact > 0 => Finding::new(Code::NumericInexact).detail(
                format!("{} of {} Numeric values", count.inexact, count.values),
            ),
            _ => return,
        };
        report.add(finding.file(options.target.join(crate::legacy::SNAPSHOT_NAME)));
    }
}

fn live_counts(directory: &Directory) -> Result<Vec<Vec<u64>>> {
    let databases = directory.catalog().databases.iter().enumerate();
    databases
        .map(|(d, database)| {
            (0..database.tables.len())
                .map(|t| directory.live_count(d, t))
                .collect()
        })
        .collect()
}

fn drain(catalog: &Catalog, rows: &dyn RowSource) -> Result<()> {
    for (d, database) in catalog.databases.iter().enumerate() {
        for t in 0..database.tables.len() {
            let mut stream = rows.open_rows(d, t)?;
            while stream.next_batch()?.is_some() {}
        }
    }
    Ok(())
}

/// Number of records kept aside.
fn set_aside_count(directory: &Directory) -> usize {
    match directory.backend() {
        Backend::Legacy { recovery, .. } => recovery.set_aside.len(),
        Backend::Ours(_) => 0,
    }
}
