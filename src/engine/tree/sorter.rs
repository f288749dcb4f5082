//! Sorts more entries than memory holds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{ENTRY_LEN, Entry};
use crate::codec::ByteWriter;
use crate::error::{Error, Result};

/// Entries that are sorted in memory: 32 bytes each.
const RUN_COUNT: usize = 1 << 18;
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
}

/// Sorted runs in a file.
#[derive(Debug)]
struct Spilled {
    file: File,
    runs: Vec<Range<u64>>,
}

impl Sorter {
    /// A sorter that may use a file in `dir`.
    pub(in crate::engine) fn new(dir: &Path) -> Self {
        Sorter {
            dir: dir.to_owned(),
            run: Vec::new(),
            spilled: None,
            run_count: RUN_COUNT,
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
        let start = spilled.runs.last().map_or(0, |run| run.end);
        let mut out = BufWriter::new(&spilled.file);
        let mut w = ByteWriter::new();
        for entry in &self.run {
            w.clear();
            entry.encode(&mut w);
            out.write_all(w.as_slice()).map_err(io)?;
        }
        out.flush().map_err(io)?;
        let end = start + (self.run.len() * ENTRY_LEN) as u64;
        spilled.runs.push(start..end);
        self.run.clear();
        Ok(())
    }

    /// Hands every entry to `take`, in order.
    ///
    /// # Errors
    /// I/O errors, and those of `take`.
    pub(in crate::engine) fn finish(
        mut self,
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
        let Spilled { file, runs } = spilled;
        let mut runs: Vec<_> = runs.into_iter().map(Run::new).collect();
        let mut next = BinaryHeap::new();
        for (at, run) in runs.iter_mut().enumerate() {
            next.extend(
                run.next(&file, &self.dir)?
                    .map(|entry| Reverse((entry, at))),
            );
        }
        while let Some(Reverse((entry, at))) = next.pop() {
            take(entry)?;
            if let Some(run) = runs.get_mut(at) {
                next.extend(
                    run.next(&file, &self.dir)?
                        .map(|entry| Reverse((entry, at))),
                );
            }
        }
        Ok(())
    }
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
            let read = file.read_exact_at(&mut self.bytes, self.rest.start);
            read.map_err(|error| Error::io("read a temporary file in", dir, error))?;
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
        for count in [0, 1, 999, 1000, 1001, 5000, 12_345] {
            let entries = (0..count).map(|n: u64| Entry {
                key: (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 500).into(),
                value: n % 7,
            });
            let mut expected: Vec<_> = entries.collect();
            let mut sorter = Sorter::new(dir.path());
            sorter.run_count = 1000;
            for entry in &expected {
                sorter.push(*entry).unwrap();
            }
            let mut sorted = Vec::new();
            let take = |entry| {
                sorted.push(entry);
                Ok(())
            };
            sorter.finish(take).unwrap();
            expected.sort_unstable();
            assert_eq!(sorted, expected);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
