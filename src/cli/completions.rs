//! `completions`, of both programs.

use std::io::Write;

use clap_complete::Shell;

use super::Exit;
use super::man::Program;
use super::options::Common;
use super::output::Output;

/// Writes what completes commands, options and values in a shell
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
bash: rustdb-inspect completions bash > ~/.local/share/bash-completion/completions/rustdb-inspect\n\
zsh:  rustdb-inspect completions zsh > DIRECTORY_OF_FPATH/_rustdb-inspect\n\
fish: rustdb-inspect completions fish > ~/.config/fish/completions/rustdb-inspect.fish")]
pub struct CompletionsArgs {
    /// bash, zsh or fish
    #[arg(value_parser = shell)]
    shell: Shell,
}

fn shell(text: &str) -> Result<Shell, String> {
    match text {
        "bash" => Ok(Shell::Bash),
        "zsh" => Ok(Shell::Zsh),
        "fish" => Ok(Shell::Fish),
        _ => Err("expected bash, zsh or fish".into()),
    }
}

/// Runs the subcommand.
pub(super) fn run(
    program: Program,
    args: &CompletionsArgs,
    common: &Common,
) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut program.command(),
        program.name(),
        &mut text,
    );
    let text = whole_names(String::from_utf8_lossy(&text).into_owned(), program);
    let mut out = Output::new(common)?;
    out.write_all(text.as_bytes())?;
    out.finish()?;
    Ok(Exit::Done)
}

/// clap_complete's script for bash sets a subcommand under one spelling of a
/// program's name with a hyphen, and looks it up under another: without this
/// nothing completes after a subcommand.
fn whole_names(text: String, program: Program) -> String {
    let spelt = |hyphen: &str| program.name().replace('-', hyphen);
    text.replace(&spelt("__subcmd__"), &spelt("__"))
}
