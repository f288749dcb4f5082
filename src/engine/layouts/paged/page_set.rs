//! Sets of pages.

/// A set of page numbers, one bit each, no longer than the pages that are there.
#[derive(Debug, Default)]
pub(super) struct PageSet {
    words: Vec<u64>,
}

impl PageSet {
    /// Takes a page in, or out when it is in.
    pub(super) fn flip(&mut self, page: u32) {
        let (word, bit) = ((page / 64) as usize, page % 64);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word ^= 1 << bit;
        }
    }

    /// The pages, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        let words = self
            .words
            .iter()
            .enumerate()
            .filter(|(_, word)| **word != 0);
        words.flat_map(|(at, word)| {
            let bits = (0..64).filter(move |bit| word >> bit & 1 == 1);
            bits.map(move |bit| at as u64 * 64 + bit)
        })
    }
}
