//! Which random histories a test runs.

/// The histories to run of each kind: `RUSTDB_HISTORIES` of them, or so many as
/// `usual`, from `RUSTDB_SEED` on.
pub fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name: &str, usual| std::env::var(name).map_or(usual, |n| n.parse().unwrap());
    let first: u64 = number("RUSTDB_SEED", 0);
    first..first + number("RUSTDB_HISTORIES", usual)
}
