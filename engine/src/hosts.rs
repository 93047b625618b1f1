//! What is known of each host: how familiar it is, and what discards of its tabs freed.
//!
//! A host is remembered while a tab shows it or while it is among the 4,096 last visited; so the
//! table is bounded whatever the log says.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::sync::Arc;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::event::{HostKnowledge, TabId};
use crate::projection::{Projection, known};

/// How many hosts without an open tab are remembered.
pub const REMEMBERED_HOSTS: usize = 4_096;

/// The highest familiarity that is counted.
pub const FAMILIARITY_MAX: u8 = 8;

/// A host that was away for longer than this starts again at familiarity 1: 24 h.
const AWAY_MS: i64 = 24 * 3_600_000;

/// How many of the last discards of a host its median is taken over.
const SAMPLE_COUNT: usize = 9;

/// A host in the table. The number means nothing outside this world and may be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct HostId(u32);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Host {
    pub(crate) name: Arc<str>,
    /// The tabs that show it, in no order. They follow from the world.
    #[serde(skip)]
    pub(crate) tabs: SmallVec<[TabId; 4]>,
    /// 0 when it was never in front.
    visits: u8,
    last_in_front_ms: Option<i64>,
    freed_bytes: Vec<u64>,
    /// Follows from them.
    #[serde(skip)]
    median_bytes: Option<u64>,
}

impl Host {
    /// 1 to 8.
    pub(crate) fn familiarity(&self) -> u8 {
        self.visits.max(1)
    }

    /// What a discard on it freed, at the median.
    pub(crate) fn median_bytes(&self) -> Option<u64> {
        self.median_bytes
    }

    /// Takes the median anew, after what discards freed is another.
    fn take_median(&mut self) {
        let mut sorted = self.freed_bytes.clone();
        sorted.sort_unstable();
        self.median_bytes = sorted.get(sorted.len() / 2).copied();
    }

    /// Writes down what the state hash covers.
    pub(crate) fn project(&self, projection: &mut Projection) {
        projection.line(format_args!(
            "host {} {} {} {:?}",
            self.name,
            self.visits,
            known(self.last_in_front_ms),
            self.freed_bytes,
        ));
    }

    fn place_of(&self, tab: TabId) -> Option<usize> {
        self.tabs.iter().position(|&other| other == tab)
    }

    fn is_worth_remembering(&self) -> bool {
        self.visits > 0 || !self.freed_bytes.is_empty()
    }

    fn last_visit_key(&self) -> i64 {
        self.last_in_front_ms.unwrap_or(i64::MIN)
    }
}

/// The hosts of a world.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Hosts {
    slots: Vec<Option<Host>>,
    free: Vec<u32>,
    /// Nothing follows from its order.
    #[serde(skip)]
    by_name: IndexMap<Arc<str>, HostId, FixedState>,
    /// The hosts that are remembered without an open tab.
    #[serde(skip)]
    closed: Closed,
}

/// Hosts without an open tab, least recently visited first.
///
/// Most are opened again long before one has to be forgotten. So a host that is opened or visited
/// leaves its entry behind, and an entry that no longer holds is passed over at the head.
#[derive(Clone, Debug, Default)]
struct Closed {
    entries: BinaryHeap<Reverse<(i64, HostId)>>,
    /// How many hosts there are: each has an entry that holds.
    count: usize,
}

impl Hosts {
    pub(crate) fn get(&self, id: HostId) -> &Host {
        self.slots[id.0 as usize]
            .as_ref()
            .expect("a host id is handed out for a filled slot only")
    }

    /// The tabs on a host, in no order; none where it was forgotten.
    pub(crate) fn tabs(&self, id: HostId) -> &[TabId] {
        let host = self.slots.get(id.0 as usize).and_then(Option::as_ref);
        host.map_or(&[], |host| &host.tabs)
    }

    fn get_mut(&mut self, id: HostId) -> &mut Host {
        self.slots[id.0 as usize]
            .as_mut()
            .expect("a host id is handed out for a filled slot only")
    }

    /// Every host, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Host> {
        let mut hosts: Vec<&Host> = self.slots.iter().flatten().collect();
        hosts.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        hosts.into_iter()
    }

    /// Notes that a tab shows the host from here on.
    pub(crate) fn attach(&mut self, name: &Arc<str>, tab: TabId) -> HostId {
        let id = self.intern(name);
        self.get_mut(id).tabs.push(tab);
        id
    }

    /// Notes that a tab shows the host no more.
    pub(crate) fn detach(&mut self, id: HostId, tab: TabId) {
        let host = self.get_mut(id);
        if let Some(index) = host.place_of(tab) {
            host.tabs.swap_remove(index);
        }
        if host.tabs.is_empty() {
            self.settle(id);
        }
    }

    /// Notes that a tab, which shows the host, has another id.
    pub(crate) fn rename(&mut self, id: HostId, old: TabId, new: TabId) {
        let host = self.get_mut(id);
        if let Some(index) = host.place_of(old) {
            host.tabs[index] = new;
        }
    }

    /// Counts a visit. Returns whether the familiarity changed.
    pub(crate) fn visit(&mut self, id: HostId, now_ms: i64) -> bool {
        let host = self.get_mut(id);
        let was = host.familiarity();
        let away_ms = host
            .last_in_front_ms
            .map_or(0, |last| now_ms.saturating_sub(last));
        host.visits = if away_ms > AWAY_MS {
            1
        } else {
            (host.visits + 1).min(FAMILIARITY_MAX)
        };
        host.last_in_front_ms = Some(now_ms);
        host.familiarity() != was
    }

    /// Notes that the host is in front no more. Its tab may be closed already.
    pub(crate) fn leave(&mut self, name: &str, now_ms: i64) {
        let Some(&id) = self.by_name.get(name) else {
            return;
        };
        let host = self.get_mut(id);
        host.last_in_front_ms = Some(now_ms);
        if host.tabs.is_empty() {
            self.enter_closed(id);
        }
    }

    pub(crate) fn add_freed_bytes(&mut self, id: HostId, bytes: u64) {
        let host = self.get_mut(id);
        if host.freed_bytes.len() == SAMPLE_COUNT {
            host.freed_bytes.remove(0);
        }
        host.freed_bytes.push(bytes);
        host.take_median();
    }

    /// Takes over what an earlier session had learnt. What this one has learnt itself stands.
    pub(crate) fn carry(&mut self, knowledge: &[HostKnowledge]) {
        for known in knowledge {
            let id = self.intern(&known.host.as_str().into());
            let host = self.get_mut(id);
            if host.visits == 0 && known.last_in_front_ms.is_some() {
                host.visits = known.familiarity.clamp(1, FAMILIARITY_MAX);
                host.last_in_front_ms = known.last_in_front_ms;
            }
            if host.freed_bytes.is_empty() {
                host.freed_bytes.extend(known.bytes);
                host.take_median();
            }
            if host.tabs.is_empty() {
                self.settle(id);
            }
        }
    }

    /// What a later session should know, by name.
    pub(crate) fn knowledge(&self) -> Vec<HostKnowledge> {
        let mut latest: Vec<&Host> = self
            .iter()
            .filter(|host| host.is_worth_remembering())
            .collect();
        latest.sort_by(|a, b| {
            b.last_visit_key()
                .cmp(&a.last_visit_key())
                .then_with(|| a.name.cmp(&b.name))
        });
        latest.truncate(REMEMBERED_HOSTS);
        latest.sort_by(|a, b| a.name.cmp(&b.name));
        latest
            .into_iter()
            .map(|host| HostKnowledge {
                host: host.name.to_string(),
                familiarity: host.familiarity(),
                last_in_front_ms: host.last_in_front_ms,
                bytes: host.median_bytes(),
            })
            .collect()
    }

    /// Works out, after the table was restored, what follows from it and from the hosts of the open
    /// tabs.
    ///
    /// # Errors
    /// What does not hold together and would lead to a panic later.
    pub(crate) fn reindex(
        &mut self,
        shown: impl Iterator<Item = (HostId, TabId)>,
    ) -> Result<(), &'static str> {
        for (id, tab) in shown {
            let host = self.slots.get_mut(id.0 as usize).and_then(Option::as_mut);
            let host = host.ok_or("a tab shows a host that is not in the table")?;
            host.tabs.push(tab);
        }
        let free: BTreeSet<u32> = self.free.iter().copied().collect();
        let vacant = (0..).zip(&self.slots).filter(|(_, host)| host.is_none());
        if free.len() != self.free.len() || !vacant.map(|(slot, _)| slot).eq(free) {
            return Err("the free places in the table of hosts are not the empty ones");
        }
        for (slot, host) in (0..).zip(&mut self.slots) {
            let Some(host) = host else { continue };
            host.take_median();
            if host.visits > FAMILIARITY_MAX || host.freed_bytes.len() > SAMPLE_COUNT {
                return Err("more is known of a host than is ever kept");
            }
            let name = Arc::clone(&host.name);
            if self.by_name.insert(name, HostId(slot)).is_some() {
                return Err("a host is in the table twice");
            }
            self.closed.count += usize::from(host.tabs.is_empty());
        }
        if self.closed.count > REMEMBERED_HOSTS {
            return Err("more hosts are remembered than ever are");
        }
        self.sort_closed();
        Ok(())
    }

    /// Finds a host or makes it. It is not among the closed ones from here on.
    fn intern(&mut self, name: &Arc<str>) -> HostId {
        if let Some(&id) = self.by_name.get(name) {
            self.closed.count -= usize::from(self.get(id).tabs.is_empty());
            return id;
        }
        let host = Host {
            name: Arc::clone(name),
            tabs: SmallVec::new(),
            visits: 0,
            last_in_front_ms: None,
            freed_bytes: Vec::new(),
            median_bytes: None,
        };
        let id = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(host);
                HostId(slot)
            }
            None => {
                self.slots.push(Some(host));
                let slot = u32::try_from(self.slots.len() - 1)
                    .expect("open tabs and 4,096 remembered hosts are far fewer than 2^32");
                HostId(slot)
            }
        };
        self.by_name.insert(Arc::clone(name), id);
        id
    }

    /// Remembers or forgets a host that no open tab shows.
    fn settle(&mut self, id: HostId) {
        if !self.get(id).is_worth_remembering() {
            self.forget(id);
            return;
        }
        self.closed.count += 1;
        self.enter_closed(id);
        while self.closed.count > REMEMBERED_HOSTS
            && let Some(Reverse((key, oldest))) = self.closed.entries.pop()
        {
            if self.is_closed(oldest, key) {
                self.closed.count -= 1;
                self.forget(oldest);
            }
        }
    }

    /// Gives a host without an open tab its entry.
    fn enter_closed(&mut self, id: HostId) {
        let key = self.get(id).last_visit_key();
        self.closed.entries.push(Reverse((key, id)));
        if self.closed.entries.len() > 2 * (self.closed.count + REMEMBERED_HOSTS) {
            self.sort_closed();
        }
    }

    /// Whether the host of an entry is still there as it says.
    fn is_closed(&self, id: HostId, key: i64) -> bool {
        let host = self.slots[id.0 as usize].as_ref();
        host.is_some_and(|host| host.tabs.is_empty() && host.last_visit_key() == key)
    }

    /// Leaves only entries that hold.
    fn sort_closed(&mut self) {
        let hosts = (0..).map(HostId).zip(&self.slots);
        let closed = hosts.filter_map(|(id, host)| {
            let host = host.as_ref().filter(|host| host.tabs.is_empty())?;
            Some(Reverse((host.last_visit_key(), id)))
        });
        self.closed.entries = closed.collect();
    }

    fn forget(&mut self, id: HostId) {
        let host = self.slots[id.0 as usize].take();
        let host = host.expect("only a host that is there is forgotten");
        self.by_name.swap_remove(&host.name);
        self.free.push(id.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn familiarity_grows_to_its_cap_and_starts_again_after_a_day() {
        let mut hosts = Hosts::default();
        let id = hosts.attach(&"a.example".into(), TabId(1));
        assert_eq!(hosts.get(id).familiarity(), 1);
        assert!(!hosts.visit(id, 0), "the first visit is familiarity 1");
        for visit in 1..10 {
            hosts.visit(id, visit * HOUR);
        }
        assert_eq!(hosts.get(id).familiarity(), 8);
        hosts.leave("a.example", 10 * HOUR);
        assert!(!hosts.visit(id, 34 * HOUR), "24 hours away is not too long");
        assert!(hosts.visit(id, 34 * HOUR + 24 * HOUR + 1));
        assert_eq!(hosts.get(id).familiarity(), 1);
    }

    #[test]
    fn hosts_without_tabs_are_bounded_and_the_least_recently_visited_goes_first() {
        let mut hosts = Hosts::default();
        for number in 0..5_000 {
            let id = hosts.attach(&format!("{number}.example").into(), TabId(1));
            hosts.visit(id, number);
            hosts.detach(id, TabId(1));
        }
        let knowledge = hosts.knowledge();
        assert_eq!(knowledge.len(), REMEMBERED_HOSTS);
        assert!(
            knowledge
                .iter()
                .all(|known| known.last_in_front_ms >= Some(5_000 - 4_096))
        );
        for number in 0..10_000 {
            let id = hosts.attach(&format!("never-in-front-{number}.example").into(), TabId(1));
            hosts.detach(id, TabId(1));
        }
        assert_eq!(hosts.by_name.len(), REMEMBERED_HOSTS);
        assert!(hosts.slots.len() <= REMEMBERED_HOSTS + 1);
    }

    #[test]
    fn knowledge_survives_the_way_to_another_session() {
        let mut hosts = Hosts::default();
        let id = hosts.attach(&"a.example".into(), TabId(1));
        hosts.visit(id, 5);
        hosts.visit(id, 6);
        for bytes in [30, 10, 20] {
            hosts.add_freed_bytes(id, bytes);
        }
        let knowledge = hosts.knowledge();
        assert_eq!(knowledge[0].bytes, Some(20));
        let mut next = Hosts::default();
        next.carry(&knowledge);
        assert_eq!(next.knowledge(), knowledge);
    }
}
