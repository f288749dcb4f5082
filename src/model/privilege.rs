//! Privileges on databases and tables.

use serde::{Deserialize, Serialize};

/// One privilege (format page, "Privileges").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Privilege {
    /// CONNECT to a database.
    Connect,
    /// CREATE tables.
    Create,
    /// SELECT rows.
    Select,
    /// INSERT rows.
    Insert,
    /// UPDATE rows.
    Update,
    /// DELETE rows.
    Delete,
    /// ALL PRIVILEGES.
    All,
}

impl Privilege {
    /// Every privilege, in the order of its tag on disk.
    pub const ALL: [Privilege; 7] = [
        Privilege::Connect,
        Privilege::Create,
        Privilege::Select,
        Privilege::Insert,
        Privilege::Update,
        Privilege::Delete,
        Privilege::All,
    ];

    /// The SQL keyword.
    pub fn as_str(self) -> &'static str {
        match self {
            Privilege::Connect => "CONNECT",
            Privilege::Create => "CREATE",
            Privilege::Select => "SELECT",
            Privilege::Insert => "INSERT",
            Privilege::Update => "UPDATE",
            Privilege::Delete => "DELETE",
            Privilege::All => "ALL",
        }
    }
}

/// Privileges by user name, both in file order.
pub type PrivilegeMap = Vec<(String, Vec<Privilege>)>;
