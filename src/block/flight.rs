//! The one place where a synchronous reader waits for an asynchronous disk.

use crate::{ReadError, ReadErrorKind};
use bytes::Bytes;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One read on its way; any number of readers wait for it.
#[derive(Default)]
pub(crate) struct Flight {
    answer: Mutex<Option<Result<Bytes, ReadError>>>,
    landed: Condvar,
}

impl Flight {
    /// Hands the answer to everybody who waits, now or later.
    pub(crate) fn land(&self, answer: Result<Bytes, ReadError>) {
        *lock(&self.answer) = Some(answer);
        self.landed.notify_all();
    }

    /// Waits for the answer until `deadline`.
    pub(crate) fn wait(&self, deadline: Instant) -> Result<Bytes, ReadError> {
        let mut answer = lock(&self.answer);
        loop {
            if let Some(answer) = answer.as_ref() {
                return answer.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return Err(ReadError::new(ReadErrorKind::TimedOut, 0, 0));
            }
            answer = self.landed.wait_timeout(answer, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A lock whose holder panicked is still good here: every critical section leaves its data whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
