//! What speaks for a database without proving it, as natural logarithms of
//! likelihoods: how often a statement would look as it does, if it had been
//! run there. Every weight stands in this file; they are guesses of how
//! applications behave.
//!
//! # How a weight comes about
//!
//! 1. Facts first: a database that a fact rules out has no weight, and one that
//!    facts leave alone has all of it.
//! 2. Among the others every database is as likely as any other before a
//!    record is looked at; in which database the statement before it ran says
//!    nothing. A database that no file names pays for its being new.
//! 3. A forward and backward search over what the databases can have become
//!    adds up the likelihood of all assignments in which a record is one
//!    database's. Databases that nothing tells apart are one to it, and share
//!    evenly what it finds. What the search leaves out, because it is too
//!    unlikely or too much, is counted where it was left out, and shared out
//!    evenly among all that are open there.
//! 4. The search is done under each [`Model`], and the weight is their mean,
//!    weighted as [`Model::ALL`] says. The models believe the evidence
//!    wholly, by a part, or but for numbers drawn from sequences not at all: where
//!    a whole session does not behave as guessed, all its records are wrong
//!    together, and no amount of such evidence makes a weight of 1.
//! 5. What is placed by the one assumption that is made without asking, that the
//!    database that the files name is the only one, weighs one half at most.
//! 6. Databases that a cut snapshot no longer holds take their share, one each,
//!    from all others.

use std::ops::RangeInclusive;

use crate::model::{DataType, Operation, PackedRow, ValueRef};

use super::check::Lookup;
use super::columns::{Columns, counts_up};
use super::problem::{Proof, Record, number};
use super::state::Database;
use super::table::{Key, Table};

/// Labels of an enum type that are looked at for a value: people write down fewer.
const LABELS_MAX: usize = 1024;

/// A CREATE or DROP that failed after it was logged, as scripts run twice do.
const FAILED: f64 = -4.0;
/// An INSERT of another arity, which failed after it was logged, or since 1.5 of
/// too many values, which did not.
pub(super) const FAILED_INSERT: f64 = -7.0;
/// A database that was created after the last checkpoint: its first table.
const NEW_DATABASE: f64 = -6.0;
/// Its further tables.
const NEW_TABLE_THERE: f64 = -1.0;
/// A fact that would be broken, but that rows or deletes nobody logged may
/// explain.
pub(super) const UNLOGGED: f64 = -8.0;
/// A key that a row holds which can have been deleted or undone without a
/// record: people enter again what they had deleted.
pub(super) const VANISHED: f64 = -2.0;
/// A key that a visible row has, where the server does not look: as often as
/// scripts are run twice.
const KEY_AGAIN: f64 = -4.0;
/// A record that fits nowhere: kept out, so that the others are still decided.
pub(super) const NOWHERE: f64 = -40.0;

/// SERIAL default: the next value of the sequence, no other.
const SERIAL_NEXT: f64 = -0.05;
/// A value above the next one: rows in between that nobody logged.
const SERIAL_GAP: f64 = -8.0;
/// The same where a transaction may have used the values between.
const SERIAL_GAP_UNLOGGED: f64 = -3.0;
/// A value below the next one: written out by hand, as an Integer all the same.
const SERIAL_BEHIND: f64 = -10.0;
/// A value written out by hand; its tag says so.
const SERIAL_EXPLICIT: f64 = -3.5;
/// A key that an application counts up: it follows the largest one.
const KEY_NEXT: f64 = -0.7;
/// A key that does not follow the largest one.
const KEY_OTHER: f64 = -2.5;
/// A value whose tag is none that the column's type takes from a literal.
const TAG_UNUSUAL: f64 = -3.5;
/// A Null where the column says NOT NULL, which the server lets pass.
const NULL_REFUSED: f64 = -3.0;

/// One column set by an UPDATE, and the value it was set to.
const SET_COLUMN: f64 = -3.0;
/// Every further column.
const SET_ANOTHER: f64 = -4.5;
/// A key that an UPDATE changed.
const SET_KEY: f64 = -5.0;
/// A value that differs from row to row: set by an expression.
const SET_BY_ROW: f64 = -2.0;
/// An UPDATE that changed nothing.
const SET_NOTHING: f64 = -4.5;

/// Share of predicates that compare a key for equality.
const BY_KEY: f64 = 0.5;
/// Share of predicates that compare another column, of all columns together.
const BY_COLUMN: f64 = 0.45;
/// Share of predicates whose value is taken from a visible row.
const FROM_VISIBLE: f64 = 0.15;
/// Share of statements whose rows no equality of one column selects.
const BY_OTHER: f64 = 0.03;

/// A piece of evidence: its word, and its weight.
pub(super) type Clue = (&'static str, f64);

/// Evidence that the server itself makes: a SERIAL default is the next value
/// of its sequence.
const DRAWN: [&str; 3] = ["serial-next", "serial-gap", "serial-behind"];

/// How far the evidence is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Model {
    /// Wholly.
    Full,
    /// By a part: much of it can be the habit of one application.
    Tempered,
    /// Not at all, but for numbers drawn from sequences.
    Numbers,
}

impl Model {
    /// Every model, and its share of a weight.
    pub const ALL: [(Model, f64); 3] = [
        (Model::Full, 0.8),
        (Model::Tempered, 0.195),
        (Model::Numbers, 0.005),
    ];

    /// What a piece of evidence weighs.
    pub fn weight(self, (word, weight): Clue) -> f64 {
        match self {
            _ if DRAWN.contains(&word) => weight,
            Model::Full => weight,
            Model::Tempered => 0.4 * weight,
            Model::Numbers => 0.0,
        }
    }
}

/// The weight of an INSERT that takes effect.
pub(super) fn insert(
    lookup: &Lookup<'_, '_>,
    database: &Database,
    record: &Record<'_>,
    table: &Table,
    row: &PackedRow,
    clues: &mut Vec<Clue>,
) {
    let columns = table.columns();
    if row.arity() > columns.len() {
        clues.push(("extra-values", FAILED_INSERT));
    }
    let hashes = record.values.iter();
    let columns = columns.iter();
    for (((id, column), value), hash) in columns.zip(row.values()).zip(hashes) {
        if value.is_null() {
            if !column.nullable {
                clues.push(("null-refused", NULL_REFUSED));
            }
            continue;
        }
        if column.is_key() && !lookup.problem.keys_are_checked {
            let own = Key {
                transaction: record.transaction,
                column: id,
                value: *hash,
                before: u32::MAX,
            };
            if table.shows((lookup.problem, lookup.horizon), own, false) {
                clues.push(("key-again", KEY_AGAIN));
            }
        }
        if column.data_type.is_serial() {
            if let Some(next) = table.next_value(id, column) {
                let readings = lookup.problem.sequences.next_values(next);
                clues.push(serial(&value, readings, record.proof));
            }
        } else if counts_up(column) {
            let follows =
                integer(&value) == table.next_value(id, column).map(|next| next.after_any);
            clues.push(match follows {
                true => ("key-next", KEY_NEXT),
                false => ("key-other", KEY_OTHER),
            });
        }
        if !usual_tag(&column.data_type, &value) {
            clues.push(("tag-unusual", TAG_UNUSUAL));
        }
        if let Some(key) = &column.foreign_key {
            let name = lookup.problem.name_id(&key.table);
            let parent = name.and_then(|name| database.table(name));
            let rows = parent.map_or(1, Table::count).max(1);
            clues.push(("reference", -share(rows).ln()));
        }
    }
}

fn integer(value: &ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::SmallInt(v) => Some(i64::from(*v)),
        ValueRef::Integer(v) => Some(*v),
        _ => None,
    }
}

/// The parser makes a literal that fits 16 bits a SmallInt; a SERIAL default is
/// an Integer whatever its size. So a small Integer was drawn from the sequence.
/// Where the release is not known, the likelier of what both make of it counts.
fn serial(value: &ValueRef<'_>, readings: RangeInclusive<i64>, proof: Proof) -> Clue {
    let ValueRef::Integer(used) = value else {
        return ("serial-explicit", SERIAL_EXPLICIT);
    };
    let drawn = i16::try_from(*used).is_ok();
    let next = match used {
        used if used >= readings.end() => *readings.end(),
        _ => *readings.start(),
    };
    match used.cmp(&next) {
        std::cmp::Ordering::Equal => ("serial-next", SERIAL_NEXT),
        std::cmp::Ordering::Greater => {
            let between = used.saturating_sub(next).max(1);
            let gap = match proof {
                Proof::Nothing => SERIAL_GAP_UNLOGGED,
                _ => SERIAL_GAP,
            };
            let gap = if drawn { gap } else { gap.max(SERIAL_EXPLICIT) };
            (
                "serial-gap",
                gap - share(between.unsigned_abs()).ln().min(3.0),
            )
        }
        std::cmp::Ordering::Less if drawn => ("serial-behind", SERIAL_BEHIND),
        std::cmp::Ordering::Less => ("serial-behind", SERIAL_EXPLICIT - 2.0),
    }
}

/// A count as a divisor of a share. Exact enough: it only ranks.
pub(super) fn share(count: u64) -> f64 {
    u32::try_from(count)
        .map_or(f64::from(u32::MAX), f64::from)
        .max(1.0)
}

/// Whether a literal written for such a column usually gets this tag
/// (format page, "Values").
fn usual_tag(data_type: &DataType, value: &ValueRef<'_>) -> bool {
    let text = || matches!(value, ValueRef::Text(_));
    match data_type {
        DataType::SmallInt | DataType::Integer | DataType::Serial | DataType::BigSerial => {
            matches!(value, ValueRef::SmallInt(_) | ValueRef::Integer(_))
        }
        DataType::Real | DataType::Numeric { .. } => matches!(
            value,
            ValueRef::SmallInt(_) | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Numeric(_)
        ),
        DataType::Text => matches!(
            value,
            ValueRef::Text(_) | ValueRef::Date(_) | ValueRef::Timestamp(_) | ValueRef::Uuid(_)
        ),
        DataType::Varchar(len) => match value {
            ValueRef::Text(text) => text.chars().count() as u64 <= *len,
            ValueRef::Date(_) | ValueRef::Timestamp(_) | ValueRef::Uuid(_) => true,
            _ => false,
        },
        DataType::Char(len) => match value {
            ValueRef::Char(text) => text.chars().count() as u64 == *len,
            _ => false,
        },
        DataType::Boolean => matches!(value, ValueRef::Boolean(_)),
        DataType::Date => matches!(value, ValueRef::Date(_)) || text(),
        DataType::Timestamp => matches!(value, ValueRef::Timestamp(_)) || text(),
        DataType::TimestampTz => {
            matches!(value, ValueRef::TimestampTz(_) | ValueRef::Timestamp(_)) || text()
        }
        DataType::Uuid => matches!(value, ValueRef::Uuid(_)) || text(),
        DataType::Json | DataType::Jsonb => matches!(value, ValueRef::Json(_)) || text(),
        DataType::Bytea => matches!(value, ValueRef::Bytea(_)) || text(),
        DataType::Enum { name, labels } => match value {
            ValueRef::Enum { type_name, label } => type_name == name && has_label(labels, label),
            ValueRef::Text(text) => has_label(labels, text),
            _ => false,
        },
    }
}

/// Whether a type has a label, as far as a look at each of its labels is worth it
/// for a value: of more nothing is concluded.
fn has_label(labels: &[String], label: &str) -> bool {
    labels.len() > LABELS_MAX || labels.iter().any(|known| known == label)
}

/// A column whose equality selects exactly the rows of a statement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Selecting {
    /// Whether it is a key.
    pub is_key: bool,
    /// Rows selected.
    pub rows: usize,
    /// Those of them that are visible.
    pub visible: usize,
}

/// The weight of a set of rows under the predicates that select exactly it.
/// The value compared with is taken from some row: mostly from one that shows.
pub(super) fn predicate(selecting: &[Selecting], columns: &Columns, table: &Table) -> Clue {
    let keys = columns.iter().filter(|(_, c)| c.is_key()).count();
    let others = columns.len().saturating_sub(keys);
    let part_of = |count: usize, all: u64| f64::from(number(count)) / share(all);
    let mut likelihood = 0.0;
    for by in selecting {
        let picked = FROM_VISIBLE * part_of(by.visible, table.live())
            + (1.0 - FROM_VISIBLE) * part_of(by.rows, table.count());
        likelihood += picked
            * match by.is_key {
                true => BY_KEY / share(keys as u64),
                false => BY_COLUMN / share(others as u64),
            };
    }
    if likelihood > 0.0 {
        return ("predicate", likelihood.ln());
    }
    ("no-predicate", (BY_OTHER / share(table.count())).ln())
}

/// The weight of what an UPDATE of some rows changed. `changed` holds, for each
/// changed column, whether it is a key and whether all rows got one value.
pub(super) fn set(changed: &[(bool, bool)], rows: usize, clues: &mut Vec<Clue>) {
    if changed.is_empty() {
        clues.push(("unchanged", SET_NOTHING));
    }
    for (at, (is_key, same)) in changed.iter().enumerate() {
        let mut weight = if at == 0 { SET_COLUMN } else { SET_ANOTHER };
        if *is_key {
            weight += SET_KEY;
        }
        if !same {
            weight += SET_BY_ROW * share(rows.saturating_sub(1) as u64);
        }
        clues.push((if at == 0 { "set-column" } else { "row-differs" }, weight));
    }
}

/// The weight of a statement on the schema. `in_use` says whether the database
/// that no file names has a table by then.
pub(super) fn reshape(
    record: &Record<'_>,
    unknown: bool,
    in_use: bool,
    takes_effect: bool,
    clues: &mut Vec<Clue>,
) {
    let creates = matches!(record.operation, Operation::CreateTable { .. });
    match (unknown, in_use) {
        (true, false) => clues.push(("new-database", NEW_DATABASE)),
        (true, true) if creates => clues.push(("new-database", NEW_TABLE_THERE)),
        _ => {}
    }
    if !takes_effect {
        clues.push(("failed-statement", FAILED));
    }
}
