//! Policies to compare ours with, each behind the same [`Policy`](engine::Policy) trait.
//!
//! One file a policy; its header names what it is taken from.

mod never;

pub use never::Never;
