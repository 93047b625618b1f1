//! Policies to compare ours with, each behind the same [`Policy`] trait.
//!
//! One file a policy, in the same order of items: what it is taken from and what is peculiar to
//! it; its constants, each with its source; the policy; its tests. They run on the engine's world,
//! which knows none of their quirks, so each brings its own guards, timing and clock. What a trace
//! cannot tell one is listed by [`Policy::not_observable`].

mod asked;
mod auto_tab_discard;
mod chrome_memory_saver;
mod chromium;
mod chromium_urgent;
mod clairvoyant;
mod edge_sleeping;
mod firefox_unloader;
mod fronts;
mod great_suspender;
mod lru;
mod never;
mod original;
mod random;
mod rss_cap;
#[cfg(test)]
mod scene;
mod tab_suspender;
mod tab_wrangler;
mod tabzen;
mod ticks;
mod timers;
mod ttl;

use std::fmt;

use engine::Policy;

pub use auto_tab_discard::AutoTabDiscard;
pub use chrome_memory_saver::{ChromeMemorySaver, Eagerness};
pub use chromium_urgent::ChromiumUrgent;
pub use clairvoyant::{Clairvoyant, Planned};
pub use edge_sleeping::EdgeSleeping;
pub use firefox_unloader::FirefoxUnloader;
pub use great_suspender::GreatSuspender;
pub use lru::Lru;
pub use never::Never;
pub use original::Original;
pub use random::Random;
pub use rss_cap::RssCap;
pub use tab_suspender::TabSuspender;
pub use tab_wrangler::TabWrangler;
pub use tabzen::Tabzen;
pub use ttl::Ttl;

/// A policy of any kind that can be cloned and sent to another thread.
pub trait AnyPolicy: Policy + fmt::Debug + Send {
    /// Clones it into a box.
    fn boxed(&self) -> Box<dyn AnyPolicy>;
}

impl<P: Policy + Clone + fmt::Debug + Send + 'static> AnyPolicy for P {
    fn boxed(&self) -> Box<dyn AnyPolicy> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn AnyPolicy> {
    fn clone(&self) -> Self {
        (**self).boxed()
    }
}

/// The names that [`named`] knows, with what each does. N stands for a number.
pub const NAMES: [(&str, &str); 18] = [
    ("never", "nothing is discarded"),
    ("ttl-N", "blind timer of N minutes"),
    ("lru-N", "N tabs stay loaded"),
    ("original-2026", "tab-memory-orchestrator, as it ships"),
    ("original-2026-focus", "the same with focus mode"),
    (
        "chrome-memory-saver-conservative",
        "Chrome's timer, 6 hours",
    ),
    ("chrome-memory-saver-medium", "Chrome's timer, 4 hours"),
    ("chrome-memory-saver-aggressive", "Chrome's timer, 2 hours"),
    ("chromium-urgent", "Chromium under critical pressure"),
    ("firefox-unloader", "Firefox when memory runs out"),
    ("auto-tab-discard", "Auto Tab Discard, as it ships"),
    ("great-suspender", "The Great Suspender, as it ships"),
    ("tab-wrangler", "Tab Wrangler, discarding instead"),
    ("tab-suspender", "Tab Suspender, as it ships"),
    ("tabzen", "TabZen, as it ships"),
    ("edge-sleeping", "what Edge discards of sleeping tabs"),
    ("rss-cap", "the largest tabs, above 2 GB"),
    ("random", "by chance, by --seed"),
];

/// Finds a baseline by its name. The seed is for those that [draw](is_drawing).
pub fn named(name: &str, seed: u64) -> Option<Box<dyn AnyPolicy>> {
    let memory_saver = |eagerness| Box::new(ChromeMemorySaver::new(eagerness));
    Some(match name {
        "never" => Box::new(Never),
        "original-2026" => Box::new(Original::new(false)),
        "original-2026-focus" => Box::new(Original::new(true)),
        "chrome-memory-saver-conservative" => memory_saver(Eagerness::Conservative),
        "chrome-memory-saver-medium" => memory_saver(Eagerness::Medium),
        "chrome-memory-saver-aggressive" => memory_saver(Eagerness::Aggressive),
        "chromium-urgent" => Box::new(ChromiumUrgent::new()),
        "firefox-unloader" => Box::new(FirefoxUnloader::new()),
        "auto-tab-discard" => Box::new(AutoTabDiscard::new()),
        "great-suspender" => Box::new(GreatSuspender::new()),
        "tab-wrangler" => Box::new(TabWrangler::new()),
        "tab-suspender" => Box::new(TabSuspender::new()),
        "tabzen" => Box::new(Tabzen::new()),
        "edge-sleeping" => Box::new(EdgeSleeping::new()),
        "rss-cap" => Box::new(RssCap::new()),
        "random" => Box::new(Random::new(seed)),
        _ => return numbered(name),
    })
}

/// Whether a baseline draws random numbers.
pub fn is_drawing(name: &str) -> bool {
    name == "random"
}

/// Finds a baseline whose name ends in a number: minutes or tabs, from 1.
fn numbered(name: &str) -> Option<Box<dyn AnyPolicy>> {
    let (family, number) = name.rsplit_once('-')?;
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    let number = is_plain.then_some(number)?;
    Some(match family {
        "ttl" => Box::new(Ttl::new(number.parse().ok()?)),
        "lru" => Box::new(Lru::new(number.parse().ok()?)),
        _ => return None,
    })
}
