//! A tab, and what happens to its page.

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::event::{Input, TabChanges, TabFacts, TabId, WindowId};
use crate::hosts::HostId;

/// A tab as the log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tab {
    /// The browser's id for it.
    pub id: TabId,
    /// Its window.
    pub win: WindowId,
    /// Whether the log itself marks it as protected.
    pub is_marked_protected: bool,
    /// Whether it is in front of its window.
    pub is_active: bool,
    /// Whether it is pinned.
    pub is_pinned: bool,
    /// Whether it makes a sound.
    pub is_audible: bool,
    /// When it last fell silent, on the awake clock.
    pub silent_since_awake: Option<i64>,
    /// Whether it is discarded.
    pub is_discarded: bool,
    /// Whether it is loading.
    pub is_loading: bool,
    /// Whether the browser or another extension may discard it.
    pub is_auto_discardable: bool,
    /// Whether a form in it was touched.
    pub is_unsaved: bool,
    /// Whether it captures the screen, a camera or a microphone.
    pub is_capturing: bool,
    /// Whether it is in sight beside another tab of its window, in a split view: so are both, of which
    /// one is in front.
    pub is_in_sight: bool,
    /// The last moment that something put it in front or in sight, left it or told of it; the moment
    /// it was opened if it never was. It may lie before the log's beginning. See
    /// [`World::last_in_front`](crate::World::last_in_front) for a tab that is being looked at.
    pub last_active: Moment,
    /// The moment the log first told of it.
    pub known_since: Moment,
    /// Its memory in bytes, by the last measurement.
    pub bytes: Option<u64>,
    /// The host of its page, in the table of its world.
    pub(crate) host: Option<HostId>,
}

impl Tab {
    /// Whether its window shows it: in front, or in sight beside the tab that is.
    pub fn is_shown(&self) -> bool {
        self.is_active || self.is_in_sight
    }

    /// Takes in what an event does to its page.
    pub(crate) fn undergo(&mut self, input: &Input, at: Moment) {
        match input {
            Input::TabNavigated { .. } => {
                self.is_loading = true;
                self.is_discarded = false;
                self.is_unsaved = false;
            }
            Input::TabLoaded { .. } => self.is_loading = false,
            Input::TabChanged { changes, .. } => self.change(*changes, at),
            Input::TabDiscarded { .. } => {
                self.is_discarded = true;
                self.is_loading = false;
                let ended = TabChanges {
                    audible: Some(false),
                    unsaved: Some(false),
                    capturing: Some(false),
                    ..TabChanges::default()
                };
                self.change(ended, at);
            }
            Input::TabRestored { .. } => {
                self.is_discarded = false;
                self.is_loading = true;
            }
            _ => {}
        }
    }

    /// Takes in what is told of a tab that is known, but for where it is and what it shows.
    pub(crate) fn learn(&mut self, facts: &TabFacts, at: Moment) {
        let TabFacts {
            pinned,
            audible,
            auto_discardable,
            unsaved,
            capturing,
            ..
        } = *facts;
        let changes = TabChanges {
            pinned,
            audible,
            auto_discardable,
            unsaved,
            capturing,
            ..TabChanges::default()
        };
        self.change(changes, at);
        self.is_marked_protected = facts.protected.unwrap_or(self.is_marked_protected);
        self.is_discarded = facts.discarded.unwrap_or(self.is_discarded);
        self.is_loading = facts.loading.unwrap_or(self.is_loading);
    }

    /// The tab in another world in which its page does what it does here: there is no more to it
    /// than that in which a policy's world differs from the facts.
    pub(crate) fn with_page_of(&self, here: &Self) -> Self {
        Self {
            is_discarded: here.is_discarded,
            is_loading: here.is_loading,
            is_audible: here.is_audible,
            silent_since_awake: here.silent_since_awake,
            is_unsaved: here.is_unsaved,
            is_capturing: here.is_capturing,
            ..*self
        }
    }

    /// Takes in what changes of its page. What its window shows is not the page's.
    fn change(&mut self, changes: TabChanges, at: Moment) {
        if self.is_audible && changes.audible == Some(false) {
            self.silent_since_awake = Some(at.awake);
        }
        self.is_pinned = changes.pinned.unwrap_or(self.is_pinned);
        self.is_audible = changes.audible.unwrap_or(self.is_audible);
        self.is_auto_discardable = (changes.auto_discardable).unwrap_or(self.is_auto_discardable);
        self.is_unsaved = changes.unsaved.unwrap_or(self.is_unsaved);
        self.is_capturing = changes.capturing.unwrap_or(self.is_capturing);
    }
}
