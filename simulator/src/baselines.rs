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

use std::any::Any;
use std::fmt;

use engine::{Orchestrator, Policy, PolicyDocument};
use serde::de::{self, DeserializeOwned, DeserializeSeed, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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

/// A policy of any kind that can be cloned and shared between threads.
pub trait AnyPolicy: Policy + Any + fmt::Debug + Send + Sync {
    /// Clones it into a box.
    fn boxed(&self) -> Box<dyn AnyPolicy>;

    /// Its whole state, to be saved.
    fn save(&self) -> &dyn erased_serde::Serialize;

    /// Makes a policy of the same kind from a saved state.
    ///
    /// # Errors
    /// What is wrong with the state.
    fn restore(
        &self,
        state: &mut dyn erased_serde::Deserializer<'_>,
    ) -> Result<Box<dyn AnyPolicy>, erased_serde::Error>;
}

impl dyn AnyPolicy {
    /// Our own policy, if it is that: the only one that can explain itself.
    pub fn as_ours(&self) -> Option<&Orchestrator> {
        let any: &dyn Any = self;
        any.downcast_ref()
    }
}

/// A policy of a kind that is known here. A box of any policy is none: it would be put into another
/// box, and saved as a kind that there is not.
pub trait Kind:
    Policy + Clone + fmt::Debug + Send + Sync + Serialize + DeserializeOwned + 'static
{
}

macro_rules! kinds {
    ($($kind:ty),+ $(,)?) => { $( impl Kind for $kind {} )+ };
}

kinds!(
    AutoTabDiscard,
    ChromeMemorySaver,
    ChromiumUrgent,
    Clairvoyant,
    EdgeSleeping,
    FirefoxUnloader,
    GreatSuspender,
    Lru,
    Never,
    Orchestrator,
    Original,
    Random,
    RssCap,
    TabSuspender,
    TabWrangler,
    Tabzen,
    Ttl,
);

impl<P: Kind> AnyPolicy for P {
    fn boxed(&self) -> Box<dyn AnyPolicy> {
        Box::new(self.clone())
    }

    fn save(&self) -> &dyn erased_serde::Serialize {
        self
    }

    fn restore(
        &self,
        state: &mut dyn erased_serde::Deserializer<'_>,
    ) -> Result<Box<dyn AnyPolicy>, erased_serde::Error> {
        Ok(Box::new(erased_serde::deserialize::<P>(state)?))
    }
}

/// As its name and its state: the name tells what kind of policy the state is of.
impl Serialize for dyn AnyPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// What [`erased_serde`] makes of a state, as serde wants it.
        struct State<'a>(&'a dyn erased_serde::Serialize);

        impl Serialize for State<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                erased_serde::serialize(self.0, serializer)
            }
        }

        (self.name(), State(self.save())).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Box<dyn AnyPolicy> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple(2, NameAndState)
    }
}

/// Reads what [`AnyPolicy`] is saved as.
struct NameAndState;

impl<'de> Visitor<'de> for NameAndState {
    type Value = Box<dyn AnyPolicy>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a policy's name and its state")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut both: A) -> Result<Self::Value, A::Error> {
        let name: String =
            (both.next_element()?).ok_or_else(|| de::Error::invalid_length(0, &self))?;
        // Its settings are in the state.
        let kind = if name == OURS {
            Some(Orchestrator::new(PolicyDocument::default()).boxed())
        } else {
            named(&name, 0)
        };
        let kind = kind.ok_or_else(|| de::Error::custom(format!("there is no policy {name:?}")))?;
        let policy = (both.next_element_seed(StateOf(&*kind))?)
            .ok_or_else(|| de::Error::invalid_length(1, &self))?;
        if policy.name() != name {
            let found = policy.name();
            return Err(de::Error::custom(format!(
                "the state of {found:?} as that of {name:?}"
            )));
        }
        Ok(policy)
    }
}

/// Reads the state of a policy of this kind.
struct StateOf<'a>(&'a dyn AnyPolicy);

impl<'de> DeserializeSeed<'de> for StateOf<'_> {
    type Value = Box<dyn AnyPolicy>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let mut state = <dyn erased_serde::Deserializer<'_>>::erase(deserializer);
        self.0.restore(&mut state).map_err(de::Error::custom)
    }
}

/// The name of our own policy, whatever its document.
const OURS: &str = "orchestrator";

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
