//! Keys in their order, most of which come at its end and go from anywhere in it.
//!
//! A key that goes is not looked for. It stays where it stands and is passed over, until as many do
//! so as are left. One that becomes another takes its own place, where that is between the same two.
//! Nothing is allocated for a key that comes or goes.

use std::collections::VecDeque;

/// So many keys are kept, whether they hold or not.
const KEYS_MIN: usize = 64;

/// Keys in ascending order. Whether one holds, who keeps them knows.
#[derive(Clone, Debug)]
pub(crate) struct Order<K> {
    keys: VecDeque<K>,
    /// How many of them hold.
    holding: usize,
}

impl<K> Default for Order<K> {
    fn default() -> Self {
        Self {
            keys: VecDeque::new(),
            holding: 0,
        }
    }
}

impl<K: Ord> Order<K> {
    /// Adds a key, which holds from here on and did not before.
    pub(crate) fn add(&mut self, key: K) {
        self.holding += 1;
        if self.keys.back().is_none_or(|last| *last < key) {
            self.keys.push_back(key);
        } else if let Err(index) = self.keys.binary_search(&key) {
            self.keys.insert(index, key);
        }
    }

    /// Notes that a key, which held, does so no more. `holds` says of any whether it does; the first
    /// of all always does.
    pub(crate) fn lose(&mut self, key: &K, holds: impl Fn(&K) -> bool) {
        self.holding -= 1;
        if self.keys.front() == Some(key) {
            while self.keys.front().is_some_and(|first| !holds(first)) {
                self.keys.pop_front();
            }
        }
        if self.keys.len() > KEYS_MIN.max(2 * self.holding) {
            self.keys.retain(holds);
        }
    }

    /// Notes that a key, which held, is another from here on: what [`Order::add`] and [`Order::lose`]
    /// come to, without moving what stands behind it.
    pub(crate) fn rename(&mut self, old: &K, new: K, holds: impl Fn(&K) -> bool) {
        if let Ok(index) = self.keys.binary_search(old) {
            let before = index.checked_sub(1).and_then(|index| self.keys.get(index));
            let after = self.keys.get(index + 1);
            if before.is_none_or(|before| *before < new) && after.is_none_or(|after| new < *after) {
                self.keys[index] = new;
                return;
            }
        }
        self.add(new);
        self.lose(old, holds);
    }

    /// All keys in their order, also those that hold no more.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.keys.iter()
    }
}

impl<K: Ord> FromIterator<K> for Order<K> {
    /// Takes keys that hold, in any order.
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        let mut keys: Vec<K> = keys.into_iter().collect();
        keys.sort_unstable();
        Self {
            holding: keys.len(),
            keys: keys.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(changes in prop::collection::vec((0..3, 0_u8..100, 0_u8..100), 0..400)) {
            let (mut order, mut set) = (Order::default(), BTreeSet::new());
            for (change, key, other) in changes {
                if change == 0 && set.insert(key) {
                    order.add(key);
                } else if set.remove(&key) {
                    if change == 1 && set.insert(other) {
                        order.rename(&key, other, |key| set.contains(key));
                    } else {
                        order.lose(&key, |key| set.contains(key));
                    }
                }
                let held = order.iter().filter(|key| set.contains(key));
                prop_assert!(held.eq(set.iter()));
                prop_assert_eq!(order.iter().next(), set.first());
                prop_assert!(order.keys.len() <= KEYS_MIN + 2 * set.len());
            }
        }
    }
}
