//! Starts, deaths, pauses, and links that are cut.

use alloc::vec::Vec;
use core::time::Duration;

use nori_swim::{Incarnation, Input, Swim};
use norikv_types::{Mono, NodeId};

use super::{Checked, Death, World, index};
use crate::gossip::GossipViolation;
use crate::gossip::eyes::Truth;
use crate::gossip::fault::{GossipFaultKind, GossipKind};

/// Something that is to happen.
#[derive(Debug, Clone)]
pub(super) enum Due {
    /// A member begins a life.
    Start(usize),
    /// A fault strikes.
    Fault(GossipFaultKind),
    /// One who stands still goes on.
    Resume(usize),
    /// A slow one is as fast as before.
    Quick(usize),
    /// A cut is mended.
    Mend(u64),
}

impl World<'_> {
    /// Puts starts and faults into the schedule.
    pub(super) fn plan(&mut self) {
        for nth in 0..self.members.len() {
            let bound = Duration::from_millis(self.config.start_within_ms);
            let at = Mono::ZERO + self.prng.duration(Duration::ZERO, bound);
            self.due.push(at, Due::Start(nth));
        }
        for fault in &self.config.faults {
            let at = Mono::ZERO + Duration::from_millis(fault.at_ms);
            self.due.push(at, Due::Fault(fault.fault));
        }
    }

    pub(super) fn happen(&mut self, due: Due) -> Checked {
        match due {
            Due::Start(nth) => self.start(nth),
            Due::Fault(fault) => self.strike(fault),
            Due::Resume(nth) => self.resume(nth),
            Due::Quick(nth) => {
                self.network
                    .slow_receiver(self.members[nth].id, Duration::ZERO);
                Ok(())
            }
            Due::Mend(number) => {
                self.cuts.retain(|cut| cut.number != number);
                self.cut_again();
                Ok(())
            }
        }
    }

    fn start(&mut self, nth: usize) -> Checked {
        let member = &mut self.members[nth];
        if member.swim.is_some() || member.left {
            return Ok(());
        }
        let id = u32::try_from(member.id.0).unwrap_or(u32::MAX);
        let mut config = self.config.swim(id, self.prng.next_u64());
        // Some keep the number of their last life, most do not.
        if self.prng.below(4) == 0 {
            config.incarnation = Incarnation(member.incarnation.0 + 1);
        }
        member.incarnation = config.incarnation;
        let swim = Swim::new(config, self.now);
        member.swim = Some(swim.map_err(|error| GossipViolation::Settings { error })?);
        self.eyes.set_truth(nth, Truth::Up);
        let seeds = (1..=SEEDS).map(NodeId).collect();
        self.input(nth, Input::Join { seeds })
    }

    fn strike(&mut self, fault: GossipFaultKind) -> Checked {
        let ms = Duration::from_millis;
        let running = |world: &Self, member: u32| {
            let nth = index(NodeId(u64::from(member)));
            let member = world.members.get(nth)?;
            let runs = member.swim.is_some() && member.paused_until.is_none() && !member.left;
            runs.then_some(nth)
        };
        match fault {
            GossipFaultKind::Crash {
                member,
                restart_after_ms,
            } => {
                if let Some(nth) = running(self, member) {
                    self.counters.faults.count(GossipKind::Crash);
                    self.stop(nth);
                    match restart_after_ms {
                        Some(after) => {
                            self.counters.faults.count(GossipKind::Restart);
                            self.due.push(self.now + ms(after), Due::Start(nth));
                        }
                        None => self.deaths.push(Death {
                            subject: nth,
                            at: self.now,
                            suspected: false,
                            convicted: false,
                            unaware: self.eyes.believers(nth),
                        }),
                    }
                }
            }
            GossipFaultKind::Pause { member, for_ms } => {
                if let Some(nth) = running(self, member) {
                    self.counters.faults.count(GossipKind::Pause);
                    let until = self.now + ms(for_ms);
                    self.members[nth].paused_until = Some(until);
                    self.set_deadline(nth);
                    self.due.push(until, Due::Resume(nth));
                }
            }
            GossipFaultKind::Slow {
                member,
                service_us,
                for_ms,
            } => {
                if let Some(nth) = running(self, member) {
                    self.counters.faults.count(GossipKind::Slow);
                    let service = Duration::from_micros(service_us);
                    self.network.slow_receiver(self.members[nth].id, service);
                    self.due.push(self.now + ms(for_ms), Due::Quick(nth));
                }
            }
            GossipFaultKind::OneWay { from, to, for_ms } => {
                if from != to {
                    self.counters.faults.count(GossipKind::OneWay);
                    self.cut(Shape::OneWay(from, to), for_ms);
                }
            }
            GossipFaultKind::Isolate { member, for_ms } => {
                self.counters.faults.count(GossipKind::Isolate);
                self.cut(Shape::Isolate(member), for_ms);
            }
            GossipFaultKind::Partition { up_to, for_ms } => {
                self.counters.faults.count(GossipKind::Partition);
                self.cut(Shape::Partition(up_to), for_ms);
            }
            GossipFaultKind::Leave { member } => {
                if let Some(nth) = running(self, member) {
                    self.counters.faults.count(GossipKind::Leave);
                    self.members[nth].left = true;
                    self.eyes.set_truth(nth, Truth::Down);
                    return self.input(nth, Input::Leave);
                }
            }
        }
        Ok(())
    }

    /// The process is gone, with all that was on its way to and from it.
    fn stop(&mut self, nth: usize) {
        let member = &mut self.members[nth];
        member.swim = None;
        member.paused_until = None;
        member.inbox.clear();
        self.network.drop_node(member.id);
        self.set_deadline(nth);
        self.eyes.set_truth(nth, Truth::Down);
    }

    /// It goes on: what is due is late, and everything that arrived is there at once.
    fn resume(&mut self, nth: usize) -> Checked {
        let member = &mut self.members[nth];
        if member.paused_until.is_none_or(|until| until > self.now) {
            return Ok(());
        }
        member.paused_until = None;
        let waiting: Vec<_> = member.inbox.drain(..).collect();
        // A loop that looks at its timers first, or at its socket.
        let timers_first = self.prng.below(2) == 0;
        if timers_first {
            self.input(nth, Input::Timeout)?;
        }
        for (from, bytes) in waiting {
            self.input(nth, Input::Packet { from, bytes })?;
        }
        self.set_deadline(nth);
        Ok(())
    }

    /// Everything that has no end of its own ends now.
    pub(super) fn heal(&mut self) -> Checked {
        self.cuts.clear();
        self.cut_again();
        let losing = self.config.lossy_to_the_end;
        self.network.set_faults(self.config.network.faults(losing));
        let mut waiting = Vec::new();
        while let Some((_, due)) = self.due.pop() {
            waiting.push(due);
        }
        for due in waiting {
            match due {
                Due::Resume(nth) => {
                    self.members[nth].paused_until = Some(self.now);
                    self.resume(nth)?;
                }
                Due::Start(_) | Due::Quick(_) => self.happen(due)?,
                Due::Fault(_) | Due::Mend(_) => {}
            }
        }
        Ok(())
    }

    fn cut(&mut self, shape: Shape, for_ms: u64) {
        self.cuts_made += 1;
        let number = self.cuts_made;
        self.cuts.push(Cut { number, shape });
        self.cut_again();
        let until = self.now + Duration::from_millis(for_ms);
        self.due.push(until, Due::Mend(number));
    }

    /// Cuts exactly what the shapes say that are still on.
    fn cut_again(&mut self) {
        self.network.heal();
        let all: Vec<NodeId> = self.members.iter().map(|member| member.id).collect();
        for cut in &self.cuts {
            match cut.shape {
                Shape::OneWay(from, to) => {
                    let [from, to] = [from, to].map(|id| NodeId(u64::from(id)));
                    self.network.cut(from, to);
                }
                Shape::Isolate(member) => {
                    self.network.isolate(NodeId(u64::from(member)), &all);
                }
                Shape::Partition(up_to) => {
                    let at = usize::try_from(up_to).unwrap_or(0).min(all.len());
                    let (low, high) = all.split_at(at);
                    self.network.partition(&[low, high]);
                }
            }
        }
    }
}

/// Links that are cut for a while.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    number: u64,
    shape: Shape,
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    OneWay(u32, u32),
    Isolate(u32),
    Partition(u32),
}

/// The members through which all others join.
const SEEDS: u64 = 3;
