//! Our log (format page, "Our log"): what happened since the last checkpoint,
//! and the batches of file changes that checkpoints make.

mod batch;
mod change;
mod reader;
mod record;
mod segment;
mod writer;

pub(in crate::engine) use batch::Batch;
pub(in crate::engine) use change::Change;
pub(in crate::engine) use reader::{LogEnd, LogFacts, LogReader};
pub(in crate::engine) use record::{EndedVersion, Entry, Inserted, Owner};
pub use segment::LOG_DIR;
pub(in crate::engine) use segment::{SEGMENT_HEAD_LEN, SegmentFile};
pub(in crate::engine) use writer::LogWriter;

/// What the format page names, by its name there.
#[cfg(test)]
pub(super) const LIMITS: [(&str, u64); 2] = [
    ("SEGMENT_HEAD_LEN", SEGMENT_HEAD_LEN as u64),
    ("LOG_RECORD_HEAD_LEN", record::LOG_RECORD_HEAD_LEN as u64),
];
