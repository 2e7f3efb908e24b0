//! A schema from its JSON, as a device reads it: the same shapes that serde derives for the Worker, without its weight.
//! It checks shapes; rules and names are for `validate`. The browser's adapter calls it with the options of `open`.

use super::{Migration, MigrationSide, Schema, TableRules};
use crate::json::{Fields, Json};
use ebbtide_core::sorted::SortedMap;

impl Schema {
    /// Reads the object that `defineSchema` made, or says what has another shape than it should.
    pub fn from_json(json: Json) -> Result<Self, String> {
        let mut fields = Fields::of(json, "schema")?;
        let migrations = fields.list("migrations")?.into_iter().map(migration).collect::<Result<_, _>>()?;
        let tables = fields.object("tables")?.ok_or_else(|| fields.wrong("tables", "an object"))?;
        fields.finish()?;
        let mut schema = Self { migrations, tables: SortedMap::new() };
        for (name, rules) in tables {
            let rules = table_rules(rules, &name)?;
            schema.tables.insert(name, rules);
        }
        Ok(schema)
    }
}

fn migration(json: Json) -> Result<Migration, String> {
    if let Json::Text(sql) = json {
        return Ok(Migration::Both(sql));
    }
    let mut fields = Fields::of(json, "a migration")?;
    let sql = fields.required_text("sql")?;
    if let Some(entries) = fields.object("renames")? {
        let renames = texts(entries).ok_or_else(|| fields.wrong("renames", "an object of texts"))?;
        fields.finish()?;
        return Ok(Migration::Renaming { sql, renames });
    }
    match fields.required_text("on")?.as_str() {
        "client" => {}
        _ => return Err(fields.wrong("on", "'client'")),
    }
    fields.finish()?;
    Ok(Migration::OneSide { sql, on: MigrationSide::Client })
}

fn table_rules(json: Json, table: &str) -> Result<TableRules, String> {
    let mut fields = Fields::of(json, &format!("tables.{table}"))?;
    let merge = fields.object("merge")?.unwrap_or_default();
    let merge = texts(merge).ok_or_else(|| fields.wrong("merge", "an object of texts"))?;
    let rules =
        TableRules { merge, delete: fields.text("delete")?, row: fields.text("row")?, key: fields.text("key")? };
    fields.finish()?;
    Ok(rules)
}

fn texts(entries: Vec<(String, Json)>) -> Option<SortedMap<String, String>> {
    let text = |(name, value)| match value {
        Json::Text(text) => Some((name, text)),
        _ => None,
    };
    entries.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    #[test]
    fn st91_a_device_reads_a_schema_as_the_worker_does() {
        let texts = [
            r#"{"migrations":[],"tables":{}}"#,
            r#"{"migrations":["a",{"sql":"b","on":"client"},{"sql":"c","renames":{"a":"b"}}],"tables":{"t":{},
                "u":{"merge":{"c":"sum","b":"lww"},"delete":"keep","row":null,"key":"natural"}}}"#,
        ];
        for text in texts {
            let schema = Schema::from_json(parse(text).unwrap()).unwrap();
            assert_eq!(schema, serde_json::from_str(text).unwrap());
        }
        let wrong = [
            "[]",
            "{}",
            r#"{"migrations":[]}"#,
            r#"{"migrations":[1],"tables":{}}"#,
            r#"{"migrations":[{"sql":"a","on":"server"}],"tables":{}}"#,
            r#"{"migrations":[],"tables":{"t":{"colour":"red"}}}"#,
            r#"{"migrations":[],"tables":{"t":{"merge":{"a":1}}}}"#,
            r#"{"migrations":[],"tables":{},"more":1}"#,
        ];
        for text in wrong {
            assert!(Schema::from_json(parse(text).unwrap()).is_err(), "{text}");
            assert!(serde_json::from_str::<Schema>(text).is_err(), "{text}");
        }
    }
}
