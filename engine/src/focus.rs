//! Focus mode: the cluster of tabs that belong to what the user is doing.
//!
//! Partition first, threshold second: who belongs to the cluster is decided before any idle time
//! is compared with a TTL.

use smallvec::{SmallVec, smallvec};

use crate::event::TabId;
use crate::policy_document::PolicyDocument;
use crate::world::World;

/// The tabs of a working context. It has at most twelve unless a policy says otherwise.
pub(crate) type Cluster = SmallVec<[TabId; 12]>;

/// Finds the working context: the tab in front, the loaded tab in sight beside it, loaded tabs on
/// its host, and loaded tabs of its window that were opened or in front within
/// `focus.cluster_minutes`; each group last in front first, at most `focus.cluster_cap` in all.
/// Empty when focus mode is off.
///
/// Opening counts, since a link that is opened behind is mostly what one goes to next.
///
/// A discarded tab takes no place in it: there is nothing left to keep.
pub(crate) fn cluster(world: &World, policy: &PolicyDocument) -> Cluster {
    let Some(front) = world.tab_in_front().filter(|_| policy.focus.enabled) else {
        return Cluster::new();
    };
    let clock = policy.ttl_clock;
    let since = (world.moment().on(clock)).saturating_sub(ms_of(policy.focus.cluster_minutes));
    let beside = world.loaded_in_sight(front.win);
    let on_host = world.loaded_on_host_of(front).into_iter();
    let lately = (world.loaded()).take_while(|tab| tab.last_active.on(clock) >= since);
    let in_window = lately.filter(|tab| tab.win == front.win);

    let cap = policy.focus.cluster_cap as usize;
    let mut members = smallvec![front.id];
    for tab in beside.chain(on_host).chain(in_window) {
        if members.len() == cap {
            break;
        }
        if !members.contains(&tab.id) {
            members.push(tab.id);
        }
    }
    members
}

/// The minutes of a setting in milliseconds. Settings are within ranges that fit.
#[expect(
    clippy::cast_possible_truncation,
    reason = "at most 10,080 minutes, by the settings' ranges"
)]
pub(crate) fn ms_of(minutes: f64) -> i64 {
    (minutes * 60_000.0).round() as i64
}
