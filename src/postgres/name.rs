//! Names that PostgreSQL takes, and how they are quoted.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::ContentHash;

/// Bytes of the longest name: longer ones are cut, and then can collide.
const MAX_NAME_LEN: usize = 63;
/// Bytes of `_` and eight hexadecimal digits.
const SUFFIX_LEN: usize = 9;

/// What is named, which decides what the name must differ from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameRules {
    /// A database; differs from those of the cluster.
    Database,
    /// A user or role.
    Role,
    /// A table, sequence or type: one space of names.
    Relation,
    /// A column; differs from those of its table.
    Column,
    /// A table or a column of SQLite, which ignores case.
    Sqlite,
}

impl NameRules {
    fn is_reserved(self, name: &str) -> bool {
        match self {
            NameRules::Database => {
                // A line of psql's `\connect` cannot hold a line end.
                matches!(name, "postgres" | "template0" | "template1")
                    || name.contains(['\n', '\r'])
            }
            NameRules::Role => name.starts_with("pg_") || matches!(name, "public" | "none"),
            NameRules::Relation => false,
            NameRules::Sqlite => name.to_ascii_lowercase().starts_with("sqlite_"),
            NameRules::Column => {
                matches!(
                    name,
                    "ctid" | "xmin" | "cmin" | "xmax" | "cmax" | "tableoid"
                )
            }
        }
    }

    /// What names that are the same to a server have in common.
    fn folded(self, name: &str) -> String {
        match self {
            NameRules::Sqlite => name.to_ascii_lowercase(),
            _ => name.to_owned(),
        }
    }

    /// Whether a server takes a name as it is.
    pub fn takes(self, name: &str) -> bool {
        !name.is_empty()
            && name.len() <= MAX_NAME_LEN
            && !name.contains('\0')
            && !self.is_reserved(name)
    }
}

/// One name for each of `wanted`, all distinct and none of them in `used`: the
/// name itself where PostgreSQL takes it, otherwise another that depends on
/// the name alone. `used` grows by what was given out.
pub fn assign_names<'n>(
    wanted: impl IntoIterator<Item = &'n str>,
    rules: NameRules,
    used: &mut BTreeSet<String>,
) -> Vec<String> {
    // Names that can stay come first, so that no made-up one takes their place.
    let kept: Vec<(&str, bool)> = wanted
        .into_iter()
        .map(|name| (name, rules.takes(name) && used.insert(rules.folded(name))))
        .collect();
    // How often each was given another name: the tries of before are taken.
    let mut tries = BTreeMap::new();
    kept.into_iter()
        .map(|(name, kept)| match kept {
            true => name.to_owned(),
            false => other_name(name, rules, used, tries.entry(name).or_default()),
        })
        .collect()
}

/// `postgres` becomes `postgres_rustdb`; otherwise the start of the name and
/// its hash.
fn other_name(
    name: &str,
    rules: NameRules,
    used: &mut BTreeSet<String>,
    tries: &mut u64,
) -> String {
    let friendly = format!("{name}_rustdb");
    if rules.is_reserved(name) && rules.takes(&friendly) && used.insert(rules.folded(&friendly)) {
        return friendly;
    }
    let mut start: String = name
        .chars()
        .map(|c| if c.is_control() { '_' } else { c })
        .collect();
    // Room for one more, see below.
    while start.len() >= MAX_NAME_LEN - SUFFIX_LEN {
        start.pop();
    }
    loop {
        let hash = match *tries {
            0 => ContentHash::of(name.as_bytes()),
            again => ContentHash::of(format!("{name}\0{again}").as_bytes()),
        };
        *tries = tries.saturating_add(1);
        let hash = hash.to_string();
        let digits = hash.get(..SUFFIX_LEN - 1).unwrap_or_default();
        let mut other = format!("{start}_{digits}");
        if rules.is_reserved(&other) {
            other.insert(0, '_');
        }
        if used.insert(rules.folded(&other)) {
            return other;
        }
    }
}

/// A name between double quotes.
pub fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text between single quotes; `standard_conforming_strings` is on.
pub fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assign(names: &[&str], rules: NameRules) -> Vec<String> {
        assign_names(names.iter().copied(), rules, &mut BTreeSet::new())
    }

    #[test]
    fn names_that_postgresql_takes_stay() {
        let names = ["Users", "users", "a\"b", "é", "e\u{301}", "a b", "%2e"];
        assert_eq!(assign(&names, NameRules::Relation), names);
    }

    #[test]
    fn others_are_distinct_and_do_not_depend_on_their_neighbours() {
        let long = ["x".repeat(64), "x".repeat(65), "é".repeat(40)];
        let names = ["", "nul\0inside", &long[0], &long[1], &long[2], "a", "a"];
        let assigned = assign(&names, NameRules::Column);
        let distinct: BTreeSet<&String> = assigned.iter().collect();
        assert_eq!(distinct.len(), names.len());
        for name in &assigned {
            assert!(!name.is_empty() && name.len() <= MAX_NAME_LEN && !name.contains('\0'));
        }
        for (name, assigned) in names.iter().zip(&assigned).take(5) {
            assert_eq!(assign(&[name], NameRules::Column)[0], *assigned);
        }
    }

    #[test]
    fn reserved_names_differ_by_what_they_are_for() {
        assert_eq!(
            assign(&["postgres"], NameRules::Database),
            ["postgres_rustdb"]
        );
        assert_eq!(assign(&["postgres"], NameRules::Role), ["postgres"]);
        let taken = assign(&["postgres", "postgres_rustdb"], NameRules::Database);
        assert_eq!(taken[1], "postgres_rustdb");
        assert!(taken[0].starts_with("postgres_") && taken[0] != taken[1]);
        assert!(assign(&["pg_x"], NameRules::Role)[0].starts_with("_pg_x"));
        assert_ne!(assign(&["xmin"], NameRules::Column), ["xmin"]);
        assert_eq!(assign(&["Users", "id"], NameRules::Sqlite), ["Users", "id"]);
        let folded = assign(&["Users", "users", "SQLITE_x"], NameRules::Sqlite);
        assert!(folded[0] == "Users" && folded[1].starts_with("users_"));
        assert!(folded[2].starts_with("_SQLITE_x"));
        assert_ne!(assign(&["a\nb"], NameRules::Database), ["a\nb"]);
    }
}
