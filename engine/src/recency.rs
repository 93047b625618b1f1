//! The order of candidates: tabs that no guard holds, longest out of the front first.
//!
//! TTLs come in few classes, one for each familiarity, so one ordered list a class keeps its ripe
//! tabs at the head and selection looks at no others. Guarded tabs stand in no list: they would
//! gather at the heads and be walked over at each sample.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::event::TabId;
use crate::hosts::FAMILIARITY_MAX;
use crate::tab_map::TabMap;

/// A tab's place in an order, longest out of the front first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    /// The moment from which it counts as idle, on the policy's clock.
    pub(crate) idle_since: i64,
    /// The moment it was last in front, which may lie further back, before the log's beginning.
    pub(crate) last_active: i64,
    pub(crate) tab: TabId,
}

/// Where a tab stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    /// It may be discarded once it is ripe. Its familiarity is the class.
    Candidate { familiarity: u8, key: Key },
    /// Observe mode has decided on it already.
    Shadowed { key: Key },
    /// It is left alone until this moment of the awake clock.
    Held { until_awake: i64 },
}

/// All tabs that no event-lifted guard holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct Recency {
    places: TabMap<Place>,
    #[serde(skip)]
    candidates: [BTreeSet<Key>; FAMILIARITY_MAX as usize],
    #[serde(skip)]
    shadowed: BTreeSet<Key>,
    #[serde(skip)]
    held: BTreeSet<(i64, TabId)>,
}

impl Serialize for Recency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Recency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let restored = Self::deserialize(deserializer)?;
        let mut recency = Self::default();
        for (tab, &place) in restored.places.iter() {
            recency.put(tab, place);
        }
        Ok(recency)
    }
}

impl Recency {
    pub(crate) fn put(&mut self, tab: TabId, place: Place) {
        if self.places.get(tab) == Some(&place) {
            return;
        }
        if let Some(before) = self.places.insert(tab, place) {
            self.unlist(tab, before);
        }
        match place {
            Place::Candidate { familiarity, key } => self.class_mut(familiarity).insert(key),
            Place::Shadowed { key } => self.shadowed.insert(key),
            Place::Held { until_awake } => self.held.insert((until_awake, tab)),
        };
    }

    pub(crate) fn take_out(&mut self, tab: TabId) {
        if let Some(place) = self.places.remove(tab) {
            self.unlist(tab, place);
        }
    }

    fn unlist(&mut self, tab: TabId, place: Place) {
        match place {
            Place::Candidate { familiarity, key } => self.class_mut(familiarity).remove(&key),
            Place::Shadowed { key } => self.shadowed.remove(&key),
            Place::Held { until_awake } => self.held.remove(&(until_awake, tab)),
        };
    }

    pub(crate) fn place(&self, tab: TabId) -> Option<Place> {
        self.places.get(tab).copied()
    }

    /// The candidates of a familiarity, longest out of the front first.
    pub(crate) fn candidates(&self, familiarity: u8) -> impl Iterator<Item = &Key> {
        self.candidates[Self::class(familiarity)].iter()
    }

    /// The tabs that observe mode has decided on, longest out of the front first.
    pub(crate) fn shadowed(&self) -> impl Iterator<Item = &Key> {
        self.shadowed.iter()
    }

    /// A tab whose hold is over, if there is one.
    pub(crate) fn released(&self, awake: i64) -> Option<TabId> {
        self.held
            .first()
            .filter(|(until, _)| *until <= awake)
            .map(|&(_, tab)| tab)
    }

    fn class(familiarity: u8) -> usize {
        usize::from(familiarity.clamp(1, FAMILIARITY_MAX)) - 1
    }

    fn class_mut(&mut self, familiarity: u8) -> &mut BTreeSet<Key> {
        &mut self.candidates[Self::class(familiarity)]
    }
}
