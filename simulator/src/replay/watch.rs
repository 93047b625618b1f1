//! Finds discards of tabs that one of our hard guards protects.
//!
//! It goes by [`Books`] of the recording's raw events, and by what is otherwise in the policy's world, and
//! shares no code with the engine's guards, so that a flaw in those is not judged by itself. Where
//! it cannot be sure it does not object: idle time is taken by the log's time, the longest of the
//! three clocks.

use std::collections::BTreeMap;

use engine::{Input, TabId, TabMap};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::books::{Books, Condition, Objection};

/// How long a tab counts as young: 60 s, which no setting shortens.
const YOUNG_MS: i64 = 60_000;

/// The guards, as they are called in reports.
const GUARDS: [&str; 12] = [
    "active",
    "pinned",
    "audible",
    "recently_audible",
    "capturing",
    "unsaved",
    "not_auto_discardable",
    "protected",
    "internal",
    "loading",
    "discarded",
    "young",
];

/// What is said against the discard of a tab that is not there.
const UNKNOWN: &str = "unknown";

/// A guard's name that was read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Name(&'static str);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = String::deserialize(deserializer)?;
        let mut names = GUARDS.into_iter().chain([UNKNOWN]);
        names
            .find(|name| *name == found)
            .map(Self)
            .ok_or_else(|| de::Error::custom(format!("there is no guard called {found:?}")))
    }
}

/// Reads names of guards.
pub(super) fn names<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<&'static str>, D::Error> {
    let names = Vec::<Name>::deserialize(deserializer)?;
    Ok(names.into_iter().map(|name| name.0).collect())
}

/// Reads counts by guard.
pub(super) fn counts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<&'static str, u64>, D::Error> {
    let counts = BTreeMap::<Name, u64>::deserialize(deserializer)?;
    Ok(counts
        .into_iter()
        .map(|(name, count)| (name.0, count))
        .collect())
}

/// What is watched over in a policy's world.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Watch {
    protected_domains: Vec<String>,
    /// To when time has passed without an event, if it has.
    awake_to_ms: Option<i64>,
    /// The pages that are in another condition than the books say, or discarded: what happens to
    /// those there may not happen here.
    pages: TabMap<Condition>,
}

impl Watch {
    /// Starts with an empty world. A domain with a dot before it stands for all below it, too.
    pub(super) fn new(protected_domains: Vec<String>) -> Self {
        Self {
            protected_domains,
            awake_to_ms: None,
            pages: TabMap::default(),
        }
    }

    /// Takes these domains for the protected ones from here on.
    pub(super) fn protect(&mut self, domains: Vec<String>) {
        self.protected_domains = domains;
    }

    /// The host that a tab was last said to show.
    pub(super) fn host_of<'a>(&'a self, books: &'a Books, tab: TabId) -> Option<&'a str> {
        self.page(books, tab)?.host.as_deref()
    }

    /// The guards that a discard of a tab would go against now.
    pub(super) fn objections(&self, books: &Books, tab: TabId) -> Vec<&'static str> {
        let Some(page) = self.page(books, tab) else {
            return vec![UNKNOWN];
        };
        let now_ms = self.now_ms(books);
        let idle_ms = now_ms.saturating_sub(books.in_front_ms(tab, now_ms));
        let passing = [
            (
                books.awake_at(now_ms) < page.sounded_until,
                "recently_audible",
            ),
            (idle_ms < YOUNG_MS, "young"),
        ];
        (self.standing(books, tab, page).into_iter().chain(passing))
            .filter_map(|(holds, name)| holds.then_some(name))
            .collect()
    }

    /// From when on no guard speaks against a discard of a tab (`t_ms`), if nothing else happens;
    /// never where one holds that does not pass with time.
    pub(super) fn free_from(&self, books: &Books, tab: TabId) -> Option<i64> {
        let page = self.page(books, tab)?;
        let standing = self.standing(books, tab, page);
        if standing.iter().any(|&(holds, _)| holds) {
            return None;
        }
        let now_ms = self.now_ms(books);
        let awake = books.awake_at(now_ms);
        let sounds_for_ms = page.sounded_until.saturating_sub(awake).max(0);
        let old_from = (books.in_front_ms(tab, now_ms)).saturating_add(YOUNG_MS);
        Some(now_ms.saturating_add(sounds_for_ms).max(old_from))
    }

    /// The guards that hold until something happens.
    fn standing(&self, books: &Books, tab: TabId, page: &Condition) -> [(bool, &'static str); 10] {
        [
            (books.is_shown(tab), "active"),
            (page.has(Objection::Pinned), "pinned"),
            (page.has(Objection::Audible), "audible"),
            (page.has(Objection::Capturing), "capturing"),
            (page.has(Objection::Unsaved), "unsaved"),
            (page.has(Objection::Forbidden), "not_auto_discardable"),
            (self.is_protected(page), "protected"),
            (page.host.is_none(), "internal"),
            (page.has(Objection::Loading), "loading"),
            (page.has(Objection::Discarded), "discarded"),
        ]
    }

    fn is_protected(&self, page: &Condition) -> bool {
        page.has(Objection::MarkedProtected)
            || page.host.as_deref().is_some_and(|host| {
                (self.protected_domains.iter()).any(|domain| match domain.strip_prefix('.') {
                    Some(top) => host == top || host.ends_with(domain.as_str()),
                    None => host == domain.as_str(),
                })
            })
    }

    /// The page of a tab, as it is here.
    fn page<'a>(&'a self, books: &'a Books, tab: TabId) -> Option<&'a Condition> {
        self.pages.get(tab).or_else(|| books.page(tab))
    }

    /// The log's time, or to when time has passed since.
    fn now_ms(&self, books: &Books) -> i64 {
        let now_ms = books.now_ms();
        (self.awake_to_ms).map_or(now_ms, |awake_to_ms| awake_to_ms.max(now_ms))
    }

    /// Takes in that time has passed, awake and without an event.
    pub(super) fn wake(&mut self, t_ms: i64) {
        self.awake_to_ms = Some(t_ms);
    }

    /// Follows the books over an event. `here` is what happens of it, if anything does.
    #[inline]
    pub(super) fn follow(&mut self, books: &Books, here: Option<&Input>) {
        if !self.pages.is_empty() || books.before().is_some() {
            self.follow_pages(books, here);
        }
    }

    fn follow_pages(&mut self, books: &Books, here: Option<&Input>) {
        match (here, books.before()) {
            (None | Some(Input::TabDiscarded { .. }), Some((tab, before))) => {
                self.pages.get_or_insert_with(*tab, || before.clone());
            }
            (Some(Input::TabReplaced { tab, .. }), Some((old, _))) => {
                self.pages.remove(*tab);
                self.pages.rename(*old, *tab);
            }
            (Some(Input::TabClosed { tab }), _) => drop(self.pages.remove(*tab)),
            (Some(Input::SessionStarted(_) | Input::WindowClosed { .. }), _) => {
                self.pages.retain(|tab, _| books.contains(tab));
            }
            _ => {}
        }
        if let Some(input) = here {
            self.undergo(books, input);
        }
    }

    /// Takes in what happens here alone.
    pub(super) fn happen(&mut self, books: &Books, input: &Input) {
        if let Some(tab) = input.page_in()
            && let Some(there) = books.page(tab)
        {
            self.pages.get_or_insert_with(tab, || there.clone());
            self.undergo(books, input);
        }
    }

    /// Takes in what an input does to the pages that are kept.
    fn undergo(&mut self, books: &Books, input: &Input) {
        let awake = books.awake_at(self.now_ms(books));
        let told = match input {
            Input::SessionStarted(snapshot) => snapshot.tabs.as_slice(),
            Input::TabOpened(told) => std::slice::from_ref(told),
            _ => &[],
        };
        for told in told {
            self.change(books, told.tab, |page| page.learn(told, awake));
        }
        if let Some(tab) = input.page_in() {
            self.change(books, tab, |page| page.undergo(input, awake));
        }
    }

    /// Changes a page that is kept, and lets it go where that makes it what the books say.
    fn change(&mut self, books: &Books, tab: TabId, change: impl FnOnce(&mut Condition)) {
        if let Some(page) = self.pages.get_mut(tab) {
            change(page);
            if !page.has(Objection::Discarded) && books.page(tab) == Some(page) {
                self.pages.remove(tab);
            }
        }
    }
}
