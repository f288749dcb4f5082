//! Tests that have no peer to hold against.

use std::io::Write;

/// Says why a test checks nothing here, past the test runner, which shows only
/// what failing tests print. Where `RUSTDB_NO_SKIP` is 1, as where all peers are
/// known to be installed, it fails.
pub fn skip(why: &str) {
    let no_skip = std::env::var_os("RUSTDB_NO_SKIP").is_some_and(|value| value == "1");
    assert!(
        !no_skip,
        "RUSTDB_NO_SKIP is set, and the test would skip: {why}"
    );
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}
