//! Where a replay begins: at the first line, or where a saved state was left, under the policy that
//! it was saved under or another.

use std::path::Path;

use anyhow::bail;
use engine::{SEMANTICS, Seq};
use recorder::{Trace, TraceReader};
use simulator::baselines::AnyPolicy;
use simulator::replay::Replay;
use simulator::state::{About, Before, PolicyLabel, State};

use crate::console::Safe;
use crate::policy::NamedPolicy;
use crate::reading::shown;

/// Where a replay begins: what decides there, and who decided before.
pub(super) struct Start {
    pub(super) policy: PolicyLabel,
    pub(super) replay: Replay<Box<dyn AnyPolicy>>,
    /// The place of a saved state, in its trace.
    pub(super) from: Option<About>,
    pub(super) before: Vec<Before>,
    pub(super) violations_before: u64,
    pub(super) protected_domains: Vec<String>,
}

impl Start {
    pub(super) fn at_the_beginning(policy: NamedPolicy, open_loop: bool) -> Self {
        let label = policy.label();
        let mut replay = policy.replay();
        if open_loop {
            replay = replay.open_loop();
        }
        Self {
            policy: label,
            replay,
            from: None,
            before: Vec::new(),
            violations_before: 0,
            protected_domains: policy.protected_domains,
        }
    }

    /// Goes on from a state, under its own policy or another.
    pub(super) fn from_state(state: State, policy: Option<NamedPolicy>) -> Self {
        let State { about, replay } = state;
        let mut start = Self {
            policy: about.policy.clone(),
            replay,
            before: about.before.clone(),
            violations_before: about.violations_before,
            // The replay knows them; nobody else asks, once it has begun.
            protected_domains: Vec::new(),
            from: Some(about),
        };
        if let Some(policy) = policy {
            start.go_on_under(policy);
        }
        start
    }

    fn go_on_under(&mut self, policy: NamedPolicy) {
        let label = policy.label();
        let last = std::mem::replace(&mut self.policy, label);
        let Some(from) = self
            .from
            .as_ref()
            .filter(|_| !last.is_same_policy(&self.policy))
        else {
            return;
        };
        if !last.is_ours() {
            self.violations_before = self.replay.violations();
        }
        self.before.push(Before {
            until: from.seq,
            policy: last.clone(),
        });
        self.replay.protect(&policy.protected_domains);
        self.replay.tick_from_here(policy.is_ticking());
        match policy.document {
            Some(document) if last.is_ours() && self.replay.has_begun() => {
                self.replay.change_document(document);
            }
            _ => self.replay.hand_over(policy.policy),
        }
    }

    /// Refuses a trace that a saved state is not of.
    pub(super) fn check_is_of(&self, trace: &Trace, path: &Path) -> anyhow::Result<()> {
        let session = trace.header().session.to_string();
        if let Some(from) = (self.from.as_ref()).filter(|from| from.session != session) {
            bail!(
                "{} is of session {session}, and the state was saved in session {}",
                shown(path),
                Safe(&from.session)
            );
        }
        Ok(())
    }

    /// Where a state belongs that is saved on the way.
    pub(super) fn about(&self, session: String, seq: Seq, digest: String) -> About {
        About {
            engine: SEMANTICS,
            session,
            seq,
            digest,
            policy: self.policy.clone(),
            before: self.before.clone(),
            violations_before: self.violations_before,
        }
    }

    /// Tells a line that the state has taken in from one that is to be replayed. Where it is the
    /// state's last one, the lines up to it must be those that the state has seen.
    pub(super) fn has_seen(
        &self,
        seq: Seq,
        path: &Path,
        reader: &TraceReader,
    ) -> anyhow::Result<bool> {
        let Some(from) = self.from.as_ref().filter(|from| seq <= from.seq) else {
            return Ok(false);
        };
        if seq == from.seq && reader.digest() != from.digest {
            let digest = reader.digest();
            bail!(
                "{}: the lines up to seq {seq} have the digest {digest}, and the state was saved \
                 after lines with the digest {}: the trace was changed, or it is another",
                shown(path),
                from.digest
            );
        }
        Ok(true)
    }
}
