//! The bytes that RustDB 1.3-2.x leaves: snapshots, WAL segments, rows
//! (format page, "Legacy files"). Reads and writes bytes; what they mean after
//! a crash is for [`recovery`](crate::recovery) to say.

mod decode;
mod directory;
mod encode;
mod family;
mod page_file;
mod page_view;
mod resume;
mod rows;
mod salvage;
mod segments;
mod snapshot;
mod wal;
mod wal_order;
mod wal_report;
mod walk;
mod zeros;

pub use directory::{LegacyDir, SNAPSHOT_NAME, SnapshotFiles, WAL_DIR_NAME, read_wal_by_family};
pub use encode::{SnapshotEncoder, encode_column};
pub use family::{Family, Release};
pub use page_file::{LegacyPage, LegacyPageHeader, LegacySlot, PAGE_DATA_LEN, PageDir, PageRows};
pub use page_view::LegacyPageViews;
pub use rows::{RowExtent, RowReader, narrowed, read_rows_at};
pub use salvage::{Announced, Loss, Salvaged, Shortfall, salvage_snapshot};
pub use segments::read_wal;
pub use snapshot::{FamilyEvidence, Snapshot, scan_snapshot};
pub use wal::{
    BadRange, Copied, FRAME_LEN, Jump, Misnumbered, Segment, Verdict, Wal, WalRecord, WideInsert,
    WideInserts, decode_record,
};
