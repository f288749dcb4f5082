//! Sources through which the rows of another one pass.

use super::{RowPart, RowSource, RowStream};
use crate::error::Result;

/// Changes or watches the rows of a source on their way to whoever reads them.
/// Everything that is not said here is as the source has it.
pub trait PassThrough: Sync {
    /// Where the rows come from.
    fn source(&self) -> &dyn RowSource;

    /// What becomes of a stream of rows of a table, given by the positions of
    /// its database and of itself.
    ///
    /// # Errors
    /// When there is no such table.
    fn stream<'r>(
        &'r self,
        table: (usize, usize),
        rows: Box<dyn RowStream + 'r>,
    ) -> Result<Box<dyn RowStream + 'r>>;

    /// How many rows of a table pass, if not all do; visible ones always pass.
    fn passing(&self, database: usize, table: usize) -> Option<u64> {
        let _ = (database, table);
        None
    }
}

impl<T: PassThrough> RowSource for T {
    fn row_count(&self, database: usize, table: usize) -> u64 {
        let passing = self.passing(database, table);
        passing.unwrap_or_else(|| self.source().row_count(database, table))
    }

    fn open_rows(&self, database: usize, table: usize) -> Result<Box<dyn RowStream + '_>> {
        let rows = self.source().open_rows(database, table)?;
        self.stream((database, table), rows)
    }

    fn parts(&self, database: usize, table: usize) -> Result<Vec<RowPart>> {
        self.source().parts(database, table)
    }

    fn open_part(
        &self,
        database: usize,
        table: usize,
        part: &RowPart,
    ) -> Result<Box<dyn RowStream + '_>> {
        let rows = self.source().open_part(database, table, part)?;
        self.stream((database, table), rows)
    }

    fn check_total(&self, database: usize, table: usize, rows: u64, live: u64) -> Result<()> {
        let source = self.source();
        let rows = match self.passing(database, table) {
            None => rows,
            // Nobody counted what was left out; what users see was not.
            Some(_) => source.row_count(database, table),
        };
        source.check_total(database, table, rows, live)
    }
}
