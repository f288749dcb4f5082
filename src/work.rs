//! Work on several threads whose results are taken in order.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::{self, Builder, Scope, ScopedJoinHandle};

use rustix::process::{Resource, getrlimit};

/// Most threads that are started without being asked for: each holds a window
/// and four results.
const MAX_DEFAULT_THREADS: usize = 8;

/// Results for each thread. While whoever takes them waits for a disk, the
/// threads go on.
const RESULTS_A_THREAD: usize = 4;

/// Most threads that can be asked for.
const MAX_THREADS: usize = 64;

/// Address space that a thread can take for itself: its stack, and what the C
/// library's allocator sets aside for it, used or not. Twice that, because what it
/// does may be shared out once more.
const STACK_LEN: u64 = 2 << 21;
const ARENA_LEN: u64 = 2 << 26;
/// Address space of a command on one thread that holds little.
const LEAST_LEN: u64 = 32 << 20;

/// How many threads may work at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads(NonZeroUsize);

impl Threads {
    /// No thread beside the caller's own.
    pub const ONE: Threads = Threads(NonZeroUsize::MIN);

    /// As many as said.
    pub fn new(count: NonZeroUsize) -> Self {
        Threads(count)
    }

    /// As many as there are processors, up to a bound.
    pub fn available() -> Self {
        // The system is asked once: it answers out of several files.
        static FOUND: LazyLock<NonZeroUsize> =
            LazyLock::new(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
        let most = NonZeroUsize::new(MAX_DEFAULT_THREADS).unwrap_or(NonZeroUsize::MIN);
        Threads((*FOUND).min(most))
    }

    /// Two at most.
    pub fn few(self) -> Self {
        let two = NonZeroUsize::MIN.saturating_add(1);
        Threads(self.0.min(two))
    }

    /// The number, or as many as there is room for where the address space of the
    /// process is bounded (`ulimit -v`): an allocation that fails ends the process.
    pub fn get(self) -> usize {
        static ROOM: LazyLock<usize> =
            LazyLock::new(|| AddressSpace::of_process().threads(LEAST_LEN).unwrap_or(1));
        self.0.get().min(*ROOM)
    }

    /// As many as there is room for beside so many bytes.
    ///
    /// # Errors
    /// The bytes of the address space, where they are fewer.
    pub fn beside(self, bytes: u64) -> Result<Self, u64> {
        let room = AddressSpace::of_process();
        let most = room.threads(bytes).ok_or(room.bytes)?;
        let most = NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN);
        Ok(Threads(self.0.min(most)))
    }
}

/// What the system lets the process have.
#[derive(Debug, Clone, Copy)]
struct AddressSpace {
    /// Of the address space.
    bytes: u64,
    /// Whether all threads share one arena of the allocator.
    one_arena: bool,
}

impl AddressSpace {
    fn of_process() -> Self {
        let arenas = std::env::var("MALLOC_ARENA_MAX");
        AddressSpace {
            bytes: getrlimit(Resource::As).current.unwrap_or(u64::MAX),
            one_arena: arenas.is_ok_and(|most| most == "1"),
        }
    }

    /// Threads for which there is room beside so many bytes: one needs no other than
    /// the process has. None where there is not even so much.
    fn threads(self, beside: u64) -> Option<usize> {
        let left = self.bytes.checked_sub(beside)?;
        let arena = if self.one_arena { 0 } else { ARENA_LEN };
        let threads = usize::try_from(left / (STACK_LEN + arena));
        Some(threads.unwrap_or(usize::MAX).max(1))
    }
}

impl FromStr for Threads {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = text
            .parse()
            .ok()
            .filter(|count: &NonZeroUsize| count.get() <= MAX_THREADS);
        count
            .map(Threads)
            .ok_or_else(|| format!("expected a number of 1 to {MAX_THREADS}"))
    }
}

impl Default for Threads {
    fn default() -> Self {
        Threads::available()
    }
}

/// Does jobs `0..job_count`, several at a time, and hands the results to `take`
/// in the order of the jobs: what `take` sees does not depend on the threads.
///
/// `work` fills a result that may have been used before. At most four times as
/// many results as threads exist at a time.
///
/// # Errors
/// The error of the first job that has one, or of `take`.
pub fn in_order<R: Default + Send, E: Send>(
    threads: Threads,
    job_count: usize,
    work: impl Fn(usize, &mut R) -> Result<(), E> + Sync,
    mut take: impl FnMut(usize, &mut R) -> Result<(), E>,
) -> Result<(), E> {
    let worker_count = threads.get().min(job_count);
    if worker_count <= 1 {
        return one_by_one(job_count, work, take);
    }
    let (free, unused) = channel();
    for _ in 0..worker_count.saturating_mul(RESULTS_A_THREAD) {
        // The receiver is here: nothing can be lost.
        let _ = free.send(R::default());
    }
    let (done, finished) = channel();
    let queue = Mutex::new(Queue {
        unused,
        next: 0,
        job_count,
    });
    thread::scope(|scope| {
        let mut is_any = false;
        for _ in 0..worker_count {
            let (queue, work, done) = (&queue, &work, done.clone());
            let spawned = Builder::new().spawn_scoped(scope, move || run(queue, work, &done));
            is_any |= spawned.is_ok();
        }
        drop(done);
        if !is_any {
            return one_by_one(job_count, &work, take);
        }
        // Gone at the end of this scope, also after an error: workers that wait
        // for room end then.
        let free = free;
        let mut early = BTreeMap::new();
        for job in 0..job_count {
            let mut result = loop {
                if let Some(result) = early.remove(&job) {
                    break result;
                }
                match finished.recv() {
                    Ok((other, result)) => early.insert(other, result),
                    // Every worker is gone: one panicked, and so will the scope.
                    Err(_) => return Ok(()),
                };
            }?;
            take(job, &mut result)?;
            let _ = free.send(result);
        }
        Ok(())
    })
}

fn one_by_one<R: Default, E>(
    job_count: usize,
    work: impl Fn(usize, &mut R) -> Result<(), E>,
    mut take: impl FnMut(usize, &mut R) -> Result<(), E>,
) -> Result<(), E> {
    let mut result = R::default();
    (0..job_count).try_for_each(|job| {
        work(job, &mut result)?;
        take(job, &mut result)
    })
}

/// Does two things, at once if there are threads for it.
pub fn both<A: Send, B>(
    threads: Threads,
    first: impl Fn() -> A + Sync,
    second: impl FnOnce() -> B,
) -> (A, B) {
    if threads.get() == 1 {
        return (first(), second());
    }
    thread::scope(|scope| {
        let spawned = Builder::new().spawn_scoped(scope, &first);
        let second = second();
        // Where a thread cannot be had, one after the other.
        match spawned.map(|thread| thread.join()) {
            Ok(Ok(first)) => (first, second),
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => (first(), second),
        }
    })
}

/// What is done beside other work.
#[must_use]
pub struct Beside<'s, F, T> {
    /// The work itself until a thread takes it.
    work: Arc<Mutex<Option<F>>>,
    running: Option<ScopedJoinHandle<'s, Option<T>>>,
}

impl<'s, F: FnOnce() -> T + Send + 's, T: Send + 's> Beside<'s, F, T> {
    /// Begins work, if there is a thread for it.
    pub fn begin(scope: &'s Scope<'s, '_>, threads: Threads, work: F) -> Self {
        let work = Arc::new(Mutex::new(Some(work)));
        let theirs = work.clone();
        let run = move || take(&theirs).map(|work| work());
        let running = match threads.get() {
            1 => None,
            _ => Builder::new().spawn_scoped(scope, run).ok(),
        };
        Beside { work, running }
    }

    /// What came of it, which is none only where it ended early.
    pub fn wait(self) -> Option<T> {
        match self.running.map(ScopedJoinHandle::join) {
            Some(Ok(done)) => done,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => take(&self.work).map(|work| work()),
        }
    }
}

fn take<F>(work: &Mutex<Option<F>>) -> Option<F> {
    work.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Jobs that nobody has begun, and results that can be filled.
struct Queue<R> {
    unused: Receiver<R>,
    next: usize,
    job_count: usize,
}

impl<R> Queue<R> {
    /// Room first, then a job: so whoever has the earliest job has room for it,
    /// and nobody waits for ever.
    fn next(&mut self) -> Option<(usize, R)> {
        if self.next == self.job_count {
            return None;
        }
        let room = self.unused.recv().ok()?;
        self.next += 1;
        Some((self.next - 1, room))
    }
}

fn run<R, E>(
    queue: &Mutex<Queue<R>>,
    work: &(impl Fn(usize, &mut R) -> Result<(), E> + Sync),
    done: &Sender<(usize, Result<R, E>)>,
) {
    loop {
        let next = match queue.lock() {
            Ok(mut queue) => queue.next(),
            // Another worker panicked.
            Err(_) => None,
        };
        let Some((job, mut result)) = next else {
            return;
        };
        let worked = work(job, &mut result);
        let failed = worked.is_err();
        if done.send((job, worked.map(|()| result))).is_err() || failed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads(count: usize) -> Threads {
        Threads::new(NonZeroUsize::new(count).unwrap())
    }

    #[test]
    fn a_bounded_address_space_has_room_for_so_many_threads() {
        let room = |bytes, one_arena| AddressSpace { bytes, one_arena };
        let threads = |room: AddressSpace| room.threads(LEAST_LEN);
        assert_eq!(threads(room(u64::MAX, false)).map(|t| t > 64), Some(true));
        assert_eq!(threads(room(150_000 << 10, false)), Some(1));
        assert_eq!(threads(room(300 << 20, false)), Some(2));
        assert_eq!(threads(room(64 << 20, true)), Some(8));
        assert_eq!(threads(room(LEAST_LEN - 1, true)), None);
    }

    #[test]
    fn results_are_taken_in_order_by_any_number_of_threads() {
        for count in [1, 2, 3, 8] {
            let mut taken = Vec::new();
            let work = |job: usize, result: &mut usize| {
                // Later jobs are done sooner.
                thread::sleep(std::time::Duration::from_micros((100 - job as u64) * 3));
                *result = job * job;
                Ok::<(), ()>(())
            };
            let take = |job, result: &mut usize| {
                taken.push((job, *result));
                Ok(())
            };
            in_order(threads(count), 100, work, take).unwrap();
            let expected: Vec<_> = (0..100).map(|job| (job, job * job)).collect();
            assert_eq!(taken, expected, "{count}");
        }
    }

    #[test]
    fn the_first_error_in_order_is_the_error() {
        for count in [1, 2, 3, 8] {
            let mut taken = 0;
            let work = |job: usize, _: &mut ()| match job {
                30.. => Err(job),
                _ => Ok(()),
            };
            let take = |_, (): &mut ()| {
                taken += 1;
                Ok(())
            };
            assert_eq!(in_order(threads(count), 100, work, take), Err(30));
            assert_eq!(taken, 30, "{count}");
        }
    }

    #[test]
    fn an_error_of_the_taker_ends_the_work() {
        for count in [1, 2, 8] {
            let take = |job, (): &mut ()| if job == 3 { Err("full") } else { Ok(()) };
            let work = |_: usize, (): &mut ()| Ok(());
            assert_eq!(in_order(threads(count), 1000, work, take), Err("full"));
        }
    }
}
