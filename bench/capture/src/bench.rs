//! The exported functions: open a fresh database for a mode, run the three steps, close it.
//! It owns the pool of files and the driver that is open; times are taken outside. The worker script calls it.

use crate::mode::Mode;
use crate::plain::Plain;
use crate::rows::{DELETE, INSERT, Steps, UPDATE};
use crate::shipped::Shipped;
use ebbtide_core::value::Value;
use rusqlite::{Connection, OpenFlags};
use sqlite_wasm_rs::WasmOsCallback;
use sqlite_wasm_vfs::sahpool::{OpfsSAHPoolCfgBuilder, OpfsSAHPoolUtil, install};
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

const VFS: &str = "bench-opfs";
const FILE: &str = "capture.db";

/// Two databases, each with WAL and rollback journal, and two to spare.
const POOL_FILES: usize = 8;

/// As the package sets them.
const PRAGMAS: &str = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    PRAGMA cache_size = -49152; PRAGMA journal_size_limit = 16777216";

/// The pool of files on OPFS.
pub(crate) struct Files(OpfsSAHPoolUtil);

impl Files {
    /// Takes the pool and empties it.
    pub(crate) async fn open(directory: &str) -> Result<Self, JsError> {
        let config = OpfsSAHPoolCfgBuilder::new().vfs_name(VFS).directory(directory).initial_capacity(POOL_FILES);
        install::<WasmOsCallback>(&config.clear_on_init(true).build(), false).await.map(Files).map_err(failed)
    }

    /// A database with the pragmas of the package.
    pub(crate) fn connection(&self, name: &str) -> Result<Connection, JsError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let connection = Connection::open_with_flags_and_vfs(name, flags, VFS).map_err(failed)?;
        connection.execute_batch(PRAGMAS).map_err(failed)?;
        Ok(connection)
    }

    /// Lets go of the files, once all databases are closed.
    pub(crate) fn close(&self) -> Result<(), JsError> {
        self.0.pause().map_err(failed)
    }
}

/// The pool, and the database of the round.
#[wasm_bindgen]
pub struct Bench {
    files: Files,
    round: Option<Round>,
}

struct Round {
    driver: Driver,
    steps: Steps,
}

enum Driver {
    Plain(Plain),
    Shipped(Box<Shipped>),
}

#[wasm_bindgen]
impl Bench {
    /// Takes the pool of files and empties it.
    pub async fn open(directory: String) -> Result<Bench, JsError> {
        Ok(Bench { files: Files::open(&directory).await?, round: None })
    }

    /// Makes the rows and an empty database for a mode.
    pub fn prepare(&mut self, mode: &str, rows: usize) -> Result<(), JsError> {
        let mode = Mode::named(mode)?;
        let connection = self.files.connection(FILE)?;
        let driver = match mode {
            Mode::Off | Mode::Hook => Driver::Shipped(Box::new(Shipped::open(connection, mode).map_err(failed)?)),
            _ => Driver::Plain(Plain::open(connection, mode).map_err(failed)?),
        };
        self.round = Some(Round { driver, steps: Steps::new(rows) });
        Ok(())
    }

    /// Inserts all rows in one transaction.
    pub fn insert(&mut self) -> Result<(), JsError> {
        self.step(INSERT, |steps| &mut steps.insert)
    }

    /// Changes one field of each row in one transaction.
    pub fn update(&mut self) -> Result<(), JsError> {
        self.step(UPDATE, |steps| &mut steps.update)
    }

    /// Deletes each row by its key in one transaction.
    pub fn remove(&mut self) -> Result<(), JsError> {
        self.step(DELETE, |steps| &mut steps.delete)
    }

    /// Closes the database; answers how many bytes were logged, where that is known.
    pub fn finish(&mut self) -> Result<Option<f64>, JsError> {
        let round = self.round.take().ok_or_else(not_prepared)?;
        let logged = match round.driver {
            Driver::Plain(plain) => Some(plain.logged().map_err(failed)? as f64),
            Driver::Shipped(shipped) => {
                drop(shipped.close().map_err(failed)?);
                None
            }
        };
        self.files.close()?;
        Ok(logged)
    }

    fn step(&mut self, sql: &str, rows: impl FnOnce(&mut Steps) -> &mut Vec<Vec<Value>>) -> Result<(), JsError> {
        let round = self.round.as_mut().ok_or_else(not_prepared)?;
        let rows = std::mem::take(rows(&mut round.steps));
        match &mut round.driver {
            Driver::Plain(plain) => plain.run(sql, rows).map_err(failed),
            Driver::Shipped(shipped) => shipped.run(sql, rows).map_err(failed),
        }
    }
}

fn not_prepared() -> JsError {
    JsError::new("prepare() comes first")
}

pub(crate) fn failed(error: impl std::fmt::Display) -> JsError {
    JsError::new(&error.to_string())
}
