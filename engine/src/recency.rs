//! The order of candidates: tabs that no guard holds, longest out of the front first.
//!
//! TTLs come in few classes, one for each familiarity, so one ordered list a class keeps its ripe
//! tabs at the head and selection looks at no others. Guarded tabs stand in no list: they would
//! gather at the heads and be walked over at each sample.
//!
//! Much happens to a tab between two moments at which anybody asks for candidates. So a tab to which
//! something happened leaves its place, and is given another only when that is asked for.

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
    /// A guard holds it until something happens to it.
    Guarded,
    /// It waits to be given a place.
    Displaced,
}

/// The lists: one for each familiarity, and these.
const SHADOWED: usize = FAMILIARITY_MAX as usize;
const HELD: usize = SHADOWED + 1;

/// So many tabs may be named as displaced, whether they are or not.
const DISPLACED_MIN: usize = 64;

impl Place {
    /// Which list it is in, if any, and where there. What is held is in the order in which it is
    /// released.
    fn in_list(self, tab: TabId) -> Option<(usize, Key)> {
        match self {
            Self::Candidate { familiarity, key } => Some((class(familiarity), key)),
            Self::Shadowed { key } => Some((SHADOWED, key)),
            Self::Held { until_awake } => {
                let key = Key {
                    idle_since: until_awake,
                    last_active: until_awake,
                    tab,
                };
                Some((HELD, key))
            }
            Self::Guarded | Self::Displaced => None,
        }
    }
}

/// Where each tab stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub(crate) struct Recency {
    places: TabMap<Place>,
    #[serde(skip)]
    lists: [Order<Key>; HELD + 1],
    /// The tabs that are displaced, and some that are so no more.
    #[serde(skip)]
    displaced: Vec<TabId>,
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
    /// Gives a tab a place.
    pub(crate) fn put(&mut self, tab: TabId, place: Place) {
        let before = self.places.insert(tab, place);
        if before == Some(place) {
            return;
        }
        match place.in_list(tab) {
            Some((list, key)) => self.lists[list].add(key),
            None if place == Place::Displaced => self.displaced.push(tab),
            None => {}
        }
        if let Some(before) = before {
            self.lose(tab, before);
        }
    }

    /// Takes a tab out of its place, to be given another when that is asked for.
    pub(crate) fn displace(&mut self, tab: TabId) {
        match self.places.get_mut(tab) {
            Some(Place::Displaced) => return,
            Some(place) => {
                let before = std::mem::replace(place, Place::Displaced);
                self.lose(tab, before);
            }
            None => drop(self.places.insert(tab, Place::Displaced)),
        }
        self.displaced.push(tab);
        if self.displaced.len() > DISPLACED_MIN.max(2 * self.places.len()) {
            self.displaced.sort_unstable();
            self.displaced.dedup();
            let places = &self.places;
            (self.displaced).retain(|&tab| places.get(tab) == Some(&Place::Displaced));
        }
    }

    /// A tab that waits to be given a place, if there is one; it is not named again.
    pub(crate) fn next_displaced(&mut self) -> Option<TabId> {
        loop {
            let tab = self.displaced.pop()?;
            if self.places.get(tab) == Some(&Place::Displaced) {
                return Some(tab);
            }
        }
    }

    /// Whether every tab stands where it belongs at a moment of the awake clock.
    pub(crate) fn is_settled(&self, awake: i64) -> bool {
        self.displaced.is_empty() && self.released(awake).is_none()
    }

    /// Forgets a tab.
    pub(crate) fn remove(&mut self, tab: TabId) {
        if let Some(place) = self.places.remove(tab) {
            self.lose(tab, place);
        }
    }

    /// Where a tab stands.
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
        let Self { places, lists, .. } = self;
        if let Some((list, key)) = place.in_list(tab) {
            lists[list].lose(&key, |key| holds(places, list, key));
        }
    }
}

/// Whether a key stands for what is known of its tab.
fn holds(places: &TabMap<Place>, list: usize, key: &Key) -> bool {
    let place = places.get(key.tab);
    place.and_then(|place| place.in_list(key.tab)) == Some((list, *key))
}

fn class(familiarity: u8) -> usize {
    usize::from(familiarity.clamp(1, FAMILIARITY_MAX)) - 1
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Put(TabId, Place),
        Displace(TabId),
        Remove(TabId),
        TakeDisplaced,
    }

    fn step() -> impl Strategy<Value = Step> {
        let tab = || (0..12_i64).prop_map(TabId);
        let place = (tab(), 1..=FAMILIARITY_MAX, 0..20_i64, 0..4_u8).prop_map(
            |(tab, familiarity, when, kind)| {
                let key = Key {
                    idle_since: when,
                    last_active: when / 2,
                    tab,
                };
                let place = match kind {
                    0 => Place::Candidate { familiarity, key },
                    1 => Place::Shadowed { key },
                    2 => Place::Held { until_awake: when },
                    _ => Place::Guarded,
                };
                Step::Put(tab, place)
            },
        );
        prop_oneof![
            3 => place,
            3 => tab().prop_map(Step::Displace),
            2 => tab().prop_map(Step::Remove),
            1 => Just(Step::TakeDisplaced),
        ]
    }

    proptest! {
        #[test]
        fn every_tab_stands_in_one_place(steps in prop::collection::vec(step(), 0..600)) {
            let (mut recency, mut places) = (Recency::default(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Put(tab, place) => {
                        recency.put(tab, place);
                        places.insert(tab, place);
                    }
                    Step::Displace(tab) => {
                        recency.displace(tab);
                        places.insert(tab, Place::Displaced);
                    }
                    Step::Remove(tab) => {
                        recency.remove(tab);
                        places.remove(&tab);
                    }
                    Step::TakeDisplaced => {
                        let taken = recency.next_displaced();
                        let is_displaced = |tab| places.get(&tab) == Some(&Place::Displaced);
                        prop_assert!(taken.is_none_or(is_displaced));
                        if let Some(tab) = taken {
                            recency.put(tab, Place::Guarded);
                            places.insert(tab, Place::Guarded);
                        }
                    }
                }
                prop_assert!(recency.displaced.len() <= DISPLACED_MIN + 2 * 12);
                for list in 0..=HELD {
                    let mut expected: Vec<Key> = (places.iter())
                        .filter_map(|(&tab, place)| place.in_list(tab))
                        .filter_map(|(in_list, key)| (in_list == list).then_some(key))
                        .collect();
                    expected.sort_unstable();
                    prop_assert!(recency.list(list).eq(&expected));
                }
            }
            let mut waiting: Vec<TabId> =
                std::iter::from_fn(|| {
                    let tab = recency.next_displaced()?;
                    recency.put(tab, Place::Guarded);
                    Some(tab)
                })
                .collect();
            waiting.sort_unstable();
            let displaced = places.iter().filter(|(_, place)| **place == Place::Displaced);
            prop_assert!(waiting.iter().eq(displaced.map(|(tab, _)| tab)));
        }
    }
}
