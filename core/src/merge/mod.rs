//! How concurrent writes to one field merge: one file per strategy.
