//! What is in a trace: who wrote it, what happened in it, what is missing.
//!
//! Facts that no line tells (levels of pressure over time, tabs open at once) come from the engine
//! itself, which follows the recorded inputs under the recorded policy. What is kept is bounded,
//! whatever the trace.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    DiscardedBy, Engine, Event, Input, Level, Mode, Moment, Orchestrator, Output, PolicyDocument,
    Seq, TabFacts,
};
use recorder::{Body, Line, LogOpened, PolicySource, ResumeReason, Source};
use serde::Serialize;

use crate::replay::Span;

/// How many hosts are told apart, and how many changes of policy and mode are listed. Beyond them
/// there is only a count.
const HOSTS_TOLD_APART: usize = 65_536;
const CHANGES_LISTED: usize = 64;

/// A survey under way.
#[derive(Clone, Debug)]
pub struct Survey {
    engine: Engine<Orchestrator>,
    outputs: Vec<Output>,
    before: Moment,
    level: Level,
    hosts: BTreeSet<String>,
    types: BTreeMap<(Source, String), u64>,
    /// How many samples had each score, 0 to 100.
    scores: [u64; 101],
    contents: Contents,
}

/// What is in a trace.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Contents {
    /// Its first line; absent where there is none.
    pub header: Option<LogOpened>,
    /// The browser, as its extension tells.
    pub browser: Browser,
    /// How many lines there are.
    pub lines: u64,
    /// Lines by type, in the order of their sources and names.
    pub types: Vec<TypeCount>,
    /// The time from the first event to the last.
    pub span: Span,
    /// Windows and tabs.
    pub tabs: Tabs,
    /// The pressure under the recorded policy.
    pub pressure: Pressure,
    /// Readings of memory, in bytes.
    pub memory: Memory,
    /// What was decided.
    pub decisions: Decisions,
    /// What became of tabs.
    pub discards: Discards,
    /// Where the recording has holes.
    pub gaps: Gaps,
    /// The policies in force.
    pub policies: Changes<PolicyUse>,
    /// The modes in force.
    pub modes: Changes<ModeUse>,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Segments that are sealed.
    pub sealed_segments: u64,
    /// Events about unknown tabs, or out of place.
    pub anomalies: u64,
}

/// What the extension says of its browser. Of several answers the last one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Browser {
    /// Its name.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The extension's version.
    pub extension_version: Option<String>,
    /// Whether it tells idleness. Where it does not, 30 minutes without an event end the user's
    /// time.
    pub tells_idleness: bool,
}

/// How many lines of a type there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TypeCount {
    /// Who observes it.
    pub src: Source,
    /// Its name.
    #[serde(rename = "type")]
    pub type_name: String,
    /// How many.
    pub count: u64,
}

/// Windows and tabs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tabs {
    /// The most tabs open at once.
    pub most_open: usize,
    /// Tabs that were ever open.
    pub seen: u64,
    /// The most windows open at once.
    pub most_windows: usize,
    /// Hosts, as far as they are told apart.
    pub hosts: usize,
}

/// The pressure on the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Pressure {
    /// Samples of the machine.
    pub samples: u64,
    /// The lowest score, the one in the middle and the highest.
    pub score: Option<Spread<u8>>,
    /// Time awake at LOW, in milliseconds.
    pub low_ms: i64,
    /// Time awake at MEDIUM, in milliseconds.
    pub medium_ms: i64,
    /// Time awake at HIGH, in milliseconds.
    pub high_ms: i64,
}

/// The least, the middle and the greatest of some readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Spread<T> {
    /// The least.
    pub min: T,
    /// The middle.
    pub median: T,
    /// The greatest.
    pub max: T,
}

/// The least and the greatest of some readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Range {
    /// The least.
    pub min: u64,
    /// The greatest.
    pub max: u64,
}

/// Readings of memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The machine's.
    pub ram_total: Option<u64>,
    /// In use.
    pub ram_used: Option<Range>,
    /// Swap space in use.
    pub swap_used: Option<Range>,
    /// The browser's, a shared page counted once.
    pub browser_pss: Option<Range>,
}

/// What the engine decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Decisions {
    /// Only noted.
    pub observe: u64,
    /// To be carried out.
    pub enforce: u64,
    /// By reason. A decision can have several.
    pub by_reason: BTreeMap<String, u64>,
    /// Outcomes that say that the tab was discarded.
    pub succeeded: u64,
    /// Outcomes that say that it was not.
    pub refused: u64,
}

/// What became of tabs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Discards {
    /// Discarded by this project's extension.
    pub by_orchestrator: u64,
    /// Discarded by the browser, the user or another extension.
    pub by_other: u64,
    /// Loaded again.
    pub restores: u64,
}

/// Where the recording has holes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Gaps {
    /// A restarted host went on.
    pub host_restarts: u64,
    /// A restarted service worker brought a new host.
    pub worker_restarts: u64,
    /// Bytes of unfinished lines that were set aside.
    pub torn_bytes: u64,
    /// How often the machine slept.
    pub sleeps: u64,
    /// For how long in all, in milliseconds.
    pub slept_ms: u64,
    /// How often the wall clock was set.
    pub clock_steps: u64,
    /// How often events were lost.
    pub losses: u64,
    /// How many events were lost.
    pub lost_events: u64,
}

/// A list of changes, as far as it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changes<T> {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Vec<T>,
}

/// A policy in force from a line on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyUse {
    /// The line.
    pub seq: Seq,
    /// Its time.
    pub t_ms: i64,
    /// The hash of the policy.
    pub policy_hash: String,
    /// What brought it.
    pub by: PolicySource,
}

/// A mode in force from a line on. A log begins in observe mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ModeUse {
    /// The line.
    pub seq: Seq,
    /// Its time.
    pub t_ms: i64,
    /// The mode.
    pub mode: Mode,
}

impl<T> Default for Changes<T> {
    fn default() -> Self {
        Self {
            count: 0,
            first: Vec::new(),
        }
    }
}

impl<T> Changes<T> {
    fn add(&mut self, change: T) {
        self.count += 1;
        if self.first.len() < CHANGES_LISTED {
            self.first.push(change);
        }
    }
}

impl Range {
    fn widen(range: &mut Option<Self>, reading: Option<u64>) {
        let Some(reading) = reading else { return };
        let range = range.get_or_insert(Self {
            min: reading,
            max: reading,
        });
        range.min = range.min.min(reading);
        range.max = range.max.max(reading);
    }
}

impl Default for Survey {
    fn default() -> Self {
        Self::new()
    }
}

impl Survey {
    /// Starts with nothing known.
    pub fn new() -> Self {
        let policy = Orchestrator::new(PolicyDocument::default());
        Self {
            engine: Engine::new(policy, Mode::Observe),
            outputs: Vec::new(),
            before: Moment::default(),
            level: Level::default(),
            hosts: BTreeSet::new(),
            types: BTreeMap::new(),
            scores: [0; 101],
            contents: Contents::default(),
        }
    }

    /// Takes the next line of the trace in.
    pub fn take(&mut self, line: &Line) {
        self.contents.lines += 1;
        self.count_type(line);
        self.note(line);
        if let Some(event) = line.event() {
            self.step(&event);
        }
    }

    /// Ends the survey.
    pub fn finish(self) -> Contents {
        let mut contents = self.contents;
        contents.types = self
            .types
            .into_iter()
            .map(|((src, type_name), count)| TypeCount {
                src,
                type_name,
                count,
            })
            .collect();
        contents.span.end(self.engine.world().moment());
        contents.tabs.hosts = self.hosts.len();
        contents.pressure.score = spread(&self.scores);
        contents.anomalies = self.engine.world().anomalies();
        contents
    }

    fn count_type(&mut self, line: &Line) {
        // A stranger's file may have any number of types that no version knows.
        let name = match &line.body {
            Body::Unknown { .. } => "(unknown)",
            known => known.type_name(),
        };
        let key = (line.src, name.to_owned());
        *self.types.entry(key).or_default() += 1;
    }

    fn note(&mut self, line: &Line) {
        let Line { seq, t_ms, .. } = *line;
        let Contents {
            decisions,
            discards,
            gaps,
            ..
        } = &mut self.contents;
        match &line.body {
            Body::LogOpened(header) => {
                self.contents.header.get_or_insert_with(|| header.clone());
            }
            Body::LogResumed(resumed) => {
                gaps.torn_bytes = gaps.torn_bytes.saturating_add(resumed.torn_bytes);
                match resumed.why {
                    ResumeReason::HostRestarted => gaps.host_restarts += 1,
                    ResumeReason::WorkerRestarted => gaps.worker_restarts += 1,
                }
            }
            Body::Checkpoint(_) => self.contents.checkpoints += 1,
            Body::LogClosed(_) => self.contents.sealed_segments += 1,
            Body::Dropped(dropped) => {
                gaps.losses += 1;
                gaps.lost_events = gaps.lost_events.saturating_add(dropped.count);
            }
            Body::ClockStepped(_) => gaps.clock_steps += 1,
            Body::Suspended(suspended) => {
                gaps.sleeps += 1;
                gaps.slept_ms = gaps.slept_ms.saturating_add(suspended.ms);
            }
            Body::SessionStarted(session) => {
                self.contents.browser = Browser {
                    name: session.browser.clone(),
                    version: session.browser_version.clone(),
                    extension_version: session.extension_version.clone(),
                    tells_idleness: session.idle.is_some(),
                };
            }
            Body::TabDiscarded(discarded) => match discarded.by {
                DiscardedBy::Orchestrator => discards.by_orchestrator += 1,
                DiscardedBy::Other => discards.by_other += 1,
            },
            Body::TabRestored(_) => discards.restores += 1,
            Body::DiscardOutcome(outcome) if outcome.ok => decisions.succeeded += 1,
            Body::DiscardOutcome(_) | Body::OrderDropped(_) => decisions.refused += 1,
            Body::PolicyChanged(change) => self.contents.policies.add(PolicyUse {
                seq,
                t_ms,
                policy_hash: change.policy_hash.clone(),
                by: change.by,
            }),
            Body::ModeChanged(change) => self.contents.modes.add(ModeUse {
                seq,
                t_ms,
                mode: change.mode,
            }),
            Body::Metrics(metrics) => {
                let memory = &mut self.contents.memory;
                memory.ram_total = metrics.ram_total.or(memory.ram_total);
                Range::widen(&mut memory.ram_used, metrics.ram_used);
                Range::widen(&mut memory.swap_used, metrics.swap_used);
                Range::widen(&mut memory.browser_pss, metrics.browser_pss);
            }
            Body::Decision(decision) => {
                match decision.mode {
                    Mode::Observe => decisions.observe += 1,
                    Mode::Enforce => decisions.enforce += 1,
                }
                for reason in &decision.reasons {
                    *decisions.by_reason.entry(reason.to_string()).or_default() += 1;
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, event: &Event) {
        self.note_new(&event.input);
        self.engine.step(event, &mut self.outputs);
        let at = self.engine.world().moment();
        if self.contents.span.from_ms.is_none() {
            self.contents.span.begin(event.t_ms);
            self.before = at;
        }
        let pressure = &mut self.contents.pressure;
        let spent = match self.level {
            Level::Low => &mut pressure.low_ms,
            Level::Medium => &mut pressure.medium_ms,
            Level::High => &mut pressure.high_ms,
        };
        *spent += at.awake.saturating_sub(self.before.awake);
        self.before = at;
        for output in self.outputs.drain(..) {
            if let Output::PressureChanged(change) = output {
                self.level = change.level;
            }
        }
        if let Input::Metrics(_) = event.input {
            pressure.samples += 1;
            self.scores[usize::from(self.engine.policy().pressure().score.min(100))] += 1;
        }
        let tabs = &mut self.contents.tabs;
        tabs.most_open = tabs.most_open.max(self.engine.world().tab_count());
        tabs.most_windows = tabs.most_windows.max(self.engine.world().window_count());
    }

    /// Counts tabs and hosts that were not known before.
    fn note_new(&mut self, input: &Input) {
        match input {
            Input::SessionStarted(snapshot) => {
                for facts in &snapshot.tabs {
                    self.note_tab(facts);
                }
            }
            Input::TabOpened(facts) => self.note_tab(facts),
            Input::TabNavigated { page, .. } => self.note_page(page.as_ref()),
            _ => {}
        }
    }

    fn note_tab(&mut self, facts: &TabFacts) {
        let is_new = self.engine.world().tab(facts.tab).is_none();
        self.contents.tabs.seen += u64::from(is_new);
        self.note_page(facts.page.as_ref());
    }

    fn note_page(&mut self, page: Option<&engine::Page>) {
        if let Some(engine::Page::Web(host)) = page
            && self.hosts.len() < HOSTS_TOLD_APART
            && !self.hosts.contains(&**host)
        {
            self.hosts.insert(host.to_string());
        }
    }
}

/// Finds the least, the middle and the greatest score. Of an even number of samples the lower one
/// of the two in the middle counts.
fn spread(scores: &[u64; 101]) -> Option<Spread<u8>> {
    let total: u64 = scores.iter().sum();
    let at = |index: u64| {
        let mut left = index;
        (0..).zip(scores).find_map(|(score, &count)| {
            if left < count {
                return Some(score);
            }
            left -= count;
            None
        })
    };
    Some(Spread {
        min: at(0)?,
        median: at((total - 1) / 2)?,
        max: at(total - 1)?,
    })
}
