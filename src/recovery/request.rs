//! What a recovery is asked to do.

use super::attribution::{Decisions, OnAmbiguous};

/// What to do beyond reading.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Show the snapshot alone.
    pub without_wal: bool,
    /// What the user decided.
    pub decisions: Decisions,
    /// What to do with records whose database stays unknown.
    pub on_ambiguous: OnAmbiguous,
    /// Go on past damage and keep what can be kept.
    pub salvage: bool,
    /// Undo what an earlier start of the server did wrong, where it is proven.
    pub repair_replay: bool,
}
