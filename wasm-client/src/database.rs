//! The statements of one connection.
//! It knows SQL only as text. `client.rs` calls it.

use crate::cells::{Parameters, Rows};
use crate::error::{ClientError, Result};
use ebbtide_core::value::Value;
use ebbtide_store::schema::{Migration, Schema};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, params_from_iter};

pub struct Database {
    connection: Connection,
}

struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(n) => ValueRef::Integer(*n),
            Value::Real(x) => ValueRef::Real(*x),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn failed(error: rusqlite::Error) -> ClientError {
    ClientError::permanent("sql_error", error.to_string())
}

impl Database {
    pub fn open(connection: Connection, schema: &Schema) -> Result<Self> {
        let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
        for (index, migration) in schema.migrations.iter().enumerate().skip(version as usize) {
            let sql = match migration {
                Migration::Both(sql) => sql,
                Migration::OneSide { sql, .. } => sql,
            };
            connection.execute_batch(&sql.replace("(uuidv7())", "(lower(hex(randomblob(16))))")).map_err(failed)?;
            connection.execute_batch(&format!("PRAGMA user_version = {}", index + 1)).map_err(failed)?;
        }
        Ok(Self { connection })
    }

    pub fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        Ok(statement.execute(params_from_iter(params.iter().map(Bound))).map_err(failed)? as u64)
    }

    pub fn execute_many(&mut self, sql: &str, mut rows: Parameters<'_>) -> Result<u64> {
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let (mut row, mut changed) = (Vec::new(), 0);
        while rows.rows() > 0 {
            rows.next_into(&mut row)?;
            changed += statement.execute(params_from_iter(row.iter().map(Bound))).map_err(failed)? as u64;
        }
        self.connection.execute_batch("COMMIT").map_err(failed)?;
        Ok(changed)
    }

    pub fn query(&mut self, sql: &str, params: &[Value], sink: &mut Rows) -> Result<()> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        sink.columns(statement.column_names().into_iter());
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(params.iter().map(Bound))).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            for index in 0..columns {
                sink.cell(row.get_ref(index).map_err(failed)?);
            }
            sink.end_row();
        }
        Ok(())
    }

    pub fn begin(&mut self) -> Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)
    }

    pub fn commit(&mut self) -> Result<()> {
        self.connection.execute_batch("COMMIT").map_err(failed)
    }

    pub fn rollback(&mut self) -> Result<()> {
        self.connection.execute_batch("ROLLBACK").map_err(failed)
    }

    pub fn reads(&mut self, _sql: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    pub fn take_touched(&mut self) -> Vec<String> {
        Vec::new()
    }

    pub fn export(&mut self) -> Result<Vec<u8>> {
        Err(ClientError::permanent("not_yet", "export"))
    }

    pub fn close(self) -> Result<()> {
        self.connection.close().map_err(|(_, error)| failed(error))
    }
}
