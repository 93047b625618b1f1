//! `never`: nothing is ever discarded. What a browser without any tab suspender does.

use engine::{Event, Output, Policy, Projection, World};
use serde::{Deserialize, Serialize};

/// Decides nothing.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Never;

impl Policy for Never {
    fn name(&self) -> &str {
        "never"
    }

    fn step(&mut self, _: &World, _: &Event, _: &mut Vec<Output>) {}

    fn project(&self, _: &mut Projection) {}
}
