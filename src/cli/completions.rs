//! `completions`, of both programs.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap_complete::Shell;

use crate::commands::{OutputOptions, write_output};
use crate::render::escape;

use super::options::{Common, CompletionsArgs};
use super::output::Output;
use super::{Exit, Program, man_page};

/// The page that is written by hand.
const FORMAT_PAGE: &str = include_str!("../../man/rustdb-format.5");

/// Runs the subcommand.
pub(super) fn run(
    program: Program,
    args: &CompletionsArgs,
    common: &Common,
) -> anyhow::Result<Exit> {
    let mut out = Output::new(common)?;
    match &args.shell {
        Some(shell) => {
            let shell = shell.parse().map_err(anyhow::Error::msg)?;
            out.write_all(completions(program, shell).as_bytes())?;
        }
        None => install(&mut out)?,
    }
    out.finish()?;
    Ok(Exit::Done)
}

fn completions(program: Program, shell: Shell) -> String {
    let mut text = Vec::new();
    let mut command = program.command();
    clap_complete::generate(shell, &mut command, program.name(), &mut text);
    whole_names(String::from_utf8_lossy(&text).into_owned(), program)
}

/// clap_complete's script for bash sets a subcommand under one spelling of a
/// program's name with a hyphen, and looks it up under another: without this
/// nothing completes after a subcommand.
fn whole_names(text: String, program: Program) -> String {
    let spelt = |hyphen: &str| program.name().replace('-', hyphen);
    text.replace(&spelt("__subcmd__"), &spelt("__"))
}

/// Writes everything, each file whole, and says where.
fn install(out: &mut Output) -> anyhow::Result<()> {
    let places = ShellDirs::of_user()?;
    for program in Program::ALL {
        let name = program.name();
        for (shell, dir, file) in [
            (Shell::Bash, &places.bash, name.to_owned()),
            (Shell::Zsh, &places.zsh, format!("_{name}")),
            (Shell::Fish, &places.fish, format!("{name}.fish")),
        ] {
            write(out, dir, &file, &completions(program, shell))?;
        }
        let man = places.man.join("man1");
        write(out, &man, &format!("{name}.1"), &man_page(program)?)?;
    }
    write(
        out,
        &places.man.join("man5"),
        "rustdb-format.5",
        FORMAT_PAGE,
    )?;
    let zsh = escape(&places.zsh.display().to_string());
    writeln!(
        out,
        "for zsh, before compinit in ~/.zshrc: fpath=({zsh} $fpath)"
    )?;
    Ok(())
}

fn write(out: &mut Output, dir: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    fs_err::create_dir_all(dir)?;
    let file = dir.join(name);
    // Nothing secret is in it, and another user may look for it too; one of an
    // earlier release gives way.
    let options = OutputOptions {
        replace: true,
        mode: 0o644,
        ..OutputOptions::default()
    };
    write_output(&file, &options, text.as_bytes())?;
    writeln!(out, "{}", escape(&file.display().to_string()))?;
    Ok(())
}

/// Where shells and `man` look.
struct ShellDirs {
    bash: PathBuf,
    zsh: PathBuf,
    fish: PathBuf,
    man: PathBuf,
}

impl ShellDirs {
    fn of_user() -> anyhow::Result<Self> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let Some(home) = set("HOME").map(PathBuf::from) else {
            bail!("HOME is not set, so it is not known where to write");
        };
        let data = set("XDG_DATA_HOME").map_or_else(|| home.join(".local/share"), PathBuf::from);
        let config = set("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
        let program = std::env::current_exe().context("where the program is")?;
        // `man` looks beside every `bin` of PATH.
        let beside = program.parent().filter(|dir| dir.ends_with("bin"));
        let beside = beside
            .and_then(Path::parent)
            .map(|dir| dir.join("share/man"));
        Ok(ShellDirs {
            bash: data.join("bash-completion/completions"),
            zsh: data.join("zsh/site-functions"),
            fish: config.join("fish/completions"),
            man: beside.unwrap_or_else(|| data.join("man")),
        })
    }
}
