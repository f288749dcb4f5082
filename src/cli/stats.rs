//! `rustdb-inspect stats`.

use std::io::Write;
use std::path::PathBuf;

use bytesize::ByteSize;

use crate::commands::stats::{RecordTotals, Stats, TableStats, Writes, stats};
use crate::render::counted;

use super::Exit;
use super::document::{DirectoryShown, Head};
use super::options::{Common, Format, ReadArgs};
use super::output::{Output, warn};

/// Shows how the space of each table is used
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
PAGES are pages, records or blocks, as the layout has them. FILL is the share of row versions in \
their bytes, FRAGM the share that is free in other pages than the last one. Bytes of dead rows are \
given back by `rustdb-migrate compact`. Of a legacy directory, sizes are those of the rows in the \
snapshot.

Of a legacy directory, the records of its log that the snapshot does not hold are also written \
once more: by a model of the old server, which writes the whole snapshot at each checkpoint, and by \
each layout, in a directory for temporary files (TMPDIR) that needs about the room of the snapshot. \
PER BYTE is what was written for each byte of those records. --no-wal leaves this out.")]
pub struct StatsArgs {
    /// Data directory, legacy or upgraded
    dir: PathBuf,
    #[command(flatten)]
    reading: ReadArgs,
    /// Output for people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the subcommand.
pub fn run(args: &StatsArgs, common: &Common) -> anyhow::Result<Exit> {
    let stats = stats(&args.dir, &args.reading.open_options(common)?)?;
    let mut out = Output::new(common)?;
    match args.format {
        Format::Json => {
            let source = DirectoryShown::known(&args.dir, stats.identity.clone());
            out.document(&Head::of("stats", source, &stats.report), &stats)?;
        }
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
    match &stats.writes {
        Some(writes) => show_writes(out, writes),
        None => Ok(()),
    }
}

fn show_writes(out: &mut Output, writes: &Writes) -> anyhow::Result<()> {
    let count = |records: &RecordTotals| {
        let (number, bytes) = (records.records, ByteSize(records.bytes));
        format!("{} ({bytes})", counted(number, "record"))
    };
    writeln!(
        out,
        "\nBytes written for {} of the log that the snapshot does not hold:\n",
        count(&writes.replayed)
    )?;
    let header = [
        "WRITER",
        "CHECKPOINT",
        "CHECKPOINTS",
        "LOG",
        "FILES",
        "PER BYTE",
    ];
    let mut table = out.table(&header).right(&[1, 2, 3, 4, 5]);
    for run in &writes.runs {
        table.row([
            run.writer.clone(),
            format!("every {}", run.checkpoint_every),
            run.checkpoints.to_string(),
            ByteSize(run.log_bytes).to_string(),
            ByteSize(run.file_bytes).to_string(),
            format!("{:.2}", run.per_logged_byte),
        ]);
    }
    out.write_all(table.text().as_bytes())?;
    let left_out = &writes.left_out;
    let notes = [
        (left_out.unattributed, "left out: the database is not known"),
        (left_out.no_effect, "left out: without effect"),
        (
            left_out.beyond,
            "left out: what each writer costs is known before them",
        ),
        (
            left_out.refused,
            "refused by the layouts: a key or a version that the old server lets stand twice",
        ),
    ];
    for (records, why) in notes.iter().filter(|(records, _)| records.records > 0) {
        writeln!(out, "{} {why}", count(records))?;
    }
    if writes.rows_in_pages {
        writeln!(
            out,
            "The old server keeps rows in pages, which are not counted"
        )?;
    }
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
