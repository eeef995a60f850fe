//! The thousand members: `cargo run --release -p norikv-sim --example gossip_thousand [MEMBERS [LOSS_PPM]]`.
//!
//! Prints how fast news of ten deaths travels, to compare with the figures of other implementations.
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use norikv_sim::gossip::{self, GossipConfig};

fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u32>());
    let mut next = |default| args.next().and_then(Result::ok).unwrap_or(default);
    let (members, loss_ppm) = (next(1_000), next(0));
    let report = gossip::run(&GossipConfig::failing(1, members, 10, loss_ppm));
    println!("{report}");
}
