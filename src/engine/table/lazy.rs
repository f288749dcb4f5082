//! What is derived from a table and read or made only when it is asked for.

use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::Result;

/// A value that is opened once, by whoever needs it first.
#[derive(Debug)]
pub(in crate::engine) struct Lazy<T> {
    value: OnceLock<T>,
    /// Held while it is opened: that may write files.
    opening: Mutex<()>,
}

impl<T> Lazy<T> {
    /// Not opened yet.
    pub(in crate::engine) fn new() -> Self {
        Lazy {
            value: OnceLock::new(),
            opening: Mutex::new(()),
        }
    }

    /// Open from the start.
    pub(in crate::engine) fn of(value: T) -> Self {
        Lazy {
            value: value.into(),
            opening: Mutex::new(()),
        }
    }

    /// The value, opened when it is not.
    ///
    /// # Errors
    /// Those of `open`; then it stays closed.
    pub(in crate::engine) fn get(&self, open: impl FnOnce() -> Result<T>) -> Result<&T> {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        // The lock guards no data.
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        match self.value.get() {
            Some(value) => Ok(value),
            None => {
                let value = open()?;
                Ok(self.value.get_or_init(|| value))
            }
        }
    }

    /// The value if it was opened.
    pub(in crate::engine) fn opened(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value to be changed if it was opened.
    pub(in crate::engine) fn opened_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn a_failure_to_open_is_no_value() {
        let lazy = Lazy::new();
        let failed = lazy.get(|| Err::<u32, _>(Error::Usage("not now".into())));
        assert!(failed.is_err());
        assert_eq!(lazy.opened(), None);
        assert_eq!(*lazy.get(|| Ok(7)).unwrap(), 7);
    }

    #[test]
    fn readers_at_the_same_time_open_it_once() {
        let lazy = Lazy::new();
        let opened = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    lazy.get(|| {
                        std::thread::yield_now();
                        opened.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        Ok(())
                    })
                    .unwrap();
                });
            }
        });
        assert_eq!(opened.into_inner(), 1);
    }
}
