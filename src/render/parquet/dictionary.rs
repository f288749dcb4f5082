//! The values of a column that stand more than once, each with its number.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::LazyLock;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Values after which one that is nearly all different ones is given up.
const MIN_SEEN: usize = 4096;
/// One in so many must stand for another.
const MIN_REPEATED: usize = 32;
/// Bytes that an entry takes beside its value.
const ENTRY_LEN: usize = 16;

/// Values in the order in which they came first.
pub(super) struct Dictionary {
    /// In the encoding PLAIN.
    pub(super) bytes: Vec<u8>,
    /// Where each starts and ends.
    places: Vec<(usize, usize)>,
    /// By the hash of the value. Two of one hash both have entries, the first of them
    /// once: the format does not mind.
    numbers: HashMap<u64, u32, BuildHasherDefault<Hashed>>,
    seen: usize,
}

impl Dictionary {
    pub(super) fn new() -> Self {
        Dictionary {
            bytes: Vec::new(),
            places: Vec::new(),
            numbers: HashMap::default(),
            seen: 0,
        }
    }

    /// The number of a value.
    pub(super) fn number(&mut self, value: &[u8]) -> u32 {
        // Not to be known by who writes values: equal hashes would cost.
        static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));
        let hash = xxh3_64_with_seed(value, *SEED);
        self.seen = self.seen.saturating_add(1);
        if let Some(number) = self.numbers.get(&hash) {
            let place = usize::try_from(*number)
                .ok()
                .and_then(|at| self.places.get(at));
            if place.and_then(|(start, end)| self.bytes.get(*start..*end)) == Some(value) {
                return *number;
            }
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(value);
        let number = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push((start, self.bytes.len()));
        self.numbers.insert(hash, number);
        number
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether no more values are to be added: there are more than `most` bytes, or
    /// hardly one that stands twice.
    pub(super) fn is_vain(&self, most: usize) -> bool {
        let size = self.bytes.len();
        let repeated = self.seen.saturating_sub(self.len());
        size.saturating_add(self.len().saturating_mul(ENTRY_LEN)) > most
            || self.seen >= MIN_SEEN && repeated.saturating_mul(MIN_REPEATED) < self.seen
    }

    /// Forgets what is needed to add more.
    pub(super) fn seal(&mut self) {
        self.numbers = HashMap::default();
    }
}

/// A number that is a hash already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes
            .iter()
            .for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_number_until_there_are_too_many() {
        let mut dictionary = Dictionary::new();
        let numbers = ["b", "a", "b"].map(|value| dictionary.number(value.as_bytes()));
        assert_eq!(
            (numbers, dictionary.bytes.as_slice()),
            ([0, 1, 0], &b"ba"[..])
        );
        assert!(!dictionary.is_vain(100) && dictionary.is_vain(30));
        for at in 0..MIN_SEEN {
            assert!(!dictionary.is_vain(usize::MAX), "{at}");
            dictionary.number(&at.to_le_bytes());
        }
        assert!(dictionary.is_vain(usize::MAX));
    }
}
