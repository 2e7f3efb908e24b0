//! The client session's store, over the local database.
//! It keeps records and writes rows; what they mean is the session's business.
//! Implemented on a sync step, so that every call belongs to its one transaction.

mod waitlist;

pub use waitlist::Waitlist;
