//! Small sessions for the baselines' tests. A discard that a policy asks for is carried out at
//! once, and the policy is woken as a replay wakes it.

use engine::{
    Branch, DiscardedBy, Event, Facts, Input, Metrics, Mode, Output, Page, Policy, Seq, Snapshot,
    TabChanges, TabFacts, TabId, UserState, WindowFacts, WindowId,
};

pub(super) const SECOND: i64 = 1_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;
const START_MS: i64 = 1_767_225_600_000;
const WIN: WindowId = WindowId(1);

/// A session under way.
#[derive(Clone, Debug)]
pub(super) struct Scene<P> {
    policy: P,
    facts: Facts,
    branch: Branch,
    seq: u64,
    t_ms: i64,
    discards: Vec<(i64, i64)>,
    /// Whether the browser refuses what is asked.
    pub(super) refuse: bool,
}

impl<P: Policy> Scene<P> {
    /// One window with these many tabs, 1 in front, N on host N, all just opened.
    pub(super) fn new(policy: P, tab_count: i64) -> Self {
        let mut scene = Self {
            policy,
            facts: Facts::new(Mode::Enforce),
            branch: Branch::new(Mode::Enforce),
            seq: 0,
            t_ms: START_MS,
            discards: Vec::new(),
            refuse: false,
        };
        let tabs = (1..=tab_count).map(|id| TabFacts {
            active: Some(id == 1),
            ..facts(id)
        });
        let snapshot = Snapshot {
            user: Some(UserState::Active),
            windows: vec![WindowFacts {
                win: WIN,
                focused: true,
            }],
            tabs: tabs.collect(),
        };
        scene.tell(Input::SessionStarted(snapshot));
        scene
    }

    /// What was asked for so far: after how many milliseconds, and which tab.
    pub(super) fn discards(&self) -> &[(i64, i64)] {
        &self.discards
    }

    /// The tabs that were asked for so far.
    pub(super) fn tabs(&self) -> Vec<i64> {
        self.discards.iter().map(|&(_, tab)| tab).collect()
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, ms: i64) -> &mut Self {
        let until = self.t_ms + ms;
        while let Some(due) = self.next_due().filter(|&due| due <= until) {
            self.t_ms = due;
            (self.policy).pass(&self.branch.world(&self.facts), due);
            self.branch.pass(&self.facts, due);
            let mut outputs = Vec::new();
            let world = self.branch.world(&self.facts);
            self.policy.wake(&world, Seq(self.seq), &mut outputs);
            self.carry_out(outputs);
        }
        (self.policy).pass(&self.branch.world(&self.facts), until + 1);
        self.t_ms = until;
        self
    }

    /// Lets the machine sleep.
    pub(super) fn sleep(&mut self, ms: i64) -> &mut Self {
        self.t_ms += ms;
        self.tell(Input::Suspended {
            ms: ms.cast_unsigned(),
        })
    }

    pub(super) fn open(&mut self, id: i64) -> &mut Self {
        self.tell(Input::TabOpened(facts(id)))
    }

    pub(super) fn activate(&mut self, id: i64) -> &mut Self {
        let tab = TabId(id);
        let is_discarded = |tab: &engine::Tab| tab.is_discarded;
        let comes_back = self.facts.world().tab(tab).is_some_and(is_discarded);
        self.tell(Input::TabActivated { tab, win: WIN });
        if comes_back {
            self.tell(Input::TabRestored { tab });
            self.tell(Input::TabLoaded { tab, load_ms: None });
        }
        self
    }

    pub(super) fn pin(&mut self, id: i64, pinned: bool) -> &mut Self {
        self.change(id, |changes| changes.pinned = Some(pinned))
    }

    pub(super) fn sound(&mut self, id: i64, audible: bool) -> &mut Self {
        self.change(id, |changes| changes.audible = Some(audible))
    }

    /// A tab comes into sight beside the one in front, or leaves it.
    pub(super) fn see(&mut self, id: i64, is_in_sight: bool) -> &mut Self {
        self.change(id, |changes| changes.in_sight = Some(is_in_sight))
    }

    pub(super) fn type_into(&mut self, id: i64) -> &mut Self {
        self.change(id, |changes| changes.unsaved = Some(true))
    }

    pub(super) fn change(&mut self, id: i64, change: impl FnOnce(&mut TabChanges)) -> &mut Self {
        let mut changes = TabChanges::default();
        change(&mut changes);
        let tab = TabId(id);
        self.tell(Input::TabChanged { tab, changes })
    }

    /// A sample of a machine with 100 GiB of which so much is in use.
    pub(super) fn used(&mut self, percent: u64) -> &mut Self {
        self.tell(Input::Metrics(Metrics {
            ram_total: Some(100 * GIB),
            ram_used: Some(percent * GIB),
            ram_available: Some((100 - percent) * GIB),
            ..Metrics::default()
        }))
    }

    pub(super) fn tell(&mut self, input: Input) -> &mut Self {
        self.seq += 1;
        let mut outputs = Vec::new();
        let event = Event {
            seq: Seq(self.seq),
            t_ms: self.t_ms,
            input,
        };
        self.facts.apply(&event);
        self.branch.follow(&self.facts, Some(&event.input));
        let world = self.branch.world(&self.facts);
        self.policy.step(&world, &event, &mut outputs);
        self.carry_out(outputs);
        self
    }

    fn next_due(&self) -> Option<i64> {
        let world = self.branch.world(&self.facts);
        let due = self.policy.next_due(&world);
        due.filter(|&due| due > world.moment().now)
    }

    fn carry_out(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            let Output::Decision(decision) = output else {
                continue;
            };
            let tab = decision.tab;
            self.discards.push((self.t_ms - START_MS, tab.0));
            let by = DiscardedBy::Orchestrator;
            let ok = !self.refuse;
            let decision = Seq(self.seq);
            if ok {
                self.tell(Input::TabDiscarded { tab, by });
            }
            self.tell(Input::DiscardOutcome { decision, tab, ok });
        }
    }
}

/// Tab N on host N, loaded, not in front.
pub(super) fn facts(id: i64) -> TabFacts {
    TabFacts {
        page: Some(Page::Web(format!("host-{id}.example.org").into())),
        active: Some(false),
        ..TabFacts::new(TabId(id), WIN)
    }
}
