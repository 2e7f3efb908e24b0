//! All conversations: each runs over real SQLite on both sides, through the protocol's bytes, and by both commit paths.
//! A scenario is a script on a `Dialogue`; nothing moves unless the script moves it.

mod absorbed_copies;
mod absorption;
mod aside;
mod bounds;
mod conflicts;
mod copies;
mod deletes;
mod disputes;
mod exchange;
mod golden;
mod hearing;
mod history;
mod plans;
mod recovery;
mod references;
mod rejections;
mod review;
mod rowlog;
mod rules;
mod script;
mod setback;
mod snapshot;
mod staging;
mod start;
mod strategies;
mod strategies_at_random;
mod texts;
mod traffic;
mod values;
mod versions;
mod view;
mod void;
mod whole_rows;
mod whole_rows_at_random;
mod whole_rows_migrated;
