//! `rustdb-inspect explain`.

use std::io::Write;

use anyhow::bail;
use serde::Serialize;

use crate::commands::nearest;
use crate::finding::{Code, Severity};

use super::Exit;
use super::options::{Common, Format};
use super::output::Output;

/// Says what the code of a finding means and what to do
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Without CODE, all of them. The severity is the usual one; the place where something is found can make it lighter.")]
pub struct ExplainArgs {
    /// Code, as findings show it
    code: Option<String>,
    /// Output for people or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Explained {
    code: Code,
    severity: Severity,
    meaning: &'static str,
    remedy: &'static str,
}

#[derive(Serialize)]
struct All {
    codes: Vec<Explained>,
}

/// Runs the subcommand.
pub fn run(args: &ExplainArgs, common: &Common) -> anyhow::Result<Exit> {
    let codes = chosen(args.code.as_deref())?;
    let mut out = Output::new(common)?;
    match args.format {
        Format::Json => {
            let explained = codes.iter().map(|code| Explained {
                code: *code,
                severity: code.severity(),
                meaning: code.meaning(),
                remedy: code.remedy(),
            });
            let codes = explained.collect();
            out.json(&All { codes })?;
        }
        Format::Text => {
            for (position, code) in codes.iter().enumerate() {
                if position > 0 {
                    writeln!(out)?;
                }
                writeln!(out, "{code} ({})", code.severity())?;
                writeln!(out, "  {}\n  {}", code.meaning(), code.remedy())?;
            }
        }
    }
    out.finish()?;
    Ok(Exit::Done)
}

fn chosen(wanted: Option<&str>) -> anyhow::Result<Vec<Code>> {
    let Some(wanted) = wanted else {
        return Ok(Code::ALL.to_vec());
    };
    match Code::ALL.iter().find(|code| code.as_str() == wanted) {
        Some(code) => Ok(vec![*code]),
        None => {
            let known = Code::ALL.iter().map(|code| code.as_str());
            bail!("found no code {wanted:?}{}", nearest::hint(wanted, known))
        }
    }
}
