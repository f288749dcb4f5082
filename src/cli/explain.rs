//! `rustdb-inspect explain`.

use std::io::Write;

use anyhow::bail;
use serde::Serialize;

use crate::commands::nearest;
use crate::finding::{Code, Severity};

use super::Exit;
use super::document::{Head, outcome};
use super::options::{Common, Format};
use super::output::Output;
use super::words::{WORDS, Word, meaning};

/// Says what a word or the code of a finding means, and what to do
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Without WORD, all of them: the codes of findings first. The severity of a code is the usual one; the place where \
something is found can make it lighter.")]
pub struct ExplainArgs {
    /// Codes of findings or other words, as the tools print them
    #[arg(value_name = "CODE|WORD")]
    word: Vec<String>,
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
struct Content {
    codes: Vec<Explained>,
    words: Vec<&'static Word>,
}

/// Runs the subcommand.
pub fn run(args: &ExplainArgs, common: &Common) -> anyhow::Result<Exit> {
    let (codes, words) = chosen(&args.word)?;
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
            let head = Head {
                command: "explain",
                source: None,
                outcome: outcome(Exit::Done),
                findings: &[],
                next: &[],
            };
            out.document(&head, &Content { codes, words })?;
        }
        Format::Text => {
            let mut texts: Vec<String> = Vec::new();
            for code in codes {
                let (meaning, remedy) = (out.wrapped(code.meaning()), out.wrapped(code.remedy()));
                texts.push(format!("{code} ({})\n{meaning}{remedy}", code.severity()));
            }
            for Word { word, of, meaning } in words {
                texts.push(format!("{word} ({of})\n{}", out.wrapped(meaning)));
            }
            out.write_all(texts.join("\n").as_bytes())?;
        }
    }
    out.finish()?;
    Ok(Exit::Done)
}

/// What the wanted words are, codes first; all there are for none.
fn chosen(wanted: &[String]) -> anyhow::Result<(Vec<Code>, Vec<&'static Word>)> {
    if wanted.is_empty() {
        return Ok((Code::ALL.to_vec(), WORDS.iter().collect()));
    }
    let (mut codes, mut words) = (Vec::new(), Vec::new());
    for wanted in wanted {
        let code = Code::ALL.iter().find(|code| code.as_str() == wanted);
        let word = meaning(wanted);
        if code.is_none() && word.is_none() {
            let known = Code::ALL.iter().map(|code| code.as_str());
            let known = known.chain(WORDS.iter().map(|word| word.word));
            bail!(
                "found no code or word {wanted:?}{}",
                nearest::hint(wanted, known)
            );
        }
        codes.extend(code);
        words.extend(word);
    }
    Ok((codes, words))
}
