//! The gossip world: up to a thousand and more SWIM members on a faulty network.
//!
//! **Invariant: whoever is reachable and well is seen alive by everybody who is, and whoever is gone
//! is not, within a bound that the settings give.** A run is a [`GossipConfig`] carried out. Members
//! are stepped when something arrives for them or when their deadline comes; nothing is ever scanned.
//!
//! ```
//! use norikv_sim::gossip::{self, GossipConfig};
//!
//! let report = gossip::run(&GossipConfig::standard(7));
//! assert_eq!(report.violation, None);
//! ```

mod config;
mod eyes;
mod fault;
mod figures;
mod invariant;
mod report;
mod violation;
mod world;

pub use config::{GossipConfig, GossipNetwork, GossipTimings};
pub use fault::{GossipFault, GossipFaultKind, GossipKind};
pub use figures::{Figures, Spread};
pub use report::{GossipCounters, GossipReport, run};
pub use violation::GossipViolation;
