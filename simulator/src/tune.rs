//! Finds a policy that is better on the traces there are, and says how far that can be trusted.
//!
//! A search is only as good as the check of what it found: with enough variants some do well by
//! chance. So everything here goes by [`Split`]s: a search sees the training part of a split alone,
//! and what it chose is judged on the rest, other people or a later time. Nothing here reads a file
//! or starts a thread; whoever calls runs the policies.

mod choice;
mod evidence;
mod search;
mod split;

pub use choice::{Choice, Limits, Plateau, double_steps, neighbours, steps};
pub use evidence::{Evidence, Gain};
pub use search::{Search, Tried, objectives};
pub use split::{Cells, Part, Split, SplitError, SplitKind, split};
