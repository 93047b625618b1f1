//! What Chromium's two policies share: which pages may go.
//!
//! Source: `chrome/browser/performance_manager/policies/discard_eligibility_policy.cc` and
//! `cannot_discard_reason.cc` (06d06050, 0d54250c).

use std::collections::BTreeSet;

use engine::{Change, Event, Input, Projection, Tab, TabId, World};
use serde::{Deserialize, Serialize};

/// `kNonVisiblePagesUrgentProtectionTime`: a page hidden for less is protected. The clock is
/// `TimeTicks`, which stands still while the machine sleeps.
pub(super) const HIDDEN_MS: i64 = 10 * 60_000;
/// `kTabAudioProtectionTime`.
const SILENT_MS: i64 = 60_000;

/// How long a tab is hidden, on the clock that stands still in sleep.
pub(super) fn hidden_ms(world: &World, tab: &Tab) -> i64 {
    let awake = world.moment().awake;
    awake.saturating_sub(tab.last_active.awake)
}

/// Whether a page may not go, as far as a trace tells.
pub(super) fn is_protected(world: &World, tab: &Tab) -> bool {
    let is_silent_for_too_short = tab
        .silent_since_awake
        .is_some_and(|since| world.moment().awake.saturating_sub(since) < SILENT_MS);
    tab.is_shown()
        || tab.is_pinned
        || tab.is_audible
        || is_silent_for_too_short
        || tab.is_capturing
        || tab.is_unsaved
        || !tab.is_auto_discardable
        || tab.is_discarded
        || world.host_of(tab).is_none()
        || hidden_ms(world, tab) < HIDDEN_MS
}

/// The documents on which a discard was attempted: never again until the tab loads another.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Attempted(BTreeSet<TabId>);

impl Attempted {
    /// Takes an event in.
    pub(super) fn follow(&mut self, world: &World, event: &Event) {
        if let Input::TabNavigated { tab, .. } = event.input {
            self.0.remove(&tab);
        }
        for &change in world.changes() {
            match change {
                Change::Tab(id) => {
                    if world.tab(id).is_some_and(|tab| tab.is_discarded) {
                        self.0.remove(&id);
                    }
                }
                Change::Renamed { old, new } => {
                    if self.0.remove(&old) {
                        self.0.insert(new);
                    }
                }
                Change::Gone(id) => {
                    self.0.remove(&id);
                }
            }
        }
    }

    /// Whether a discard was attempted.
    pub(super) fn holds(&self, tab: TabId) -> bool {
        self.0.contains(&tab)
    }

    /// Notes an attempt.
    pub(super) fn note(&mut self, tab: TabId) {
        self.0.insert(tab);
    }

    /// Adds to the state hash.
    pub(super) fn project(&self, projection: &mut Projection) {
        for tab in &self.0 {
            projection.line(format_args!("attempted {tab}"));
        }
    }
}
