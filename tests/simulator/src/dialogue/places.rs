//! Where a script plays: a space of several, each with what it was told.
//! It moves no message and no device: one that is to be opened for the space where the script plays is restarted.
//! Part of `dialogue`; used by the conversations.

use super::*;

impl Dialogue {
    /// The script goes on at the space of this name, an empty one if it was not there yet. All connections break; databases that are
    /// opened from here on are opened for that space.
    pub fn go_to(&mut self, name: &str) {
        self.cut_all();
        let known = self.others.iter().position(|(other, _)| other.0 == name);
        let (name, space) = match known {
            Some(position) => self.others.swap_remove(position),
            None => (SpaceName(name.into()), SpaceHost::open(&self.schema)),
        };
        let left = (std::mem::replace(&mut self.name, name), std::mem::replace(&mut self.space, space));
        self.others.push(left);
    }
}
