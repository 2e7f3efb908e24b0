//! Which space a database belongs to: the one that welcomed it first, by the name that its app gave. Opened for another one it says nothing,
//! since whoever does not know it takes it for one that was ahead of a space set back, and all that it had sent would go there.
//! It knows no connection; the session asks before everything else.

use super::session::{ClientSession, Input, Output, Step, Timers, cause};
use super::store::{ClientStore, DeviceState};
use crate::codec::Codec;
use crate::error::Fault;
use alloc::string::String;

/// A space as its app names it. Its server may move; the name stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpaceName(pub String);

/// The code of a status, or of a failed wish, of a database that belongs to another space.
pub const OTHER_SPACE: &str = "other_space";

impl ClientSession {
    /// Whether the database belongs to the space that it is opened for. Until then nothing that somebody else brings is for it: they may
    /// have asked another space.
    pub(super) fn is_at_home(&self, device: &DeviceState) -> bool {
        device.space.as_ref() == Some(&self.home)
    }

    /// Whether the database belongs to another space.
    pub(super) fn is_elsewhere(&self, device: &DeviceState) -> bool {
        device.space.is_some() && !self.is_at_home(device)
    }

    /// The only step of a database that belongs to another space: nothing is said, and nothing of it changes.
    pub(super) fn stay_away<S: ClientStore, C: Codec>(
        &mut self,
        input: &Input,
        step: &mut Step<S, C>,
    ) -> Result<(), Fault<S::Error>> {
        let cause = cause(OTHER_SPACE, false);
        match input {
            Input::Online(online) => self.status.online = *online,
            Input::Pause(paused) => self.paused = *paused,
            Input::SyncNow | Input::Run { .. } => step.outputs.push(Output::Failed(cause.clone())),
            Input::Plan => step.outputs.push(Output::PlanFailed(cause.clone())),
            _ => {}
        }
        self.timers = Timers::default();
        self.status.reason = Some(cause.code.clone());
        self.stopped = Some(cause);
        self.mirror(step)
    }
}
