//! What can still be read of a damaged snapshot.
//!
//! Every row before the damage is kept, and every row after it where framing
//! can be found again: rows by their arity, tables by a name that stands twice
//! before plausible columns, databases by a name that stands twice before
//! tables. Bytes that were passed over are named.

mod budget;
mod search;
mod shortfall;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::decode;
use super::rows::RowExtent;
use super::{Family, Snapshot};
use crate::codec::{Cursor, Flaw};
use crate::error::{Damage, Error, Result};
use crate::file::{SourceFile, Window};
use crate::finding::Code;
use crate::model::{Catalog, Database, Form, Table};

use budget::Budget;

pub use shortfall::{Announced, Shortfall};

/// The user that every server starts with.
const FIRST_USER: &str = "postgres";

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
    /// What was announced and is not there.
    pub shortfalls: Vec<Shortfall>,
    /// Databases among them.
    pub missing_databases: u64,
}

/// Bytes that could not be read, and what they held as far as is known.
#[derive(Debug, Clone)]
pub struct Loss {
    /// The first thing wrong.
    pub damage: Damage,
    /// The bytes passed over.
    pub range: Range<u64>,
    /// The database they belong to, if known.
    pub database: Option<Arc<str>>,
    /// The table they belong to, if known.
    pub table: Option<Arc<str>>,
    /// Its position, and that of its database.
    pub at: Option<(usize, usize)>,
    /// Rows announced and not found.
    pub rows: u64,
}

impl Loss {
    /// Whether nothing can be read behind it in its file.
    pub fn reaches_end(&self, files: &[Arc<SourceFile>]) -> bool {
        let mut files = files.iter();
        let file = files.find(|file| file.path() == self.damage.file);
        file.is_some_and(|file| file.len() == self.range.end)
    }
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
        shortfalls: Vec::new(),
        missing_databases: 0,
        budget: Budget::of(file)?,
        database_names: BTreeSet::new(),
        table_names: BTreeSet::new(),
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
        shortfalls: salvager.shortfalls,
        missing_databases: salvager.missing_databases,
    })
}

impl Salvaged {
    /// Adds what was read of another file of one database.
    pub(super) fn join(&mut self, other: Salvaged) {
        let first = self.snapshot.catalog.databases.len();
        let shifted = |(database, table): (usize, usize)| (first.saturating_add(database), table);
        let snapshot = other.snapshot;
        self.snapshot
            .catalog
            .databases
            .extend(snapshot.catalog.databases);
        self.snapshot.rows.extend(snapshot.rows);
        let announced = other.announced.into_iter();
        self.announced
            .extend(announced.map(|(at, rows)| (shifted(at), rows)));
        let beyond = other.beyond.into_iter();
        self.beyond
            .extend(beyond.map(|(at, extent)| (shifted(at), extent)));
        self.losses
            .extend(other.losses.into_iter().map(|loss| Loss {
                at: loss.at.map(shifted),
                ..loss
            }));
        self.shortfalls.extend(other.shortfalls);
        self.missing_databases = self
            .missing_databases
            .saturating_add(other.missing_databases);
    }

    /// How much it is: rows first, then accounts, then tables.
    pub fn kept(&self) -> (u64, usize, usize) {
        let rows = self.snapshot.rows.iter().flatten();
        let beyond = self.beyond.iter().map(|(_, extent)| extent);
        let catalog = &self.snapshot.catalog;
        let tables = catalog
            .databases
            .iter()
            .map(|database| database.tables.len());
        (
            rows.chain(beyond).map(|extent| extent.count).sum(),
            catalog.users.len() + catalog.roles.len() + catalog.grants.len(),
            tables.sum(),
        )
    }
}

struct Salvager {
    window: Window,
    family: Family,
    catalog: Catalog,
    rows: Vec<Vec<RowExtent>>,
    announced: Vec<((usize, usize), u64)>,
    beyond: Vec<((usize, usize), RowExtent)>,
    losses: Vec<Loss>,
    shortfalls: Vec<Shortfall>,
    missing_databases: u64,
    budget: Budget,
    /// Names of the databases so far, and of the tables of the last one.
    database_names: BTreeSet<String>,
    table_names: BTreeSet<String>,
}

/// The name of a database or table: the one that it holds, or, where another one
/// has that, its key. Zeros would be one without a name, as many times as they are
/// read: a server makes none.
fn free_name(
    c: &Cursor<'_>,
    taken: &BTreeSet<String>,
    [own, key]: [&str; 2],
) -> std::result::Result<String, Flaw> {
    let mut names = [own, key].into_iter();
    let free = names.find(|name| !name.is_empty() && !taken.contains(*name));
    free.map(str::to_owned).ok_or(Flaw::Bad {
        at: c.position(),
        code: Code::NameMismatch,
        found: own.len() as u64,
        expected: "a name, which no other one has",
    })
}

/// What stands at an offset after damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Landmark {
    Table,
    Database,
    End,
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
        let mut announced = 1;
        if instance {
            match tried(self.window.parse(|c| c.u64()))? {
                Ok(count) => announced = count,
                Err(damage) => {
                    self.short(Announced::Databases, None, 0);
                    return self.lose_to_end(damage);
                }
            }
        }
        let mut left = announced;
        let mut next = Landmark::Database;
        while left > 0 && next == Landmark::Database {
            left -= 1;
            next = self.database(instance)?;
        }
        let read = self.catalog.databases.len() as u64;
        self.missing_databases = announced.saturating_sub(read);
        if self.missing_databases > 0 {
            self.short(Announced::Databases, Some(announced), read);
        }
        if !instance {
            return Ok(());
        }
        match next {
            Landmark::End => self.short(Announced::Accounts, None, 0),
            _ => self.accounts()?,
        }
        Ok(())
    }

    fn short(&mut self, what: Announced, announced: Option<u64>, read: u64) {
        let database = what.is_of_database();
        let database = self.catalog.databases.last().filter(|_| database);
        self.shortfalls.push(Shortfall {
            file: self.window.file().path().to_owned(),
            what,
            database: database.map(|database| database.name.clone()),
            announced,
            read,
        });
    }

    /// One database; returns what to read next.
    fn database(&mut self, keyed: bool) -> Result<Landmark> {
        let names = &self.database_names;
        let head = self.window.parse(|c| {
            let key = if keyed { Some(c.str()?) } else { None };
            let own = c.str()?;
            let name = free_name(c, names, [own, key.unwrap_or(own)])?;
            Ok((name, c.u64()?))
        });
        let (name, table_count) = match tried(head)? {
            Ok(head) => head,
            Err(damage) => return self.resume(damage),
        };
        self.start_database(name);
        let mut left = table_count;
        let mut next = Landmark::Table;
        while left > 0 && next == Landmark::Table {
            left -= 1;
            next = self.table()?;
        }
        let own = self.catalog.databases.last();
        let read = own.map_or(0, |database| database.tables.len() as u64);
        if read < table_count {
            self.short(Announced::Tables, Some(table_count), read);
        }
        match next {
            Landmark::Table => self.close_database(),
            other => {
                self.short(Announced::Types, None, 0);
                Ok(other)
            }
        }
    }

    fn start_database(&mut self, name: String) {
        self.database_names.insert(name.clone());
        self.table_names.clear();
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
            (Err(damage), _) => {
                self.short(Announced::Types, None, 0);
                self.resume(damage)
            }
        }
    }

    /// Grants, users and roles, each map up to its first damage.
    fn accounts(&mut self) -> Result<()> {
        let family = self.family;
        let (grants, whole) = self.entries(Announced::Grants, decode::database_grants)?;
        self.catalog.grants = grants;
        if !whole {
            self.short(Announced::Users, None, 0);
            return Ok(());
        }
        let (users, whole) = self.entries(Announced::Users, |c| decode::user(c, family))?;
        self.catalog.users = users;
        if whole && family.has_roles() {
            let (roles, whole) = self.entries(Announced::Roles, decode::role)?;
            self.catalog.roles = roles;
            if !whole {
                return Ok(());
            }
        } else if !whole {
            if family.has_roles() {
                self.short(Announced::Roles, None, 0);
            }
            return Ok(());
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

    /// The entries of a map that stand before damage, and whether those are all.
    fn entries<T>(
        &mut self,
        what: Announced,
        mut read: impl FnMut(&mut Cursor<'_>) -> Result<T, Flaw>,
    ) -> Result<(Vec<T>, bool)> {
        let mut entries = Vec::new();
        let count = match tried(self.window.parse(|c| c.u64()))? {
            Ok(count) => count,
            Err(damage) => {
                self.short(what, None, 0);
                self.lose_to_end(damage)?;
                return Ok((entries, false));
            }
        };
        for _ in 0..count {
            match tried(self.window.parse(&mut read))? {
                Ok(entry) => entries.push(entry),
                Err(damage) => {
                    self.short(what, Some(count), entries.len() as u64);
                    self.lose_to_end(damage)?;
                    return Ok((entries, false));
                }
            }
        }
        Ok((entries, true))
    }

    /// One table; returns what to read next.
    fn table(&mut self) -> Result<Landmark> {
        let (family, names) = (self.family, &self.table_names);
        let head = self.window.parse(|c| {
            let key = c.str()?;
            let (own, columns) = decode::table_head(c, family)?;
            let name = free_name(c, names, [&own, key])?;
            Ok(((name, columns), c.u64()?))
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
            // Until its own is read: a table of this family has one.
            owner: family.has_roles().then(|| FIRST_USER.to_owned()),
        };
        let at = self.start_table(table, announced, arity)?;
        let Some(at) = at else {
            self.short(Announced::TableEnd, None, 0);
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
            Err(damage) => {
                self.short(Announced::TableEnd, None, 0);
                self.resume(damage)
            }
        }
    }

    /// Reads a table's rows past any damage; `None` when the file ended.
    fn start_table(
        &mut self,
        table: Table,
        announced: u64,
        arity: usize,
    ) -> Result<Option<(usize, usize)>> {
        let name: Arc<str> = table.name.as_str().into();
        let database = self.catalog.databases.len().saturating_sub(1);
        let (Some(own), Some(rows)) = (self.catalog.databases.last_mut(), self.rows.last_mut())
        else {
            return Ok(None);
        };
        let at = (database, own.tables.len());
        let owner: Arc<str> = own.name.as_str().into();
        self.table_names.insert(table.name.clone());
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
                at: Some(at),
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
        let database = self.catalog.databases.last();
        let database = database.map(|database| database.name.as_str().into());
        self.losses.push(Loss {
            damage,
            range,
            database,
            table: None,
            at: None,
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
            at: None,
            rows: 0,
        });
        Ok(())
    }
}
