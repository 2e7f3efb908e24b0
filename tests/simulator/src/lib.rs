//! Client and server sessions over real SQLite, with a network, clocks and faults that follow from a seed.
//! It judges the engine by a reference that shares no code with its merge; the conversations use its two hosts as well.
//! The binary runs many seeds, the regression tests single ones.

mod counted;
pub mod crash;
pub mod device;
pub mod dialogue;
pub mod disk;
pub mod host;
pub mod judge;
mod memory;
pub mod minimise;
pub mod random;
pub mod reference;
pub mod releases;
pub mod rows;
pub mod rules;
pub mod runner;
pub mod schema;
pub mod script;
pub mod shards;
pub mod trace;
pub mod transcript;
pub mod workload;
pub mod world;
