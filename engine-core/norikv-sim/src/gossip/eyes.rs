//! Who sees whom how, kept up as members tell it.
//!
//! **Invariant: `wrong` counts the views of those who are well that differ from the truth.**

use alloc::vec;
use alloc::vec::Vec;

use nori_swim::{Incarnation, MemberState};

/// The views of all members of all others.
#[derive(Debug)]
pub(super) struct Eyes {
    members: usize,
    /// What `observer` told last of `subject`, at `observer * members + subject`.
    told: Vec<Option<(Incarnation, MemberState)>>,
    /// How each member stands in truth.
    truth: Vec<Truth>,
    wrong: u64,
}

/// How a member stands in truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    /// It runs: it is to be seen alive, and its views count.
    Up,
    /// It does not run, or left: it is not to be seen live, and has no views.
    Down,
    /// It has not started yet: nobody need know it.
    Unborn,
}

impl Eyes {
    pub(super) fn new(members: u32) -> Self {
        let members = usize::try_from(members).unwrap_or(0);
        Self {
            members,
            told: vec![None; members * members],
            truth: vec![Truth::Unborn; members],
            wrong: 0,
        }
    }

    /// What `observer` told last of `subject`.
    pub(super) fn told(
        &self,
        observer: usize,
        subject: usize,
    ) -> Option<(Incarnation, MemberState)> {
        self.told[observer * self.members + subject]
    }

    /// `observer` tells something of `subject`.
    pub(super) fn tell(
        &mut self,
        observer: usize,
        subject: usize,
        said: (Incarnation, MemberState),
    ) {
        self.wrong -= u64::from(self.is_wrong(observer, subject));
        self.told[observer * self.members + subject] = Some(said);
        self.wrong += u64::from(self.is_wrong(observer, subject));
    }

    /// How `member` stands in truth.
    pub(super) fn truth(&self, member: usize) -> Truth {
        self.truth[member]
    }

    /// `member` stands otherwise from now on. A new life remembers nothing.
    pub(super) fn set_truth(&mut self, member: usize, truth: Truth) {
        for other in 0..self.members {
            self.wrong -= u64::from(self.is_wrong(member, other));
            self.wrong -= u64::from(self.is_wrong(other, member));
        }
        let begins = truth == Truth::Up;
        self.truth[member] = truth;
        for other in 0..self.members {
            if begins {
                self.told[member * self.members + other] = None;
            }
            self.wrong += u64::from(self.is_wrong(member, other));
            self.wrong += u64::from(self.is_wrong(other, member));
        }
    }

    /// Views that are wrong.
    pub(super) const fn wrong(&self) -> u64 {
        self.wrong
    }

    /// Views that count.
    pub(super) fn pairs(&self) -> u64 {
        let up = self.truth.iter().filter(|truth| **truth == Truth::Up);
        let up = up.count() as u64;
        up * (self.members as u64).saturating_sub(1)
    }

    /// Some view that is wrong: the observer and the subject.
    pub(super) fn first_wrong(&self) -> Option<(usize, usize)> {
        let all = (0..self.members).flat_map(|observer| {
            let subjects = 0..self.members;
            subjects.map(move |subject| (observer, subject))
        });
        all.into_iter()
            .find(|(observer, subject)| self.is_wrong(*observer, *subject))
    }

    /// Members that are up and hold `subject` for live.
    pub(super) fn believers(&self, subject: usize) -> u32 {
        let live = |observer: &usize| {
            self.truth[*observer] == Truth::Up
                && *observer != subject
                && self
                    .told(*observer, subject)
                    .is_some_and(|(_, state)| state.is_live())
        };
        u32::try_from((0..self.members).filter(live).count()).unwrap_or(u32::MAX)
    }

    fn is_wrong(&self, observer: usize, subject: usize) -> bool {
        if observer == subject || self.truth[observer] != Truth::Up {
            return false;
        }
        let told = self.told(observer, subject).map(|(_, state)| state);
        match self.truth[subject] {
            Truth::Up => told != Some(MemberState::Alive),
            Truth::Down => told.is_some_and(MemberState::is_live),
            Truth::Unborn => false,
        }
    }
}
