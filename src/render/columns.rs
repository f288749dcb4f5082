//! Column names as keys.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Table;

/// The names of a table's columns, made distinct: a file can hold the same name
/// twice, and a JSON object would keep only one of two values. The second
/// `id` becomes `id#2`.
pub fn distinct_names(table: &Table) -> Vec<String> {
    let names = table.columns.iter().map(|column| column.name.as_str());
    distinct(&names.collect::<Vec<_>>())
}

/// As [`distinct_names`], with a sign in place of each NUL: for readers that take it
/// for the end.
pub fn names_without_nul(table: &Table) -> Vec<String> {
    let names = table
        .columns
        .iter()
        .map(|c| c.name.replace('\0', "\u{2400}"));
    let names: Vec<String> = names.collect();
    distinct(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn distinct(wanted: &[&str]) -> Vec<String> {
    let taken: BTreeSet<&str> = wanted.iter().copied().collect();
    let mut used: BTreeSet<String> = BTreeSet::new();
    // Of each name the number to try next: those before it are taken.
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    let mut names = Vec::with_capacity(wanted.len());
    for column in wanted {
        let mut name = (*column).to_owned();
        let number = next.entry(column).or_insert(2);
        while used.contains(&name) {
            let numbered = format!("{column}#{number}");
            if !taken.contains(numbered.as_str()) {
                name = numbered;
            }
            *number = number.saturating_add(1);
        }
        used.insert(name.clone());
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Column, DataType};

    #[test]
    fn a_name_that_stands_twice_gets_a_number_that_is_free() {
        let column = |name: &str| Column {
            name: name.to_owned(),
            data_type: DataType::Text,
            nullable: true,
            primary_key: false,
            unique: false,
            foreign_key: None,
        };
        let table = Table {
            name: "t".into(),
            columns: ["id", "id#2", "id", "id", "x"].map(column).to_vec(),
            sequences: Vec::new(),
            owner: None,
        };
        assert_eq!(distinct_names(&table), ["id", "id#2", "id#3", "id#4", "x"]);
        let table = Table {
            columns: ["a\0", "a␀"].map(column).to_vec(),
            ..table
        };
        assert_eq!(names_without_nul(&table), ["a␀", "a␀#2"]);
    }
}
