//! The view `ebb_log`: one row per waiting change, however the log packs them.
//! It shows the log to people; the sync engine reads the log itself.
//! Created as a temporary view when a database opens, so that the file stays readable by any SQLite.

use super::log;
use crate::json::{self, ObjectWriter};
use ebbtide_core::catalogue::{Catalogue, Table};
use ebbtide_core::change::{LoggedChange, LoggedMutation};
use ebbtide_core::ids::ColumnId;
use ebbtide_core::sorted::SortedMap;
use ebbtide_core::value::Value;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, params};

const CREATE: &str = "CREATE TEMP VIEW IF NOT EXISTS ebb_log AS
  SELECT l.id AS \"transaction\", row_number() OVER (PARTITION BY l.id ORDER BY p.part, c.key) AS position,
    (SELECT s.device_seq FROM main._ebb_changeset AS s WHERE l.id BETWEEN s.log_from AND s.log_upto) AS changeset,
    strftime('%Y-%m-%dT%H:%M:%fZ', (l.stamp >> 16) / 1000.0, 'unixepoch') AS at,
    c.value ->> '$.table' AS \"table\", c.value -> '$.key' AS key, c.value ->> '$.change' AS change,
    c.value -> '$.old' AS old, c.value -> '$.new' AS new
  FROM (SELECT id AS log, 0 AS part, changes FROM main._ebb_log
        UNION ALL SELECT log, part, changes FROM main._ebb_log_part) AS p
    JOIN main._ebb_log AS l ON l.id = p.log, json_each(_ebb_changes(l.schema, p.changes)) AS c";

/// Keeps the catalogue of the version under which the database is open, by which its logged changes are read.
pub(super) fn store_catalogue(connection: &Connection, catalogue: &Catalogue) -> rusqlite::Result<()> {
    let bytes = postcard::to_allocvec(catalogue).map_err(log::damaged)?;
    let sql = "INSERT INTO _ebb_catalogue (version, catalogue) VALUES (?1, ?2)
               ON CONFLICT (version) DO UPDATE SET catalogue = ?2 WHERE catalogue <> ?2";
    connection.execute(sql, params![catalogue.version.0 as i64, bytes])?;
    let opened = "INSERT INTO _ebb_opened (id, version) VALUES (1, ?1)
                  ON CONFLICT (id) DO UPDATE SET version = ?1 WHERE version <> ?1";
    connection.execute(opened, [catalogue.version.0 as i64])?;
    connection.execute("INSERT OR IGNORE INTO _ebb_had (version) VALUES (?)", [catalogue.version.0 as i64])?;
    Ok(())
}

/// Creates the view and the function behind it.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    let catalogues = catalogues(connection)?;
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("_ebb_changes", 2, flags, move |context| changes(context, &catalogues))?;
    connection.execute_batch(CREATE)
}

fn catalogues(connection: &Connection) -> rusqlite::Result<SortedMap<i64, Catalogue>> {
    let mut statement = connection.prepare("SELECT version, catalogue FROM _ebb_catalogue")?;
    let mut rows = statement.query([])?;
    let mut all = SortedMap::new();
    while let Some(row) = rows.next()? {
        let catalogue = postcard::from_bytes(row.get_ref(1)?.as_blob()?).map_err(log::damaged)?;
        all.insert(row.get(0)?, catalogue);
    }
    Ok(all)
}

fn changes(context: &Context<'_>, catalogues: &SortedMap<i64, Catalogue>) -> rusqlite::Result<String> {
    let version: i64 = context.get(0)?;
    let empty = Catalogue::default();
    let catalogue = catalogues.get(&version).unwrap_or(&empty);
    let changes = log::decode(context.get_raw(1).as_blob()?)?;
    Ok(json::list(&changes.iter().map(|change| shown(change, catalogue)).collect::<Vec<_>>()))
}

fn shown(change: &LoggedChange, catalogue: &Catalogue) -> String {
    let table = catalogue.table(change.row.table);
    let all = |values: &[Value]| side(table, table.into_iter().flat_map(Table::fields).map(|(id, _)| id).zip(values));
    let null = || "null".to_owned();
    let (kind, old, new) = match &change.mutation {
        LoggedMutation::Insert(values) => ("insert", null(), all(values)),
        LoggedMutation::Delete(values) => ("delete", all(values), null()),
        LoggedMutation::Update(fields) => (
            "update",
            side(table, fields.iter().map(|field| (field.column, &field.old))),
            side(table, fields.iter().map(|field| (field.column, &field.new))),
        ),
    };
    let key: Vec<String> = change.row.key.0.iter().map(json).collect();
    let name = table.map_or_else(|| change.row.table.0.to_string(), |table| table.name.clone());
    let mut object = ObjectWriter::default();
    object.text("table", &name).raw("key", &json::list(&key)).text("change", kind).raw("old", &old).raw("new", &new);
    object.finish()
}

/// Values under the names of their columns, in the order of the names; a column that the catalogue lacks goes by its number.
fn side<'a>(table: Option<&Table>, values: impl Iterator<Item = (ColumnId, &'a Value)>) -> String {
    let mut named = SortedMap::new();
    for (id, value) in values {
        let column = table.and_then(|table| table.columns.get(usize::from(id.0)));
        named.insert(column.map_or_else(|| id.0.to_string(), |column| column.name.clone()), json(value));
    }
    let mut object = ObjectWriter::default();
    for (name, value) in &named {
        object.raw(name, value);
    }
    object.finish()
}

/// JSON has no bytes and no infinities.
fn json(value: &Value) -> String {
    let mut object = ObjectWriter::default();
    match value {
        Value::Null => "null".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) if number.is_finite() => real(*number),
        Value::Real(number) => object.text("real", &number.to_string()).finish(),
        Value::Text(text) => json::quoted(text),
        Value::Blob(bytes) => object.text("blob", &hex(bytes)).finish(),
    }
}

/// With a point, so that it reads as a real again.
fn real(number: f64) -> String {
    let text = number.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
