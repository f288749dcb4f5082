//! Checks a table's file to its last byte.

use super::SUFFIX;
use super::reader::{Blocks, Ends};
use super::trailer::{TRAILER_LEN, Trailer};
use crate::engine::pages::file_header::FILE_HEADER_LEN;
use crate::engine::pages::paths::TablePlace;
use crate::engine::rows::block::Head;
use crate::engine::rows::counts::TableCounts;
use crate::engine::rows::row_run::walk_run;
use crate::engine::table::{Level, TableCheck};
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
    let mut walk = BlockWalk {
        blocks: Blocks::new(&file, table.address, ends.trailer_offset),
        arity: table.arity,
        rows: (level == Level::Structure).then_some(0),
        checked: 0,
        whole: true,
    };
    check.steps(&mut walk, BlockWalk::step, BlockWalk::after_damage)?;
    checked += walk.checked;
    match &ends.trailer {
        Ok(trailer) => {
            checked += TRAILER_LEN as u64;
            let (path, at) = (file.path(), ends.trailer_offset);
            let totals = walk.totals(trailer);
            let against_blocks = totals.map_or(Ok(()), |totals| trailer.check(&totals, path, at));
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

/// A walk over all blocks that goes on past damage where it can.
struct BlockWalk {
    blocks: Blocks,
    arity: usize,
    /// Visible rows so far, when rows are looked at.
    rows: Option<u64>,
    /// Bytes of blocks whose checksum is right.
    checked: u64,
    /// Whether nothing was wrong.
    whole: bool,
}

impl BlockWalk {
    fn after_damage(&mut self) -> bool {
        self.whole = false;
        self.blocks.walk().can_go_on()
    }

    /// One block; false after the last one.
    fn step(&mut self) -> Result<bool> {
        let Some(block) = self.blocks.advance()? else {
            return Ok(false);
        };
        self.checked += block.len();
        if let Some(visible) = &mut self.rows {
            let rows = self.blocks.walk().rows(&block);
            let row_count = block.head.extent().row_count;
            *visible += walk_run(&rows, row_count, self.arity, None, |_, _| Ok(()))?;
        }
        Ok(true)
    }

    /// What the blocks hold in all, if every block was read; who did not look
    /// at rows believes the trailer in how many are visible.
    fn totals(&self, trailer: &Trailer) -> Option<Trailer> {
        let mut totals = self.blocks.totals;
        totals.counts.live = self.rows.unwrap_or(trailer.counts.live);
        self.whole.then_some(totals)
    }
}
