//! Pages looked at by themselves: their headers and checksums, on several
//! threads.

use std::ops::Range;
use std::sync::Arc;

use crate::engine::pages::address::TableAddress;
use crate::engine::pages::buffer_pool::PAGE_LEN;
use crate::engine::pages::page::{PageHeader, page_in};
use crate::error::{Damage, Result};
use crate::file::{SourceFile, Window};
use crate::work::{Threads, in_order};

/// Pages that one thread looks at before it takes others.
const PART_PAGES: u64 = 128;

/// What a look at some pages found.
#[derive(Debug, Default)]
struct ChecksumTally {
    /// Bytes that agree with their checksums.
    checked: u64,
    damages: Vec<Damage>,
}

/// Checks the pages of a file, which have these numbers; how many bytes agree
/// with a checksum. Damage is handed out in the order of pages.
///
/// # Errors
/// I/O errors, and those of `damaged`.
pub(super) fn checksums(
    file: &Arc<SourceFile>,
    address: &TableAddress,
    numbers: Range<u64>,
    threads: Threads,
    mut damaged: impl FnMut(Damage) -> Result<()>,
) -> Result<u64> {
    let count = numbers.end.saturating_sub(numbers.start);
    let look = |part: usize, found: &mut ChecksumTally| {
        *found = ChecksumTally::default();
        let from = (part as u64).saturating_mul(PART_PAGES);
        let to = from.saturating_add(PART_PAGES).min(count);
        let offset = |page: u64| page.saturating_mul(PAGE_LEN as u64);
        let mut window = Window::new(file.clone(), offset(from)..offset(to));
        for number in numbers.start + from..numbers.start + to {
            window.fill(PAGE_LEN)?;
            let page = page_in(&window);
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            match PageHeader::open(&page, address, number) {
                Ok(_) => found.checked += PAGE_LEN as u64,
                Err(damage) => found.damages.push(damage),
            }
            window.consume(PAGE_LEN);
        }
        Ok(())
    };
    let parts = usize::try_from(count.div_ceil(PART_PAGES)).unwrap_or(usize::MAX);
    let mut checked = 0;
    in_order(threads, parts, look, |_, found| {
        checked += found.checked;
        found.damages.drain(..).try_for_each(&mut damaged)
    })?;
    Ok(checked)
}
