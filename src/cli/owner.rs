//! Who may read what was written.

use std::path::Path;

use anyhow::{Context, bail};

use crate::commands::Ownership;
use crate::render::escape;

use super::shell::quoted;

/// Whose TARGET is to be.
#[derive(Debug, Clone, clap::Args)]
pub struct OwnerArgs {
    /// Give TARGET to this user, by name or number [default: run as root, the owner of SOURCE]
    #[arg(long, value_name = "USER[:GROUP]")]
    owner: Option<String>,
}

impl OwnerArgs {
    /// Looks whether TARGET can be given away, before there is one.
    pub(super) fn check(&self, source: &Path) -> anyhow::Result<()> {
        let Some(owner) = &self.owner else {
            return Ok(());
        };
        if !is_root() {
            bail!("--owner: only root can give files away");
        }
        let wanted = Ownership::of(source)?.named(owner);
        wanted
            .map(drop)
            .map_err(|why| anyhow::anyhow!("--owner: {why}"))
    }

    /// Gives TARGET, which is complete, to whom it shall belong, and says whose
    /// it is where that is not the user who asked.
    pub(super) fn give(&self, source: &Path, target: &Path) -> anyhow::Result<Option<String>> {
        let mut wanted = Ownership::of(source)?;
        if let Some(owner) = &self.owner {
            let named = wanted.named(owner);
            wanted = named.map_err(|why| anyhow::anyhow!("--owner: {why}"))?;
        }
        let mine = Ownership::of(target)?;
        let same = (wanted.uid, wanted.gid) == (mine.uid, mine.gid);
        let (path, names) = (escape(&target.display().to_string()), wanted.names());
        if !is_root() {
            let differs = wanted.uid != mine.uid;
            return Ok(differs.then(|| {
                format!(
                    "{path} belongs to {}, and only they can read it; SOURCE belongs to {names}:\n  sudo chown -R {names} {}",
                    mine.names(),
                    quoted(target)
                )
            }));
        }
        wanted.give(target).with_context(|| {
            format!("{path} is complete and verified, but its owner could not be set")
        })?;
        Ok((!same).then(|| format!("{path} belongs to {names}, as asked or as SOURCE does")))
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
