//! Which types the columns of a table can have in a file of typed columns.

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::model::{Column, DataType, RowSource};
use crate::postgres::{PgType, candidates};

use super::super::dump::Chosen;
use super::survey::ColumnSurvey;

/// Digits of the longest decimal in such a file.
const MAX_DIGITS: u8 = 38;

/// The columns of one table.
#[derive(Debug)]
pub struct TypedColumns {
    /// One a column: the declared type or a wider one that takes every visible
    /// value; text is [`PgType::TextBytes`].
    pub types: Vec<PgType>,
    /// Columns that are text although their type is not.
    pub notes: Vec<Finding>,
}

/// Looks at the visible rows of a table once.
///
/// # Errors
/// When rows cannot be read.
pub fn typed_columns(rows: &dyn RowSource, chosen: &Chosen<'_>) -> Result<TypedColumns> {
    let columns = &chosen.table.columns;
    let mut surveys: Vec<ColumnSurvey> = columns
        .iter()
        .map(|column| ColumnSurvey::new(types(&column.data_type)))
        .collect();
    let mut stream = rows.open_rows(chosen.at.0, chosen.at.1)?;
    let mut index = 0_u64;
    while let Some(batch) = stream.next_batch()? {
        for row in batch.rows() {
            if row.is_visible() {
                let values = surveys.iter_mut().zip(row.values);
                values.for_each(|(survey, value)| survey.value(index, value));
            }
            index = index.saturating_add(1);
        }
    }
    let mut typed = TypedColumns {
        types: Vec::new(),
        notes: Vec::new(),
    };
    for (column, survey) in columns.iter().zip(&surveys) {
        let of = survey
            .chosen()
            .map_or(PgType::TextBytes, |(of, _)| of.clone());
        let note = note(column, survey, &of);
        let note = note.map(|note| {
            note.database(&chosen.database.name)
                .table(&chosen.table.name)
        });
        typed.notes.extend(note);
        typed.types.push(of);
    }
    Ok(typed)
}

/// Those of the declared type that such a file knows, and text.
fn types(declared: &DataType) -> Vec<PgType> {
    let mut types = candidates(declared, None);
    types.retain(|of| match of {
        PgType::Numeric(Some((precision, _))) => *precision <= MAX_DIGITS,
        PgType::Numeric(None) | PgType::Json | PgType::Jsonb | PgType::Text => false,
        PgType::Varchar(_) | PgType::Char(_) => false,
        _ => true,
    });
    types
}

fn is_text(declared: &DataType) -> bool {
    matches!(
        declared,
        DataType::Text
            | DataType::Varchar(_)
            | DataType::Char(_)
            | DataType::Json
            | DataType::Jsonb
            | DataType::Enum { .. }
    )
}

/// What is said of a column that has not its own type.
fn note(column: &Column, survey: &ColumnSurvey, of: &PgType) -> Option<Finding> {
    let declared = &column.data_type;
    let own = candidates(declared, None);
    if is_text(declared) || own.first() == Some(of) {
        return None;
    }
    let instead = match of {
        PgType::TextBytes => "text".to_owned(),
        other => other.to_string(),
    };
    let why = match survey.misfits.count {
        0 => format!("{declared} has more digits than the {MAX_DIGITS} of a decimal"),
        _ => {
            let what = format!("hold what {declared} would refuse or change");
            survey.misfits.text(&what)
        }
    };
    let detail = format!("column {:?} is {instead}: {why}", column.name);
    Some(Finding::new(Code::TypeWidened).detail(detail))
}
