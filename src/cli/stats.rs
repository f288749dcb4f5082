//! `rustdb-inspect stats`.

use std::io::Write;
use std::path::PathBuf;

use bytesize::ByteSize;
use serde::Serialize;

use crate::commands::stats::{Stats, TableStats, stats};
use crate::finding::Finding;

use super::Exit;
use super::options::{Common, Format, Reading};
use super::output::{Output, warn};

/// Shows how the space of each table is used
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
PAGES are pages, records or blocks, as the layout has them. FILL is the share of row versions in \
their bytes, FRAGM the share that is free in other pages than the last one. Bytes of dead rows are \
given back by `rustdb-migrate compact`. Of a legacy directory, sizes are those of the rows in the \
snapshot.")]
pub struct StatsArgs {
    /// Data directory, legacy or upgraded
    dir: PathBuf,
    #[command(flatten)]
    reading: Reading,
    /// Output for people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Document<'s> {
    path: String,
    #[serde(flatten)]
    stats: &'s Stats,
    findings: &'s [Finding],
}

/// Runs the subcommand.
pub fn run(args: &StatsArgs, common: &Common) -> anyhow::Result<Exit> {
    let stats = stats(&args.dir, &args.reading.open_options(common)?)?;
    let mut out = Output::new(common)?;
    match args.format {
        Format::Json => out.json(&Document {
            path: args.dir.display().to_string(),
            stats: &stats,
            findings: stats.report.findings(),
        })?,
        Format::Text => {
            warn(&stats.report, common);
            show(&mut out, &stats)?;
        }
    }
    out.finish()?;
    Ok(Exit::from(&stats.report))
}

fn show(out: &mut Output, stats: &Stats) -> anyhow::Result<()> {
    let header = [
        "DATABASE",
        "TABLE",
        "SIZE",
        "LIVE",
        "DEAD",
        "PAGES",
        "LIVE SIZE",
        "DEAD SIZE",
        "FREE",
        "FILL",
        "FRAGM",
        "WIDEST",
    ];
    let header = match stats.unit {
        Some(_) => &header[..],
        None => header.get(..5).unwrap_or_default(),
    };
    let numbers: Vec<usize> = (2..header.len()).collect();
    let mut table = out.table(header).right(&numbers);
    stats.tables.iter().for_each(|one| table.row(cells(one)));
    out.write_all(table.text().as_bytes())?;
    Ok(())
}

fn cells(table: &TableStats) -> Vec<String> {
    let size = |bytes: u64| ByteSize(bytes).to_string();
    let mut cells = vec![
        table.database.clone(),
        table.table.clone(),
        size(table.bytes),
        table.live.to_string(),
        table.dead.to_string(),
    ];
    if let Some(space) = &table.space {
        let widest = space.widest.first();
        cells.extend([
            space.pages.to_string(),
            size(space.live_bytes),
            size(space.dead_bytes),
            size(space.free_bytes),
            format!("{}%", space.fill_percent),
            format!("{}%", space.fragmentation_percent),
            widest.map_or(String::new(), |row| size(row.bytes)),
        ]);
    }
    cells
}
