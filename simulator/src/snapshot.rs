//! What a policy decides on a trace, as text for version control.
//!
//! A line for each decision, and in it only what the decision rests on and says. Tabs are called by
//! their order of appearance and times count from the trace's first line, so the text stays as it
//! is where the same session is recorded anew with other ids, other seqs or more lines that decide
//! nothing; and no line depends on another, so that a change shows where it is.

use std::collections::BTreeMap;

use engine::{Change, Event, Facts, Input, Mode, Reason, TabId};
use recorder::Line;

use crate::replay::{AnyReplay, Replayed, Step};

/// How every snapshot begins.
pub const TITLE: &str = "# Decisions of a policy on a trace. Written by `sim snapshot accept`.";

/// A snapshot in the making.
#[derive(Clone, Debug)]
pub struct Snapshot {
    replay: AnyReplay,
    decided: Vec<Replayed>,
    page: Page,
}

impl Snapshot {
    /// Starts one, with the names of trace and policy, and a replay that has taken nothing in.
    pub fn new(trace: &str, policy: &str, replay: AnyReplay) -> Self {
        let (trace, policy) = (trace.escape_debug(), policy.escape_debug());
        Self {
            replay,
            decided: Vec::new(),
            page: Page {
                tabs: Appearances::new(),
                start_ms: None,
                text: format!("{TITLE}\n# trace: {trace}\n# policy: {policy}\n"),
            },
        }
    }

    /// Takes the next line of the recording in.
    pub fn take(&mut self, line: &Line) {
        self.page.start_ms.get_or_insert(line.t_ms);
        let step = Step::of(line);
        if let Some(step) = &step {
            self.replay.take_step(step, &mut self.decided);
        }
        // Decisions come with the line after their cause, and call a tab as before that line.
        self.page.write(&mut self.decided);
        if let Some(Step::Event(event)) = &step {
            self.page.tabs.follow(event);
        }
    }

    /// Ends it, and returns the text.
    pub fn finish(mut self) -> String {
        self.replay.finish(&mut self.decided);
        self.page.write(&mut self.decided);
        self.page.text
    }
}

/// What is written, and what it is written from.
#[derive(Clone, Debug)]
struct Page {
    tabs: Appearances,
    start_ms: Option<i64>,
    text: String,
}

impl Page {
    fn write(&mut self, decided: &mut Vec<Replayed>) {
        let start_ms = self.start_ms.unwrap_or_default();
        for replayed in decided.drain(..) {
            let Replayed {
                t_ms,
                decision,
                host,
                ..
            } = replayed;
            let reasons: Vec<String> = decision.reasons.iter().map(Reason::to_string).collect();
            let tab = self.tabs.number(decision.tab);
            self.text += &format!(
                "{}  {}  {}  idle {}  ttl {}  familiarity {}  {}  {}\n",
                clock(t_ms.saturating_sub(start_ms)),
                tab.map_or("t?".to_owned(), |number| format!("t{number}")),
                host.as_deref().unwrap_or("-").escape_debug(),
                clock(decision.idle_ms),
                clock(decision.ttl_ms),
                decision.familiarity,
                decision.level,
                reasons.join(" "),
            );
        }
    }
}

/// The tabs of a recording by the order in which they appeared, from 1.
#[derive(Clone, Debug)]
struct Appearances {
    facts: Facts,
    numbers: BTreeMap<TabId, u64>,
    count: u64,
}

impl Appearances {
    fn new() -> Self {
        Self {
            facts: Facts::new(Mode::Observe),
            numbers: BTreeMap::new(),
            count: 0,
        }
    }

    fn number(&self, tab: TabId) -> Option<u64> {
        self.numbers.get(&tab).copied()
    }

    fn follow(&mut self, event: &Event) {
        self.facts.apply(event);
        for &change in self.facts.world().changes() {
            match change {
                Change::Tab(_) => {}
                Change::Renamed { old, new } => {
                    if let Some(number) = self.numbers.remove(&old) {
                        self.numbers.insert(new, number);
                    }
                }
                Change::Gone(tab) => {
                    self.numbers.remove(&tab);
                }
            }
        }
        // What is told at once is told in the browser's order, which ids do not have.
        let told = match &event.input {
            Input::SessionStarted(snapshot) => snapshot.tabs.iter().map(|tab| tab.tab).collect(),
            _ => Vec::new(),
        };
        let changed = self.facts.world().changes().iter();
        let changed = changed.filter_map(|&change| match change {
            Change::Tab(tab) => Some(tab),
            Change::Renamed { .. } | Change::Gone(_) => None,
        });
        for tab in told.into_iter().chain(changed) {
            let is_there = self.facts.world().tab(tab).is_some();
            if is_there && !self.numbers.contains_key(&tab) {
                self.count += 1;
                self.numbers.insert(tab, self.count);
            }
        }
    }
}

/// A span of time as `h:mm:ss.mmm`.
fn clock(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    let (seconds, ms) = (ms / 1_000, ms % 1_000);
    format!(
        "{sign}{}:{:02}:{:02}.{ms:03}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}
