//! Legacy page files one by one, to be shown: whole or damaged.

use super::page_file::{
    DATA_LEN_LEN, HEADER_LEN, LegacyPage, MAX_PAGE_FILE_LEN, PageDir, SLOT_COUNT_LEN, SLOT_LEN,
    slot_damage,
};
use crate::error::{Error, Result};
use crate::file::SourceFile;
use crate::model::{FieldSpec, FieldStyle, PageRow, PageSlot, PageStream, PageView};

use FieldStyle::{Hex, Number};

/// The header and the count of slots.
const HEADER: [FieldSpec; 8] = [
    FieldSpec::new("table", 0, 4, Number),
    FieldSpec::new("page", 4, 4, Number),
    FieldSpec::new("free space", 8, 2, Number),
    FieldSpec::new("slot count", 10, 2, Number),
    FieldSpec::new("lower", 12, 2, Number),
    FieldSpec::new("upper", 14, 2, Number),
    FieldSpec::new("checksum", 16, 4, Hex),
    FieldSpec::new("slots", HEADER_LEN, SLOT_COUNT_LEN, Number),
];

/// The page files of one directory.
#[derive(Debug)]
pub struct LegacyPageViews {
    dir: PageDir,
    next: usize,
    with_rows: bool,
}

impl LegacyPageViews {
    /// The files from the page `from` on, in the order of their names.
    pub fn new(dir: PageDir, from: u64, with_rows: bool) -> Self {
        let before = |file: &SourceFile| number_of(file).is_some_and(|number| number < from);
        let next = dir.files.iter().take_while(|file| before(file)).count();
        LegacyPageViews {
            dir,
            next,
            with_rows,
        }
    }

    fn page(&self, view: &mut PageView, page: &LegacyPage) {
        view.kind = "legacy".into();
        view.free_len = page.header.free_space.into();
        let slots_at = HEADER_LEN + SLOT_COUNT_LEN;
        let data_at = slots_at + page.slots.len() * SLOT_LEN + DATA_LEN_LEN;
        for (number, (at, slot)) in (0..).zip(page.slots.iter().enumerate()) {
            view.slots.push(PageSlot {
                number,
                at: slots_at + at * SLOT_LEN,
                len: SLOT_LEN,
                row_offset: slot.offset.into(),
                row_len: slot.len.into(),
                state: if slot.is_used { "row" } else { "unused" }.to_owned(),
            });
            match page.row(slot) {
                Ok(None) => {}
                Ok(Some(row)) => view.rows.push(PageRow {
                    slot: number,
                    at: data_at + usize::from(slot.offset),
                    len: slot.len.into(),
                    row_len: slot.len.into(),
                    overflow: Vec::new(),
                    visible: row.is_visible(),
                    row: self.with_rows.then_some(row),
                }),
                Err(flaw) => {
                    let damage = slot_damage(&view.file, data_at as u64, slot, &flaw);
                    view.damage.push(damage);
                }
            }
        }
    }
}

/// The number in the name of a page file.
fn number_of(file: &SourceFile) -> Option<u64> {
    let name = file.path().file_stem()?.to_str()?;
    name.strip_prefix("page_")?.parse().ok()
}

impl PageStream for LegacyPageViews {
    fn next_page(&mut self) -> Result<Option<PageView>> {
        let Some(file) = self.dir.files.get(self.next).cloned() else {
            return Ok(None);
        };
        self.next += 1;
        let len = file.len().min(MAX_PAGE_FILE_LEN);
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        file.read_exact_at(&mut bytes, 0)?;
        let number = number_of(&file).unwrap_or_default();
        let mut view = PageView::new(number, file.path().to_owned(), 0, bytes);
        let fields = HEADER.iter().filter_map(|spec| spec.read(&view.bytes));
        view.fields = fields.collect();
        match LegacyPage::read(&file) {
            Ok(page) => self.page(&mut view, &page),
            Err(Error::Damage(damage)) => view.damage.push(*damage),
            Err(other) => return Err(other),
        }
        Ok(Some(view))
    }
}
