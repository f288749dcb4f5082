//! The visible rows of any stream: what every way out of a table without its
//! dead versions reads.

use super::{RowBatch, RowStream};
use crate::error::Result;

/// The visible rows of a stream. A batch may be empty: its rows were all dead.
pub struct VisibleRows<'r>(pub Box<dyn RowStream + 'r>);

impl RowStream for VisibleRows<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        let mut batch = self.0.next_batch()?;
        if let Some(batch) = &mut batch {
            batch.retain_visible();
        }
        Ok(batch)
    }
}
