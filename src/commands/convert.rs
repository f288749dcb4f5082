//! Content as another release would hold it, and rows without what was asked
//! to be left out.

mod numeric_count;
mod server_rows;

use crate::codec::RowBuffer;
use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::legacy::Family;
use crate::model::{
    Catalog, Database, PassThrough, RowBatch, RowSource, RowStream, TableGrants, ValueRef,
    VisibleRows,
};

use crate::report::Report;
pub use numeric_count::{CountingRows, NumericCount};
pub use server_rows::{ServerRows, StartCount};

/// Owner of everything that no file names an owner of: the first superuser of
/// every instance.
const DEFAULT_OWNER: &str = "postgres";

/// What to do with Numeric values, which no release can read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Numeric {
    /// Write them as they are, with a warning.
    #[default]
    Keep,
    /// Write their text.
    Text,
    /// Write the nearest double.
    Real,
}

impl std::str::FromStr for Numeric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "keep" => Ok(Numeric::Keep),
            "text" => Ok(Numeric::Text),
            "real" => Ok(Numeric::Real),
            _ => Err("expected keep, text or real".into()),
        }
    }
}

/// The catalog as a server of `family` would hold it. What the family has no
/// field for is named as dropped; what it has and the source lacks is added as
/// that server would put it there.
pub fn catalog_for(
    catalog: &Catalog,
    source: Family,
    family: Family,
    report: &mut Report,
) -> Catalog {
    let mut converted = catalog.clone();
    for database in &mut converted.databases {
        if !family.has_unique() {
            drop_unique(database, report);
        }
        if !family.has_views() {
            for (view, _) in std::mem::take(&mut database.views) {
                dropped(report, database, None, format!("view {view:?}"), family);
            }
        }
        if family.has_roles() {
            let owner = owner_of(catalog, &database.name);
            add_owners(database, &owner, source);
        } else {
            drop_owners(database, family, report);
        }
    }
    if !family.has_roles() {
        for user in &mut converted.users {
            for role in std::mem::take(&mut user.roles) {
                report.add(Finding::new(Code::FieldDropped).detail(format!(
                    "role {role:?} of user {:?}: family {family} has no roles",
                    user.name
                )));
            }
        }
        for role in std::mem::take(&mut converted.roles) {
            report.add(Finding::new(Code::FieldDropped).detail(format!(
                "role {:?}: family {family} has no roles",
                role.name
            )));
        }
    }
    converted
}

fn dropped(
    report: &mut Report,
    database: &Database,
    table: Option<&str>,
    what: String,
    family: Family,
) {
    let mut finding = Finding::new(Code::FieldDropped)
        .database(&database.name)
        .detail(format!("{what}: family {family} has no field for it"));
    if let Some(table) = table {
        finding = finding.table(table);
    }
    report.add(finding);
}

fn drop_unique(database: &mut Database, report: &mut Report) {
    for table in &mut database.tables {
        for column in table.columns.iter_mut().filter(|column| column.unique) {
            column.unique = false;
            report.add(
                Finding::new(Code::FieldDropped)
                    .database(&database.name)
                    .table(&table.name)
                    .detail(format!(
                        "UNIQUE of column {:?}: family 1.3 has no field for it",
                        column.name
                    )),
            );
        }
    }
}

fn owner_of(catalog: &Catalog, database: &str) -> String {
    let grants = catalog
        .grants
        .iter()
        .find(|grants| grants.database == database);
    grants.map_or_else(|| DEFAULT_OWNER.to_owned(), |grants| grants.owner.clone())
}

fn add_owners(database: &mut Database, owner: &str, source: Family) {
    for table in &mut database.tables {
        let owner = table.owner.get_or_insert_with(|| owner.to_owned());
        let granted = database
            .table_grants
            .iter()
            .any(|grants| grants.table == table.name);
        if !granted && !source.has_roles() {
            database
                .table_grants
                .push(TableGrants::owned_by(&table.name, owner));
        }
    }
}

fn drop_owners(database: &mut Database, family: Family, report: &mut Report) {
    for grants in std::mem::take(&mut database.table_grants) {
        let what = format!("owner {:?} and grants of the table", grants.owner);
        dropped(report, database, Some(&grants.table), what, family);
    }
    for table in &mut database.tables {
        table.owner = None;
    }
}

/// Rows of another source, changed on their way.
pub struct ConvertedRows<'s> {
    source: &'s dyn RowSource,
    numeric: Numeric,
    /// Row counts when dead versions are left out, by database and table.
    live_counts: Option<Vec<Vec<u64>>>,
}

impl<'s> ConvertedRows<'s> {
    /// Rows with their Numeric values changed as asked; with `live_counts`
    /// (visible rows by database and table) dead versions are left out.
    pub fn new(
        source: &'s dyn RowSource,
        numeric: Numeric,
        live_counts: Option<Vec<Vec<u64>>>,
    ) -> Self {
        ConvertedRows {
            source,
            numeric,
            live_counts,
        }
    }
}

impl PassThrough for ConvertedRows<'_> {
    fn source(&self) -> &dyn RowSource {
        self.source
    }

    fn stream<'r>(
        &'r self,
        _: (usize, usize),
        rows: Box<dyn RowStream + 'r>,
    ) -> Result<Box<dyn RowStream + 'r>> {
        let rows = match self.live_counts {
            Some(_) => Box::new(VisibleRows(rows)),
            None => rows,
        };
        Ok(match self.numeric {
            Numeric::Keep => rows,
            numeric => Box::new(ConvertedStream {
                rows,
                numeric,
                converted: RowBuffer::default(),
            }),
        })
    }

    fn passing(&self, database: usize, table: usize) -> Option<u64> {
        let counts = self.live_counts.as_ref()?;
        let count = counts.get(database).and_then(|tables| tables.get(table));
        Some(count.copied().unwrap_or(0))
    }
}

struct ConvertedStream<'s> {
    rows: Box<dyn RowStream + 's>,
    numeric: Numeric,
    converted: RowBuffer,
}

impl RowStream for ConvertedStream<'_> {
    fn next_batch(&mut self) -> Result<Option<RowBatch<'_>>> {
        let Some(batch) = self.rows.next_batch()? else {
            return Ok(None);
        };
        self.converted.clear();
        for row in batch.rows() {
            let values = row.values().map(|value| convert(value, self.numeric));
            self.converted.push(values, row.xmin, row.xmax);
        }
        Ok(Some(self.converted.batch()))
    }
}

fn convert(value: ValueRef<'_>, numeric: Numeric) -> ValueRef<'_> {
    match (value, numeric) {
        (ValueRef::Numeric(text), Numeric::Text) => ValueRef::Text(text),
        // A decimal that no double can be read from stays the text it is.
        (ValueRef::Numeric(text), Numeric::Real) => {
            text.parse().map_or(ValueRef::Text(text), ValueRef::Real)
        }
        (other, _) => other,
    }
}
