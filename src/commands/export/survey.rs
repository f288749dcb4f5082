//! One pass over a table's visible rows: which types its columns can have.

use crate::error::{Error, Result};
use crate::model::{RowRef, RowSource, RowStream, Table, ValueRef};
use crate::postgres::{
    INLINE_LEN, MAX_COLUMNS, MAX_COPY_LINE, MAX_INLINE_ROW, PgType, fits, row_head_len,
};

use super::super::constraints::Tally;
use crate::work::{Threads, in_order};

/// Bytes that a value which is not text takes in a line at most.
const SHORT_LEN: usize = 48;

/// What was found in one column.
#[derive(Debug)]
pub(super) struct ColumnSurvey {
    /// Types, the closest first, each with whether every value so far fits.
    types: Vec<(PgType, bool)>,
    /// Rows whose value the closest type does not take.
    pub misfits: Tally,
    /// Rows that hold NULL.
    pub nulls: Tally,
    /// Bytes of the longest value.
    pub max_len: usize,
    /// The highest integer.
    pub highest: Option<i64>,
}

impl ColumnSurvey {
    pub(super) fn new(types: Vec<PgType>) -> Self {
        ColumnSurvey {
            types: types.into_iter().map(|of| (of, true)).collect(),
            misfits: Tally::default(),
            nulls: Tally::default(),
            max_len: 0,
            highest: None,
        }
    }

    /// Adds what was found in rows that follow the first `before` ones.
    fn append(&mut self, later: &ColumnSurvey, before: u64) {
        for ((_, takes_all), (_, later)) in self.types.iter_mut().zip(&later.types) {
            *takes_all &= later;
        }
        self.misfits.append(&later.misfits, before);
        self.nulls.append(&later.nulls, before);
        self.max_len = self.max_len.max(later.max_len);
        self.highest = self.highest.max(later.highest);
    }

    /// Looks at the value of the row version at this position.
    pub(super) fn value(&mut self, row: u64, value: &ValueRef<'_>) {
        match *value {
            ValueRef::Null => return self.nulls.add(row),
            ValueRef::SmallInt(v) => self.highest = self.highest.max(Some(v.into())),
            ValueRef::Integer(v) => self.highest = self.highest.max(Some(v)),
            _ => {}
        }
        self.max_len = self.max_len.max(len_of(value));
        for (position, (of, takes_all)) in self.types.iter_mut().enumerate() {
            // A type that is out needs no look, except to count what the first refuses.
            if (*takes_all || position == 0) && !fits(value, of) {
                *takes_all = false;
                if position == 0 {
                    self.misfits.add(row);
                }
            }
        }
    }

    /// The closest type that takes every value, and the closest of all.
    pub(super) fn chosen(&self) -> Option<(&PgType, &PgType)> {
        let (closest, _) = self.types.first()?;
        let (chosen, _) = self.types.iter().find(|(_, takes_all)| *takes_all)?;
        Some((chosen, closest))
    }
}

/// What was found in one table.
#[derive(Debug)]
pub(super) struct Survey {
    /// One a column.
    pub columns: Vec<ColumnSurvey>,
    /// Whether the table has more or wider columns than PostgreSQL takes.
    pub too_wide: bool,
}

/// Looks at the visible rows of a table, on several threads; `types` are what
/// each column can have.
///
/// # Errors
/// When rows cannot be read, or one is longer than COPY reads.
pub(super) fn survey(
    (rows, threads): (&dyn RowSource, Threads),
    at: (usize, usize),
    table: &Table,
    types: Vec<Vec<PgType>>,
) -> Result<Survey> {
    let parts = rows.parts(at.0, at.1)?;
    let columns = || types.iter().cloned().map(ColumnSurvey::new).collect();
    let mut survey = Survey {
        columns: columns(),
        too_wide: table.columns.len() > MAX_COLUMNS,
    };
    let look = |part: usize, found: &mut Part| {
        *found = Part {
            columns: columns(),
            ..Part::default()
        };
        parts.get(part).map_or(Ok(()), |part| {
            found.read(&mut *rows.open_part(at.0, at.1, part)?, table)
        })
    };
    let mut before = 0;
    in_order(threads, parts.len(), look, |_, part| {
        if let Some((row, len)) = part.too_long {
            return Err(too_long(before + row, len, table));
        }
        for (column, later) in survey.columns.iter_mut().zip(&part.columns) {
            column.append(later, before);
        }
        survey.too_wide |= part.too_wide;
        before += part.rows;
        Ok(())
    })?;
    Ok(survey)
}

/// What was found in some rows, which are counted from 0.
#[derive(Default)]
struct Part {
    columns: Vec<ColumnSurvey>,
    too_wide: bool,
    rows: u64,
    /// The first row that COPY does not read, and its length.
    too_long: Option<(u64, usize)>,
}

impl Part {
    fn read(&mut self, stream: &mut dyn RowStream, table: &Table) -> Result<()> {
        let head_len = row_head_len(table.columns.len());
        let may_be_wide = head_len.saturating_add(table.columns.len().saturating_mul(INLINE_LEN));
        let may_be_wide = may_be_wide > MAX_INLINE_ROW;
        while let Some(batch) = stream.next_batch()? {
            for (index, row) in (self.rows..).zip(batch.rows()) {
                if !row.is_visible() {
                    continue;
                }
                for (column, value) in self.columns.iter_mut().zip(row.values) {
                    column.value(index, value);
                }
                let len = line_len(&row);
                if u64::try_from(len).map_or(true, |len| len > MAX_COPY_LINE) {
                    self.too_long = self.too_long.or(Some((index, len)));
                }
                if may_be_wide && head_len.saturating_add(inline_len(&row)) > MAX_INLINE_ROW {
                    self.too_wide = true;
                }
            }
            self.rows += batch.len() as u64;
        }
        Ok(())
    }
}

/// A bound of a value's bytes as text.
fn len_of(value: &ValueRef<'_>) -> usize {
    match *value {
        ValueRef::Bytea(bytes) => bytes.len().saturating_mul(2),
        ValueRef::Null => 0,
        _ => value.as_text().map_or(SHORT_LEN, str::len),
    }
}

/// A bound of what the values take in their page.
fn inline_len(row: &RowRef<'_>) -> usize {
    let of_value = |value: &ValueRef<'_>| match value {
        ValueRef::Null => 0,
        value => len_of(value).saturating_add(8).min(INLINE_LEN),
    };
    row.values.iter().map(of_value).sum()
}

/// Every character may need an escape, and bytes two digits each.
fn line_len(row: &RowRef<'_>) -> usize {
    row.values.iter().fold(0_usize, |sum, value| {
        sum.saturating_add(len_of(value).saturating_mul(2).saturating_add(4))
    })
}

fn too_long(index: u64, len: usize, table: &Table) -> Error {
    Error::Usage(format!(
        "table {:?}, row version {index}: found about {len} bytes, expected at most {MAX_COPY_LINE}, \
         which is what PostgreSQL reads in one row; choose other tables with --table, or --format jsonl",
        table.name
    ))
}
