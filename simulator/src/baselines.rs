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
use std::ops::RangeInclusive;
use std::slice;

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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no policy that is known by name",
    note = "a new baseline is put into `kinds!` and `ALL` in simulator/src/baselines.rs"
)]
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

/// A baseline, as it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Baseline {
    /// What it is called. N at its end stands for one of [`NUMBERS`].
    pub name: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    make: Make,
}

/// How a baseline is made.
#[derive(Clone, Copy, Debug)]
enum Make {
    Alone(fn() -> Box<dyn AnyPolicy>),
    /// From the seed that it draws from.
    Drawing(fn(u64) -> Box<dyn AnyPolicy>),
    /// From the number at the end of its name.
    Numbered {
        counts: &'static str,
        compared: &'static [&'static str],
        of: fn(u16) -> Box<dyn AnyPolicy>,
    },
}

/// What N can be in a name.
pub const NUMBERS: RangeInclusive<u16> = 1..=u16::MAX;

/// Every baseline, in the order in which they are listed and compared.
pub static ALL: &[Baseline] = &[
    Baseline {
        name: "ttl-N",
        about: "blind timer of N minutes",
        make: Make::Numbered {
            counts: "minutes",
            compared: &["ttl-5", "ttl-15", "ttl-60"],
            of: |minutes| Box::new(Ttl::new(minutes)),
        },
    },
    Baseline {
        name: "lru-N",
        about: "N tabs stay loaded",
        make: Make::Numbered {
            counts: "tabs",
            compared: &["lru-10", "lru-20"],
            of: |loaded_max| Box::new(Lru::new(loaded_max)),
        },
    },
    Baseline {
        name: "original-2026",
        about: "tab-memory-orchestrator, as it ships",
        make: Make::Alone(|| Box::new(Original::new(false))),
    },
    Baseline {
        name: "original-2026-focus",
        about: "the same with focus mode",
        make: Make::Alone(|| Box::new(Original::new(true))),
    },
    Baseline {
        name: "chrome-memory-saver-conservative",
        about: "Chrome's timer, 6 hours",
        make: Make::Alone(|| Box::new(ChromeMemorySaver::new(Eagerness::Conservative))),
    },
    Baseline {
        name: "chrome-memory-saver-medium",
        about: "Chrome's timer, 4 hours",
        make: Make::Alone(|| Box::new(ChromeMemorySaver::new(Eagerness::Medium))),
    },
    Baseline {
        name: "chrome-memory-saver-aggressive",
        about: "Chrome's timer, 2 hours",
        make: Make::Alone(|| Box::new(ChromeMemorySaver::new(Eagerness::Aggressive))),
    },
    Baseline {
        name: "chromium-urgent",
        about: "Chromium under critical pressure",
        make: Make::Alone(|| Box::new(ChromiumUrgent::new())),
    },
    Baseline {
        name: "firefox-unloader",
        about: "Firefox when memory runs out",
        make: Make::Alone(|| Box::new(FirefoxUnloader::new())),
    },
    Baseline {
        name: "auto-tab-discard",
        about: "Auto Tab Discard, as it ships",
        make: Make::Alone(|| Box::new(AutoTabDiscard::new())),
    },
    Baseline {
        name: "great-suspender",
        about: "The Great Suspender, as it ships",
        make: Make::Alone(|| Box::new(GreatSuspender::new())),
    },
    Baseline {
        name: "tab-wrangler",
        about: "Tab Wrangler, discarding instead",
        make: Make::Alone(|| Box::new(TabWrangler::new())),
    },
    Baseline {
        name: "tab-suspender",
        about: "Tab Suspender, as it ships",
        make: Make::Alone(|| Box::new(TabSuspender::new())),
    },
    Baseline {
        name: "tabzen",
        about: "TabZen, as it ships",
        make: Make::Alone(|| Box::new(Tabzen::new())),
    },
    Baseline {
        name: "edge-sleeping",
        about: "what Edge discards of sleeping tabs",
        make: Make::Alone(|| Box::new(EdgeSleeping::new())),
    },
    Baseline {
        name: "rss-cap",
        about: "the largest tabs, above 2 GB",
        make: Make::Alone(|| Box::new(RssCap::new())),
    },
    Baseline {
        name: "random",
        about: "by chance, by --seed",
        make: Make::Drawing(|seed| Box::new(Random::new(seed))),
    },
    Baseline {
        name: "never",
        about: "nothing is discarded",
        make: Make::Alone(|| Box::new(Never)),
    },
];

impl Baseline {
    /// The names under which it takes part where all policies are compared.
    pub fn compared(&self) -> &[&'static str] {
        match self.make {
            Make::Alone(_) | Make::Drawing(_) => slice::from_ref(&self.name),
            Make::Numbered { compared, .. } => compared,
        }
    }

    /// What the number counts that a name ends in which begins as this one's: "minutes".
    pub fn counts(&self, name: &str) -> Option<&'static str> {
        match self.make {
            Make::Alone(_) | Make::Drawing(_) => None,
            Make::Numbered { counts, .. } => self.number(name).map(|_| counts),
        }
    }

    /// What stands in a name where its own has the N.
    fn number<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(self.name.strip_suffix('N')?)
    }

    fn make(&self, name: &str, seed: u64) -> Option<Box<dyn AnyPolicy>> {
        match self.make {
            Make::Alone(make) => (name == self.name).then(make),
            Make::Drawing(make) => (name == self.name).then(|| make(seed)),
            Make::Numbered { of, .. } => {
                let text = self.number(name)?;
                let number = text.parse().ok().filter(|it| NUMBERS.contains(it))?;
                // The parser takes «+5» and «05» as well.
                (number.to_string() == text).then(|| of(number))
            }
        }
    }
}

/// Finds a baseline by its name. The seed is for those that [draw](is_drawing).
pub fn named(name: &str, seed: u64) -> Option<Box<dyn AnyPolicy>> {
    ALL.iter().find_map(|it| it.make(name, seed))
}

/// Whether a baseline draws random numbers.
pub fn is_drawing(name: &str) -> bool {
    let mut drawing = ALL.iter().filter(|it| matches!(it.make, Make::Drawing(_)));
    drawing.any(|it| it.name == name)
}
