//! Maps whose keys are hashes already, with small numbers: a word is mixed in by
//! one multiplication. Numbers that a file gives are no such keys: it could
//! choose them to collide.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by hashes.
pub(super) type HashedMap<K, V> = HashMap<K, V, BuildHasherDefault<Mixer>>;

/// Mixes the words of a key.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mixer(u64);

/// 2 to the 64th divided by the golden ratio, which spreads neighbours apart.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(26) ^ word).wrapping_mul(SPREAD);
    }

    fn write_u128(&mut self, word: u128) {
        // A part of a hash tells as much as the whole.
        self.write_u64(u64::try_from(word >> 64).unwrap_or_default());
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(u64::from_le_bytes((word as i64).to_le_bytes()));
    }
}
