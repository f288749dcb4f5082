//! `rustdb-inspect dump --schema-only`: what is not rows.

use std::io::Write;

use serde::Serialize;

use crate::commands::Directory;
use crate::commands::dump::{Chosen, Selection};
use crate::commands::schema::{
    GrantSchema, RoleSchema, TableSchema, UserSchema, databases_by_name,
};
use crate::model::Catalog;
use crate::render::{REDACTED, push_csv_line, redacted_text};

use super::output::Output;

/// How to show schemas.
#[derive(Debug, Clone, Copy)]
pub(super) struct SchemaOptions {
    /// One line a column instead of one object a table.
    pub csv: bool,
    /// Show password hashes.
    pub secrets: bool,
    /// Hide the text of views, which may quote values.
    pub redact: bool,
}

#[derive(Serialize)]
struct SchemaLine<'s> {
    database: &'s str,
    table: &'s str,
    #[serde(flatten)]
    schema: TableSchema,
}

#[derive(Serialize)]
struct EnumLine<'s> {
    database: &'s str,
    #[serde(rename = "enum")]
    name: &'s str,
    labels: &'s [String],
}

#[derive(Serialize)]
struct ViewLine<'s> {
    database: &'s str,
    view: &'s str,
    sql: &'s str,
}

#[derive(Serialize)]
struct GrantLine<'s> {
    database: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<&'s str>,
    #[serde(flatten)]
    grants: GrantSchema,
}

/// Writes the schemas of the chosen tables and, unless tables are named, what
/// belongs to their databases; without any name also users and roles.
pub(super) fn dump_schema(
    mut out: Output,
    directory: &Directory,
    selection: &Selection,
    chosen: &[Chosen<'_>],
    options: SchemaOptions,
) -> anyhow::Result<()> {
    if options.csv {
        write_csv(&mut out, chosen)?;
        out.finish()?;
        return Ok(());
    }
    for one in chosen {
        line(
            &mut out,
            &SchemaLine {
                database: &one.database.name,
                table: &one.table.name,
                schema: one.table.into(),
            },
        )?;
    }
    let catalog = directory.catalog();
    write_databases(&mut out, catalog, selection, options)?;
    if selection.wants_all() {
        write_accounts(&mut out, catalog, options)?;
    }
    out.finish()?;
    Ok(())
}

fn write_databases(
    out: &mut Output,
    catalog: &Catalog,
    selection: &Selection,
    options: SchemaOptions,
) -> anyhow::Result<()> {
    for (_, database) in databases_by_name(catalog) {
        if !selection.wants_database(&database.name) {
            continue;
        }
        let name = &database.name;
        for (enum_name, labels) in sorted(&database.enums) {
            line(
                out,
                &EnumLine {
                    database: name,
                    name: enum_name,
                    labels,
                },
            )?;
        }
        for (view, sql) in sorted(&database.views) {
            let hidden = redacted_text(u64::try_from(sql.len()).unwrap_or(u64::MAX));
            let sql = if options.redact { &hidden } else { sql };
            line(
                out,
                &ViewLine {
                    database: name,
                    view,
                    sql,
                },
            )?;
        }
        for grants in catalog.grants.iter().filter(|g| g.database == *name) {
            let grants = grants.into();
            line(
                out,
                &GrantLine {
                    database: name,
                    table: None,
                    grants,
                },
            )?;
        }
        let mut of_tables: Vec<_> = database.table_grants.iter().collect();
        of_tables.sort_by(|a, b| a.table.cmp(&b.table));
        for grants in of_tables {
            line(
                out,
                &GrantLine {
                    database: name,
                    table: Some(&grants.table),
                    grants: GrantSchema::new(&grants.owner, &grants.privileges),
                },
            )?;
        }
    }
    Ok(())
}

fn write_accounts(
    out: &mut Output,
    catalog: &Catalog,
    options: SchemaOptions,
) -> anyhow::Result<()> {
    let mut users: Vec<_> = catalog.users.iter().collect();
    users.sort_by(|a, b| a.name.cmp(&b.name));
    for user in users {
        let hash = match options.secrets {
            true => user.password_hash.as_str(),
            false => REDACTED,
        };
        line(out, &UserSchema::new(user, hash))?;
    }
    let mut roles: Vec<_> = catalog.roles.iter().collect();
    roles.sort_by(|a, b| a.name.cmp(&b.name));
    for role in roles {
        line(out, &RoleSchema::from(role))?;
    }
    Ok(())
}

fn sorted<T>(entries: &[(String, T)]) -> Vec<&(String, T)> {
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    sorted
}

fn line<T: Serialize>(out: &mut Output, content: &T) -> anyhow::Result<()> {
    let mut bytes = serde_json::to_vec(content)?;
    bytes.push(b'\n');
    out.write_all(&bytes)?;
    Ok(())
}

fn write_csv(out: &mut Output, chosen: &[Chosen<'_>]) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    let header = [
        "database",
        "table",
        "column",
        "type",
        "nullable",
        "primary_key",
        "unique",
        "references",
        "next",
    ];
    push_csv_line(&mut lines, header);
    for one in chosen {
        let schema = TableSchema::from(one.table);
        for column in &schema.columns {
            let references = match &column.references {
                Some((table, column)) => format!("{table}({column})"),
                None => String::new(),
            };
            let next = schema.sequences.get(&column.name);
            let next = next.map_or_else(String::new, i64::to_string);
            let flag = |set| if set { "true" } else { "false" };
            let fields: [&str; 9] = [
                &one.database.name,
                &one.table.name,
                &column.name,
                &column.data_type,
                flag(column.nullable),
                flag(column.primary_key),
                flag(column.unique),
                &references,
                &next,
            ];
            push_csv_line(&mut lines, fields);
        }
    }
    out.write_all(&lines)?;
    Ok(())
}
