//! Slotted pages of 8 KB in files of many (format page, "Page files").

mod chain;
mod free_space_map;
mod heap;
mod heap_edit;
mod key_index;
mod live;
mod live_map;
mod overflow;
mod page_appender;
mod page_files;
mod page_look;
mod page_set;
mod page_source;
mod pool_pages;
mod reader;
mod row_pages;
mod table_files;
mod verify;
mod views;
mod whole_units;
mod writer;

pub use page_files::MAX_PAGES_PER_FILE;

pub(in crate::engine) use table_files::Paged;

/// What the format page names, by its name there.
#[cfg(test)]
pub(in crate::engine) const LIMITS: [(&str, u64); 10] = [
    ("MAX_PAGES_PER_FILE", MAX_PAGES_PER_FILE as u64),
    ("PAGE_LEN", crate::engine::pages::page::PAGE_LEN as u64),
    (
        "PAGE_HEADER_LEN",
        crate::engine::pages::page::PAGE_HEADER_LEN as u64,
    ),
    ("MIN_TUPLE_ROOM", heap::MIN_TUPLE_ROOM as u64),
    ("MAX_TUPLE_LEN", heap::MAX_TUPLE_LEN as u64),
    ("MIN_INLINE_LEN", overflow::MIN_INLINE_LEN as u64),
    ("PART_LEN", overflow::PART_LEN as u64),
    ("NO_PAGE", overflow::NO_PAGE as u64),
    ("MAP_BLOCK_PAGES", free_space_map::MAP_BLOCK_PAGES as u64),
    ("MAP_UNIT", free_space_map::MAP_UNIT as u64),
];

#[cfg(test)]
mod tests;
