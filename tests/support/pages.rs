//! Legacy page files, encoded by bincode from the format page ("Page files").

use serde::Serialize;

use super::model::Row;

/// Bytes of the data of a page.
const DATA_LEN: usize = 8192;

#[derive(Serialize)]
struct Header {
    table_id: u32,
    page_number: u32,
    free_space: u16,
    slot_count: u16,
    lower: u16,
    upper: u16,
    checksum: u32,
}

#[derive(Serialize)]
struct Slot {
    offset: u16,
    length: u16,
    is_used: bool,
}

#[derive(Serialize)]
struct Page {
    header: Header,
    slots: Vec<Slot>,
    data: Vec<u8>,
}

/// The first page of a table, with these rows.
pub fn page(table_id: u32, rows: &[Row]) -> Vec<u8> {
    let mut data = vec![0; DATA_LEN];
    let mut upper = DATA_LEN;
    let mut slots = Vec::new();
    for row in rows {
        let bytes = bincode::serialize(row).unwrap();
        upper -= bytes.len();
        data[upper..upper + bytes.len()].copy_from_slice(&bytes);
        slots.push(Slot {
            offset: u16::try_from(upper).unwrap(),
            length: u16::try_from(bytes.len()).unwrap(),
            is_used: true,
        });
    }
    let lower = 5 * slots.len();
    let header = Header {
        table_id,
        page_number: 0,
        free_space: u16::try_from(upper - lower).unwrap(),
        slot_count: u16::try_from(slots.len()).unwrap(),
        lower: u16::try_from(lower).unwrap(),
        upper: u16::try_from(upper).unwrap(),
        checksum: 0,
    };
    let page = Page {
        header,
        slots,
        data,
    };
    bincode::serialize(&page).unwrap()
}
