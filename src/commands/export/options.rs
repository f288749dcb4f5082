//! What a script is to hold, and the note on a name that it changes.

use crate::finding::{Code, Finding};
use crate::postgres::NameRules;
use crate::postgres::plan::Dialect;

/// What a script is to hold.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExportOptions {
    /// Hashes of passwords, as comments.
    pub secrets: bool,
    /// Lengths in place of values, so every column is text.
    pub redact: bool,
    /// Neither users and roles nor owners and grants.
    pub no_roles: bool,
    /// Who reads it.
    pub dialect: Dialect,
}

impl ExportOptions {
    pub(super) fn relation_rules(self) -> NameRules {
        match self.dialect {
            Dialect::Postgres => NameRules::Relation,
            Dialect::Sqlite => NameRules::Sqlite,
        }
    }

    pub(super) fn column_rules(self) -> NameRules {
        match self.dialect {
            Dialect::Postgres => NameRules::Column,
            Dialect::Sqlite => NameRules::Sqlite,
        }
    }
}

/// A note if a name is not the source's.
pub(super) fn changed_name(what: &str, source: &str, name: &str) -> Option<Finding> {
    (source != name)
        .then(|| Finding::new(Code::NameChanged).detail(format!("{what} {source:?} is {name:?}")))
}
