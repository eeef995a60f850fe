//! The failure detector: one probe a period (SWIM §3.1), judged at the period's end.

use norikv_types::{Mono, Mutant, NodeId, breaks};

use super::Swim;
use crate::packet::{Message, Record};
use crate::probe::Probe;
use crate::{Event, Member, MemberState};

impl Swim {
    pub(super) fn tick_probe(&mut self, now: Mono) {
        let direct_until = self
            .prober
            .current
            .as_ref()
            .and_then(|probe| probe.direct_until);
        if direct_until.is_some_and(|until| until <= now) && self.prober.period_end > now {
            self.ask_others();
        }
        if self.prober.period_end <= now {
            self.judge(now);
            self.begin_period(now);
        }
    }

    /// Pings the next member (SWIM §3.1). A node in ill health takes longer (Lifeguard §III).
    fn begin_period(&mut self, now: Mono) {
        self.prober.period_end = now + self.health.stretch(self.config.probe_interval);
        let Some(target) = self.prober.next(&self.table, &mut self.prng) else {
            return;
        };
        let Some(incarnation) = self.table.get(target).map(|member| member.incarnation) else {
            return;
        };
        let sequence = self.next_sequence();
        let direct_until = Some(now + self.health.stretch(self.config.probe_timeout));
        self.prober.current = Some(Probe {
            target,
            incarnation,
            sequence,
            direct_until,
            asked: [].into(),
            nacked: [].into(),
        });
        self.send(target, Message::Ping { sequence }, false);
    }

    /// No answer so far: asks k others to probe the target (SWIM §3.1).
    fn ask_others(&mut self) {
        let Some(probe) = &mut self.prober.current else {
            return;
        };
        let (sequence, target) = (probe.sequence, probe.target);
        let alive = |state| state == MemberState::Alive;
        let k = self.config.indirect_probes;
        let others = self.table.sample(&mut self.prng, k, target, alive);
        probe.direct_until = None;
        probe.asked = others.iter().copied().collect();
        for other in others {
            self.send(other, Message::PingReq { sequence, target }, false);
        }
    }

    /// The period is over: a target that nobody heard of is suspected (SWIM §4.2).
    fn judge(&mut self, now: Mono) {
        let Some(probe) = self.prober.current.take() else {
            return;
        };
        self.judge_health(|health| health.worsen(probe.blame()));
        self.tell(Event::ProbeFailed { node: probe.target });
        let Some(known) = self.table.get(probe.target) else {
            return;
        };
        let member = Member {
            state: MemberState::Suspect,
            incarnation: probe.incarnation,
            ..known.clone()
        };
        let accuser = self.config.id;
        self.hear(now, &Record { member, accuser });
    }

    /// A suspect did not refute in time (SWIM §4.2).
    pub(super) fn convict(&mut self, now: Mono, node: NodeId) {
        self.suspicions.stop(node);
        if let Some(known) = self.table.get(node) {
            let member = Member {
                state: MemberState::Faulty,
                ..known.clone()
            };
            self.hear(
                now,
                &Record {
                    member,
                    accuser: NodeId(0),
                },
            );
        }
    }

    pub(super) fn acknowledged(&mut self, from: NodeId, sequence: u32) {
        if let Some(proxied) = self.proxies.acknowledged(sequence, from) {
            if breaks(Mutant::IndirectAckDropped) {
                return;
            }
            self.send(
                proxied.asker,
                Message::Ack {
                    sequence: proxied.sequence,
                },
                false,
            );
            return;
        }
        if self
            .prober
            .current
            .as_ref()
            .is_some_and(|probe| probe.accepts(from, sequence))
        {
            self.prober.current = None;
            self.judge_health(|health| health.improve());
        }
    }

    pub(super) fn nacked(&mut self, from: NodeId, sequence: u32) {
        if let Some(probe) = &mut self.prober.current
            && probe.sequence == sequence
            && probe.asked.contains(&from)
        {
            probe.nacked.insert(from);
        }
    }

    /// Probes `target` for `asker` (SWIM §3.1).
    pub(super) fn probe_for(&mut self, now: Mono, asker: NodeId, sequence: u32, target: NodeId) {
        if target == self.config.id || target == asker {
            return;
        }
        let own = self.next_sequence();
        let timeout = self.config.probe_timeout;
        if self
            .proxies
            .open(own, asker, sequence, target, now, timeout)
        {
            self.send(target, Message::Ping { sequence: own }, false);
        }
    }
}
