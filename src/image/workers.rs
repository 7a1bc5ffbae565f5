//! Threads that read, so that whoever asks does not wait: one pool for all images of the process, as a file system
//! that reads ahead on twenty disks needs no more of them than one that does so on one.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Something to do.
type Task = Box<dyn FnOnce() + Send>;

/// Reads that are in flight at a time.
const THREADS_MAX: usize = 16;

static POOL: Pool =
    Pool { state: Mutex::new(State { tasks: VecDeque::new(), idle: 0, threads: 0 }), work: Condvar::new() };

struct Pool {
    state: Mutex<State>,
    work: Condvar,
}

struct State {
    tasks: VecDeque<Task>,
    /// Threads that wait for a task.
    idle: usize,
    threads: usize,
}

/// Does `task` soon, on one of the threads; they are started when they are needed first, and stay.
pub(crate) fn run(task: impl FnOnce() + Send + 'static) {
    let mut state = lock();
    state.tasks.push_back(Box::new(task));
    if state.idle >= state.tasks.len() || state.threads >= THREADS_MAX {
        drop(state);
        POOL.work.notify_one();
        return;
    }
    if thread::Builder::new().name("image".to_owned()).spawn(work).is_ok() {
        state.threads = state.threads.saturating_add(1);
    } else if state.threads == 0 {
        // No thread can be had at all: then the caller has to wait after all.
        let tasks = std::mem::take(&mut state.tasks);
        drop(state);
        tasks.into_iter().for_each(|task| task());
    }
}

fn work() {
    let _gone = Gone;
    loop {
        let task = next();
        task();
    }
}

fn next() -> Task {
    let mut state = lock();
    loop {
        if let Some(task) = state.tasks.pop_front() {
            return task;
        }
        state.idle = state.idle.saturating_add(1);
        state = POOL.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.idle = state.idle.saturating_sub(1);
    }
}

fn lock() -> MutexGuard<'static, State> {
    POOL.state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a thread out that ends, which only a panic of a completion can bring about: another one takes its place.
struct Gone;

impl Drop for Gone {
    fn drop(&mut self) {
        let mut state = lock();
        state.threads = state.threads.saturating_sub(1);
        if !state.tasks.is_empty() && thread::Builder::new().name("image".to_owned()).spawn(work).is_ok() {
            state.threads = state.threads.saturating_add(1);
        }
    }
}
