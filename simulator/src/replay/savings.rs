//! What a policy's discards save and free, tab by tab, added up over time.

use engine::{Moment, TabId, TabMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::scale::{Bulk, Scale, Weight};
use super::weights::Account;

/// What a policy saves now, and what it saved so far.
///
/// Sums are added up over time when they change, not line by line: between two changes nothing is
/// to be done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub(super) struct Savings {
    /// Of the tabs that are otherwise than as recorded, or held.
    shares: TabMap<Share>,
    /// What tabs weigh by.
    scale: Scale,
    #[serde(skip)]
    sums: Sums,
    /// Whether the pressure, had nothing been discarded, is MEDIUM or HIGH.
    is_pressed: bool,
    /// Whether the policy has left the recording.
    is_departed: bool,
    saved: Saved,
    /// Up to when that is added up.
    counted_to: Moment,
}

/// What a tab adds to the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Share {
    weight: Weight,
    /// Whether it is saved: in the background, held by the policy, and discarded by nobody else.
    is_saved: bool,
    frees: Frees,
}

/// How much memory a tab takes, beside the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Frees {
    /// As much.
    Nothing,
    /// Less: only here it is discarded.
    Its,
    /// More: only there it is.
    Less,
}

/// What all tabs add, at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    saved: Bulk,
    freed: Bulk,
    /// The same in bytes, by the scale.
    saved_bytes: [i128; 4],
    freed_bytes: i128,
}

/// Byte-milliseconds that were saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    /// Over the active clock, by where the bytes of the tabs are from.
    pub(super) by_source: [u128; 4],
    /// Over the awake clock.
    pub(super) awake: u128,
    /// While the pressure would have been MEDIUM or HIGH.
    pub(super) pressed: u128,
    /// After the first difference from the recording.
    pub(super) departed: u128,
}

impl Share {
    /// What a tab with this account adds, where that is anything.
    fn of(account: &Account, is_held: bool, is_discarded: bool) -> Option<Self> {
        let is_saved = is_held && account.can_be_saved();
        let frees = match (account.is_loaded(), is_discarded) {
            (true, true) => Frees::Its,
            (false, false) => Frees::Less,
            _ => Frees::Nothing,
        };
        (is_saved || frees != Frees::Nothing).then_some(Self {
            weight: account.weight(),
            is_saved,
            frees,
        })
    }
}

impl Sums {
    fn count(&mut self, share: Share, sign: i64) {
        if share.is_saved {
            self.saved.count(share.weight, sign);
        }
        match share.frees {
            Frees::Nothing => {}
            Frees::Its => self.freed.count(share.weight, sign),
            Frees::Less => self.freed.count(share.weight, -sign),
        }
    }

    fn weigh(&mut self, scale: &Scale) {
        self.saved_bytes = scale.by_source(&self.saved);
        self.freed_bytes = scale.bytes_of(&self.freed);
    }
}

impl Saved {
    /// Over the active clock.
    pub(super) fn total(&self) -> u128 {
        (self.by_source.iter()).fold(0, |sum, &byte_ms| sum.saturating_add(byte_ms))
    }

    /// Adds another trace's.
    pub(super) fn pool(&mut self, other: Self) {
        let by_source = self.by_source.iter_mut().zip(other.by_source);
        for (mine, theirs) in by_source.chain([
            (&mut self.awake, other.awake),
            (&mut self.pressed, other.pressed),
            (&mut self.departed, other.departed),
        ]) {
            *mine = mine.saturating_add(theirs);
        }
    }
}

impl Savings {
    /// What the policy's discards free over what the recorded ones do, in bytes.
    pub(super) fn freed(&self) -> i128 {
        self.sums.freed_bytes
    }

    /// Whether a tab adds anything.
    pub(super) fn has_share_of(&self, tab: TabId) -> bool {
        self.shares.contains(tab)
    }

    /// What was saved up to a moment at which nothing has changed yet.
    pub(super) fn saved_at(&self, at: Moment) -> Saved {
        let mut later = self.saved;
        let (from, saved) = (self.counted_to, self.sums.saved_bytes);
        if saved == [0; 4] {
            return later;
        }
        let on_active = |bytes| byte_ms(bytes, from.active, at.active);
        for (total, bytes) in later.by_source.iter_mut().zip(saved) {
            add(total, on_active(bytes));
        }
        let saved = saved.iter().sum();
        add(&mut later.awake, byte_ms(saved, from.awake, at.awake));
        if self.is_pressed {
            add(&mut later.pressed, on_active(saved));
        }
        if self.is_departed {
            add(&mut later.departed, on_active(saved));
        }
        later
    }

    /// Notes that a tab is as recorded from a moment on, and not held.
    #[inline]
    pub(super) fn forget(&mut self, tab: TabId, at: Moment) {
        if self.has_share_of(tab) {
            self.share(tab, None, at);
        }
    }

    /// Notes how a tab is from a moment on: whether the policy holds it, and whether it is
    /// discarded in the policy's world. `account` is the recording's.
    #[inline]
    pub(super) fn note(
        &mut self,
        tab: TabId,
        account: Option<&Account>,
        is_held: bool,
        is_discarded: bool,
        at: Moment,
    ) {
        let share = account.and_then(|account| Share::of(account, is_held, is_discarded));
        if self.shares.get(tab).copied() != share {
            self.share(tab, share, at);
        }
    }

    /// Puts what a tab adds from a moment on in the place of what it added before.
    fn share(&mut self, tab: TabId, share: Option<Share>, at: Moment) {
        self.pass(at);
        let before = match share {
            Some(share) => {
                self.sums.count(share, 1);
                self.shares.insert(tab, share)
            }
            None => self.shares.remove(tab),
        };
        if let Some(before) = before {
            self.sums.count(before, -1);
        }
        self.sums.weigh(&self.scale);
    }

    /// Weighs tabs by another scale from a moment on.
    #[inline]
    pub(super) fn weigh_by(&mut self, scale: &Scale, at: Moment) {
        if self.scale != *scale {
            self.pass(at);
            self.scale = *scale;
            self.sums.weigh(scale);
        }
    }

    /// Notes whether the pressure would be MEDIUM or HIGH from a moment on.
    pub(super) fn press(&mut self, is_pressed: bool, at: Moment) {
        if self.is_pressed != is_pressed {
            self.pass(at);
            self.is_pressed = is_pressed;
        }
    }

    /// Notes that the policy has left the recording.
    pub(super) fn depart(&mut self, at: Moment) {
        if !self.is_departed {
            self.pass(at);
            self.is_departed = true;
        }
    }

    /// Adds up what lies between the last change and this moment.
    fn pass(&mut self, at: Moment) {
        self.saved = self.saved_at(at);
        self.counted_to = at;
    }
}

impl Serialize for Savings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Savings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut savings = Self::deserialize(deserializer)?;
        for share in savings.shares.values() {
            savings.sums.count(*share, 1);
        }
        savings.scale.check().map_err(de::Error::custom)?;
        savings.sums.weigh(&savings.scale);
        Ok(savings)
    }
}

fn add(total: &mut u128, byte_ms: u128) {
    *total = total.saturating_add(byte_ms);
}

/// So many bytes over a time. What is negative counts as none.
fn byte_ms(bytes: i128, from_ms: i64, to_ms: i64) -> u128 {
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
