//! What the machine takes from the heap: nothing for a proposal once it runs.
#![expect(
    unsafe_code,
    reason = "an allocator is an unsafe trait; this one hands every call on"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use nori_raft::{Config, Input, Message, Output, ProposalId, Raft, Restored, Role};
use norikv_types::{LogIndex, Mono, NodeId};

std::thread_local! {
    /// Allocations counted in this thread; `None`: it does not count.
    static COUNT: Cell<Option<u64>> = const { Cell::new(None) };
}

#[derive(Debug)]
pub(crate) struct Counting;

fn count() {
    // A thread that ends has no counter any more.
    let _gone = COUNT.try_with(|count| count.set(count.get().map(|count| count + 1)));
}

// SAFETY: every call goes to `System` with the arguments as they came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `System` gave the block out, since every call goes there.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as in `dealloc`; the caller's promise about `size` is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Does `work` and says how often it asked for memory.
fn counted<T>(work: impl FnOnce() -> T) -> (T, u64) {
    COUNT.set(Some(0));
    let result = work();
    (result, COUNT.take().unwrap_or_default())
}

/// Three replicas that talk at once; only what the machines themselves take is counted.
#[derive(Debug)]
struct Trio {
    now: Mono,
    rafts: [Raft; 3],
    inboxes: [VecDeque<Input>; 3],
    taken: u64,
    applied: [u64; 3],
}

impl Trio {
    fn new() -> Self {
        let raft = |id: u64| {
            let mut config = Config::new(NodeId(id), (1..=3).map(NodeId), id);
            // What is kept for slow peers is full after a while.
            config.recent_bytes_max = 64 << 10;
            Raft::new(config, Restored::fresh(), Mono::ZERO).unwrap()
        };
        let mut trio = Self {
            now: Mono::ZERO + Duration::from_millis(300),
            rafts: [raft(1), raft(2), raft(3)],
            inboxes: Default::default(),
            taken: 0,
            applied: [0; 3],
        };
        trio.inboxes[0].push_back(Input::Timeout);
        trio.work();
        assert_eq!(trio.rafts[0].role(), Role::Leader);
        trio
    }

    fn propose(&mut self, first: u64, batch: u64) {
        for number in first..first + batch {
            // Shared by whoever made it: its memory is the host's.
            let command = Bytes::from(vec![7; 256]);
            drop(command.clone());
            self.inboxes[0].push_back(Input::Propose {
                proposal: ProposalId(number),
                command,
            });
        }
        self.work();
    }

    fn beat(&mut self) {
        self.now = self.rafts[0].poll_timeout().unwrap();
        self.inboxes[0].push_back(Input::Timeout);
        self.work();
    }

    fn work(&mut self) {
        loop {
            let mut idle = true;
            for at in 0..3 {
                while let Some(input) = self.inboxes[at].pop_front() {
                    let raft = &mut self.rafts[at];
                    let (taken, count) = counted(|| raft.handle_input(self.now, input));
                    taken.unwrap();
                    self.taken += count;
                }
                loop {
                    let (output, count) = counted(|| self.rafts[at].poll_output());
                    self.taken += count;
                    let Some(output) = output else {
                        break;
                    };
                    idle = false;
                    self.carry_out(at, output);
                }
            }
            if idle {
                return;
            }
        }
    }

    fn carry_out(&mut self, at: usize, output: Output) {
        let inbox = &mut self.inboxes[at];
        match output {
            Output::Persist(persist) => inbox.push_back(Input::Durable(persist.write)),
            Output::Apply { entries } => {
                let last = entries.last().unwrap().index;
                self.applied[at] = last.0;
                inbox.push_back(Input::Applied(last));
                inbox.push_back(Input::Compact(LogIndex(last.0.saturating_sub(1_000))));
            }
            Output::Send { to, message } => {
                let from = NodeId(at as u64 + 1);
                let to = usize::try_from(to.0 - 1).unwrap();
                let message: Message = message;
                self.inboxes[to].push_back(Input::Receive { from, message });
            }
            Output::Dropped { reason, .. } => panic!("{reason:?}"),
            Output::FetchEntries { .. } => panic!("nobody is far behind"),
            _ => {}
        }
    }
}

/// Proposes so many at once, again and again; allocations for a thousand proposals once it runs.
fn taken_for_a_thousand(batch: u64) -> u64 {
    let mut trio = Trio::new();
    let mut next = 1;
    let mut run = |trio: &mut Trio, count: u64| {
        let end = next + count;
        while next < end {
            trio.propose(next, batch);
            next += batch;
        }
        trio.beat();
        next - 1
    };
    run(&mut trio, 20_000);
    trio.taken = 0;
    let total = run(&mut trio, 1_000);
    // The no-op comes on top.
    assert_eq!(trio.applied, [total + 1; 3]);
    trio.taken
}

#[test]
fn a_steady_stream_of_proposals_takes_nothing_from_the_heap() {
    for batch in [1, 7, 64, 1_000] {
        assert_eq!(taken_for_a_thousand(batch), 0, "{batch} proposals at once");
    }
}

#[test]
fn the_counting_allocator_counts() {
    let (list, count) = counted(|| vec![1_u8; 100]);
    assert_eq!((list.len(), count), (100, 1));
}
