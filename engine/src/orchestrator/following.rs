//! What an event did to the tabs, and where each stands for it.

use std::borrow::Cow;

use super::{Orchestrator, Order, REFUSED_MS, Standing};
use crate::event::{Event, Input, Mode, TabId};
use crate::facts::Change;
use crate::guard::{is_guarded, silent_from_awake};
use crate::policy_document::PolicyDocument;
use crate::recency::{Key, Place};
use crate::tab::Tab;
use crate::world::World;

impl Orchestrator {
    /// Puts a document into force.
    pub(crate) fn adopt(&mut self, world: &World, document: PolicyDocument) {
        self.hash = document.hash();
        self.document = document;
        self.displace_all(world);
    }

    /// Follows what an event did to the tabs.
    pub(super) fn follow(&mut self, world: &World, event: &Event) {
        match &event.input {
            Input::PolicyChanged(document) => self.adopt(world, (**document).clone()),
            Input::ModeChanged(Mode::Enforce) => {
                // What was only noted so far is to be done now.
                self.shadowed.clear();
                self.displace_all(world);
            }
            Input::TabNavigated { tab, .. } => {
                self.shadowed.remove(tab);
                self.lift_refusal(*tab);
            }
            Input::TabChanged { tab, .. } | Input::TabMoved { tab, .. } => {
                self.lift_refusal(*tab);
            }
            Input::DiscardOutcome { tab, ok, .. } => self.note_outcome(world, *tab, *ok),
            _ => {}
        }
        for &change in world.changes() {
            match change {
                Change::Tab(tab) => self.touch(world, tab),
                Change::Renamed { old, new } => {
                    self.recency.remove(old);
                    if let Some(order) = self.orders.remove(&old) {
                        self.orders.insert(new, order);
                    }
                    if self.shadowed.remove(&old) {
                        self.shadowed.insert(new);
                    }
                }
                Change::Gone(tab) => {
                    self.recency.remove(tab);
                    self.orders.remove(&tab);
                    self.shadowed.remove(&tab);
                }
            }
        }
        for &host in world.newly_familiar() {
            for tab in world.on_host(host) {
                self.recency.displace(tab.id);
            }
        }
    }

    /// The outcome names the tab by the id it had in the decision. A success changes nothing
    /// here: the tab is held until the log tells that it is discarded, which may come later.
    fn note_outcome(&mut self, world: &World, decided: TabId, ok: bool) {
        if ok {
            return;
        }
        let present = self.orders.iter().find_map(|(&tab, order)| match order {
            Order::Awaiting { decided_as, .. } if *decided_as == decided => Some(tab),
            _ => None,
        });
        if let Some(tab) = present {
            let until_awake = world.moment().awake.saturating_add(REFUSED_MS);
            self.orders.insert(tab, Order::Refused { until_awake });
            self.recency.displace(tab);
        }
    }

    fn lift_refusal(&mut self, tab: TabId) {
        if let Some(Order::Refused { .. }) = self.orders.get(&tab) {
            self.orders.remove(&tab);
            self.recency.displace(tab);
        }
    }

    fn displace_all(&mut self, world: &World) {
        for tab in world.tabs() {
            self.recency.displace(tab.id);
        }
    }

    /// Takes in that something happened to a tab.
    fn touch(&mut self, world: &World, id: TabId) {
        if !(self.orders.is_empty() && self.shadowed.is_empty()) {
            self.review(world, id);
        }
        self.recency.displace(id);
    }

    /// Lets go what was decided on a tab, if it has been used again, or is discarded.
    fn review(&mut self, world: &World, id: TabId) {
        let Some(tab) = world.tab(id) else {
            return;
        };
        if tab.is_shown() || tab.is_discarded {
            self.shadowed.remove(&id);
            self.lift_refusal(id);
        }
        if tab.is_discarded {
            self.orders.remove(&id);
        }
    }

    /// Gives every tab its place, where another was due.
    pub(super) fn settle(&mut self, world: &World) {
        while let Some(tab) = self.recency.next_displaced() {
            self.place(world, tab);
        }
        while let Some(tab) = self.recency.released(world.moment().awake) {
            self.place(world, tab);
        }
    }

    /// The same policy, with every tab in its place.
    pub(crate) fn settled(&self, world: &World) -> Cow<'_, Self> {
        let mut settled = Cow::Borrowed(self);
        if !self.recency.is_settled(world.moment().awake) {
            settled.to_mut().settle(world);
        }
        settled
    }

    /// Puts a tab where it belongs now.
    fn place(&mut self, world: &World, id: TabId) {
        let Some(tab) = world.tab(id) else {
            self.recency.remove(id);
            return;
        };
        if is_guarded(world, tab, &self.document) {
            self.recency.put(id, Place::Guarded);
            return;
        }
        let standing = self.standing(world, id);
        let held_by_order = match standing {
            Some(Standing::Awaiting { until_awake } | Standing::Refused { until_awake }) => {
                Some(until_awake)
            }
            Some(Standing::Shadowed) | None => None,
        };
        let held_by_sound = silent_from_awake(tab).filter(|&from| from > world.moment().awake);
        let place = if let Some(until_awake) = held_by_order.max(held_by_sound) {
            Place::Held { until_awake }
        } else if standing.is_some() {
            Place::Shadowed {
                key: self.key(world, tab),
            }
        } else {
            let (familiarity, key) = (world.familiarity(tab), self.key(world, tab));
            if let Some(ripe_from) = self.ripe_from {
                self.ripe_from = Some(ripe_from.min(self.ripens(key, familiarity)));
            }
            Place::Candidate { familiarity, key }
        };
        self.recency.put(id, place);
    }

    fn key(&self, world: &World, tab: &Tab) -> Key {
        Key {
            idle_since: self.idle_since(world, tab),
            last_active: tab.last_active.on(self.document.ttl_clock),
            tab: tab.id,
        }
    }
}
