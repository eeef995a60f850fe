//! Faults, crashes and openings.

use alloc::string::ToString;
use alloc::vec::Vec;

use nori_env::{Clock, IoErrorKind, IoOp, ObjectId, ObjectKind};
use nori_lsm::{Error, Lsm};
use norikv_testkit::{FailPoint, Lie};
use norikv_types::Prng;

use super::{Armed, Checked, Harm, World, content_of, prng_of};
use crate::storage::StorageViolation;
use crate::storage::fault::{FaultKind, ObjectPick, StorageFaultKind};
use crate::storage::invariant::{reads, recovery};
use crate::storage::life::Life;

impl World<'_> {
    /// Arms every fault that is due before operation `number`.
    pub(super) fn arm_until(&mut self, number: u32) -> Checked {
        if self.small_until.is_some_and(|until| until <= number) {
            self.make_room();
        }
        while let Some(fault) = self.config.faults.get(self.next_fault)
            && fault.before <= number
        {
            self.next_fault += 1;
            let seed =
                self.config.seed ^ u64::from(fault.before).wrapping_mul(0x2545_f491_4f6c_dd1d);
            self.arm(&fault.fault, seed, number)?;
        }
        Ok(())
    }

    fn arm(&mut self, fault: &StorageFaultKind, seed: u64, number: u32) -> Checked {
        let kind = fault.kind();
        let armed = |recovery: &[u32]| Armed {
            kind,
            seed,
            recovery: Vec::from(recovery),
            struck: false,
        };
        let point = match fault {
            StorageFaultKind::PowerCut { after, recovery }
            | StorageFaultKind::ProcessDeath { after, recovery } => {
                self.disk.clear_failures();
                self.disk.power_off_after(u64::from(*after));
                self.armed = Some(armed(recovery));
                return Ok(());
            }
            StorageFaultKind::SyncFails { after } => {
                FailPoint::nth(IoOp::Sync, u64::from(*after), IoErrorKind::SyncFailed)
            }
            StorageFaultKind::AppendFails { after } => {
                FailPoint::nth(IoOp::Append, u64::from(*after), IoErrorKind::Other)
            }
            StorageFaultKind::Interrupted { after, times } => {
                FailPoint::nth(IoOp::Append, u64::from(*after), IoErrorKind::Interrupted)
                    .times(u64::from(*times))
            }
            StorageFaultKind::FullForAppends { after, times } => {
                FailPoint::nth(IoOp::Append, u64::from(*after), IoErrorKind::NoSpace)
                    .times(u64::from(*times))
            }
            StorageFaultKind::FullForObjects { after, times } => {
                FailPoint::nth(IoOp::Create, u64::from(*after), IoErrorKind::NoSpace)
                    .times(u64::from(*times))
            }
            StorageFaultKind::ReadFails { after, times } => {
                FailPoint::nth(IoOp::Read, u64::from(*after), IoErrorKind::Other)
                    .times(u64::from(*times))
            }
            StorageFaultKind::BadSector(pick) => {
                if let Some((id, len)) = self.picked(pick)
                    && self.disk.break_sector(id, offset(pick, len))
                {
                    self.counters.faults.count(kind);
                    self.harm.damaged = true;
                    self.harm.any_loss |= id.kind == ObjectKind::Log;
                }
                return Ok(());
            }
            StorageFaultKind::BitRot(pick) => {
                if let Some((id, len)) = self.picked(pick)
                    && self.flip(id, offset(pick, len), seed)
                {
                    self.counters.faults.count(kind);
                    self.harm.damaged = true;
                    self.harm.log_flips += u32::from(id.kind == ObjectKind::Log);
                }
                return Ok(());
            }
            StorageFaultKind::LyingSync { after, times } => {
                let lie = Lie::empty_sync().after(u64::from(*after));
                self.disk.lie(lie.times(u64::from(*times)));
                return Ok(());
            }
            StorageFaultKind::LostWrite { after } => {
                self.disk.lie(Lie::lost_write().after(u64::from(*after)));
                return Ok(());
            }
            StorageFaultKind::MisdirectedWrite { after } => {
                self.disk
                    .lie(Lie::misdirected_write(seed).after(u64::from(*after)));
                return Ok(());
            }
            StorageFaultKind::SmallDisk { free, operations } => {
                self.disk
                    .set_capacity(Some(self.disk.used() + u64::from(*free)));
                self.small_until = Some(number + operations);
                self.small_unnoticed = true;
                return Ok(());
            }
            StorageFaultKind::Wipe => {
                self.counters.faults.count(kind);
                return self.replace_disk();
            }
        };
        self.disk.clear_failures();
        self.disk.fail(point);
        self.armed = Some(armed(&[]));
        Ok(())
    }

    /// The disk has room again.
    pub(super) fn make_room(&mut self) {
        self.small_until = None;
        self.disk.set_capacity(None);
    }

    /// Counts what the disk did that nobody was told of, and remembers that it is harmed.
    pub(super) fn notice(&mut self) {
        let now = self.disk.counters();
        let harms = [
            (FaultKind::LyingSync, now.syncs_lied - self.seen.syncs_lied),
            (
                FaultKind::LostWrite,
                now.writes_lost - self.seen.writes_lost,
            ),
            (
                FaultKind::MisdirectedWrite,
                now.writes_misdirected - self.seen.writes_misdirected,
            ),
        ];
        for (kind, count) in harms {
            if count > 0 {
                self.counters.faults.count(kind);
                self.harm.damaged = true;
                self.harm.any_loss = true;
            }
        }
        let refused = now.refused_full > self.seen.refused_full;
        if refused && core::mem::take(&mut self.small_unnoticed) {
            self.counters.faults.count(FaultKind::SmallDisk);
        }
        self.seen = now;
    }

    /// The object that `pick` means now, and its length.
    fn picked(&self, pick: &ObjectPick) -> Option<(ObjectId, u64)> {
        let mut ids = self.store.list().ok()?;
        ids.retain(|id| id.kind == pick.object.kind());
        let back = usize::try_from(pick.nth).ok()? % ids.len().max(1);
        let id = *ids.get(ids.len().checked_sub(back + 1)?)?;
        let len = self.store.open(id).ok()?.len().ok()?;
        (len > 0).then_some((id, len))
    }

    /// Flips a bit at `offset`, or nearer to the front where nothing was written there yet.
    fn flip(&self, id: ObjectId, mut offset: u64, seed: u64) -> bool {
        loop {
            if self.disk.flip_bit(id, offset * 8 + seed % 8) {
                return true;
            }
            if offset == 0 {
                return false;
            }
            offset /= 2;
        }
    }

    /// The power went, or the process died, in the middle of something.
    pub(super) fn fall(&mut self, by_power: bool) -> Checked {
        let armed = self.armed.take();
        let durable = self.unsynced();
        self.life = None;
        let (seed, recovery, by_power) = match armed {
            Some(armed) if armed.kind == FaultKind::ProcessDeath => {
                self.counters.faults.count(FaultKind::ProcessDeath);
                (armed.seed, armed.recovery, false)
            }
            Some(armed) if armed.kind == FaultKind::PowerCut => {
                self.counters.faults.count(FaultKind::PowerCut);
                (armed.seed, armed.recovery, true)
            }
            _ => (self.config.seed ^ self.steps, Vec::new(), by_power),
        };
        let prng = &mut prng_of(seed);
        // A flipped bit ends the log where nothing proves what stands there, power cut or not.
        if by_power || self.harm.log_flips > 0 {
            self.durable = durable;
        }
        self.end_process(by_power, prng);
        self.open(&recovery, seed, by_power)
    }

    /// The last write that is durable, where others were acknowledged without being so.
    fn unsynced(&self) -> Option<u64> {
        let waits = self.config.sync.policy().is_durable();
        let life = self.life.as_ref().filter(|_| !waits);
        life.map(|life| life.lsm.durable_seqno().0)
    }

    /// The process ends and another begins; with `close` it says good-bye first.
    pub(super) fn restart(&mut self, close: bool) -> Checked {
        if close {
            let lsm = self.lsm();
            let (closed, struck) = self.watched(|_| lsm.close());
            if let Err(error) = closed {
                self.excuse("close", struck, &error)?;
            }
        }
        if self.disk.is_off() {
            return self.fall(true);
        }
        if self.harm.log_flips > 0 {
            self.durable = self.unsynced();
        }
        self.life = None;
        self.armed = None;
        self.disk.restart();
        self.open(&[], self.config.seed ^ self.steps, false)
    }

    /// The disk is replaced by an empty one.
    pub(super) fn replace_disk(&mut self) -> Checked {
        self.life = None;
        self.armed = None;
        self.disk.clear_failures();
        self.disk.tell_truth();
        self.make_room();
        self.notice();
        self.disk.wipe();
        self.model.clear();
        self.harm = Harm::default();
        self.durable = None;
        self.open(&[], self.config.seed ^ self.steps, false)
    }

    /// Opens the store; each number in `cuts` ends an attempt after so many changes of the disk.
    pub(super) fn open(&mut self, cuts: &[u32], seed: u64, by_power: bool) -> Checked {
        let prng = &mut prng_of(seed ^ 0x4f50_454e);
        for cut in cuts {
            self.disk.power_off_after(u64::from(*cut));
            let opened = self.try_open();
            self.notice();
            match &opened {
                _ if self.disk.is_off() => self.counters.faults.count(FaultKind::RecoveryCut),
                Err(error) if self.is_full(error) => {}
                Err(error) => self.refusal(error)?,
                Ok(_) => {}
            }
            drop(opened);
            self.end_process(by_power, prng);
        }
        self.trace.update(&self.disk.digest().to_le_bytes());
        self.must_reopen = false;
        self.counters.opens += 1;
        let opened = self.try_open();
        self.notice();
        match opened {
            Ok(lsm) => self.begin_life(lsm),
            Err(error) if self.is_full(&error) => {
                self.make_room();
                self.end_process(false, prng);
                self.open(&[], seed, by_power)
            }
            Err(error) => {
                self.refusal(&error)?;
                self.counters.refusals += 1;
                self.replace_disk()
            }
        }
    }

    /// Whether `error` says that the disk is full, and it is.
    fn is_full(&self, error: &Error) -> bool {
        let kind = match error {
            Error::Io(error)
            | Error::Table(nori_sstable::Error::Io(error))
            | Error::Log(nori_wal::Error::Io(error)) => error.kind,
            _ => return false,
        };
        kind == IoErrorKind::NoSpace && self.small_until.is_some()
    }

    fn end_process(&self, by_power: bool, prng: &mut Prng) {
        if by_power {
            self.disk.crash(prng);
        } else {
            self.disk.restart();
        }
    }

    /// A store may refuse to open only because of damage, and says where it is.
    fn refusal(&mut self, error: &Error) -> Checked {
        self.trace.update(error.to_string().as_bytes());
        if self.harm.damaged && reads::names_damage(error) {
            return Ok(());
        }
        Err(StorageViolation::Refused {
            error: error.to_string(),
        })
    }

    /// Judges what was recovered.
    fn begin_life(&mut self, lsm: Lsm) -> Checked {
        let content = content_of(&lsm);
        let seqno = lsm.visible_seqno().0;
        self.life = Some(Life::new(lsm));
        let content = match content {
            Ok(content) => content,
            Err(error) => {
                self.refusal(&error)?;
                self.counters.refusals += 1;
                return self.replace_disk();
            }
        };
        let allowed = self.loss_allowed();
        let found = recovery::check(&mut self.model, &content, seqno, self.clock.wall(), allowed)?;
        self.counters.lost += u64::from(found.lost);
        self.counters.writes_surfaced += u64::from(found.surfaced);
        self.counters.reads += content.len() as u64;
        self.harm.log_flips = 0;
        self.durable = None;
        Ok(())
    }
}

fn offset(pick: &ObjectPick, len: u64) -> u64 {
    len * u64::from(pick.at_ppm) / 1_000_000
}
