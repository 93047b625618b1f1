//! What a session answers to questions: it changes nothing.

use engine::{Explanation, TabId};
use recorder::Privacy;

use super::Session;
use crate::clock::Reading;
use crate::protocol::{
    Cluster, FocusStatus, LogState, LogStatus, PrivacyStatus, RecentDecision, Status,
};

impl Session {
    /// The end of a pause, by the wall clock.
    pub fn paused_until_ms(&self) -> Option<i64> {
        let until_ms = self.history.engine().world().paused_until_ms()?;
        Some(self.clock.wall_of_t_ms(until_ms))
    }

    /// What happens to a tab, and why.
    pub fn explain(&self, tab: TabId) -> Option<Explanation> {
        let mut explanation = self.history.engine().explain(tab)?;
        if let Some(logged) = explanation.host.take() {
            explanation.host = self.shown_host(tab, &logged);
        }
        Some(explanation)
    }

    /// What people are shown for a host of the log: its real name, where a tab still shows it.
    fn shown_host(&self, tab: TabId, logged: &str) -> Option<String> {
        let real = self.names.of(tab);
        match real.filter(|real| self.naming.name_of(real) == logged) {
            Some(real) => Some(real.to_owned()),
            None if self.privacy() == Privacy::KeyedHash => None,
            None => Some(logged.to_owned()),
        }
    }

    /// How old the last sample of the machine is, in milliseconds of the awake clock; `None` before
    /// this session's first.
    pub fn sample_age_ms(&self, now: Reading) -> Option<u64> {
        let age_ms = now.awake_ms - self.last_sample_ms?;
        Some(age_ms.max(0).unsigned_abs())
    }

    /// Whether the last sample tells the machine's memory.
    pub fn has_memory(&self) -> bool {
        let metrics = self.history.metrics();
        metrics.is_none_or(|it| it.ram_total.is_some() && it.ram_used.is_some())
    }

    /// How things stand.
    pub fn status(&self, request: u64) -> Status {
        let engine = self.history.engine();
        let (world, policy) = (engine.world(), engine.policy());
        let pressure = policy.pressure();
        let wall = |t_ms| self.clock.wall_of_t_ms(t_ms);
        let mut observed = self.history.recent().observed();
        observed.since_ms = wall(observed.since_ms);
        let recent = self.history.recent().decisions();
        Status {
            request,
            mode: world.mode(),
            paused_until_ms: self.paused_until_ms(),
            score: Some(pressure.score),
            level: Some(pressure.level),
            reasons: pressure.reasons.clone(),
            metrics: self.history.metrics(),
            policy_hash: policy.policy_hash().to_owned(),
            tabs: world.tab_count(),
            discarded: world.tabs().filter(|tab| tab.is_discarded).count(),
            cluster: Cluster {
                tabs: policy.cluster(&world),
            },
            cooldown_ms: policy.cooldown_left_ms(&world),
            session: Some(self.id()),
            log: LogStatus {
                state: LogState::Writing,
                error: None,
                synced_n: self.writer.synced_n(),
            },
            observed,
            recent: recent
                .map(|it| RecentDecision {
                    t_ms: wall(it.t_ms),
                    host: (it.host.as_deref()).and_then(|host| self.shown_host(it.tab, host)),
                    ..it.clone()
                })
                .collect(),
            focus: FocusStatus {
                enabled: policy.document().focus.enabled,
                proactive: policy.document().focus.proactive,
            },
            privacy: PrivacyStatus::default(),
            policy_error: None,
            health: None,
        }
    }
}
