//! A test for each rule: Raft is the paper (Ongaro and Ousterhout 2014), dissertation is Ongaro's.

mod durability;
mod election;
mod membership;
mod reads;
mod replication;
mod snapshots;
mod transfer;
mod witness;
