//! The bytes of a page, field by field, each with its name.

use std::fmt::Write;

use crate::model::PageView;

/// Bytes of one line.
const LINE_LEN: usize = 16;
/// Fewest zeros that are not printed one by one.
const MIN_ZEROS: usize = 32;

/// A named field of a page.
struct Field {
    at: usize,
    len: usize,
    name: String,
}

/// Every byte of a page in hexadecimal digits and letters, by file offset, with
/// the names of fields, slots and rows. A long row of zeros is one line.
pub fn page_hex(view: &PageView) -> String {
    let mut text = String::new();
    let mut at = 0;
    for field in fields(view) {
        if field.at < at {
            // Of a damaged page, fields may overlap.
            continue;
        }
        lines(&mut text, view, (at, field.at), "");
        at = field.at.saturating_add(field.len);
        lines(&mut text, view, (field.at, at), &field.name);
    }
    lines(&mut text, view, (at, view.bytes.len()), "");
    text
}

fn fields(view: &PageView) -> Vec<Field> {
    let fields = view.fields.iter().map(|field| Field {
        at: field.at,
        len: field.len,
        name: format!("{} {}", field.name, field.value),
    });
    let slots = view.slots.iter().map(|slot| Field {
        at: slot.at,
        len: slot.len,
        name: format!("slot {}: {}", slot.number, slot.state),
    });
    let rows = view.rows.iter().map(|row| Field {
        at: row.at,
        len: row.len,
        name: match row.overflow.is_empty() {
            true => format!("row {}", row.slot),
            false => format!(
                "row {}, its first {} of {} bytes",
                row.slot, row.len, row.row_len
            ),
        },
    });
    let mut fields: Vec<_> = fields.chain(slots).chain(rows).collect();
    fields.retain(|field| field.len > 0);
    fields.sort_by_key(|field| field.at);
    fields
}

fn lines(text: &mut String, view: &PageView, (from, to): (usize, usize), name: &str) {
    let to = to.min(view.bytes.len());
    let bytes = view.bytes.get(from..to).unwrap_or_default();
    if bytes.is_empty() {
        return;
    }
    let offset = view.offset.saturating_add(from as u64);
    let mut put = |offset: u64, digits: &str, letters: &str, name: &str| {
        let line = format!("{offset:08x}  {digits:<47}  {letters:<16}  {name}");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    };
    if bytes.len() >= MIN_ZEROS && bytes.iter().all(|byte| *byte == 0) {
        return put(offset, &format!("{} zeros", bytes.len()), "", name);
    }
    for (index, line) in bytes.chunks(LINE_LEN).enumerate() {
        let digits: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let letter = |byte: &u8| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        };
        let letters: String = line.iter().map(letter).collect();
        let name = if index == 0 { name } else { "" };
        let offset = offset.saturating_add((index * LINE_LEN) as u64);
        put(offset, &digits.join(" "), &letters, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Field, PageRow};

    #[test]
    fn every_byte_stands_once_and_zeros_are_short() {
        let bytes = [&b"ABCD"[..], &[0; 40], b"row 17 bytes long"].concat();
        let mut view = PageView::new(3, "t.dat".into(), 4096, bytes);
        view.fields.push(Field {
            name: "magic",
            at: 0,
            len: 3,
            value: "ABC".into(),
        });
        view.rows.push(PageRow {
            slot: 5,
            at: 44,
            len: 17,
            row_len: 17,
            overflow: vec![],
            visible: true,
            row: None,
        });
        // One that reaches into another is left out.
        view.fields.push(Field {
            name: "wrong",
            at: 50,
            len: 9,
            value: String::new(),
        });
        let expected = [
            "00001000  41 42 43                                         ABC               magic ABC",
            "00001003  44 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  D...............",
        ];
        let text = page_hex(&view);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..2], expected);
        assert!(lines[4].starts_with("0000102c  72 6f 77 20"), "{text}");
        assert!(lines[4].ends_with("row 17 bytes lon  row 5"), "{text}");
        assert_eq!(lines.len(), 6);
    }
}
