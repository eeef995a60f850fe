//! Rules that are broken on purpose, to show that the checks see it: tests of tests.
//!
//! **Invariant: without the feature `mutants` every rule holds**, [`breaks`] is a constant and the
//! wrong branch is compiled away; a build with the feature and without debug assertions, such as a
//! release, fails. At most one mutant is planted, per thread, and only while its guard lives.

#[cfg(all(feature = "mutants", not(debug_assertions)))]
compile_error!("the feature `mutants` breaks rules on purpose and is no part of a release");

/// Where whole runs by seed look for mutants; the modules of `norikv-sim`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum World {
    /// Whole nodes on simulated disks and a simulated network.
    Cluster,
    /// One LSM with a log of its own on a faulty disk.
    Storage,
    /// A thousand members of a membership.
    Gossip,
}

/// Whether the rule `mutant` is broken in this thread.
#[cfg(not(feature = "mutants"))]
#[must_use]
#[inline(always)]
pub const fn breaks(mutant: Mutant) -> bool {
    let _ = mutant;
    false
}

/// Whether the rule `mutant` is broken in this thread.
#[cfg(feature = "mutants")]
#[must_use]
#[inline]
pub fn breaks(mutant: Mutant) -> bool {
    planted::PLANTED.get() == Some(mutant)
}

#[cfg(feature = "mutants")]
pub use planted::Planted;

#[cfg(feature = "mutants")]
mod planted {
    extern crate std;

    use core::cell::Cell;
    use core::marker::PhantomData;

    use super::Mutant;

    std::thread_local! {
        pub(super) static PLANTED: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// A mutant lives in this thread until this is dropped.
    #[derive(Debug)]
    #[must_use = "the mutant lives as long as this"]
    pub struct Planted {
        before: Option<Mutant>,
        /// It is this thread's.
        _here: PhantomData<*const ()>,
    }

    impl Mutant {
        /// Breaks this rule in this thread, and this rule only, until the guard is dropped.
        pub fn plant(self) -> Planted {
            Planted {
                before: PLANTED.replace(Some(self)),
                _here: PhantomData,
            }
        }
    }

    impl Drop for Planted {
        fn drop(&mut self) {
            PLANTED.set(self.before);
        }
    }
}

/// One line a mutant: its name, the crate it lives in, the world that looks for it, what it does.
macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident: $krate:literal, $world:ident, $what:literal;)*) => {
        /// A rule that is broken on purpose. Each was a real bug somewhere, or could have been.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        impl Mutant {
            /// Every mutant, by crate.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What it does wrong, in a line.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }

            /// The crate in which it sits.
            #[must_use]
            pub const fn home(self) -> &'static str {
                match self { $(Self::$name => $krate,)* }
            }

            /// The world whose runs must catch it.
            #[must_use]
            pub const fn world(self) -> World {
                match self { $(Self::$name => World::$world,)* }
            }
        }
    };
}

mutants! {
    /// Against Raft §5.2: "vote for at most one candidate in a given term". Real where the vote was
    /// not looked at, or not kept.
    VotesTwice: "nori-raft", Cluster, "grants a second vote in a term";
    /// Against Raft §5.1, figure 2: "updated on stable storage before responding to RPCs". The most
    /// common bug of young implementations.
    VoteNotDurable: "nori-raft", Cluster, "says a vote before it is durable";
    /// Against Raft §5.4.2, figure 8.
    CommitsOldTerm: "nori-raft", Cluster,
        "commits an entry of an earlier term by counting replicas";
    /// Against dissertation §6.4.1: a supporter may have waited long before it answered, or the
    /// answer may have been long under way.
    LeaseFromReceive: "nori-raft", Cluster,
        "counts the lease from the receipt of answers, not from the sending of the round";
    /// Against Raft §5.3, figure 2.
    AckBeforeDurable: "nori-raft", Cluster, "acknowledges entries before they are durable";
    /// Against Raft §5.4.1.
    NoLogCheck: "nori-raft", Cluster, "grants a vote to a candidate whose log is behind";
}

#[cfg(all(test, feature = "mutants"))]
mod tests;
