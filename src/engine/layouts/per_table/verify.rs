//! Checks a table's file to its last byte.

use super::SUFFIX;
use super::block::BlockHead;
use super::reader::{BlockTotals, Ends};
use super::trailer::TRAILER_LEN;
use crate::engine::pages::file_header::FILE_HEADER_LEN;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::block::{Block, BlockWalk, Head};
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::row_run::walk_run;
use crate::engine::table::{Level, TableCheck, WalkedBlocks};
use crate::error::{Error, Result};

/// Checks both ends, every block, and the totals.
pub(super) fn verify_table(
    table: &TablePlace,
    counts: TableCounts,
    level: Level,
    check: &mut TableCheck<'_>,
) -> Result<()> {
    let Some(file) = check.open(&table.file(SUFFIX))? else {
        return Ok(());
    };
    let ends = match Ends::read(&file, table.address) {
        Err(Error::Damage(damage)) => {
            check.damaged(&damage);
            check.covered(&file, 0);
            return Ok(());
        }
        ends => ends?,
    };
    let mut checked = 0;
    match &ends.header {
        Ok(_) => checked += FILE_HEADER_LEN as u64,
        Err(damage) => check.damaged(damage),
    }
    let threads = check.threads;
    let look = |walked: &mut WalkedBlocks<(BlockTotals, u64)>, blocks: &_, block: &_| {
        look_at(&mut walked.found, blocks, block, (table.arity, level))
    };
    let (mut totals, mut live, mut whole) = (BlockTotals::default(), 0_u64, true);
    let range = FILE_HEADER_LEN as u64..ends.trailer_offset;
    check.blocks(threads, (&file, table.address), range, look, |walked| {
        let (of_part, visible) = walked.found;
        totals.append(&of_part);
        live = live.saturating_add(visible);
        checked += walked.checked;
        whole &= !walked.damaged;
    })?;
    match &ends.trailer {
        Ok(trailer) => {
            checked += TRAILER_LEN as u64;
            let (path, at) = (file.path(), ends.trailer_offset);
            if level < Level::Structure {
                // Who did not look at rows believes the trailer in how many are visible.
                live = trailer.counts.live;
            }
            let against_blocks = match whole {
                true => trailer.check(&totals.trailer(live), path, at),
                false => Ok(()),
            };
            let against_catalog = trailer.counts.check(counts, path, at);
            for damage in [against_blocks, against_catalog]
                .into_iter()
                .filter_map(Result::err)
            {
                check.damaged(&damage);
            }
        }
        Err(damage) => check.damaged(damage),
    }
    check.covered(&file, checked);
    Ok(())
}

/// Adds a block to what blocks hold, and its visible rows at the level of structure.
fn look_at(
    (totals, live): &mut (BlockTotals, u64),
    blocks: &BlockWalk<BlockHead>,
    block: &Block<BlockHead>,
    (arity, level): (usize, Level),
) -> Result<()> {
    totals.add(block);
    if level == Level::Structure {
        let row_count = block.head.extent().row_count;
        *live += walk_run(&blocks.rows(block), row_count, arity, None, |_, _| Ok(()))?;
    }
    Ok(())
}
