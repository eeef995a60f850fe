//! Whole groups on a virtual clock, network and disk; rules of the papers through the public API.

mod chaos;
mod checker;
mod cluster;
mod disk;
mod mutants;
mod paper;
