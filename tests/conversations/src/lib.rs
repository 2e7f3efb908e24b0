//! Conversations are tests only: see `tests/`. This crate has no code of its own.
