//! What can still be read of a damaged snapshot.
//!
//! Every row before the damage is kept, and every row after it where framing
//! can be found again: rows by their arity, tables by a name that stands twice
//! before plausible columns, databases by a name that stands twice before
//! tables. Bytes that were passed over are named.

mod search;

use std::ops::Range;
use std::sync::Arc;

use super::decode;
use super::rows::RowExtent;
use super::{Family, Snapshot};
use crate::codec::Flaw;
use crate::error::{Damage, Error, Result};
use crate::file::{SourceFile, Window};
use crate::finding::Code;
use crate::model::{Catalog, Database, Form, Table};

use search::Landmark;

/// A snapshot read past its damage.
#[derive(Debug, Clone)]
pub struct Salvaged {
    /// What could be read; rows up to each table's first damage.
    pub snapshot: Snapshot,
    /// Rows that damaged tables announced, by the positions of database and table.
    pub announced: Vec<((usize, usize), u64)>,
    /// Rows found again after damage inside a table.
    pub beyond: Vec<((usize, usize), RowExtent)>,
    /// What could not be read.
    pub losses: Vec<Loss>,
}

/// Bytes that could not be read, and what they held as far as is known.
#[derive(Debug, Clone)]
pub struct Loss {
    /// The first thing wrong.
    pub damage: Damage,
    /// The bytes passed over.
    pub range: Range<u64>,
    /// The database they belong to, if known.
    pub database: Option<String>,
    /// The table they belong to, if known.
    pub table: Option<String>,
    /// Rows announced and not found.
    pub rows: u64,
}

/// Reads a damaged snapshot under the family that went furthest.
///
/// # Errors
/// On I/O errors only.
pub fn salvage_snapshot(file: &Arc<SourceFile>, form: &Form, family: Family) -> Result<Salvaged> {
    let mut salvager = Salvager {
        window: Window::new(file.clone(), 0..file.len()),
        family,
        catalog: Catalog {
            form: form.clone(),
            ..Catalog::default()
        },
        rows: Vec::new(),
        announced: Vec::new(),
        beyond: Vec::new(),
        losses: Vec::new(),
    };
    salvager.run()?;
    let snapshot = Snapshot {
        family,
        catalog: salvager.catalog,
        rows: salvager.rows,
        evidence: Vec::new(),
    };
    Ok(Salvaged {
        snapshot,
        announced: salvager.announced,
        beyond: salvager.beyond,
        losses: salvager.losses,
    })
}

struct Salvager {
    window: Window,
    family: Family,
    catalog: Catalog,
    rows: Vec<Vec<RowExtent>>,
    announced: Vec<((usize, usize), u64)>,
    beyond: Vec<((usize, usize), RowExtent)>,
    losses: Vec<Loss>,
}

/// What could not be read, or the error that ends the reading.
type Tried<T> = Result<std::result::Result<T, Damage>>;

/// Damage apart from errors of the system.
fn tried<T>(result: Result<T>) -> Tried<T> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Error::Damage(damage)) => Ok(Err(*damage)),
        Err(other) => Err(other),
    }
}

impl Salvager {
    fn run(&mut self) -> Result<()> {
        let instance = self.catalog.form == Form::Instance;
        let mut left = 1;
        if instance {
            match tried(self.window.parse(|c| c.u64()))? {
                Ok(count) => left = count,
                Err(damage) => return self.lose_to_end(damage),
            }
        }
        let mut next = Landmark::Database;
        while left > 0 && next == Landmark::Database {
            left -= 1;
            next = self.database(instance)?;
        }
        if next == Landmark::End || !instance {
            return Ok(());
        }
        self.accounts()
    }

    /// One database; returns what to read next.
    fn database(&mut self, keyed: bool) -> Result<Landmark> {
        let head = self.window.parse(|c| {
            if keyed {
                c.str()?;
            }
            Ok((c.str()?.to_owned(), c.u64()?))
        });
        let (name, table_count) = match tried(head)? {
            Ok(head) => head,
            Err(damage) => return self.resume(damage),
        };
        self.start_database(name);
        let mut left = table_count;
        while left > 0 {
            left -= 1;
            match self.table()? {
                Landmark::Table => {}
                other => return Ok(other),
            }
        }
        self.close_database()
    }

    fn start_database(&mut self, name: String) {
        let database = Database {
            name,
            tables: Vec::new(),
            enums: Vec::new(),
            views: Vec::new(),
            table_grants: Vec::new(),
        };
        self.catalog.databases.push(database);
        self.rows.push(Vec::new());
    }

    /// Enums, views and grants.
    fn close_database(&mut self) -> Result<Landmark> {
        let family = self.family;
        let parts = self.window.parse(|c| {
            let enums = c.vec(16, decode::enum_type)?;
            let views = if family.has_views() {
                c.vec(16, decode::view)?
            } else {
                Vec::new()
            };
            let grants = match family.has_roles() {
                true => c.vec(16, decode::table_grants)?,
                false => Vec::new(),
            };
            Ok((enums, views, grants))
        });
        match (tried(parts)?, self.catalog.databases.last_mut()) {
            (Ok((enums, views, grants)), Some(database)) => {
                database.enums = enums;
                database.views = views;
                database.table_grants = grants;
                Ok(Landmark::Database)
            }
            (Ok(_), None) => Ok(Landmark::Database),
            (Err(damage), _) => self.resume(damage),
        }
    }

    fn accounts(&mut self) -> Result<()> {
        let family = self.family;
        match tried(self.window.parse(|c| c.vec(16, decode::database_grants)))? {
            Ok(grants) => self.catalog.grants = grants,
            Err(damage) => return self.lose_to_end(damage),
        }
        match tried(
            self.window
                .parse(|c| c.vec(16, |c| decode::user(c, family))),
        )? {
            Ok(users) => self.catalog.users = users,
            Err(damage) => return self.lose_to_end(damage),
        }
        if family.has_roles() {
            match tried(self.window.parse(|c| c.vec(16, decode::role)))? {
                Ok(roles) => self.catalog.roles = roles,
                Err(damage) => return self.lose_to_end(damage),
            }
        }
        if self.window.remaining() > 0 {
            let bad = Flaw::Bad {
                at: 0,
                code: Code::TrailingBytes,
                found: self.window.remaining(),
                expected: "the end of the file",
            };
            let damage = self.window.damage(bad);
            return self.lose_to_end(damage);
        }
        Ok(())
    }

    /// One table; returns what to read next.
    fn table(&mut self) -> Result<Landmark> {
        let family = self.family;
        let head = self.window.parse(|c| {
            c.str()?;
            Ok((decode::table_head(c, family)?, c.u64()?))
        });
        let ((name, columns), announced) = match tried(head)? {
            Ok(head) => head,
            Err(damage) => return self.resume(damage),
        };
        let arity = columns.len();
        let table = Table {
            name,
            columns,
            sequences: Vec::new(),
            owner: None,
        };
        let at = self.start_table(table, announced, arity)?;
        let Some(at) = at else {
            return Ok(Landmark::End);
        };
        let tail = self.window.parse(|c| decode::table_tail(c, family));
        match tried(tail)? {
            Ok((sequences, owner)) => {
                let tables = self
                    .catalog
                    .databases
                    .get_mut(at.0)
                    .map(|db| &mut db.tables);
                if let Some(table) = tables.and_then(|tables| tables.get_mut(at.1)) {
                    table.sequences = sequences;
                    table.owner = owner;
                }
                Ok(Landmark::Table)
            }
            Err(damage) => self.resume(damage),
        }
    }

    /// Reads a table's rows past any damage; `None` when the file ended.
    fn start_table(
        &mut self,
        table: Table,
        announced: u64,
        arity: usize,
    ) -> Result<Option<(usize, usize)>> {
        let name = table.name.clone();
        let database = self.catalog.databases.len().saturating_sub(1);
        let (Some(own), Some(rows)) = (self.catalog.databases.last_mut(), self.rows.last_mut())
        else {
            return Ok(None);
        };
        let at = (database, own.tables.len());
        let owner = own.name.clone();
        own.tables.push(table);
        let (extent, mut damage) = RowExtent::walk_prefix(&mut self.window, announced, arity)?;
        let mut found = extent.count;
        rows.push(extent);
        let mut complete = damage.is_none();
        while let Some(flaw) = damage.take() {
            let from = flaw.offset.max(self.window.offset());
            let resumed = self.find_row(from.saturating_add(1), arity)?;
            let end = resumed.unwrap_or(self.window.file().len());
            self.losses.push(Loss {
                range: self.window.offset()..end,
                damage: flaw,
                database: Some(owner.clone()),
                table: Some(name.clone()),
                rows: 0,
            });
            let Some(offset) = resumed else { break };
            self.window.seek(offset);
            let left = announced.saturating_sub(found);
            let (extent, next) = RowExtent::walk_prefix(&mut self.window, left, arity)?;
            found = found.saturating_add(extent.count);
            self.beyond.push((at, extent));
            complete = next.is_none() || self.tail_follows()?;
            damage = if complete { None } else { next };
        }
        if !self.losses.is_empty() {
            self.announced.push((at, announced));
        }
        let lost = announced.saturating_sub(found);
        if let Some(loss) = self
            .losses
            .last_mut()
            .filter(|l| l.table.as_ref() == Some(&name))
        {
            loss.rows = lost;
        }
        if complete { Ok(Some(at)) } else { Ok(None) }
    }

    /// Whether a table's sequences and owner stand here.
    fn tail_follows(&mut self) -> Result<bool> {
        let (offset, family) = (self.window.offset(), self.family);
        let follows = tried(self.window.parse(|c| decode::table_tail(c, family)))?.is_ok();
        self.window.seek(offset);
        Ok(follows)
    }

    fn lose(&mut self, damage: Damage, range: Range<u64>) {
        let database = self.catalog.databases.last().map(|db| db.name.clone());
        self.losses.push(Loss {
            damage,
            range,
            database,
            table: None,
            rows: 0,
        });
    }

    fn lose_to_end(&mut self, damage: Damage) -> Result<()> {
        let range = self.window.offset()..self.window.file().len();
        self.losses.push(Loss {
            damage,
            range,
            database: None,
            table: None,
            rows: 0,
        });
        Ok(())
    }
}
