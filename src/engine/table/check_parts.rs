//! A check of a table's files in parts, on several threads: what is found, and in
//! which order, does not depend on them.

use std::collections::BTreeSet;
use std::mem::take;
use std::ops::Range;
use std::sync::Arc;

use super::check::TableCheck;
use super::coverage::Coverage;
use crate::engine::pages::address::TableAddress;
use crate::engine::rows::block::{Block, BlockWalk, Head, block_parts};
use crate::error::Result;
use crate::file::SourceFile;
use crate::model::RowPart;
use crate::report::Report;
use crate::work::{Threads, in_order};

/// What a walk over some blocks found.
#[derive(Debug, Default)]
pub(in crate::engine) struct WalkedBlocks<P> {
    /// What blocks hold.
    pub found: P,
    /// Bytes of blocks whose checksum is right.
    pub checked: u64,
    /// Whether something was wrong.
    pub damaged: bool,
}

impl TableCheck<'_> {
    /// Checks parts `0..count`: `look` reports to a check of its own, `append` is
    /// given what it found in the order of the parts.
    ///
    /// # Errors
    /// Those of `look` and `append`.
    pub(in crate::engine) fn parts<P: Default + Send>(
        &mut self,
        threads: Threads,
        count: usize,
        look: impl Fn(usize, &mut P, &mut TableCheck<'_>) -> Result<()> + Sync,
        mut append: impl FnMut(&mut Self, P) -> Result<()>,
    ) -> Result<()> {
        let (disk, database, table, derived) = (self.disk, self.database, self.table, self.derived);
        let work = |part: usize, (found, report): &mut (P, Report)| {
            (*found, *report) = Default::default();
            let mut check = TableCheck {
                disk,
                threads: Threads::ONE,
                report,
                coverage: &mut Coverage::default(),
                known: &mut BTreeSet::new(),
                database,
                table,
                derived,
            };
            look(part, found, &mut check)
        };
        in_order(threads, count, work, |_, (found, report)| {
            self.report.extend(take(report));
            append(self, take(found))
        })
    }

    /// Walks the blocks in a range of a file, and goes on past damage where it can:
    /// `look` is given each whole one.
    ///
    /// # Errors
    /// I/O errors; damage is reported.
    pub(in crate::engine) fn blocks<H: Head, P: Default + Send>(
        &mut self,
        threads: Threads,
        (file, address): (&Arc<SourceFile>, TableAddress),
        range: Range<u64>,
        look: impl Fn(&mut WalkedBlocks<P>, &BlockWalk<H>, &Block<H>) -> Result<()> + Sync,
        mut append: impl FnMut(WalkedBlocks<P>),
    ) -> Result<()> {
        let range = range.start..range.end.min(file.len());
        let parts = match threads.get() {
            1 => vec![RowPart {
                place: 0,
                from: range.start,
                to: range.end,
            }],
            _ => block_parts::<H>(file, range, |_| {})?,
        };
        let walk = |part: usize, found: &mut WalkedBlocks<P>, check: &mut TableCheck<'_>| {
            let Some(part) = parts.get(part) else {
                return Ok(());
            };
            let mut walk = (BlockWalk::of_part(file, address, part), found);
            check.steps(
                &mut walk,
                |(blocks, found)| {
                    let Some(block) = blocks.advance()? else {
                        return Ok(false);
                    };
                    found.checked += block.len();
                    look(found, blocks, &block).map(|()| true)
                },
                |(blocks, found)| {
                    found.damaged = true;
                    blocks.can_go_on()
                },
            )
        };
        self.parts(threads, parts.len(), walk, |_, found| {
            append(found);
            Ok(())
        })
    }
}
