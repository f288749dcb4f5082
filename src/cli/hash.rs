//! `rustdb-inspect hash`.

use std::io::Write;
use std::path::PathBuf;

use crate::commands::content::{Content, hash_content};
use crate::commands::{Directory, Phase};
use crate::render::escape;

use super::Exit;
use super::document::{Head, Source};
use super::options::{Common, Format, ReadArgs};
use super::output::{Output, warn};

/// Shows one content hash a table, database and directory
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Equal for equal content, whatever the layout, the order of rows or the order of maps. \
The hash is of what a user sees: schemas, sequences, visible rows, accounts; --include-dead adds \
row versions that are no longer visible, and the transactions of each.")]
pub struct HashArgs {
    /// Data directory, legacy or upgraded
    dir: PathBuf,
    #[command(flatten)]
    reading: ReadArgs,
    /// Hash every row version with its xmin and xmax
    #[arg(long, alias = "versions")]
    include_dead: bool,
    /// Output for people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the subcommand.
pub fn run(args: &HashArgs, common: &Common) -> anyhow::Result<Exit> {
    let directory = Directory::open(&args.dir, &args.reading.open_options(common)?)?;
    directory.begin(Phase::Checking);
    let content = hash_content(directory.catalog(), &directory, directory.threads())?;
    directory.check_unchanged()?;
    let findings = directory.findings();
    let mut out = Output::new(common)?;
    match args.format {
        Format::Json => {
            let source = Source::of(&directory);
            out.document(&Head::of("hash", source, &findings), &content)?;
        }
        Format::Text => {
            warn(&findings, common);
            show(&mut out, &content, args.include_dead)?;
        }
    }
    out.finish()?;
    Ok(Exit::from(&findings))
}

fn show(out: &mut Output, content: &Content, versions: bool) -> anyhow::Result<()> {
    let hash = if versions {
        content.versions_hash
    } else {
        content.hash
    };
    writeln!(out, "{hash}  directory")?;
    for database in &content.databases {
        let hash = if versions {
            database.versions_hash
        } else {
            database.hash
        };
        writeln!(out, "{hash}  database   {}", escape(&database.database))?;
    }
    for table in &content.tables {
        let hash = if versions {
            table.versions_hash
        } else {
            table.hash
        };
        let name = format!("{}.{}", table.database, table.table);
        writeln!(
            out,
            "{hash}  table      {}  {} live, {} dead",
            escape(&name),
            table.live,
            table.dead
        )?;
    }
    Ok(())
}
