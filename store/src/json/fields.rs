//! Takes a JSON object apart, field by field, and refuses what nobody took.
//! It knows shapes, not meanings; messages name the field. Options and schema are read with it.

use super::Json;

/// The fields of an object that were not taken yet.
pub struct Fields {
    place: String,
    rest: Vec<(String, Json)>,
}

impl Fields {
    /// Of the object at `place`, which messages name.
    pub fn of(value: Json, place: &str) -> Result<Self, String> {
        match value {
            Json::Object(rest) => Ok(Self { place: place.to_owned(), rest }),
            _ => Err(format!("{place} is not an object")),
        }
    }

    /// The field, unless it is missing or null.
    pub fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.rest.iter().position(|(field, _)| field == name)?;
        let (_, value) = self.rest.swap_remove(at);
        (value != Json::Null).then_some(value)
    }

    /// A text that may be missing.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "a text")),
        }
    }

    /// A text that must be there.
    pub fn required_text(&mut self, name: &str) -> Result<String, String> {
        self.text(name)?.ok_or_else(|| self.wrong(name, "a text"))
    }

    /// A flag; what is missing is false.
    pub fn flag(&mut self, name: &str) -> Result<bool, String> {
        match self.take(name) {
            None => Ok(false),
            Some(Json::Flag(flag)) => Ok(flag),
            Some(_) => Err(self.wrong(name, "true or false")),
        }
    }

    /// A list that must be there.
    pub fn list(&mut self, name: &str) -> Result<Vec<Json>, String> {
        match self.take(name) {
            Some(Json::List(items)) => Ok(items),
            _ => Err(self.wrong(name, "a list")),
        }
    }

    /// The names and values of an object that may be missing.
    pub fn object(&mut self, name: &str) -> Result<Option<Vec<(String, Json)>>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Object(fields)) => Ok(Some(fields)),
            Some(_) => Err(self.wrong(name, "an object")),
        }
    }

    /// Refuses what is left over.
    pub fn finish(self) -> Result<(), String> {
        match self.rest.first() {
            None => Ok(()),
            Some((name, _)) => Err(format!("{} has an unknown field `{name}`", self.place)),
        }
    }

    /// What to say of a field that has another shape.
    pub fn wrong(&self, name: &str, wanted: &str) -> String {
        format!("`{name}` of {} is not {wanted}", self.place)
    }
}
