//! The view `ebb_log`: one row per waiting change, however the log packs them.
//! It shows the log to people; the sync engine reads the log itself.
//! Created as a temporary view when a database opens, so that the file stays readable by any SQLite.

use super::log;
use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::change::{LoggedChange, LoggedMutation};
use ebbtide_core::value::Value;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, params};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

const CREATE: &str = "CREATE TEMP VIEW IF NOT EXISTS ebb_log AS
  SELECT l.id AS \"transaction\", row_number() OVER (PARTITION BY l.id ORDER BY p.part, c.key) AS position,
    (SELECT s.device_seq FROM main._ebb_changeset AS s WHERE l.id BETWEEN s.log_from AND s.log_upto) AS changeset,
    strftime('%Y-%m-%dT%H:%M:%fZ', (l.stamp >> 16) / 1000.0, 'unixepoch') AS at,
    c.value ->> '$.table' AS \"table\", c.value -> '$.key' AS key, c.value ->> '$.change' AS change,
    c.value -> '$.old' AS old, c.value -> '$.new' AS new
  FROM (SELECT id AS log, 0 AS part, changes FROM main._ebb_log
        UNION ALL SELECT log, part, changes FROM main._ebb_log_part) AS p
    JOIN main._ebb_log AS l ON l.id = p.log, json_each(_ebb_changes(l.schema, p.changes)) AS c";

/// Keeps a version's catalogue, by which its logged changes are read.
pub(super) fn store_catalogue(connection: &Connection, catalogue: &Catalogue) -> rusqlite::Result<()> {
    let bytes = postcard::to_allocvec(catalogue).map_err(log::damaged)?;
    let sql = "INSERT INTO _ebb_catalogue (version, catalogue) VALUES (?1, ?2)
               ON CONFLICT (version) DO UPDATE SET catalogue = ?2 WHERE catalogue <> ?2";
    connection.execute(sql, params![catalogue.version.0, bytes])?;
    Ok(())
}

/// Creates the view and the function behind it.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    let catalogues = catalogues(connection)?;
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("_ebb_changes", 2, flags, move |context| changes(context, &catalogues))?;
    connection.execute_batch(CREATE)
}

fn catalogues(connection: &Connection) -> rusqlite::Result<BTreeMap<u32, Catalogue>> {
    let mut statement = connection.prepare("SELECT version, catalogue FROM _ebb_catalogue")?;
    let mut rows = statement.query([])?;
    let mut all = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let catalogue = postcard::from_bytes(row.get_ref(1)?.as_blob()?).map_err(log::damaged)?;
        all.insert(row.get(0)?, catalogue);
    }
    Ok(all)
}

fn changes(context: &Context<'_>, catalogues: &BTreeMap<u32, Catalogue>) -> rusqlite::Result<String> {
    let version: u32 = context.get(0)?;
    let empty = Catalogue::default();
    let catalogue = catalogues.get(&version).unwrap_or(&empty);
    let changes = log::decode(context.get_raw(1).as_blob()?)?;
    Ok(Json::Array(changes.iter().map(|change| shown(change, catalogue)).collect()).to_string())
}

fn shown(change: &LoggedChange, catalogue: &Catalogue) -> Json {
    let table = catalogue.table(change.row.table);
    let column = |at: usize| {
        let found = table.and_then(|table| table.columns.get(at));
        found.map_or_else(|| at.to_string(), |column| column.name.clone())
    };
    let all = |values: &[Value]| -> Json {
        let ids = table.into_iter().flat_map(|table| table.fields()).map(|(id, _)| usize::from(id.0));
        Json::Object(ids.zip(values).map(|(at, value)| (column(at), json(value))).collect())
    };
    let (kind, old, new) = match &change.mutation {
        LoggedMutation::Insert(values) => ("insert", Json::Null, all(values)),
        LoggedMutation::Delete(values) => ("delete", all(values), Json::Null),
        LoggedMutation::Update(fields) => {
            let side = |of: fn(&ebbtide_core::change::LoggedField) -> &Value| -> Map<String, Json> {
                fields.iter().map(|field| (column(usize::from(field.column.0)), json(of(field)))).collect()
            };
            ("update", side(|field| &field.old).into(), side(|field| &field.new).into())
        }
    };
    let key: Vec<Json> = change.row.key.0.iter().map(json).collect();
    let table = table.map_or_else(|| change.row.table.0.to_string(), |table| table.name.clone());
    json!({ "table": table, "key": key, "change": kind, "old": old, "new": new })
}

/// JSON has no bytes and no infinities.
fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) => json!(number),
        Value::Real(number) if number.is_finite() => json!(number),
        Value::Real(number) => json!({ "real": number.to_string() }),
        Value::Text(text) => json!(text),
        Value::Blob(bytes) => json!({ "blob": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() }),
    }
}
