//! The pool: what stays, what goes, what is never lost.

use std::cell::Cell;

use super::*;
use crate::error::Error;

/// A page that says which it is.
fn page_of(file: PoolFile, page: u32) -> PageBytes {
    let mut bytes = [0; PAGE_LEN];
    bytes[..4].copy_from_slice(&page.to_le_bytes());
    bytes[4..8].copy_from_slice(&file.0.to_le_bytes());
    bytes
}

/// Gets a page, checks it, and says whether it had to be loaded.
fn loads(pool: &BufferPool, file: PoolFile, page: u32) -> bool {
    let loaded = Cell::new(false);
    let bytes = pool.get(file, page, |bytes| {
        loaded.set(true);
        *bytes = page_of(file, page);
        Ok(())
    });
    assert!(*bytes.unwrap() == page_of(file, page));
    loaded.get()
}

fn clean_count(pool: &BufferPool) -> usize {
    pool.state().clean.len()
}

#[test]
fn a_scan_of_ten_times_the_pool_leaves_the_hot_pages_there() {
    let pool = BufferPool::new(100);
    let (hot, cold) = (pool.register(), pool.register());
    for _ in 0..3 {
        (0..50).for_each(|page| {
            loads(&pool, hot, page);
        });
    }
    // Pages of the scan are used for each of their rows.
    let scan = |pages: std::ops::Range<u32>| {
        let mut missed = 0;
        for page in pages {
            let loaded: Vec<_> = (0..5).map(|_row| loads(&pool, cold, page)).collect();
            assert_eq!(loaded, [true, false, false, false, false]);
            if page % 40 == 39 {
                missed += (0..50).filter(|page| loads(&pool, hot, *page)).count();
            }
        }
        missed
    };
    assert_eq!(scan(0..1000), 0);
    // Pages that only the scan uses are no longer there.
    assert!(loads(&pool, cold, 500));
}

#[test]
fn clean_pages_never_exceed_the_capacity() {
    let pool = BufferPool::new(64);
    let file = pool.register();
    let mut order = 1u32;
    for n in 0..20_000 {
        order = order.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        loads(
            &pool,
            file,
            if n % 3 == 0 { order >> 20 } else { order >> 27 },
        );
        assert!(clean_count(&pool) <= 64);
    }
    let state = pool.state();
    assert_eq!(state.clean.len(), 64);
    assert!(state.first.len() + state.again.len() <= 3 * 64);
    assert!(state.left.len() <= 32);
    let in_first = state.clean.values().filter(|frame| frame.in_first);
    assert_eq!(in_first.count(), state.first_count);
}

#[test]
fn pinned_pages_are_never_reused() {
    let pool = BufferPool::new(16);
    let file = pool.register();
    let pinned: Vec<_> = (0..40)
        .map(|page| {
            let fill = |bytes: &mut PageBytes| {
                *bytes = page_of(file, page);
                Ok(())
            };
            pool.get(file, page, fill).unwrap()
        })
        .collect();
    // More than the pool holds, and all are there.
    assert!((0..40).all(|page| !loads(&pool, file, page)));
    (100..400).for_each(|page| {
        loads(&pool, file, page);
    });
    for (page, bytes) in (0..40).zip(&pinned) {
        assert!(**bytes == page_of(file, page));
    }
    drop(pinned);
    (500..600).for_each(|page| {
        loads(&pool, file, page);
    });
    assert_eq!(clean_count(&pool), 16);
}

#[test]
fn dirty_pages_stay_and_make_clean_ones_go() {
    let pool = BufferPool::new(64);
    let (file, other) = (pool.register(), pool.register());
    (0..64).for_each(|page| {
        loads(&pool, other, page);
    });
    for page in (0..1000).rev() {
        let mut bytes = page_of(file, page);
        bytes[100] = 1;
        pool.put_dirty(file, page, Arc::new(bytes));
    }
    assert_eq!(clean_count(&pool), 8);
    assert_eq!((pool.dirty_count(file), pool.dirty_count(other)), (1000, 0));
    let dirty = pool.dirty(file);
    assert!(dirty.iter().map(|(page, _)| *page).eq(0..1000));
    let never = |_: &mut PageBytes| Err(Error::Usage("loaded".into()));
    for (page, bytes) in &dirty {
        assert_eq!(bytes[100], 1);
        assert!(Arc::ptr_eq(&pool.get(file, *page, never).unwrap(), bytes));
    }
    drop(dirty);
    pool.clean(file);
    assert_eq!((pool.dirty_count(file), clean_count(&pool)), (0, 64));
    assert!(pool.get(file, 999, never).is_ok());
    pool.forget(file);
    assert!(pool.get(file, 999, never).is_err());
    assert_eq!(pool.dirty(file), []);
}

#[test]
fn a_page_that_fails_to_load_is_not_kept() {
    let pool = BufferPool::new(0);
    let file = pool.register();
    let never = |_: &mut PageBytes| Err(Error::Usage("damaged".into()));
    assert!(pool.get(file, 1, never).is_err());
    assert!(loads(&pool, file, 1));
    assert!(!loads(&pool, file, 1));
}

#[test]
fn what_was_read_before_a_checkpoint_is_read_again() {
    let pool = BufferPool::new(16);
    let file = pool.register();
    let tries = Cell::new(0);
    let bytes = pool.get(file, 7, |bytes| {
        tries.set(tries.get() + 1);
        if tries.get() == 1 {
            // A checkpoint comes between, and the page leaves the pool.
            pool.put_dirty(file, 7, Arc::new([2; PAGE_LEN]));
            pool.clean(file);
            pool.forget(file);
            bytes.fill(1);
            return Err(Error::Usage("torn".into()));
        }
        bytes.fill(2);
        Ok(())
    });
    assert_eq!((bytes.unwrap()[0], tries.get()), (2, 2));
    // A page that others brought in meanwhile wins.
    let bytes = pool.get(file, 8, |bytes| {
        pool.put_dirty(file, 8, Arc::new([3; PAGE_LEN]));
        bytes.fill(1);
        Ok(())
    });
    assert_eq!(bytes.unwrap()[0], 3);
}

#[test]
fn a_page_that_turns_dirty_and_clean_often_leaves_no_trace() {
    let pool = BufferPool::new(16);
    let file = pool.register();
    for _ in 0..10_000 {
        pool.put_dirty(file, 1, Arc::new(page_of(file, 1)));
        pool.clean(file);
    }
    let state = pool.state();
    assert!(state.first.len() + state.again.len() <= 32);
}
