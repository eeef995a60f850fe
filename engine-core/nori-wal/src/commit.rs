//! Group commit: one leader writes, the others wait or stage the next group.
//!
//! **Invariant: at most one leader, and only the leader touches the active object.** The lock is
//! never held during I/O.
//!
//! Where a commit does not wait for a sync, one caller at a time syncs what the leaders have
//! written, while they write on.

use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_env::sync::MutexGuard;
use nori_env::{BlockObject, IoError, IoErrorKind};
use norikv_types::{Mutant, breaks};

use crate::format::{FRAME_HEADER_LEN, FrameBuf, Kind, aligned};
use crate::state::{Health, State};
use crate::wal::LINK_LEN;
use crate::{Error, Lsn, Wal};

/// Whoever writes, or syncs beside those who write. Dropped by a panic below, it poisons the log
/// instead of blocking it for ever.
#[derive(Debug)]
pub(crate) struct Leader<'a> {
    wal: &'a Wal,
    role: Role,
    armed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Write,
    Sync,
}

impl Wal {
    /// Sleeps until something changed.
    pub(crate) fn wait<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let ticket = self.park.ticket();
        drop(state);
        self.park.wait(ticket, None, &mut || false);
        self.state.lock()
    }

    /// Leads or follows until `target` is written, and durable where the policy says so.
    pub(crate) fn reach<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        target: u64,
    ) -> Result<Lsn, Error> {
        while state.written < target {
            state = self.lead_or_wait(state)?;
        }
        Ok(Lsn(state.written))
    }

    /// Leads or follows until `target`, which is written, is durable.
    pub(crate) fn reach_durable<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        target: u64,
    ) -> Result<MutexGuard<'a, State>, Error> {
        while state.durable < target {
            state.check()?;
            state = if state.syncing {
                self.wait(state)
            } else {
                self.sync_written(state)?
            };
        }
        Ok(state)
    }

    /// Syncs what was written so far, outside the lock; others write on meanwhile.
    pub(crate) fn sync_written<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> Result<MutexGuard<'a, State>, Error> {
        // A rotation syncs what it leaves, so all that is not synced stands in the active segment.
        let segment = Arc::clone(state.active());
        let (target, rooted) = (state.written, state.grown);
        let syncer = self.begin_sync(&mut state);
        drop(state);
        let synced = segment.object.sync();
        let mut state = syncer.done();
        match &synced {
            Ok(()) => {
                state.durable = state.durable.max(target);
                segment.extend(target);
                state.rooted |= rooted;
                state.events.synced(target);
            }
            Err(error) => {
                state.health = Health::Poisoned;
                state.events.failed(error);
            }
        }
        drop(state);
        self.park.wake();
        synced?;
        Ok(self.state.lock())
    }

    /// Leads or follows until nothing is staged, nobody writes, and everything is durable; staging
    /// waits from then on, until [`reopen_staging`](Self::reopen_staging).
    pub(crate) fn stop_staging(&self) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.state.lock();
        while state.rolling {
            state = self.wait(state);
        }
        state.check()?;
        state.rolling = true;
        loop {
            let unwritten = state.busy || state.refused.is_some() || !state.open.is_empty();
            if !unwritten && state.durable == state.written {
                break;
            }
            let target = state.written;
            let next = if unwritten {
                self.lead_or_wait(state)
            } else {
                self.reach_durable(state, target)
            };
            state = match next {
                Ok(state) => state,
                Err(error) => {
                    self.reopen_staging(self.state.lock());
                    return Err(error);
                }
            };
        }
        if let Err(error) = state.check() {
            self.reopen_staging(state);
            return Err(error);
        }
        Ok(state)
    }

    pub(crate) fn reopen_staging(&self, mut state: MutexGuard<'_, State>) {
        state.rolling = false;
        drop(state);
        self.park.wake();
    }

    /// Writes the group that is due, or waits for the one who writes.
    pub(crate) fn lead_or_wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> Result<MutexGuard<'a, State>, Error> {
        if state.busy {
            return Ok(self.wait(state));
        }
        state.check()?;
        let frame = if let Some(frame) = state.refused.take() {
            frame
        } else {
            let start = state.active().offset(state.open.lsn);
            let next = state.open.lsn + (self.frame_end(&state, 0) - start);
            let buffer = core::mem::take(&mut state.idle);
            let open = FrameBuf::new(Kind::Group, next, buffer);
            core::mem::replace(&mut state.open, open)
        };
        self.write(state, frame)
    }

    /// Appends one frame to the active segment, outside the lock, and syncs it unless it is a group
    /// and the policy leaves that for later.
    pub(crate) fn write<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        mut frame: FrameBuf,
    ) -> Result<MutexGuard<'a, State>, Error> {
        let segment = Arc::clone(state.active());
        let watermark = match breaks(Mutant::WatermarkNotCarried) {
            true => segment.base,
            false => state.durable,
        };
        let leader = self.lead(&mut state);
        drop(state);
        let offset = segment.offset(frame.lsn);
        frame.finish(segment.uid, offset, watermark, self.align);
        let written = append(segment.object.as_ref(), offset, frame.bytes());
        let group = frame.kind == Kind::Group;
        let durable = !group || self.options.sync.is_durable();
        let unsynced = !durable || (breaks(Mutant::CommitUnsynced) && group);
        let written = written.and_then(|()| match (!unsynced).then(|| segment.object.sync()) {
            Some(synced) if !breaks(Mutant::SyncErrorSwallowed) => synced,
            _ => Ok(()),
        });
        let mut state = leader.done();
        let result = match written {
            // A sync failed meanwhile: what was written before may be lost, and this after it.
            Ok(()) if state.health == Health::Poisoned => Err(Error::Poisoned),
            Ok(()) => {
                assert!(state.written == frame.lsn, "frames are written in order");
                state.written = frame.lsn + frame.len();
                state.grown = true;
                segment.mark(frame.lsn);
                if durable {
                    assert!(state.durable == frame.lsn, "frames become durable in order");
                    state.durable = state.written;
                    segment.extend(state.durable);
                    state.rooted = true;
                    let end = state.durable;
                    state.events.synced(end);
                }
                state.sealed = matches!(frame.kind, Kind::Seal | Kind::Close);
                state.keep_buffer(frame);
                Ok(())
            }
            Err(error) => {
                state.events.failed(&error);
                if error.kind != IoErrorKind::NoSpace {
                    state.health = Health::Poisoned;
                } else if frame.kind == Kind::Group {
                    state.refused = Some(frame);
                }
                Err(error.into())
            }
        };
        drop(state);
        self.park.wake();
        result?;
        Ok(self.state.lock())
    }

    /// Writes a frame without a body at the end of the log; staging was stopped before.
    pub(crate) fn mark<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        kind: Kind,
    ) -> Result<MutexGuard<'a, State>, Error> {
        let frame = FrameBuf::new(kind, state.written, Vec::new());
        let mut state = self.write(state, frame)?;
        state.open.lsn = state.written;
        Ok(state)
    }

    /// Whether a mark and then a link fit into the active segment.
    pub(crate) fn mark_fits(&self, state: &State) -> bool {
        let active = state.active();
        let end = aligned(
            active.offset(state.durable) + FRAME_HEADER_LEN as u64,
            self.align,
        );
        end + aligned(LINK_LEN, self.align) <= active.capacity
    }

    /// Becomes the leader.
    pub(crate) fn lead<'a>(&'a self, state: &mut State) -> Leader<'a> {
        assert!(!state.busy, "one leader at a time");
        state.busy = true;
        Leader {
            wal: self,
            role: Role::Write,
            armed: true,
        }
    }

    /// Becomes the one who syncs.
    fn begin_sync<'a>(&'a self, state: &mut State) -> Leader<'a> {
        assert!(!state.syncing, "one sync at a time");
        state.syncing = true;
        Leader {
            wal: self,
            role: Role::Sync,
            armed: true,
        }
    }
}

impl State {
    /// Keeps the frame's buffer for the next group, unless a rare large one made it huge.
    fn keep_buffer(&mut self, frame: FrameBuf) {
        let buffer = frame.into_bytes();
        if buffer.capacity() > self.idle.capacity() && buffer.capacity() <= IDLE_BYTES_MAX {
            self.idle = buffer;
        }
    }
}

impl<'a> Leader<'a> {
    /// The write is over, whatever came of it.
    pub(crate) fn done(mut self) -> MutexGuard<'a, State> {
        self.armed = false;
        let mut state = self.wal.state.lock();
        self.role.leave(&mut state);
        state
    }
}

impl Role {
    const fn leave(self, state: &mut State) {
        match self {
            Self::Write => state.busy = false,
            Self::Sync => state.syncing = false,
        }
    }
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        if self.armed {
            let mut state = self.wal.state.lock();
            self.role.leave(&mut state);
            state.rolling = false;
            state.health = Health::Poisoned;
            drop(state);
            self.wal.park.wake();
        }
    }
}

/// Appends, asking again where nothing happened.
pub(crate) fn append(object: &dyn BlockObject, at: u64, bytes: &[u8]) -> Result<(), IoError> {
    let mut left = INTERRUPTED_MAX;
    loop {
        match object.append(at, &[bytes]) {
            Err(error) if error.kind == IoErrorKind::Interrupted && left > 0 => left -= 1,
            other => return other,
        }
    }
}

const INTERRUPTED_MAX: u32 = 100;
const IDLE_BYTES_MAX: usize = 1 << 20;
