//! The store's contract in a real Durable Object: only in builds with the feature `contract`, which are never shipped.

use crate::durable::{DurableSql, ObjectStorage};
use wasm_bindgen::prelude::wasm_bindgen;

/// The names of all cases.
#[wasm_bindgen(js_name = contractCases)]
pub fn contract_cases() -> Vec<String> {
    ebbtide_store::server::contract::NAMES.iter().map(|name| (*name).to_owned()).collect()
}

/// Runs a case on an object's empty storage; throws where the contract is not kept.
#[wasm_bindgen(js_name = runContractCase)]
pub fn run_contract_case(name: &str, storage: ObjectStorage) {
    ebbtide_store::server::contract::run(name, DurableSql::new(storage));
}
