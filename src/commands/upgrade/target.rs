//! What an upgrade can write.

use std::fmt;
use std::str::FromStr;

use crate::engine::Layout;

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// A directory of ours.
    Layout(Layout),
    /// A legacy snapshot.
    Snapshot,
}

impl Default for Target {
    fn default() -> Self {
        Target::Layout(Layout::default())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Layout(layout) => layout.fmt(f),
            Target::Snapshot => f.write_str("snapshot"),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "snapshot" {
            return Ok(Target::Snapshot);
        }
        text.parse()
            .map(Target::Layout)
            .map_err(|_| "expected paged, per-table, append or snapshot".into())
    }
}
