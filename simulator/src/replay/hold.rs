//! The times for which a policy held a tab discarded: what each saved and how it ended.

use engine::{Moment, Seq, TabId};
use serde::{Deserialize, Serialize};

use super::score::{EARLY_RETURN_MS, gib_h};
use super::weights::Weighed;

/// A decision to discard a tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Decided {
    /// The last input before it.
    pub seq: Seq,
    /// When it was made, by the log's time.
    pub t_ms: i64,
    /// The tab, by its id then.
    pub tab: TabId,
}

/// A tab that the policy has discarded.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) decided: Decided,
    pub(super) since: Moment,
    /// The input after which it was discarded, and when that was.
    pub(super) seq: Seq,
    pub(super) t_ms: i64,
    /// Its id then.
    pub(super) tab: TabId,
    /// What it had weighed until then.
    pub(super) weighed: Weighed,
    /// Whether another program has discarded it since as well. What becomes of it then is no
    /// longer the policy's matter: the hold has ended, and only its page is still as it was.
    pub(super) is_taken_over: bool,
}

impl Held {
    /// Ends it. `tab` is its id by now, and `seq` the input that ended it; at the end of the trace
    /// there is none.
    pub(super) fn until(
        self,
        tab: TabId,
        weighed: Weighed,
        seq: Option<Seq>,
        at: Moment,
        end: HoldEnd,
    ) -> Hold {
        Hold {
            decided: self.decided,
            tab: self.tab,
            serial: self.weighed.serial,
            seq: self.seq,
            t_ms: self.t_ms,
            until_tab: tab,
            until_seq: seq,
            until_ms: at.now,
            active_ms: at.active.saturating_sub(self.since.active),
            end,
            from_byte_ms: self.weighed.byte_ms,
            to_byte_ms: weighed.byte_ms.max(self.weighed.byte_ms),
        }
    }
}

/// A time for which a policy held a tab discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The decision that led to it, which may take a moment to be carried out.
    pub decided: Decided,
    /// The tab, by its id when it was discarded.
    pub tab: TabId,
    /// The last input before it was discarded.
    pub seq: Seq,
    /// When it was discarded, by the log's time.
    pub t_ms: i64,
    /// The tab, by its id when it ended.
    pub until_tab: TabId,
    /// The input that ended it; at the end of the trace there is none.
    pub until_seq: Option<Seq>,
    /// When it ended, by the log's time.
    pub until_ms: i64,
    /// How long it lasted, on the active clock.
    pub active_ms: i64,
    /// How it ended.
    pub end: HoldEnd,
    /// Which of the tabs of the recording it is, in the order in which they appeared.
    pub(super) serial: u64,
    /// What the tab had weighed in the background when it began and when it ended. This follows
    /// from the recording alone, so the holds of two policies can be laid over each other.
    pub(super) from_byte_ms: u128,
    pub(super) to_byte_ms: u128,
}

impl Hold {
    /// What it saved, in GiB·h of the active clock.
    pub fn saved_gib_h(&self) -> f64 {
        gib_h(self.saved_byte_ms())
    }

    /// Names the absence of the tab in which it lies: which tab it is, and what ended it. The
    /// recording alone ends an absence, so in each a policy comes to one hold at most, and those
    /// of two policies end together.
    pub fn absence(&self) -> (u64, Option<Seq>) {
        (self.serial, self.until_seq)
    }

    /// What it saved before another hold of the same absence began, in GiB·h of the active clock.
    pub fn saved_before_gib_h(&self, later: &Self) -> f64 {
        gib_h(later.from_byte_ms.saturating_sub(self.from_byte_ms))
    }

    /// Whether the tab was needed again within 10 minutes of the user's own time.
    pub fn is_early_return(&self) -> bool {
        self.end == HoldEnd::Needed && self.active_ms <= EARLY_RETURN_MS
    }

    pub(super) fn saved_byte_ms(&self) -> u128 {
        self.to_byte_ms - self.from_byte_ms
    }
}

/// How a hold ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldEnd {
    /// The tab was needed again: a reload.
    Needed,
    /// The tab was closed.
    Closed,
    /// Another program discarded it as well.
    TakenOver,
    /// The trace ended.
    Trace,
}
