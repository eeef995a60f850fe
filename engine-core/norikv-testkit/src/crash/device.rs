//! A block device whose power can be cut: what was not flushed survives as the test chooses.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use nori_env::sync::Mutex;
use nori_env::{BlockDevice, Geometry, IoError, IoErrorKind, IoOp};

use super::{CrashFault, UnitFate};

/// A block device. Clones share it; [`fork`](Self::fork) copies it.
#[derive(Clone)]
pub struct CrashDevice {
    geometry: Geometry,
    blocks: u64,
    state: Arc<Mutex<State>>,
}

#[derive(Clone)]
struct State {
    now: Vec<u8>,
    stable: Vec<u8>,
    /// Blocks written since the last flush.
    dirty: BTreeSet<u64>,
    /// Writes and flushes so far.
    ops: u64,
    fault: Option<(u64, CrashFault)>,
    off: bool,
}

impl CrashDevice {
    /// `blocks` zero blocks of `unit` bytes.
    ///
    /// # Panics
    /// When they do not fit in memory.
    #[must_use]
    pub fn new(unit: u32, blocks: u64, psow: bool) -> Self {
        let bytes = usize::try_from(blocks * u64::from(unit)).expect("the blocks fit in memory");
        Self {
            geometry: Geometry {
                unit,
                psow,
                recycle: true,
                capacity: None,
            },
            blocks,
            state: Arc::new(Mutex::new(State {
                now: vec![0; bytes],
                stable: vec![0; bytes],
                dirty: BTreeSet::new(),
                ops: 0,
                fault: None,
                off: false,
            })),
        }
    }

    /// A copy that shares nothing with this one, power on and no fault armed.
    #[must_use]
    pub fn fork(&self) -> Self {
        let mut state = self.state.lock().clone();
        (state.fault, state.off) = (None, false);
        Self {
            state: Arc::new(Mutex::new(state)),
            ..*self
        }
    }

    /// Writes and flushes so far.
    #[must_use]
    pub fn ops(&self) -> u64 {
        self.state.lock().ops
    }

    /// Arms `fault` for the operation after the first `op`.
    pub fn arm(&self, op: u64, fault: CrashFault) {
        self.state.lock().fault = Some((op, fault));
    }

    /// A fault that was armed and did not happen yet.
    #[must_use]
    pub fn armed(&self) -> bool {
        self.state.lock().fault.is_some()
    }

    /// Blocks whose fate a power cut would decide.
    #[must_use]
    pub fn undecided(&self) -> usize {
        self.state.lock().dirty.len()
    }

    /// The device after the power went, with these fates of the undecided blocks in ascending order.
    ///
    /// # Panics
    /// When there are fewer fates than blocks.
    #[must_use]
    pub fn crash_as(&self, fates: &[UnitFate]) -> Self {
        let after = self.fork();
        {
            let mut state = after.state.lock();
            let dirty = core::mem::take(&mut state.dirty);
            for (block, fate) in dirty.into_iter().zip(fates) {
                let range = self.range(block, self.geometry.unit as usize);
                let State { now, stable, .. } = &mut *state;
                let (new, old) = (&now[range.clone()], &mut stable[range]);
                settle(old, new, *fate, self.geometry.psow);
            }
            state.now = state.stable.clone();
        }
        assert!(fates.len() >= self.undecided(), "a fate for each block");
        after
    }

    /// Flips one bit.
    pub fn flip_bit(&self, bit: u64) {
        let at = usize::try_from(bit / 8).expect("on the device");
        let mut state = self.state.lock();
        state.now[at] ^= 1 << (bit % 8);
        state.stable[at] ^= 1 << (bit % 8);
    }

    fn range(&self, lba: u64, len: usize) -> Range<usize> {
        let from = usize::try_from(lba).expect("on the device") * self.geometry.unit as usize;
        from..from + len
    }

    /// Counts an operation; the fault that happens now.
    fn step(state: &mut State, op: IoOp) -> Result<Option<CrashFault>, IoError> {
        if state.off {
            return Err(IoError::store(IoErrorKind::Other, op));
        }
        let now = state.ops;
        state.ops += 1;
        let due = (state.fault.filter(|(at, _)| *at == now)).map(|(_, fault)| fault);
        match due {
            Some(CrashFault::PowerCut) => state.off = true,
            Some(CrashFault::SyncFailed) if op == IoOp::Sync => {}
            _ => return Ok(None),
        }
        state.fault = None;
        Ok(due)
    }
}

/// What a power cut makes of the bytes of one unit.
pub(super) fn settle(old: &mut [u8], new: &[u8], fate: UnitFate, psow: bool) {
    match fate {
        UnitFate::Lost => {}
        UnitFate::Kept => old.copy_from_slice(new),
        UnitFate::Torn if !psow => old.fill(0xA5),
        UnitFate::Torn => {
            let changed = |at: &usize| old[*at] != new[*at];
            let from = (0..new.len()).find(changed).unwrap_or(0);
            let to = from + (new.len() - from) / 2;
            old[from..to].copy_from_slice(&new[from..to]);
        }
    }
}

impl BlockDevice for CrashDevice {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn blocks(&self) -> u64 {
        self.blocks
    }

    fn read(&self, lba: u64, dst: &mut [u8]) -> Result<(), IoError> {
        let state = self.state.lock();
        let bytes = state.now.get(self.range(lba, dst.len()));
        let bytes = bytes.ok_or_else(|| IoError::store(IoErrorKind::ShortRead, IoOp::Read))?;
        dst.copy_from_slice(bytes);
        Ok(())
    }

    fn write(&self, lba: u64, src: &[u8]) -> Result<(), IoError> {
        let mut state = self.state.lock();
        let fault = Self::step(&mut state, IoOp::Append)?;
        let range = self.range(lba, src.len());
        assert!(
            src.len().is_multiple_of(self.geometry.unit as usize),
            "whole blocks"
        );
        let bytes = state.now.get_mut(range);
        let bytes = bytes.ok_or_else(|| IoError::store(IoErrorKind::ShortRead, IoOp::Append))?;
        bytes.copy_from_slice(src);
        let blocks = src.len() as u64 / u64::from(self.geometry.unit);
        state.dirty.extend(lba..lba + blocks);
        match fault {
            Some(_) => Err(IoError::store(IoErrorKind::Other, IoOp::Append)),
            None => Ok(()),
        }
    }

    fn flush(&self) -> Result<(), IoError> {
        let mut state = self.state.lock();
        match Self::step(&mut state, IoOp::Sync)? {
            Some(CrashFault::PowerCut) => {
                return Err(IoError::store(IoErrorKind::SyncFailed, IoOp::Sync));
            }
            Some(_) => {
                state.dirty.clear();
                return Err(IoError::store(IoErrorKind::SyncFailed, IoOp::Sync));
            }
            None => {}
        }
        let State {
            now, stable, dirty, ..
        } = &mut *state;
        for block in core::mem::take(dirty) {
            let range = self.range(block, self.geometry.unit as usize);
            stable[range.clone()].copy_from_slice(&now[range]);
        }
        Ok(())
    }
}

impl fmt::Debug for CrashDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashDevice")
            .field("geometry", &self.geometry)
            .field("blocks", &self.blocks)
            .finish_non_exhaustive()
    }
}
