//! How concurrent writes to one field merge: one file per strategy.
//! A strategy sees marks and values, never rows, tables or time. The server session decides by `cell`; the device's view replays its
//! pending writes by `local`, with the same functions, so that both agree wherever no rule of the server intervenes.

pub mod cell;
mod encoding;
mod extreme;
pub mod first;
pub mod local;
pub mod lww;
pub mod max;
pub mod min;
pub mod order;
pub mod record;
pub mod review;
pub mod row;
pub mod seen;
pub mod server;
pub mod set;
pub mod sum;
pub mod text;

#[cfg(test)]
mod examples;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod laws_of_histories;
#[cfg(test)]
mod laws_of_sets;
#[cfg(test)]
mod laws_of_texts;
