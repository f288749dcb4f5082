//! Sorts more entries than memory holds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::entry::{ENTRY_LEN, Entry};
use crate::codec::ByteWriter;
use crate::error::{Error, Result};
use crate::file::{Disk, DiskFile, LocalDisk, scratch_dir};
use crate::work::{Threads, in_order};

/// How many entries are dealt with at a time.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    /// Sorted in memory before they are spilled: 32 bytes each.
    run: usize,
    /// From one sample of a run to the next.
    step: usize,
    /// Fewest and most of a bucket, as far as the samples tell.
    bucket: (usize, usize),
    /// Most that are held of one bucket.
    held: usize,
}

const SIZES: Sizes = Sizes {
    run: 1 << 18,
    step: 1 << 10,
    bucket: (1 << 14, 1 << 16),
    held: 1 << 18,
};

/// Buckets that are wanted, while they keep to their sizes.
const BUCKETS: usize = 256;
/// Bytes that merging holds of each run.
const MERGE_LEN: usize = 256 * ENTRY_LEN;
/// Entries that are written at a time.
const WRITTEN: usize = 4096;

/// Sorts entries; those that memory does not hold wait in a file without a
/// name, which is gone with the process.
#[derive(Debug)]
pub(crate) struct Sorter {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    run: Vec<Entry>,
    spilled: Option<Spilled>,
    sizes: Sizes,
}

/// Sorted runs in a file.
#[derive(Debug)]
struct Spilled {
    dir: PathBuf,
    file: Arc<dyn DiskFile>,
    runs: Vec<SortedRun>,
    /// From one sample to the next.
    step: usize,
}

/// Where the entries of a run lie, and some of them.
#[derive(Debug)]
struct SortedRun {
    start: u64,
    count: usize,
    /// The first entry, and one after every step.
    samples: Vec<Entry>,
    last: Entry,
}

impl SortedRun {
    /// File offset of an entry.
    fn offset(&self, at: usize) -> u64 {
        self.start + (at * ENTRY_LEN) as u64
    }
}

impl Sorter {
    /// A sorter that may use a file in `dir`.
    pub(crate) fn new(disk: &Arc<dyn Disk>, dir: &Path) -> Self {
        Sorter {
            disk: disk.clone(),
            dir: dir.to_owned(),
            run: Vec::new(),
            spilled: None,
            sizes: SIZES,
        }
    }

    /// A sorter for one who only reads.
    pub(crate) fn in_scratch() -> Self {
        Sorter::new(&LocalDisk::shared(), &scratch_dir())
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// I/O errors.
    pub(crate) fn push(&mut self, entry: Entry) -> Result<()> {
        self.run.push(entry);
        if self.run.len() >= self.sizes.run {
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
                dir: self.dir.clone(),
                file: self.disk.temporary(&self.dir)?,
                runs: Vec::new(),
                step: self.sizes.step,
            }),
        };
        let before = spilled.runs.last();
        let run = SortedRun {
            start: before.map_or(0, |run| run.offset(run.count)),
            count: self.run.len(),
            samples: self.run.iter().step_by(spilled.step).copied().collect(),
            last: self.run.last().copied().unwrap_or(Entry::MIN),
        };
        let mut w = ByteWriter::new();
        for (at, entries) in self.run.chunks(WRITTEN).enumerate() {
            w.clear();
            entries.iter().for_each(|entry| entry.encode(&mut w));
            let written = spilled
                .file
                .write_all_at(w.as_slice(), run.offset(at * WRITTEN));
            written.map_err(io)?;
        }
        spilled.runs.push(run);
        self.run.clear();
        Ok(())
    }

    /// Hands every entry to `take`, in order.
    ///
    /// # Errors
    /// I/O errors, and those of `take`.
    pub(crate) fn finish(
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
        let bounds = spilled.bounds(self.sizes.bucket);
        in_order(
            threads,
            bounds.len() + 1,
            |bucket, sorted: &mut Bucket| spilled.sort(&bounds, bucket, self.sizes.held, sorted),
            |_, sorted| {
                // Keys that are all alike are merged, not held.
                spilled.merge(sorted.merged.drain(..), &mut take)?;
                sorted.entries.drain(..).try_for_each(&mut take)
            },
        )
    }
}

/// The entries between two bounds: in order, or where they lie.
#[derive(Debug, Default)]
struct Bucket {
    entries: Vec<Entry>,
    merged: Vec<Range<u64>>,
}

impl Spilled {
    /// Entries between which are about equally many, by the samples.
    fn bounds(&self, (fewest, most): (usize, usize)) -> Vec<Entry> {
        let count: usize = self.runs.iter().map(|run| run.count).sum();
        let wanted = (count / BUCKETS).clamp(fewest, most) / self.step;
        let samples = self.runs.iter().flat_map(|run| &run.samples);
        let mut samples: Vec<Entry> = samples.copied().collect();
        // Runs of entries that came in order follow one another.
        samples.sort();
        let bounds = samples.into_iter().step_by(wanted.max(1)).skip(1);
        let mut bounds: Vec<Entry> = bounds.collect();
        bounds.dedup();
        bounds
    }

    /// Reads and sorts the entries of a bucket, or says where they lie when
    /// they are more than may be held.
    fn sort(
        &self,
        bounds: &[Entry],
        bucket: usize,
        held: usize,
        sorted: &mut Bucket,
    ) -> Result<()> {
        sorted.entries.clear();
        let low = bucket.checked_sub(1).and_then(|before| bounds.get(before));
        let high = bounds.get(bucket);
        let mut ranges = Vec::new();
        for run in &self.runs {
            let start = low.map_or(Ok(0), |low| self.before(run, low))?;
            let end = high.map_or(Ok(run.count), |high| self.before(run, high))?;
            if start < end {
                ranges.push(run.offset(start)..run.offset(end));
            }
        }
        let len: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        if len > (held * ENTRY_LEN) as u64 {
            sorted.merged = ranges;
            return Ok(());
        }
        let mut bytes = Vec::new();
        for range in &ranges {
            let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            bytes.resize(len, 0);
            read(&*self.file, &mut bytes, range.start, &self.dir)?;
            let entries = bytes.chunks_exact(ENTRY_LEN).map(Entry::from_bytes);
            sorted.entries.extend(entries);
        }
        // Finds the runs that are sorted already.
        sorted.entries.sort();
        Ok(())
    }

    /// How many entries of a run come before a bound.
    fn before(&self, run: &SortedRun, bound: &Entry) -> Result<usize> {
        if run.last < *bound {
            return Ok(run.count);
        }
        let after = run.samples.partition_point(|sample| sample < bound);
        let Some(sample) = after.checked_sub(1) else {
            return Ok(0);
        };
        // What lies between two samples is looked up in the file.
        let (mut low, mut high) = (sample * self.step + 1, run.count.min(after * self.step));
        let mut bytes = [0; ENTRY_LEN];
        while low < high {
            let middle = low + (high - low) / 2;
            read(&*self.file, &mut bytes, run.offset(middle), &self.dir)?;
            match Entry::from_bytes(&bytes) < *bound {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }

    /// Hands the entries of some sorted ranges to `take`, of each some at a
    /// time.
    fn merge(
        &self,
        ranges: impl Iterator<Item = Range<u64>>,
        take: &mut impl FnMut(Entry) -> Result<()>,
    ) -> Result<()> {
        let mut runs: Vec<_> = ranges.map(SortedRunReader::new).collect();
        let mut next = BinaryHeap::new();
        for (at, run) in runs.iter_mut().enumerate() {
            next.extend(run.next(self)?.map(|entry| Reverse((entry, at))));
        }
        while let Some(Reverse((entry, at))) = next.pop() {
            take(entry)?;
            if let Some(run) = runs.get_mut(at) {
                next.extend(run.next(self)?.map(|entry| Reverse((entry, at))));
            }
        }
        Ok(())
    }
}

fn read(file: &dyn DiskFile, bytes: &mut [u8], offset: u64, dir: &Path) -> Result<()> {
    let read = file.read_exact_at(bytes, offset);
    read.map_err(|error| Error::io("read a temporary file in", dir, error))
}

/// A sorted run, read from its start.
struct SortedRunReader {
    rest: Range<u64>,
    bytes: Vec<u8>,
    at: usize,
}

impl SortedRunReader {
    fn new(rest: Range<u64>) -> Self {
        SortedRunReader {
            rest,
            bytes: Vec::new(),
            at: 0,
        }
    }

    fn next(&mut self, spilled: &Spilled) -> Result<Option<Entry>> {
        if self.at == self.bytes.len() {
            let len = (self.rest.end - self.rest.start).min(MERGE_LEN as u64);
            self.bytes
                .resize(usize::try_from(len).unwrap_or(MERGE_LEN), 0);
            read(
                &*spilled.file,
                &mut self.bytes,
                self.rest.start,
                &spilled.dir,
            )?;
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
        // Keys that rise, keys in any order, and few keys that stand often:
        // those make buckets that are merged.
        let keys: [fn(u64) -> u64; 3] = [
            |n| n,
            |n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            |n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 3,
        ];
        // The last is not a multiple of a run, a step or an entry.
        let counts = [0, 1, 999, 1000, 1001, 5000, 12_345];
        for (key, count) in keys.iter().flat_map(|key| counts.map(|count| (key, count))) {
            let entries = (0..count).map(|n: u64| Entry {
                key: u128::from(key(n)) << 56,
                value: n % 7,
            });
            let mut expected: Vec<_> = entries.collect();
            let mut sorter = Sorter::new(&LocalDisk::shared(), dir.path());
            sorter.sizes = Sizes {
                run: 1000,
                step: 10,
                bucket: (300, 600),
                held: 700,
            };
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
            assert_eq!(sorted, expected, "{count}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    /// Every bucket of keys in any order is about as large as wanted: none is
    /// merged, which one thread does.
    #[test]
    fn buckets_are_of_a_size() {
        let dir = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(&LocalDisk::shared(), dir.path());
        (sorter.sizes.run, sorter.sizes.step) = (1000, 10);
        for n in 0..20_000_u64 {
            // All of one class, as the keys of a column are.
            let number = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let key = 3 << 120 | u128::from(number) << 56;
            sorter.push(Entry { key, value: n }).unwrap();
        }
        let spilled = sorter.spilled.unwrap();
        let bounds = spilled.bounds((500, 500));
        assert!(bounds.len() >= 38, "{}", bounds.len());
        for bucket in 0..=bounds.len() {
            let mut sorted = Bucket::default();
            spilled.sort(&bounds, bucket, 800, &mut sorted).unwrap();
            let len = sorted.entries.len();
            assert!(sorted.merged.is_empty() && len > 0, "{bucket}: {len}");
        }
    }
}
