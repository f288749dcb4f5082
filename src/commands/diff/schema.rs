//! Everything but rows: what only one side has, and what both have differently.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::commands::schema::{ColumnSchema, GrantSchema, RoleSchema, UserSchema};
use crate::model::{Catalog, Database, Table};

/// What differs, except rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What kind of thing: `database`, `table`, `column`, `sequence`, `owner`,
    /// `enum`, `view`, `grant`, `user`, `role`.
    pub what: &'static str,
    /// `a` or `b` when only that side has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_in: Option<&'static str>,
    /// The database, if it lies in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The table, if it lies in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Its name.
    pub name: String,
    /// What A has against what B has; never a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Stands for a password hash: whether two are equal is said apart.
const HIDDEN: &str = "";

/// Items of both sides by name, in name order.
pub(super) fn pairs<'t, T>(
    a: &'t [T],
    b: &'t [T],
    name: impl Fn(&T) -> &str,
) -> Vec<(Option<&'t T>, Option<&'t T>)> {
    let mut pairs: BTreeMap<String, (Option<&T>, Option<&T>)> = BTreeMap::new();
    for item in a {
        pairs.entry(name(item).to_owned()).or_default().0 = Some(item);
    }
    for item in b {
        pairs.entry(name(item).to_owned()).or_default().1 = Some(item);
    }
    pairs.into_values().collect()
}

/// Compares two catalogs.
pub(super) fn differences(a: &Catalog, b: &Catalog) -> Vec<Difference> {
    let mut found = Differences::default();
    for (left, right) in pairs(&a.databases, &b.databases, |d| &d.name) {
        match (left, right) {
            (Some(left), Some(right)) => found.databases(left, right),
            (one, other) => {
                let name = one.or(other).map_or("", |d| d.name.as_str());
                found.one_sided("database", name, one.is_some());
            }
        }
    }
    found.items(
        "grant",
        pairs(&a.grants, &b.grants, |g| &g.database),
        |g| &g.database,
        |g| json(&GrantSchema::from(g)),
    );
    found.users(a, b);
    found.items(
        "role",
        pairs(&a.roles, &b.roles, |role| &role.name),
        |role| &role.name,
        |role| json(&RoleSchema::from(role)),
    );
    found.differences
}

fn json<T: Serialize>(item: &T) -> String {
    serde_json::to_string(item).unwrap_or_default()
}

#[derive(Default)]
struct Differences {
    differences: Vec<Difference>,
    database: Option<String>,
    table: Option<String>,
}

impl Differences {
    fn add(
        &mut self,
        what: &'static str,
        name: &str,
        only_in: Option<&'static str>,
        detail: Option<String>,
    ) {
        self.differences.push(Difference {
            what,
            only_in,
            database: self.database.clone(),
            table: self.table.clone(),
            name: name.to_owned(),
            detail,
        });
    }

    fn one_sided(&mut self, what: &'static str, name: &str, in_a: bool) {
        self.add(what, name, Some(if in_a { "a" } else { "b" }), None);
    }

    /// Compares items by what `show` says of them.
    fn items<T>(
        &mut self,
        what: &'static str,
        pairs: Vec<(Option<&T>, Option<&T>)>,
        name: impl Fn(&T) -> &str,
        show: impl Fn(&T) -> String,
    ) {
        for pair in pairs {
            match pair {
                (Some(a), Some(b)) => {
                    let (in_a, in_b) = (show(a), show(b));
                    if in_a != in_b {
                        let detail = format!("A has {in_a}, B has {in_b}");
                        self.add(what, name(a), None, Some(detail));
                    }
                }
                (Some(a), None) => self.one_sided(what, name(a), true),
                (None, Some(b)) => self.one_sided(what, name(b), false),
                (None, None) => {}
            }
        }
    }

    fn databases(&mut self, a: &Database, b: &Database) {
        self.database = Some(a.name.clone());
        for (left, right) in pairs(&a.tables, &b.tables, |t| &t.name) {
            match (left, right) {
                (Some(left), Some(right)) => self.tables(left, right),
                (one, other) => {
                    let name = one.or(other).map_or("", |t| t.name.as_str());
                    self.one_sided("table", name, one.is_some());
                }
            }
        }
        self.items(
            "enum",
            pairs(&a.enums, &b.enums, |(name, _)| name),
            |(name, _)| name,
            |(_, labels)| json(labels),
        );
        self.items(
            "view",
            pairs(&a.views, &b.views, |(name, _)| name),
            |(name, _)| name,
            // The text of a view may quote values.
            |(_, sql)| crate::codec::ContentHash::of(sql.as_bytes()).to_string(),
        );
        self.items(
            "grant",
            pairs(&a.table_grants, &b.table_grants, |g| &g.table),
            |g| &g.table,
            |g| json(&GrantSchema::new(&g.owner, &g.privileges)),
        );
        self.database = None;
    }

    fn tables(&mut self, a: &Table, b: &Table) {
        self.table = Some(a.name.clone());
        let columns = |table: &Table| -> Vec<ColumnSchema> {
            table.columns.iter().map(ColumnSchema::from).collect()
        };
        let (in_a, in_b) = (columns(a), columns(b));
        self.items(
            "column",
            pairs(&in_a, &in_b, |column| &column.name),
            |column| &column.name,
            json,
        );
        let names = |columns: &[ColumnSchema]| -> Vec<String> {
            columns.iter().map(|column| column.name.clone()).collect()
        };
        let (mut order_a, mut order_b) = (names(&in_a), names(&in_b));
        if order_a != order_b {
            let orders = (json(&order_a), json(&order_b));
            order_a.sort();
            order_b.sort();
            // Other columns are named already; the same ones in another order not.
            if order_a == order_b {
                let detail = format!("A has the order {}, B has {}", orders.0, orders.1);
                self.add("columns", &a.name, None, Some(detail));
            }
        }
        self.items(
            "sequence",
            pairs(&a.sequences, &b.sequences, |(name, _)| name),
            |(name, _)| name,
            |(_, next)| next.to_string(),
        );
        if a.owner != b.owner {
            let owner = |table: &Table| json(&table.owner);
            let detail = format!("A has {}, B has {}", owner(a), owner(b));
            self.add("owner", &a.name, None, Some(detail));
        }
        self.table = None;
    }

    fn users(&mut self, a: &Catalog, b: &Catalog) {
        let users = pairs(&a.users, &b.users, |user| &user.name);
        for pair in &users {
            if let (Some(left), Some(right)) = pair
                && left.password_hash != right.password_hash
            {
                let detail = Some("the password hashes differ".to_owned());
                self.add("user", &left.name, None, detail);
            }
        }
        self.items(
            "user",
            users,
            |user| &user.name,
            |user| json(&UserSchema::new(user, HIDDEN)),
        );
    }
}
