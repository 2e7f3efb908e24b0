//! Inside wasm on OPFS: ways of capturing changes, side by side (none, SQL triggers of three kinds, the hook as shipped), and applying commits.
//! It runs over rows that were made before the clock starts; the worker scripts take the times.
//! Built and called by `bench/`, never shipped.
#![cfg(target_family = "wasm")]

mod apply;
mod bench;
mod delta;
mod mode;
mod plain;
mod rows;
mod shipped;
