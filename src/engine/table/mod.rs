//! What every layout offers for one table: its files, its changes since the last
//! checkpoint, and their check.

mod block_cache;
mod check;
mod check_parts;
mod coverage;
mod files;
mod lazy;
mod live;
pub(in crate::engine) mod row_changes;
mod sequence_places;
mod whole_units;

pub(in crate::engine) use block_cache::{BlockCache, CachedBlock, FileBlocks};
pub use check::Level;
#[cfg(test)]
pub(in crate::engine) use check::check_table;
pub(in crate::engine) use check::{TableCheck, absorb};
pub(in crate::engine) use check_parts::WalkedBlocks;
pub use coverage::{Coverage, FileCoverage};
pub(in crate::engine) use files::{TableFiles, TableWriter, write_rows};
pub(in crate::engine) use lazy::Lazy;
pub(in crate::engine) use live::{Access, Ended, LiveTable, VisibleIds};
pub(in crate::engine) use sequence_places::SequencePlaces;
pub(in crate::engine) use whole_units::{NoUnits, Overlay, Unit, WholeRows, WholeUnits};
