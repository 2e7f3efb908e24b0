//! What the native bench and the one inside wasm share: the rows, and a device that is sent commits.
//! It opens no files and takes no times.

pub mod device;
pub mod random;
pub mod rows;
