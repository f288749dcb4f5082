//! What the log of a report costs to write, writer by writer.

use bytesize::ByteSize;

use crate::commands::stats::{WriterTotals, Writes};
use crate::render::html::{WriteBar, WritesSection};

/// The bars of a legacy log.
pub(super) fn writes_section(writes: &Writes) -> WritesSection {
    let (records, bytes) = (writes.replayed.records, ByteSize(writes.replayed.bytes));
    WritesSection {
        says: format!(
            "Bytes that each writer writes for {records} records ({bytes}) of the log that the snapshot does not hold. \
             Measured; `rustdb-inspect stats` says more."
        ),
        bars: writes.runs.iter().map(bar).collect(),
    }
}

fn bar(run: &WriterTotals) -> WriteBar {
    let bytes = run.log_bytes.saturating_add(run.file_bytes);
    WriteBar {
        writer: format!(
            "{}, a checkpoint every {}",
            run.writer, run.checkpoint_every
        ),
        bytes,
        size: ByteSize(bytes).to_string(),
        per_byte: format!("{:.2}", run.per_logged_byte),
    }
}
