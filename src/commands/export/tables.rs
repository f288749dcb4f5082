//! One table in the names and types of PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::model::{Column, DataType, RowSource, Table, TableGrants};
use crate::postgres::plan::{ColumnPlan, Dialect, SequencePlan, TablePlan};
use crate::postgres::{
    EnumType, NameRules, PgType, assign_names, candidates, quote_ident, sqlite_candidates,
};

use super::super::Directory;
use super::super::dump::Chosen;
use super::access::Accounts;
use super::survey::{ColumnSurvey, Question, survey};
use super::{ExportOptions, changed_name};

/// The column of a table that holds its rows as JSON.
const JSON_COLUMN: &str = "row";

pub(super) struct TablePlanner<'p> {
    pub directory: &'p Directory,
    pub chosen: &'p Chosen<'p>,
    pub enums: &'p BTreeMap<String, Arc<EnumType>>,
    pub accounts: Option<&'p Accounts>,
    /// What the source says of who owns the table and who may do what.
    pub grants: Option<&'p TableGrants>,
    pub options: ExportOptions,
    /// Names of tables, types and sequences.
    pub used: &'p mut BTreeSet<String>,
    pub notes: Vec<Finding>,
}

impl TablePlanner<'_> {
    /// Reads the rows once and decides; constraints over several rows come later.
    pub(super) fn plan(mut self, name: String) -> Result<TablePlan> {
        let table = self.chosen.table;
        self.note(changed_name("table", &table.name, &name));
        let questions = table.columns.iter().map(|column| Question {
            types: self.candidates(column),
            is_key: column.is_key(),
            digits: false,
        });
        let questions: Vec<Question> = questions.collect();
        let source = (self.directory as &dyn RowSource, self.directory.threads());
        let dialect = self.options.dialect;
        let found = survey(source, self.chosen.at, (table, dialect), &questions)?;
        found.check_lines(table)?;
        let names = table.columns.iter().map(|column| column.name.as_str());
        let names = assign_names(names, self.options.column_rules(), &mut BTreeSet::new());
        let mut columns = Vec::new();
        let next = table.sequences_by_name();
        for ((column, survey), column_name) in table.columns.iter().zip(&found.columns).zip(names) {
            let mut plan = self.column(column, survey, column_name, found.too_wide);
            if !found.too_wide && !self.options.redact && column.data_type.is_serial() {
                let stored = next.get(&*column.name).copied().unwrap_or(1);
                plan.sequence = self.sequence((&name, stored), column, survey, &plan);
            }
            columns.push(plan);
        }
        if found.too_wide {
            let detail = format!("found {} columns", table.columns.len());
            self.note(Some(Finding::new(Code::TableAsJson).detail(detail)));
        }
        self.other_sequences(table, found.too_wide);
        let of = (self.chosen.database, table);
        let access = self
            .accounts
            .map(|accounts| accounts.of_table(of, self.grants, &mut self.notes));
        Ok(TablePlan {
            at: self.chosen.at,
            name,
            columns,
            as_json: found.too_wide.then(|| JSON_COLUMN.to_owned()),
            keys: Vec::new(),
            foreign_keys: Vec::new(),
            access,
            notes: self.notes,
        })
    }

    fn candidates(&self, column: &Column) -> Vec<PgType> {
        if self.options.redact {
            return vec![PgType::TextBytes];
        }
        if self.options.dialect == Dialect::Sqlite {
            return sqlite_candidates(&column.data_type);
        }
        let enum_type = match &column.data_type {
            DataType::Enum { name, .. } => self.enums.get(name).cloned(),
            _ => None,
        };
        candidates(&column.data_type, enum_type)
    }

    fn column(
        &mut self,
        column: &Column,
        survey: &ColumnSurvey,
        name: String,
        too_wide: bool,
    ) -> ColumnPlan {
        let (chosen, closest) = survey.chosen().unwrap_or((&PgType::Text, &PgType::Text));
        let mut plan = ColumnPlan {
            source: column.name.clone(),
            name,
            of: chosen.clone(),
            not_null: !column.nullable && survey.nulls.count == 0,
            has_null: survey.nulls.count > 0,
            rises: survey.rises(),
            max_len: survey.max_len,
            sequence: None,
        };
        self.note(changed_name("column", &column.name, &plan.name));
        if self.options.redact {
            plan.of = PgType::Text;
            return plan;
        }
        if too_wide {
            return plan;
        }
        if chosen != closest {
            self.note_widened(column, survey, chosen);
        }
        if !column.nullable && survey.nulls.count > 0 {
            let nulls = survey.nulls.text("holding NULL");
            let detail = format!("NOT NULL {:?}: {nulls}", column.name);
            self.note(Some(Finding::new(Code::ConstraintLeftOut).detail(detail)));
        }
        plan
    }

    fn note_widened(&mut self, column: &Column, survey: &ColumnSurvey, chosen: &PgType) {
        let what = format!("holding what {} would refuse or change", column.data_type);
        let form = match chosen {
            PgType::TextBytes if self.options.dialect == Dialect::Postgres => {
                " of the text in UTF-8, because it holds a NUL"
            }
            _ => "",
        };
        let of = match (self.options.dialect, chosen) {
            (Dialect::Sqlite, PgType::TextBytes) => "text".to_owned(),
            (Dialect::Sqlite, PgType::BigInt) => "integer".to_owned(),
            (_, of) => of.to_string(),
        };
        let detail = format!(
            "column {:?} is {of}{form}: {}",
            column.name,
            survey.misfits_text(&what)
        );
        self.note(Some(Finding::new(Code::TypeWidened).detail(detail)));
    }

    fn sequence(
        &mut self,
        (table, stored): (&str, i64),
        column: &Column,
        survey: &ColumnSurvey,
        plan: &ColumnPlan,
    ) -> Option<SequencePlan> {
        if plan.of != PgType::BigInt {
            self.note_sequence(&column.name, stored, "its column is no longer an integer");
            return None;
        }
        let wanted = format!("{table}_{}_seq", plan.name);
        let name = match self.options.dialect {
            Dialect::Postgres => assign_names([wanted.as_str()], NameRules::Relation, self.used)
                .into_iter()
                .next()?,
            // The key itself counts.
            Dialect::Sqlite if column.primary_key => wanted,
            Dialect::Sqlite => {
                self.note_sequence(&column.name, stored, "its column is no primary key");
                return None;
            }
        };
        let mut sequence = SequencePlan {
            name,
            next: Some(stored),
        };
        if let Some(highest) = survey.highest.filter(|highest| stored <= *highest) {
            sequence.next = highest.checked_add(1);
            let name = quote_ident(&sequence.name);
            let remedy = match sequence.next {
                Some(_) if self.options.dialect == Dialect::Sqlite => {
                    "it is set behind that".to_owned()
                }
                Some(next) => format!(
                    "it is set behind that, as by: ALTER SEQUENCE public.{name} RESTART WITH {next};"
                ),
                None => "no higher value is left".to_owned(),
            };
            let detail = format!(
                "column {:?}: found next value {stored}, expected more than {highest}; {remedy}",
                column.name
            );
            self.note(Some(Finding::new(Code::SequenceBehind).detail(detail)));
        }
        Some(sequence)
    }

    /// Sequences whose column is gone or is no SERIAL; of a table that is too
    /// wide, all.
    fn other_sequences(&mut self, table: &Table, too_wide: bool) {
        let mut sequences: Vec<&(String, i64)> = table.sequences.iter().collect();
        sequences.sort();
        let drawn = table.columns.iter().filter(|c| c.data_type.is_serial());
        let drawn: BTreeSet<&str> = drawn.map(|column| &*column.name).collect();
        for (name, next) in sequences {
            if too_wide || !drawn.contains(&**name) {
                self.note_sequence(name, *next, "no SERIAL column has its name");
            }
        }
    }

    fn note_sequence(&mut self, name: &str, next: i64, why: &str) {
        let detail = format!("sequence of {name:?}, next value {next}: {why}");
        self.note(Some(Finding::new(Code::SequenceLeftOut).detail(detail)));
    }

    fn note(&mut self, note: Option<Finding>) {
        let (database, table) = (&self.chosen.database.name, &self.chosen.table.name);
        let note = note.map(|note| note.database(database).table(table));
        self.notes.extend(note);
    }
}
