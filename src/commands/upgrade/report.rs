//! What an upgrade did, or would do, in the shape that scripts rely on.

use std::path::PathBuf;

use serde::Serialize;

use crate::commands::content::Content;
use crate::commands::undecided::Undecided;
use crate::commands::{Backend, Directory};
use crate::engine::QUARANTINE_NAME;
use crate::error::Result;
use crate::finding::{Code, Finding, counted, path_fields};
use crate::recovery::attribution::Counts;
use crate::report::Report;

use super::UpgradeJob;
use super::placed::{self, Likelihood};
use super::plan::Plan;
use super::quarantine::QuarantinedTables;

/// How an upgrade ended. The order is that of weight: the heaviest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// The source is damaged; nothing was written.
    Damaged,
    /// The user must decide; nothing was written.
    NeedsDecision,
    /// A dry run: nothing was written; the run would lose something.
    PlannedWithLoss,
    /// A dry run: nothing was written, and the run would be done.
    Planned,
    /// The target is there, verified, and something of the source is lost.
    DoneWithLoss,
    /// The target is there, verified.
    Done,
}

/// How an upgrade ended, what it read and what it wrote.
#[derive(Debug, Serialize)]
pub struct UpgradeReport {
    /// Version of this shape.
    pub schema: u32,
    /// Version of the tool.
    pub version: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was read; absent when nothing could be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceSummary>,
    /// What was, or would be, written.
    pub target: TargetSummary,
    /// The tables written, in name order.
    pub tables: Vec<TableSummary>,
    /// Records of the tail by confidence.
    pub attribution: Counts,
    /// Records kept aside in `quarantine.jsonl`.
    pub quarantined: usize,
    /// Records placed by likelihood, which `attribution.jsonl` lists; absent
    /// without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likelihood: Option<Likelihood>,
    /// Tables whose records wait for a decision.
    #[serde(skip)]
    pub undecided: Vec<Undecided>,
    /// Everything found.
    pub findings: Vec<Finding>,
    /// Whether what can be kept of a damaged source was to be kept.
    #[serde(skip)]
    pub salvage: bool,
}

/// What was read.
#[derive(Debug, Clone, Serialize)]
pub struct SourceSummary {
    /// The directory.
    #[serde(flatten, serialize_with = "path_fields")]
    pub path: PathBuf,
    /// Legacy or a layout of ours.
    pub kind: &'static str,
    /// The legacy family of the data.
    pub family: String,
    /// How the log stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wal: Option<&'static str>,
    /// Records applied over the snapshot.
    pub tail: usize,
}

/// What was, or would be, written.
#[derive(Debug, Clone, Serialize)]
pub struct TargetSummary {
    /// The directory.
    #[serde(flatten, serialize_with = "path_fields")]
    pub path: PathBuf,
    /// The layout that was written, or `snapshot`.
    pub layout: String,
    /// With a snapshot: the family written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Hash of the content, every version included, the same in source and target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// One table written.
#[derive(Debug, Clone, Serialize)]
pub struct TableSummary {
    /// The database that it belongs to.
    pub database: String,
    /// Its name.
    pub table: String,
    /// Visible row versions.
    pub live: u64,
    /// Row versions that are not visible.
    pub dead: u64,
}

impl SourceSummary {
    pub(super) fn of(directory: &Directory) -> Result<Self> {
        let (kind, wal, tail) = match directory.backend() {
            Backend::Legacy { legacy, recovery } => (
                "legacy",
                Some(legacy.wal.verdict().as_str()),
                recovery.attribution.tail.len(),
            ),
            Backend::Ours(_) => ("rustdb-migrate", None, 0),
        };
        Ok(SourceSummary {
            path: directory.path().to_owned(),
            kind,
            family: directory.source_family()?.to_string(),
            wal,
            tail,
        })
    }
}

/// Records of the tail by confidence.
pub(super) fn attribution_counts(directory: &Directory) -> Counts {
    match directory.backend() {
        Backend::Legacy { recovery, .. } => recovery.attribution.counts(),
        Backend::Ours(_) => Counts::default(),
    }
}

impl UpgradeReport {
    fn new(job: &UpgradeJob<'_>, outcome: Outcome, report: Report) -> Self {
        UpgradeReport {
            schema: 1,
            version: env!("CARGO_PKG_VERSION"),
            outcome,
            source: None,
            target: TargetSummary {
                path: job.target.to_owned(),
                layout: job.options.to.to_string(),
                family: None,
                content: None,
            },
            tables: Vec::new(),
            attribution: Counts::default(),
            quarantined: 0,
            likelihood: None,
            undecided: Vec::new(),
            findings: report.findings().to_vec(),
            salvage: job.options.open.recovery.salvage,
        }
    }

    pub(super) fn refused(
        job: &UpgradeJob<'_>,
        source: Option<SourceSummary>,
        report: Report,
        outcome: Outcome,
    ) -> Self {
        UpgradeReport {
            source,
            ..Self::new(job, outcome, report)
        }
    }

    pub(super) fn done(
        job: &UpgradeJob<'_>,
        source: SourceSummary,
        directory: &Directory,
        plan: &Plan<'_>,
        content: Content,
        mut report: Report,
    ) -> Self {
        let lost = report
            .findings()
            .iter()
            .any(|finding| finding.code.is_loss());
        let outcome = match (job.options.dry_run, lost) {
            (true, false) => Outcome::Planned,
            (true, true) => Outcome::PlannedWithLoss,
            (false, false) => Outcome::Done,
            (false, true) => Outcome::DoneWithLoss,
        };
        let quarantined = plan.quarantined.len();
        if quarantined > 0 {
            report.add(
                Finding::new(Code::Quarantined)
                    .file(job.target.join(QUARANTINE_NAME))
                    .detail(counted(quarantined, "record")),
            );
        }
        let likelihood = placed::report(&plan.placed, directory, &mut report);
        let mut done = Self::new(job, outcome, report);
        done.source = Some(source);
        done.attribution = attribution_counts(directory);
        done.quarantined = quarantined;
        done.likelihood = likelihood;
        if let Backend::Ours(_) = directory.backend() {
            let mut tables = QuarantinedTables::default();
            plan.quarantined.iter().for_each(|one| tables.add(one));
            done.undecided = tables.finish();
        }
        done.target.content = Some(content.versions_hash.to_string());
        if job.options.to == super::Target::Snapshot {
            done.target.family = Some(plan.family.to_string());
        }
        done.tables = content
            .tables
            .into_iter()
            .map(|table| TableSummary {
                database: table.database,
                table: table.table,
                live: table.live,
                dead: table.dead,
            })
            .collect();
        done
    }
}
