//! A map from tabs to what is kept of each, in the order of their ids.
//!
//! Events look tabs up many times each, and open or close one seldom. So places are found by hash,
//! whatever the number of tabs, values stay where they were put, and a sorted row of the ids is kept
//! beside that for whoever goes through all. In that row a tab that goes leaves a gap: nothing is moved
//! for it, nor for one that comes where a gap is.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::event::TabId;

/// What is kept of each tab.
#[derive(Clone, Debug)]
pub struct TabMap<T> {
    places: Places,
    /// Every id and its place, sorted. One that is gone has none.
    row: Vec<(TabId, Option<u32>)>,
    values: Vec<Option<T>>,
    vacant: Vec<u32>,
}

impl<T> Default for TabMap<T> {
    fn default() -> Self {
        Self {
            places: Places::default(),
            row: Vec::new(),
            values: Vec::new(),
            vacant: Vec::new(),
        }
    }
}

impl<T> TabMap<T> {
    /// How many tabs there are.
    pub fn len(&self) -> usize {
        self.places.taken
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is this tab.
    #[inline]
    pub fn contains(&self, tab: TabId) -> bool {
        self.places.get(tab).is_some()
    }

    /// What is kept of a tab.
    #[inline]
    pub fn get(&self, tab: TabId) -> Option<&T> {
        let place = self.places.get(tab)?;
        self.values[place as usize].as_ref()
    }

    /// The same, to change it.
    #[inline]
    pub fn get_mut(&mut self, tab: TabId) -> Option<&mut T> {
        let place = self.places.get(tab)?;
        self.values[place as usize].as_mut()
    }

    /// What is kept of a tab; of a new one the default.
    pub fn get_or_default(&mut self, tab: TabId) -> &mut T
    where
        T: Default,
    {
        self.get_or_insert_with(tab, T::default)
    }

    /// What is kept of a tab; of a new one what is made for it.
    pub fn get_or_insert_with(&mut self, tab: TabId, make: impl FnOnce() -> T) -> &mut T {
        let place = match self.places.get(tab) {
            Some(place) => place,
            None => self.put(tab, make()),
        };
        self.values[place as usize]
            .as_mut()
            .expect("a place that an id has is filled")
    }

    /// Keeps something of a tab, and returns what was kept before.
    pub fn insert(&mut self, tab: TabId, value: T) -> Option<T> {
        match self.places.get(tab) {
            Some(place) => self.values[place as usize].replace(value),
            None => {
                self.put(tab, value);
                None
            }
        }
    }

    /// Forgets a tab, and returns what was kept of it.
    #[inline]
    pub fn remove(&mut self, tab: TabId) -> Option<T> {
        let place = self.places.get(tab)?;
        self.vacate(tab, place)
    }

    /// Keeps what is kept of a tab under another id, in the place of what was kept there.
    pub fn rename(&mut self, old: TabId, new: TabId) {
        if let Some(value) = self.remove(old) {
            self.insert(new, value);
        }
    }

    /// Forgets all tabs but those for which this is true.
    pub fn retain(&mut self, mut keep: impl FnMut(TabId, &mut T) -> bool) {
        let mut gone = Vec::new();
        self.for_each_mut(|tab, value| gone.extend((!keep(tab, value)).then_some(tab)));
        for tab in gone {
            self.remove(tab);
        }
    }

    /// Every tab, by id.
    pub fn ids(&self) -> impl Iterator<Item = TabId> {
        self.iter().map(|(tab, _)| tab)
    }

    /// What is kept of each, by id.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.iter().map(|(_, value)| value)
    }

    /// Every tab and what is kept of it, by id.
    pub fn iter(&self) -> impl Iterator<Item = (TabId, &T)> {
        let value = |place: u32| self.values[place as usize].as_ref();
        let entry = move |&(tab, place): &(TabId, Option<u32>)| Some((tab, value(place?)?));
        self.row.iter().filter_map(entry)
    }

    /// Runs over every tab and what is kept of it, by id, to change that.
    pub fn for_each_mut(&mut self, mut change: impl FnMut(TabId, &mut T)) {
        for &(tab, place) in &self.row {
            if let Some(value) = place.and_then(|place| self.values[place as usize].as_mut()) {
                change(tab, value);
            }
        }
    }

    fn index(&self, tab: TabId) -> Result<usize, usize> {
        self.row.binary_search_by_key(&tab, |&(id, _)| id)
    }

    fn put(&mut self, tab: TabId, value: T) -> u32 {
        let place = match self.vacant.pop() {
            Some(place) => {
                self.values[place as usize] = Some(value);
                place
            }
            None => {
                self.values.push(Some(value));
                u32::try_from(self.values.len() - 1).expect("open tabs are far fewer than 2^32")
            }
        };
        self.places.insert(tab, place);
        self.line_up(tab, place);
        place
    }

    fn vacate(&mut self, tab: TabId, place: u32) -> Option<T> {
        self.places.remove(tab);
        if let Ok(index) = self.index(tab) {
            self.row[index].1 = None;
        }
        // Whoever goes through all passes over as many gaps as there are tabs, and not many more.
        if self.row.len() > 2 * self.len() + GAPS_SPARED {
            self.row.retain(|(_, place)| place.is_some());
        }
        self.vacant.push(place);
        self.values[place as usize].take()
    }

    /// Puts a tab that is not there into the row: into a gap, if there is one where it belongs.
    fn line_up(&mut self, tab: TabId, place: u32) {
        let index = self.index(tab).unwrap_or_else(|index| index);
        let is_gap = |(_, place): &(TabId, Option<u32>)| place.is_none();
        let entry = (tab, Some(place));
        if self.row.get(index).is_some_and(is_gap) {
            self.row[index] = entry;
        } else if let Some(before) = self.row[..index].last_mut().filter(|it| is_gap(it)) {
            *before = entry;
        } else {
            self.row.insert(index, entry);
        }
    }
}

/// How many more gaps than tabs are left alone.
const GAPS_SPARED: usize = 16;

/// Where the value of each tab is, by hash: what collides stands behind each other.
///
/// A lookup is some ten instructions, a third of what it takes in a map for everything.
#[derive(Clone, Debug, Default)]
struct Places {
    /// None, or a power of two of them, of which at most half are taken.
    buckets: Vec<Bucket>,
    taken: usize,
}

/// A tab and its place.
type Bucket = Option<(TabId, u32)>;

/// How many buckets there are at the least.
const BUCKETS_MIN: usize = 8;

impl Places {
    #[inline]
    fn get(&self, tab: TabId) -> Option<u32> {
        self.buckets[self.find(tab)?].map(|(_, place)| place)
    }

    /// Gives a tab that has no place one.
    fn insert(&mut self, tab: TabId, place: u32) {
        if 2 * (self.taken + 1) > self.buckets.len() {
            let length = (2 * self.buckets.len()).max(BUCKETS_MIN);
            let before = std::mem::replace(&mut self.buckets, vec![None; length]);
            for (tab, place) in before.into_iter().flatten() {
                self.fill(tab, place);
            }
        }
        self.fill(tab, place);
        self.taken += 1;
    }

    fn remove(&mut self, tab: TabId) {
        let Some(mut hole) = self.find(tab).filter(|&at| self.buckets[at].is_some()) else {
            return;
        };
        self.buckets[hole] = None;
        self.taken -= 1;
        // Who stands behind it only because it was taken moves up.
        let mut at = self.after(hole);
        while let Some((other, _)) = self.buckets[at] {
            let distance = |from: usize| at.wrapping_sub(from) & (self.buckets.len() - 1);
            if distance(self.home(other)) >= distance(hole) {
                self.buckets.swap(hole, at);
                hole = at;
            }
            at = self.after(at);
        }
    }

    /// The bucket of a tab, or the vacant one where it would be. None where there are no buckets.
    #[inline]
    fn find(&self, tab: TabId) -> Option<usize> {
        if self.buckets.is_empty() {
            return None;
        }
        let mut at = self.home(tab);
        while self.buckets[at].is_some_and(|(other, _)| other != tab) {
            at = self.after(at);
        }
        Some(at)
    }

    fn fill(&mut self, tab: TabId, place: u32) {
        if let Some(at) = self.find(tab) {
            self.buckets[at] = Some((tab, place));
        }
    }

    /// Where a tab stands if nothing collides: both halves of a product with the golden ratio.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the halves are folded")]
    fn home(&self, tab: TabId) -> usize {
        let product = u128::from(tab.0.cast_unsigned()) * 0x9e37_79b9_7f4a_7c15;
        let folded = (product >> 64) as u64 ^ product as u64;
        (folded >> 32) as usize & (self.buckets.len() - 1)
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.buckets.len() - 1)
    }
}

impl<T> FromIterator<(TabId, T)> for TabMap<T> {
    fn from_iter<I: IntoIterator<Item = (TabId, T)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (tab, value) in entries {
            map.insert(tab, value);
        }
        map
    }
}

impl<T: PartialEq> PartialEq for TabMap<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: Serialize> Serialize for TabMap<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (tab, value) in self.iter() {
            map.serialize_entry(&tab, value)?;
        }
        map.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TabMap<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(TabMap<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = TabMap<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from tabs")
            }

            fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<TabMap<T>, A::Error> {
                while let Some((tab, value)) = map.next_entry()? {
                    self.0.insert(tab, value);
                }
                Ok(self.0)
            }
        }

        deserializer.deserialize_map(Entries(Self::default()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Change {
        Insert(i64, u8),
        Remove(i64),
        Rename(i64, i64),
        Default(i64),
        Retain(u8),
    }

    fn change() -> impl Strategy<Value = Change> {
        let tab = || prop_oneof![0_i64..12, Just(i64::MIN), Just(i64::MAX)];
        prop_oneof![
            (tab(), any::<u8>()).prop_map(|(tab, value)| Change::Insert(tab, value)),
            tab().prop_map(Change::Remove),
            (tab(), tab()).prop_map(|(old, new)| Change::Rename(old, new)),
            tab().prop_map(Change::Default),
            any::<u8>().prop_map(Change::Retain),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_map_in_the_order_of_ids(changes in prop::collection::vec(change(), 0..60)) {
            let mut map = TabMap::<u8>::default();
            let mut plain = BTreeMap::<TabId, u8>::new();
            for change in changes {
                match change {
                    Change::Insert(tab, value) => {
                        let tab = TabId(tab);
                        prop_assert_eq!(map.insert(tab, value), plain.insert(tab, value));
                    }
                    Change::Remove(tab) => {
                        prop_assert_eq!(map.remove(TabId(tab)), plain.remove(&TabId(tab)));
                    }
                    Change::Rename(old, new) => {
                        map.rename(TabId(old), TabId(new));
                        if let Some(value) = plain.remove(&TabId(old)) {
                            plain.insert(TabId(new), value);
                        }
                    }
                    Change::Default(tab) => {
                        let (mine, theirs) = (
                            map.get_or_default(TabId(tab)),
                            plain.entry(TabId(tab)).or_default(),
                        );
                        *mine = mine.wrapping_add(1);
                        *theirs = theirs.wrapping_add(1);
                    }
                    Change::Retain(below) => {
                        map.retain(|_, value| *value < below);
                        plain.retain(|_, value| *value < below);
                    }
                }
                let entries = |(tab, value): (&TabId, &u8)| (*tab, *value);
                prop_assert!(map.iter().map(|(tab, value)| (tab, *value)).eq(plain.iter().map(entries)));
                for tab in (0..12).map(TabId) {
                    prop_assert_eq!(map.get(tab), plain.get(&tab));
                    prop_assert_eq!(map.contains(tab), plain.contains_key(&tab));
                }
                let text = serde_json::to_string(&map).unwrap();
                prop_assert_eq!(&text, &serde_json::to_string(&plain).unwrap());
                prop_assert!(serde_json::from_str::<TabMap<u8>>(&text).unwrap() == map);
            }
        }
    }
}
