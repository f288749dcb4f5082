//! Ends of versions that stand in records of their own (format page, "Append
//! files"): a version is ended without a change of the bytes before.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;

use crate::codec::{ByteWriter, Cursor, Flaw};
use crate::engine::pages::frame::Piece;
use crate::engine::rows::row_run::check_end;
use crate::engine::tree::{Entry, Sorter};
use crate::error::{Damage, Error, Result};
use crate::file::scratch_dir;
use crate::finding::Code;
use crate::work::Threads;

/// Fewest and most bytes of an end: two varints.
pub(super) const MIN_END_LEN: u64 = 2;
pub(super) const MAX_END_LEN: u64 = 20;
/// Ends that are kept in memory; more of them wait in a file without a name.
const IN_MEMORY: usize = 1 << 17;
/// Bytes of an end in that file, and ends that are read at a time.
const STORED_LEN: usize = 16;
const READ_COUNT: usize = 4096;

/// The end of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// Index of the row in the table.
    pub index: u64,
    /// The transaction that ended it.
    pub xmax: u64,
}

impl End {
    /// Appends its bytes.
    pub(super) fn encode(&self, w: &mut ByteWriter) {
        w.varint(self.index);
        w.varint(self.xmax);
    }

    fn decode(c: &mut Cursor<'_>) -> Result<Self, Flaw> {
        Ok(End {
            index: c.varint()?,
            xmax: c.varint()?,
        })
    }

    /// As the sorter and the index take it: no row has a key so low.
    pub(super) fn entry(&self) -> Entry {
        Entry {
            key: self.index.into(),
            value: self.xmax,
        }
    }

    fn of_entry(entry: &Entry) -> Self {
        End {
            index: u64::try_from(entry.key).unwrap_or(u64::MAX),
            xmax: entry.value,
        }
    }
}

/// Hands each end of a record to `take`. The record has `count` of them, of
/// rows with indexes below `row_count`.
///
/// # Errors
/// When the bytes are not those ends, in order; those of `take`.
pub(super) fn read_ends(
    payload: &Piece<'_>,
    (count, row_count): (u32, u64),
    mut take: impl FnMut(End) -> Result<()>,
) -> Result<()> {
    let mut c = Cursor::new(payload.bytes);
    let mut least = 0;
    for _ in 0..count {
        let at = c.position();
        let end = End::decode(&mut c).map_err(|flaw| payload.flaw(flaw))?;
        if end.index < least || end.index >= row_count {
            let found = format!("the end of row {}", end.index);
            let expected = format!("one of the rows {least} to {row_count}, without the last");
            return Err(payload.damage(at, Code::OutOfRange, found, expected).into());
        }
        least = end.index.saturating_add(1);
        take(end)?;
    }
    Ok(check_end(payload, &c)?)
}

/// The ends of a table by row index.
#[derive(Debug, Default)]
pub(super) struct EndList {
    count: u64,
    /// All of them, unless there is a file.
    ends: Vec<End>,
    file: Option<File>,
}

impl EndList {
    /// Takes ends out of a sorter.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn sorted(sorter: Sorter) -> Result<Self> {
        let mut list = EndList::default();
        let mut out: Option<BufWriter<File>> = None;
        sorter.finish(Threads::ONE, |entry| {
            let end = End::of_entry(&entry);
            list.count += 1;
            if let Some(out) = &mut out {
                return write_end(out, &end);
            }
            list.ends.push(end);
            if list.ends.len() == IN_MEMORY {
                let file = tempfile::tempfile().map_err(temporary("write"))?;
                let mut file = BufWriter::new(file);
                let ends = std::mem::take(&mut list.ends);
                ends.iter().try_for_each(|end| write_end(&mut file, end))?;
                out = Some(file);
            }
            Ok(())
        })?;
        if let Some(out) = out {
            let file = out.into_inner().map_err(|error| error.into_error());
            list.file = Some(file.map_err(temporary("write"))?);
        }
        Ok(list)
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The xmax of a row that was ended.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn get(&self, index: u64) -> Result<Option<u64>> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let mut one = Vec::new();
            self.read(middle, 1, &mut one)?;
            let Some(end) = one.first() else {
                return Ok(None);
            };
            match end.index.cmp(&index) {
                std::cmp::Ordering::Equal => return Ok(Some(end.xmax)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    /// Hands every end to `take`.
    ///
    /// # Errors
    /// I/O errors, and those of `take`.
    pub(super) fn each(&self, mut take: impl FnMut(End) -> Result<()>) -> Result<()> {
        let (mut from, mut at_hand) = (0, Vec::new());
        while from < self.count {
            at_hand.clear();
            self.read(from, READ_COUNT, &mut at_hand)?;
            from += at_hand.len().max(1) as u64;
            at_hand.iter().try_for_each(|end| take(*end))?;
        }
        Ok(())
    }

    /// Adds up to `count` ends from the one at `from` on.
    fn read(&self, from: u64, count: usize, into: &mut Vec<End>) -> Result<()> {
        let rest = usize::try_from(self.count.saturating_sub(from)).unwrap_or(usize::MAX);
        let count = count.min(rest);
        let Some(file) = &self.file else {
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            let there = self.ends.get(from..from.saturating_add(count));
            into.extend_from_slice(there.unwrap_or_default());
            return Ok(());
        };
        let mut bytes = vec![0; count * STORED_LEN];
        let read = file.read_exact_at(&mut bytes, from * STORED_LEN as u64);
        read.map_err(temporary("read"))?;
        let mut c = Cursor::new(&bytes);
        while let (Ok(index), Ok(xmax)) = (c.u64(), c.u64()) {
            into.push(End { index, xmax });
        }
        Ok(())
    }
}

fn write_end(out: &mut impl Write, end: &End) -> Result<()> {
    let mut w = ByteWriter::new();
    w.u64(end.index);
    w.u64(end.xmax);
    out.write_all(w.as_slice()).map_err(temporary("write"))
}

fn temporary(action: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |error| Error::io(action, &scratch_dir(), error)
}

/// Goes through the ends beside the rows.
#[derive(Debug, Default)]
pub(super) struct EndCursor {
    list: EndList,
    /// Ends read from the list, and how many of those were passed.
    at_hand: Vec<End>,
    at: usize,
    read: u64,
}

impl EndCursor {
    /// Before the first end.
    pub(super) fn new(list: EndList) -> Self {
        EndCursor {
            list,
            ..EndCursor::default()
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.list.count() == 0
    }

    /// The next end, if it is of a row before `index`.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn next_before(&mut self, index: u64) -> Result<Option<End>> {
        if self.at == self.at_hand.len() && self.read < self.list.count() {
            self.at_hand.clear();
            self.at = 0;
            self.list.read(self.read, READ_COUNT, &mut self.at_hand)?;
            self.read += self.at_hand.len() as u64;
        }
        let end = self.at_hand.get(self.at).copied();
        let end = end.filter(|end| end.index < index);
        self.at += usize::from(end.is_some());
        Ok(end)
    }

    /// Whether the row at `index` was ended. Rows are asked for in order, all
    /// visible ones.
    ///
    /// # Errors
    /// `OutOfRange` when an end was of no visible row; I/O errors.
    pub(super) fn is_ended(&mut self, index: u64, data: &Piece<'_>) -> Result<bool> {
        match self.next_before(index.saturating_add(1))? {
            None => Ok(false),
            Some(end) if end.index == index => Ok(true),
            Some(end) => Err(needless(&end, data).into()),
        }
    }

    /// Checks that no end is left over.
    ///
    /// # Errors
    /// `OutOfRange`; I/O errors.
    pub(super) fn finish(&mut self, data: &Piece<'_>) -> Result<()> {
        match self.next_before(u64::MAX)? {
            None => Ok(()),
            Some(end) => Err(needless(&end, data).into()),
        }
    }
}

/// The damage of an end of a row that is not there or was ended before.
pub(super) fn needless(end: &End, data: &Piece<'_>) -> Damage {
    let found = format!("an end of row {}, which is not visible", end.index);
    data.damage(0, Code::OutOfRange, found, "one end of a visible row")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn list(count: u64) -> EndList {
        let mut sorter = Sorter::in_scratch();
        for n in (0..count).rev() {
            let end = End {
                index: n * 3,
                xmax: n + 1,
            };
            sorter.push(end.entry()).unwrap();
        }
        EndList::sorted(sorter).unwrap()
    }

    #[test]
    fn ends_are_found_and_passed_in_order_from_memory_and_from_a_file() {
        let limit = IN_MEMORY as u64;
        for count in [0, 1, 5000, limit - 1, limit, limit + 1] {
            let list = list(count);
            assert_eq!(list.file.is_some(), count >= limit);
            for n in [0, 1, count / 2, count.saturating_sub(1), count] {
                let expected = (n < count).then_some(n + 1);
                assert_eq!(list.get(n * 3).unwrap(), expected, "{n} of {count}");
                assert_eq!(list.get(n * 3 + 1).unwrap(), None);
            }
            let mut cursor = EndCursor::new(list);
            for index in 0..count * 3 {
                let end = cursor.next_before(index + 1).unwrap();
                assert_eq!(end.is_some(), index % 3 == 0);
            }
            assert_eq!(cursor.next_before(u64::MAX).unwrap(), None);
        }
    }

    #[test]
    fn ends_out_of_order_or_of_rows_that_are_not_there_are_damage() {
        let read = |ends: &[u64], count: u32| {
            let mut w = ByteWriter::new();
            for index in ends {
                End {
                    index: *index,
                    xmax: 1,
                }
                .encode(&mut w);
            }
            let payload = Piece {
                path: Path::new("t.dat"),
                offset: 100,
                bytes: w.as_slice(),
            };
            let mut found = Vec::new();
            let read = read_ends(&payload, (count, 10), |end| {
                found.push(end.index);
                Ok(())
            });
            read.map(|()| found).map_err(|error| match error {
                Error::Damage(damage) => (damage.code, damage.offset),
                other => panic!("{other}"),
            })
        };
        assert_eq!(read(&[0, 3, 9], 3), Ok(vec![0, 3, 9]));
        assert_eq!(read(&[3, 3], 2), Err((Code::OutOfRange, 102)));
        assert_eq!(read(&[10], 1), Err((Code::OutOfRange, 100)));
        assert_eq!(read(&[1, 2], 1), Err((Code::TrailingBytes, 102)));
        assert_eq!(read(&[1], 2), Err((Code::BadLength, 100)));
    }
}
