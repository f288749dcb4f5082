//! What a column that counts up gives next. Servers before 1.5 advance a
//! sequence behind every number that is stored, later ones behind Integers
//! alone; the files do not always tell which of them ran.

use std::ops::RangeInclusive;

use xxhash_rust::xxh3::xxh3_64;

use crate::legacy::{Family, Snapshot, Wal};

/// The hash of its name, by which a sequence is found.
pub(super) fn sequence_of(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}

/// The next value of a column that counts up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NextValue {
    /// Behind every number: how releases before 1.5 advance sequences, and how
    /// applications count.
    pub after_any: i64,
    /// Behind every Integer: since 1.5 a SmallInt, which is what a small number
    /// that was written out becomes, does not advance a sequence.
    pub after_integers: i64,
}

impl NextValue {
    /// As a snapshot says it.
    pub fn of_snapshot(next: i64) -> Self {
        NextValue {
            after_any: next,
            after_integers: next,
        }
    }

    /// After a number was stored; `small` says whether it was a SmallInt.
    pub fn advance(&mut self, used: i64, small: bool) {
        let next = used.saturating_add(1);
        self.after_any = next.max(self.after_any);
        if !small {
            self.after_integers = next.max(self.after_integers);
        }
    }
}

/// What advances a sequence: every number, or since 1.5 Integers alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advance {
    AnyNumber,
    Integers,
    /// The files do not tell the releases apart.
    Either,
}

impl Advance {
    /// What the files tell of the release. A start can have been that of another one;
    /// where one database is named, nothing is taken from another for it.
    pub fn new(snapshot: &Snapshot, wal: &Wal) -> Self {
        let alone = snapshot.catalog.databases.len() == 1;
        match snapshot.family {
            Family::V1_3 => Advance::AnyNumber,
            Family::V1_4 if wal.logs_ended_versions() || alone && wal.has_ended_versions() => {
                Advance::AnyNumber
            }
            Family::V1_4 => Advance::Either,
            Family::V1_10 | Family::V2_3 => Advance::Integers,
        }
    }

    /// The least and the largest number that the sequence can give next.
    pub fn next_values(self, next: NextValue) -> RangeInclusive<i64> {
        match self {
            Advance::AnyNumber => next.after_any..=next.after_any,
            Advance::Integers => next.after_integers..=next.after_integers,
            Advance::Either => next.after_integers..=next.after_any,
        }
    }
}
