//! `rustdb-migrate compact`.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::commands::compact::{CompactReport, compact, compact_into};
use crate::commands::upgrade::Outcome;
use crate::commands::{Identity, OpenOptions};
use crate::report::Report;
use crate::work::Threads;

use super::Exit;
use super::again::Again;
use super::document::{DirectoryShown, Head, outcome};
use super::next_steps::{Obstacle, steps, steps_text};
use super::options::{Common, Format};
use super::output::{Output, error_width, note, warn};
use super::owner::OwnerArgs;
use super::shell::quoted_path;

/// Drops dead row versions, packs what is left, and writes indexes anew
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
In place, a crash or a signal leaves each table as before or as after; run it again to go on. What is \
packed already is not touched. Free space maps and indexes that are damaged or missing are \
written anew.")]
pub struct CompactArgs {
    /// Directory in one of our layouts
    dir: PathBuf,
    /// Write a compact copy to TARGET, and leave DIR as it is
    #[arg(short, long, value_name = "TARGET")]
    output: Option<PathBuf>,
    #[command(flatten)]
    owner: OwnerArgs,
    /// Threads that read at once [default: one a processor, at most 8]
    #[arg(long, value_name = "N")]
    threads: Option<Threads>,
    /// Output for people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl CompactArgs {
    /// Whether the directory itself is changed.
    pub(super) fn is_in_place(&self) -> bool {
        self.output.is_none()
    }
}

/// Runs the subcommand.
pub fn run(args: &CompactArgs, common: &Common) -> anyhow::Result<Exit> {
    let open = OpenOptions {
        progress: common.watch.clone(),
        threads: args.threads.unwrap_or_default(),
        ..OpenOptions::default()
    };
    let mut refused = false;
    let (report, findings, exit) = match &args.output {
        None => {
            let report = compact(&args.dir, &open)?;
            let findings = report.findings.clone();
            let exit = Exit::from(&Report::of(&findings));
            (report, findings, exit)
        }
        Some(target) => {
            args.owner.check(&args.dir)?;
            let (report, written) = compact_into(&args.dir, target, &open)?;
            if report.changed {
                let said = args.owner.give(&args.dir, target)?;
                said.iter().for_each(|text| note(text, common));
            }
            let exit = match written.outcome {
                Outcome::Done | Outcome::Planned => Exit::Done,
                Outcome::NeedsDecision => Exit::NeedsDecision,
                _ => Exit::Damage,
            };
            refused = matches!(written.outcome, Outcome::Damaged | Outcome::NeedsDecision);
            (report, written.findings, exit)
        }
    };
    let next = match refused {
        true => steps(
            Obstacle::Damage,
            &findings,
            &[],
            &quoted_path(&args.dir),
            &Again::upgrade(&args.dir),
        ),
        false => Vec::new(),
    };
    let mut out = Output::new(common)?;
    match args.format {
        Format::Json => {
            let head = Head {
                command: "compact",
                source: Some(DirectoryShown::known(&args.dir, Identity::ours_unread())),
                outcome: outcome(exit),
                findings: &findings,
                next: &next,
            };
            out.document(&head, &report)?;
        }
        Format::Text => {
            if !common.quiet {
                warn(&Report::of(&findings), common);
            }
            if refused {
                writeln!(io::stderr(), "DIR is damaged; nothing was written")?;
            }
            if refused && !common.quiet {
                io::stderr().write_all(steps_text(&next, error_width()).as_bytes())?;
            } else if !common.quiet {
                show(&mut out, &report)?;
            }
        }
    }
    out.finish()?;
    Ok(exit)
}

fn show(out: &mut Output, report: &CompactReport) -> anyhow::Result<()> {
    let arrow = |(before, after): (u64, u64)| format!("{before} -> {after}");
    let header = ["DATABASE", "TABLE", "ROWS", "BYTES"];
    let mut table = out.table(&header).right(&[2, 3]);
    for one in &report.tables {
        let (rows, bytes) = (arrow(one.rows), arrow(one.bytes));
        table.row([one.database.clone(), one.table.clone(), rows, bytes]);
    }
    out.write_all(table.text().as_bytes())?;
    match report.changed {
        true => writeln!(
            out,
            "{} rows, {} bytes, log {} bytes",
            arrow(report.rows),
            arrow(report.bytes),
            arrow(report.log_bytes)
        )?,
        false => writeln!(out, "everything is packed already; nothing was changed")?,
    }
    Ok(())
}
