//! What tabs weigh, and what the machine would have shown with other discards than the recorded.
//!
//! What a tab weighs at a moment follows from the recording alone, and from lines before that
//! moment only; so it is the same for every policy. Nothing here is kept beyond the open tabs.

use engine::{Change, DEFAULT_TAB_BYTES, DiscardedBy, Input, Metrics, Tab, TabId, TabMap, World};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Beyond this difference from the recorded memory, stall time, swap and the operating system's
/// signals say nothing of the machine as it would have been: 2 % of its RAM.
pub const WITHHELD_BEYOND_PERCENT: u8 = 2;

/// Where the bytes of a tab are from. The first that is there is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The last `tab_memory` of the tab on this page.
    Tab,
    /// The median of what discards on its host freed so far.
    Host,
    /// The last reading of the browser's memory, over the tabs that were loaded then.
    Mean,
    /// [`DEFAULT_TAB_BYTES`]: what Chromium assumes.
    Default,
}

impl Source {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Tab, Self::Host, Self::Mean, Self::Default];

    /// What it is called, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tab => "measured on the tab",
            Self::Host => "its host's median",
            Self::Mean => "the browser's mean",
            Self::Default => "the default",
        }
    }
}

/// What the tabs of a recording weigh.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub(super) struct Weights {
    reading: Option<Reading>,
    accounts: TabMap<Account>,
    ram_total: Option<u64>,
    #[serde(skip)]
    sums: Sums,
    tab_count: u64,
    /// What all tabs weighed in the background so far, up to `counted_to` of the active clock.
    background_byte_ms: u128,
    counted_to: i64,
    /// What the tabs weighed that went with the last line.
    #[serde(skip)]
    gone: Vec<(TabId, Weighed)>,
    /// What tabs weigh before they are fitted: room for one reading after the other.
    #[serde(skip)]
    raw: Vec<(u64, Source)>,
    #[serde(skip)]
    changed: Changed,
}

/// Which accounts the last line changed.
#[derive(Clone, Debug, Default)]
struct Changed {
    tabs: Vec<TabId>,
    are_all: bool,
}

/// What a tab weighed in the background until now: it follows from the recording alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Weighed {
    /// Which of the tabs of the recording it is, in the order in which they appeared.
    pub(super) serial: u64,
    /// Its bytes while it was in the background and nobody but a policy had discarded it, over
    /// the active clock.
    pub(super) byte_ms: u128,
}

/// A reading of the browser's memory, and the tabs that were loaded then.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Reading {
    browser_bytes: u64,
    loaded_count: u64,
    /// What the loaded tabs came to before they were fitted.
    loaded_bytes: u128,
}

/// What one tab weighs and where it counts.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Account {
    /// Which of the tabs of the recording it is, in the order in which they appeared.
    serial: u64,
    /// What it weighed in the background so far, up to `counted_to`.
    background_byte_ms: u128,
    /// Up to when that is counted, on the active clock.
    counted_to: i64,
    standing: Standing,
}

/// How a tab stands since then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    bytes: u64,
    source: Source,
    presence: Presence,
    is_in_background: bool,
}

/// How a tab is in the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Presence {
    Loaded,
    DiscardedByPolicy,
    /// By the browser, the user or another extension; or never loaded.
    DiscardedByOther,
}

/// Bytes over all tabs, at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    /// Of tabs in the background that nobody but a policy has discarded.
    background: i128,
    /// What the recorded policy's discards free.
    freed_by_policy: i128,
    /// How many tabs are loaded.
    loaded_count: i64,
}

impl Account {
    /// What the tab weighs.
    pub(super) fn bytes(&self) -> u64 {
        self.standing.bytes
    }

    /// Where that is from.
    pub(super) fn source(&self) -> Source {
        self.standing.source
    }

    /// Whether it is loaded in the recording.
    pub(super) fn is_loaded(&self) -> bool {
        self.standing.presence == Presence::Loaded
    }

    /// Whether its bytes are there for a policy to save.
    pub(super) fn can_be_saved(&self) -> bool {
        self.standing.can_be_saved()
    }

    /// What it weighed in the background up to a moment of the active clock, at which it still
    /// stands as it does.
    fn background_byte_ms(&self, active: i64) -> u128 {
        let bytes = if self.can_be_saved() { self.bytes() } else { 0 };
        let passed = byte_ms(bytes.into(), self.counted_to, active);
        self.background_byte_ms.saturating_add(passed)
    }

    /// Lets it stand otherwise from a moment of the active clock on.
    fn restand(&mut self, standing: Standing, active: i64) {
        self.background_byte_ms = self.background_byte_ms(active);
        self.counted_to = active;
        self.standing = standing;
    }
}

impl Standing {
    fn can_be_saved(&self) -> bool {
        self.is_in_background && self.presence != Presence::DiscardedByOther
    }
}

impl Sums {
    fn count(&mut self, standing: &Standing, sign: i64) {
        let bytes = i128::from(sign) * i128::from(standing.bytes);
        if standing.presence == Presence::Loaded {
            self.loaded_count += sign;
        }
        if standing.can_be_saved() {
            self.background += bytes;
        }
        if standing.presence == Presence::DiscardedByPolicy {
            self.freed_by_policy += bytes;
        }
    }
}

/// So many bytes over a time. What is negative counts as none.
pub(super) fn byte_ms(bytes: i128, from_ms: i64, to_ms: i64) -> u128 {
    let passed_ms = to_ms.saturating_sub(from_ms).max(0).unsigned_abs();
    match u64::try_from(bytes) {
        // The same, without the care that more than 2^64 bytes take.
        Ok(bytes) => u128::from(bytes) * u128::from(passed_ms),
        Err(_) => {
            let bytes = bytes.max(0).unsigned_abs();
            bytes.saturating_mul(passed_ms.into())
        }
    }
}

impl Serialize for Weights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Weights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut weights = Self::deserialize(deserializer)?;
        for account in weights.accounts.values() {
            weights.sums.count(&account.standing, 1);
        }
        Ok(weights)
    }
}

impl Weights {
    /// The account of a tab of the recording.
    pub(super) fn account(&self, tab: TabId) -> Option<&Account> {
        self.accounts.get(tab)
    }

    /// The tabs whose accounts the last line changed, opened or closed, unless it were all.
    pub(super) fn changed(&self) -> &[TabId] {
        &self.changed.tabs
    }

    /// Whether the last line may have changed what any tab weighs.
    pub(super) fn are_all_changed(&self) -> bool {
        self.changed.are_all
    }

    /// What a tab of the recording weighed in the background up to a moment of the active clock,
    /// which is no earlier than the last change.
    pub(super) fn weighed(&self, tab: TabId, active: i64) -> Option<Weighed> {
        self.accounts.get(tab).map(|account| Weighed {
            serial: account.serial,
            byte_ms: account.background_byte_ms(active),
        })
    }

    /// The same of a tab that went with the last line.
    pub(super) fn weighed_when_gone(&self, tab: TabId) -> Option<Weighed> {
        let gone = self.gone.iter().rev().find(|(gone, _)| *gone == tab);
        gone.map(|&(_, weighed)| weighed)
    }

    /// What all tabs weighed in the background up to a moment of the active clock at which nothing
    /// has changed yet, in byte-milliseconds.
    pub(super) fn background_byte_ms(&self, active: i64) -> u128 {
        let passed = byte_ms(self.sums.background, self.counted_to, active);
        self.background_byte_ms.saturating_add(passed)
    }

    /// Adds up what lies between the last change and this moment of the active clock.
    fn pass(&mut self, active: i64) {
        self.background_byte_ms = self.background_byte_ms(active);
        self.counted_to = active;
    }

    /// Follows what an event did to the tabs of the recording.
    pub(super) fn follow(&mut self, input: &Input, recorded: &World) {
        self.gone.clear();
        self.changed.tabs.clear();
        self.changed.are_all = false;
        // What a page does by itself, and which window is used, changes no tab's weight.
        if let Input::TabLoaded { .. } | Input::TabChanged { .. } | Input::WindowFocused { .. } =
            input
        {
            return;
        }
        let active = recorded.moment().active;
        for &change in recorded.changes() {
            match change {
                Change::Tab(tab) => self.revalue(tab, recorded),
                Change::Renamed { old, new } => {
                    self.forget(new, active);
                    self.accounts.rename(old, new);
                    self.changed.tabs.extend([old, new]);
                    self.revalue(new, recorded);
                }
                Change::Gone(tab) => {
                    if let Some(weighed) = self.weighed(tab, active) {
                        self.gone.push((tab, weighed));
                    }
                    self.forget(tab, active);
                    self.revalue(tab, recorded);
                }
            }
        }
    }

    /// Notes who discarded a tab.
    pub(super) fn note_discard(&mut self, tab: TabId, by: DiscardedBy, recorded: &World) {
        let presence = match by {
            DiscardedBy::Orchestrator => Presence::DiscardedByPolicy,
            DiscardedBy::Other => Presence::DiscardedByOther,
        };
        self.revalue_as(tab, Some(presence), recorded);
    }

    /// Looks at a tab anew, after something happened to it.
    pub(super) fn revalue(&mut self, tab: TabId, recorded: &World) {
        self.revalue_as(tab, None, recorded);
    }

    /// The same. A tab that is discarded is so as it was before, unless it is said how.
    fn revalue_as(&mut self, id: TabId, discarded: Option<Presence>, recorded: &World) {
        let active = recorded.moment().active;
        let Some(tab) = recorded.tab(id) else {
            self.forget(id, active);
            return;
        };
        let before = self.accounts.get(id).map(|account| account.standing);
        let was = before.map(|before| before.presence);
        let presence = if tab.is_discarded {
            let as_before = was.filter(|&was| was == Presence::DiscardedByPolicy);
            discarded
                .or(as_before)
                .unwrap_or(Presence::DiscardedByOther)
        } else {
            Presence::Loaded
        };
        let (raw_bytes, source) = self.raw_bytes(recorded, tab);
        let standing = Standing {
            bytes: fitted(self.reading, raw_bytes, source, presence),
            source,
            presence,
            is_in_background: !tab.is_shown(),
        };
        if before == Some(standing) {
            return;
        }
        self.pass(active);
        match before {
            Some(before) => self.sums.count(&before, -1),
            None => self.tab_count += 1,
        }
        self.sums.count(&standing, 1);
        let serial = self.tab_count.saturating_sub(1);
        let account = self.accounts.get_or_insert_with(id, || Account {
            serial,
            background_byte_ms: 0,
            counted_to: active,
            standing,
        });
        account.restand(standing, active);
        self.changed.tabs.push(id);
    }

    /// Closes a tab's account.
    fn forget(&mut self, id: TabId, active: i64) {
        if let Some(account) = self.accounts.remove(id) {
            self.pass(active);
            self.sums.count(&account.standing, -1);
            self.changed.tabs.push(id);
        }
    }

    /// Weighs every tab anew, after something that all may rest on. Nothing else about them has
    /// changed.
    pub(super) fn reweigh(&mut self, recorded: &World) {
        self.weigh_raw(recorded);
        self.fit(recorded.moment().active);
    }

    /// Takes in a sample of the recording, once policies have seen what [`Weights::shown`] makes
    /// of it.
    pub(super) fn sample(&mut self, metrics: &Metrics, recorded: &World) {
        self.ram_total = metrics.ram_total.or(self.ram_total);
        let Some(browser_bytes) = metrics.browser_pss else {
            return;
        };
        let mut reading = Reading {
            browser_bytes,
            loaded_count: self.sums.loaded_count.unsigned_abs(),
            loaded_bytes: 0,
        };
        self.reading = Some(reading);
        reading.loaded_bytes = self.weigh_raw(recorded);
        self.reading = Some(reading);
        self.fit(recorded.moment().active);
    }

    /// Works out what each tab weighs before it is fitted, in the order of their ids. Returns what the
    /// loaded ones come to.
    fn weigh_raw(&mut self, recorded: &World) -> u128 {
        let mut raw = std::mem::take(&mut self.raw);
        raw.clear();
        let mut loaded_bytes = 0;
        for tab in recorded.tabs() {
            let (bytes, source) = self.raw_bytes(recorded, tab);
            loaded_bytes += if tab.is_discarded {
                0
            } else {
                u128::from(bytes)
            };
            raw.push((bytes, source));
        }
        self.raw = raw;
        loaded_bytes
    }

    /// Puts that into the accounts.
    fn fit(&mut self, active: i64) {
        self.pass(active);
        let Self {
            accounts,
            sums,
            reading,
            raw,
            changed,
            ..
        } = self;
        let of_each = "every tab of the recording has an account";
        assert_eq!(accounts.len(), raw.len(), "{of_each}");
        let mut raw = raw.iter();
        accounts.for_each_mut(|_, account| {
            let &(raw_bytes, source) = raw.next().expect(of_each);
            let bytes = fitted(*reading, raw_bytes, source, account.standing.presence);
            if (account.bytes(), account.source()) == (bytes, source) {
                return;
            }
            changed.are_all = true;
            sums.count(&account.standing, -1);
            let standing = Standing {
                bytes,
                source,
                ..account.standing
            };
            account.restand(standing, active);
            sums.count(&standing, 1);
        });
    }

    /// What the recorded policy's discards free.
    pub(super) fn freed_by_policy(&self) -> i128 {
        self.sums.freed_by_policy
    }

    /// Whether a signal of the operating system says nothing of a machine with so many more bytes
    /// free.
    pub(super) fn is_beyond(&self, freed_bytes: i128) -> bool {
        is_beyond(freed_bytes, self.ram_total)
    }

    /// Makes of a recorded sample what a machine with so many more bytes free would have shown.
    pub(super) fn shown(&self, metrics: &Metrics, freed_bytes: i128) -> Shown {
        let total = metrics.ram_total.or(self.ram_total);
        let is_withheld = is_beyond(freed_bytes, total);
        // No machine has 2^63 bytes.
        let freed = freed_bytes.clamp(-i128::from(i64::MAX), i128::from(i64::MAX));
        let freed = i64::try_from(freed).unwrap_or_default();
        let less = |bytes: u64| bytes.saturating_add_signed(-freed);
        let within = |bytes: u64| total.map_or(bytes, |total| bytes.min(total));
        let mut metrics = Metrics {
            ram_used: metrics.ram_used.map(less).map(within),
            ram_available: (metrics.ram_available)
                .map(|bytes| within(bytes.saturating_add_signed(freed))),
            browser_pss: metrics.browser_pss.map(less),
            // Shared pages count in it more than once: what is freed of it is at least this.
            browser_rss: metrics.browser_rss.map(less),
            ..*metrics
        };
        if is_withheld {
            metrics.psi_some_avg10 = None;
            metrics.psi_full_avg10 = None;
            metrics.swap_total = None;
            metrics.swap_used = None;
        }
        Shown {
            metrics,
            is_withheld,
        }
    }

    /// What a tab weighs before it is fitted to the browser's memory.
    fn raw_bytes(&self, recorded: &World, tab: &Tab) -> (u64, Source) {
        if let Some(bytes) = tab.bytes {
            return (bytes, Source::Tab);
        }
        if let Some(bytes) = recorded.known_bytes(tab) {
            return (bytes, Source::Host);
        }
        match self.reading {
            Some(reading) if reading.loaded_count > 0 => {
                (reading.browser_bytes / reading.loaded_count, Source::Mean)
            }
            _ => (DEFAULT_TAB_BYTES, Source::Default),
        }
    }
}

/// Makes the tabs that were loaded at the last reading fit into what was read, and with them what
/// is guessed of others. They are never blown up to fill it: what is left over is the browser's
/// own. What was measured of a tab that is gone is no part of the reading, and stays.
fn fitted(reading: Option<Reading>, raw_bytes: u64, source: Source, presence: Presence) -> u64 {
    let is_fixed = source == Source::Tab && presence != Presence::Loaded;
    match reading {
        Some(reading) if !is_fixed && reading.loaded_bytes > u128::from(reading.browser_bytes) => {
            let loaded_bytes = u64::try_from(reading.loaded_bytes);
            match (raw_bytes.checked_mul(reading.browser_bytes), loaded_bytes) {
                // The same, many times faster.
                (Some(product), Ok(loaded_bytes)) => product / loaded_bytes,
                _ => {
                    let product = u128::from(raw_bytes) * u128::from(reading.browser_bytes);
                    u64::try_from(product / reading.loaded_bytes).unwrap_or(raw_bytes)
                }
            }
        }
        _ => raw_bytes,
    }
}

/// A sample as the machine would have shown it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) metrics: Metrics,
    /// Whether stall time and swap were left out.
    pub(super) is_withheld: bool,
}

impl Shown {
    /// As it was shown.
    pub(super) fn as_recorded(metrics: &Metrics) -> Self {
        Self {
            metrics: *metrics,
            is_withheld: false,
        }
    }
}

/// Whether a difference is so large that what the kernel said is of another machine. Where its
/// size is not known, any difference is.
fn is_beyond(difference: i128, ram_total: Option<u64>) -> bool {
    if difference == 0 {
        return false;
    }
    let total = u128::from(ram_total.unwrap_or(0));
    100 * difference.unsigned_abs() > u128::from(WITHHELD_BEYOND_PERCENT) * total
}
