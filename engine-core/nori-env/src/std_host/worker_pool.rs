//! A few threads that run the work the engine hands out.
//!
//! **Invariant: work that was taken is finished before the pool is gone.** Work still queued when
//! the pool is dropped is finished too.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use std::thread::{Builder, JoinHandle};

use parking_lot::{Condvar, Mutex};

/// A fixed number of threads and one queue.
pub struct WorkerPool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

type Work = Box<dyn FnOnce() + Send>;

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    work: VecDeque<Work>,
    closed: bool,
}

impl WorkerPool {
    /// `threads` threads named `name`.
    ///
    /// # Errors
    /// What the operating system says when it gives no thread; none is left running then.
    pub fn new(name: &str, threads: u32) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::default()),
            changed: Condvar::new(),
        });
        let mut pool = Self {
            shared,
            threads: Vec::new(),
        };
        for _ in 0..threads {
            let shared = Arc::clone(&pool.shared);
            let builder = Builder::new().name(String::from(name));
            pool.threads.push(builder.spawn(move || shared.run())?);
        }
        Ok(pool)
    }

    /// Queues `work` for the next free thread.
    pub fn submit(&self, work: impl FnOnce() + Send + 'static) {
        self.shared.queue.lock().work.push_back(Box::new(work));
        self.shared.changed.notify_one();
    }
}

impl Drop for WorkerPool {
    /// Waits until the queue is empty and every thread has ended.
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A thread ends early only by a panic in its work, which was reported there.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut queue = self.queue.lock();
        loop {
            if let Some(work) = queue.work.pop_front() {
                drop(queue);
                work();
                queue = self.queue.lock();
            } else if queue.closed {
                return;
            } else {
                self.changed.wait(&mut queue);
            }
        }
    }
}

impl fmt::Debug for WorkerPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerPool")
            .field("threads", &self.threads.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
