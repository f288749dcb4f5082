//! The tables of one name as the snapshot holds them, and whether they are what
//! the server can have made.

use std::collections::BTreeMap;

use crate::codec::{ContentHash, RowValues, pack_row};
use crate::error::Result;
use crate::legacy::Snapshot;
use crate::model::{PackedRow, Table};

use crate::recovery::cut::row_hash_owned;
use crate::recovery::repair::standing::all_rows;

use super::simulation::{Content, Outcome};
use super::story::Story;

/// A table as it stands.
#[derive(Debug)]
pub(super) struct Found {
    /// Its position in its database.
    pub table: usize,
    pub rows: Vec<PackedRow>,
    pub hashes: Vec<ContentHash>,
}

/// By database.
pub(super) type FoundTables = BTreeMap<usize, Found>;

/// Reads the tables of a name.
pub(super) fn found_tables(snapshot: &Snapshot, name: &str) -> Result<FoundTables> {
    let mut found = FoundTables::new();
    for (d, database) in snapshot.catalog.databases.iter().enumerate() {
        let place = database.table_index(name);
        let Some((table, extent)) = place.and_then(|t| Some((t, snapshot.extent(d, t)?))) else {
            continue;
        };
        let rows = all_rows(extent)?;
        let hashes = rows.iter().map(row_hash_owned).collect();
        found.insert(
            d,
            Found {
                table,
                rows,
                hashes,
            },
        );
    }
    Ok(found)
}

/// Row versions of all of them.
pub(super) fn row_count(found: &FoundTables) -> usize {
    found.values().map(|table| table.rows.len()).sum()
}

/// Where the rows stand that were there when the log begins, by database and
/// index; `None` where no copy is left.
pub(super) type Places = Vec<Option<(usize, usize)>>;

/// Compares every version of every table; `None` where one differs. Marks of
/// which the log says nothing are allowed with `unlogged`.
pub(super) fn places(
    outcome: &Outcome,
    found: &FoundTables,
    story: &Story<'_>,
    base: usize,
    unlogged: bool,
) -> Option<Places> {
    if !outcome.tables.keys().eq(found.keys()) {
        return None;
    }
    let mut places: Places = vec![None; base];
    for ((database, versions), table) in outcome.tables.iter().zip(found.values()) {
        if versions.len() != table.rows.len() {
            return None;
        }
        let rows = versions.iter().zip(&table.rows).zip(&table.hashes);
        for (at, ((version, row), hash)) in rows.enumerate() {
            let marked = !row.is_visible();
            if marked != version.ended && !(marked && unlogged) {
                return None;
            }
            let expected = match version.content {
                Content::Logged(record) => story.hashes.get(&record),
                Content::Base(base) => match places.get_mut(base)? {
                    Some(known) => hash_at(found, *known),
                    place => {
                        *place = Some((*database, at));
                        Some(hash)
                    }
                },
            };
            if expected != Some(hash) {
                return None;
            }
        }
    }
    Some(places)
}

pub(super) fn hash_at(found: &FoundTables, place: (usize, usize)) -> Option<&ContentHash> {
    found.get(&place.0)?.hashes.get(place.1)
}

/// The rows that the users' statements made, each once; `None` where one is
/// lost, or where copies of one say different things of its end.
pub(super) fn true_rows(
    outcome: &Outcome,
    home: usize,
    found: &FoundTables,
    story: &Story<'_>,
    places: &Places,
) -> Option<Vec<PackedRow>> {
    let mut ends: Vec<Option<Option<u64>>> = vec![None; outcome.truth.len()];
    let (own, others): (Vec<_>, Vec<_>) = outcome.tables.iter().partition(|(d, _)| **d == home);
    for (database, versions) in own.into_iter().chain(others) {
        let rows = &found.get(database)?.rows;
        for (version, row) in versions.iter().zip(rows) {
            // What ends a row without a record ends its copies with it, and
            // what comes back later is a copy.
            let end = ends.get_mut(version.of)?.get_or_insert(row.xmax);
            if !version.ended && end.is_none() && !row.is_visible() {
                return None;
            }
        }
    }
    let versions = outcome.truth.iter().zip(ends);
    let rows = versions.map(|(version, end)| {
        let row = match version.content {
            Content::Logged(record) => story.row(record)?,
            Content::Base(base) => {
                let (database, at) = (*places.get(base)?)?;
                found.get(&database)?.rows.get(at)?
            }
        };
        let marked = end.flatten();
        let mut row = row.clone();
        row.xmax = match version.ended {
            true => marked.or(Some(1)),
            false => marked,
        };
        Some(row)
    });
    rows.collect()
}

/// Whether the table has a key, and each key stands once among visible rows.
pub(super) fn has_single_keys(schema: &Table, rows: &[PackedRow]) -> bool {
    let columns = schema.columns.iter().enumerate();
    let mut keys = columns.filter(|(_, column)| column.is_key()).peekable();
    keys.peek().is_some()
        && keys.all(|(at, _)| {
            let visible = rows.iter().filter(|row| row.is_visible());
            let values = visible.filter_map(|row| row.value(at));
            let mut seen = std::collections::BTreeSet::new();
            let mut values = values.filter(|value| !value.is_null());
            values.all(|value| seen.insert(row_hash_owned(&pack_row([value], 0, None))))
        })
}
