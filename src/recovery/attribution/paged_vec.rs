//! A vector whose copies share their pages.
//!
//! Hypothetical states differ from one another by a few rows among many; a
//! copy costs one pointer a page, a change one page.

use std::rc::Rc;

/// Items of one page.
const PAGE_LEN: usize = 64;

/// A growing vector, cheap to copy.
#[derive(Debug, Clone)]
pub(super) struct PagedVec<T> {
    pages: Vec<Rc<Vec<T>>>,
    len: usize,
}

impl<T: Clone> PagedVec<T> {
    /// An empty vector.
    pub fn new() -> Self {
        PagedVec {
            pages: Vec::new(),
            len: 0,
        }
    }

    /// Items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The item at a position.
    pub fn get(&self, at: usize) -> Option<&T> {
        self.pages.get(at / PAGE_LEN)?.get(at % PAGE_LEN)
    }

    /// The item at a position, to be changed; copies its page when shared.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        let page = self.pages.get_mut(at / PAGE_LEN)?;
        Rc::make_mut(page).get_mut(at % PAGE_LEN)
    }

    /// Appends an item.
    pub fn push(&mut self, item: T) {
        match self.pages.last_mut() {
            Some(page) if page.len() < PAGE_LEN => Rc::make_mut(page).push(item),
            _ => self.pages.push(Rc::new(vec![item])),
        }
        self.len += 1;
    }

    /// The position of the item with this key, by which items are sorted.
    pub fn position_by_key<K: Ord>(&self, key: &K, of: impl Fn(&T) -> K) -> Option<usize> {
        let last_not_after = self
            .pages
            .partition_point(|page| page.first().is_some_and(|first| of(first) <= *key));
        let page_at = last_not_after.checked_sub(1)?;
        let at = self
            .pages
            .get(page_at)?
            .binary_search_by_key(key, of)
            .ok()?;
        Some(page_at * PAGE_LEN + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_keeps_what_it_had() {
        let mut first = PagedVec::new();
        (0..200).for_each(|n| first.push(n * 2));
        let mut second = first.clone();
        *second.get_mut(70).unwrap() = -1;
        second.push(7);
        assert_eq!((first.len(), first.get(70)), (200, Some(&140)));
        assert_eq!((second.len(), second.get(70)), (201, Some(&-1)));
    }

    #[test]
    fn sorted_items_are_found_across_pages() {
        let mut items = PagedVec::new();
        (0..300).for_each(|n| items.push(n * 2));
        for (place, n) in (0..300).enumerate() {
            assert_eq!(items.position_by_key(&(n * 2), |i| *i), Some(place));
            assert_eq!(items.position_by_key(&(n * 2 + 1), |i| *i), None);
        }
        assert_eq!(items.position_by_key(&-1, |i| *i), None);
    }
}
