use proptest::prelude::*;

use super::*;
use crate::codec::{Cursor, RowBuffer};
use crate::finding::Code;
use crate::model::{PackedRow, Row, Value};

fn encoded(row: &Row) -> Vec<u8> {
    let mut w = ByteWriter::new();
    let key = encode_row(&mut w, &row.pack().as_row(), Some(0)).unwrap();
    let bytes = w.into_vec();
    let mut of_key = ByteWriter::new();
    let first = row.values.first();
    first
        .into_iter()
        .for_each(|value| encode_value(&mut of_key, &value.as_ref()));
    assert_eq!(&bytes[key], of_key.as_slice());
    bytes
}

/// One row and how many bytes it took; the walk must agree.
fn decoded(bytes: &[u8], arity: usize) -> Read<(Row, usize)> {
    let mut walked = Cursor::new(bytes);
    let summary = walk_row(&mut walked, arity);
    let mut c = Cursor::new(bytes);
    let mut rows = RowBuffer::default();
    let read = decode_row(&mut c, arity, &mut rows);
    assert_eq!(read, summary.map(|summary| summary.visible));
    if read.is_err() {
        assert!(rows.is_empty() && rows.next_row().is_empty());
    }
    let visible = read?;
    assert_eq!(c.position(), walked.position());
    let batch = rows.batch();
    let row = batch.rows().next().unwrap();
    assert_eq!(PackedRow::of(&row), row.to_owned().pack());
    assert_eq!(row.is_visible(), visible);
    Ok((row.to_owned(), c.position()))
}

fn row(values: Vec<Value>) -> Row {
    Row {
        values,
        xmin: 1,
        xmax: None,
    }
}

#[test]
fn the_bytes_are_those_of_the_format_page() {
    let text = |text: &str| text.to_owned();
    let cases: [(Value, &[u8]); 18] = [
        (Value::Null, b"\x00"),
        (Value::SmallInt(-1), b"\x01\x01"),
        (Value::Integer(300), b"\x02\xd8\x04"),
        (Value::Real(1.0), b"\x03\0\0\0\0\0\0\xf0\x3f"),
        (Value::Numeric(text("12.50")), b"\x04\x0512.50"),
        (Value::Text(text("hi")), b"\x05\x02hi"),
        (Value::Char(text("a ")), b"\x06\x02a "),
        (Value::Boolean(false), b"\x07"),
        (Value::Boolean(true), b"\x0f"),
        (Value::Date(text("2020-01-03")), b"\x10\x04"),
        (Value::Date(text("soon")), b"\x08\x04soon"),
        (Value::Timestamp(text("2019-12-31T23:59:59")), b"\x11\x01"),
        (Value::Timestamp(text("now")), b"\x09\x03now"),
        (
            Value::TimestampTz(text("2020-01-01T00:01:00Z")),
            b"\x12\x78",
        ),
        (Value::TimestampTz(text("Z")), b"\x0a\x01Z"),
        (Value::Json(text("{}")), b"\x0c\x02{}"),
        (Value::Bytea(vec![9, 0]), b"\x0d\x02\x09\0"),
        (
            Value::Enum {
                type_name: text("mood"),
                label: text("ok"),
            },
            b"\x0e\x04mood\x02ok",
        ),
    ];
    for (value, bytes) in cases {
        let expected = [b"\x00\x01\x01", bytes].concat();
        assert_eq!(encoded(&row(vec![value.clone()])), expected, "{value:?}");
    }
    let uuid = encoded(&row(vec![Value::Uuid([7; 16])]));
    assert_eq!(uuid, [&b"\x00\x01\x01\x0b"[..], &[7; 16]].concat());
    let dead = Row {
        values: vec![],
        xmin: 128,
        xmax: Some(5),
    };
    assert_eq!(encoded(&dead), b"\x01\x80\x01\x05\x00");
}

#[test]
fn damage_is_named_at_its_byte() {
    let bad = |at, code, found, expected| {
        Err(Flaw::Bad {
            at,
            code,
            found,
            expected,
        })
    };
    let cases: [(&[u8], Read<()>); 6] = [
        (
            b"\x02\x01\x01\x00",
            bad(0, Code::UnsupportedVersion, 2, "row flags of 0 or 1"),
        ),
        (
            b"\x00\x01\x02\x00",
            bad(
                2,
                Code::BadArity,
                2,
                "as many values as the table has columns",
            ),
        ),
        (
            b"\x00\x01\x01\x13",
            bad(3, Code::UnsupportedVersion, 19, "a value tag of 0 to 18"),
        ),
        (
            b"\x00\x01\x01\x01\x80\x80\x04",
            bad(4, Code::OutOfRange, 65536, "an integer of 16 bits"),
        ),
        (
            b"\x00\x01\x01\x10\xff\xff\xff\x7f",
            bad(
                4,
                Code::OutOfRange,
                0x0fff_ffff,
                "a date of the years 0 to 9999",
            ),
        ),
        (b"\x00\x01\x01\x05\x05abc", Err(Flaw::Short { need: 10 })),
    ];
    for (bytes, flaw) in cases {
        assert_eq!(decoded(bytes, 1).map(|_| ()), flaw, "{bytes:x?}");
    }
}

#[test]
fn a_length_of_2_to_the_63_is_short_not_an_allocation() {
    let mut bytes = b"\x00\x01\x01\x0d".to_vec();
    bytes.extend([0x80; 9]);
    bytes.push(1);
    assert!(matches!(decoded(&bytes, 1), Err(Flaw::Short { .. })));
}

fn value() -> impl Strategy<Value = Value> {
    let date = "[0-9]{4}-[01][0-9]-[0-3][0-9]";
    let time = "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]";
    prop_oneof![
        Just(Value::Null),
        any::<i16>().prop_map(Value::SmallInt),
        any::<i64>().prop_map(Value::Integer),
        (-300i64..300).prop_map(Value::Integer),
        prop::num::f64::NORMAL.prop_map(Value::Real),
        "-?[0-9]{1,20}(\\.[0-9]{0,9})?".prop_map(Value::Numeric),
        ".{0,40}".prop_map(Value::Text),
        "[a-z]{0,3} {0,3}".prop_map(Value::Char),
        any::<bool>().prop_map(Value::Boolean),
        date.prop_map(Value::Date),
        ".{0,12}".prop_map(Value::Date),
        time.prop_map(Value::Timestamp),
        "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{3})?Z"
            .prop_map(Value::TimestampTz),
        any::<[u8; 16]>().prop_map(Value::Uuid),
        ".{0,40}".prop_map(Value::Json),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytea),
        (".{0,9}", ".{0,9}").prop_map(|(type_name, label)| Value::Enum { type_name, label }),
    ]
}

fn any_row() -> impl Strategy<Value = Row> {
    let values = prop::collection::vec(value(), 0..8);
    let xids = (any::<u64>(), any::<Option<u64>>());
    (values, xids).prop_map(|(values, (xmin, xmax))| Row { values, xmin, xmax })
}

proptest! {
    #[test]
    fn rows_come_back(row in any_row()) {
        let bytes = encoded(&row);
        prop_assert!(bytes.len() as u64 >= MIN_ROW_LEN);
        prop_assert_eq!(decoded(&bytes, row.values.len()), Ok((row, bytes.len())));
    }

    #[test]
    fn a_row_cut_short_is_short(row in any_row()) {
        let bytes = encoded(&row);
        for len in 0..bytes.len() {
            let cut = decoded(&bytes[..len], row.values.len());
            prop_assert!(matches!(cut, Err(Flaw::Short { need }) if need > len), "{len}");
        }
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..60), arity in 0usize..4
    ) {
        if let Ok((row, len)) = decoded(&bytes, arity) {
            prop_assert!(len <= bytes.len());
            prop_assert_eq!(row.values.len(), arity);
        }
    }

    #[test]
    fn a_flipped_byte_gives_another_row_or_none(row in any_row(), at: prop::sample::Index, mask in 1u8..) {
        let bytes = encoded(&row);
        let mut flipped = bytes.clone();
        flipped[at.index(bytes.len())] ^= mask;
        if let Ok((other, len)) = decoded(&flipped, row.values.len()) {
            prop_assert_ne!((other, len), (row, bytes.len()));
        }
    }
}

#[test]
fn an_ended_row_is_the_row_with_its_xmax() {
    for (xmin, xmax) in [(1, 0), (300, 1 << 40), (u64::MAX, u64::MAX)] {
        let visible = Row {
            xmin,
            ..row(vec![Value::Text("a".into()), Value::Null])
        };
        let ended = Row {
            xmax: Some(xmax),
            ..visible.clone()
        };
        let mut w = ByteWriter::new();
        end_row(&mut w, &encoded(&visible), xmax).unwrap();
        assert_eq!(w.as_slice(), encoded(&ended));
        // Once is enough.
        let again = end_row(&mut ByteWriter::new(), &encoded(&ended), 5);
        assert!(matches!(again, Err(Flaw::Bad { at: 0, .. })));
    }
    assert_eq!(
        end_row(&mut ByteWriter::new(), &[], 5),
        Err(Flaw::Short { need: 1 })
    );
}
