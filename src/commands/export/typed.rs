//! Which types the columns of a table can have in a file of typed columns.

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::model::{Column, DataType, RowSource};
use crate::postgres::plan::Dialect;
use crate::postgres::{PgType, candidates};
use crate::work::Threads;

use super::super::dump::Chosen;
use super::survey::{ColumnSurvey, Question, survey};

/// Digits of the longest decimal in such a file.
const MAX_DIGITS: u8 = 38;

/// A column of such a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedColumn {
    /// The declared type, or the narrowest one that takes every visible value; text
    /// is [`PgType::TextBytes`].
    pub of: PgType,
    /// Whether NULL is refused, by the schema and by every visible row.
    pub required: bool,
}

/// The columns of one table.
#[derive(Debug)]
pub struct TypedColumns {
    /// One a column.
    pub columns: Vec<TypedColumn>,
    /// Columns whose type is not the declared one.
    pub notes: Vec<Finding>,
}

/// The types of the columns of a table, if every value has what was declared;
/// `None` where a column has no such type.
pub fn declared_columns(chosen: &Chosen<'_>, uuid_as_text: bool) -> Option<Vec<TypedColumn>> {
    let columns = chosen.table.columns.iter();
    let typed = columns.map(|column| {
        let types = types(&column.data_type, uuid_as_text);
        let of = types.into_iter().next()?;
        is_own(&column.data_type, &of, uuid_as_text).then_some(TypedColumn {
            of,
            required: !column.nullable,
        })
    });
    typed.collect()
}

/// Looks at the visible rows of a table.
///
/// # Errors
/// When rows cannot be read.
pub fn typed_columns(
    source: (&dyn RowSource, Threads),
    chosen: &Chosen<'_>,
    uuid_as_text: bool,
) -> Result<TypedColumns> {
    let columns = &chosen.table.columns;
    let questions = columns.iter().map(|column| {
        let types = types(&column.data_type, uuid_as_text);
        let first = types.first();
        Question {
            digits: !first.is_some_and(|of| is_own(&column.data_type, of, uuid_as_text)),
            types,
            is_key: false,
        }
    });
    let questions: Vec<Question> = questions.collect();
    let table = (chosen.table, Dialect::Postgres);
    let found = survey(source, chosen.at, table, &questions)?;
    let mut typed = TypedColumns {
        columns: Vec::new(),
        notes: Vec::new(),
    };
    for (column, survey) in columns.iter().zip(&found.columns) {
        let of = narrowest(column, survey);
        let null = survey.nulls.count > 0;
        if !is_own(&column.data_type, &of, uuid_as_text) {
            let note = Finding::new(Code::TypeWidened).detail(note(column, survey, &of));
            typed.notes.push(
                note.database(&chosen.database.name)
                    .table(&chosen.table.name),
            );
        }
        typed.columns.push(TypedColumn {
            of,
            required: !column.nullable && !null,
        });
    }
    Ok(typed)
}

/// Those of the declared type that such a file knows, and text.
fn types(declared: &DataType, uuid_as_text: bool) -> Vec<PgType> {
    if let DataType::Json | DataType::Jsonb = declared {
        // What some readers refuse in a column of JSON, as half a surrogate pair, jsonb
        // does not keep either.
        return vec![PgType::Jsonb, PgType::TextBytes];
    }
    let mut types = candidates(declared, None);
    if let DataType::Numeric { precision, scale } = declared
        && *precision > MAX_DIGITS
        && *scale <= MAX_DIGITS
    {
        types.insert(0, PgType::Numeric(Some((MAX_DIGITS, *scale))));
    }
    types.retain(|of| match of {
        PgType::Numeric(Some((precision, _))) => *precision <= MAX_DIGITS,
        PgType::Numeric(None) | PgType::Text | PgType::Varchar(_) | PgType::Char(_) => false,
        PgType::Uuid => !uuid_as_text,
        _ => true,
    });
    types
}

/// Whether a type says of the values what was declared.
fn is_own(declared: &DataType, of: &PgType, uuid_as_text: bool) -> bool {
    match (declared, of) {
        (DataType::Uuid, PgType::TextBytes) => uuid_as_text,
        (DataType::Json | DataType::Jsonb, of) => *of == PgType::Jsonb,
        (
            DataType::Text | DataType::Varchar(_) | DataType::Char(_) | DataType::Enum { .. },
            PgType::TextBytes,
        ) => true,
        (declared, of) => candidates(declared, None).first() == Some(of),
    }
}

/// The first type that takes every value; before a double, and before text, a
/// decimal that has just the digits.
fn narrowest(column: &Column, survey: &ColumnSurvey) -> PgType {
    let chosen = survey.chosen().map_or(&PgType::TextBytes, |(of, _)| of);
    let declared = &column.data_type;
    let is_number = matches!(
        declared,
        DataType::SmallInt
            | DataType::Integer
            | DataType::Serial
            | DataType::BigSerial
            | DataType::Real
            | DataType::Numeric { .. }
    );
    let settled = match chosen {
        PgType::Double => *declared == DataType::Real,
        PgType::TextBytes => !is_number,
        _ => true,
    };
    let decimal = survey
        .digits
        .filter(|_| !settled)
        .and_then(|(whole, fraction)| {
            let precision = u8::try_from(whole.checked_add(fraction)?.max(1)).ok()?;
            let scale = u8::try_from(fraction).ok()?;
            (precision <= MAX_DIGITS).then_some(PgType::Numeric(Some((precision, scale))))
        });
    decimal.unwrap_or_else(|| chosen.clone())
}

/// What is said of a column that has not its own type.
fn note(column: &Column, survey: &ColumnSurvey, of: &PgType) -> String {
    let declared = &column.data_type;
    let instead = match of {
        PgType::TextBytes => "text".to_owned(),
        other => other.to_string(),
    };
    let why = match survey.misfits.count {
        0 => format!("no file has a type for {declared}"),
        _ => survey.misfits_text(&format!("holding what {declared} would refuse or change")),
    };
    format!("column {:?} is {instead}: {why}", column.name)
}
