//! What `open` was asked for, as the worker script hands it over in JSON.
//! It checks shapes and names; whether the schema fits the database is the store's to say.
//! Read once by `client.rs`.

use crate::error::{ClientError, Result};
use crate::limits::NAME_CHARS;
use ebbtide_core::client::Start;
use ebbtide_store::json::{self, Fields, Json};
use ebbtide_store::schema::Schema;

/// The options of `open`.
#[derive(Debug)]
pub struct Options {
    /// Which database; one directory of files each.
    pub name: String,
    /// Migrations and synced tables.
    pub schema: Schema,
    /// Where it is kept.
    pub storage: Storage,
    /// What a commit waits for.
    pub durability: Durability,
    /// With whom it is kept in step; without, it is local.
    pub sync: Option<SyncOptions>,
    /// Whether the browser believes to have a network.
    pub online: bool,
    /// Whether the app has paused the sync: a worker that replaces another keeps to it.
    pub paused: bool,
}

/// With whom a database is kept in step.
#[derive(Debug, Clone)]
pub struct SyncOptions {
    /// The server with its prefix, absolute, without a slash at the end.
    pub url: String,
    /// The space.
    pub space: String,
    /// Which path changesets take.
    pub two_phase: TwoPhase,
    /// Whether the app is asked before anything is committed.
    pub confirm: bool,
    /// What becomes of what was written before there was a space.
    pub start: Start,
}

const STARTS: [(&str, Start); 3] = [("seed", Start::Seed), ("merge", Start::Merge), ("take", Start::Take)];

/// A choice of the app by its name.
pub fn start(name: &str) -> Option<Start> {
    STARTS.iter().find(|(choice, _)| *choice == name).map(|(_, start)| *start)
}

/// Which path changesets take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TwoPhase {
    /// One message for small ones.
    #[default]
    Auto,
    /// Two phases for all.
    Always,
}

impl From<TwoPhase> for ebbtide_core::client::TwoPhase {
    fn from(two_phase: TwoPhase) -> Self {
        match two_phase {
            TwoPhase::Auto => Self::Auto,
            TwoPhase::Always => Self::Always,
        }
    }
}

impl SyncOptions {
    fn read(json: Json) -> core::result::Result<Self, String> {
        let mut fields = Fields::of(json, "`sync`")?;
        let options = Self {
            url: fields.required_text("url")?,
            space: fields.required_text("space")?,
            two_phase: choice(&mut fields, "twoPhase", &[("auto", TwoPhase::Auto), ("always", TwoPhase::Always)])?,
            confirm: fields.flag("confirm")?,
            start: choice(&mut fields, "start", &STARTS)?,
        };
        fields.finish()?;
        Ok(options)
    }

    /// The space as one segment of a path.
    pub fn encoded_space(&self) -> String {
        encoded(&self.space)
    }
}

/// Where the database is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Storage {
    /// In the origin's private file system.
    #[default]
    Opfs,
    /// Nowhere: it is gone with the worker. Only when asked for by name.
    Memory,
}

/// What a commit waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// The device: a commit survives a power cut.
    #[default]
    Full,
    /// The browser: a power cut may take the last commits, never the database.
    Relaxed,
}

impl Options {
    /// Reads and checks them.
    pub fn parse(text: &str) -> Result<Self> {
        let options = json::parse(text).and_then(Self::read).map_err(bad_option)?;
        let length = options.name.chars().count();
        if length == 0 || length > NAME_CHARS {
            return Err(bad_option(format!("`name` has {length} characters; it needs 1 to {NAME_CHARS}")));
        }
        if options.sync.as_ref().is_some_and(|sync| sync.space.is_empty()) {
            return Err(bad_option("`sync.space` is empty".to_owned()));
        }
        Ok(options)
    }

    fn read(json: Json) -> core::result::Result<Self, String> {
        let mut fields = Fields::of(json, "the options")?;
        let options = Self {
            name: fields.required_text("name")?,
            schema: Schema::from_json(fields.take("schema").unwrap_or(Json::Null))?,
            storage: choice(&mut fields, "storage", &[("opfs", Storage::Opfs), ("memory", Storage::Memory)])?,
            durability: choice(
                &mut fields,
                "durability",
                &[("full", Durability::Full), ("relaxed", Durability::Relaxed)],
            )?,
            sync: fields.take("sync").map(SyncOptions::read).transpose()?,
            online: fields.flag("online")?,
            paused: fields.flag("paused")?,
        };
        fields.finish()?;
        Ok(options)
    }

    /// The database's own directory within the origin's file system, one per name.
    pub fn directory(&self) -> String {
        format!("/.ebbtide/{}", encoded(&self.name))
    }
}

/// The named value; without a name, the first.
fn choice<T: Copy>(fields: &mut Fields, name: &str, choices: &[(&str, T)]) -> core::result::Result<T, String> {
    let Some(given) = fields.text(name)? else { return Ok(choices[0].1) };
    let found = choices.iter().find(|(choice, _)| *choice == given);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
        fields.wrong(name, &names.join(" or "))
    })
}

fn bad_option(what: String) -> ClientError {
    ClientError::permanent("bad_option", format!("open(): {what}"))
}

/// Letters, digits, `-` and `_` stay; every other byte becomes `%xx`, so that no name can leave its place in a path.
fn encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(name: &str) -> Result<Options> {
        let schema = serde_json::json!({ "migrations": [], "tables": {} });
        Options::parse(&serde_json::json!({ "name": name, "schema": schema }).to_string())
    }

    #[test]
    fn js20_a_name_cannot_leave_its_directory() {
        assert_eq!(options("../x/.").unwrap().directory(), "/.ebbtide/%2e%2e%2fx%2f%2e");
        assert_eq!(options("field-survey_1").unwrap().directory(), "/.ebbtide/field-survey_1");
    }

    #[test]
    fn js20_empty_and_endless_names_are_refused() {
        for name in ["", &"a".repeat(81)] {
            assert_eq!(options(name).unwrap_err().code, "bad_option");
        }
    }

    #[test]
    fn js20_an_unknown_option_is_refused_by_name() {
        let error =
            Options::parse(r#"{"name":"a","schema":{"migrations":[],"tables":{}},"colour":"red"}"#).unwrap_err();
        assert_eq!(error.code, "bad_option");
        assert!(error.message.contains("colour"), "{}", error.message);
    }
}
