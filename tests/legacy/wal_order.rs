//! The order of a log's records, and what stands beyond damage.

use rustdb_migrate::finding::{Code, Severity};
use rustdb_migrate::legacy::{Verdict, Wal};
use rustdb_migrate::report::Report;

use crate::support::model::{Operation, Row, Value, WalEntry, encode_entry, frame};
use crate::support::wal::{
    FAMILY, assert_covered, bad, codes, entries, insert, one, other_segment, read, record_len,
    second_of_four, segment, sequences,
};

#[test]
fn two_damaged_records_apart_are_two_ranges() {
    let whole = record_len();
    let mut bytes = segment(1..=6);
    bytes[whole + 3] = 0x7f;
    bytes[4 * whole + 3] = 0x7f;
    let wal = one(bytes);
    assert_eq!(sequences(&wal), [1, 3, 4, 6]);
    let len = whole as u64;
    assert_eq!(bad(&wal), [(0, len, len, false), (0, 4 * len, len, false)]);
    assert_eq!(
        (
            wal.records_beyond(&wal.bad[0]),
            wal.records_beyond(&wal.bad[1])
        ),
        (3, 1)
    );
}

#[test]
fn damage_in_an_older_segment_is_never_torn() {
    let mut torn = segment(1..=3);
    torn.truncate(torn.len() - 5);
    let wal = read(FAMILY, &[torn, segment(4..=5)]);
    assert_covered(&wal);
    assert_eq!(
        (wal.verdict(), sequences(&wal)),
        (Verdict::DamagedMiddle, vec![1, 2, 4, 5])
    );
    let len = record_len() as u64;
    assert_eq!(bad(&wal), [(0, 2 * len, len - 5, false)]);
    // The missing record is the damaged one, not a gap besides.
    assert_eq!(wal.gaps, []);
    assert_eq!(wal.records_beyond(&wal.bad[0]), 2);
}

#[test]
fn damage_at_the_start_of_a_restarted_log_finds_its_records() {
    // A re-initialised server counts from 1 again.
    let mut restarted = other_segment(1..=4);
    restarted[3] = 0x7f;
    let wal = read(FAMILY, &[segment(1..=9), restarted]);
    assert_covered(&wal);
    assert_eq!(sequences(&wal), [1, 2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4]);
    assert_eq!(wal.verdict(), Verdict::DamagedMiddle);
    assert_eq!(wal.repeats.len(), 1);
}

#[test]
fn a_gap_inside_a_segment_and_between_two() {
    let wal = one(segment([1, 2, 5, 6, 8]));
    assert_eq!((wal.verdict(), wal.records.len()), (Verdict::Gap, 5));
    let jumps: Vec<_> = wal
        .gaps
        .iter()
        .map(|j| (j.record, j.before, j.after))
        .collect();
    assert_eq!(jumps, [(2, 2, 5), (4, 6, 8)]);
    assert_eq!(codes(&wal), [(Code::WalGap, Severity::Error); 2]);

    let wal = read(FAMILY, &[segment(1..=2), segment(4..=5)]);
    assert_eq!((wal.verdict(), wal.gaps.len()), (Verdict::Gap, 1));
}

#[test]
fn a_log_that_starts_late_has_no_gap() {
    let wal = one(segment(1000..=1003));
    assert_eq!((wal.verdict(), wal.records.len()), (Verdict::Clean, 4));
}

#[test]
fn the_highest_sequence_overflows_nothing() {
    let last = other_segment([u64::MAX]);
    let wal = one([segment([u64::MAX - 1, u64::MAX]), last].concat());
    assert_eq!((wal.verdict(), wal.repeats.len()), (Verdict::Repeated, 1));
}

#[test]
fn a_repeated_run_is_one_finding() {
    let wal = read(FAMILY, &[segment(1..=5), other_segment(2..=7)]);
    assert_eq!((wal.verdict(), wal.records.len()), (Verdict::Repeated, 11));
    let jumps: Vec<_> = wal
        .repeats
        .iter()
        .map(|j| (j.record, j.before, j.after))
        .collect();
    assert_eq!((jumps, wal.gaps.len()), (vec![(5, 5, 2)], 0));
    assert_eq!(codes(&wal), [(Code::WalRepeated, Severity::Error)]);
}

#[test]
fn one_number_in_two_records_is_repeated() {
    let wal = one([segment([1, 2]), other_segment([2, 3])].concat());
    assert_eq!((wal.verdict(), wal.repeats.len()), (Verdict::Repeated, 1));
}

#[test]
fn two_repeats_apart_are_two_findings() {
    let halves = [
        segment([1]),
        other_segment([1, 2, 3]),
        segment([3]),
        other_segment([4]),
    ];
    let wal = one(halves.concat());
    let at: Vec<_> = wal.repeats.iter().map(|j| j.record).collect();
    assert_eq!(at, [1, 4]);
}

/// The names of the segments, in the order of the log.
fn names(wal: &Wal) -> Vec<u64> {
    let names = wal.segments.iter();
    names
        .map(|segment| u64::from_str_radix(segment.name.trim_end_matches(".wal"), 16).unwrap())
        .collect()
}

#[test]
fn segments_are_read_in_the_order_of_their_sequences() {
    // The clock stepped back twice.
    let wal = read(FAMILY, &[segment(7..=9), segment(4..=6), segment(1..=3)]);
    assert_covered(&wal);
    assert_eq!(sequences(&wal), (1..=9).collect::<Vec<_>>());
    assert_eq!(
        (wal.verdict(), names(&wal)),
        (Verdict::Clean, vec![3, 2, 1])
    );
    let of: Vec<_> = wal.records.iter().map(|record| record.segment).collect();
    assert_eq!(of, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    assert_eq!(codes(&wal), []);
}

#[test]
fn a_name_that_was_used_again_holds_two_runs() {
    let again = segment([1, 2, 5, 6]);
    let wal = read(FAMILY, &[segment([3, 4]), again]);
    assert_covered(&wal);
    assert_eq!(sequences(&wal), [1, 2, 3, 4, 5, 6]);
    assert_eq!((wal.verdict(), wal.repeats.len()), (Verdict::Clean, 0));
}

#[test]
fn the_newest_segment_is_that_of_the_highest_sequences() {
    let mut torn = segment(4..=6);
    torn.truncate(torn.len() - 5);
    let wal = read(FAMILY, &[torn.clone(), segment(1..=3)]);
    assert_covered(&wal);
    assert_eq!(
        (wal.verdict(), sequences(&wal)),
        (Verdict::TornTail, vec![1, 2, 3, 4, 5])
    );
    // By name it would be the newest.
    let wal = read(FAMILY, &[segment(7..=8), torn]);
    assert_eq!(
        (wal.verdict(), sequences(&wal)),
        (Verdict::DamagedMiddle, vec![4, 5, 7, 8])
    );
}

#[test]
fn a_gap_before_a_lower_name_is_an_error_wherever_it_is() {
    // A lost segment, or a server that began to count anew.
    let wal = read(FAMILY, &[segment(7..=9), segment(1..=3)]);
    assert_eq!(sequences(&wal), [1, 2, 3, 7, 8, 9]);
    let severity = |wal: &Wal| {
        let mut report = Report::new();
        wal.report(5, &mut report);
        report
            .findings()
            .iter()
            .map(|f| (f.code, f.severity))
            .collect::<Vec<_>>()
    };
    assert_eq!(severity(&wal), [(Code::WalGap, Severity::Error)]);
    let wal = read(FAMILY, &[segment(1..=3), segment(7..=9)]);
    assert_eq!(severity(&wal), [(Code::WalGap, Severity::Warning)]);
}

/// Bytes of a frame's length and its record's number.
const NUMBERED_LEN: usize = 4 + 8;

#[test]
fn a_copy_cut_anywhere_counts_once_under_any_name() {
    let whole = segment(1..=4);
    for kept in 1..=whole.len() {
        let copy = whole[..kept].to_vec();
        for (segments, original) in [
            (vec![whole.clone(), copy.clone()], 1),
            (vec![copy.clone(), whole.clone()], 2),
            (vec![copy.clone(), whole.clone(), copy.clone()], 2),
        ] {
            let wal = read(FAMILY, &segments);
            assert_covered(&wal);
            assert_eq!(sequences(&wal), [1, 2, 3, 4], "{kept}");
            let mut copies = vec![(Code::WalCopy, Severity::Warning); segments.len() - 1];
            // Without a number nothing tells the newest segment from a torn one.
            let torn = kept < NUMBERED_LEN && segments.last() == Some(&copy);
            if torn {
                copies.pop();
                copies.insert(0, (Code::TornTail, Severity::Warning));
            }
            let verdict = match torn {
                true => Verdict::TornTail,
                false => Verdict::Clean,
            };
            assert_eq!(wal.verdict(), verdict, "{kept}");
            assert_eq!(codes(&wal), copies, "{kept}");
            let all_alike = kept == whole.len();
            assert!(all_alike || names(&wal)[0] == original, "{kept}");
        }
    }
}

#[test]
fn a_copy_of_a_middle_segment_counts_once() {
    let three = [segment(1..=3), segment(4..=6), segment(7..=8)];
    for copy in [segment(4..=6), segment(4..=5), segment(5..=6)] {
        let wal = read(FAMILY, &[&three[..], &[copy]].concat());
        assert_covered(&wal);
        assert_eq!(
            (wal.verdict(), sequences(&wal)),
            (Verdict::Clean, (1..=8).collect())
        );
        assert_eq!(codes(&wal), [(Code::WalCopy, Severity::Warning)]);
    }
}

#[test]
fn a_copy_does_not_make_a_torn_tail_damage() {
    let mut torn = segment(1..=3);
    torn.truncate(torn.len() - 5);
    let copy = segment(1..=2);
    for segments in [
        [torn.clone(), copy.clone()],
        [copy, torn.clone()],
        [torn.clone(), torn],
    ] {
        let wal = read(FAMILY, &segments);
        assert_covered(&wal);
        assert_eq!(
            (wal.verdict(), sequences(&wal)),
            (Verdict::TornTail, vec![1, 2])
        );
    }
}

#[test]
fn segments_that_overlap_in_equal_records_are_joined() {
    let wal = read(FAMILY, &[segment(1..=5), segment(2..=7)]);
    assert_covered(&wal);
    assert_eq!(
        (wal.verdict(), sequences(&wal)),
        (Verdict::Clean, (1..=7).collect())
    );
}

#[test]
fn zeros_between_sequences_that_go_on_lose_nothing() {
    for zeros in [1, 3, 4, 300, 70_000] {
        let padded = [segment(1..=2), vec![0; zeros]].concat();
        let wal = read(FAMILY, &[padded.clone(), segment(3..=4)]);
        assert_covered(&wal);
        assert_eq!(
            (wal.verdict(), sequences(&wal)),
            (Verdict::Clean, vec![1, 2, 3, 4])
        );
        assert_eq!(
            codes(&wal),
            [(Code::WalZeros, Severity::Warning)],
            "{zeros}"
        );
        // Where a number is missing, a record is.
        let wal = read(FAMILY, &[padded, segment(4..=5)]);
        assert_eq!(wal.verdict(), Verdict::DamagedMiddle, "{zeros}");
    }
}

#[test]
fn a_record_wider_than_the_window_is_read() {
    let mut wide = insert(2);
    let value = Value::Text("w".repeat(900_000));
    wide.operation = Operation::Insert(
        "items".into(),
        Row {
            values: vec![value],
            xmin: 1,
            xmax: None,
        },
    );
    let bytes = [segment([1]), frame(FAMILY, &wide), segment([3])].concat();
    let wal = one(bytes.clone());
    assert_eq!(
        (wal.verdict(), sequences(&wal)),
        (Verdict::Clean, vec![1, 2, 3])
    );
    assert!(entries(&wal)[1] == wide);
    // Damaged, the search beyond it crosses several windows.
    let mut damaged = bytes;
    damaged[record_len() + 4 + 19] = 0xff;
    let wal = one(damaged);
    assert_eq!(
        (wal.verdict(), sequences(&wal)),
        (Verdict::DamagedMiddle, vec![1, 3])
    );
}

#[test]
fn records_inside_a_damaged_records_text_are_not_taken_for_the_log() {
    // A bytea value that holds a whole record, in a record whose tag is flipped.
    let planted = frame(FAMILY, &insert(77));
    let row = Row {
        values: vec![Value::Bytea(planted)],
        xmin: 1,
        xmax: None,
    };
    let carrier = WalEntry {
        operation: Operation::Insert("items".into(), row),
        ..insert(2)
    };
    let mut body = encode_entry(FAMILY, &carrier);
    body[19] = 0xff;
    let wal = second_of_four(body);
    assert_eq!(sequences(&wal), [1, 3, 4]);
}

#[test]
fn a_segment_that_looks_like_a_wide_record_everywhere_is_searched_in_bounded_time() {
    // Each 32 bytes are the head of a 2 MiB DropTable that has bytes left over.
    let head = [
        &(2u32 << 20).to_le_bytes()[..],
        &1u64.to_le_bytes(),
        &0u64.to_le_bytes(),
        &1u32.to_le_bytes(),
        &((2u64 << 20) - 100).to_le_bytes(),
    ];
    let bytes = head.concat().repeat((4 << 20) / 32);
    let len = bytes.len() as u64;
    let wal = one(bytes);
    assert_eq!(wal.records.len(), 0);
    assert_eq!(bad(&wal), [(0, 0, len, false)]);
}

/// A segment of records 1 to 6, one of which got another number.
fn renumbered(at: usize, number: u64) -> Wal {
    let mut bytes = segment(1..=6);
    let field = at * record_len() + 4;
    bytes[field..field + 8].copy_from_slice(&number.to_le_bytes());
    one(bytes)
}

#[test]
fn a_damaged_number_is_the_one_that_the_neighbours_say() {
    let last = 5;
    for at in 0..=last {
        let right = at as u64 + 1;
        for bit in 0..64 {
            let wal = renumbered(at, right ^ (1 << bit));
            let found = right ^ (1 << bit);
            // At the ends others can be missing.
            let gap = (at == 0 && found < 2) || (at == last && found > 5);
            if !gap {
                assert_eq!(sequences(&wal), [1, 2, 3, 4, 5, 6], "{at} {bit}");
                let told = [(Code::WalNumber, Severity::Warning)];
                assert_eq!(codes(&wal), told, "{at} {bit}");
            } else if at == last {
                assert_eq!(wal.gaps.len(), 1, "{at} {bit}");
            }
        }
    }
}

#[test]
fn a_record_that_was_cut_out_is_a_gap_and_no_damaged_number() {
    for sequences in [[1, 2, 3, 5], [1, 3, 4, 5], [1, 2, 4, 5]] {
        let wal = one(segment(sequences));
        assert_eq!((wal.gaps.len(), wal.misnumbered.len()), (1, 0));
    }
}

#[test]
fn a_damaged_number_at_the_end_of_a_segment_is_the_one_that_the_next_leaves() {
    let whole = record_len();
    for (first, at) in [(true, 2), (false, 0)] {
        for bit in 0..64 {
            let mut halves = [segment(1..=3), segment(4..=5)];
            let half = &mut halves[usize::from(!first)];
            half[at * whole + 4 + bit / 8] ^= 1 << (bit % 8);
            let wal = read(FAMILY, &halves);
            assert_eq!(sequences(&wal), [1, 2, 3, 4, 5], "{first} {bit}");
            assert_eq!(wal.misnumbered.len(), 1, "{first} {bit}");
        }
    }
}
