//! Hashes of content, independent of order where order means nothing.

use std::fmt;

use xxhash_rust::xxh3::{xxh3_128, xxh3_128_with_seed};

/// 128 bits that name a content. Not cryptographic: it finds accidents and
/// differences, not forgeries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContentHash(pub u128);

impl ContentHash {
    /// The hash of some bytes.
    #[inline]
    pub fn of(bytes: &[u8]) -> Self {
        ContentHash(xxh3_128(bytes))
    }

    /// The hash of what this one names together with a number.
    #[inline]
    pub fn with(self, number: u64) -> Self {
        ContentHash(xxh3_128_with_seed(&self.0.to_le_bytes(), number))
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl serde::Serialize for ContentHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The hash of a multiset: the sum of its items' hashes, and how many there
/// are. Equal for equal items in any order; an item twice counts twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MultisetHash {
    sum: u128,
    count: u64,
}

impl MultisetHash {
    /// Adds one item by its bytes.
    #[inline]
    pub fn add(&mut self, item: &[u8]) {
        self.add_hash(ContentHash::of(item));
    }

    /// Adds one item by its hash.
    #[inline]
    pub fn add_hash(&mut self, item: ContentHash) {
        self.sum = self.sum.wrapping_add(item.0);
        self.count = self.count.wrapping_add(1);
    }

    /// Adds all items of another multiset.
    pub fn merge(&mut self, other: MultisetHash) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.count = self.count.wrapping_add(other.count);
    }

    /// How many items there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The hash of the whole.
    pub fn finish(&self) -> ContentHash {
        let mut bytes = [0u8; 24];
        let (sum, count) = bytes.split_at_mut(16);
        sum.copy_from_slice(&self.sum.to_le_bytes());
        count.copy_from_slice(&self.count.to_le_bytes());
        ContentHash::of(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_matter_and_repetition_does() {
        let hash = |items: &[&[u8]]| {
            let mut set = MultisetHash::default();
            items.iter().for_each(|item| set.add(item));
            set.finish()
        };
        assert_eq!(hash(&[b"a", b"b"]), hash(&[b"b", b"a"]));
        assert_ne!(hash(&[b"a", b"b"]), hash(&[b"a", b"b", b"b"]));
        assert_ne!(hash(&[]), hash(&[b""]));
    }
}
