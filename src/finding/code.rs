//! The one table of codes.

use std::fmt;

use serde::Serialize;

use super::Severity;

macro_rules! codes {
    ($($variant:ident $text:literal $severity:ident $meaning:literal $remedy:literal
        $(salvaging $salvaging:literal)?;)*) => {
        /// A stable code; its text form is what JSON and the man page show.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the man page.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The kebab-case text of the code.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text,)* }
            }

            /// How much it weighs unless the place where it is found says otherwise.
            pub fn severity(self) -> Severity {
                match self { $(Code::$variant => Severity::$severity,)* }
            }

            /// What it means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$variant => $meaning,)* }
            }

            /// What the user can do, in one sentence.
            pub fn remedy(self) -> &'static str {
                match self { $(Code::$variant => $remedy,)* }
            }

            /// What the user can do where what can be kept is being kept
            /// already.
            pub fn remedy_when_salvaging(self) -> &'static str {
                match self { $($(Code::$variant => $salvaging,)?)* _ => self.remedy() }
            }
        }
    };
}

codes! {
    // Bytes that cannot be what they claim to be.
    Truncated "truncated" Error
        "The file ends inside a value."
        "Restore the file from a backup, or keep what stands before the cut with `upgrade --salvage`."
        salvaging "What stands before the cut is kept; restore the file from a backup to have the rest.";
    TrailingBytes "trailing-bytes" Error
        "The file goes on after its last value."
        "Check that the file was not appended to or joined with another; `upgrade --salvage` ignores the rest."
        salvaging "The rest is left out; check that the file was not appended to or joined with another.";
    BadTag "bad-tag" Error
        "A tag stands outside the range that the format defines."
        "The bytes are damaged or of another kind; restore the file from a backup.";
    BadBool "bad-bool" Error
        "A truth value or an option is neither 0 nor 1."
        "The bytes are damaged or of another kind; restore the file from a backup.";
    BadUtf8 "bad-utf8" Error
        "Text is not valid UTF-8."
        "The bytes are damaged; restore the file from a backup.";
    BadLength "bad-length" Error
        "A length or count is larger than the bytes that are left, or than the format allows."
        "The bytes are damaged; restore the file from a backup.";
    NameMismatch "name-mismatch" Error
        "The key of a map differs from the name inside the value."
        "The bytes are damaged; restore the file from a backup.";
    DuplicateName "duplicate-name" Error
        "A map holds the same name twice; a server would keep only one."
        "The bytes are damaged or forged; restore the file from a backup.";
    BadArity "bad-arity" Error
        "A row has another number of values than its table has columns."
        "The bytes are damaged; restore the file from a backup.";

    // The directory.
    NoSnapshot "no-snapshot" Error
        "The directory holds no database file."
        "Check the path; with WAL segments alone, `upgrade --salvage` rebuilds what they hold."
        salvaging "What the WAL segments hold is rebuilt; check the path, and look for a backup of the file.";
    NotADataDirectory "not-a-data-directory" Error
        "The path is not a RustDB data directory."
        "Give the directory that holds server_instance.db, <name>.db or a control file.";
    ForeignFile "foreign-file" Info
        "A file in the directory belongs to no known kind and was not read."
        "Nothing to do, unless the file should have been a WAL segment or a database.";
    SourceInUse "source-in-use" Warning
        "A live process holds files of the directory open for writing: what is shown may be half of a change."
        "Stop the server, or look at a copy that was made while it stood still.";
    SourceUseUnknown "source-use-unknown" Warning
        "Nobody could see whether a process holds files of the directory open for writing."
        "Make sure that its server is stopped, or run as root, who sees all processes.";
    NotRegular "not-a-regular-file" Error
        "A symbolic link, directory or device stands where a regular file must be."
        "Copy the directory with links followed (`cp -rL`) and run again on the copy.";
    FamilyAmbiguous "family-ambiguous" Error
        "The bytes are valid under several schema families with different content."
        "Say which one it is with `--from-family`.";
    FamilyUnknown "family-unknown" Error
        "The database file is valid under no known schema family."
        "It is damaged or of an unknown release; `--from-family` shows the first error under one family.";

    // The legacy WAL.
    WalEmpty "wal-empty" Warning
        "`wal/` holds no segment, and no server leaves it so: it opens one when it starts and keeps the two newest after a checkpoint."
        "Look for the segments, unless they were removed on purpose: what was done after the last checkpoint is in no other file.";
    TornTail "torn-tail" Warning
        "The newest segment ends inside a record, as any crash leaves it."
        "Nothing to do: that statement was never acknowledged as complete.";
    WalDamaged "wal-damaged" Error
        "A WAL record in the middle cannot be read; records beyond it were found again."
        "Restore the segment from a backup, or go on past the damage with `upgrade --salvage`."
        salvaging "What stands beyond is kept; restore the segment from a backup to have the rest.";
    WalGap "wal-gap" Error
        "Sequence numbers are missing between two records."
        "Look for a segment that was deleted or not copied; `upgrade --salvage` goes on without it."
        salvaging "Look for a segment that was deleted or not copied; what stands beyond is kept.";
    WalZeros "wal-zeros" Warning
        "Zeros stand between records whose sequence numbers go on: space that a file system had set aside."
        "Nothing to do: no record is missing.";
    WalNumber "wal-number" Warning
        "The sequence number of a record is damaged; its place among its neighbours says which one it is."
        "Nothing to do for this record; but what damaged it may have damaged more: compare with a backup.";
    WalCopy "wal-copy" Warning
        "Records stand in two places of the log with the same bytes, as in a segment that was copied; each counts once."
        "Nothing to do; move the copy out of wal/ so that no server applies it twice.";
    WalRepeated "wal-repeated" Error
        "A sequence number stands in records that differ, or the numbers start again."
        "Segments of two servers may be mixed, or the instance was re-initialised; check where the segments come from.";
    WalUnreadable "wal-unreadable" Error
        "A complete record does not decode under the snapshot's family."
        "Check `--from-family`; `upgrade --salvage` goes on without the record."
        salvaging "Check `--from-family`; the record is left out.";

    // What the crash left.
    UnmarkedCheckpoint "unmarked-checkpoint" Warning
        "The snapshot already holds the records that follow the last Checkpoint record: the server was killed between writing the snapshot and marking it."
        "Nothing to do: the records are not applied again.";
    CutUncertain "cut-uncertain" Warning
        "The snapshot and the log do not fit together: records after the last Checkpoint record can already be in the snapshot, or records before it are not."
        "Look for the snapshot that belongs to the log, or decide with `--attribution`: a database for a record that is to be applied, `quarantine` for one that the snapshot holds.";
    Reinitialised "reinitialised-instance" Error
        "The server replaced an instance it could not load by an empty one; the WAL still holds records of the old one."
        "Recover them with `upgrade --salvage`; if databases were dropped on purpose, use a copy without `wal/`."
        salvaging "What the WAL holds of them is kept; if databases were dropped on purpose, use a copy without `wal/`.";
    RowsNotInSnapshot "rows-not-in-snapshot" Error
        "The server kept rows in page files, not in the snapshot, and never reads them back."
        "Recover what the WAL and the page files still hold with `upgrade --salvage`."
        salvaging "What the WAL and the page files still hold is kept.";
    UnloggedRows "unlogged-rows" Warning
        "Transactions ran whose statements are never logged; what they did since the last checkpoint is in no file."
        "Compare with what the application knows; the rows cannot be recovered from this directory.";
    MarkLost "mark-lost" Warning
        "A Checkpoint record can no longer be read: the snapshot holds the records before a gap or damage in the log, and none behind it."
        "Nothing to do: those behind it are applied.";
    MixedTimes "mixed-times" Warning
        "The snapshot and the log need not be of one moment: it holds already what later records did, or shows nothing of what earlier ones did."
        "If the files were copied while a server ran, or one was put back from a backup, compare the rows with what the application knows.";
    ExtraValues "extra-values" Warning
        "An INSERT has more values than its table has columns: servers since 1.5 keep the row and show its first values, earlier ones refuse it."
        "Compare with what the application knows; `rustdb-inspect wal --explain RECORD` shows all values.";
    FailedStatement "failed-statement" Info
        "A logged statement had failed after logging and has no effect."
        "Nothing to do.";
    Ambiguous "ambiguous-attribution" Error
        "Several databases could own a record and nothing separates them."
        "Decide with `--assign TABLE=DATABASE` or a decision file, or keep the records aside with `--on-ambiguous quarantine`.";
    Orphan "orphan-record" Error
        "A record fits no known database."
        "Assign it with `--assign TABLE=DATABASE`, or keep it aside with `--on-ambiguous quarantine`.";
    Quarantined "quarantined" Warning
        "Records whose database is unknown were kept aside in quarantine.jsonl."
        "Decide about them with `--assign TABLE=DATABASE` in another upgrade.";
    PlacedByLikelihood "placed-by-likelihood" Warning
        "Records were placed into the likeliest of several databases, and nothing proves that they belong there."
        "See why with `rustdb-inspect wal SOURCE --attribute`; attribution.jsonl lists them, and a decision file can move them in another upgrade.";
    TakenUp "taken-up" Info
        "A quarantined record was applied, as decided."
        "Nothing to do.";
    BadQuarantine "bad-quarantine" Error
        "The quarantine of an earlier upgrade is not as it was written."
        "Restore quarantine.jsonl from a backup, or upgrade again from the legacy directory.";
    AssumedDatabase "assumed-database" Warning
        "A table made after the last checkpoint was placed in the only database that the files name; if another one was made since, it can be that one's."
        "If it is another database's, say so with `--assign TABLE=DATABASE`; `wal --attribute` shows its records.";
    AssignmentContradicted "assignment-contradicted" Error
        "A decision of the user contradicts a fact that the files prove."
        "Correct the decision; the detail names the fact.";

    // What salvage could not keep.
    BytesLost "bytes-lost" Error
        "Bytes could not be read and what they held is lost."
        "Compare with a backup; the range is named.";
    RecordsLost "records-lost" Error
        "Records of the log are gone and what they did is lost."
        "Look for segments that were deleted or not copied.";
    ObjectsLost "objects-lost" Error
        "Databases or tables that a file announces could not be read."
        "Compare with a backup.";
    FamilyTaken "family-taken" Info
        "A damaged file was read as one of the families that it could be of."
        "Say which one it is with `--from-family` if it is another.";
    AccountsLost "accounts-lost" Error
        "Users, roles or grants could not be read, or are in no file."
        "Create them anew after the upgrade.";
    SchemaLost "schema-lost" Error
        "A table's schema is in no file; its rows are kept under made-up column names."
        "Rename the columns after the upgrade.";
    UnloggedChanges "unlogged-changes" Warning
        "The log holds no UPDATE and no DELETE, and releases since 1.5 write none, nor does any release what a transaction changes: rows may be older than what users last saw, or deleted since."
        "Compare with what the application knows.";
    UnloggedTransactions "unlogged-transactions" Warning
        "What a transaction (BEGIN to COMMIT) changes, and which databases are made and dropped, is never logged and reaches the files with the next checkpoint: what came last leaves no trace."
        "If applications use transactions, or databases were made or dropped, compare with what they know.";

    // Content.
    UnreadableByServer "unreadable-by-server" Warning
        "The snapshot holds Numeric values, which no release can read back."
        "Write it with `--numeric text` or `--numeric real` if an old server is to load it.";
    NoRowShown "no-row-shown" Warning
        "A server of release 2.0 to 2.6, or an earlier one with page storage switched on, shows no row of any snapshot: it keeps rows in page files and never reads them back."
        "Write for a server that shows them (`--release 1.11.0`, page storage off), or load `rustdb-inspect dump` into another server; `--force` writes the snapshot regardless.";
    StartDiffers "start-differs" Warning
        "A server that starts on the snapshot counts transactions from 1: it does not show rows of later ones, and shows again what later ones ended."
        "Write it with `--release X.Y.Z` if a server is to load it.";
    Renumbered "renumbered" Info
        "Row versions were written with transaction 1, so that a server that starts shows exactly the visible ones; their own numbers are in no snapshot written for a server."
        "Nothing to do.";
    FieldDropped "field-dropped" Warning
        "The chosen release has no field for something the source holds."
        "Choose a later release with `--release` to keep it.";
    NumericInexact "numeric-inexact" Warning
        "Numeric values were written as doubles that do not hold all their digits."
        "Choose `--numeric text` to keep every digit.";
    DuplicateKey "duplicate-key" Warning
        "Two visible rows have the same PRIMARY KEY or UNIQUE value; the old server made such rows itself."
        "Content is kept as it is; remove the unwanted versions after the upgrade.";
    ReplayedTwice "replayed-twice" Warning
        "Rows stand twice because the server applied records a second time when it started; content is as the server showed it."
        "Upgrade with `--repair-replay` to undo it where that is proven.";
    ReplayedElsewhere "replayed-elsewhere" Warning
        "Rows or tables of one database stand in another, where the server put them when it started; content is as the server showed it."
        "Upgrade with `--repair-replay` to undo it where that is proven.";
    ReplaySuspected "replay-suspected" Warning
        "The server applied records a second time when it started, and what this changed is not proven; that was not undone."
        "Compare with what the application knows; the detail says what is missing for a proof.";
    RepairedReplay "repaired-replay" Info
        "What the server changed by applying records a second time was undone, and the records were applied to their own database."
        "Nothing to do; the detail names the rows and the proof.";
    ForeignKeyMissing "foreign-key-missing" Warning
        "A visible row refers to a key that no visible row has."
        "Content is kept as it is; check the rows named.";
    SequenceBehind "sequence-behind" Warning
        "A sequence would hand out a value that a visible row already has."
        "Content is kept as it is; set the sequence after the upgrade.";
    BadEnumLabel "bad-enum-label" Warning
        "A value is no label of its enum type."
        "Content is kept as it is; check the row named.";
    BadValueText "bad-value-text" Warning
        "A date, timestamp, decimal or JSON value is not written as its type is."
        "Content is kept as it is; a typed target may refuse it, check the row named.";

    // What another server cannot take as it stands.
    TypeWidened "type-widened" Warning
        "A column holds values that its declared type would refuse or change, so the dump gives it a wider type."
        "Nothing is lost; correct the values after the load and change the type with ALTER TABLE.";
    ConstraintLeftOut "constraint-left-out" Warning
        "A NOT NULL, PRIMARY KEY, UNIQUE or FOREIGN KEY that visible rows break, or that the server of the dump cannot hold, was left out of the dump."
        "Correct the rows after the load and add the constraint with ALTER TABLE; the detail names them.";
    NameChanged "name-changed" Warning
        "The server of the dump cannot take a name, so the dump uses another in its place."
        "Use the new name, or rename it after the load; the detail gives both.";
    TableAsJson "table-as-json" Warning
        "A table is wider than the server of the dump takes, so the dump holds each row as one JSON object."
        "Nothing is lost; take the columns that are needed from the JSON objects after the load.";
    TableWithoutFile "table-without-file" Info
        "A table has no column, so a file of typed columns can say nothing of it and none was written."
        "Nothing is lost but how many rows it has, which `rustdb-inspect info` says; its name stands in manifest.json.";
    AccessLeftOut "access-left-out" Warning
        "An owner, a grant or a membership names somebody who does not exist, or leads in a circle, and was left out of the dump."
        "Grant it after the load, if it is still wanted.";
    SequenceLeftOut "sequence-left-out" Warning
        "A sequence belongs to no column that can draw from it, and was left out of the dump."
        "Create it after the load, if it is still wanted; the detail gives its next value.";
    ViewAsComment "view-as-comment" Info
        "Views are written in the SQL of the old server, so the dump holds them as comments."
        "Write the view anew in the SQL of the new server.";

    // Our own files.
    ChecksumMismatch "checksum-mismatch" Error
        "Bytes differ from the checksum that was written with them."
        "Restore the file from a backup, or upgrade again from the source.";
    BadMagic "bad-magic" Error
        "The file does not start with the magic number of its kind."
        "Check that the file belongs here; restore it from a backup.";
    UnsupportedVersion "unsupported-version" Error
        "The file was written by a later version of the format."
        "Use a newer version of this tool.";
    WrongPlace "wrong-place" Error
        "A file or block belongs to another directory, table or position."
        "Put it back where it belongs, or restore it from a backup.";
    BadPage "bad-page" Error
        "The bounds or line pointers of a page contradict one another."
        "Restore the file from a backup, or upgrade again from the source.";
    BrokenChain "broken-chain" Error
        "The overflow pages of a wide row are missing, of another row, or in a circle."
        "Restore the file from a backup, or upgrade again from the source.";
    OrphanPage "orphan-page" Error
        "No row leads to an overflow page."
        "Restore the file from a backup, or upgrade again from the source.";
    DerivedDiffers "derived-differs" Warning
        "A free space map or an index differs from the data that it is derived from."
        "No row is lost; `rustdb-migrate compact` writes it anew.";
    MissingFile "missing-file" Error
        "A file that the catalog names is not there."
        "Restore it from a backup, or upgrade again from the source.";
    ExtraFile "extra-file" Warning
        "A file is there that the catalog does not name."
        "Nothing reads it; move it away if it should not be there.";
    CrashLeftover "crash-leftover" Warning
        "A file goes on after what the catalog knows of: a checkpoint was cut short by a crash before its data were in use."
        "Nothing to do: nothing reads it, and the next checkpoint cuts it off.";
    CountMismatch "count-mismatch" Error
        "A stored count differs from what was counted."
        "Restore the file from a backup, or upgrade again from the source.";
    OutOfRange "out-of-range" Error
        "A number stands outside the range that the format defines."
        "Restore the file from a backup, or upgrade again from the source.";
    BadCatalog "bad-catalog" Error
        "A catalog file has valid checksums and a content that no writer produces."
        "The file was forged or written by a defective program; upgrade again from the source.";
    NotPristine "content-differs" Error
        "The content differs from what was expected."
        "See the detail for what differs.";
}

impl Code {
    /// Whether it names something that salvage could not keep.
    pub fn is_loss(self) -> bool {
        matches!(
            self,
            Code::BytesLost
                | Code::ObjectsLost
                | Code::RecordsLost
                | Code::AccountsLost
                | Code::SchemaLost
        )
    }

    /// Whether it is about records that a start of the server applied a second time.
    pub fn is_replay(self) -> bool {
        matches!(
            self,
            Code::ReplayedTwice
                | Code::ReplayedElsewhere
                | Code::ReplaySuspected
                | Code::RepairedReplay
        )
    }

    /// Whether only the user can settle it: nothing is damaged.
    pub fn needs_decision(self) -> bool {
        matches!(
            self,
            Code::Ambiguous
                | Code::Orphan
                | Code::AssignmentContradicted
                | Code::FamilyAmbiguous
                | Code::NoRowShown
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_kebab_case_with_full_sentences() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            let text = code.as_str();
            assert!(seen.insert(text), "{text} stands twice");
            assert!(
                text.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            );
            assert!(code.meaning().ends_with('.'), "{text}");
            assert!(code.remedy().ends_with('.'), "{text}");
            let salvaging = code.remedy_when_salvaging();
            assert!(salvaging.ends_with('.'), "{text}");
            assert!(!salvaging.contains("--salvage"), "{text}");
        }
    }
}
