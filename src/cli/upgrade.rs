//! `rustdb-migrate upgrade`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::commands::convert::Numeric;
use crate::commands::upgrade::{Outcome, Target, UpgradeOptions, UpgradeReport, upgrade};
use crate::commands::{LocalDisk, OpenOptions, OutputFile, OutputOptions};
use crate::engine::{ATTRIBUTION_NAME, Layout, MAX_PAGES_PER_FILE, QUARANTINE_NAME};
use crate::legacy::{Family, Release};
use crate::recovery::attribution::weight_text;
use crate::recovery::{OnAmbiguous, Request};
use crate::render::{counted, escape};
use crate::report::Report;
use crate::work::Threads;

use super::Exit;
use super::document::upgrade_document;
use super::next_steps::{after_upgrade, steps_text};
use super::options::{Beyond, Common, FAMILIES, Format, decisions, one_of};
use super::output::{Output, error_width, note, warn_above};
use super::owner::OwnerArgs;

/// Writes SOURCE into a new directory TARGET, verified, whole or not at all
#[derive(Debug, clap::Args)]
pub struct UpgradeArgs {
    /// Data directory to read; it is never changed
    source: PathBuf,
    /// Directory to write; must not exist or be empty
    #[arg(required_unless_present = "output")]
    target: Option<PathBuf>,
    /// TARGET, as other commands take it
    #[arg(short, long, value_name = "TARGET", conflicts_with = "target")]
    output: Option<PathBuf>,
    /// Layout to write
    #[arg(long, value_name = "LAYOUT", default_value = "paged", value_parser = one_of::<Target>(&["paged", "per-table", "append", "snapshot"]))]
    to: Target,
    /// With --to paged: pages of 8 KB in one file, 1 to 131072 [default: 131072, 1 GiB]
    #[arg(long, value_name = "N", value_parser = pages_per_file())]
    pages_per_file: Option<u32>,
    /// With --to snapshot: the release whose server is to show the rows: it counts transactions from 1, so their
    /// numbers are replaced [default: as they stand, in the source's own family]
    #[arg(long, value_name = "X.Y.Z")]
    release: Option<String>,
    /// With --to snapshot: what to do with Numeric values, which no old server can load
    #[arg(long, value_name = "HOW", default_value = "keep", value_parser = one_of::<Numeric>(&["keep", "text", "real"]))]
    numeric: Numeric,
    /// Records of TABLE were written for DATABASE (repeatable)
    #[arg(long, value_name = "TABLE=DATABASE")]
    assign: Vec<String>,
    /// Decision file, as `rustdb-migrate attribute` writes it
    #[arg(long, value_name = "FILE")]
    attribution: Option<PathBuf>,
    /// What to do with records whose database stays unknown
    #[arg(long, value_name = "HOW", default_value = "refuse", value_parser = one_of::<OnAmbiguous>(&["refuse", "best", "quarantine"]))]
    on_ambiguous: OnAmbiguous,
    /// Leave out row versions that are not visible
    #[arg(long)]
    drop_dead: bool,
    #[command(flatten)]
    beyond: Beyond,
    /// Skip the detection of the legacy family
    #[arg(long, value_name = "FAMILY", value_parser = one_of::<Family>(FAMILIES))]
    from_family: Option<Family>,
    /// Threads that work at once; what is written does not depend on it [default: one a processor, at most 8]
    #[arg(long, value_name = "N")]
    threads: Option<Threads>,
    #[command(flatten)]
    owner: OwnerArgs,
    /// Report everything the run would do, and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Go on although a live process holds SOURCE open, TARGET has little space, or the server of
    /// --release will show no row, and write over the file of --report
    #[arg(long)]
    force: bool,
    /// Write the report to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Output for people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl UpgradeArgs {
    fn target(&self) -> &Path {
        let target = self.target.as_ref().or(self.output.as_ref());
        target.map_or(Path::new(""), PathBuf::as_path)
    }
}

fn pages_per_file() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=MAX_PAGES_PER_FILE.into())
}

/// Runs the subcommand.
pub fn run(args: &UpgradeArgs, common: &Common) -> anyhow::Result<Exit> {
    let options = options(args, common)?;
    // What stands in the way is said before the work.
    let file = args.report.as_deref();
    let file = file.map(|path| open_report(path, args)).transpose()?;
    args.owner.check(&args.source)?;
    let report = upgrade(&args.source, args.target(), &options)?;
    if matches!(report.outcome, Outcome::Done | Outcome::DoneWithLoss) {
        let said = args.owner.give(&args.source, args.target())?;
        said.iter().for_each(|text| note(text, common));
    }
    if let Some(file) = file {
        let written = write_report(file, &report);
        written.with_context(|| match report.outcome {
            Outcome::Done | Outcome::DoneWithLoss => format!(
                "TARGET {} is complete and verified; only the report was not written",
                args.target().display()
            ),
            _ => "--report".to_owned(),
        })?;
    }
    let paths = (args.source.as_path(), args.target());
    let steps = after_upgrade(&report, paths, std::env::args_os());
    match args.format {
        Format::Json => {
            io::stdout().write_all(&upgrade_document(&report, &args.source, &steps)?)?;
        }
        Format::Text => {
            let steps = steps_text(&steps, error_width());
            show(&report, common, steps.lines().count())?;
            if !common.quiet {
                io::stderr().write_all(steps.as_bytes())?;
            }
        }
    }
    Ok(match report.outcome {
        Outcome::Damaged | Outcome::DoneWithLoss | Outcome::PlannedWithLoss => Exit::Damage,
        Outcome::NeedsDecision => Exit::NeedsDecision,
        Outcome::Planned | Outcome::Done => Exit::Done,
    })
}

fn options(args: &UpgradeArgs, common: &Common) -> anyhow::Result<UpgradeOptions> {
    if args.to != Target::Snapshot && (args.release.is_some() || args.numeric != Numeric::Keep) {
        bail!("--release and --numeric go with --to snapshot only");
    }
    let paged = Target::Layout(Layout::Paged);
    if args.to != paged && args.pages_per_file.is_some() {
        bail!("--pages-per-file goes with --to paged only");
    }
    let release = args.release.as_deref().map(str::parse::<Release>);
    let release = release.transpose();
    let release = release.map_err(|why| anyhow::anyhow!("--release: {why}"))?;
    Ok(UpgradeOptions {
        disk: LocalDisk::shared(),
        to: args.to,
        pages_per_file: args.pages_per_file,
        open: OpenOptions {
            disk: LocalDisk::shared(),
            look_for_writers: true,
            family: args.from_family,
            recovery: Request {
                without_wal: false,
                decisions: decisions(&args.assign, args.attribution.as_deref())?,
                on_ambiguous: args.on_ambiguous,
                salvage: args.beyond.salvage,
                repair_replay: args.beyond.repair_replay,
            },
            threads: args.threads.unwrap_or_default(),
            progress: common.watch.clone(),
        },
        release,
        numeric: args.numeric,
        drop_dead: args.drop_dead,
        dry_run: args.dry_run,
        force: args.force,
    })
}

fn open_report(path: &Path, args: &UpgradeArgs) -> anyhow::Result<OutputFile> {
    let outside = [("SOURCE", args.source.as_path()), ("TARGET", args.target())];
    let options = OutputOptions {
        outside: &outside,
        replace: args.force,
        ..OutputOptions::default()
    };
    OutputFile::create(path, &options).context("--report")
}

fn write_report(file: OutputFile, report: &UpgradeReport) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec_pretty(report)?;
    text.push(b'\n');
    Ok(file.finish(&text)?)
}

/// The head of the table, and lines that say how it ended.
const END_LINES: usize = 5;

/// Says what was done, above `below` more lines.
fn show(report: &UpgradeReport, common: &Common, below: usize) -> anyhow::Result<()> {
    let findings = Report::of(&report.findings).salvaging(report.salvage);
    let mut out = Output::new(common)?;
    let mut rows: Vec<_> = report.tables.iter().collect();
    let more = out.cut_rows(&mut rows, common);
    let tables = rows.len() + more.lines().count();
    warn_above(&findings, common, tables + END_LINES + below);
    if !report.tables.is_empty() && !common.quiet {
        let header = ["DATABASE", "TABLE", "LIVE", "DEAD"];
        let mut table = out.table(&header).right(&[2, 3]);
        for one in rows {
            let (live, dead) = (one.live.to_string(), one.dead.to_string());
            table.row([one.database.clone(), one.table.clone(), live, dead]);
        }
        out.write_all(table.text().as_bytes())?;
        out.write_all(more.as_bytes())?;
    }
    let target = &report.target;
    let path = escape(&target.path.display().to_string());
    match report.outcome {
        Outcome::Done => writeln!(out, "{} written as {}, verified", path, target.layout)?,
        Outcome::DoneWithLoss => writeln!(
            out,
            "{} written as {}, verified; what the errors name is lost",
            path, target.layout
        )?,
        Outcome::Planned | Outcome::PlannedWithLoss => writeln!(
            out,
            "{} would be written as {}; nothing was written",
            path, target.layout
        )?,
        Outcome::Damaged => {
            writeln!(io::stderr(), "SOURCE is damaged; nothing was written")?;
        }
        Outcome::NeedsDecision => {
            writeln!(io::stderr(), "a decision is needed; nothing was written")?;
        }
    }
    show_unproven(&mut out, report)?;
    out.finish()?;
    Ok(())
}

/// What was done without proof: said whatever else is left out.
fn show_unproven(out: &mut Output, report: &UpgradeReport) -> anyhow::Result<()> {
    let (was, were) = match report.outcome {
        Outcome::Planned | Outcome::PlannedWithLoss => ("would be", "would be"),
        _ => ("was", "were"),
    };
    let verb = |count: usize| if count == 1 { was } else { were };
    let target = report.target.path.display().to_string();
    let target = escape(target.trim_end_matches('/'));
    if report.quarantined > 0 {
        writeln!(
            out,
            "{} {} kept aside in {}/{QUARANTINE_NAME}",
            counted(report.quarantined as u64, "record"),
            verb(report.quarantined),
            target,
        )?;
    }
    if let Some(likelihood) = &report.likelihood {
        writeln!(
            out,
            "{} {} placed by likelihood, the lowest weight {} (record {});\n  {}/{ATTRIBUTION_NAME} lists them",
            counted(likelihood.records as u64, "record"),
            verb(likelihood.records),
            weight_text(likelihood.lowest_weight),
            likelihood.lowest_sequence,
            target,
        )?;
    }
    Ok(())
}
