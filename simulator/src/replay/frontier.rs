//! The clairvoyant frontier: the most that can be saved with each number of reloads.
//!
//! A tab can be gone from when the last guard lets it go until it is needed again, is closed, or
//! the trace ends. Such times do not touch each other, and each saves what it saves whatever
//! becomes of the others, at the price of one reload if the tab is needed again and of none if it
//! is not. So with at most R reloads the best is all of those without a return, and the R with one
//! that save most: exact, for every R at once.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::score::gib_h;

/// What a clairvoyant saves at most, by the number of reloads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Savings", into = "Savings")]
pub struct Frontier {
    /// What is saved by tabs that are never needed again, in byte-milliseconds.
    without_return: u128,
    /// What each tab saves until it is needed again, the most first.
    returns: Vec<u128>,
    /// What is saved with at most as many reloads as the index says.
    saved: Vec<u128>,
}

/// A frontier as it is written: what it is made of, in byte-milliseconds.
#[derive(Clone, Serialize, Deserialize)]
struct Savings {
    without_return: u128,
    returns: Vec<u128>,
}

impl From<Savings> for Frontier {
    fn from(savings: Savings) -> Self {
        Self::new(savings.without_return, savings.returns)
    }
}

impl From<Frontier> for Savings {
    fn from(frontier: Frontier) -> Self {
        Self {
            without_return: frontier.without_return,
            returns: frontier.returns,
        }
    }
}

/// A point of the frontier.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// How many reloads it takes.
    pub reloads: u64,
    /// What it saves, in GiB·h of the active clock.
    pub saved_gib_h: f64,
}

impl Frontier {
    /// Makes it of what can be saved without a return and until each return, in
    /// byte-milliseconds.
    pub(super) fn new(without_return: u128, mut returns: Vec<u128>) -> Self {
        // Whoever is gone for nothing is not worth a reload.
        returns.retain(|&saved| saved > 0);
        returns.sort_unstable_by_key(|&saved| Reverse(saved));
        let sums = returns.iter().scan(without_return, |sum, &saved| {
            *sum = sum.saturating_add(saved);
            Some(*sum)
        });
        Self {
            without_return,
            saved: std::iter::once(without_return).chain(sums).collect(),
            returns,
        }
    }

    /// What is saved at most with so many reloads, in GiB·h of the active clock.
    pub fn saved_gib_h(&self, reloads: u64) -> f64 {
        gib_h(self.saved_byte_ms(reloads))
    }

    /// Every point at which another reload saves more, from 0 reloads on.
    pub fn points(&self) -> impl Iterator<Item = Point> {
        (0..).zip(&self.saved).map(|(reloads, &saved)| Point {
            reloads,
            saved_gib_h: gib_h(saved),
        })
    }

    /// The number of reloads beyond which nothing more is saved.
    pub fn reloads_max(&self) -> u64 {
        self.returns.len() as u64
    }

    /// Spends so many reloads on several traces, where they save most, and tells how many that is
    /// for each.
    pub fn spent(each: &[Self], reloads: u64) -> Vec<u64> {
        let returns = |(trace, frontier): (usize, &'_ Self)| {
            let returns = frontier.returns.iter();
            returns
                .map(|&saved| (Reverse(saved), trace))
                .collect::<Vec<_>>()
        };
        let mut returns: Vec<_> = each.iter().enumerate().flat_map(returns).collect();
        returns.sort_unstable();
        let mut spent = vec![0; each.len()];
        for (_, trace) in returns
            .into_iter()
            .take(usize::try_from(reloads).unwrap_or(usize::MAX))
        {
            spent[trace] += 1;
        }
        spent
    }

    /// Takes the frontier of another trace in: the reloads are spent where they save most.
    #[must_use]
    pub fn pooled(self, other: &Self) -> Self {
        let mut returns = self.returns;
        returns.extend_from_slice(&other.returns);
        let without_return = self.without_return.saturating_add(other.without_return);
        Self::new(without_return, returns)
    }

    pub(super) fn saved_byte_ms(&self, reloads: u64) -> u128 {
        let index = usize::try_from(reloads).unwrap_or(usize::MAX);
        let at_most = self.saved.get(index).or(self.saved.last());
        at_most.copied().unwrap_or_default()
    }

    /// The fewest reloads with which so much is saved. More than all cannot be asked for.
    pub(super) fn reloads_for(&self, saved_byte_ms: u128) -> u64 {
        (self.saved.partition_point(|&saved| saved < saved_byte_ms) as u64).min(self.reloads_max())
    }
}
