//! Small sessions that read like what they test.
//!
//! A scene starts in enforce mode with an active user, window 1 focused and tab 1 in front of it.
//! The tabs under test are in window 2, out of the user's context, unless a test says otherwise.

use engine::{
    Decision, Engine, Event, Explanation, Input, Level, Metrics, Mode, Orchestrator, Output, Page,
    PolicyDocument, Reason, Seq, Settings, Snapshot, TabChanges, TabFacts, TabId, UserState,
    WindowFacts, WindowId,
};

pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const GIB: u64 = 1 << 30;
pub(crate) const START_MS: i64 = 1_767_225_600_000;
pub(crate) const YES: Option<bool> = Some(true);

/// A tab out of the user's context.
pub(crate) fn tab(id: i64, host: &str) -> TabFacts {
    TabFacts {
        page: Some(web(host)),
        ..TabFacts::new(TabId(id), WindowId(2))
    }
}

/// A tab of the user's window.
pub(crate) fn tab_here(id: i64, host: &str) -> TabFacts {
    TabFacts {
        win: WindowId(1),
        ..tab(id, host)
    }
}

pub(crate) fn web(host: &str) -> Page {
    Page::Web(host.into())
}

/// A sample with this share of 100 GiB in use.
pub(crate) fn used_percent(percent: u64) -> Metrics {
    Metrics {
        ram_total: Some(100 * GIB),
        ram_used: Some(percent * GIB),
        ram_available: Some((100 - percent) * GIB),
        ..Metrics::default()
    }
}

#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) engine: Engine<Orchestrator>,
    /// All decisions so far.
    pub(crate) decisions: Vec<Decision>,
    seq: u64,
    t_ms: i64,
}

impl Scene {
    /// Tab 1 in front and these, under the default policy.
    pub(crate) fn of(tabs: impl IntoIterator<Item = TabFacts>) -> Self {
        Self::under(|_| {}, tabs)
    }

    /// Tab 1 in front and these, under a policy that differs from the default.
    pub(crate) fn under(
        adjust: impl FnOnce(&mut Settings),
        tabs: impl IntoIterator<Item = TabFacts>,
    ) -> Self {
        let mut scene = Self::blank(adjust);
        scene.snapshot(Some(UserState::Active), tabs);
        scene
    }

    /// Nothing told yet.
    pub(crate) fn blank(adjust: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        adjust(&mut settings);
        let policy = PolicyDocument::new(settings).expect("the test's policy is valid");
        Self {
            engine: Engine::new(Orchestrator::new(policy), Mode::Enforce),
            decisions: Vec::new(),
            seq: 0,
            t_ms: START_MS,
        }
    }

    /// The extension tells of tab 1, in front, and of these.
    pub(crate) fn snapshot(
        &mut self,
        user: Option<UserState>,
        tabs: impl IntoIterator<Item = TabFacts>,
    ) {
        let front = TabFacts {
            active: YES,
            ..tab_here(1, "front.example")
        };
        let window = |win, focused| WindowFacts {
            win: WindowId(win),
            focused,
        };
        let snapshot = Snapshot {
            user,
            windows: vec![window(1, true), window(2, false)],
            tabs: [front].into_iter().chain(tabs).collect(),
        };
        self.tell(Input::SessionStarted(snapshot));
    }

    pub(crate) fn wait(&mut self, ms: i64) -> &mut Self {
        self.t_ms += ms;
        self
    }

    /// An event now. Answers with the tabs that are decided on.
    pub(crate) fn tell(&mut self, input: Input) -> Vec<i64> {
        let event = Event {
            seq: Seq(self.seq),
            t_ms: self.t_ms,
            input,
        };
        let mut outputs = Vec::new();
        self.engine.step(&event, &mut outputs);
        self.seq += 1 + outputs.len() as u64;
        let mut decided = Vec::new();
        for output in outputs {
            if let Output::Decision(decision) = output {
                decided.push(decision.tab.0);
                self.decisions.push(decision);
            }
        }
        decided
    }

    pub(crate) fn sample(&mut self, metrics: Metrics) -> Vec<i64> {
        self.tell(Input::Metrics(metrics))
    }

    pub(crate) fn at_high(&mut self) -> Vec<i64> {
        self.sample(used_percent(95))
    }

    pub(crate) fn at_medium(&mut self) -> Vec<i64> {
        self.sample(used_percent(90))
    }

    pub(crate) fn at_low(&mut self) -> Vec<i64> {
        self.sample(used_percent(50))
    }

    pub(crate) fn asked_for(&mut self, tab: Option<i64>) -> Vec<i64> {
        let tab = tab.map(TabId);
        self.tell(Input::PruneRequested { tab })
    }

    pub(crate) fn activate(&mut self, tab: i64, win: i64) -> &mut Self {
        let (tab, win) = (TabId(tab), WindowId(win));
        self.tell(Input::TabActivated { tab, win });
        self
    }

    pub(crate) fn focus(&mut self, win: Option<i64>) -> &mut Self {
        let win = win.map(WindowId);
        self.tell(Input::WindowFocused { win });
        self
    }

    pub(crate) fn navigate(&mut self, tab: i64, host: &str) -> &mut Self {
        let tab = TabId(tab);
        self.tell(Input::TabNavigated {
            tab,
            page: Some(web(host)),
            protected: None,
        });
        let load_ms = None;
        self.tell(Input::TabLoaded { tab, load_ms });
        self
    }

    pub(crate) fn change(&mut self, tab: i64, changes: TabChanges) -> &mut Self {
        let tab = TabId(tab);
        self.tell(Input::TabChanged { tab, changes });
        self
    }

    /// A tab comes into sight beside another, or leaves it.
    pub(crate) fn see(&mut self, tab: i64, is_in_sight: bool) -> &mut Self {
        self.change(
            tab,
            TabChanges {
                in_sight: Some(is_in_sight),
                ..TabChanges::default()
            },
        )
    }

    pub(crate) fn user(&mut self, state: UserState) -> &mut Self {
        self.tell(Input::UserIdle(state));
        self
    }

    pub(crate) fn mode(&mut self, mode: Mode) -> &mut Self {
        self.tell(Input::ModeChanged(mode));
        self
    }

    /// The tab that was decided on last cannot be discarded.
    pub(crate) fn refuse(&mut self) -> &mut Self {
        let decision = self.decisions.last().expect("something was decided");
        let tab = decision.tab;
        let decision = Seq(decision.cause.0 + 1 + u64::from(decision.rank));
        let ok = false;
        self.tell(Input::DiscardOutcome { decision, tab, ok });
        self
    }

    pub(crate) fn level(&self) -> Level {
        self.engine.policy().pressure().level
    }

    pub(crate) fn score(&self) -> u8 {
        self.engine.policy().pressure().score
    }

    pub(crate) fn reasons(&self) -> &[Reason] {
        &self.engine.policy().pressure().reasons
    }

    pub(crate) fn cluster(&self) -> Vec<i64> {
        let cluster = self.engine.policy().cluster(&self.engine.world());
        cluster.into_iter().map(|tab| tab.0).collect()
    }

    pub(crate) fn explain(&self, tab: i64) -> Explanation {
        let explanation = self.engine.explain(TabId(tab));
        explanation.expect("the tab is known")
    }
}
