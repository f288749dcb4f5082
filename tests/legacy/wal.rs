//! Where a log can end, break and go on: one test a boundary, exact counts.

use rustdb_migrate::finding::{Code, Severity};
use rustdb_migrate::legacy::Verdict;

use crate::support::content::{column, customers, key};
use crate::support::model::{
    DataType, Family, Operation, Row, Value, WalEntry, encode_entry, frame,
};
use crate::support::wal::{
    FAMILY, bad, codes, entries, insert, one, read, record_len, second_of_four, segment, sequences,
};

#[test]
fn no_segment_and_an_empty_segment_are_clean() {
    for segments in [vec![], vec![vec![]], vec![vec![], vec![]]] {
        let wal = read(FAMILY, &segments);
        assert_eq!((wal.verdict(), wal.records.len()), (Verdict::Clean, 0));
        assert_eq!(wal.byte_len, 0);
    }
}

#[test]
fn an_empty_newest_segment_is_clean() {
    let wal = read(FAMILY, &[segment(1..=3), vec![]]);
    assert_eq!(
        (wal.verdict(), sequences(&wal)),
        (Verdict::Clean, vec![1, 2, 3])
    );
}

#[test]
fn every_operation_is_read_in_every_family() {
    let row = Row {
        values: vec![Value::Null],
        xmin: 3,
        xmax: Some(4),
    };
    let text = String::from;
    let operations = [
        Operation::CreateTable(text("t"), customers()),
        Operation::DropTable(text("t")),
        Operation::Insert(text("t"), row.clone()),
        Operation::Update(text("t"), u64::MAX, row),
        Operation::Delete(text("t"), 0),
        Operation::Checkpoint(9),
        Operation::AddColumn(text("t"), key("c", DataType::Varchar(3))),
        Operation::DropColumn(text("t"), text("c")),
        Operation::RenameColumn(text("t"), text("c"), text("d")),
        Operation::RenameTable(text("t"), text("u")),
    ];
    for family in Family::ALL {
        let log = (1..)
            .zip(operations.clone())
            .map(|(sequence, operation)| WalEntry {
                sequence,
                timestamp: 0,
                operation,
            });
        let bytes: Vec<u8> = log.flat_map(|entry| frame(family, &entry)).collect();
        let wal = read(family, std::slice::from_ref(&bytes));
        assert_eq!(wal.verdict(), Verdict::Clean, "{}", family.name());
        let again = entries(&wal)
            .iter()
            .flat_map(|e| frame(family, e))
            .collect::<Vec<_>>();
        assert_eq!((wal.records.len(), again), (10, bytes), "{}", family.name());
    }
}

#[test]
fn torn_inside_the_frame() {
    let whole = record_len() as u64;
    for kept in 1..4 {
        let mut bytes = segment(1..=3);
        bytes.truncate(2 * record_len() + kept);
        let wal = one(bytes);
        assert_eq!(
            (wal.verdict(), sequences(&wal)),
            (Verdict::TornTail, vec![1, 2]),
            "{kept}"
        );
        assert_eq!(bad(&wal), [(0, 2 * whole, kept as u64, true)]);
        assert_eq!(codes(&wal), [(Code::TornTail, Severity::Warning)]);
    }
}

#[test]
fn torn_anywhere_inside_the_body() {
    let whole = record_len();
    for kept in 4..whole {
        let mut bytes = segment(1..=3);
        bytes.truncate(2 * whole + kept);
        let wal = one(bytes);
        assert_eq!(
            (wal.verdict(), sequences(&wal)),
            (Verdict::TornTail, vec![1, 2]),
            "{kept}"
        );
        assert_eq!(bad(&wal), [(0, 2 * whole as u64, kept as u64, true)]);
    }
}

#[test]
fn torn_exactly_at_a_record_end_is_clean() {
    let mut bytes = segment(1..=3);
    bytes.truncate(2 * record_len());
    let wal = one(bytes);
    assert_eq!(
        (wal.verdict(), sequences(&wal)),
        (Verdict::Clean, vec![1, 2])
    );
}

#[test]
fn torn_in_the_only_record() {
    let mut bytes = segment([1]);
    bytes.pop();
    let wal = one(bytes);
    assert_eq!((wal.verdict(), wal.records.len()), (Verdict::TornTail, 0));
}

#[test]
fn a_zero_filled_tail_of_any_length_is_torn() {
    for zeros in [1, 3, 4, 5, 24, 4096, 600_000] {
        let mut bytes = segment(1..=2);
        bytes.resize(bytes.len() + zeros, 0);
        let wal = one(bytes);
        assert_eq!(
            (wal.verdict(), sequences(&wal)),
            (Verdict::TornTail, vec![1, 2]),
            "{zeros}"
        );
        assert_eq!(
            bad(&wal),
            [(0, 2 * record_len() as u64, zeros as u64, true)]
        );
    }
}

#[test]
fn a_last_record_that_was_not_filled_is_torn() {
    let row = Row {
        values: vec![
            Value::Integer(700),
            Value::Text("some \u{20ac} text".into()),
        ],
        xmin: 1,
        xmax: None,
    };
    let text = String::from;
    for operation in [
        Operation::Insert(text("items"), row.clone()),
        Operation::Update(text("items"), 2, row),
        Operation::CreateTable(text("customers"), customers()),
        Operation::DropTable(text("items")),
        Operation::RenameColumn(text("t"), text("c"), text("d")),
    ] {
        let last = WalEntry {
            operation,
            ..insert(3)
        };
        let last = frame(FAMILY, &last);
        let written = last.iter().rposition(|byte| *byte != 0).unwrap();
        // From any byte on but the last: then nothing is missing that shows.
        for kept in 0..written.min(last.len() - 10) {
            for behind in [0, 1, 4096] {
                let mut bytes = [segment(1..=2), last[..kept].to_vec()].concat();
                bytes.resize(2 * record_len() + last.len() + behind, 0);
                let wal = one(bytes);
                assert_eq!(
                    (wal.verdict(), sequences(&wal)),
                    (Verdict::TornTail, vec![1, 2]),
                    "{kept} of {last:?} and {behind}"
                );
            }
        }
    }
}

#[test]
fn a_flipped_byte_of_the_last_record_is_not_torn_because_it_ends_in_zeros() {
    let len = record_len();
    for at in (4 + 16)..(len - 9) {
        let mut bytes = segment(1..=3);
        bytes[2 * len + at] ^= 0x80;
        let wal = one(bytes);
        // Some bytes say something else then, and the record still decodes.
        assert_ne!(wal.verdict(), Verdict::TornTail, "{at}");
    }
}

#[test]
fn a_segment_of_zeros_alone_is_torn() {
    let wal = one(vec![0; 4096]);
    assert_eq!((wal.verdict(), wal.records.len()), (Verdict::TornTail, 0));
}

#[test]
fn a_torn_tail_and_an_empty_segment_after_it_is_damage() {
    let mut bytes = segment(1..=2);
    bytes.pop();
    let wal = read(FAMILY, &[bytes, vec![]]);
    assert_eq!(
        (wal.verdict(), sequences(&wal)),
        (Verdict::DamagedMiddle, vec![1])
    );
}

#[test]
fn a_flipped_length_in_the_middle_finds_the_records_beyond() {
    let whole = record_len();
    for bit in 0..32 {
        let mut bytes = segment(1..=5);
        bytes[whole + bit / 8] ^= 1 << (bit % 8);
        let wal = one(bytes);
        assert_eq!(sequences(&wal), [1, 3, 4, 5], "bit {bit}");
        assert_eq!(wal.verdict(), Verdict::DamagedMiddle, "bit {bit}");
        assert_eq!(
            bad(&wal),
            [(0, whole as u64, whole as u64, false)],
            "bit {bit}"
        );
        assert_eq!(wal.records_beyond(&wal.bad[0]), 3, "bit {bit}");
        assert_eq!(
            codes(&wal),
            [(Code::WalDamaged, Severity::Error)],
            "bit {bit}"
        );
    }
}

#[test]
fn a_flipped_length_of_the_first_record_finds_the_rest() {
    let mut bytes = segment(1..=3);
    bytes[3] = 0x7f;
    let wal = one(bytes);
    assert_eq!(
        (wal.verdict(), sequences(&wal)),
        (Verdict::DamagedMiddle, vec![2, 3])
    );
}

#[test]
fn a_flipped_length_of_the_last_record_is_not_torn() {
    for bit in 0..32 {
        let mut bytes = segment(1..=3);
        bytes[2 * record_len() + bit / 8] ^= 1 << (bit % 8);
        let wal = one(bytes);
        assert_eq!(
            (wal.verdict(), sequences(&wal)),
            (Verdict::DamagedMiddle, vec![1, 2]),
            "bit {bit}"
        );
    }
}

#[test]
fn a_length_of_2_to_the_32_less_1_allocates_nothing() {
    let mut bytes = segment(1..=3);
    bytes[record_len()..][..4].fill(0xff);
    let wal = one(bytes);
    assert_eq!(
        (wal.verdict(), sequences(&wal)),
        (Verdict::DamagedMiddle, vec![1, 3])
    );
    // Alone at the end it may be a frame of which nothing more was written.
    let wal = one([segment([1]), vec![0xff; 4]].concat());
    assert_eq!(
        (wal.verdict(), sequences(&wal)),
        (Verdict::TornTail, vec![1])
    );
}

#[test]
fn a_flipped_tag_costs_one_record() {
    for tag in [10u32, 0x8000_0002, u32::MAX] {
        let mut body = encode_entry(FAMILY, &insert(2));
        body[16..20].copy_from_slice(&tag.to_le_bytes());
        let wal = second_of_four(body);
        assert_eq!(
            (wal.verdict(), sequences(&wal)),
            (Verdict::DamagedMiddle, vec![1, 3, 4])
        );
        assert_eq!(wal.bad[0].damage.code, Code::BadTag);
        assert_eq!(wal.bad[0].damage.offset, record_len() as u64 + 4 + 16);
        assert_eq!(codes(&wal), [(Code::WalUnreadable, Severity::Error)]);
    }
}

#[test]
fn a_record_of_another_length_than_it_holds_costs_one_record() {
    let body = encode_entry(FAMILY, &insert(2));
    for (body, code) in [
        ([&body[..], &[0]].concat(), Code::TrailingBytes),
        ([&body[..], &body[..]].concat(), Code::TrailingBytes),
        (body[..body.len() - 1].to_vec(), Code::BadLength),
        (body[..20].to_vec(), Code::BadLength),
        (body[..3].to_vec(), Code::BadLength),
        (vec![], Code::BadLength),
    ] {
        let len = body.len();
        let wal = second_of_four(body);
        assert_eq!(sequences(&wal), [1, 3, 4], "{len} bytes");
        assert_eq!(wal.verdict(), Verdict::DamagedMiddle, "{len} bytes");
        assert_eq!(wal.bad[0].damage.code, code, "{len} bytes");
        assert_eq!(bad(&wal), [(0, record_len() as u64, 4 + len as u64, false)]);
    }
}

#[test]
fn text_that_is_not_utf8_costs_one_record() {
    let mut body = encode_entry(FAMILY, &insert(2));
    let at = body.windows(5).position(|w| w == b"items").unwrap();
    body[at + 2] = 0xff;
    let wal = second_of_four(body);
    assert_eq!(
        (wal.verdict(), sequences(&wal)),
        (Verdict::DamagedMiddle, vec![1, 3, 4])
    );
    assert_eq!(wal.bad[0].damage.code, Code::BadUtf8);
    assert_eq!(wal.bad[0].damage.offset, (record_len() + 4 + at + 2) as u64);
}

#[test]
fn a_truth_value_of_2_costs_one_record() {
    let added = WalEntry {
        operation: Operation::AddColumn("t".into(), column("c", DataType::Boolean)),
        ..insert(2)
    };
    let mut body = encode_entry(FAMILY, &added);
    // The last four bytes: nullable, primary key, unique, no foreign key.
    for back in 1..=4 {
        let at = body.len() - back;
        let kept = std::mem::replace(&mut body[at], 2);
        let wal = second_of_four(body.clone());
        assert_eq!(sequences(&wal), [1, 3, 4], "{back}");
        assert_eq!(wal.bad[0].damage.code, Code::BadBool, "{back}");
        assert_eq!(wal.bad[0].damage.offset, (record_len() + 4 + at) as u64);
        body[at] = kept;
    }
}

#[test]
fn lengths_of_2_to_the_60_inside_a_record_cost_one_record() {
    let body = encode_entry(FAMILY, &insert(2));
    let name_len = 20;
    let value_count = name_len + 8 + "items".len();
    let text_len = value_count + 8 + 12 + 4;
    for at in [name_len, value_count, text_len] {
        let mut body = body.clone();
        body[at..at + 8].copy_from_slice(&(1u64 << 60).to_le_bytes());
        let wal = second_of_four(body);
        assert_eq!(sequences(&wal), [1, 3, 4], "at {at}");
        assert_eq!(wal.bad[0].damage.code, Code::BadLength, "at {at}");
    }
}

#[test]
fn another_familys_table_costs_one_record() {
    let created = WalEntry {
        operation: Operation::CreateTable("t".into(), customers()),
        ..insert(2)
    };
    for (family, readable) in [
        (Family::V1_3, false),
        (Family::V1_4, true),
        (Family::V1_10, true),
        (Family::V2_3, false),
    ] {
        let wal = second_of_four(encode_entry(family, &created));
        let expected = if readable {
            vec![1, 2, 3, 4]
        } else {
            vec![1, 3, 4]
        };
        assert_eq!(sequences(&wal), expected, "{}", family.name());
    }
}
