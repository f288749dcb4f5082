//! The two programs, by their names.

/// A program with a man page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `rustdb-migrate`.
    Migrate,
    /// `rustdb-inspect`.
    Inspect,
}

impl Program {
    /// Both, in name order.
    pub const ALL: [Program; 2] = [Program::Inspect, Program::Migrate];

    /// The name of the program.
    pub fn name(self) -> &'static str {
        match self {
            Program::Migrate => "rustdb-migrate",
            Program::Inspect => "rustdb-inspect",
        }
    }
}
