//! Keys and foreign keys that hold by PostgreSQL's equality.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::model::{Column, ForeignKey, ValueRef};
use crate::postgres::plan::{
    ColumnPlan, DatabasePlan, Dialect, ForeignKeyPlan, KeyPlan, TablePlan,
};
use crate::postgres::{MAX_KEY_LEN, PgType, comparable, push_key};

use super::super::Directory;
use super::super::constraints::keys::{ColumnAt, missing, repeated};
use super::super::dump::Chosen;
use super::ExportOptions;

/// Adds the constraints of a database's tables, which stand in the order of
/// `chosen`.
///
/// # Errors
/// When rows cannot be read.
pub(super) fn plan(
    directory: &Directory,
    chosen: &[&Chosen<'_>],
    plan: &mut DatabasePlan,
    options: ExportOptions,
) -> Result<()> {
    if options.redact {
        return Ok(());
    }
    for (one, table) in chosen.iter().zip(&mut plan.tables) {
        keys(directory, one, table, options)?;
    }
    let mut all = Vec::new();
    // Of two tables of one name the first counts.
    let known = chosen.iter().zip(&plan.tables).rev();
    let known = known.map(|(one, table)| (one.table.name.as_str(), (*one, table)));
    let known: Known<'_> = known.collect();
    for (one, table) in chosen.iter().zip(&plan.tables) {
        all.push(foreign_keys(directory, &known, one, table)?);
    }
    for (table, (keys, notes)) in plan.tables.iter_mut().zip(all) {
        table.foreign_keys = keys;
        table.notes.extend(notes);
    }
    Ok(())
}

/// Tables of the dump by their names in the source.
type Known<'c> = BTreeMap<&'c str, (&'c Chosen<'c>, &'c TablePlan)>;

/// A note about a constraint that is left out.
fn left_out(one: &Chosen<'_>, constraint: &str, column: &str, why: &str) -> Finding {
    Finding::new(Code::ConstraintLeftOut)
        .database(&one.database.name)
        .table(&one.table.name)
        .detail(format!("{constraint} {column:?}: {why}"))
}

/// PRIMARY KEY and UNIQUE: each over one column, as the server knows them.
fn keys(
    directory: &Directory,
    one: &Chosen<'_>,
    table: &mut TablePlan,
    options: ExportOptions,
) -> Result<()> {
    for (position, column) in one.table.columns.iter().enumerate() {
        let Some(target) = table.columns.get(position).filter(|_| column.is_key()) else {
            continue;
        };
        let constraint = match column.primary_key {
            true => "PRIMARY KEY",
            false => "UNIQUE",
        };
        if let Some(why) = refused(directory, (table, target), position, options.dialect)? {
            let note = left_out(one, constraint, &column.name, &why);
            table.notes.push(note);
            continue;
        }
        let mut primary = column.primary_key;
        let why = match target.has_null {
            true => "a row holds NULL",
            false => "another column is the primary key",
        };
        if primary && (target.has_null || table.keys.iter().any(|key| key.primary)) {
            primary = false;
            let note = left_out(
                one,
                constraint,
                &column.name,
                &format!("{why}; it is UNIQUE"),
            );
            table.notes.push(note);
        }
        table.keys.push(KeyPlan {
            column: position,
            primary,
        });
    }
    Ok(())
}

/// Why a key cannot be created.
fn refused(
    directory: &Directory,
    (table, target): (&TablePlan, &ColumnPlan),
    position: usize,
    dialect: Dialect,
) -> Result<Option<String>> {
    if table.as_json.is_some() {
        return Ok(Some("the table has one column".into()));
    }
    if matches!(target.of, PgType::Json | PgType::Jsonb) {
        return Ok(Some(format!("{} has no keys", target.of)));
    }
    if target.max_len > MAX_KEY_LEN && dialect == Dialect::Postgres {
        return Ok(Some(format!(
            "found a value of {} bytes, expected at most {MAX_KEY_LEN}",
            target.max_len
        )));
    }
    if target.rises {
        return Ok(None);
    }
    let key = |out: &mut Vec<u8>, value: &ValueRef<'_>| push_key(out, value, &target.of);
    let at = ColumnAt {
        table: table.at,
        column: position,
        key: &key,
    };
    let repeated = repeated(directory, at)?;
    Ok((repeated.count > 0).then(|| repeated.text("sharing their value with another")))
}

/// The foreign keys of one table that hold, and notes about the others.
fn foreign_keys(
    directory: &Directory,
    known: &Known<'_>,
    one: &Chosen<'_>,
    table: &TablePlan,
) -> Result<(Vec<ForeignKeyPlan>, Vec<Finding>)> {
    let (mut plans, mut notes) = (Vec::new(), Vec::new());
    for (position, column) in one.table.columns.iter().enumerate() {
        let Some(key) = &column.foreign_key else {
            continue;
        };
        let check = ForeignKeyCheck {
            directory,
            known,
            table,
            column,
            position,
        };
        match check.plan(key)? {
            Ok(plan) => plans.push(plan),
            Err(why) => notes.push(left_out(one, "FOREIGN KEY", &column.name, &why)),
        }
    }
    Ok((plans, notes))
}

struct ForeignKeyCheck<'c> {
    directory: &'c Directory,
    known: &'c Known<'c>,
    table: &'c TablePlan,
    column: &'c Column,
    position: usize,
}

impl ForeignKeyCheck<'_> {
    /// The foreign key, or why it cannot be created.
    fn plan(&self, key: &ForeignKey) -> Result<Result<ForeignKeyPlan, String>> {
        let Some((other, to)) = self.known.get(key.table.as_str()) else {
            return Ok(Err(format!("table {:?} is not in this dump", key.table)));
        };
        let found = other.table.column_index(&key.column);
        let Some((referenced, target)) = found.and_then(|at| Some((at, to.columns.get(at)?)))
        else {
            let why = format!("{:?} has no column {:?}", key.table, key.column);
            return Ok(Err(why));
        };
        if !to.keys.iter().any(|key| key.column == referenced) {
            let why = format!("{:?}.{:?} is no key in this dump", key.table, key.column);
            return Ok(Err(why));
        }
        let from = self.table.columns.get(self.position);
        let Some(from) = from.filter(|_| self.table.as_json.is_none()) else {
            return Ok(Err("the table has one column".into()));
        };
        if !comparable(&from.of, &target.of) {
            return Ok(Err(format!("{} refers to {}", from.of, target.of)));
        }
        let from_key = |out: &mut Vec<u8>, value: &ValueRef<'_>| push_key(out, value, &from.of);
        let to_key = |out: &mut Vec<u8>, value: &ValueRef<'_>| push_key(out, value, &target.of);
        let at = ColumnAt {
            table: self.table.at,
            column: self.position,
            key: &from_key,
        };
        let referenced_at = ColumnAt {
            table: to.at,
            column: referenced,
            key: &to_key,
        };
        let missing = missing(self.directory, at, referenced_at)?;
        if missing.count > 0 {
            let what = format!(
                "of {:?} referring to no row of {:?}",
                self.column.name, key.table
            );
            return Ok(Err(missing.text(&what)));
        }
        Ok(Ok(ForeignKeyPlan {
            column: self.position,
            table: to.name.clone(),
            referenced: target.name.clone(),
        }))
    }
}
