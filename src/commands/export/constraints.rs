//! Keys and foreign keys that hold by PostgreSQL's equality.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::model::{ForeignKey, ValueRef};
use crate::postgres::plan::{
    ColumnPlan, DatabasePlan, Dialect, ForeignKeyPlan, KeyPlan, TablePlan,
};
use crate::postgres::{MAX_KEY_LEN, PgType, comparable, push_key};

use super::super::Directory;
use super::super::constraints::Tally;
use super::super::constraints::keys::{ColumnAt, missing_in, repeated_in};
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
    let all = foreign_keys(directory, chosen, plan)?;
    for (table, (keys, notes)) in plan.tables.iter_mut().zip(all) {
        table.foreign_keys = keys;
        table.notes.extend(notes);
    }
    Ok(())
}

/// Tables of the dump by their names in the source.
type Known<'c> = BTreeMap<&'c str, (ColumnPositions<'c>, &'c TablePlan)>;

/// Positions of a table's columns by their names in the source.
type ColumnPositions<'c> = BTreeMap<&'c str, usize>;

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
    let columns = one.table.columns.iter().zip(&table.columns).enumerate();
    let keys = columns.filter(|(_, (column, _))| column.is_key());
    let keys: Vec<_> = keys
        .map(|(position, (column, target))| {
            let why = refused(table, target, options.dialect);
            (position, column, target.has_null, why)
        })
        .collect();
    let mut repeated = repeated(
        directory,
        table,
        keys.iter().map(|(position, ..)| *position),
    )?;
    let mut has_primary = false;
    for (position, column, has_null, why) in keys {
        let constraint = match column.primary_key {
            true => "PRIMARY KEY",
            false => "UNIQUE",
        };
        let repeated = repeated.remove(&position).filter(|tally| tally.count > 0);
        let repeated = repeated.map(|tally| tally.text("sharing their value with another"));
        if let Some(why) = why.or(repeated) {
            let note = left_out(one, constraint, &column.name, &why);
            table.notes.push(note);
            continue;
        }
        let mut primary = column.primary_key;
        let why = match has_null {
            true => "a row holds NULL",
            false => "another column is the primary key",
        };
        if primary && (has_null || has_primary) {
            primary = false;
            let note = left_out(
                one,
                constraint,
                &column.name,
                &format!("{why}; it is UNIQUE"),
            );
            table.notes.push(note);
        }
        has_primary |= primary;
        table.keys.push(KeyPlan {
            column: position,
            primary,
        });
    }
    Ok(())
}

/// Why a key cannot be created, whatever the rows.
fn refused(table: &TablePlan, target: &ColumnPlan, dialect: Dialect) -> Option<String> {
    if table.as_json.is_some() {
        return Some("the table has one column".into());
    }
    if matches!(target.of, PgType::Json | PgType::Jsonb) {
        return Some(format!("{} has no keys", target.of));
    }
    let too_long = target.max_len > MAX_KEY_LEN && dialect == Dialect::Postgres;
    too_long.then(|| {
        format!(
            "found a value of {} bytes, expected at most {MAX_KEY_LEN}",
            target.max_len
        )
    })
}

/// Rows that share their value with another, for each column whose values do not
/// rise; the table is read for all of them at once.
fn repeated(
    directory: &Directory,
    table: &TablePlan,
    positions: impl Iterator<Item = usize>,
) -> Result<BTreeMap<usize, Tally>> {
    let columns = positions.filter_map(|position| Some((position, table.columns.get(position)?)));
    let columns = columns.filter(|(_, target)| !target.rises);
    let (positions, keys): (Vec<usize>, Vec<_>) = columns
        .map(|(position, target)| (position, key_of(&target.of)))
        .unzip();
    let at = positions.iter().zip(&keys).map(|(column, key)| ColumnAt {
        table: table.at,
        column: *column,
        key,
    });
    let at: Vec<ColumnAt<'_>> = at.collect();
    let tallies = repeated_in(directory, &at)?;
    Ok(positions.into_iter().zip(tallies).collect())
}

/// When two values of a column of this type are equal.
fn key_of(of: &PgType) -> impl Fn(&mut Vec<u8>, &ValueRef<'_>) -> bool {
    move |out, value| push_key(out, value, of)
}

/// The foreign keys of each table that hold, and notes about the others; all that
/// could hold are looked at together.
fn foreign_keys(
    directory: &Directory,
    chosen: &[&Chosen<'_>],
    plan: &DatabasePlan,
) -> Result<Vec<(Vec<ForeignKeyPlan>, Vec<Finding>)>> {
    // Of two tables, and of two columns, of one name the first counts.
    let known = chosen.iter().zip(&plan.tables).rev();
    let known = known.map(|(one, table)| {
        let columns = one.table.columns.iter().enumerate().rev();
        let positions = columns.map(|(at, column)| (column.name.as_str(), at));
        (one.table.name.as_str(), (positions.collect(), table))
    });
    let known: Known<'_> = known.collect();
    let mut found = Vec::new();
    for (number, (one, table)) in chosen.iter().zip(&plan.tables).enumerate() {
        for (position, column) in one.table.columns.iter().enumerate() {
            if let Some(key) = &column.foreign_key {
                let reference = Reference::find(&known, (table, position), key);
                found.push((number, &column.name, key, reference));
            }
        }
    }
    let checked = found
        .iter()
        .filter_map(|(.., reference)| reference.as_ref().ok());
    let keys = checked.map(|one| (one, key_of(&one.from.of), key_of(&one.target.of)));
    let keys: Vec<_> = keys.collect();
    let references = keys.iter().map(|(one, from_key, to_key)| {
        let from = ColumnAt {
            table: one.table.at,
            column: one.position,
            key: from_key,
        };
        let to = ColumnAt {
            table: one.to.at,
            column: one.referenced,
            key: to_key,
        };
        (from, to)
    });
    let references: Vec<_> = references.collect();
    let mut missing = missing_in(directory, &references)?.into_iter();
    let mut all: Vec<_> = plan.tables.iter().map(|_| Default::default()).collect();
    for (number, column, key, reference) in &found {
        let reference = match reference {
            Ok(reference) => match missing.next().filter(|missing| missing.count > 0) {
                None => Ok(reference),
                Some(missing) => Err(missing.text(&format!(
                    "of {column:?} referring to no row of {:?}",
                    key.table
                ))),
            },
            Err(why) => Err(why.clone()),
        };
        let Some(((plans, notes), one)) = all.get_mut(*number).zip(chosen.get(*number)) else {
            continue;
        };
        let (plans, notes): (&mut Vec<_>, &mut Vec<_>) = (plans, notes);
        match reference {
            Ok(reference) => plans.push(reference.plan()),
            Err(why) => notes.push(left_out(one, "FOREIGN KEY", column, &why)),
        }
    }
    Ok(all)
}

/// A column that refers to another, which is a key of a type like its own.
struct Reference<'p> {
    table: &'p TablePlan,
    position: usize,
    from: &'p ColumnPlan,
    to: &'p TablePlan,
    referenced: usize,
    target: &'p ColumnPlan,
}

impl<'p> Reference<'p> {
    /// What a column refers to, or why no foreign key can be created, whatever the rows.
    fn find(
        known: &Known<'p>,
        (table, position): (&'p TablePlan, usize),
        key: &ForeignKey,
    ) -> std::result::Result<Self, String> {
        let Some((positions, to)) = known.get(key.table.as_str()) else {
            return Err(format!("table {:?} is not in this dump", key.table));
        };
        let found = positions.get(key.column.as_str());
        let Some((referenced, target)) = found.and_then(|at| Some((*at, to.columns.get(*at)?)))
        else {
            return Err(format!("{:?} has no column {:?}", key.table, key.column));
        };
        if to.key(referenced).is_none() {
            return Err(format!(
                "{:?}.{:?} is no key in this dump",
                key.table, key.column
            ));
        }
        let from = table.columns.get(position);
        let Some(from) = from.filter(|_| table.as_json.is_none()) else {
            return Err("the table has one column".into());
        };
        if !comparable(&from.of, &target.of) {
            return Err(format!("{} refers to {}", from.of, target.of));
        }
        Ok(Reference {
            table,
            position,
            from,
            to,
            referenced,
            target,
        })
    }

    fn plan(&self) -> ForeignKeyPlan {
        ForeignKeyPlan {
            column: self.position,
            table: self.to.name.clone(),
            referenced: self.target.name.clone(),
        }
    }
}
