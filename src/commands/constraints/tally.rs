//! How many rows break a promise, and which.

/// How many rows of a kind were found, and where the first ones are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::commands) struct Tally {
    pub(in crate::commands) count: u64,
    first: Vec<u64>,
}

/// Rows that a finding names.
const ROWS_NAMED: usize = 5;

impl Tally {
    /// Adds a row; the lowest of all are named.
    pub(in crate::commands) fn add(&mut self, row: u64) {
        self.count = self.count.saturating_add(1);
        let at = self.first.partition_point(|named| *named < row);
        if at < ROWS_NAMED {
            self.first.insert(at, row);
            self.first.truncate(ROWS_NAMED);
        }
    }

    /// Adds those of rows that follow the first `before` ones.
    pub(in crate::commands) fn append(&mut self, later: &Tally, before: u64) {
        self.count = self.count.saturating_add(later.count);
        let room = ROWS_NAMED.saturating_sub(self.first.len());
        let named = later.first.iter().take(room);
        self.first
            .extend(named.map(|row| before.saturating_add(*row)));
    }

    /// `3 rows ...: row versions 1, 5, 9`: never a value of one.
    pub(in crate::commands) fn text(&self, what: &str) -> String {
        let first: Vec<String> = self.first.iter().map(u64::to_string).collect();
        let more = match u64::try_from(self.first.len()) {
            Ok(named) if named < self.count => ", ...",
            _ => "",
        };
        format!(
            "{} rows {what}: row versions {}{more}, counted from 0",
            self.count,
            first.join(", ")
        )
    }
}
