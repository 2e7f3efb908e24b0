//! Opens the one connection: the pool of OPFS files with its retries, then the pragmas in the order that they need.
//! It knows no table. `client.rs` calls it once per worker.

use crate::error::{ClientError, Result, name_of};
use crate::limits::{
    ACQUIRE_FIRST_WAIT_MS, ACQUIRE_MAX_WAIT_MS, ACQUIRE_TIMEOUT_MS, CACHE_KIB, POOL_FILES, WAL_KEEP_BYTES,
};
use crate::options::{Durability, Options, Storage};
use js_sys::{Date, Function, Math, Promise, Reflect};
use rusqlite::{Connection, OpenFlags};
use sqlite_wasm_rs::WasmOsCallback;
use sqlite_wasm_vfs::sahpool::{OpfsSAHError, OpfsSAHPoolCfg, OpfsSAHPoolCfgBuilder, OpfsSAHPoolUtil, install};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

const VFS: &str = "ebbtide-opfs";
const FILE: &str = "ebbtide.db";

/// The connection, and the pool that holds its files.
pub struct Opened {
    /// The only connection to this database.
    pub connection: Connection,
    /// `None` for a database in memory.
    pub pool: Option<OpfsSAHPoolUtil>,
}

/// Opens the database as the options say; never falls back to memory by itself.
pub async fn open(options: &Options) -> Result<Opened> {
    match options.storage {
        Storage::Memory => {
            let connection = Connection::open_in_memory().map_err(unusable)?;
            Ok(Opened { connection, pool: None })
        }
        Storage::Opfs => {
            let pool = acquire(&options.directory(), &options.name).await?;
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
            let connection = Connection::open_with_flags_and_vfs(FILE, flags, VFS).map_err(unusable)?;
            configure(&connection, options.durability)?;
            Ok(Opened { connection, pool: Some(pool) })
        }
    }
}

/// Exclusive locking must come before the first read: only then can SQLite keep its WAL index on the heap.
fn configure(connection: &Connection, durability: Durability) -> Result<()> {
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Relaxed => "NORMAL",
    };
    pragma(connection, "PRAGMA locking_mode = EXCLUSIVE")?;
    let journal = pragma(connection, "PRAGMA journal_mode = WAL")?;
    if journal != "wal" {
        let message = format!("SQLite answered journal mode `{journal}` where `wal` was asked for");
        return Err(ClientError::permanent("storage_unavailable", message));
    }
    pragma(connection, &format!("PRAGMA synchronous = {synchronous}"))?;
    pragma(connection, &format!("PRAGMA cache_size = -{CACHE_KIB}"))?;
    pragma(connection, &format!("PRAGMA journal_size_limit = {WAL_KEEP_BYTES}"))?;
    Ok(())
}

/// Runs a pragma and returns what it answered, if it answers.
fn pragma(connection: &Connection, sql: &str) -> Result<String> {
    let mut statement = connection.prepare(sql).map_err(unusable)?;
    let mut rows = statement.query([]).map_err(unusable)?;
    let answer = match rows.next().map_err(unusable)? {
        Some(row) => row.get_ref(0).map_err(unusable)?.as_str().unwrap_or_default().to_owned(),
        None => String::new(),
    };
    Ok(answer)
}

fn unusable(error: rusqlite::Error) -> ClientError {
    let code = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => "database_corrupt",
        Some(rusqlite::ErrorCode::DiskFull) => "disk_full",
        _ => "storage_unavailable",
    };
    ClientError::permanent(code, "the database files cannot be opened").caused_by(error)
}

/// Takes the files, waiting a while for a worker that is being torn down to let go of them.
async fn acquire(directory: &str, name: &str) -> Result<OpfsSAHPoolUtil> {
    require_opfs()?;
    let config = OpfsSAHPoolCfgBuilder::new().vfs_name(VFS).directory(directory).initial_capacity(POOL_FILES).build();
    let deadline = Date::now() + ACQUIRE_TIMEOUT_MS;
    let mut wait_ms = ACQUIRE_FIRST_WAIT_MS;
    loop {
        match attempt(&config).await {
            Ok(pool) => return Ok(pool),
            Err(error) if !is_held_elsewhere(&error) => return Err(unavailable(&error)),
            Err(error) if Date::now() >= deadline => return Err(in_use(name, &error)),
            Err(_) => sleep(wait_ms * (0.5 + Math::random())).await?,
        }
        wait_ms = (wait_ms * 1.5).min(ACQUIRE_MAX_WAIT_MS);
    }
}

async fn attempt(config: &OpfsSAHPoolCfg) -> core::result::Result<OpfsSAHPoolUtil, OpfsSAHError> {
    let pool = install::<WasmOsCallback>(config, false).await?;
    pool.ensure_capacity(POOL_FILES).await?;
    Ok(pool)
}

fn is_held_elsewhere(error: &OpfsSAHError) -> bool {
    match error {
        OpfsSAHError::Opfs { value, .. } => name_of(value) == "NoModificationAllowedError",
        OpfsSAHError::DirectoryInUse(_) => true,
        _ => false,
    }
}

fn in_use(name: &str, error: &OpfsSAHError) -> ClientError {
    let message = format!("the database `{name}` is open in another tab or window of this browser");
    ClientError::retryable("database_in_use", message).caused_by(error)
}

fn unavailable(error: &OpfsSAHError) -> ClientError {
    let quota = matches!(error, OpfsSAHError::Opfs { value, .. } if name_of(value) == "QuotaExceededError");
    if quota {
        return ClientError::permanent("disk_full", "the browser grants no more storage to this site").caused_by(error);
    }
    let message = "the browser's private file system cannot be used, as in some private windows";
    ClientError::permanent("storage_unavailable", message).caused_by(error)
}

/// Says early and plainly what is missing, instead of failing somewhere inside.
fn require_opfs() -> Result<()> {
    let global = js_sys::global();
    let storage = get(&global, "navigator").and_then(|navigator| get(&navigator, "storage"));
    let directory = storage.and_then(|storage| get(&storage, "getDirectory"));
    let handle = get(&global, "FileSystemFileHandle").and_then(|class| get(&class, "prototype"));
    let sync_access = handle.and_then(|prototype| get(&prototype, "createSyncAccessHandle"));
    if directory.is_some() && sync_access.is_some() {
        return Ok(());
    }
    let message = "this browser, or this kind of window, has no private file system with synchronous access; \
         `storage: 'memory'` works without, and keeps nothing";
    Err(ClientError::permanent("storage_unavailable", message))
}

fn get(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &JsValue::from_str(name)).ok().filter(|value| !value.is_undefined() && !value.is_null())
}

async fn sleep(duration_ms: f64) -> Result<()> {
    let promise = Promise::new(&mut |resolve, _| {
        let timer = get(&js_sys::global(), "setTimeout").and_then(|timer| timer.dyn_into::<Function>().ok());
        let timer = timer.expect("every worker has timers");
        timer.call2(&JsValue::UNDEFINED, &resolve, &duration_ms.into()).expect("a timer takes a function and a number");
    });
    let slept = JsFuture::from(promise).await;
    slept.map(drop).map_err(|thrown| ClientError::permanent("internal_error", crate::error::describe(&thrown)))
}
