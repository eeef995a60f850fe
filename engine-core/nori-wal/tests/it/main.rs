//! The log as its users see it.

mod crash;
mod damage;
mod faults;
mod format_page;
mod fuzz;
mod golden;
mod inspect;
mod logs;
mod pipeline;
mod policy;
mod prepare;
mod read_only;
mod released;
mod roundtrip;
mod support;
mod threads;
mod watch;
