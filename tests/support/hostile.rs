//! Fixtures of names and shapes that a careless tool trips over.

use super::builder::{Fixture, of};
use super::content::{column, fresh, key, loaded, table, text};
use super::model::{DataType, Family};
use super::truth::Class;

pub fn all() -> Vec<Fixture> {
    vec![hostile_names(), empty_tables()]
}

/// Names that must not become paths, devices or one another.
pub fn names() -> Vec<String> {
    let short = [
        "",
        ".",
        "..",
        "../../outside",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "nul\0inside",
        "CON",
        "con",
        "com1",
        "Users",
        "users",
        "metadata",
        "wal",
        "control",
        "line\nbreak",
        "\u{1b}[31mred",
        "\u{e9}",
        "e\u{301}",
        "%2e%2e",
        "trailing. ",
        "\u{202e}evil",
        "\u{1f980}",
        "x.db",
    ];
    let mut names: Vec<String> = short.map(String::from).to_vec();
    // Two long names that differ in their last character only.
    names.extend(["a", "b"].map(|last| "long".repeat(80) + last));
    names
}

fn hostile_names() -> Fixture {
    let mut server = fresh(Family::V1_4);
    for (at, name) in names().iter().enumerate() {
        server.create_table("postgres", table(name, vec![column(name, DataType::Text)]));
        server.insert("postgres", name, vec![vec![text(name)]]);
        let inner = format!("in_{at}");
        server.create_database(name);
        server.create_table(name, table(&inner, vec![column("c", DataType::Text)]));
        if at % 3 == 0 {
            server.insert(name, &inner, vec![vec![text(name)]]);
        }
    }
    let mut server = loaded(Family::V1_4, server);
    for name in names() {
        server.insert("postgres", &name, vec![vec![text("tail")]]);
    }
    let note = "Databases, tables and columns whose names are hostile as file names or output.";
    of(
        "hostile_names",
        note,
        Family::V1_4,
        Class::Decidable,
        &server,
    )
}

fn empty_tables() -> Fixture {
    let family = Family::V1_10;
    let mut server = fresh(family);
    server.create_database("nothing");
    server.create_table(
        "postgres",
        table("no_rows", vec![key("id", DataType::Serial)]),
    );
    server.create_table("postgres", table("no_columns", vec![]));
    server.create_table("postgres", table("no_columns_but_rows", vec![]));
    server.insert("postgres", "no_columns_but_rows", vec![vec![]; 3]);
    server.delete("postgres", "no_columns_but_rows", &[1]);
    server.create_table(
        "postgres",
        table("all_dead", vec![column("c", DataType::Text)]),
    );
    server.insert("postgres", "all_dead", vec![vec![text("gone")]]);
    server.delete("postgres", "all_dead", &[0]);
    let mut server = loaded(family, server);
    server.insert("postgres", "no_columns_but_rows", vec![vec![]]);
    let note = "A database without tables, tables without rows, without columns, all dead.";
    of("empty_tables", note, family, Class::Decidable, &server)
}
