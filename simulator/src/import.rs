//! Turns other programs' records of browsing into traces.
//!
//! An importer reads one kind of source into a common staging area of *visits*; `placing` decides
//! which tab each was in, and `telling` what happened to tabs and windows. Only the host of a page ever leaves the source, never
//! its path or title. What a source cannot tell is filled by a rule with a name or left out, and
//! the header of the trace names the importer and its rules. `traces/IMPORTING.md` says what each
//! source tells and what each rule does.

pub mod activitywatch;
mod bounded;
pub mod chrome;
mod error;
pub mod firefox;
mod machine;
mod page;
mod placing;
pub mod profiles;
mod sorter;
mod sqlite;
mod staging;
mod telling;
pub mod visits;

pub use error::ImportError;
pub use machine::PoweredTrace;
pub use page::{Page, PageError};
pub use staging::{Dates, Details, Person, Progress, Skips, Source, Staged, Staging, Visit};
pub use telling::{Rules, Told, weave};

/// A map by hash, for what is looked up for each visit. Its order is another in each run, so that
/// no source can be made to fill one bucket: whatever goes over all of it must not depend on it.
type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
