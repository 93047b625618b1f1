//! Which tabs came to the front of their window, and which left it.

use std::collections::BTreeMap;

use engine::{Change, Projection, Tab, TabId, World};
use serde::{Deserialize, Serialize};

use super::asked::rename;

/// What became of a tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is new, and not in front.
    New,
    /// It is new, and in front.
    NewInFront,
    /// It came to the front.
    Came,
    /// It left the front.
    Left,
}

/// Whether each tab is in front of its window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Fronts(BTreeMap<TabId, bool>);

impl Fronts {
    /// Takes in what the last event changed, by what counts as being in front.
    pub(super) fn follow(
        &mut self,
        world: &World,
        is_in_front: impl Fn(&Tab) -> bool,
    ) -> Vec<(TabId, Step)> {
        let mut steps = Vec::new();
        for &change in world.changes() {
            match change {
                Change::Tab(id) => {
                    let Some(tab) = world.tab(id) else { continue };
                    let is_in_front = is_in_front(tab);
                    let step = match (self.0.insert(id, is_in_front), is_in_front) {
                        (None, false) => Step::New,
                        (None, true) => Step::NewInFront,
                        (Some(false), true) => Step::Came,
                        (Some(true), false) => Step::Left,
                        (Some(true), true) | (Some(false), false) => continue,
                    };
                    steps.push((id, step));
                }
                Change::Renamed { old, new } => rename(&mut self.0, old, new),
                Change::Gone(id) => {
                    self.0.remove(&id);
                }
            }
        }
        steps
    }

    /// Adds to the state hash.
    pub(super) fn project(&self, projection: &mut Projection) {
        for (tab, is_in_front) in &self.0 {
            projection.line(format_args!("front {tab} {is_in_front}"));
        }
    }
}
