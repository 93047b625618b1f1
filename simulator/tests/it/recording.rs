//! Writes traces as the native host does: input, step, outputs; with an extension that carries
//! decisions out.

use std::path::{Path, PathBuf};

use engine::{
    Decision, DiscardedBy, Engine, Level, Mode, Orchestrator, Output, PolicyDocument, Reason,
    SEMANTICS, Seq, TabId, UserState, WindowId,
};
use recorder::{
    Body, DiscardOutcome, DropReason, Line, Metrics, ModeChanged, Naming, Opening, OrderDropped,
    Origin, PolicyChanged, PolicySource, Privacy, SessionStarted, Source, Tab, TabActivated,
    TabDiscarded, TabLoaded, TabReplaced, TabRestored, TraceWriter, Window,
};
use tempfile::TempDir;

/// The first of January 2026, in UTC.
pub(crate) const START_MS: i64 = 1_767_225_600_000;
pub(crate) const MINUTE: i64 = 60_000;
const GIB: u64 = 1 << 30;

/// Where a trace is written, in a folder called "trace".
pub(crate) struct Recording {
    root: TempDir,
    writer: TraceWriter,
    engine: Engine<Orchestrator>,
    t_ms: i64,
    n: u64,
    /// Decisions that the extension has not carried out yet.
    orders: Vec<(Seq, TabId)>,
    /// Changes what the log says of an output, to something that the engine did not say.
    pub(crate) falsify: fn(Output) -> Option<Output>,
    pub(crate) state_hash: fn(String) -> String,
}

/// A trace on disk.
pub(crate) struct Recorded {
    root: TempDir,
}

impl Recorded {
    /// The folder above the trace's, to run commands in.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// Copies the trace, into a folder beside it.
    pub(crate) fn copy_as(&self, name: &str) {
        self.add(self, name);
    }

    /// Copies another trace, into a folder beside this one.
    pub(crate) fn add(&self, other: &Self, name: &str) {
        let to = self.root().join(name);
        std::fs::create_dir_all(&to).unwrap();
        for file in std::fs::read_dir(other.root().join("trace")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }

    /// The only segment.
    pub(crate) fn segment(&self) -> PathBuf {
        let mut files = std::fs::read_dir(self.root().join("trace")).unwrap();
        files
            .find_map(|file| {
                let path = file.unwrap().path();
                path.extension()
                    .is_some_and(|extension| extension == "jsonl")
                    .then_some(path)
            })
            .unwrap()
    }
}

impl Recording {
    pub(crate) fn new(mode: Mode) -> Self {
        Self::with(mode, Origin::Recorded, SEMANTICS)
    }

    pub(crate) fn with(mode: Mode, origin: Origin, engine: u32) -> Self {
        let opening = Opening {
            origin,
            engine,
            ..opening()
        };
        Self::opened(mode, &opening)
    }

    pub(crate) fn opened(mode: Mode, opening: &Opening) -> Self {
        let mut recording = Self::begin(opening);
        recording.host(Body::PolicyChanged(recording.default_policy()));
        recording.host(Body::ModeChanged(ModeChanged { mode }));
        recording
    }

    /// What was said, as it would have been under other names.
    pub(crate) fn retell(said: Vec<Line>, naming: &Naming) -> Self {
        let mut recording = Self::begin(&Opening {
            privacy: naming.privacy(),
            ..opening()
        });
        let mut policy = PolicyDocument::default();
        for line in said {
            let mut body = line.body;
            if let Body::PolicyChanged(it) = &mut body {
                policy = naming.policy(&it.policy);
                it.policy_hash = policy.hash();
                policy = std::mem::replace(&mut *it.policy, policy);
            }
            naming.rename(&mut body, &policy);
            if line.src != Source::Engine {
                recording.t_ms = line.t_ms;
                recording.write(line.src, line.n, line.at_ms, body);
            }
        }
        recording
    }

    fn begin(opening: &Opening) -> Self {
        let root = tempfile::tempdir().unwrap();
        let writer = TraceWriter::create(&root.path().join("trace"), opening, START_MS).unwrap();
        let policy = Orchestrator::new(PolicyDocument::default());
        Self {
            root,
            writer,
            engine: Engine::new(policy, Mode::Observe),
            t_ms: START_MS,
            n: 0,
            orders: Vec::new(),
            falsify: Some,
            state_hash: |hash| hash,
        }
    }

    pub(crate) fn default_policy(&self) -> PolicyChanged {
        let policy = PolicyDocument::default();
        PolicyChanged {
            policy_hash: policy.hash(),
            policy: Box::new(policy),
            by: PolicySource::Start,
        }
    }

    /// Writes a decision that no engine made.
    pub(crate) fn invent(&mut self, cause: Seq, tab: TabId) {
        let body = Body::Decision(decision(cause, tab).into());
        self.writer
            .append(self.t_ms, Source::Engine, None, None, &body)
            .unwrap();
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, ms: i64) -> &mut Self {
        self.t_ms += ms;
        self
    }

    pub(crate) fn ext(&mut self, body: Body) -> Seq {
        self.n += 1;
        self.write(Source::Ext, Some(self.n), Some(self.t_ms), body)
    }

    pub(crate) fn host(&mut self, body: Body) -> Seq {
        self.write(Source::Host, None, None, body)
    }

    /// A first snapshot: one window, tab 1 in front, tab N on host N.
    pub(crate) fn session(&mut self, tab_count: i64) -> &mut Self {
        let tabs = (1..=tab_count).map(|id| Tab {
            active: Some(id == 1),
            ..tab(id)
        });
        self.ext(Body::SessionStarted(SessionStarted {
            browser: Some("Chromium".to_owned()),
            browser_version: Some("156.0".to_owned()),
            extension_version: Some("0.1.0".to_owned()),
            idle: Some(UserState::Active),
            windows: vec![Window {
                win: WindowId(1),
                focused: true,
            }],
            tabs: tabs.collect(),
        }));
        self
    }

    pub(crate) fn activate(&mut self, id: i64) -> &mut Self {
        let tab = self.present(id);
        let is_discarded = self
            .engine
            .world()
            .tab(tab)
            .is_some_and(|tab| tab.is_discarded);
        self.ext(Body::TabActivated(TabActivated {
            tab,
            win: WindowId(1),
        }));
        if is_discarded {
            self.ext(Body::TabRestored(TabRestored { tab }));
            self.wait(300)
                .ext(Body::TabLoaded(TabLoaded { tab, ms: Some(300) }));
        }
        self
    }

    /// A sample of a machine with 16 GiB, so much of it in use.
    pub(crate) fn sample(&mut self, used_percent: u64) -> Seq {
        let ram_total = 16 * GIB;
        let ram_used = ram_total / 100 * used_percent;
        self.host(Body::Metrics(Metrics {
            ram_total: Some(ram_total),
            ram_used: Some(ram_used),
            ram_available: Some(ram_total - ram_used),
            cpu: Some(5.0),
            browser_pss: Some(2 * GIB),
            ..Metrics::default()
        }))
    }

    /// Carries out what was decided as the extension does: each tab gets another id, 100 higher.
    pub(crate) fn carry_out(&mut self) -> &mut Self {
        for (decision, old) in std::mem::take(&mut self.orders) {
            let tab = TabId(old.0.wrapping_add(100));
            self.wait(40);
            self.ext(Body::TabReplaced(TabReplaced { tab, old }));
            let by = DiscardedBy::Orchestrator;
            self.ext(Body::TabDiscarded(TabDiscarded { tab, by }));
            self.answer(decision, old, None);
        }
        self
    }

    /// Refuses what was decided.
    pub(crate) fn refuse(&mut self, why: &str) -> &mut Self {
        for (decision, tab) in std::mem::take(&mut self.orders) {
            self.wait(40).answer(decision, tab, Some(why));
        }
        self
    }

    /// Drops the orders for what was decided.
    pub(crate) fn drop_orders(&mut self, why: DropReason) -> &mut Self {
        for (decision, tab) in std::mem::take(&mut self.orders) {
            let why = why.to_string();
            self.host(Body::OrderDropped(OrderDropped { decision, tab, why }));
        }
        self
    }

    pub(crate) fn checkpoint(&mut self) -> &mut Self {
        let hash = (self.state_hash)(self.engine.state_hash());
        self.writer.checkpoint(self.t_ms, Some(&hash)).unwrap();
        self
    }

    /// Goes on in another segment.
    pub(crate) fn rotate(&mut self) -> &mut Self {
        let hash = (self.state_hash)(self.engine.state_hash());
        let rotation = self.writer.rotate(self.t_ms, Some(&hash)).unwrap();
        rotation.compressed.unwrap();
        self
    }

    /// The id that a tab has now, by its first one.
    pub(crate) fn present(&self, id: i64) -> TabId {
        let ids = (0..).map(|times| TabId(id + 100 * times));
        ids.take(100)
            .find(|&id| self.engine.world().tab(id).is_some())
            .unwrap_or(TabId(id))
    }

    /// Closes the log in order.
    pub(crate) fn close(self) -> Recorded {
        let hash = (self.state_hash)(self.engine.state_hash());
        self.writer.close(self.t_ms, Some(&hash)).unwrap();
        Recorded { root: self.root }
    }

    /// Stops as a host that is killed.
    pub(crate) fn kill(mut self) -> Recorded {
        self.writer.sync().unwrap();
        Recorded { root: self.root }
    }

    fn answer(&mut self, decision: Seq, tab: TabId, refusal: Option<&str>) {
        self.ext(Body::DiscardOutcome(DiscardOutcome {
            decision,
            tab,
            ok: refusal.is_none(),
            why: refusal.map(str::to_owned),
        }));
    }

    fn write(&mut self, src: Source, n: Option<u64>, at_ms: Option<i64>, body: Body) -> Seq {
        let seq = self.writer.append(self.t_ms, src, n, at_ms, &body).unwrap();
        let line = Line {
            seq,
            t_ms: self.t_ms,
            src,
            n,
            at_ms,
            body,
        };
        let Some(event) = line.event() else {
            return seq;
        };
        let mut outputs = Vec::new();
        self.engine.step(&event, &mut outputs);
        for output in outputs.into_iter().filter_map(self.falsify) {
            let order = match &output {
                Output::Decision(decision) if decision.mode == Mode::Enforce => Some(decision.tab),
                _ => None,
            };
            let body = Body::from(output);
            let seq = self
                .writer
                .append(self.t_ms, Source::Engine, None, None, &body)
                .unwrap();
            self.orders.extend(order.map(|tab| (seq, tab)));
        }
        seq
    }
}

/// What a host says at the beginning.
pub(crate) fn opening() -> Opening {
    Opening {
        session: "019b7700-0000-7000-8000-000000000001".parse().unwrap(),
        extension_session: Some("session-1".to_owned()),
        engine: SEMANTICS,
        host_version: "0.1.0".to_owned(),
        platform: "linux-x86_64".to_owned(),
        privacy: Privacy::Hostname,
        origin: Origin::Recorded,
        generator: None,
        seed: None,
        importer: None,
        derived_from: None,
    }
}

/// A decision to discard a tab, with nothing said for it.
pub(crate) fn decision(cause: Seq, tab: TabId) -> Decision {
    Decision {
        cause,
        tab,
        rank: 0,
        idle_ms: 0,
        ttl_ms: 0,
        in_focus: false,
        familiarity: 1,
        score: 80,
        level: Level::High,
        reasons: vec![Reason::RamHigh],
        mode: Mode::Enforce,
        policy_hash: "none".to_owned(),
    }
}

/// Tab N on host N, not in front.
pub(crate) fn tab(id: i64) -> Tab {
    Tab {
        host: Some(format!("host-{id}.example.org").into()),
        active: Some(false),
        ..Tab::new(TabId(id), WindowId(1))
    }
}

/// The beginning of a session with one window, in front of a person who is there.
pub(crate) fn session_of(tabs: impl IntoIterator<Item = Tab>) -> Body {
    Body::SessionStarted(SessionStarted {
        browser: None,
        browser_version: None,
        extension_version: None,
        idle: Some(UserState::Active),
        windows: vec![Window {
            win: WindowId(1),
            focused: true,
        }],
        tabs: tabs.into_iter().collect(),
    })
}

/// Twenty minutes in which memory gets short: tabs 2 to 5 are read one after another, then the
/// user stays in tab 6 and comes back to tab 2 near the end.
pub(crate) fn short_of_memory(mode: Mode) -> Recording {
    let mut recording = Recording::new(mode);
    browse(&mut recording);
    recording
}

/// The same in another session.
pub(crate) fn short_of_memory_again(mode: Mode) -> Recording {
    let opening = Opening {
        session: "019b7700-0000-7000-8000-000000000002".parse().unwrap(),
        ..opening()
    };
    let mut recording = Recording::opened(mode, &opening);
    browse(&mut recording);
    recording
}

/// What [`short_of_memory`] does.
pub(crate) fn browse(recording: &mut Recording) {
    recording.session(6);
    for id in 2..=6 {
        recording.wait(MINUTE).activate(id);
        recording.sample(60);
    }
    for minute in 0..12 {
        recording
            .wait(MINUTE)
            .sample(if minute < 2 { 70 } else { 94 });
        recording.carry_out();
    }
    recording.checkpoint();
    recording.wait(MINUTE).activate(2);
    recording.wait(MINUTE).sample(60);
    recording.wait(MINUTE).checkpoint();
}
