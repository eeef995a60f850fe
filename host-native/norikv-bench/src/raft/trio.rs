//! What a library must offer to be measured.

use anyhow::Result;

/// Three replicas of a group in one thread, with a log in memory each. The first one leads.
pub(super) trait Trio {
    /// Takes the payloads that are proposed next, in the form that the library wants.
    fn prepare(&mut self, payloads: Vec<Vec<u8>>);

    /// Proposes the next `batch` of them and works until the leader has applied them. Each is
    /// copied into the log of every replica, and copied out of it where it is applied.
    fn propose(&mut self, batch: usize);

    /// Lets a heartbeat's time pass and works until nothing is left to do.
    fn heartbeat(&mut self);

    /// Forgets what is applied, as a host does after a flush.
    fn compact(&mut self);

    /// Bytes of the group that are the harness's.
    fn host_bytes(&self) -> usize;

    /// Messages sent so far.
    fn messages(&self) -> u64;

    /// For each replica: payloads applied and their digest.
    fn applied(&self) -> [(u64, u64); 3];
}

/// Three replicas with an inbox each.
pub(super) trait Mailed {
    /// Whether messages wait for a replica.
    fn has_mail(&self, at: usize) -> bool;

    /// Gives a replica all messages that wait for it.
    fn deliver(&mut self, at: usize);

    /// Carries out what a replica wants to be done, and reports it.
    fn carry_out_all(&mut self, at: usize);

    /// Until nothing is left to do, beginning with what replica `first` was told. Only who was told
    /// something is visited, whatever the library.
    fn work(&mut self, first: usize) {
        self.carry_out_all(first);
        while (0..3).any(|at| self.has_mail(at)) {
            for at in 0..3 {
                if self.has_mail(at) {
                    self.deliver(at);
                    self.carry_out_all(at);
                }
            }
        }
    }
}

/// A library.
#[derive(Debug, Clone, Copy)]
pub(super) struct Library {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// Builds a group and elects its leader; logs have room for so many bytes.
    pub(super) build: fn(u64, usize) -> Result<Box<dyn Trio>>,
}

/// Those of this build, ours first.
pub(super) const LIBRARIES: &[Library] = &[
    Library {
        name: "nori-raft",
        version: env!("CARGO_PKG_VERSION"),
        build: super::nori::build,
    },
    #[cfg(feature = "raft-rs")]
    Library {
        name: "raft-rs",
        version: "0.7.0",
        build: super::raft_rs::build,
    },
];
