//! The frames that wait in one lane for one peer.
//!
//! **Invariant: never more than its bounds**, except that one frame always fits.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// A bounded queue with one consumer at a time; producers never wait.
#[derive(Debug)]
pub(crate) struct LaneQueue {
    waiting: Mutex<Waiting>,
    wake: Notify,
    dropped: AtomicU64,
    frames_max: usize,
    bytes_max: usize,
    drop_oldest: bool,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Bytes>,
    bytes: usize,
}

/// The queue is full and does not drop what it holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl LaneQueue {
    pub(crate) fn new(frames_max: usize, bytes_max: usize, drop_oldest: bool) -> Self {
        Self {
            waiting: Mutex::default(),
            wake: Notify::new(),
            dropped: AtomicU64::new(0),
            frames_max,
            bytes_max,
            drop_oldest,
        }
    }

    /// Takes `frame`, if need be in the place of the oldest.
    pub(crate) fn push(&self, frame: Bytes) -> Result<(), Full> {
        let mut waiting = self.waiting.lock();
        while !waiting.frames.is_empty()
            && (waiting.frames.len() >= self.frames_max
                || waiting.bytes + frame.len() > self.bytes_max)
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            if !self.drop_oldest {
                return Err(Full);
            }
            if let Some(oldest) = waiting.frames.pop_front() {
                waiting.bytes -= oldest.len();
            }
        }
        waiting.bytes += frame.len();
        waiting.frames.push_back(frame);
        drop(waiting);
        self.wake.notify_one();
        Ok(())
    }

    /// Everything that waits, up to about `bytes_max`, each frame after its length, small ones
    /// copied together so that they travel as one write. Empty when nothing waits.
    pub(crate) fn take(&self, bytes_max: usize) -> Vec<Bytes> {
        let mut chunks = Vec::new();
        let mut small = BytesMut::new();
        let mut taken = 0;
        let mut waiting = self.waiting.lock();
        while taken < bytes_max {
            let Some(frame) = waiting.frames.pop_front() else {
                break;
            };
            waiting.bytes -= frame.len();
            taken += frame.len() + LENGTH_SIZE;
            let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
            small.put_u32_le(length);
            if frame.len() <= COPY_MAX {
                small.extend_from_slice(&frame);
            } else {
                chunks.push(small.split().freeze());
                chunks.push(frame);
            }
        }
        drop(waiting);
        if !small.is_empty() {
            chunks.push(small.freeze());
        }
        chunks
    }

    /// Waits until something may have come. May return early.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// Passes a wake-up on to the next consumer.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Forgets everything that waits.
    pub(crate) fn clear(&self) {
        let mut waiting = self.waiting.lock();
        let lost = waiting.frames.len() as u64;
        *waiting = Waiting::default();
        self.dropped.fetch_add(lost, Ordering::Relaxed);
    }

    /// Counts a frame that was refused before it came here.
    pub(crate) fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Frames lost here: pushed out, refused or cleared.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> u64 {
        self.waiting.lock().bytes as u64
    }
}

/// Bytes of a frame's length prefix.
pub(crate) const LENGTH_SIZE: usize = 4;

/// Frames up to this size are copied into one buffer with their neighbours.
const COPY_MAX: usize = 16 << 10;

#[cfg(test)]
mod tests;
