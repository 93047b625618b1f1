//! The order of candidates: tabs that no guard holds, longest out of the front first.
//!
//! TTLs come in few classes, one for each familiarity, so one ordered list a class keeps its ripe
//! tabs at the head and selection looks at no others. Guarded tabs stand in no list: they would
//! gather at the heads and be walked over at each sample.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::event::TabId;
use crate::hosts::FAMILIARITY_MAX;
use crate::order::Order;
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

/// The lists: one for each familiarity, and these.
const SHADOWED: usize = FAMILIARITY_MAX as usize;
const HELD: usize = SHADOWED + 1;

impl Place {
    /// Which list it is in.
    fn list(self) -> usize {
        match self {
            Self::Candidate { familiarity, .. } => class(familiarity),
            Self::Shadowed { .. } => SHADOWED,
            Self::Held { .. } => HELD,
        }
    }

    /// Where in the list it is. What is held is in the order in which it is released.
    fn key(self, tab: TabId) -> Key {
        match self {
            Self::Candidate { key, .. } | Self::Shadowed { key } => key,
            Self::Held { until_awake } => Key {
                idle_since: until_awake,
                last_active: until_awake,
                tab,
            },
        }
    }
}

/// All tabs that no event-lifted guard holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct Recency {
    places: TabMap<Place>,
    #[serde(skip)]
    lists: [Order<Key>; HELD + 1],
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
        let before = self.places.get(tab).copied();
        if before == Some(place) {
            return;
        }
        self.places.insert(tab, place);
        self.lists[place.list()].add(place.key(tab));
        if let Some(before) = before {
            self.lose(tab, before);
        }
    }

    pub(crate) fn take_out(&mut self, tab: TabId) {
        if let Some(place) = self.places.remove(tab) {
            self.lose(tab, place);
        }
    }

    pub(crate) fn place(&self, tab: TabId) -> Option<Place> {
        self.places.get(tab).copied()
    }

    /// The candidates of a familiarity, longest out of the front first.
    pub(crate) fn candidates(&self, familiarity: u8) -> impl Iterator<Item = &Key> {
        self.list(class(familiarity))
    }

    /// The tabs that observe mode has decided on, longest out of the front first.
    pub(crate) fn shadowed(&self) -> impl Iterator<Item = &Key> {
        self.list(SHADOWED)
    }

    /// A tab whose hold is over, if there is one.
    pub(crate) fn released(&self, awake: i64) -> Option<TabId> {
        let first = self.list(HELD).next();
        first
            .filter(|first| first.idle_since <= awake)
            .map(|first| first.tab)
    }

    fn list(&self, list: usize) -> impl Iterator<Item = &Key> {
        let keys = self.lists[list].iter();
        keys.filter(move |key| holds(&self.places, list, key))
    }

    /// Notes that a tab has left a place.
    fn lose(&mut self, tab: TabId, place: Place) {
        let Self { places, lists } = self;
        let list = place.list();
        lists[list].lose(&place.key(tab), |key| holds(places, list, key));
    }
}

/// Whether a key stands for what is known of its tab.
fn holds(places: &TabMap<Place>, list: usize, key: &Key) -> bool {
    let place = places.get(key.tab);
    place.is_some_and(|place| place.list() == list && place.key(key.tab) == *key)
}

fn class(familiarity: u8) -> usize {
    usize::from(familiarity.clamp(1, FAMILIARITY_MAX)) - 1
}
