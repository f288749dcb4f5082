//! The whole pages of a damaged table.

use std::sync::Arc;

use super::chain::ChainReader;
use super::heap::{RowPlace, State};
use super::overflow::NO_PAGE;
use super::page_files::{PagePlace, first_page};
use super::page_source::PageSource;
use crate::engine::pages::buffer_pool::PAGE_LEN;
use crate::engine::pages::frame::Piece;
use crate::engine::pages::page::{Bounds, PageHeader};
use crate::engine::rows::block::WholeRow;
use crate::engine::rows::counts::TableCounts;
use crate::engine::table::{Unit, WholeUnits};
use crate::error::{Damage, Error, Result};
use crate::file::SourceFile;
use crate::finding::Code;

/// Pages by number, whatever the lengths of their files.
struct AnyPages {
    place: PagePlace,
    open: Option<(u32, Arc<SourceFile>)>,
    offset: u64,
    bytes: Vec<u8>,
}

impl AnyPages {
    fn new(place: PagePlace) -> Self {
        AnyPages {
            place,
            open: None,
            offset: 0,
            bytes: Vec::new(),
        }
    }

    fn file(&mut self, index: u32) -> Result<Option<Arc<SourceFile>>> {
        if let Some((open, file)) = &self.open
            && *open == index
        {
            return Ok(Some(file.clone()));
        }
        let path = self.place.file(index.into());
        match SourceFile::open_on(&*self.place.disk, &path) {
            Ok(file) => {
                self.open = Some((index, file.clone()));
                Ok(Some(file))
            }
            Err(Error::NotADataDirectory { .. } | Error::Damage(_)) => Ok(None),
            Err(error) if error.is_missing(&path) => Ok(None),
            Err(other) => Err(other),
        }
    }
}

impl PageSource for AnyPages {
    fn place(&self) -> &PagePlace {
        &self.place
    }

    fn load(&mut self, page: u32) -> Result<bool> {
        if page == NO_PAGE {
            return Ok(false);
        }
        let (index, in_file) = self.place.split(page);
        let Some(file) = self.file(index)? else {
            return Ok(false);
        };
        self.offset = u64::from(in_file) * PAGE_LEN as u64;
        if self.offset.saturating_add(PAGE_LEN as u64) > file.len() {
            return Ok(false);
        }
        self.bytes.resize(PAGE_LEN, 0);
        file.read_exact_at(&mut self.bytes, self.offset)?;
        Ok(true)
    }

    fn at_hand(&self) -> impl Iterator<Item = Piece<'_>> {
        let path = self.open.as_ref().map(|(_, file)| file.path());
        path.into_iter().map(|path| Piece {
            path,
            offset: self.offset,
            bytes: &self.bytes,
        })
    }

    fn bounds(&self, page: &Piece<'_>, number: u32) -> Result<Bounds, Damage> {
        PageHeader::open(page, &self.place.address, number)?.bounds(page)
    }
}

/// A walk over the pages of all files that are there.
pub(super) struct PageUnits {
    pages: AnyPages,
    chain: ChainReader<AnyPages>,
    /// Indexes of the files that are there, the next one last.
    files: Vec<u32>,
    /// The file that is expected next.
    expected: u32,
    /// Pages that are not read yet, of the file at hand.
    rest: std::ops::Range<u32>,
    /// Bytes behind them.
    odd_len: u64,
    lost: Vec<Unit>,
}

impl PageUnits {
    /// The pages at a place, which should hold `counts`.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn new(place: PagePlace, counts: TableCounts) -> Result<Self> {
        let (mut files, mut lost) = (Vec::new(), Vec::new());
        if place.disk.kind(&place.dir)? == Some(crate::file::EntryKind::Dir) {
            for entry in place.disk.entries(&place.dir)? {
                let Some(first) = first_page(&entry.name) else {
                    continue;
                };
                let index = u32::try_from(first).map(|first| place.split(first).0);
                match index {
                    Ok(index) if entry.path == place.file(index.into()) => files.push(index),
                    // No page of it is looked for under this name.
                    _ if entry.is_file => {
                        let len = place.disk.len_of(&entry.path)?;
                        let damage = Damage {
                            file: entry.path,
                            offset: 0,
                            code: Code::WrongPlace,
                            found: format!("a file of pages from {first} on"),
                            expected: "a file that starts where another one ends".into(),
                        };
                        lost.push(Unit::Lost(damage, len));
                    }
                    _ => {}
                }
            }
        }
        files.sort_unstable();
        files.reverse();
        let all_lost = (files.is_empty() && counts.rows > 0).then(|| Damage {
            file: place.file(0),
            offset: 0,
            code: Code::MissingFile,
            found: "no page file".into(),
            expected: format!("the pages of {} row versions", counts.rows),
        });
        lost.extend(all_lost.map(|damage| Unit::Lost(damage, 0)));
        Ok(PageUnits {
            pages: AnyPages::new(place.clone()),
            chain: ChainReader::new(AnyPages::new(place)),
            files,
            expected: 0,
            rest: 0..0,
            odd_len: 0,
            lost,
        })
    }

    /// Goes to the next file; false after the last one.
    fn next_file(&mut self) -> Result<bool> {
        let Some(index) = self.files.pop() else {
            return Ok(false);
        };
        let place = &self.pages.place;
        if index > self.expected {
            self.lost.push(Unit::Lost(
                Damage {
                    file: place.file(self.expected.into()),
                    offset: 0,
                    code: Code::MissingFile,
                    found: format!("{} page files too few", index - self.expected),
                    expected: "every file up to the last one".into(),
                },
                0,
            ));
        }
        self.expected = index.saturating_add(1);
        let Some(file) = self.pages.file(index)? else {
            self.lost.push(Unit::Lost(
                Damage {
                    file: self.pages.place.file(index.into()),
                    offset: 0,
                    code: Code::NotRegular,
                    found: "no file that can be read".into(),
                    expected: "a file of pages".into(),
                },
                0,
            ));
            return Ok(true);
        };
        let per_file = self.pages.place.pages_per_file;
        let whole = file.len() / PAGE_LEN as u64;
        let count = u32::try_from(whole).unwrap_or(per_file).min(per_file);
        let first = index.saturating_mul(per_file);
        self.rest = first..first.saturating_add(count);
        self.odd_len = file
            .len()
            .saturating_sub(u64::from(count) * PAGE_LEN as u64);
        Ok(true)
    }

    /// Passes over pages that nobody wrote: a file can have very many of them.
    fn hole(&mut self, number: u32) -> Result<Option<Unit>> {
        let (index, in_file) = self.pages.place.split(number);
        let Some(file) = self.pages.file(index)? else {
            return Ok(None);
        };
        let left = self.rest.end.saturating_sub(number);
        let pages = self.pages.place.hole_pages(number, &file)?.min(left);
        if pages < 2 {
            return Ok(None);
        }
        self.rest.start = number.saturating_add(pages);
        let damage = Damage {
            file: file.path().to_owned(),
            offset: u64::from(in_file) * PAGE_LEN as u64,
            code: Code::Truncated,
            found: format!("a hole of {pages} pages"),
            expected: "pages that were written".into(),
        };
        Ok(Some(Unit::Lost(damage, u64::from(pages) * PAGE_LEN as u64)))
    }

    fn page(&mut self, number: u32) -> Result<Option<Unit>> {
        let PageUnits {
            pages, chain, lost, ..
        } = self;
        if !pages.load(number)? {
            return Ok(None);
        }
        let heap = match pages.heap(pages.first(), number) {
            Ok(Some(heap)) => heap,
            Ok(None) => return Ok(None),
            Err(damage) => return Ok(Some(Unit::Lost(damage, PAGE_LEN as u64))),
        };
        let (mut rows, mut slot) = (Vec::new(), 0);
        while let Some(tuple) = heap.next(&mut slot) {
            if matches!(tuple.state, State::MovedRow | State::MovedHead) {
                continue;
            }
            match chain.read_tuple(&tuple, number, |_| {}) {
                Ok(()) => rows.push(WholeRow {
                    id: RowPlace {
                        page: number,
                        slot: tuple.slot,
                    }
                    .id(),
                    bytes: chain.row().to_vec(),
                    xmax: None,
                }),
                Err(Error::Damage(damage)) => {
                    lost.push(Unit::Lost(*damage, tuple.piece.bytes.len() as u64));
                }
                Err(other) => return Err(other),
            }
        }
        Ok(Some(Unit::Rows(rows)))
    }
}

impl WholeUnits for PageUnits {
    fn next_unit(&mut self) -> Result<Option<Unit>> {
        loop {
            if let Some(lost) = self.lost.pop() {
                return Ok(Some(lost));
            }
            if let Some(number) = self.rest.next() {
                if let Some(hole) = self.hole(number)? {
                    return Ok(Some(hole));
                }
                if let Some(unit) = self.page(number)? {
                    return Ok(Some(unit));
                }
                continue;
            }
            if self.odd_len > 0 {
                let len = std::mem::take(&mut self.odd_len);
                let path = self.pages.open.as_ref().map(|(_, file)| file);
                if let Some(file) = path {
                    let damage = Damage {
                        file: file.path().to_owned(),
                        offset: file.len().saturating_sub(len),
                        code: Code::Truncated,
                        found: format!("{len} bytes"),
                        expected: "a whole page".into(),
                    };
                    return Ok(Some(Unit::Lost(damage, len)));
                }
            }
            if !self.next_file()? {
                return Ok(None);
            }
        }
    }
}
