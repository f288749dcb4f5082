//! How a leaf holds its entries (format page, "Index"): bytes that all of them
//! have in common stand once, the others entry by entry.
//!
//! Keys of neighbours differ in a byte or two where a server counted them up,
//! and so do their values: an entry takes a quarter of its full width.

use super::entry::{ENTRY_LEN, Entry};
use crate::engine::pages::buffer_pool::PAGE_LEN;
use crate::engine::pages::frame::Piece;
use crate::engine::pages::page::{PAGE_HEADER_LEN, put};
use crate::error::Damage;
use crate::finding::Code;

const BASE_OFFSET: usize = PAGE_HEADER_LEN;
const KEY_SKIP_OFFSET: usize = BASE_OFFSET + ENTRY_LEN;
const KEY_LEN_OFFSET: usize = KEY_SKIP_OFFSET + 1;
const VALUE_LEN_OFFSET: usize = KEY_LEN_OFFSET + 1;
const ZERO_OFFSET: usize = VALUE_LEN_OFFSET + 1;
/// Where the entries of a leaf start.
pub(super) const LEAF_START: usize = ZERO_OFFSET + 1;
/// Bytes for the entries of a leaf.
pub(super) const LEAF_ROOM: usize = PAGE_LEN - LEAF_START;

const KEY_BYTES: usize = 16;
const VALUE_BYTES: usize = 8;

/// Which bytes of a leaf's entries are stored for each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packing {
    /// What all entries have in common; 0 where they differ.
    base: Entry,
    /// Low bytes of a key that are in common, and bytes above them that are
    /// not; the rest is in common again.
    key_skip: usize,
    key_len: usize,
    /// Low bytes of a value that are stored, 1 at least: so the length of all
    /// tells how many entries there are.
    value_len: usize,
    /// The bits of the stored bytes.
    key_mask: u128,
    value_mask: u64,
}

impl Packing {
    /// Of a leaf with this one entry, or with none yet.
    pub(super) fn of(entry: Entry) -> Self {
        Packing::new(entry, Entry::MIN)
    }

    /// The narrowest one of some entries.
    pub(super) fn of_all(entries: &[Entry]) -> Self {
        let first = entries.first().copied().unwrap_or(Entry::MIN);
        let differing = entries.iter().fold(Entry::MIN, |sum, entry| Entry {
            key: sum.key | (entry.key ^ first.key),
            value: sum.value | (entry.value ^ first.value),
        });
        Packing::new(first, differing)
    }

    /// Of entries like `one`, which differ in the bits of `differing`.
    fn new(one: Entry, differing: Entry) -> Self {
        let (key_skip, key_end) = match differing.key {
            0 => (0, 0),
            key => (
                byte_count(key.trailing_zeros()),
                KEY_BYTES - byte_count(key.leading_zeros()),
            ),
        };
        let value_len = VALUE_BYTES - byte_count(differing.value.leading_zeros());
        let lens = (key_skip, key_end - key_skip, value_len.max(1));
        let mut packing = Packing::of_lens(one, lens);
        packing.base.key &= !packing.key_mask;
        packing.base.value &= !packing.value_mask;
        packing
    }

    fn of_lens(base: Entry, (key_skip, key_len, value_len): (usize, usize, usize)) -> Self {
        Packing {
            base,
            key_skip,
            key_len,
            value_len,
            key_mask: low_bytes(key_len) << (8 * key_skip).min(127),
            value_mask: u64::MAX >> (64 - 8 * value_len.clamp(1, VALUE_BYTES)),
        }
    }

    /// The narrowest one that takes what this one does, and an entry more.
    pub(super) fn with(&self, entry: Entry) -> Self {
        if self.takes(entry) {
            return *self;
        }
        let differing = Entry {
            key: self.key_mask | (self.base.key ^ entry.key),
            value: self.value_mask | (self.base.value ^ entry.value),
        };
        Packing::new(entry, differing)
    }

    /// Whether an entry has all that is in common.
    #[inline]
    pub(super) fn takes(&self, entry: Entry) -> bool {
        let common = Entry {
            key: entry.key & !self.key_mask,
            value: entry.value & !self.value_mask,
        };
        common == self.base
    }

    /// Bytes of an entry.
    pub(super) fn width(&self) -> usize {
        self.key_len + self.value_len
    }

    /// How many entries have room.
    pub(super) fn capacity(&self) -> usize {
        LEAF_ROOM / self.width()
    }

    /// Writes an entry that it takes to the start of `to`.
    #[inline]
    pub(super) fn pack(&self, entry: Entry, to: &mut [u8]) {
        let key = (entry.key >> (8 * self.key_skip).min(127)).to_le_bytes();
        let value = entry.value.to_le_bytes();
        put(to, 0, key.get(..self.key_len).unwrap_or_default());
        let value = value.get(..self.value_len).unwrap_or_default();
        put(to, self.key_len, value);
    }

    /// The entry that stands first in `from`, of which more may follow.
    #[inline]
    pub(super) fn unpack(&self, from: &[u8]) -> Entry {
        let (key, value) = match from.first_chunk::<ENTRY_LEN>() {
            // Nearly always more entries follow: what is read too much is cut.
            Some(bytes) => {
                let value = bytes.get(self.key_len..).unwrap_or_default();
                (first_16(bytes), first_8(value))
            }
            None => {
                let mut key = [0; KEY_BYTES];
                let mut value = [0; VALUE_BYTES];
                let (low, rest) = from.split_at_checked(self.key_len).unwrap_or_default();
                put(&mut key, 0, low);
                let rest = rest.get(..self.value_len).unwrap_or_default();
                put(&mut value, 0, rest);
                (u128::from_le_bytes(key), u64::from_le_bytes(value))
            }
        };
        let key = key << (8 * self.key_skip).min(127);
        Entry {
            key: self.base.key | key & self.key_mask,
            value: self.base.value | value & self.value_mask,
        }
    }

    /// Writes it into a leaf.
    pub(super) fn write(&self, page: &mut [u8]) {
        put(page, BASE_OFFSET, &self.base.to_bytes());
        let lens = [self.key_skip, self.key_len, self.value_len, 0];
        // None of them is above 16.
        let lens = lens.map(|len| u8::try_from(len).unwrap_or(u8::MAX));
        put(page, KEY_SKIP_OFFSET, &lens);
    }

    /// That of a leaf, which makes sense once it was checked.
    pub(super) fn of_page(page: &[u8]) -> Self {
        let len = |at: usize| usize::from(page.get(at).copied().unwrap_or(0));
        let base = Entry::from_bytes(page.get(BASE_OFFSET..).unwrap_or_default());
        let lens = [KEY_SKIP_OFFSET, KEY_LEN_OFFSET, VALUE_LEN_OFFSET].map(len);
        Packing::of_lens(base, lens.into())
    }

    /// Checks that of a leaf that was read.
    ///
    /// # Errors
    /// `OutOfRange` for lengths that no entry has; `BadPage` when bytes are in
    /// common that are stored for each entry.
    pub(super) fn check(page: &Piece<'_>) -> Result<Self, Damage> {
        let packing = Packing::of_page(page.bytes);
        let (skip, key_len, value_len) = (packing.key_skip, packing.key_len, packing.value_len);
        let zero = page.bytes.get(ZERO_OFFSET).copied().unwrap_or(0);
        let key_fits = match key_len {
            0 => skip == 0,
            _ => skip + key_len <= KEY_BYTES,
        };
        if !key_fits || !(1..=VALUE_BYTES).contains(&value_len) || zero != 0 {
            let found = format!("entries of {key_len} and {value_len} bytes, {skip} and {zero}");
            let expected = "up to 16 of a key, and 1 to 8 of a value";
            return Err(page.damage(KEY_SKIP_OFFSET, Code::OutOfRange, found, expected));
        }
        let base = packing.base;
        if base.key & packing.key_mask != 0 || base.value & packing.value_mask != 0 {
            let found = "bytes that each entry has itself";
            let expected = "zeros in place of them";
            return Err(page.damage(BASE_OFFSET, Code::BadPage, found, expected));
        }
        Ok(packing)
    }
}

/// Whole bytes of some bits.
fn byte_count(bits: u32) -> usize {
    (bits / 8) as usize
}

/// All bits of the lowest bytes of a key.
fn low_bytes(len: usize) -> u128 {
    match len {
        0 => 0,
        len => u128::MAX >> (128 - 8 * len.min(KEY_BYTES)),
    }
}

fn first_16(bytes: &[u8]) -> u128 {
    bytes.first_chunk().map_or(0, |b| u128::from_le_bytes(*b))
}

fn first_8(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn entry(key: u128, value: u64) -> Entry {
        Entry { key, value }
    }

    /// Bytes that some entries do not share, counted one by one.
    fn differing(entries: &[Entry]) -> (Vec<usize>, Vec<usize>) {
        let bytes = |at: usize| entries.iter().map(move |e| e.to_bytes()[at]);
        let differs = |at: &usize| bytes(*at).any(|byte| byte != entries[0].to_bytes()[*at]);
        let (key, value) = ((0..16).filter(differs), (16..24).filter(differs));
        (key.collect(), value.map(|at| at - 16).collect())
    }

    fn shifted() -> impl Strategy<Value = Entry> {
        let key = (any::<u16>(), 0..15u32).prop_map(|(n, byte)| u128::from(n) << (8 * byte));
        let value = (any::<u8>(), 0..8u32).prop_map(|(n, byte)| u64::from(n) << (8 * byte));
        (key, value).prop_map(|(key, value)| entry(key, value))
    }

    proptest! {
        #[test]
        fn entries_come_back_from_the_fewest_bytes(
            entries in proptest::collection::vec(shifted(), 1..6),
            common in (any::<u128>(), any::<u64>()),
        ) {
            let entries: Vec<_> = entries
                .iter()
                .map(|e| entry(e.key ^ common.0, e.value ^ common.1))
                .collect();
            let packing = Packing::of_all(&entries);
            let (key, value) = differing(&entries);
            let key_len = key.last().map_or(0, |last| last + 1 - key[0]);
            let value_len = value.last().map_or(1, |last| last + 1);
            prop_assert_eq!(packing.width(), key_len + value_len);
            // Added one by one, in any order, they come to the same.
            let (first, rest) = entries.split_first().unwrap();
            let grown = rest.iter().fold(Packing::of(*first), |p, e| p.with(*e));
            prop_assert_eq!(grown, packing);
            let mut page = vec![0; PAGE_LEN];
            packing.write(&mut page);
            let piece = Piece { path: Path::new("t.index"), offset: 0, bytes: &page };
            prop_assert_eq!(Packing::check(&piece), Ok(packing));
            prop_assert_eq!(Packing::of_page(&page), packing);
            // Alone, and with other bytes behind.
            for behind in [0, 24] {
                let mut bytes = vec![0xa5; packing.width() + behind];
                for entry in &entries {
                    prop_assert!(packing.takes(*entry));
                    packing.pack(*entry, &mut bytes);
                    prop_assert_eq!(packing.unpack(&bytes), *entry);
                    prop_assert!(bytes[packing.width()..].iter().all(|byte| *byte == 0xa5));
                }
            }
        }
    }

    #[test]
    fn lengths_that_no_entry_has_and_bytes_that_stand_twice_are_damage() {
        let check = |lens: [u8; 4], base: u8| {
            let mut page = vec![0; PAGE_LEN];
            page[KEY_SKIP_OFFSET..LEAF_START].copy_from_slice(&lens);
            page[BASE_OFFSET + 7] = base;
            let piece = Piece {
                path: Path::new("t.index"),
                offset: 0,
                bytes: &page,
            };
            let checked = Packing::check(&piece);
            checked.map(|p| p.width()).map_err(|damage| damage.code)
        };
        assert_eq!(check([7, 2, 4, 0], 0), Ok(6));
        assert_eq!(check([0, 16, 8, 0], 0), Ok(24));
        assert_eq!(check([0, 0, 1, 0], 9), Ok(1));
        assert_eq!(check([8, 2, 4, 0], 9), Ok(6));
        assert_eq!(check([7, 2, 4, 0], 9), Err(Code::BadPage));
        for lens in [
            [1, 16, 4, 0],
            [0, 17, 4, 0],
            [255, 255, 4, 0],
            [1, 0, 4, 0],
            [0, 2, 0, 0],
            [0, 2, 9, 0],
            [0, 2, 4, 1],
        ] {
            assert_eq!(check(lens, 0), Err(Code::OutOfRange), "{lens:?}");
        }
    }
}
