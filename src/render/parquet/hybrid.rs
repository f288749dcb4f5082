//! Small numbers as runs of one number, or packed in groups of eight: the encoding
//! RLE of the format.

/// Numbers of a group.
const GROUP: usize = 8;
/// Groups that the header of one byte counts.
const MAX_GROUPS: usize = 63;

/// Bits of each number up to `most`, at least one: some readers know no fewer.
pub(super) fn width_of(most: u32) -> u32 {
    (u32::BITS - most.leading_zeros()).max(1)
}

/// Appends numbers of `width` bits, at most 32 and of no more than that.
pub(super) fn push_hybrid<N: Copy + Into<u32> + PartialEq>(
    out: &mut Vec<u8>,
    numbers: &[N],
    width: u32,
) {
    let mut rest = numbers;
    // Whole groups that are packed together.
    let mut packed: &[N] = &[];
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|number| *number == first).count();
        if run >= GROUP {
            push_packed(out, packed, width);
            packed = &[];
            push_varint(out, run << 1);
            let number: u32 = (*first).into();
            let bytes = usize::try_from(width.div_ceil(8)).unwrap_or_default();
            out.extend(number.to_le_bytes().iter().take(bytes));
            rest = rest.get(run..).unwrap_or_default();
            continue;
        }
        let before = numbers.len().saturating_sub(rest.len());
        let start = before.saturating_sub(packed.len());
        rest = rest.get(GROUP..).unwrap_or_default();
        packed = numbers
            .get(start..numbers.len().saturating_sub(rest.len()))
            .unwrap_or_default();
        if packed.len() >= MAX_GROUPS * GROUP {
            push_packed(out, packed, width);
            packed = &[];
        }
    }
    push_packed(out, packed, width);
}

/// Appends groups of eight, the last one filled up with zeros.
fn push_packed<N: Copy + Into<u32>>(out: &mut Vec<u8>, numbers: &[N], width: u32) {
    if numbers.is_empty() {
        return;
    }
    push_varint(out, numbers.len().div_ceil(GROUP) << 1 | 1);
    let filled = numbers.len().next_multiple_of(GROUP);
    let numbers = numbers.iter().map(|number| (*number).into());
    push_bits(out, numbers.chain(std::iter::repeat(0)).take(filled), width);
}

/// Appends numbers of `width` bits, the lowest bit first, the last byte filled up
/// with zeros.
pub(super) fn push_bits(out: &mut Vec<u8>, numbers: impl Iterator<Item = u32>, width: u32) {
    let (mut held, mut bits) = (0_u64, 0);
    for number in numbers {
        held |= u64::from(number) << bits;
        bits += width;
        while bits >= u8::BITS {
            let [byte, ..] = held.to_le_bytes();
            out.push(byte);
            held >>= u8::BITS;
            bits -= u8::BITS;
        }
    }
    if bits > 0 {
        let [byte, ..] = held.to_le_bytes();
        out.push(byte);
    }
}

fn push_varint(out: &mut Vec<u8>, number: usize) {
    let mut rest = number;
    while rest >= 0x80 {
        let [byte, ..] = rest.to_le_bytes();
        out.push(byte | 0x80);
        rest >>= 7;
    }
    let [byte, ..] = rest.to_le_bytes();
    out.push(byte);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(numbers: &[u32], width: u32) -> Vec<u8> {
        let mut out = Vec::new();
        push_hybrid(&mut out, numbers, width);
        out
    }

    #[test]
    fn runs_and_groups_are_as_the_format_shows_them() {
        // The example of the format: 0 to 7 in three bits each.
        let counted: Vec<u32> = (0..8).collect();
        assert_eq!(
            encoded(&counted, 3),
            [3, 0b1000_1000, 0b1100_0110, 0b1111_1010]
        );
        assert_eq!(encoded(&[1; 8], 1), [16, 1]);
        assert_eq!(encoded(&[300; 200], 9), [0x90, 3, 44, 1]);
        assert_eq!(encoded(&[1, 0, 1], 1), [3, 0b101]);
        assert_eq!(encoded(&[], 1), [0; 0]);
        let mixed: Vec<u32> = (0..8).chain([5; 9]).chain([1]).collect();
        let all = [3, 0b1000_1000, 0b1100_0110, 0b1111_1010, 18, 5, 3, 1, 0, 0];
        assert_eq!(encoded(&mixed, 3), all);
    }

    #[test]
    fn long_groups_are_cut() {
        let numbers: Vec<u32> = (0..1024).map(|number| number % 2).collect();
        let out = encoded(&numbers, 1);
        assert_eq!(out.first(), Some(&127));
        assert_eq!(out.get(64), Some(&127));
        assert_eq!(out.len(), 3 + 128);
    }

    #[test]
    fn widths_hold_their_numbers() {
        let widths = [(0, 1), (1, 1), (2, 2), (255, 8), (256, 9), (u32::MAX, 32)];
        for (most, width) in widths {
            assert_eq!(width_of(most), width, "{most}");
        }
    }
}
