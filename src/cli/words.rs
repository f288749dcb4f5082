//! Every word that the tools print and that is no code of a finding, and what
//! it means: what `explain` says and what the man page lists.

/// A word, what kind of word it is, and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Word {
    /// As the tools print it.
    pub word: &'static str,
    /// Where it stands.
    pub of: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// In name order.
pub const WORDS: &[Word] = &[
    word(
        "ambiguous",
        CONFIDENCE,
        "An ambiguous record: several databases could own it and nothing separates them. It is not applied until you decide; `wal --explain SEQ` shows what is known of it.",
    ),
    word(
        "append",
        LAYOUT,
        "The layout append: all tables in one sequence of checksummed records with an index beside it, cheapest to write to.",
    ),
    word(
        "assigned",
        CONFIDENCE,
        "An assigned record: you gave it to its database, with --assign or a decision file.",
    ),
    word(
        "attribution",
        "the log",
        "The answer to the question whose a record was: records of the log do not name their database, so attribution finds it from what the statement did and from the rows that were there.",
    ),
    word(
        "candidate",
        "attribution",
        "A candidate is a database that could own a record. Its weight is the share of likelihood that it has, between 0 and 1.",
    ),
    word(
        "certain",
        CONFIDENCE,
        "A certain record: every assignment that the facts allow agrees on its database.",
    ),
    word(
        "checkpoint",
        STATE,
        "A checkpoint is the moment at which the server writes the whole snapshot. The Checkpoint record in the log says that the snapshot holds every record before it.",
    ),
    word(
        "clean",
        VERDICT,
        "A clean log: every byte belongs to a record, and the sequence numbers follow one another.",
    ),
    word(
        "cut",
        "the log",
        "The cut is the place in the log up to which the snapshot holds every record; what stands after it is the tail. The word beside it says what the place was found by: marker, no-marker, unmarked-checkpoint, salvage or empty-log.",
    ),
    word(
        "damaged",
        OUTCOME,
        "Something is damaged or lost, and nothing was written unless --salvage asked for it. The exit code is 1.",
    ),
    word(
        "damaged-middle",
        VERDICT,
        "A log with damaged-middle has bytes that hold no readable record, and readable records beyond them.",
    ),
    word(
        "dead",
        "row versions",
        "A dead row version is one that an UPDATE or DELETE has ended: no query shows it. `compact` drops dead versions.",
    ),
    word(
        "decision file",
        "attribution",
        "A text file with a line for each record and its database, written by `rustdb-migrate attribute`, edited by you, and obeyed with --attribution.",
    ),
    word(
        "differs",
        OUTCOME,
        "Something is not as in the other directory, or not as is written down. The exit code is 1.",
    ),
    word(
        "done",
        OUTCOME,
        "The command did all that it was asked to. The exit code is 0.",
    ),
    word(
        "done-with-loss",
        OUTCOME,
        "TARGET is written and verified, and what the errors name is lost. The exit code is 1.",
    ),
    word(
        "empty-log",
        CUT,
        "The log holds no record, so the cut needs no looking for: all data is in the snapshot (empty-log).",
    ),
    word(
        "evidence",
        "attribution",
        "What speaks for or against a database without proving it, each piece with the natural logarithm of its likelihood: 0 is what one expects, large negative numbers are rare.",
    ),
    word(
        "failed-statement",
        EVIDENCE,
        "Evidence: there the statement would have failed after it was logged (failed-statement), as the server logs before it looks.",
    ),
    word(
        "family",
        "releases",
        "A family is a range of releases whose files have the same fields: 1.3 (1.3.1, 1.3.2), 1.4 (1.4.0 to 1.9.0), 1.10 (1.10.0 to 2.2.0), 2.3 (2.3.0 to 2.6.0). It is found from the bytes; `info -v` shows how.",
    ),
    word(
        "gap",
        VERDICT,
        "A log with a gap: sequence numbers are missing between two records, so records are lost.",
    ),
    word(
        "in-snapshot",
        STATE,
        "The snapshot holds what this record did (in-snapshot), so it is not applied again.",
    ),
    word(
        "key-again",
        EVIDENCE,
        "Evidence: a visible row has this key already (key-again), which a server of release 1.3 lets pass.",
    ),
    word(
        "key-next",
        EVIDENCE,
        "Evidence: the key follows the largest one of the table (key-next), as an application that counts would choose it.",
    ),
    word(
        "key-other",
        EVIDENCE,
        "Evidence: the key does not follow the largest one of the table (key-other).",
    ),
    word(
        "key-taken",
        EVIDENCE,
        "Evidence: a visible row has this key already (key-taken), unless a statement that nobody logged removed it.",
    ),
    word(
        "layout",
        "directories of ours",
        "How a directory of ours keeps its rows: paged, per-table or append. Each has checksums, and each can be written into the others by `upgrade`.",
    ),
    word(
        "legacy",
        "directories",
        "A legacy directory is one that a RustDB server left. It is only ever read.",
    ),
    word(
        "live",
        "row versions",
        "A live row version is one that a query shows.",
    ),
    word(
        "marker",
        CUT,
        "The cut was found by a marker: the last Checkpoint record of the log, which says that the snapshot holds every record before it.",
    ),
    word(
        "needs-decision",
        OUTCOME,
        "Only you can say how to go on (needs-decision), and nothing was written. The exit code is 3.",
    ),
    word(
        "new-database",
        EVIDENCE,
        "Evidence: the record belongs to a database that no file names (new-database), made after the last checkpoint.",
    ),
    word(
        "no-effect",
        STATE,
        "The statement had failed after it was logged (no-effect), so there is nothing to apply.",
    ),
    word(
        "no-marker",
        CUT,
        "The log has no Checkpoint record (no-marker), and the snapshot holds none of its records: the cut is before the first one.",
    ),
    word(
        "no-predicate",
        EVIDENCE,
        "Evidence: no comparison of one column would have chosen these rows there (no-predicate).",
    ),
    word(
        "null-refused",
        EVIDENCE,
        "Evidence: the record has a NULL where the table's column says NOT NULL (null-refused).",
    ),
    word(
        "only-database",
        EVIDENCE,
        "Only one database can own the record at all (only-database).",
    ),
    word(
        "orphan",
        CONFIDENCE,
        "An orphan record fits no database that the files name. Its database was made after the last checkpoint, or its table is lost.",
    ),
    word(
        "others-ruled-out",
        EVIDENCE,
        "Facts rule every other database out (others-ruled-out); `wal --explain SEQ` shows which.",
    ),
    word(
        "paged",
        LAYOUT,
        "The layout paged: tables in pages of 8 KB, with checksums and a map of free space. The default.",
    ),
    word(
        "past-end",
        EVIDENCE,
        "Evidence: the record names a row that the table does not have (past-end), unless rows that nobody logged were inserted.",
    ),
    word(
        "per-table",
        LAYOUT,
        "The layout per-table: one file of checksummed blocks for each table.",
    ),
    word(
        "planned",
        OUTCOME,
        "A dry run: the upgrade would be done, and nothing was written (planned).",
    ),
    word(
        "planned-with-loss",
        OUTCOME,
        "A dry run: the upgrade would lose what the errors name, and nothing was written (planned-with-loss).",
    ),
    word(
        "predicate",
        EVIDENCE,
        "Evidence: a comparison of one column chooses these rows there and no others (predicate).",
    ),
    word(
        "probable",
        CONFIDENCE,
        "A probable record: the evidence favours one of several databases. `wal --attribute` shows such records, and `wal --explain SEQ` the weights of the others.",
    ),
    word(
        "quarantine",
        "records",
        "The quarantine keeps records whose database is not known, with all their bytes, in quarantine.jsonl beside the data; no table shows them until you decide.",
    ),
    word(
        "reference",
        EVIDENCE,
        "Evidence: the rows that the foreign key could name there (reference); more rows make each less likely.",
    ),
    word(
        "reference-missing",
        EVIDENCE,
        "Evidence: the row that the foreign key names is not there (reference-missing), unless a statement that nobody logged made it.",
    ),
    word(
        "repeated",
        VERDICT,
        "A repeated log: a sequence number stands in more than one record, as where segments of two servers are mixed.",
    ),
    word(
        "row-differs",
        EVIDENCE,
        "Evidence: each further column that an UPDATE changed (row-differs).",
    ),
    word(
        "salvage",
        "damage",
        "To salvage is to go on past damage, keep what can be kept and list what cannot: --salvage. As the word for a cut: the snapshot is lost or another's, and the whole log is applied.",
    ),
    word(
        "same-statement",
        EVIDENCE,
        "The record belongs to the same statement as the one before it (same-statement), so both go to one database.",
    ),
    word(
        "segment",
        "the log",
        "A segment is one file of the log, in wal/. The server starts a new one as each gets full and keeps the newest two at a checkpoint.",
    ),
    word(
        "sequence",
        "the log",
        "The sequence number of a record: one more for each, over all databases.",
    ),
    word(
        "serial-behind",
        EVIDENCE,
        "Evidence: the value of a SERIAL column is below the next one (serial-behind), so it was written by hand.",
    ),
    word(
        "serial-explicit",
        EVIDENCE,
        "Evidence: the value of a SERIAL column was written by hand (serial-explicit); its stored type says so.",
    ),
    word(
        "serial-gap",
        EVIDENCE,
        "Evidence: the value of a SERIAL column is above the next one (serial-gap), so values between were used by statements that nobody logged.",
    ),
    word(
        "serial-next",
        EVIDENCE,
        "Evidence: the value of a SERIAL column is the very next one of this table's sequence (serial-next): the strongest sign that the statement ran here.",
    ),
    word(
        "set-column",
        EVIDENCE,
        "Evidence: the first column that an UPDATE changed (set-column).",
    ),
    word(
        "snapshot",
        "directories",
        "The snapshot is the file in which the server keeps every database, written whole at each checkpoint. As a layout of `upgrade --to`: such a file for an old server.",
    ),
    word(
        "tag-unusual",
        EVIDENCE,
        "Evidence: the value has a stored type that a literal for this column would not get (tag-unusual).",
    ),
    word(
        "tail",
        "the log",
        "The tail is what stands in the log after the cut: records that the snapshot does not hold and that are applied on top of it. As a state of a record: it is one of them.",
    ),
    word(
        "torn-tail",
        VERDICT,
        "A log with a torn-tail ends inside a record, as any crash leaves it. That statement never completed.",
    ),
    word(
        "unchanged",
        EVIDENCE,
        "Evidence: there the UPDATE would have changed nothing (unchanged).",
    ),
    word(
        "unmarked-checkpoint",
        CUT,
        "The server was killed between writing the snapshot and the Checkpoint record (unmarked-checkpoint): the snapshot's content shows that it holds the records.",
    ),
    word(
        "unreadable",
        STATE,
        "These bytes of the log hold no record that can be read (unreadable).",
    ),
    word(
        "verdict",
        "the log",
        "The verdict says how the log as a whole stands: clean, torn-tail, gap, repeated or damaged-middle.",
    ),
    word(
        "weight",
        "attribution",
        "The weight of a candidate: its share of likelihood, between 0 and 1; the weights of all candidates of a record add up to 1.",
    ),
];

const CONFIDENCE: &str = "how sure an attribution is";
const STATE: &str = "what becomes of a record";
const VERDICT: &str = "the verdict on a log";
const CUT: &str = "what a cut was found by";
const OUTCOME: &str = "how a command ended";
const LAYOUT: &str = "layouts";
const EVIDENCE: &str = "evidence";

const fn word(word: &'static str, of: &'static str, meaning: &'static str) -> Word {
    Word { word, of, meaning }
}

/// What a word means, if it is one that the tools print.
pub(super) fn meaning(wanted: &str) -> Option<&'static Word> {
    WORDS.iter().find(|word| word.word == wanted)
}
