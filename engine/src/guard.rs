//! The hard guards: what no pressure and no setting overrides.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::policy_document::PolicyDocument;
use crate::tab::Tab;
use crate::world::World;

/// How long a tab that fell silent is still left alone: 60 s of the awake clock. Between two
/// songs, or when a call is muted for a sentence, the tab is in use.
const SILENT_MS: i64 = 60_000;

/// What an extension cannot see. It is said wherever guards are listed; the sites where it
/// happens are protected by default.
pub const NOT_OBSERVABLE: [&str; 4] = [
    "a camera, microphone or screen in use",
    "picture in picture",
    "a device connected over Bluetooth, USB or serial",
    "DevTools open on the tab",
];

/// A reason why a tab may not be discarded.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Guard {
    /// It is in front of a window, or in sight beside the tab that is.
    Active,
    /// It is pinned.
    Pinned,
    /// It makes a sound.
    Audible,
    /// It made a sound within the last 60 s.
    RecentlyAudible,
    /// It captures the screen, a camera or a microphone.
    Capturing,
    /// A form in it was touched.
    Unsaved,
    /// The user, or another extension, has forbidden it.
    NotAutoDiscardable,
    /// Its domain is protected.
    Protected,
    /// It is a page of the browser or an extension, a file, or what it shows is not known.
    Internal,
    /// It is loading.
    Loading,
    /// It is discarded already.
    Discarded,
    /// It was opened or in front a moment ago.
    Young,
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "it is in front of a window, or in sight beside the tab that is",
            Self::Pinned => "it is pinned",
            Self::Audible => "it makes a sound",
            Self::RecentlyAudible => "it made a sound within the last minute",
            Self::Capturing => "it captures the screen, a camera or a microphone",
            Self::Unsaved => "a form in it was touched",
            Self::NotAutoDiscardable => "the user or another extension has forbidden it",
            Self::Protected => "its domain is protected",
            Self::Internal => "it is no web page",
            Self::Loading => "it is loading",
            Self::Discarded => "it is discarded already",
            Self::Young => "it was opened or in front a moment ago",
        })
    }
}

impl Guard {
    /// The guards that hold until an event about the tab: all but those that time alone lifts. Last
    /// comes the one that takes longest to look at.
    const STANDING: [Self; 10] = [
        Self::Active,
        Self::Pinned,
        Self::Audible,
        Self::Capturing,
        Self::Unsaved,
        Self::NotAutoDiscardable,
        Self::Internal,
        Self::Loading,
        Self::Discarded,
        Self::Protected,
    ];

    /// Whether it holds for a tab, if it is one of these.
    #[inline]
    fn stands(self, world: &World, tab: &Tab, policy: &PolicyDocument) -> bool {
        match self {
            Self::Active => tab.is_shown(),
            Self::Pinned => tab.is_pinned,
            Self::Audible => tab.is_audible,
            Self::Capturing => tab.is_capturing,
            Self::Unsaved => tab.is_unsaved,
            Self::NotAutoDiscardable => !tab.is_auto_discardable,
            Self::Internal => tab.host.is_none(),
            Self::Loading => tab.is_loading,
            Self::Discarded => tab.is_discarded,
            Self::Protected => {
                let host = world.host_of(tab);
                tab.is_marked_protected || host.is_some_and(|host| policy.protects(host))
            }
            Self::RecentlyAudible | Self::Young => false,
        }
    }
}

/// Whether a guard holds for a tab until an event about it.
pub(crate) fn is_guarded(world: &World, tab: &Tab, policy: &PolicyDocument) -> bool {
    let mut all = Guard::STANDING.iter();
    all.any(|guard| guard.stands(world, tab, policy))
}

/// The guards that hold for a tab until an event about it.
pub(crate) fn standing_guards(
    world: &World,
    tab: &Tab,
    policy: &PolicyDocument,
) -> impl Iterator<Item = Guard> {
    let all = Guard::STANDING.iter().copied();
    all.filter(move |guard| guard.stands(world, tab, policy))
}

/// Until when a tab counts as recently audible, on the awake clock.
pub(crate) fn silent_from_awake(tab: &Tab) -> Option<i64> {
    tab.silent_since_awake
        .map(|since| since.saturating_add(SILENT_MS))
}
