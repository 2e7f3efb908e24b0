//! wasm-client
