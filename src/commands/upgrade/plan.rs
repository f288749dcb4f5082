//! What an upgrade writes.

use crate::commands::content::Content;
use crate::commands::convert::{
    ConvertedRows, CountingRows, Numeric, ServerRows, StartCount, catalog_for,
};
use crate::commands::{Backend, Directory};
use crate::error::Result;
use crate::finding::{Code, Finding, Severity, counted};
use crate::legacy::{Family, SNAPSHOT_NAME};
use crate::model::{Catalog, RowSource};
use crate::report::Report;

use super::placed::{self, Placed};
use super::quarantine::{self, Quarantined};
use super::take_up::TakenUp;
use super::{Target, UpgradeJob};

/// The content to write.
pub(super) struct Plan<'d> {
    rows: TakenUp<'d>,
    /// As the target will hold it.
    pub catalog: Catalog,
    /// The legacy family that the content is of.
    pub family: Family,
    numeric: Numeric,
    live_counts: Option<Vec<Vec<u64>>>,
    /// Records that go into quarantine.
    pub quarantined: Vec<Quarantined>,
    /// Where it comes from.
    pub directory: &'d Directory,
    /// Records that were placed by likelihood.
    pub placed: Vec<Placed<'d>>,
}

impl<'d> Plan<'d> {
    /// Works out what the target will hold.
    pub fn new(
        job: &UpgradeJob<'_>,
        directory: &'d Directory,
        report: &mut Report,
    ) -> Result<Self> {
        let rows = TakenUp::new(directory, &job.options.open.recovery.decisions, report)?;
        let source_family = directory.source_family()?;
        let (family, numeric) = match job.options.to {
            Target::Snapshot => (
                job.options
                    .release
                    .map_or(source_family, |release| release.family),
                job.options.numeric,
            ),
            Target::Layout(_) => (source_family, Numeric::Keep),
        };
        let catalog = match job.options.to {
            // Of its own family too: what a cut snapshot has lost, as an owner, it
            // has no way to leave out.
            Target::Snapshot => catalog_for(&rows.catalog, source_family, family, report),
            Target::Layout(_) => rows.catalog.clone(),
        };
        let live_counts = match job.options.drop_dead {
            true => Some(live_counts(&rows)?),
            false => None,
        };
        let mut quarantined = quarantine::of_directory(directory)?;
        quarantined.extend(rows.left.iter().cloned());
        if job.options.drop_dead {
            // Places are counted in row versions, and some are left out.
            quarantined.iter_mut().for_each(Quarantined::forget_place);
        }
        Ok(Plan {
            rows,
            quarantined,
            directory,
            placed: placed::of_directory(directory),
            catalog,
            family,
            numeric,
            live_counts,
        })
    }

    /// Streams the content once, to where `carry_out` takes it.
    ///
    /// # Errors
    /// Those of `carry_out`.
    pub fn run(
        &self,
        job: &UpgradeJob<'_>,
        report: &mut Report,
        carry_out: impl FnOnce(&dyn RowSource) -> Result<Content>,
    ) -> Result<Content> {
        let counted = CountingRows::new(&self.rows);
        let source: &dyn RowSource = match job.options.to {
            Target::Snapshot => &counted,
            Target::Layout(_) => &self.rows,
        };
        let converted = ConvertedRows::new(source, self.numeric, self.live_counts.clone());
        let served = ServerRows::new(&converted, job.options.release.is_some());
        let content = match job.options.to {
            Target::Snapshot => carry_out(&served)?,
            Target::Layout(_) => carry_out(&converted)?,
        };
        self.report_numeric(job, &counted, report);
        report_start(job, served.count(), report);
        Ok(content)
    }

    fn report_numeric(
        &self,
        job: &UpgradeJob<'_>,
        counted: &CountingRows<'_>,
        report: &mut Report,
    ) {
        let count = counted.count();
        if job.options.to != Target::Snapshot || count.values == 0 {
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
        report.add(finding.file(job.target.join(SNAPSHOT_NAME)));
    }
}

/// Says that the server of a snapshot will show no row of it: since 2.0, and
/// since 1.5 where it keeps rows in page files, it never reads them back.
///
/// # Errors
/// When a directory of ours names a family that this version does not know.
pub(super) fn report_server(
    job: &UpgradeJob<'_>,
    directory: &Directory,
    report: &mut Report,
) -> Result<()> {
    if job.options.to != Target::Snapshot {
        return Ok(());
    }
    let finding = Finding::new(Code::NoRowShown).file(job.target.join(SNAPSHOT_NAME));
    match job.options.release {
        Some(release) if release.shows_rows => {}
        Some(_) => report.add(finding.severity(match job.options.force {
            true => Severity::Warning,
            false => Severity::Error,
        })),
        None => {
            let paged = match directory.backend() {
                Backend::Legacy { legacy, .. } => {
                    !legacy.page_dirs.is_empty() || report.has(Code::RowsNotInSnapshot)
                }
                Backend::Ours(_) => false,
            };
            if paged || directory.source_family()?.has_roles() {
                report.add(finding);
            }
        }
    }
    Ok(())
}

/// Says what a server that starts on the snapshot makes of its transactions.
fn report_start(job: &UpgradeJob<'_>, count: StartCount, report: &mut Report) {
    if job.options.to != Target::Snapshot {
        return;
    }
    let finding = match job.options.release {
        Some(_) if count.other > 0 => Finding::new(Code::Renumbered)
            .detail(format!("of {}", counted(count.other, "row version"))),
        None if count.hidden + count.back > 0 => Finding::new(Code::StartDiffers).detail(format!(
            "{} would not show, {} would show again",
            counted(count.hidden, "visible row"),
            counted(count.back, "invisible row")
        )),
        _ => return,
    };
    report.add(finding.file(job.target.join(SNAPSHOT_NAME)));
}

fn live_counts(rows: &TakenUp<'_>) -> Result<Vec<Vec<u64>>> {
    let databases = rows.catalog.databases.iter().enumerate();
    databases
        .map(|(d, database)| {
            (0..database.tables.len())
                .map(|t| rows.live_count(d, t))
                .collect()
        })
        .collect()
}
