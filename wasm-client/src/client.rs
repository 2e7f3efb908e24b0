//! The exported class: one open database, its verbs in the shapes that JavaScript uses.
//! It translates and guards against use after closing; statements are the local database's business.
//! The worker script holds exactly one.

use crate::cells::{Parameters, Rows};
use crate::database::Database;
use crate::error::{ClientError, Result};
use crate::options::Options;
use crate::storage;
use core::cell::{RefCell, RefMut};
use sqlite_wasm_vfs::sahpool::OpfsSAHPoolUtil;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// An open database.
#[wasm_bindgen]
pub struct Client {
    database: RefCell<Option<Database>>,
    pool: Option<OpfsSAHPoolUtil>,
}

type Js<T> = core::result::Result<T, JsValue>;

#[wasm_bindgen]
impl Client {
    /// Opens the database that the options (JSON) name, and brings it to the schema's version.
    pub async fn open(options: String) -> Js<Client> {
        let options = Options::parse(&options)?;
        let opened = storage::open(&options).await?;
        let database = Database::open(opened.connection, &options.schema)?;
        Ok(Client { database: RefCell::new(Some(database)), pool: opened.pool })
    }

    /// Runs a statement in a transaction of its own, or in the open one; answers how many rows it changed.
    pub fn exec(&self, sql: &str, parameters: &[u8]) -> Js<f64> {
        Ok(self.database()?.execute(sql, &Parameters::single(parameters)?)? as f64)
    }

    /// Runs a statement once for each row of parameters, all in one transaction; answers the rows changed in total.
    #[wasm_bindgen(js_name = execMany)]
    pub fn exec_many(&self, sql: &str, rows: &[u8]) -> Js<f64> {
        Ok(self.database()?.execute_many(sql, Parameters::new(rows)?)? as f64)
    }

    /// Runs a statement and answers its rows, encoded as `cells.rs` says.
    pub fn query(&self, sql: &str, parameters: &[u8]) -> Js<Vec<u8>> {
        let mut rows = Rows::default();
        self.database()?.query(sql, &Parameters::single(parameters)?, &mut rows)?;
        Ok(rows.finish())
    }

    /// Begins the app's transaction.
    pub fn begin(&self) -> Js<()> {
        Ok(self.database()?.begin()?)
    }

    /// Commits it; on failure it is rolled back.
    pub fn commit(&self) -> Js<()> {
        Ok(self.database()?.commit()?)
    }

    /// Takes it back.
    pub fn rollback(&self) -> Js<()> {
        Ok(self.database()?.rollback()?)
    }

    /// The tables that a query reads.
    pub fn reads(&self, sql: &str) -> Js<Vec<String>> {
        Ok(self.database()?.reads(sql)?)
    }

    /// The tables written since the last call.
    #[wasm_bindgen(js_name = takeTouched)]
    pub fn take_touched(&self) -> Js<Vec<String>> {
        Ok(self.database()?.take_touched())
    }

    /// The database as the bytes of a SQLite file.
    pub fn export(&self) -> Js<Vec<u8>> {
        Ok(self.database()?.export()?)
    }

    /// Closes the database and lets go of its files. Closing twice does nothing.
    pub fn close(&self) -> Js<()> {
        if let Some(database) = self.database.borrow_mut().take() {
            database.close()?;
        }
        if let Some(pool) = &self.pool {
            let failed = |error| ClientError::permanent("storage_error", "the files were not let go").caused_by(error);
            pool.pause().map_err(failed)?;
        }
        Ok(())
    }

    fn database(&self) -> Result<RefMut<'_, Database>> {
        RefMut::filter_map(self.database.borrow_mut(), Option::as_mut)
            .map_err(|_| ClientError::permanent("database_closed", "the database was closed"))
    }
}
