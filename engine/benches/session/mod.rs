//! A browser's session, made for what is to be measured: the same at each run.

use engine::{
    DiscardedBy, Engine, Event, Input, Metrics, Mode, Orchestrator, Output, Page, PolicyDocument,
    Seq, Snapshot, TabFacts, TabId, UserState, WindowFacts, WindowId,
};

const TABS_A_WINDOW: i64 = 100;
pub(crate) const START_MS: i64 = 1_767_225_600_000;
pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
const GIB: u64 = 1 << 30;

/// A browser whose user and extension do as they should. It keeps the log.
pub(crate) struct Session {
    pub(crate) engine: Engine<Orchestrator>,
    pub(crate) log: Vec<Event>,
    seq: u64,
    t_ms: i64,
    /// By place: the id changes with each discard.
    tabs: Vec<TabId>,
    next_id: i64,
    random: u64,
}

pub(crate) fn engine_at_start() -> Engine<Orchestrator> {
    let policy = Orchestrator::new(PolicyDocument::default());
    Engine::new(policy, Mode::Enforce)
}

impl Session {
    pub(crate) fn started(open_tabs: i64) -> Self {
        let mut session = Self {
            engine: engine_at_start(),
            log: Vec::new(),
            seq: 0,
            t_ms: START_MS,
            tabs: (1..=open_tabs).map(TabId).collect(),
            next_id: open_tabs + 1,
            random: 1,
        };
        let tabs = (1..=open_tabs).map(|number| TabFacts {
            page: Some(page(number)),
            active: Some(number % TABS_A_WINDOW == 1),
            // The browser restored the session, and loads the others when they are wanted.
            discarded: Some(number % 2 == 0),
            last_accessed: Some(START_MS - number * MINUTE),
            ..TabFacts::new(TabId(number), window_of(number))
        });
        let windows = (0..=(open_tabs - 1) / TABS_A_WINDOW).map(|number| WindowFacts {
            win: WindowId(number),
            focused: number == 0,
        });
        let snapshot = Snapshot {
            user: Some(UserState::Active),
            windows: windows.collect(),
            tabs: tabs.collect(),
        };
        session.after(0, Input::SessionStarted(snapshot));
        session
    }

    pub(crate) fn browse(&mut self, for_ms: i64) {
        for beat in 1..=for_ms / (5 * SECOND) {
            let sample = if beat % 12 == 0 {
                sample_with_browser()
            } else {
                sample()
            };
            self.after(5 * SECOND, sample);
            if beat % 60 == 0 {
                let place = self.any_place();
                let win = self.window_at(place);
                self.after(0, Input::WindowFocused { win: Some(win) });
            }
            if beat % 4 == 0 {
                self.go_to_some_tab();
            }
            if beat % 8 == 0 {
                let place = self.any_place();
                let tab = self.tabs[place];
                let page = Some(page(i64::from(self.draw(500))));
                let protected = None;
                self.after(
                    0,
                    Input::TabNavigated {
                        tab,
                        page,
                        protected,
                    },
                );
                self.loaded(tab);
            }
        }
    }

    fn go_to_some_tab(&mut self) {
        let place = self.any_place();
        let (tab, win) = (self.tabs[place], self.window_at(place));
        self.after(0, Input::TabActivated { tab, win });
        let known = self.engine.world().tab(tab);
        if known.is_some_and(|tab| tab.is_discarded) {
            self.after(1, Input::TabRestored { tab });
            self.loaded(tab);
        }
    }

    fn loaded(&mut self, tab: TabId) {
        let load_ms = Some(800);
        self.after(800, Input::TabLoaded { tab, load_ms });
    }

    /// Takes an event to the log and does what the engine decides.
    pub(crate) fn after(&mut self, ms: i64, input: Input) {
        self.t_ms += ms;
        let event = Event {
            seq: Seq(self.seq),
            t_ms: self.t_ms,
            input,
        };
        let mut outputs = Vec::new();
        self.engine.step(&event, &mut outputs);
        self.log.push(event);
        self.seq += 1;
        for output in outputs {
            let decision_seq = Seq(self.seq);
            self.seq += 1;
            if let Output::Decision(decision) = output {
                self.obey(decision_seq, decision.tab);
            }
        }
    }

    fn obey(&mut self, decision: Seq, old: TabId) {
        let tab = TabId(self.next_id);
        self.next_id += 1;
        for known in self.tabs.iter_mut().filter(|known| **known == old) {
            *known = tab;
        }
        let by = DiscardedBy::Orchestrator;
        self.after(20, Input::TabReplaced { tab, old });
        self.after(0, Input::TabDiscarded { tab, by });
        let outcome = Input::DiscardOutcome {
            decision,
            tab: old,
            ok: true,
        };
        self.after(0, outcome);
    }

    fn window_at(&self, place: usize) -> WindowId {
        let tab = self.engine.world().tab(self.tabs[place]);
        tab.map_or(WindowId(0), |tab| tab.win)
    }

    /// Most visits go to a few tabs: the smaller of three draws.
    fn any_place(&mut self) -> usize {
        let count = u32::try_from(self.tabs.len()).unwrap_or(u32::MAX);
        let place = self.draw(count).min(self.draw(count)).min(self.draw(count));
        place as usize
    }

    /// Draws a number below `bound`, from a generator of its own (Knuth's MMIX constants): the
    /// log is the same at each run.
    fn draw(&mut self, bound: u32) -> u32 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let high = u32::try_from(self.random >> 33).unwrap_or_default();
        high % bound
    }
}

fn window_of(number: i64) -> WindowId {
    WindowId((number - 1) / TABS_A_WINDOW)
}

/// Three tabs share a host.
fn page(number: i64) -> Page {
    Page::Web(format!("www.site-{}.example", number / 3).into())
}

/// 88 % of its memory in use: MEDIUM.
const MACHINE: Metrics = Metrics {
    ram_total: Some(16 * GIB),
    ram_used: Some(16 * GIB / 100 * 88),
    ram_available: Some(16 * GIB / 100 * 12),
    swap_total: Some(8 * GIB),
    swap_used: Some(GIB),
    cpu: Some(35.0),
    on_battery: Some(false),
    battery: None,
    psi_some_avg10: Some(1.5),
    psi_full_avg10: Some(0.5),
    browser_rss: None,
    browser_pss: None,
    browser_processes: None,
};

/// A sample of the machine alone.
pub(crate) fn sample() -> Input {
    Input::Metrics(MACHINE)
}

/// The same, with the browser's own memory.
fn sample_with_browser() -> Input {
    Input::Metrics(Metrics {
        browser_pss: Some(6 * GIB),
        ..MACHINE
    })
}
