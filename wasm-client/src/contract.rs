//! The local database's contract on OPFS: only in builds with the feature `contract`, which are never shipped.
//! The cases are in `store`, where they run natively too. A browser test calls it, a fresh worker for each case.

use crate::options::{Durability, Options, Storage};
use crate::{panic, storage};
use ebbtide_store::local::contract;
use ebbtide_store::schema::Schema;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// The names of all cases.
#[wasm_bindgen(js_name = contractCases)]
pub fn contract_cases() -> Vec<String> {
    contract::NAMES.iter().map(|name| (*name).to_owned()).collect()
}

/// Runs a case on a new database; traps where the contract is not kept, after saying why in the console.
#[wasm_bindgen(js_name = runContractCase)]
pub async fn run_contract_case(name: String) -> Result<(), JsValue> {
    panic::report_panics();
    let options = Options {
        name: format!("contract-{name}"),
        schema: Schema::default(),
        storage: Storage::Opfs,
        durability: Durability::Full,
        sync: None,
        online: false,
        paused: false,
    };
    let opened = storage::open(&options).await?;
    contract::run(&name, opened.connection);
    Ok(())
}
