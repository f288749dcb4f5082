//! Checks a tree to its last byte.

use std::sync::Arc;

use super::entry::Entry;
use super::meta::{META_PAGE, Meta, check_len};
use super::node::Node;
use crate::codec::MultisetHash;
use crate::engine::pages::address::TableAddress;
use crate::engine::pages::buffer_pool::{PAGE_LEN, PageBytes};
use crate::engine::pages::page::page_in;
use crate::engine::table::{Level, TableCheck};
use crate::error::{Error, Result};
use crate::file::{SourceFile, Window};
use crate::finding::Code;

/// A set of entries, whatever their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::engine) struct EntrySet(MultisetHash);

impl EntrySet {
    /// Adds an entry.
    #[inline]
    pub(in crate::engine) fn add(&mut self, entry: &Entry) {
        self.0.add(&entry.to_bytes());
    }

    /// Adds those of another set.
    pub(in crate::engine) fn merge(&mut self, other: EntrySet) {
        self.0.merge(other.0);
    }

    /// How many there are.
    pub(in crate::engine) fn count(&self) -> u64 {
        self.0.count()
    }
}

/// Checks every page by itself and, at the level of structure, the order of all
/// entries, the bounds of every page, that each page is reached exactly once,
/// and the counts; `take` is given the entries in order. What the first page
/// says, if nothing was wrong.
///
/// # Errors
/// I/O errors; damage goes to `check`.
pub(in crate::engine) fn verify_tree(
    file: &Arc<SourceFile>,
    address: &TableAddress,
    level: Level,
    check: &mut TableCheck<'_>,
    take: impl FnMut(&Entry),
) -> Result<Option<Meta>> {
    let Some(meta) = verify_pages(file, address, check)? else {
        return Ok(None);
    };
    if level < Level::Links {
        return Ok(Some(meta));
    }
    let walk = Walk {
        file,
        meta,
        reached: vec![0; (meta.page_count as usize).div_ceil(64)],
        page: Box::new([0; PAGE_LEN]),
        last: None,
        entry_count: 0,
    };
    match walk.run(take) {
        Ok(()) => Ok(Some(meta)),
        Err(Error::Damage(damage)) => {
            check.damaged(&damage);
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

/// Damaged pages after which no more are looked for.
const MOST_DAMAGED: usize = 1000;

/// Every page by itself, and the length of the file.
fn verify_pages(
    file: &Arc<SourceFile>,
    address: &TableAddress,
    check: &mut TableCheck<'_>,
) -> Result<Option<Meta>> {
    let whole = file.len() / PAGE_LEN as u64;
    let mut window = Window::new(file.clone(), 0..whole * PAGE_LEN as u64);
    let (mut checked, mut meta, mut found) = (0, None, Vec::new());
    for number in 0..whole {
        // Beyond what the first page says nothing is a page of the tree.
        let end = meta.map_or(whole, |meta: Meta| meta.page_count.into());
        if number >= end || found.len() >= MOST_DAMAGED {
            break;
        }
        window.fill(PAGE_LEN)?;
        let page = page_in(&window);
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let read = match number {
            META_PAGE => Meta::decode(&page, address).map(|read| meta = Some(read)),
            _ => Node::check(&page, address, number),
        };
        match read {
            Ok(()) => checked += PAGE_LEN as u64,
            Err(damage) => found.push(damage),
        }
        window.consume(PAGE_LEN);
    }
    let expected = meta.map_or(whole.max(2), |meta: Meta| meta.page_count.into());
    found.extend(check_len(file, expected).err());
    check.covered(file, checked);
    found.iter().for_each(|damage| check.damaged(damage));
    Ok(meta.filter(|_| found.is_empty()))
}

/// A walk from the root. The pages that wait are children of one page of each
/// level, at most.
struct Walk<'f> {
    file: &'f SourceFile,
    meta: Meta,
    /// Pages that were reached, one bit each.
    reached: Vec<u64>,
    page: Box<PageBytes>,
    last: Option<Entry>,
    entry_count: u64,
}

/// A page that waits to be visited.
struct Visit {
    number: u32,
    /// Leaves are on level 0.
    level: u32,
    low: Entry,
    high: Option<Entry>,
}

impl Walk<'_> {
    fn run(mut self, mut take: impl FnMut(&Entry)) -> Result<()> {
        let mut waiting = vec![Visit {
            number: self.meta.root,
            level: self.meta.height - 1,
            low: Entry::MIN,
            high: None,
        }];
        self.reach(META_PAGE, META_PAGE)?;
        self.reach(META_PAGE, self.meta.root)?;
        while let Some(visit) = waiting.pop() {
            let offset = u64::from(visit.number) * PAGE_LEN as u64;
            self.file.read_exact_at(&mut *self.page, offset)?;
            let page = self.page.clone();
            let node = Node::new(&page);
            if node.is_leaf() != (visit.level == 0) {
                let found = format!("page {} of another level", visit.number);
                let expected = format!("a page of level {}", visit.level);
                return self.damage(visit.number, Code::BrokenChain, found, expected);
            }
            match node.is_leaf() {
                true => self.leaf(&visit, &node, &mut take)?,
                false => self.inner(&visit, &node, &mut waiting)?,
            }
        }
        self.finish()
    }

    /// Notes that a page leads to another one.
    fn reach(&mut self, from: u32, number: u32) -> Result<()> {
        let bit = 1 << (number % 64);
        let word = self.reached.get_mut((number / 64) as usize);
        let word = word.filter(|word| number < self.meta.page_count && **word & bit == 0);
        match word {
            Some(word) => *word |= bit,
            None => {
                let found = format!("page {number}");
                let expected = "a page that nothing else leads to".to_owned();
                return self.damage(from, Code::BrokenChain, found, expected);
            }
        }
        Ok(())
    }

    fn leaf(
        &mut self,
        visit: &Visit,
        node: &Node<'_>,
        take: &mut impl FnMut(&Entry),
    ) -> Result<()> {
        for entry in node.entries() {
            let rises = self.last.is_none_or(|last| last < entry) && entry >= visit.low;
            if !rises || visit.high.is_some_and(|high| entry >= high) {
                return self.unordered(visit.number);
            }
            take(&entry);
            self.last = Some(entry);
            self.entry_count += 1;
        }
        Ok(())
    }

    fn inner(&mut self, visit: &Visit, node: &Node<'_>, waiting: &mut Vec<Visit>) -> Result<()> {
        let (first, count) = (waiting.len(), node.count());
        for at in 0..count {
            let low = node.entry(at);
            let high = match at + 1 < count {
                true => Some(node.entry(at + 1)),
                false => visit.high,
            };
            if (at == 0 && low != visit.low) || high.is_some_and(|high| low >= high) {
                return self.unordered(visit.number);
            }
            let number = node.child(at);
            self.reach(visit.number, number)?;
            waiting.push(Visit {
                number,
                level: visit.level - 1,
                low,
                high,
            });
        }
        // The first child is visited next.
        waiting.get_mut(first..).unwrap_or_default().reverse();
        Ok(())
    }

    fn unordered(&self, number: u32) -> Result<()> {
        let found = "entries out of order or out of bounds".into();
        self.damage(number, Code::BadPage, found, "entries that rise".into())
    }

    fn damage(&self, number: u32, code: Code, found: String, expected: String) -> Result<()> {
        let offset = u64::from(number) * PAGE_LEN as u64;
        Err(Error::damage(
            self.file.path(),
            offset,
            code,
            found,
            expected,
        ))
    }

    fn finish(self) -> Result<()> {
        if self.entry_count != self.meta.entry_count {
            let found = format!("{} entries", self.meta.entry_count);
            let expected = format!("{}, as the leaves hold", self.entry_count);
            return self.damage(META_PAGE, Code::CountMismatch, found, expected);
        }
        let orphan = (0..self.meta.page_count).find(|number| {
            let word = self.reached.get((number / 64) as usize);
            word.is_none_or(|word| word >> (number % 64) & 1 == 0)
        });
        match orphan {
            None => Ok(()),
            Some(number) => {
                let found = format!("page {number}, which nothing leads to");
                let expected = "a page of the tree".into();
                self.damage(number, Code::OrphanPage, found, expected)
            }
        }
    }
}

#[cfg(test)]
mod tests;
