//! How much is tried: all of it with `RUSTDB_TRUST=full`, else what fits a
//! test. Both cores work.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads that work at once.
const THREADS: usize = 2;

/// Whether all of it is to be tried.
pub fn is_full() -> bool {
    std::env::var("RUSTDB_TRUST").is_ok_and(|effort| effort == "full")
}

/// One of two numbers: of a full run, and of a test.
pub fn scaled(full: usize, test: usize) -> usize {
    if is_full() { full } else { test }
}

/// Places among `len`: all of them, or about `most` that lie evenly, the first
/// and the last among them. `salt` moves those between, so that equal files are
/// not tried at equal places.
pub fn places(len: usize, most: usize, salt: usize) -> Vec<usize> {
    if is_full() || len <= most {
        return (0..len).collect();
    }
    let stride = len.div_ceil(most);
    let mut places = vec![0];
    places.extend(
        (salt % stride..len - 1)
            .step_by(stride)
            .skip_while(|at| *at == 0),
    );
    places.push(len - 1);
    places
}

/// Does all jobs, and gathers what they give, in the order of the jobs.
pub fn in_parallel<J: Sync, T: Send>(jobs: &[J], work: impl Fn(&J) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((at, job)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    jobs.get(at).map(|job| (at, job))
                } {
                    let result = work(job);
                    done.lock().unwrap().push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
