//! What one table is, beside its files: they can be read without any other file
//! (format page, "Table descriptors").

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::control::Control;
use crate::engine::layouts::Shape;
use crate::engine::pages::address::{Lsn, TableAddress};
use crate::engine::pages::frame::Piece;
use crate::engine::pages::paths::TablePlace;
use crate::engine::pages::sealed::{self, KIND_TABLE, Seal, Twice};
use crate::engine::rows::counts::TableCounts;
use crate::error::{Damage, Result};
use crate::file::Disk;
use crate::finding::Code;
use crate::model::Table;

/// Suffix of the file.
pub(in crate::engine) const SUFFIX: &str = ".table";

/// The document of a table's descriptor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::engine) struct Descriptor<'a> {
    /// Name of the database.
    pub database: Cow<'a, str>,
    /// Of the table.
    pub id: u32,
    /// Number of the layout, as in the control file.
    pub layout: u8,
    /// Pages of one page file; 0 in layouts without pages.
    pub pages_per_file: u32,
    /// The schema family of the source.
    pub family: Cow<'a, str>,
    /// Position in the log at which the files were made as they are.
    pub checkpoint: u64,
    /// What the files hold.
    pub counts: TableCounts,
    /// The table, with the sequences that count.
    pub schema: Cow<'a, Table>,
}

impl<'a> Descriptor<'a> {
    /// The descriptor of a table of the directory that `control` describes.
    pub(in crate::engine) fn new(
        control: &'a Control,
        (database, id): (&'a str, u32),
        counts: TableCounts,
        schema: Cow<'a, Table>,
    ) -> Self {
        Descriptor {
            database: Cow::Borrowed(database),
            id,
            layout: control.shape.layout.tag(),
            pages_per_file: control.shape.pages_per_file,
            family: Cow::Borrowed(&control.origin.family),
            checkpoint: control.checkpoint.at.0,
            counts,
            schema,
        }
    }

    /// Checks that it says of the directory what the control file does.
    ///
    /// # Errors
    /// `BadCatalog`.
    pub(in crate::engine) fn check(&self, path: &Path, control: &Control) -> Result<(), Damage> {
        let Shape {
            layout,
            pages_per_file,
        } = control.shape;
        let found = if (self.layout, self.pages_per_file) != (layout.tag(), pages_per_file) {
            format!(
                "layout {} with {} pages per file",
                self.layout, self.pages_per_file
            )
        } else if self.family != control.origin.family {
            format!("source family {:?}", self.family)
        } else {
            return Ok(());
        };
        let expected = "what the control file says of the directory";
        Err(wrong(path, Code::BadCatalog, found, expected.into()))
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// `LimitReached` when it is too large.
    pub(in crate::engine) fn encode(&self, address: &TableAddress) -> Result<Vec<u8>> {
        sealed::encode_twice(Path::new(SUFFIX), &seal(address), self)
    }
}

/// Where the descriptor of a table is.
pub(in crate::engine) fn path(place: &TablePlace) -> PathBuf {
    place.file(SUFFIX)
}

fn seal(address: &TableAddress) -> Seal {
    Seal {
        kind: KIND_TABLE,
        cluster_id: address.cluster_id,
        database: address.database,
    }
}

/// Reads the descriptor of the table at a place.
///
/// # Errors
/// When it cannot be read, no copy of it is whole, or it is of another table.
pub(in crate::engine) fn read(place: &TablePlace) -> Result<Twice<Descriptor<'static>>> {
    let (disk, path) = (&*place.disk, path(place));
    let seal = seal(&place.address);
    let found: Twice<Descriptor<'static>> =
        sealed::read_twice(disk, &path, KIND_TABLE, Some(&seal))?;
    let (id, expected) = (found.document.id, place.address.table);
    if id != expected {
        let found = format!("the descriptor of table {id}");
        return Err(wrong(&path, Code::WrongPlace, found, format!("table {expected}")).into());
    }
    check_counts(&path, found.document.counts)?;
    let mut seen = BTreeSet::new();
    let mut sequences = found.document.schema.sequences.iter();
    if !sequences.all(|(column, _)| seen.insert(column)) {
        let found = "a sequence of a column that has one".to_owned();
        return Err(wrong(&path, Code::DuplicateName, found, "one a column".into()).into());
    }
    let whole = Piece {
        path: &path,
        offset: 0,
        bytes: &[],
    };
    let checkpoint = Lsn(found.document.checkpoint);
    whole.check_lsn(sealed::HEAD_LEN, checkpoint, place.address.lsns)?;
    Ok(found)
}

/// Reads any descriptor.
///
/// # Errors
/// When it cannot be read, or no copy of it is whole.
pub(in crate::engine) fn read_any(
    disk: &dyn Disk,
    path: &Path,
) -> Result<Twice<Descriptor<'static>>> {
    sealed::read_twice(disk, path, KIND_TABLE, None)
}

/// Checks counts by themselves.
fn check_counts(path: &Path, counts: TableCounts) -> Result<(), Damage> {
    let found = match counts {
        c if c.live > c.rows => "more live rows than rows",
        c if c.ends > c.rows.saturating_sub(c.live) => "more ends than dead rows",
        _ => return Ok(()),
    };
    Err(wrong(
        path,
        Code::BadCatalog,
        found.into(),
        "at most as many".into(),
    ))
}

fn wrong(path: &Path, code: Code, found: String, expected: String) -> Damage {
    Damage {
        file: path.to_owned(),
        offset: sealed::HEAD_LEN as u64,
        code,
        found,
        expected,
    }
}
