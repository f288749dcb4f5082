//! What a damaged snapshot announces and does not give.

use std::path::PathBuf;

use crate::finding::{Code, Finding};

/// What is announced by a number before it, or by the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Announced {
    /// Databases of the instance.
    Databases,
    /// Tables of a database.
    Tables,
    /// The sequences and the owner at the end of the last table that was read.
    TableEnd,
    /// Enum types, views and table grants of a database.
    Types,
    /// Database grants.
    Grants,
    /// Users of the server.
    Users,
    /// Roles of the server.
    Roles,
    /// Everything after the databases.
    Accounts,
}

impl Announced {
    fn words(self) -> &'static str {
        match self {
            Announced::Databases => "databases",
            Announced::Tables => "tables",
            Announced::TableEnd => "the sequences and the owner of its last table",
            Announced::Types => "enum types, views and table grants",
            Announced::Grants => "database grants",
            Announced::Users => "users",
            Announced::Roles => "roles",
            Announced::Accounts => "users, roles and database grants",
        }
    }

    /// Whether it belongs to one database.
    pub(super) fn is_of_database(self) -> bool {
        matches!(
            self,
            Announced::Tables | Announced::TableEnd | Announced::Types
        )
    }
}

/// More was announced than could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// The file that announces it.
    pub file: PathBuf,
    /// What there should have been more of.
    pub what: Announced,
    /// The database that it belongs to, if it belongs to one.
    pub database: Option<String>,
    /// How many were announced, where that could be read.
    pub announced: Option<u64>,
    /// How many could be read.
    pub read: u64,
}

impl Shortfall {
    /// Whether tables are missing, or databases and theirs.
    pub fn is_of_tables(&self) -> bool {
        matches!(self.what, Announced::Databases | Announced::Tables)
    }

    /// As it is reported.
    pub fn finding(&self) -> Finding {
        let code = match self.what {
            Announced::Databases | Announced::Tables => Code::ObjectsLost,
            Announced::TableEnd | Announced::Types => Code::ObjectsLost,
            _ => Code::AccountsLost,
        };
        let what = self.what.words();
        let mut finding = Finding::new(code)
            .file(&self.file)
            .detail(match self.announced {
                Some(announced) => format!(
                    "of {announced} {what} that the file announces {} could be read; {} are lost",
                    self.read,
                    announced.saturating_sub(self.read)
                ),
                None => format!("{what} could not be read"),
            });
        finding.database = self.database.clone();
        finding
    }
}
