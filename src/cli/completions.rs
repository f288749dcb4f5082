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
    let mut out = Output::new(common)?;
    out.write_all(&text)?;
    out.finish()?;
    Ok(Exit::Done)
}
