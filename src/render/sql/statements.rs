//! Databases, types, tables and constraints.

use crate::finding::Finding;
use crate::postgres::plan::{ColumnPlan, DatabasePlan, SequencePlan, TablePlan};
use crate::postgres::{quote_ident, quote_literal};

use super::{push_comment, push_line, push_notes};

/// Tables up to which a database is loaded in one transaction: each takes
/// several locks, and a server has room for some thousands.
const MAX_TABLES_A_TRANSACTION: usize = 500;

/// What every session needs.
const SESSION: &[&str] = &[
    "SET client_encoding = 'UTF8';",
    "SET standard_conforming_strings = on;",
    "SET client_min_messages = warning;",
    "SET statement_timeout = 0;",
    "SET lock_timeout = 0;",
    "SET TimeZone = 'UTC';",
    "SET DateStyle = 'ISO, YMD';",
    "SET search_path = '';",
];

/// Appends what comes first; `missing` is what was found that keeps rows out of
/// the script, so that it says so wherever it is taken.
pub fn push_header(out: &mut Vec<u8>, missing: &[Finding], redacted: bool) {
    push_comment(
        out,
        "RustDB data for PostgreSQL 15. Load it as a superuser:\n\
         psql -v ON_ERROR_STOP=1 -d postgres -f FILE\n\
         Every database is created anew; lines such as `-- type-widened: ...` say what differs from the source.",
    );
    if redacted {
        push_comment(
            out,
            "Values are redacted: every column is text and has no constraints.",
        );
    }
    if !missing.is_empty() {
        push_comment(
            out,
            "The source is not whole, or records of its log wait for a decision:",
        );
        push_notes(out, missing);
    }
    push_line(out, "\\set ON_ERROR_STOP on");
    push_session(out);
}

fn push_session(out: &mut Vec<u8>) {
    SESSION.iter().for_each(|line| push_line(out, line));
    out.push(b'\n');
}

/// Appends a database and its types; what follows goes into it.
pub fn push_database(out: &mut Vec<u8>, database: &DatabasePlan) {
    push_comment(out, &format!("database {:?}", database.name));
    push_notes(out, &database.notes);
    let name = quote_ident(&database.name);
    // The old server compares texts by their bytes, as the locale C does.
    push_line(
        out,
        &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';"),
    );
    let target = connection_value(&database.name).replace('"', "\"\"");
    push_line(
        out,
        &format!("\\connect -reuse-previous=on \"dbname={target}\""),
    );
    push_session(out);
    if in_one_transaction(database) {
        push_line(out, "BEGIN;");
    }
    for of in &database.enums {
        let labels: Vec<String> = of.labels.iter().map(|label| quote_literal(label)).collect();
        let (name, labels) = (quote_ident(&of.name), labels.join(", "));
        push_line(
            out,
            &format!("CREATE TYPE public.{name} AS ENUM ({labels});"),
        );
    }
    out.push(b'\n');
}

/// Without it a load that is cut off leaves the database empty.
fn in_one_transaction(database: &DatabasePlan) -> bool {
    database.tables.len() <= MAX_TABLES_A_TRANSACTION
}

/// A value of a connection string.
fn connection_value(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Appends a table without its rows; with `rows`, opens the COPY that they follow.
pub fn push_table(out: &mut Vec<u8>, table: &TablePlan, rows: bool) {
    push_notes(out, &table.notes);
    let name = quote_ident(&table.name);
    let lines: Vec<String> = match &table.as_json {
        Some(column) => vec![format!("    {} json NOT NULL", quote_ident(column))],
        None => table.columns.iter().map(column_line).collect(),
    };
    match lines.is_empty() {
        true => push_line(out, &format!("CREATE TABLE public.{name} ();")),
        false => push_line(
            out,
            &format!("CREATE TABLE public.{name} (\n{}\n);", lines.join(",\n")),
        ),
    }
    for column in &table.columns {
        if let Some(sequence) = &column.sequence {
            push_sequence(out, &name, &quote_ident(&column.name), sequence);
        }
    }
    if rows {
        // All columns, in the order of the statement above.
        push_line(out, &format!("COPY public.{name} FROM stdin;"));
    } else {
        out.push(b'\n');
    }
}

fn column_line(column: &ColumnPlan) -> String {
    let not_null = if column.not_null { " NOT NULL" } else { "" };
    format!("    {} {}{not_null}", quote_ident(&column.name), column.of)
}

fn push_sequence(out: &mut Vec<u8>, table: &str, column: &str, sequence: &SequencePlan) {
    let name = format!("public.{}", quote_ident(&sequence.name));
    let least = match sequence.next {
        Some(next @ ..=0) => format!(" MINVALUE {next}"),
        _ => String::new(),
    };
    push_line(
        out,
        &format!("CREATE SEQUENCE {name} AS bigint{least} OWNED BY public.{table}.{column};"),
    );
    match sequence.next {
        Some(next) => push_line(out, &format!("ALTER SEQUENCE {name} RESTART WITH {next};")),
        None => {
            let name = quote_literal(&name);
            push_line(
                out,
                &format!("SELECT pg_catalog.setval({name}, {});", i64::MAX),
            );
        }
    }
    let default = quote_literal(&name);
    push_line(
        out,
        &format!(
            "ALTER TABLE public.{table} ALTER COLUMN {column} SET DEFAULT nextval({default}::regclass);"
        ),
    );
}

/// Appends the keys of all tables, then the foreign keys.
pub fn push_constraints(out: &mut Vec<u8>, database: &DatabasePlan) {
    let named = |table: &TablePlan, position: usize| {
        let column = table.columns.get(position);
        quote_ident(column.map_or("", |column| &column.name))
    };
    for table in &database.tables {
        let name = quote_ident(&table.name);
        for key in &table.keys {
            let kind = if key.primary { "PRIMARY KEY" } else { "UNIQUE" };
            let column = named(table, key.column);
            push_line(
                out,
                &format!("ALTER TABLE public.{name} ADD {kind} ({column});"),
            );
        }
    }
    for table in &database.tables {
        let name = quote_ident(&table.name);
        for key in &table.foreign_keys {
            let column = named(table, key.column);
            let (to, referenced) = (quote_ident(&key.table), quote_ident(&key.referenced));
            push_line(
                out,
                &format!(
                    "ALTER TABLE public.{name} ADD FOREIGN KEY ({column}) REFERENCES public.{to} ({referenced});"
                ),
            );
        }
    }
}

/// Appends views as comments: their SQL is the old server's.
pub fn push_views(out: &mut Vec<u8>, database: &DatabasePlan) {
    for (name, sql) in &database.views {
        push_comment(out, &format!("view {name:?}:"));
        push_comment(out, sql);
    }
}

/// Appends what closes a database.
pub fn push_end_of_database(out: &mut Vec<u8>, database: &DatabasePlan) {
    if in_one_transaction(database) {
        push_line(out, "COMMIT;");
    }
    out.push(b'\n');
}
