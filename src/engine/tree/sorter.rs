//! Sorts more entries than memory holds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{ENTRY_LEN, Entry};
use crate::codec::ByteWriter;
use crate::error::{Error, Result};
use crate::work::{Threads, in_order};

/// Entries that are sorted in memory: 32 bytes each.
const RUN_COUNT: usize = 1 << 18;
/// Parts of the entries that are sorted at the same time.
const BUCKETS: usize = 256;
/// Bytes that merging holds of each run.
const MERGE_LEN: usize = 256 * ENTRY_LEN;

/// Sorts entries; those that memory does not hold wait in a file without a
/// name, which is gone with the process.
#[derive(Debug)]
pub(in crate::engine) struct Sorter {
    dir: PathBuf,
    run: Vec<Entry>,
    spilled: Option<Spilled>,
    run_count: usize,
    bucket_count: usize,
}

/// Sorted runs in a file.
#[derive(Debug)]
struct Spilled {
    file: File,
    runs: Vec<SortedRun>,
}

/// Where the entries of a run lie, by the first byte of their keys.
#[derive(Debug)]
struct SortedRun {
    start: u64,
    /// Entries before each bucket, and all of them at the end.
    before: Vec<u32>,
}

impl SortedRun {
    /// File offsets of the entries of a bucket.
    fn bucket(&self, bucket: usize) -> Range<u64> {
        let offset = |bucket: usize| {
            let before = self.before.get(bucket).copied().unwrap_or_default();
            self.start + u64::from(before) * ENTRY_LEN as u64
        };
        offset(bucket)..offset(bucket + 1)
    }
}

/// Which bucket a key is in: the first of its bytes in order.
fn bucket_of(entry: &Entry) -> usize {
    let [first, ..] = entry.key.to_be_bytes();
    first.into()
}

impl Sorter {
    /// A sorter that may use a file in `dir`.
    pub(in crate::engine) fn new(dir: &Path) -> Self {
        Sorter {
            dir: dir.to_owned(),
            run: Vec::new(),
            spilled: None,
            run_count: RUN_COUNT,
            bucket_count: RUN_COUNT,
        }
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// I/O errors.
    pub(in crate::engine) fn push(&mut self, entry: Entry) -> Result<()> {
        self.run.push(entry);
        if self.run.len() >= self.run_count {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        self.run.sort_unstable();
        let io = |error| Error::io("write a temporary file in", &self.dir, error);
        let spilled = match &mut self.spilled {
            Some(spilled) => spilled,
            none => none.insert(Spilled {
                file: tempfile::tempfile_in(&self.dir).map_err(io)?,
                runs: Vec::new(),
            }),
        };
        let last = spilled.runs.last();
        let start = last.map_or(0, |run| run.bucket(BUCKETS - 1).end);
        let mut w = ByteWriter::new();
        self.run.iter().for_each(|entry| entry.encode(&mut w));
        let written = spilled.file.write_all_at(w.as_slice(), start);
        written.map_err(io)?;
        let before = (0..=BUCKETS).map(|bucket| {
            let before = self.run.partition_point(|entry| bucket_of(entry) < bucket);
            u32::try_from(before).unwrap_or(u32::MAX)
        });
        let before = before.collect();
        spilled.runs.push(SortedRun { start, before });
        self.run.clear();
        Ok(())
    }

    /// Hands every entry to `take`, in order.
    ///
    /// # Errors
    /// I/O errors, and those of `take`.
    pub(in crate::engine) fn finish(
        mut self,
        threads: Threads,
        mut take: impl FnMut(Entry) -> Result<()>,
    ) -> Result<()> {
        if self.spilled.is_some() && !self.run.is_empty() {
            self.spill()?;
        }
        let Some(spilled) = self.spilled.take() else {
            self.run.sort_unstable();
            return self.run.into_iter().try_for_each(take);
        };
        self.run = Vec::new();
        let held = |bucket| spilled.bucket_len(bucket) <= (self.bucket_count * ENTRY_LEN) as u64;
        in_order(
            threads,
            BUCKETS,
            |bucket, entries: &mut Vec<Entry>| {
                entries.clear();
                match held(bucket) {
                    true => spilled.sorted(bucket, entries, &self.dir),
                    false => Ok(()),
                }
            },
            |bucket, entries| match held(bucket) {
                true => entries.drain(..).try_for_each(&mut take),
                // Keys that are all alike, or very many: merged, not held.
                false => spilled.merge(bucket, &self.dir, &mut take),
            },
        )
    }
}

impl Spilled {
    /// Bytes of the entries of a bucket.
    fn bucket_len(&self, bucket: usize) -> u64 {
        let lens = self.runs.iter().map(|run| run.bucket(bucket));
        lens.map(|range| range.end - range.start).sum()
    }

    /// Reads and sorts a bucket.
    fn sorted(&self, bucket: usize, entries: &mut Vec<Entry>, dir: &Path) -> Result<()> {
        let mut bytes = Vec::new();
        for run in &self.runs {
            let range = run.bucket(bucket);
            let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            bytes.resize(len, 0);
            read(&self.file, &mut bytes, range.start, dir)?;
            entries.extend(bytes.chunks_exact(ENTRY_LEN).map(Entry::from_bytes));
        }
        entries.sort_unstable();
        Ok(())
    }

    /// Hands the entries of a bucket to `take`, of each run some at a time.
    fn merge(
        &self,
        bucket: usize,
        dir: &Path,
        take: &mut impl FnMut(Entry) -> Result<()>,
    ) -> Result<()> {
        let runs = self.runs.iter().map(|run| Run::new(run.bucket(bucket)));
        let mut runs: Vec<_> = runs.collect();
        let mut next = BinaryHeap::new();
        for (at, run) in runs.iter_mut().enumerate() {
            next.extend(run.next(&self.file, dir)?.map(|entry| Reverse((entry, at))));
        }
        while let Some(Reverse((entry, at))) = next.pop() {
            take(entry)?;
            if let Some(run) = runs.get_mut(at) {
                next.extend(run.next(&self.file, dir)?.map(|entry| Reverse((entry, at))));
            }
        }
        Ok(())
    }
}

fn read(file: &File, bytes: &mut [u8], offset: u64, dir: &Path) -> Result<()> {
    let read = file.read_exact_at(bytes, offset);
    read.map_err(|error| Error::io("read a temporary file in", dir, error))
}

/// A sorted run, read from its start.
struct Run {
    rest: Range<u64>,
    bytes: Vec<u8>,
    at: usize,
}

impl Run {
    fn new(rest: Range<u64>) -> Self {
        Run {
            rest,
            bytes: Vec::new(),
            at: 0,
        }
    }

    fn next(&mut self, file: &File, dir: &Path) -> Result<Option<Entry>> {
        if self.at == self.bytes.len() {
            let len = (self.rest.end - self.rest.start).min(MERGE_LEN as u64);
            self.bytes
                .resize(usize::try_from(len).unwrap_or(MERGE_LEN), 0);
            read(file, &mut self.bytes, self.rest.start, dir)?;
            self.rest.start += len;
            self.at = 0;
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += ENTRY_LEN.min(rest.len());
        Ok((!rest.is_empty()).then(|| Entry::from_bytes(rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_sorted_from_memory_and_from_runs() {
        let dir = tempfile::tempdir().unwrap();
        // The last is not a multiple of a run, a merge buffer or an entry.
        // Keys that differ in their first byte or only in their last one.
        let cases = [0, 1, 999, 1000, 1001, 5000, 12_345].map(|count| [(count, 0), (count, 119)]);
        for (count, shift) in cases.into_iter().flatten() {
            let entries = (0..count).map(|n: u64| Entry {
                key: u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 500) << shift,
                value: n % 7,
            });
            let mut expected: Vec<_> = entries.collect();
            let mut sorter = Sorter::new(dir.path());
            (sorter.run_count, sorter.bucket_count) = (1000, 2000);
            for entry in &expected {
                sorter.push(*entry).unwrap();
            }
            let mut sorted = Vec::new();
            let take = |entry| {
                sorted.push(entry);
                Ok(())
            };
            let threads = Threads::new(std::num::NonZeroUsize::new(2).unwrap());
            sorter.finish(threads, take).unwrap();
            expected.sort_unstable();
            assert_eq!(sorted, expected);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
