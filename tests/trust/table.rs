//! The table of what was tried and what came of it, as the README shows it.

/// One kind of harm, and how all of its trials ended.
#[derive(Debug, Clone)]
pub struct Line {
    /// What was done, to what.
    pub what: String,
    /// How many times.
    pub tried: u64,
    /// Reported with the file and the offset, or refused with an error.
    pub detected: u64,
    /// Proved to change nothing that anybody reads.
    pub harmless: u64,
    /// Legacy files only: cannot be known, because nothing in them says so.
    pub undetectable: u64,
    /// Neither: a wrong "ok".
    pub missed: u64,
    /// Rows or a directory that were safe before and are not there after.
    pub lost: u64,
    /// Panics, aborts and hangs.
    pub panicked: u64,
}

/// The lines as a table in markdown.
pub fn markdown(lines: &[Line]) -> String {
    let mut out = String::from(
        "| what was done | times | detected | harmless | cannot be known | missed | lost | panicked |\n|---|---|---|---|---|---|---|---|\n",
    );
    for line in lines {
        out += &format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |\n",
            line.what,
            line.tried,
            line.detected,
            line.harmless,
            line.undetectable,
            line.missed,
            line.lost,
            line.panicked
        );
    }
    out
}
