//! Why something could not be done.
//!
//! An error says which file, at which byte offset, what was found against what
//! was expected, and what the user can do. Its [`class`](Error::class) decides
//! the exit code.

use std::io;
use std::path::{Path, PathBuf};

use crate::finding::{Code, Finding};

/// The result of anything that touches a file.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; the command line turns it into an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// Damage or a difference was found: exit code 1.
    Damage,
    /// It could not run: exit code 2.
    CannotRun,
    /// A decision of the user is needed: exit code 3.
    NeedsDecision,
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes are not what they must be.
    #[error("{0}")]
    Damage(Box<Damage>),
    /// The medium does not give the bytes.
    #[error("cannot read {}, offset {offset}: {source}", path.display())]
    Unreadable {
        /// Of which file.
        path: PathBuf,
        /// Where the first of them stands.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The request cannot be carried out as it stands.
    #[error("{0}")]
    Usage(String),
    /// The path holds nothing that this tool reads.
    #[error("{}: {why}", path.display())]
    NotADataDirectory {
        /// The path given.
        path: PathBuf,
        /// What is missing or in the way, and what to do.
        why: String,
    },
    /// There is no database of that name.
    #[error("no database {database}")]
    DatabaseMissing {
        /// The name.
        database: String,
    },
    /// There is no table of that name, or it was dropped or altered since it
    /// was looked up.
    #[error("no table {table}, or it was dropped or altered since; look it up by its name")]
    TableMissing {
        /// The name, or the number of one that had it.
        table: String,
    },
    /// The table has no column of that name.
    #[error("no column {column} in table {table}")]
    ColumnMissing {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// Something of that name is there already.
    #[error("{name} is there already")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The table has no primary key that a row could be looked up by.
    #[error("table {table} has no primary key")]
    NoKey {
        /// The table.
        table: String,
    },
    /// A row has another number of values than its table has columns.
    #[error("a row of {found} values for table {table}, which has {expected} columns")]
    WrongArity {
        /// The table.
        table: String,
        /// Values of the row.
        found: usize,
        /// Columns of the table.
        expected: usize,
    },
    /// A row takes more bytes than any may.
    #[error("a row of {len} bytes for table {table}, expected at most {most}")]
    RowTooLong {
        /// The table.
        table: String,
        /// Bytes of the row.
        len: u64,
        /// Most that a row has.
        most: u64,
    },
    /// More of something than its files can hold.
    #[error("{what}: at most {most} can be")]
    LimitReached {
        /// Of what.
        what: String,
        /// How many can be.
        most: u64,
    },
    /// A sequence has given out its last value.
    #[error("table {table}: the sequence of column {column} is at its last value")]
    SequenceEnded {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A transaction changed more than it may before it is committed.
    #[error(
        "the transaction takes {len} bytes of memory, expected at most {most}\nCommit more often, or load the rows as a stream."
    )]
    TransactionTooLarge {
        /// Bytes that its changes take, about.
        len: usize,
        /// What the options allow.
        most: usize,
    },
    /// An earlier change of the transaction failed half-way: it can only be
    /// dropped.
    #[error("an earlier change of the transaction failed; drop it, and nothing of it happened")]
    TransactionFailed,
    /// Something failed half-way that the files depend on: the store takes no
    /// more changes and answers nothing.
    #[error("{}: an earlier change failed half-way; open the directory again", path.display())]
    StoreFailed {
        /// The directory.
        path: PathBuf,
    },
    /// A fault of this program, and of nobody's data.
    #[error("a fault of this program: {0}\nPlease report it.")]
    Internal(String),
    /// A visible row of the table has the key already.
    #[error("table {table}: a visible row has that primary key already")]
    KeyTaken {
        /// The name of the table.
        table: String,
    },
    /// The row version is not there, was ended before, or its name is one from
    /// before a compaction or a change of its table.
    #[error("table {table}: no such visible row")]
    NoSuchRow {
        /// The name of the table.
        table: String,
    },
    /// Only the user can decide how to go on.
    #[error("{0}")]
    NeedsDecision(String),
}

/// Bytes that are not what they must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}, offset {offset}: {code}: found {found}, expected {expected}\n{}", file.display(), code.remedy())]
#[non_exhaustive]
pub struct Damage {
    /// The file that holds them.
    pub file: PathBuf,
    /// Bytes from its start.
    pub offset: u64,
    /// What kind of damage.
    pub code: Code,
    /// What stands there.
    pub found: String,
    /// What must stand there.
    pub expected: String,
}

impl Error {
    /// An error of the operating system.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Error::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// Something that is no data directory, or no file of one: what was found and
    /// what was expected.
    pub fn not_a_data_directory(path: &Path, code: Code, found: &str) -> Self {
        Error::NotADataDirectory {
            path: path.to_owned(),
            why: format!("{code}: {found}\n{}", code.remedy()),
        }
    }

    /// Damaged bytes.
    pub fn damage(
        file: &Path,
        offset: u64,
        code: Code,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Error::Damage(Box::new(Damage {
            file: file.to_owned(),
            offset,
            code,
            found: found.into(),
            expected: expected.into(),
        }))
    }

    /// A file of a data directory that is not there.
    pub fn missing_file(path: &Path) -> Self {
        let expected = "a file of the directory";
        Error::damage(path, 0, Code::MissingFile, "no such file", expected)
    }

    /// Whether it says that the file at `path` is not there.
    pub fn is_missing(&self, path: &Path) -> bool {
        match self {
            Error::Io { source, .. } => is_missing(source),
            Error::Damage(damage) => damage.code == Code::MissingFile && damage.file == path,
            _ => false,
        }
    }

    /// What kind of failure it is.
    pub fn class(&self) -> Class {
        match self {
            Error::Damage(_) => Class::Damage,
            Error::NeedsDecision(_) => Class::NeedsDecision,
            _ => Class::CannotRun,
        }
    }
}

/// Whether the system says that there is nothing of that name.
pub fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        Error::Damage(Box::new(damage))
    }
}

impl From<&Damage> for Finding {
    fn from(damage: &Damage) -> Self {
        Finding::new(damage.code)
            .file(&damage.file)
            .offset(damage.offset)
            .detail(format!(
                "found {}, expected {}",
                damage.found, damage.expected
            ))
    }
}
