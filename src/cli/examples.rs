//! Examples of every subcommand, for its `--help` and for the man page: one
//! table, so that they cannot differ.

use clap::Command;

/// A command line and what it does.
pub(super) type ExampleText = (&'static str, &'static str);

/// Those of `rustdb-migrate`.
pub(super) const MIGRATE: &[ExampleText] = &[
    (
        "rustdb-migrate upgrade data new --dry-run",
        "Says what an upgrade would find and write, and writes nothing.",
    ),
    (
        "rustdb-migrate upgrade data new",
        "Writes a copied data directory into a new one, verified.",
    ),
    (
        "rustdb-migrate upgrade data new --assign orders=shop",
        "The same, where only the user knows whose the records of orders are.",
    ),
    (
        "rustdb-migrate upgrade data old --to snapshot --release 1.4.1 --numeric text",
        "Writes a snapshot that the old server can load.",
    ),
    (
        "rustdb-migrate attribute data -o decisions",
        "Writes whose each record is, for `upgrade data new --attribution decisions`.",
    ),
    (
        "rustdb-migrate compact new",
        "Drops dead row versions and packs what is left, in place.",
    ),
    (
        "rustdb-migrate compact new -o packed",
        "Writes a compact copy, and leaves the directory as it is.",
    ),
    (
        "rustdb-migrate completions bash",
        "Writes what completes commands in a shell.",
    ),
];

/// Those of `rustdb-inspect`.
pub(super) const INSPECT: &[ExampleText] = &[
    (
        "rustdb-inspect info data",
        "Shows what a data directory is and what it holds.",
    ),
    (
        "rustdb-inspect dump data",
        "Writes everything as a script that psql loads into PostgreSQL 15.",
    ),
    (
        "rustdb-inspect dump data --format jsonl --typed --table shop.orders",
        "Writes the rows of one table, one JSON object a line.",
    ),
    (
        "rustdb-inspect dump data --format csv -o tables",
        "Writes every table into a file of its own below tables.",
    ),
    (
        "rustdb-inspect dump data --format parquet -o tables",
        "Likewise with typed columns, for DuckDB, Spark or DataFusion.",
    ),
    (
        "rustdb-inspect dump data --format jsonl --redact",
        "Writes all rows with lengths in place of values, to attach to a ticket.",
    ),
    (
        "rustdb-inspect page new shop.orders 0..3 --format hex",
        "Shows pages of a table, their fields marked.",
    ),
    (
        "rustdb-inspect stats new",
        "Shows how the space of each table is used.",
    ),
    (
        "rustdb-inspect wal data --attribute --from 100",
        "Shows the log from record 100 on, and whose each record was.",
    ),
    (
        "rustdb-inspect wal data --explain 104",
        "Shows why record 104 belongs to its database and not to another.",
    ),
    (
        "rustdb-inspect verify data new",
        "Checks two directories, and exits with 1 if either is damaged.",
    ),
    (
        "rustdb-inspect diff data new",
        "Shows what two directories hold differently, and exits with 1 if anything.",
    ),
    (
        "rustdb-inspect hash data --format json",
        "Writes one hash a table, to compare with those of another directory.",
    ),
    (
        "rustdb-inspect check fixtures",
        "Compares every data directory below fixtures with what is written down about it.",
    ),
    #[cfg(feature = "report")]
    (
        "rustdb-inspect report data -o report.html",
        "Writes one page to read in a browser: what was found and what to do next.",
    ),
    (
        "rustdb-inspect explain torn-tail",
        "Says what a code or another word means and what to do.",
    ),
    (
        "rustdb-inspect completions --install",
        "Puts completions and man pages of both programs where they are found.",
    ),
    (
        "rustdb-inspect completions zsh",
        "Writes what completes commands in a shell.",
    ),
];

/// A program's definition, the help of each subcommand ending with its examples.
pub(super) fn with_examples(command: Command, examples: &[ExampleText]) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|one| one.get_name().to_owned())
        .collect();
    names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(&name, |subcommand| {
            let text = examples_text(&name, examples);
            if text.is_empty() {
                return subcommand;
            }
            let notes = subcommand.get_after_long_help().map(ToString::to_string);
            let long = notes.map_or_else(|| text.clone(), |notes| format!("{notes}\n\n{text}"));
            subcommand.after_help(text).after_long_help(long)
        })
    })
}

fn examples_text(subcommand: &str, examples: &[ExampleText]) -> String {
    let mut text = String::new();
    for (line, meaning) in examples {
        if line.split(' ').nth(1) == Some(subcommand) {
            text.push_str(&format!("\n  {line}\n      {meaning}"));
        }
    }
    match text.is_empty() {
        true => text,
        false => format!("Examples:{text}"),
    }
}
