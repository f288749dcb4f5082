//! The storage engine: our own directories, written, read and verified
//! (format page, "Our directories").
//!
//! A directory holds a control file, a catalog in sealed files, and the files
//! of each table. How a table's rows lie in files is its layout: one folder in
//! `layouts` and one variant of [`Layout`].
//!
//! Each floor uses only the floors below it, and no two files use one another:
//!
//! ```text
//! live      the store that is written: transactions, checkpoint, compaction
//!             |
//! store     a directory: control file, catalog, create, read, verify, lock,
//!           and recovery to the last record of the log
//!             |
//! layouts   paged, per_table, append, and the choice among them
//!             |
//! tree      a B+tree in a file of pages; the sorter that feeds it
//!             |
//! table     what every layout offers for one table: its files, its changes
//!           since the last checkpoint, their check, what was covered
//!             |
//! rows ---- codec, block, row_run,       log ---- segment, record, change,
//!   |       encoded, key, counts          |       batch, reader, writer
//!   |                                     |
//! pages     address, frame, page, buffer_pool, file_header, sealed, paths
//! ```

mod layouts;
mod live;
mod log;
mod pages;
mod rows;
mod store;
mod table;
mod tree;

pub use layouts::{CreateOptions, Layout, MAX_PAGES_PER_FILE};
pub use live::{
    CompactedTable, Compaction, DatabaseView, Durability, KeyRange, LiveStore, RowName, Scan,
    StoreOptions, TableId, TableView, Transaction, View,
};
pub use log::LOG_DIR;
pub use pages::address::Lsn;
pub use pages::paths::{ATTRIBUTION_NAME, QUARANTINE_NAME};
pub use store::{Origin, Store, VerifyOptions, create, create_on, seal_beside, verify, verify_on};
pub use table::{Coverage, FileCoverage, Level};
pub(crate) use tree::{Entry, Sorter};

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    const PAGE: &str = include_str!("../../man/rustdb-format.5");

    #[test]
    fn the_format_page_has_the_constants_of_the_source() {
        use super::layouts::{append, paged, per_table};
        use super::pages::{address, file_header, frame, sealed};
        use super::rows::{codec, packed_time};
        use super::store::control;
        use super::tree;
        let [block_header, shared, trailer] = per_table::LENS;
        let constants = BTreeMap::from([
            ("FORMAT_VERSION", frame::FORMAT_VERSION.into()),
            ("SLOT_LEN", control::SLOT_LEN as u64),
            ("SLOT_COUNT", control::SLOT_COUNT as u64),
            ("CONTROL_LEN", control::CONTROL_LEN),
            ("FAMILY_MAX_LEN", control::FAMILY_MAX_LEN as u64),
            ("HEAD_LEN", sealed::HEAD_LEN as u64),
            ("SEALED_MAX_LEN", sealed::SEALED_MAX_LEN),
            ("KIND_GLOBAL", sealed::KIND_GLOBAL.into()),
            ("KIND_METADATA", sealed::KIND_METADATA.into()),
            ("KIND_TABLE", sealed::KIND_TABLE.into()),
            ("COPY_ALIGN", sealed::COPY_ALIGN as u64),
            ("LSN_LIMIT", address::LSN_LIMIT),
            ("NO_DATABASE", sealed::NO_DATABASE.into()),
            ("FILE_HEADER_LEN", file_header::FILE_HEADER_LEN as u64),
            ("BLOCK_HEADER_LEN", block_header as u64),
            ("MAX_SHARED_LEN", shared as u64),
            ("TRAILER_LEN", trailer as u64),
            ("MAX_ROW_LEN", codec::MAX_ROW_LEN),
            ("MIN_ROW_LEN", codec::MIN_ROW_LEN),
            ("EPOCH_DAY", packed_time::EPOCH_DAY),
        ]);
        let constants = constants
            .into_iter()
            .chain(append::LIMITS)
            .chain(paged::LIMITS)
            .chain(super::log::LIMITS)
            .chain(tree::LIMITS)
            .collect();
        let (_, limits) = PAGE.split_once(".Sh LIMITS\n").unwrap();
        let rows = limits.lines().filter_map(|line| line.strip_prefix(".It "));
        let listed = rows.filter(|row| !row.starts_with("Sy ")).map(|row| {
            let mut cells = row.split(" Ta ");
            let (name, value) = (cells.next().unwrap(), cells.next().unwrap());
            (name, value.parse().unwrap())
        });
        let constants: BTreeMap<&str, u64> = constants;
        assert_eq!(listed.collect::<BTreeMap<_, _>>(), constants);
    }

    #[test]
    fn comments_cite_sections_that_the_format_page_has() {
        let titles: Vec<_> = PAGE
            .lines()
            .filter_map(|line| line.strip_prefix(".Sh ").or(line.strip_prefix(".Ss ")))
            .map(str::to_lowercase)
            .collect();
        let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
        let mut cited = 0;
        for entry in walkdir::WalkDir::new(sources) {
            let entry = entry.unwrap();
            if entry.path().extension().is_none_or(|suffix| suffix != "rs") {
                continue;
            }
            // Citations may run over the end of a comment's line.
            let text = std::fs::read_to_string(entry.path()).unwrap();
            let words = text.split_whitespace().filter(|w| !w.starts_with("//"));
            let words: Vec<_> = words.collect();
            for citation in words.join(" ").split("(format page, \"").skip(1) {
                let (title, _) = citation.split_once('"').unwrap();
                let known = titles.contains(&title.to_lowercase());
                assert!(known, "{}: {title}", entry.path().display());
                cited += 1;
            }
        }
        assert!(cited > 15, "{cited} citations");
    }
}
