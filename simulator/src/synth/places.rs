//! Where a person goes: sites that they know, by Zipf's law, sites that they left of late, and new
//! ones.
//!
//! Returns are not drawn from a table of gaps. A site that was left sinks in the list of recent
//! ones as others are left after it, and falls out of it in time; what the person knows comes back
//! day after day. Memory is bounded by both lists, however many sites were seen.

use std::collections::{BTreeMap, VecDeque};

use super::draw::Draw;
use super::profile::{Habits, SiteClass};
use super::rounding::{whole, whole_ms};

/// How many sites are told apart by how recently they were left.
const RECENT_SITES: usize = 48;

/// A site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Site {
    /// The index of its class.
    pub(super) class: usize,
    /// Its number among all that the person ever saw.
    pub(super) number: u32,
    /// Whether nothing but an open tab leads back to it.
    pub(super) is_passing: bool,
}

/// Where to go next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// To this site.
    Site(Site),
    /// To some tab that is open.
    OpenTab,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Recent,
    Known,
    New,
    OpenTab,
}

/// The sites of a person.
#[derive(Clone, Debug)]
pub(super) struct Places {
    ways: [(Way, f64); 4],
    begin_known: f64,
    worth_returning: f64,
    recent_ms: i64,
    drift_ms: f64,
    until_drift_ms: f64,
    /// Weights of classes among new sites.
    new_classes: Vec<(usize, f64)>,
    known: Vec<Site>,
    /// Sums of the known sites' weights up to each.
    known_up_to: Vec<f64>,
    /// The same of recent sites.
    recent_up_to: Vec<f64>,
    /// Sites with the time that they were left, the last one first.
    recent: VecDeque<(Site, i64)>,
    next_number: u32,
    draw: Draw,
}

impl Places {
    pub(super) fn new(
        habits: &Habits,
        classes: &BTreeMap<String, SiteClass>,
        mut draw: Draw,
    ) -> Self {
        let weights = |weight: fn(&SiteClass) -> f64| -> Vec<(usize, f64)> {
            classes.values().map(weight).enumerate().collect()
        };
        let known_sites = u32::try_from(whole(habits.known_sites)).unwrap_or(u32::MAX);
        let known_classes = weights(|class| class.known);
        let known: Vec<Site> = (1..=known_sites)
            .map(|number| Site {
                class: draw.choose(&known_classes),
                number,
                is_passing: false,
            })
            .collect();
        let powers = |count: usize, power: f64| -> Vec<f64> {
            let mut sum = 0.0;
            let ranks = (1..=count).map(|rank| {
                sum += libm::pow(rank as f64, -power);
                sum
            });
            ranks.collect()
        };
        let drift_ms = habits.drift_hours * 3_600_000.0;
        Self {
            ways: [
                (Way::Recent, habits.recent),
                (Way::Known, habits.known),
                (Way::New, habits.new),
                (Way::OpenTab, habits.open_tab),
            ],
            begin_known: habits.begin_known,
            worth_returning: habits.worth_returning,
            recent_ms: whole_ms(habits.recent_hours * 3_600_000.0),
            drift_ms,
            until_drift_ms: draw.exponential(drift_ms),
            new_classes: weights(|class| class.new),
            known_up_to: powers(known.len(), habits.zipf),
            recent_up_to: powers(RECENT_SITES, habits.recent_power),
            recent: VecDeque::with_capacity(RECENT_SITES + 1),
            next_number: known_sites + 1,
            known,
            draw,
        }
    }

    /// Draws where to go from here.
    pub(super) fn next(&mut self, from: Option<Site>, t_ms: i64) -> Choice {
        let way = self.draw.choose(&self.ways);
        let site = match way {
            Way::OpenTab => return Choice::OpenTab,
            Way::Recent => self.recent(from, t_ms).unwrap_or_else(|| self.known()),
            Way::Known => self.known(),
            Way::New => self.unseen(),
        };
        // Who meant to go where they are goes on to something new.
        Choice::Site(if Some(site) == from {
            self.unseen()
        } else {
            site
        })
    }

    /// Draws where a session begins.
    pub(super) fn first(&mut self, from: Option<Site>, t_ms: i64) -> Choice {
        if self.draw.happens(self.begin_known) {
            Choice::Site(self.known())
        } else {
            self.next(from, t_ms)
        }
    }

    /// Draws a site that the person knows.
    pub(super) fn known(&mut self) -> Site {
        let index = below(&self.known_up_to, &mut self.draw);
        self.known[index]
    }

    /// Draws a site never seen.
    pub(super) fn unseen(&mut self) -> Site {
        let number = self.next_number;
        self.next_number = number.saturating_add(1);
        Site {
            class: self.draw.choose(&self.new_classes),
            number,
            is_passing: !self.draw.happens(self.worth_returning),
        }
    }

    /// Notes that a site is left after so long.
    pub(super) fn leave(&mut self, site: Site, t_ms: i64, stay_ms: i64) {
        self.drift(stay_ms);
        if site.is_passing {
            return;
        }
        if let Some(index) = self.recent.iter().position(|&(recent, _)| recent == site) {
            self.recent.remove(index);
        }
        self.recent.push_front((site, t_ms));
        self.recent.truncate(RECENT_SITES);
    }

    fn recent(&mut self, from: Option<Site>, t_ms: i64) -> Option<Site> {
        let since_ms = t_ms - self.recent_ms;
        let fresh = self
            .recent
            .partition_point(|&(_, left_ms)| left_ms >= since_ms);
        if fresh == 0 {
            return None;
        }
        let index = below(&self.recent_up_to[..fresh], &mut self.draw);
        let (site, _) = self.recent[index];
        if Some(site) != from {
            return Some(site);
        }
        // The one left before it, if there is any.
        (index + 1 < fresh).then(|| self.recent[index + 1].0)
    }

    /// Interests change: one known site makes room for another.
    fn drift(&mut self, used_ms: i64) {
        self.until_drift_ms -= used_ms as f64;
        if self.until_drift_ms > 0.0 {
            return;
        }
        self.until_drift_ms = self.draw.exponential(self.drift_ms);
        let index = self.draw.index(self.known.len());
        let number = self.next_number;
        self.next_number = number.saturating_add(1);
        self.known[index].number = number;
    }
}

/// Draws an index by weights of which the sums up to each are given. There is one at least.
fn below(sums: &[f64], draw: &mut Draw) -> usize {
    let drawn = sums[sums.len() - 1] * draw.share();
    sums.partition_point(|&sum| sum <= drawn)
        .min(sums.len() - 1)
}
