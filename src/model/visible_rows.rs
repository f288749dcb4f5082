//! The visible rows of any stream: what every way out of a table without its
//! dead versions reads.

use super::{RowBatch, RowStream};
use crate::error::Result;

/// The visible rows of a stream. A batch may be empty: its rows were all dead.
pub struct VisibleRows<'r>(pub Box<dyn RowStream + 'r>);

impl RowStream for VisibleRows<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        let Some(batch) = self.0.next_batch()? else {
            return Ok(None);
        };
        let mut visible = RowBatch::new();
        for (values, xmin, xmax) in batch.into_rows() {
            if xmax.is_none() {
                values
                    .into_iter()
                    .for_each(|value| visible.push_value(value));
                visible.end_row(xmin, xmax);
            }
        }
        Ok(Some(visible))
    }
}
