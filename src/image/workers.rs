//! Threads that read, so that whoever asks does not wait.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// Something to do.
type Task = Box<dyn FnOnce() + Send>;

/// Reads that are in flight at a time.
const THREADS: usize = 4;

/// Threads that do what they are given, until they are dropped.
pub(crate) struct Workers {
    tasks: Option<Sender<Task>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    pub(crate) fn start() -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let receiver = Arc::new(Mutex::new(receiver));
        let start = |_| {
            let receiver = Arc::clone(&receiver);
            thread::Builder::new().name("image".to_owned()).spawn(move || work(&receiver))
        };
        Ok(Self { tasks: Some(sender), threads: (0..THREADS).map(start).collect::<Result<_, _>>()? })
    }

    /// Does `task` soon, on one of the threads.
    pub(crate) fn run(&self, task: impl FnOnce() + Send + 'static) {
        if let Some(tasks) = &self.tasks {
            // It fails only when every thread has ended, which none does before `drop`.
            let _ = tasks.send(Box::new(task));
        }
    }
}

fn work(tasks: &Mutex<Receiver<Task>>) {
    loop {
        let task = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(task) = task else { return };
        task();
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.tasks = None;
        for thread in self.threads.drain(..) {
            // The last owner can be a task's own thread, through a completion that held the image.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}
