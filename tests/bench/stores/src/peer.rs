//! What a store is asked to do.

use std::error::Error;

/// Whatever a store says.
pub type Res<T> = Result<T, Box<dyn Error>>;

/// Bytes of the text of a row.
pub const TEXT_LEN: usize = 100;
/// Bytes of a row that its author would count.
pub const ROW_LEN: usize = 8 + TEXT_LEN;
/// Bytes of cache that each store is given.
pub const CACHE_LEN: usize = 16 << 20;

/// One store with one table of a key and a text.
pub trait Peer {
    /// Fills the empty table in the way that the store does it best.
    fn load(&mut self, keys: &[i64]) -> Res<()>;

    /// One durable transaction of new rows.
    fn insert(&mut self, keys: &[i64]) -> Res<()>;

    /// One durable transaction that gives rows another text.
    fn update(&mut self, keys: &[i64], version: u64) -> Res<()>;

    /// One durable transaction that deletes rows.
    fn delete(&mut self, keys: &[i64]) -> Res<()>;

    /// Whether a row is there, whose text is read.
    fn get(&mut self, key: i64) -> Res<bool>;

    /// How many rows there are, each of which is read.
    fn scan(&mut self) -> Res<u64>;

    /// Gives back what nobody needs any more.
    fn compact(&mut self) -> Res<()>;

    /// Brings everything to where it stays.
    fn settle(&mut self) -> Res<()>;

    /// Bytes written so far, where it is not this process that writes.
    fn written(&mut self) -> Res<Option<u64>> {
        Ok(None)
    }

    /// Whether memory and crashes of this process are those of the store.
    fn is_embedded(&self) -> bool {
        true
    }
}

/// The text of a row.
pub fn text(key: i64, version: u64) -> String {
    // Texts that a compressor makes little of, as names and addresses are.
    let mut state = key.cast_unsigned() ^ (version << 40) ^ 0x9e37_79b9_7f4a_7c15;
    let letter = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap_or(0))
    };
    (0..TEXT_LEN).map(letter).collect()
}
