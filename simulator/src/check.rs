//! What is odd about a trace that can be read: things that cannot have happened, text that no
//! trace may hold, times that do not fit, and what later versions may have added.
//!
//! What a reader refuses (damage, gaps, checkpoints that do not match) never comes here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use engine::{Facts, Mode, Seq, TabId};
use recorder::{
    Body, Line, Origin, Source, Tab, WindowClosed, WindowFocused, is_hostname, is_scheme,
};
use serde::Serialize;
use serde_json::Value;

/// How many places of each kind are listed.
const PLACES_LISTED: usize = 3;

/// How many closed tabs are told from tabs that never were.
const CLOSED_REMEMBERED: usize = 4_096;

/// How many decisions are remembered for their outcomes.
const DECISIONS_REMEMBERED: usize = 65_536;

/// A live host samples every 5 s. Five minutes without a line, and not told as sleep, are a hole.
const HOLE_MS: i64 = 5 * 60_000;

/// How far the extension's clock may be from the log's: an event may have waited in the outbox
/// for a while, but both are clocks of one machine.
const CLOCKS_APART_MS: i64 = 60 * 60_000;

/// A checkpoint is made at least every 1,000 lines.
const CHECKPOINT_LINES: u64 = recorder::CHECKPOINT_LINES;

/// What can be odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A host that is more than a hostname: a path, a query, a port, a user, upper case.
    LeakHost,
    /// A scheme that is more than a scheme.
    LeakScheme,
    /// Text that looks like an address or a title, where it may not be.
    LeakText,
    /// An event about a tab that never was.
    UnknownTab,
    /// An event about a tab that was closed.
    ClosedTab,
    /// A tab that is open was opened.
    OpenedTwice,
    /// A tab was activated in a window that it is not in.
    WrongWindow,
    /// An event about a window that is not open.
    UnknownWindow,
    /// A tab that was not loading finished loading.
    LoadedWithoutLoading,
    /// A tab that is discarded was discarded.
    DiscardedTwice,
    /// A tab in front, or in sight beside it, was discarded.
    DiscardedInFront,
    /// A tab that is not discarded was restored.
    RestoredNotDiscarded,
    /// An output that does not follow its input.
    OutputOutOfPlace,
    /// An outcome of a decision that is not there.
    OutcomeWithoutDecision,
    /// A time without lines that is not told as sleep.
    Hole,
    /// The extension's clock is far from the log's.
    ClocksApart,
    /// Too many lines without a checkpoint.
    CheckpointOverdue,
    /// A live log's checkpoint without the engine's state.
    CheckpointWithoutState,
    /// Lost events without a fresh snapshot after them.
    LossWithoutSnapshot,
    /// A type that this version does not know.
    UnknownType,
    /// A field that this version does not know.
    UnknownField,
}

impl Kind {
    /// Says what it is, for people.
    pub fn about(self) -> &'static str {
        match self {
            Self::LeakHost => "a host is more than a hostname",
            Self::LeakScheme => "a scheme is more than a scheme",
            Self::LeakText => "text looks like an address or a title",
            Self::UnknownTab => "an event is about a tab that never was",
            Self::ClosedTab => "an event is about a tab that was closed",
            Self::OpenedTwice => "a tab that is open was opened",
            Self::WrongWindow => "a tab was activated in a window that it is not in",
            Self::UnknownWindow => "an event is about a window that is not open",
            Self::LoadedWithoutLoading => "a tab that was not loading finished loading",
            Self::DiscardedTwice => "a tab that is discarded was discarded",
            Self::DiscardedInFront => "a tab in front, or in sight beside it, was discarded",
            Self::RestoredNotDiscarded => "a tab that is not discarded was restored",
            Self::OutputOutOfPlace => "an output does not follow its input",
            Self::OutcomeWithoutDecision => "an outcome is of no decision",
            Self::Hole => "minutes without a line are not told as sleep",
            Self::ClocksApart => "the extension's clock is an hour or more from the log's",
            Self::CheckpointOverdue => "there are too many lines without a checkpoint",
            Self::CheckpointWithoutState => "a live checkpoint has no state",
            Self::LossWithoutSnapshot => "no snapshot follows lost events",
            Self::UnknownType => "a type is not known to this version",
            Self::UnknownField => "a field is not known to this version",
        }
    }
}

/// What was found of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The kind.
    pub kind: Kind,
    /// How often.
    pub count: u64,
    /// The first places.
    pub first: Vec<Place>,
}

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The line.
    pub seq: Seq,
    /// Its time.
    pub t_ms: i64,
    /// The type of the line.
    #[serde(rename = "type")]
    pub type_name: String,
    /// What was found there.
    pub what: String,
}

/// A check under way.
#[derive(Clone, Debug)]
pub struct Check {
    facts: Facts,
    origin: Option<Origin>,
    findings: BTreeMap<Kind, Finding>,
    /// Tabs that were opened by an event of their own since the last snapshot: what an event
    /// repeats of a snapshot is in order.
    opened: BTreeSet<TabId>,
    closed: VecDeque<TabId>,
    decisions: BTreeSet<Seq>,
    /// The last input, if nothing but its outputs came after it.
    last_input: Option<Seq>,
    last_t_ms: Option<i64>,
    lines_since_checkpoint: u64,
    lost_at: Option<(Seq, i64)>,
    canonical: Vec<u8>,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            facts: Facts::new(Mode::Observe),
            origin: None,
            findings: BTreeMap::new(),
            opened: BTreeSet::new(),
            closed: VecDeque::new(),
            decisions: BTreeSet::new(),
            last_input: None,
            last_t_ms: None,
            lines_since_checkpoint: 0,
            lost_at: None,
            canonical: Vec::new(),
        }
    }
}

impl Check {
    /// Takes the next line in, with its bytes.
    pub fn take(&mut self, line: &Line, text: &[u8]) {
        self.check_fields(line, text);
        self.check_text(line);
        self.check_time(line);
        self.check_order(line);
        self.check_transition(line);
        if let Some(event) = line.event() {
            self.facts.apply(&event);
        }
        self.remember(line);
    }

    /// Ends the check: what was found, by kind.
    pub fn finish(mut self) -> Vec<Finding> {
        if let Some((seq, t_ms)) = self.lost_at {
            self.add(
                Kind::LossWithoutSnapshot,
                Place {
                    seq,
                    t_ms,
                    type_name: "dropped".to_owned(),
                    what: "the trace ends without one".to_owned(),
                },
            );
        }
        self.findings.into_values().collect()
    }

    fn find(&mut self, kind: Kind, line: &Line, what: impl Into<String>) {
        let place = Place {
            seq: line.seq,
            t_ms: line.t_ms,
            type_name: line.body.type_name().to_owned(),
            what: what.into(),
        };
        self.add(kind, place);
    }

    fn add(&mut self, kind: Kind, place: Place) {
        let finding = self.findings.entry(kind).or_insert(Finding {
            kind,
            count: 0,
            first: Vec::new(),
        });
        finding.count += 1;
        if finding.first.len() < PLACES_LISTED {
            finding.first.push(place);
        }
    }

    /// Looks for fields that no field of a line was read from.
    fn check_fields(&mut self, line: &Line, text: &[u8]) {
        self.canonical.clear();
        line.write(&mut self.canonical);
        if self.canonical.strip_suffix(b"\n") == Some(text) {
            return;
        }
        let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
        let (said, known) = (read(text), read(&self.canonical));
        let mut unknown = Vec::new();
        if let Body::Unknown { type_name } = &line.body {
            self.find(Kind::UnknownType, line, type_name.clone());
            texts(&said, "", &mut unknown);
            unknown.retain(|(field, _)| !matches!(&**field, "type" | "src"));
        } else {
            let mut fields = Vec::new();
            beyond(&said, &known, "", &mut fields);
            for (field, value) in fields {
                self.find(Kind::UnknownField, line, field.clone());
                texts(value, &field, &mut unknown);
            }
        }
        for (field, text) in unknown {
            if looks_like_an_address(text) || looks_like_a_title(text) {
                self.find(Kind::LeakText, line, format!("{field}: {text:?}"));
            }
        }
    }

    fn check_text(&mut self, line: &Line) {
        let mut page = |host: Option<&str>, scheme: Option<&str>| {
            if let Some(host) = host.filter(|host| !is_hostname(host)) {
                self.find(Kind::LeakHost, line, format!("host: {host:?}"));
            }
            if let Some(scheme) = scheme.filter(|scheme| !is_scheme(scheme)) {
                self.find(Kind::LeakScheme, line, format!("scheme: {scheme:?}"));
            }
        };
        match &line.body {
            Body::SessionStarted(it) => {
                for tab in &it.tabs {
                    page(tab.host.as_deref(), tab.scheme.as_deref());
                }
            }
            Body::TabOpened(tab) => page(tab.host.as_deref(), tab.scheme.as_deref()),
            Body::TabNavigated(it) => page(it.host.as_deref(), it.scheme.as_deref()),
            Body::KnowledgeCarried(it) => {
                for known in &it.hosts {
                    page(Some(&known.host), None);
                }
            }
            _ => {}
        }
        let free = match &line.body {
            Body::LogOpened(it) => vec![
                ("extension_session", it.extension_session.as_ref()),
                ("host_version", Some(&it.host_version)),
                ("platform", Some(&it.platform)),
            ],
            Body::SessionStarted(it) => vec![
                ("browser", it.browser.as_ref()),
                ("browser_version", it.browser_version.as_ref()),
                ("extension_version", it.extension_version.as_ref()),
            ],
            Body::Dropped(it) => vec![("why", Some(&it.why))],
            Body::DiscardOutcome(it) => vec![("why", it.why.as_ref())],
            Body::OrderDropped(it) => vec![("why", Some(&it.why))],
            _ => return,
        };
        for (field, text) in free {
            if let Some(text) = text.filter(|text| looks_like_an_address(text)) {
                self.find(Kind::LeakText, line, format!("{field}: {text:?}"));
            }
        }
    }

    fn check_time(&mut self, line: &Line) {
        if let Some(last) = self.last_t_ms
            && self.origin == Some(Origin::Recorded)
            && !matches!(line.body, Body::Suspended(_) | Body::LogResumed(_))
        {
            let hole_ms = line.t_ms.saturating_sub(last);
            if hole_ms >= HOLE_MS {
                self.find(
                    Kind::Hole,
                    line,
                    format!("{hole_ms} ms since the line before"),
                );
            }
        }
        self.last_t_ms = Some(line.t_ms);
        if let Some(at_ms) = line.at_ms {
            let offset_ms = self.facts.world().wall_offset_ms();
            let apart_ms = at_ms.saturating_sub(line.t_ms).saturating_sub(offset_ms);
            if apart_ms.saturating_abs() >= CLOCKS_APART_MS {
                self.find(
                    Kind::ClocksApart,
                    line,
                    format!("at_ms is {apart_ms} ms off"),
                );
            }
        }
    }

    fn check_order(&mut self, line: &Line) {
        self.lines_since_checkpoint += 1;
        match &line.body {
            Body::LogOpened(it) => self.origin = self.origin.or(Some(it.origin)),
            Body::Checkpoint(it) => {
                self.lines_since_checkpoint = 0;
                if it.state.is_none() && self.origin == Some(Origin::Recorded) {
                    self.find(Kind::CheckpointWithoutState, line, "no state");
                }
            }
            Body::Decision(it) => self.check_cause(line, it.cause),
            Body::PressureChanged(it) => self.check_cause(line, it.cause),
            Body::DiscardOutcome(it) => self.check_decision(line, it.decision),
            Body::OrderDropped(it) => self.check_decision(line, it.decision),
            _ => {}
        }
        // A batch of outputs may take a live log some lines past the number.
        if self.lines_since_checkpoint == 2 * CHECKPOINT_LINES {
            let what = format!("{} lines", self.lines_since_checkpoint);
            self.find(Kind::CheckpointOverdue, line, what);
        }
        if let Some((_, t_ms)) = self.lost_at
            && line.src == Source::Ext
        {
            self.lost_at = None;
            if !matches!(line.body, Body::SessionStarted(_)) {
                let what = format!("events were lost at {t_ms}");
                self.find(Kind::LossWithoutSnapshot, line, what);
            }
        }
    }

    fn check_decision(&mut self, line: &Line, decision: Seq) {
        if !self.decisions.contains(&decision) {
            let what = format!("it names seq {decision}");
            self.find(Kind::OutcomeWithoutDecision, line, what);
        }
    }

    fn check_cause(&mut self, line: &Line, cause: Seq) {
        if self.last_input != Some(cause) {
            let what = format!("it names seq {cause} as its cause");
            self.find(Kind::OutputOutOfPlace, line, what);
        }
    }

    fn check_transition(&mut self, line: &Line) {
        let world = self.facts.world();
        if let Some(id) = tab_of(&line.body).filter(|&id| world.tab(id).is_none()) {
            let kind = if self.closed.contains(&id) {
                Kind::ClosedTab
            } else {
                Kind::UnknownTab
            };
            self.find(kind, line, format!("tab {id}"));
        } else if let Some((kind, what)) = self.oddity(&line.body) {
            self.find(kind, line, what);
        }
    }

    /// What cannot have happened, as things stand. The tab that a line is about is there.
    fn oddity(&self, body: &Body) -> Option<(Kind, String)> {
        let world = self.facts.world();
        let is_open = |id: TabId| world.tab(id).is_some();
        let of_tab = |kind: Kind, id: TabId| Some((kind, format!("tab {id}")));
        match body {
            Body::TabOpened(it) if self.opened.contains(&it.tab) && is_open(it.tab) => {
                of_tab(Kind::OpenedTwice, it.tab)
            }
            Body::TabReplaced(it) if is_open(it.tab) => {
                let what = format!("tab {}, as the new id of {}", it.tab, it.old);
                Some((Kind::OpenedTwice, what))
            }
            Body::TabActivated(it) => {
                let (win, named) = (world.tab(it.tab)?.win, it.win);
                let what = || format!("tab {} is in window {}, not {}", it.tab, win.0, named.0);
                (win != named).then(|| (Kind::WrongWindow, what()))
            }
            Body::TabLoaded(it) if !world.tab(it.tab)?.is_loading => {
                of_tab(Kind::LoadedWithoutLoading, it.tab)
            }
            Body::TabDiscarded(it) if world.tab(it.tab)?.is_discarded => {
                of_tab(Kind::DiscardedTwice, it.tab)
            }
            Body::TabDiscarded(it) if world.tab(it.tab)?.is_shown() => {
                of_tab(Kind::DiscardedInFront, it.tab)
            }
            Body::TabRestored(it) if !world.tab(it.tab)?.is_discarded => {
                of_tab(Kind::RestoredNotDiscarded, it.tab)
            }
            Body::WindowClosed(WindowClosed { win })
            | Body::WindowFocused(WindowFocused { win: Some(win) }) => {
                let is_open = world.windows().any(|open| open == *win);
                (!is_open).then(|| (Kind::UnknownWindow, format!("window {}", win.0)))
            }
            _ => None,
        }
    }

    fn remember(&mut self, line: &Line) {
        match &line.body {
            Body::SessionStarted(_) => self.opened.clear(),
            Body::TabOpened(Tab { tab, .. }) => {
                self.opened.insert(*tab);
            }
            Body::TabReplaced(it) => {
                self.close(it.old);
                self.opened.insert(it.tab);
            }
            Body::TabClosed(it) => self.close(it.tab),
            Body::WindowClosed(_) => {
                let world = self.facts.world();
                let gone = |change: &engine::Change| match change {
                    engine::Change::Gone(tab) => Some(*tab),
                    _ => None,
                };
                for tab in world.changes().iter().filter_map(gone).collect::<Vec<_>>() {
                    self.close(tab);
                }
            }
            Body::Decision(_) => {
                self.decisions.insert(line.seq);
                if self.decisions.len() > DECISIONS_REMEMBERED {
                    self.decisions.pop_first();
                }
            }
            Body::Dropped(it) if it.from.is_some() => {
                self.lost_at = Some((line.seq, line.t_ms));
            }
            _ => {}
        }
        if line.src != Source::Engine {
            self.last_input = Some(line.seq);
        }
    }

    fn close(&mut self, tab: TabId) {
        self.opened.remove(&tab);
        self.closed.push_back(tab);
        if self.closed.len() > CLOSED_REMEMBERED {
            self.closed.pop_front();
        }
    }
}

/// The tab that a line is about, which must be there.
fn tab_of(body: &Body) -> Option<TabId> {
    Some(match body {
        Body::TabActivated(it) => it.tab,
        Body::TabNavigated(it) => it.tab,
        Body::TabLoaded(it) => it.tab,
        Body::TabChanged(it) => it.tab,
        Body::TabMoved(it) => it.tab,
        Body::TabReplaced(it) => it.old,
        Body::TabDiscarded(it) => it.tab,
        Body::TabRestored(it) => it.tab,
        Body::TabClosed(it) => it.tab,
        Body::TabMemory(it) => it.tab,
        Body::Decision(it) => it.tab,
        _ => return None,
    })
}

/// Collects what a value has beyond a known one. Nulls are nothing.
fn beyond<'a>(said: &'a Value, known: &Value, path: &str, fields: &mut Vec<(String, &'a Value)>) {
    match (said, known) {
        (Value::Object(said), Value::Object(known)) => {
            for (name, value) in said {
                let path = join(path, name);
                match known.get(name) {
                    Some(known) => beyond(value, known, &path, fields),
                    None if value.is_null() => {}
                    None => fields.push((path, value)),
                }
            }
        }
        (Value::Array(said), Value::Array(known)) => {
            for (said, known) in said.iter().zip(known) {
                beyond(said, known, path, fields);
            }
        }
        _ => {}
    }
}

/// Collects the texts of a value.
fn texts<'a>(value: &'a Value, path: &str, found: &mut Vec<(String, &'a str)>) {
    match value {
        Value::String(text) => found.push((path.to_owned(), text)),
        Value::Array(values) => values.iter().for_each(|value| texts(value, path, found)),
        Value::Object(values) => {
            for (name, value) in values {
                texts(value, &join(path, name), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

/// Whether a text may be, or contain, the address of a page.
fn looks_like_an_address(text: &str) -> bool {
    text.contains("://")
        || text.contains("www.")
        || text.starts_with("data:")
        || text.starts_with("mailto:")
        || (text.contains('/') && text.contains('.') && !text.contains(' '))
}

/// Whether a text may be the title of a page: several words.
fn looks_like_a_title(text: &str) -> bool {
    text.split_whitespace().nth(1).is_some()
}
