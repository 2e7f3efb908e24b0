//! A deliberately simple model of what a space and a device must hold, to judge the engine by.
//! It shares no merge, overlay or sealing code with the engine: it copies whole tables and follows the rules word by word.
//! The simulator feeds it every decided changeset and every device's log.

pub mod constraints;
pub mod fold;
pub mod queue;
pub mod sets;
pub mod space;
pub mod texts;
