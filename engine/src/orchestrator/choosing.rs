//! Which tabs go, in what order, and how many.

use std::cmp::Reverse;

use super::{DEFAULT_TAB_BYTES, Orchestrator};
use crate::event::{Level, TabId};
use crate::focus::cluster;
use crate::hosts::FAMILIARITY_MAX;
use crate::pressure::as_f64;
use crate::recency::{Key, Place};
use crate::settings::{Gate, Rank};
use crate::world::World;

/// A tab that is ripe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) key: Key,
    pub(crate) ttl_ms: i64,
    pub(crate) in_focus: bool,
    pub(crate) familiarity: u8,
}

/// How many tabs an attempt takes.
#[derive(Clone, Copy, Debug)]
enum Batch {
    All,
    Count(usize),
    Bytes { wanted: u64, at_most: usize },
}

impl Orchestrator {
    /// The tabs that an attempt takes at a level, in order.
    pub(crate) fn next_batch(&self, world: &World, level: Level) -> Vec<Candidate> {
        let batch = match self.document.gate {
            Gate::Always => Batch::All,
            Gate::Pressure if self.is_reached(level) => self.batch(world, level),
            Gate::Pressure => self.batch(world, Level::Medium),
        };
        self.take(world, batch, |at_most| self.ripe(world, at_most))
    }

    /// The tabs that the user's wish takes, in order: this one, or as many as at HIGH.
    pub(super) fn requested_batch(&self, world: &World, tab: Option<TabId>) -> Vec<Candidate> {
        let batch = match tab {
            Some(_) => Batch::Count(1),
            // Who asks wants something to happen, though the target be reached.
            None => match self.batch(world, Level::High) {
                Batch::Bytes { wanted: 0, .. } => self.batch_of(Level::High),
                batch => batch,
            },
        };
        self.take(world, batch, |at_most| match tab {
            Some(tab) => self.requested_tab(world, tab).into_iter().collect(),
            None => self.requestable(world, at_most),
        })
    }

    /// When a tab becomes ripe at the earliest, on the policy's clock: by the shorter of its two
    /// TTLs, as nobody knows yet what will belong to the cluster then.
    pub(super) fn ripens(&self, key: Key, familiarity: u8) -> i64 {
        let ttl_ms = [false, true].map(|in_focus| self.ttl_ms(in_focus, familiarity));
        key.idle_since.saturating_add(ttl_ms[0].min(ttl_ms[1]))
    }

    /// When the first of all does.
    pub(super) fn first_ripe(&self) -> i64 {
        let firsts = (1..=FAMILIARITY_MAX).filter_map(|familiarity| {
            let first = self.recency.candidates(familiarity).next()?;
            Some(self.ripens(*first, familiarity))
        });
        firsts.min().unwrap_or(i64::MAX)
    }

    /// The ripe tabs in order of rank, or the first of them where the order costs no scan.
    pub(crate) fn ripe(&self, world: &World, at_most: usize) -> Vec<Candidate> {
        let now = world.moment().on(self.document.ttl_clock);
        let members = cluster(world, &self.document);
        let mut found = Vec::new();
        for familiarity in 1..=FAMILIARITY_MAX {
            let ttl_ms = self.ttl_ms(false, familiarity);
            let ripe = (self.recency.candidates(familiarity))
                .take_while(|key| now.saturating_sub(key.idle_since) >= ttl_ms)
                .filter(|key| !members.contains(&key.tab))
                .take(at_most);
            found.extend(ripe.map(|&key| Candidate {
                key,
                ttl_ms,
                in_focus: false,
                familiarity,
            }));
        }
        for &member in &members {
            let Some(Place::Candidate { familiarity, key }) = self.recency.place(member) else {
                continue;
            };
            let ttl_ms = self.ttl_ms(true, familiarity);
            if now.saturating_sub(key.idle_since) >= ttl_ms {
                found.push(Candidate {
                    key,
                    ttl_ms,
                    in_focus: true,
                    familiarity,
                });
            }
        }
        found
    }

    fn requested_tab(&self, world: &World, tab: TabId) -> Option<Candidate> {
        let members = cluster(world, &self.document);
        match self.recency.place(tab)? {
            Place::Candidate { key, .. } | Place::Shadowed { key } => {
                self.requested(world, key, &members)
            }
            Place::Held { .. } | Place::Guarded | Place::Displaced => None,
        }
    }

    /// All tabs that are out of the front for the minimum, shadowed or not, or the first of them
    /// where the order costs no scan.
    fn requestable(&self, world: &World, at_most: usize) -> Vec<Candidate> {
        let members = cluster(world, &self.document);
        let of = |keys: &mut dyn Iterator<Item = &Key>| -> Vec<Candidate> {
            keys.map_while(|key| self.requested(world, *key, &members))
                .take(at_most)
                .collect()
        };
        let mut found = of(&mut self.recency.shadowed());
        for familiarity in 1..=FAMILIARITY_MAX {
            found.extend(of(&mut self.recency.candidates(familiarity)));
        }
        found
    }

    fn requested(&self, world: &World, key: Key, members: &[TabId]) -> Option<Candidate> {
        let now = world.moment().on(self.document.ttl_clock);
        let ttl_ms = self.minimum_ms();
        let tab = world.tab(key.tab)?;
        (now.saturating_sub(key.idle_since) >= ttl_ms).then(|| Candidate {
            key,
            ttl_ms,
            in_focus: members.contains(&key.tab),
            familiarity: world.familiarity(tab),
        })
    }

    fn batch(&self, world: &World, level: Level) -> Batch {
        let metrics = world.metrics();
        let target = self.document.target_free_percent;
        if let (Some(target), Some(total), Some(free)) =
            (target, metrics.ram_total, metrics.free_bytes())
        {
            let wanted = as_f64(total) * target / 100.0 - as_f64(free);
            return Batch::Bytes {
                wanted: to_bytes(wanted),
                at_most: self.document.batch_max as usize,
            };
        }
        self.batch_of(level)
    }

    fn batch_of(&self, level: Level) -> Batch {
        let count = match level {
            Level::High => self.document.batch_high,
            Level::Medium | Level::Low => self.document.batch_medium,
        };
        Batch::Count(count as usize)
    }

    /// Orders what `find` finds and takes the batch from its head.
    fn take(
        &self,
        world: &World,
        batch: Batch,
        find: impl FnOnce(usize) -> Vec<Candidate>,
    ) -> Vec<Candidate> {
        let at_most = match batch {
            Batch::All => usize::MAX,
            Batch::Count(count) | Batch::Bytes { at_most: count, .. } => count,
        };
        let mut found = match self.document.rank {
            Rank::Lru => find(at_most),
            Rank::Largest => find(usize::MAX),
        };
        self.sort(world, &mut found);
        found.truncate(at_most);
        if let Batch::Bytes { mut wanted, .. } = batch {
            let needed = found.iter().take_while(|candidate| {
                let is_needed = wanted > 0;
                wanted = wanted.saturating_sub(self.expected_bytes_of(world, candidate));
                is_needed
            });
            let count = needed.count();
            found.truncate(count);
        }
        found
    }

    pub(crate) fn sort(&self, world: &World, found: &mut [Candidate]) {
        match self.document.rank {
            Rank::Lru => found.sort_unstable_by_key(|candidate| candidate.key),
            Rank::Largest => found.sort_by_cached_key(|candidate| {
                (
                    Reverse(self.expected_bytes_of(world, candidate)),
                    candidate.key.tab,
                )
            }),
        }
    }

    fn expected_bytes_of(&self, world: &World, candidate: &Candidate) -> u64 {
        let tab = world.tab(candidate.key.tab);
        tab.map_or(DEFAULT_TAB_BYTES, |tab| self.expected_bytes(world, tab))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of the machine's memory; what is negative becomes 0"
)]
fn to_bytes(bytes: f64) -> u64 {
    bytes as u64
}
