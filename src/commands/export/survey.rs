//! What the visible rows of a table hold: which types its columns can have,
//! whether its keys rise. One pass; a second one where a value does not fit the
//! type that is closest to the declared one.

use crate::codec::push_text;
use crate::error::{Error, Result};
use crate::model::{RowRef, RowSource, Table, ValueRef};
use crate::postgres::plan::Dialect;
use crate::postgres::{
    INLINE_LEN, MAX_COLUMNS, MAX_COPY_LINE, MAX_INLINE_ROW, MAX_SQLITE_COLUMNS,
    MAX_SQLITE_STATEMENT, PgType, copy_len, decimal_digits, fits, integer, push_key, row_head_len,
    sqlite_len,
};

use super::super::constraints::{Rising, Tally};
use super::super::row_parts::visible_rows;
use crate::work::Threads;

/// Bytes that a value which is not text takes in a line at most.
const SHORT_LEN: usize = 48;
/// Bytes of values whose line every server reads, whatever must be escaped.
const SURELY_READ: usize = 100 << 20;
/// Characters of a value that is shown as an example.
const EXAMPLE_CHARS: usize = 40;

/// What is to be found out about one column.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// The types that it can have, the closest first; the last takes every value.
    pub types: Vec<PgType>,
    /// Whether it is a key.
    pub is_key: bool,
    /// Whether its digits are counted even where the closest type takes every value.
    pub digits: bool,
}

/// What was found in one column.
#[derive(Debug)]
pub(super) struct ColumnSurvey {
    /// Types, the closest first, each with whether every value so far fits. Of
    /// those after the first that is known only where a value does not fit the first.
    types: Vec<(PgType, bool)>,
    /// Whether all types are asked about.
    thorough: bool,
    /// Rows whose value the closest type does not take.
    pub misfits: Tally,
    /// The first of them.
    example: Option<String>,
    /// Rows that hold NULL.
    pub nulls: Tally,
    /// Bytes of the longest value.
    pub max_len: usize,
    /// The highest integer.
    pub highest: Option<i64>,
    /// Most digits before and after the point, while all values are decimals.
    #[cfg_attr(not(feature = "parquet"), allow(dead_code))]
    pub digits: Option<(usize, usize)>,
    /// Keys in the closest type, where they are asked about.
    keys: Option<Rising>,
}

impl ColumnSurvey {
    fn new(question: &Question, thorough: bool) -> Self {
        let types = question.types.iter().cloned();
        ColumnSurvey {
            types: types.map(|of| (of, true)).collect(),
            thorough: thorough || question.digits,
            misfits: Tally::default(),
            example: None,
            nulls: Tally::default(),
            max_len: 0,
            highest: None,
            digits: Some((0, 0)),
            keys: question.is_key.then(Rising::default),
        }
    }

    /// Adds what was found in rows that follow the first `before` ones.
    fn append(&mut self, later: ColumnSurvey, before: u64) {
        for ((_, takes_all), (_, later)) in self.types.iter_mut().zip(&later.types) {
            *takes_all &= later;
        }
        self.misfits.append(&later.misfits, before);
        self.example = self.example.take().or(later.example);
        self.nulls.append(&later.nulls, before);
        self.max_len = self.max_len.max(later.max_len);
        self.highest = self.highest.max(later.highest);
        let digits = self.digits.zip(later.digits);
        self.digits = digits.map(|(a, b)| (a.0.max(b.0), a.1.max(b.1)));
        if let Some((keys, later)) = self.keys.as_mut().zip(later.keys) {
            keys.append(later);
        }
    }

    /// Looks at the value of the row version at this position; a bound of its bytes as
    /// text.
    fn value(&mut self, row: u64, value: &ValueRef<'_>) -> usize {
        if let ValueRef::Null = value {
            self.nulls.add(row);
            return 0;
        }
        let len = len_of(value);
        self.max_len = self.max_len.max(len);
        let mut types = self.types.iter_mut();
        if let Some((closest, takes_all)) = types.next() {
            let fits = match closest {
                // Most keys: the number is asked for once.
                PgType::BigInt => {
                    let integer = integer(value);
                    self.highest = self.highest.max(integer);
                    if let Some((keys, integer)) = self.keys.as_mut().zip(integer) {
                        keys.add_integer(integer);
                    }
                    integer.is_some()
                }
                closest => {
                    if let Some(keys) = &mut self.keys {
                        keys.add(|key| push_key(key, value, closest));
                    }
                    fits(value, closest)
                }
            };
            if !fits {
                *takes_all = false;
                self.misfits.add(row);
                self.example.get_or_insert_with(|| example(value));
            }
        }
        if self.thorough {
            for (of, takes_all) in types {
                // A type that is out needs no look.
                *takes_all = *takes_all && fits(value, of);
            }
            let digits = self
                .digits
                .and_then(|digits| Some((digits, decimal_digits(value)?)));
            self.digits = digits.map(|(a, b)| (a.0.max(b.0), a.1.max(b.1)));
        }
        len
    }

    /// The closest type that takes every value, and the closest of all.
    pub(super) fn chosen(&self) -> Option<(&PgType, &PgType)> {
        let (closest, _) = self.types.first()?;
        let (chosen, _) = self.types.iter().find(|(_, takes_all)| *takes_all)?;
        Some((chosen, closest))
    }

    /// Whether every key comes after the one before, in the closest type.
    pub(super) fn rises(&self) -> bool {
        let closest = self.types.first().is_some_and(|(_, takes_all)| *takes_all);
        closest && self.keys.as_ref().is_some_and(|keys| !keys.fell())
    }

    /// `2 rows ..., as "12.345": row versions 0, 1`.
    pub(super) fn misfits_text(&self, what: &str) -> String {
        let example = self.example.as_deref().unwrap_or_default();
        self.misfits.text(&format!("{what}, as {example:?}"))
    }
}

/// The start of a value's text.
fn example(value: &ValueRef<'_>) -> String {
    let mut text = Vec::new();
    match *value {
        ValueRef::Bytea(bytes) => {
            let start = bytes.get(..EXAMPLE_CHARS).unwrap_or(bytes);
            push_text(&mut text, &ValueRef::Bytea(start));
        }
        _ => push_text(&mut text, value),
    }
    let text = String::from_utf8_lossy(&text);
    match text.char_indices().nth(EXAMPLE_CHARS) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.into_owned(),
    }
}

/// What was found in one table.
#[derive(Debug)]
pub(super) struct Survey {
    /// One a column.
    pub columns: Vec<ColumnSurvey>,
    /// Whether the table has more or wider columns than the server takes.
    pub too_wide: bool,
    dialect: Dialect,
    /// The first row version that it does not read, and its bytes.
    pub too_long: Option<(u64, usize)>,
}

impl Survey {
    /// That the server reads every row.
    ///
    /// # Errors
    /// When one is longer.
    pub(super) fn check_lines(&self, table: &Table) -> Result<()> {
        self.too_long.map_or(Ok(()), |(row, len)| {
            Err(too_long(row, len, table, self.dialect))
        })
    }
}

/// Looks at the visible rows of a table, on several threads.
///
/// # Errors
/// When rows cannot be read.
pub(super) fn survey(
    source: (&dyn RowSource, Threads),
    at: (usize, usize),
    (table, dialect): (&Table, Dialect),
    questions: &[Question],
) -> Result<Survey> {
    let table = (table, dialect);
    let quick = vec![false; questions.len()];
    let found = pass(source, at, table, (questions, &quick))?;
    let misfits = found.columns.iter().map(|column| column.misfits.count > 0);
    let misfits: Vec<bool> = misfits.collect();
    match misfits.contains(&true) {
        true => pass(source, at, table, (questions, &misfits)),
        false => Ok(found),
    }
}

fn pass(
    (rows, threads): (&dyn RowSource, Threads),
    at: (usize, usize),
    (table, dialect): (&Table, Dialect),
    (questions, thorough): (&[Question], &[bool]),
) -> Result<Survey> {
    let columns = || {
        let columns = questions.iter().zip(thorough);
        columns
            .map(|(question, thorough)| ColumnSurvey::new(question, *thorough))
            .collect()
    };
    let mut survey = Survey {
        columns: columns(),
        too_wide: match dialect {
            Dialect::Postgres => table.columns.len() > MAX_COLUMNS,
            // It knows no table without columns either.
            Dialect::Sqlite => !(1..=MAX_SQLITE_COLUMNS).contains(&table.columns.len()),
        },
        dialect,
        too_long: None,
    };
    let new = || PartSurvey {
        columns: columns(),
        ..PartSurvey::default()
    };
    let head_len = row_head_len(table.columns.len());
    let most = head_len.saturating_add(table.columns.len().saturating_mul(INLINE_LEN));
    let may_be_wide = dialect == Dialect::Postgres && most > MAX_INLINE_ROW;
    let wide_head = may_be_wide.then_some(head_len);
    let look = |part: &mut PartSurvey, index: u64, row: &RowRef<'_>| {
        part.row(index, row, wide_head, dialect);
    };
    visible_rows((rows, threads), at, new, look, |part, before| {
        let too_long = part.too_long.map(|(row, len)| (before + row, len));
        survey.too_long = survey.too_long.or(too_long);
        for (column, later) in survey.columns.iter_mut().zip(part.columns) {
            column.append(later, before);
        }
        survey.too_wide |= part.too_wide;
    })?;
    Ok(survey)
}

/// What was found in some rows, which are counted from 0.
#[derive(Default)]
struct PartSurvey {
    columns: Vec<ColumnSurvey>,
    too_wide: bool,
    /// The first row that COPY does not read, and its length.
    too_long: Option<(u64, usize)>,
}

impl PartSurvey {
    /// Looks at a row; `wide_head` is the length of its head where rows can be too wide.
    fn row(&mut self, index: u64, row: &RowRef<'_>, wide_head: Option<usize>, dialect: Dialect) {
        let values = self.columns.iter_mut().zip(row.values());
        let lens = values.map(|(column, value)| column.value(index, &value));
        let len = lens.fold(0_usize, usize::saturating_add);
        if self.too_long.is_none() && len > SURELY_READ {
            self.too_long = line_too_long(row, dialect).map(|len| (index, len));
        }
        let len = wide_head.map(|head_len| head_len.saturating_add(inline_len(row)));
        self.too_wide |= len.is_some_and(|len| len > MAX_INLINE_ROW);
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
    let of_value = |value: ValueRef<'_>| match value {
        ValueRef::Null => 0,
        value => len_of(&value).saturating_add(8).min(INLINE_LEN),
    };
    row.values().map(of_value).sum()
}

/// Bytes of the longest line that a server reads.
fn longest_line(dialect: Dialect) -> u64 {
    match dialect {
        Dialect::Postgres => MAX_COPY_LINE,
        Dialect::Sqlite => MAX_SQLITE_STATEMENT,
    }
}

/// The bytes of a row's line, about, if the server does not read so many.
fn line_too_long(row: &RowRef<'_>, dialect: Dialect) -> Option<usize> {
    let most = longest_line(dialect);
    let is_more = |len: usize| u64::try_from(len).map_or(true, |len| len > most);
    let exact = row.values().fold(0_usize, |sum, value| {
        let len = match (value.as_text(), dialect) {
            // What holds a NUL becomes digits.
            (Some(text), _) if text.contains('\0') => text.len().saturating_mul(2),
            (Some(text), Dialect::Postgres) => copy_len(text.as_bytes()),
            (Some(text), Dialect::Sqlite) => sqlite_len(text),
            (None, _) => len_of(&value),
        };
        sum.saturating_add(len).saturating_add(8)
    });
    Some(exact).filter(|exact| is_more(*exact))
}

fn too_long(index: u64, len: usize, table: &Table, dialect: Dialect) -> Error {
    let most = longest_line(dialect);
    let who = match dialect {
        Dialect::Postgres => "PostgreSQL",
        Dialect::Sqlite => "SQLite",
    };
    Error::Usage(format!(
        "table {:?}, row version {index}: found about {len} bytes, expected at most {most}, \
         which is what {who} reads in one row; choose other tables with --table, or --format jsonl",
        table.name
    ))
}
