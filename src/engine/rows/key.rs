//! Keys of fixed width for values of any (format page, "Index").

use super::codec::{INTEGER_TAG, SMALL_INT_TAG};
use crate::codec::{ContentHash, Cursor, sortable, unzigzag};

/// Bits below the class of a key.
const CLASS_SHIFT: u32 = 120;
/// Bits below the number of an integer's key.
const NUMBER_SHIFT: u32 = CLASS_SHIFT - 64;
/// The class of bytes that are no value.
const NO_CLASS: u8 = u8::MAX;

/// The key of a value, by its bytes in the row codec.
///
/// Integers keep their order, so that numbers that rise come to stand beside
/// one another. Of any other value it is a hash: two values may share one, and
/// who looks a value up compares it. The first byte is never 0.
pub(in crate::engine) fn key_digest(value: &[u8]) -> u128 {
    let tag = value.first().copied();
    let class = tag.map_or(NO_CLASS, |tag| tag.saturating_add(1));
    let rest = match tag.and_then(|tag| integer(tag, value)) {
        Some(number) => u128::from(number) << NUMBER_SHIFT,
        None => ContentHash::of(value).0 & ((1 << CLASS_SHIFT) - 1),
    };
    u128::from(class) << CLASS_SHIFT | rest
}

/// An integer in the order of unsigned ones.
fn integer(tag: u8, value: &[u8]) -> Option<u64> {
    if !matches!(tag, SMALL_INT_TAG | INTEGER_TAG) {
        return None;
    }
    let mut c = Cursor::new(value.get(1..)?);
    let number = c.varint().ok()?;
    (c.remaining() == 0).then(|| sortable(unzigzag(number)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::ByteWriter;
    use crate::engine::rows::codec::encode_value;
    use crate::model::ValueRef;

    fn digest(value: &ValueRef<'_>) -> u128 {
        let mut w = ByteWriter::new();
        encode_value(&mut w, value);
        key_digest(w.as_slice())
    }

    #[test]
    fn integers_keep_their_order_and_neighbours() {
        let numbers = [i64::MIN, -300, -1, 0, 1, 5, 70_000, i64::MAX];
        let keys = numbers.map(|n| digest(&ValueRef::Integer(n)));
        assert!(keys.is_sorted());
        assert_eq!(keys[4] - keys[3], 1 << 56);
        assert_eq!(keys[3], (3 << 120) | (1 << 119));
        let small = [-5, 0, 5].map(|n| digest(&ValueRef::SmallInt(n)));
        assert!(small.is_sorted() && small[2] < keys[0]);
    }

    #[test]
    fn all_other_values_have_hashes_below_their_class() {
        let text = digest(&ValueRef::Text("a"));
        assert_eq!(text >> 120, 6);
        let hash = xxhash_rust::xxh3::xxh3_128(&[5, 1, b'a']);
        assert_eq!(text << 8, hash << 8);
        assert_eq!(digest(&ValueRef::Null) >> 120, 1);
        assert_ne!(text, digest(&ValueRef::Text("b")));
        // Bytes that are no value have a key all the same.
        assert_eq!(key_digest(&[]) >> 120, 255);
        assert_eq!(key_digest(&[2, 0x80]) >> 120, 3);
        assert_eq!(key_digest(&[255]) >> 120, 255);
    }
}
