//! What tabs weigh, and what the machine would have shown with other discards than the recorded.
//!
//! What a tab weighs at a moment follows from the recording alone, and from lines before that
//! moment only; so it is the same for every policy. Nothing here is kept beyond the open tabs.

use engine::{Change, DiscardedBy, Input, Metrics, Tab, TabId, TabMap, World};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::scale::{Bulk, Elapsed, Scale, Weight};

/// Beyond this difference from the recorded memory, stall time, swap and the operating system's
/// signals say nothing of the machine as it would have been: 2 % of its RAM.
pub const WITHHELD_BEYOND_PERCENT: u8 = 2;

/// What the tabs of a recording weigh.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub(super) struct Weights {
    /// By the last reading of the browser's memory.
    scale: Scale,
    /// What scales have shown up to that reading.
    elapsed: Elapsed,
    accounts: TabMap<Account>,
    ram_total: Option<u64>,
    #[serde(skip)]
    sums: Sums,
    tab_count: u64,
    /// What all tabs weighed in the background so far, less what those that are there now came to
    /// by their present weights. It is what their accounts and those that were closed have.
    ground_byte_ms: i128,
    /// What the tabs weighed that went with the last line.
    #[serde(skip)]
    gone: Vec<(TabId, Weighed)>,
    /// The tabs whose accounts the last line changed, opened or closed.
    #[serde(skip)]
    changed: Vec<TabId>,
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

/// What one tab weighs and where it counts.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Account {
    /// Which of the tabs of the recording it is, in the order in which they appeared.
    serial: u64,
    /// What it weighed in the background before it stood as it does, less what its present weight
    /// came to until then, where that counts now.
    ground_byte_ms: i128,
    standing: Standing,
}

/// How a tab stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    weight: Weight,
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

/// Weights over all tabs, at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    /// Of tabs in the background that nobody but a policy has discarded.
    background: Bulk,
    /// What the recorded policy's discards free.
    freed_by_policy: Bulk,
    /// Of loaded tabs.
    loaded: Bulk,
    loaded_count: i64,
}

impl Account {
    /// What the tab weighs.
    pub(super) fn weight(&self) -> Weight {
        self.standing.weight
    }

    /// Whether it is loaded in the recording.
    pub(super) fn is_loaded(&self) -> bool {
        self.standing.presence == Presence::Loaded
    }

    /// Whether its bytes are there for a policy to save.
    pub(super) fn can_be_saved(&self) -> bool {
        self.standing.can_be_saved()
    }

    /// What it weighed in the background up to a moment at which it still stands as it does.
    fn background_byte_ms(&self, now: &Elapsed) -> u128 {
        let byte_ms = (self.ground_byte_ms).wrapping_add(self.standing.byte_ms(now));
        u128::try_from(byte_ms).unwrap_or_default()
    }
}

impl Standing {
    fn can_be_saved(&self) -> bool {
        self.is_in_background && self.presence != Presence::DiscardedByOther
    }

    /// What it came to up to a moment, had it always been as it is.
    fn byte_ms(&self, now: &Elapsed) -> i128 {
        if self.can_be_saved() {
            now.byte_ms(self.weight)
        } else {
            0
        }
    }
}

impl Sums {
    fn count(&mut self, standing: &Standing, sign: i64) {
        if standing.can_be_saved() {
            self.background.count(standing.weight, sign);
        }
        match standing.presence {
            Presence::Loaded => {
                self.loaded.count(standing.weight, sign);
                self.loaded_count += sign;
            }
            Presence::DiscardedByPolicy => self.freed_by_policy.count(standing.weight, sign),
            Presence::DiscardedByOther => {}
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
        weights.scale.check().map_err(de::Error::custom)?;
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

    /// What tabs weigh by, from the last line on.
    pub(super) fn scale(&self) -> &Scale {
        &self.scale
    }

    /// The tabs whose accounts the last line changed, opened or closed.
    pub(super) fn changed(&self) -> &[TabId] {
        &self.changed
    }

    /// What the scale has shown up to a moment of the active clock, since the last line or later.
    fn elapsed(&self, active: i64) -> Elapsed {
        self.elapsed.to(active, &self.scale)
    }

    /// What a tab of the recording weighed in the background up to a moment of the active clock,
    /// which is no earlier than the last change.
    pub(super) fn weighed(&self, tab: TabId, active: i64) -> Option<Weighed> {
        let now = self.elapsed(active);
        self.accounts.get(tab).map(|account| Weighed {
            serial: account.serial,
            byte_ms: account.background_byte_ms(&now),
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
        let standing = self.elapsed(active).byte_ms_of(&self.sums.background);
        u128::try_from(self.ground_byte_ms.wrapping_add(standing)).unwrap_or_default()
    }

    /// Follows what an event did to the tabs of the recording.
    pub(super) fn follow(&mut self, input: &Input, recorded: &World) {
        self.gone.clear();
        self.changed.clear();
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
                    self.changed.extend([old, new]);
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
        let standing = Standing {
            weight: weight(recorded, tab, presence),
            presence,
            is_in_background: !tab.is_shown(),
        };
        if before == Some(standing) {
            return;
        }
        match before {
            Some(before) => self.sums.count(&before, -1),
            None => self.tab_count += 1,
        }
        self.sums.count(&standing, 1);
        let now = self.elapsed(active);
        let counted = before.map_or(0, |before| before.byte_ms(&now));
        let ground_byte_ms = counted.wrapping_sub(standing.byte_ms(&now));
        self.ground_byte_ms = self.ground_byte_ms.wrapping_add(ground_byte_ms);
        let serial = self.tab_count.saturating_sub(1);
        let account = self.accounts.get_or_insert_with(id, || Account {
            serial,
            ground_byte_ms: 0,
            standing,
        });
        account.ground_byte_ms = account.ground_byte_ms.wrapping_add(ground_byte_ms);
        account.standing = standing;
        self.changed.push(id);
    }

    /// Closes a tab's account.
    fn forget(&mut self, id: TabId, active: i64) {
        if let Some(account) = self.accounts.remove(id) {
            let counted = account.standing.byte_ms(&self.elapsed(active));
            self.ground_byte_ms = self.ground_byte_ms.wrapping_add(counted);
            self.sums.count(&account.standing, -1);
            self.changed.push(id);
        }
    }

    /// Looks at every tab anew, after its host's median may have changed.
    pub(super) fn revalue_all(&mut self, recorded: &World) {
        for tab in recorded.tabs() {
            self.revalue(tab.id, recorded);
        }
    }

    /// Takes in a sample of the recording, once policies have seen what [`Weights::shown`] makes
    /// of it.
    pub(super) fn sample(&mut self, metrics: &Metrics, recorded: &World) {
        self.ram_total = metrics.ram_total.or(self.ram_total);
        if let Some(browser_bytes) = metrics.browser_pss {
            self.elapsed = self.elapsed(recorded.moment().active);
            let loaded_count = self.sums.loaded_count.unsigned_abs();
            self.scale = Scale::fitting(browser_bytes, &self.sums.loaded, loaded_count);
        }
    }

    /// What the recorded policy's discards free.
    pub(super) fn freed_by_policy(&self) -> i128 {
        self.scale.bytes_of(&self.sums.freed_by_policy)
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
}

/// What a tab weighs, before it is put on the scale.
fn weight(recorded: &World, tab: &Tab, presence: Presence) -> Weight {
    match (tab.bytes, recorded.known_bytes(tab)) {
        (Some(bytes), _) if presence == Presence::Loaded => Weight::Measured(bytes),
        (Some(bytes), _) => Weight::Kept(bytes),
        (None, Some(bytes)) => Weight::OfHost(bytes),
        (None, None) => Weight::Guessed,
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
