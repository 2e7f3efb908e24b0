//! Ways of capturing changes, side by side in one wasm module: none, SQL triggers of three kinds, and the hook as shipped.
//! It runs statements over rows that were made before the clock starts; the worker script takes the times.
//! Built and called by `bench/`, never shipped.
#![cfg(target_family = "wasm")]

mod bench;
mod delta;
mod mode;
mod plain;
mod rows;
mod shipped;
