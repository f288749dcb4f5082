//! What a crash left, and what the data really was.
//!
//! scan and WAL come from [`legacy`](crate::legacy); here follow the cut (which
//! records the snapshot already holds), attribution (which database each record
//! was written for) and the replay by the server's true rules, as an overlay
//! over the scanned snapshot.

mod apply;
pub mod attribution;
mod cut;
mod cut_snapshot;
mod ground;
mod named_list;
mod overlay;
mod overlay_reader;
mod pages;
mod plan;
mod realign;
mod renames;
mod repair;
mod replay;
mod request;
mod runs;
mod salvage;
mod server_replay;
mod stored;
mod taint;
mod unknown_tables;

pub use apply::{Applied, SetAside};
pub use attribution::{Attribution, Confidence, Decisions, OnAmbiguous};
pub use cut::{Cut, CutReason, RECORDS_PER_CHECKPOINT, RecordState, find_cut};
pub use overlay::{Overlay, OverlayTable};
pub use plan::Recovery;
pub use replay::{Effect, TableState, advance_sequences};
pub use request::Request;
pub use runs::RunMap;
