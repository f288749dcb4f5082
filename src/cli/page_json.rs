//! The document of `rustdb-inspect page`.

use serde::Serialize;

use crate::model::{PageRow, PageView};
use crate::render::json_value;

/// The document's own fields.
#[derive(Serialize)]
pub(super) struct Content<'a> {
    pub(super) table: &'a str,
    pub(super) unit: &'static str,
    pub(super) columns: &'a [String],
    pub(super) pages: Vec<PageJson>,
}

#[derive(Serialize)]
pub(super) struct PageJson {
    number: u64,
    kind: String,
    file: String,
    offset: u64,
    length: usize,
    free: u64,
    fields: Vec<FieldJson>,
    slots: Vec<SlotJson>,
    rows: Vec<RowJson>,
    ends: Vec<EndJson>,
}

#[derive(Serialize)]
struct FieldJson {
    name: &'static str,
    at: usize,
    length: usize,
    value: String,
}

#[derive(Serialize)]
struct SlotJson {
    slot: u64,
    at: usize,
    row_offset: usize,
    row_length: usize,
    state: String,
}

#[derive(Serialize)]
struct RowJson {
    slot: u64,
    at: usize,
    length: usize,
    row_length: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    overflow: Vec<u32>,
    visible: bool,
    xmin: Option<u64>,
    xmax: Option<u64>,
    values: Vec<serde_json::Value>,
}

#[derive(Serialize)]
struct EndJson {
    row: u64,
    xmax: u64,
}

impl PageJson {
    /// The page with all that was read of it.
    pub(super) fn new(page: &PageView) -> Self {
        let fields = page.fields.iter().map(|field| FieldJson {
            name: field.name,
            at: field.at,
            length: field.len,
            value: field.value.clone(),
        });
        let slots = page.slots.iter().map(|slot| SlotJson {
            slot: slot.number,
            at: slot.at,
            row_offset: slot.row_offset,
            row_length: slot.row_len,
            state: slot.state.clone(),
        });
        let ends = page.ends.iter().map(|end| EndJson {
            row: end.index,
            xmax: end.xmax,
        });
        PageJson {
            number: page.number,
            kind: page.kind.clone(),
            file: page.file.display().to_string(),
            offset: page.offset,
            length: page.bytes.len(),
            free: page.free_len,
            fields: fields.collect(),
            slots: slots.collect(),
            rows: page.rows.iter().map(RowJson::new).collect(),
            ends: ends.collect(),
        }
    }
}

impl RowJson {
    fn new(row: &PageRow) -> Self {
        let values = row.row.iter().flat_map(|row| row.values());
        RowJson {
            slot: row.slot,
            at: row.at,
            length: row.len,
            row_length: row.row_len,
            overflow: row.overflow.clone(),
            visible: row.visible,
            xmin: row.row.as_ref().map(|row| row.xmin),
            xmax: row.row.as_ref().and_then(|row| row.xmax),
            values: values.map(|value| json_value(&value)).collect(),
        }
    }
}
