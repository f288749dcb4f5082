//! Column names as keys.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Table;

/// The names of a table's columns, made distinct: a file can hold the same name
/// twice, and a JSON object would keep only one of two values. The second
/// `id` becomes `id#2`.
pub fn distinct_names(table: &Table) -> Vec<String> {
    let taken: BTreeSet<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
    let mut used: BTreeSet<String> = BTreeSet::new();
    // Of each name the number to try next: those before it are taken.
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    let mut names = Vec::with_capacity(table.columns.len());
    for column in &table.columns {
        let mut name = column.name.clone();
        let number = next.entry(&column.name).or_insert(2);
        while used.contains(&name) {
            let numbered = format!("{}#{number}", column.name);
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
    }
}
