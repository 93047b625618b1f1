//! What the engine is told and what it answers.
//!
//! These are the engine's own words for the lines of the log; the log's wire types live in
//! `recorder` and turn into these. An event that exists is well formed. It need not be possible:
//! events about unknown tabs are counted as anomalies by the world, never refused here.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::policy_document::PolicyDocument;

/// A tab, by the browser's own id. Chromium gives a discarded tab a new one.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct TabId(pub i64);

/// A window, by the browser's own id.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct WindowId(pub i64);

/// A line's place in its log: 0 on the first line, then exactly one more.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl fmt::Display for TabId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TabId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

impl FromStr for Seq {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

/// One input of the engine: where it stands in the log, when it happened, and what it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its place in the log.
    pub seq: Seq,
    /// The log's time in Unix milliseconds. It never decreases in a log; a smaller one than the
    /// last counts as the last.
    pub t_ms: i64,
    /// What happened.
    pub input: Input,
}

/// Everything that can happen to the world.
///
/// What it is stands in a byte of its own, not among values that some variant cannot have: it is
/// looked at far more often than it is moved.
#[derive(Clone, Debug, PartialEq)]
#[repr(u8)]
pub enum Input {
    /// The extension's view of everything open. What is not in it is gone; what is known keeps
    /// what was known; the rest is new.
    SessionStarted(Snapshot),
    /// A tab was opened.
    TabOpened(TabFacts),
    /// A tab came to the front of its window.
    TabActivated {
        /// The tab now in front.
        tab: TabId,
        /// Its window.
        win: WindowId,
    },
    /// A load began, a reload too. The tab is loading until [`Input::TabLoaded`].
    TabNavigated {
        /// The tab that loads.
        tab: TabId,
        /// What it loads, where known.
        page: Option<Page>,
        /// Whether the recording host found it on the protected list before it hashed the name.
        protected: Option<bool>,
    },
    /// The load of a tab ended.
    TabLoaded {
        /// The tab that is loaded.
        tab: TabId,
        /// Milliseconds since the load or the restore began, where known.
        load_ms: Option<u64>,
    },
    /// Some properties of a tab changed.
    TabChanged {
        /// The tab that changed.
        tab: TabId,
        /// What changed; `None` where a property did not.
        changes: TabChanges,
    },
    /// A tab went to another window.
    TabMoved {
        /// The tab that moved.
        tab: TabId,
        /// The window it is in now.
        win: WindowId,
    },
    /// A tab got another id. It is the same tab.
    TabReplaced {
        /// The new id.
        tab: TabId,
        /// The id it had.
        old: TabId,
    },
    /// A tab was discarded.
    TabDiscarded {
        /// The tab that was discarded.
        tab: TabId,
        /// Who did it.
        by: DiscardedBy,
    },
    /// A discarded tab is being loaded again.
    TabRestored {
        /// The tab that is coming back.
        tab: TabId,
    },
    /// A tab was closed.
    TabClosed {
        /// The tab that is gone.
        tab: TabId,
    },
    /// A window was opened.
    WindowOpened {
        /// The new window.
        win: WindowId,
    },
    /// A window was closed, with what was left in it.
    WindowClosed {
        /// The window that is gone.
        win: WindowId,
    },
    /// Another window has the focus, or none of the browser's.
    WindowFocused {
        /// The window with the focus; `None` when another program has it.
        win: Option<WindowId>,
    },
    /// The user went idle, locked the screen, or came back.
    UserIdle(UserState),
    /// The user wants memory back now.
    PruneRequested {
        /// This tab; `None` for as many as at HIGH.
        tab: Option<TabId>,
    },
    /// What became of a decision.
    DiscardOutcome {
        /// The seq of the decision.
        decision: Seq,
        /// The id the tab had in the decision.
        tab: TabId,
        /// Whether the browser discarded it.
        ok: bool,
    },
    /// The policy from here on.
    PolicyChanged(Box<PolicyDocument>),
    /// Decisions are carried out from here on, or only noted.
    ModeChanged(Mode),
    /// Nothing is decided until this moment (`t_ms`); `None` ends a pause.
    Paused {
        /// The end of the pause.
        until_ms: Option<i64>,
    },
    /// What the session before had learnt of the hosts.
    KnowledgeCarried(Vec<HostKnowledge>),
    /// A sample of the machine.
    Metrics(Metrics),
    /// The operating system says that memory is short.
    PressureSignal(Severity),
    /// How much memory a tab holds, or what its discard gave back.
    TabMemory {
        /// The tab that was measured.
        tab: TabId,
        /// Its memory in bytes.
        bytes: u64,
        /// How that is known.
        how: MemorySource,
    },
    /// The wall clock was set. It moves nothing but what the browser's own timestamps mean.
    ClockStepped {
        /// The wall clock less `t_ms`, in milliseconds.
        by_ms: i64,
    },
    /// The machine slept.
    Suspended {
        /// For how many milliseconds.
        ms: u64,
    },
}

impl Input {
    /// The tab to whose page it happens, where it happens to one.
    #[inline]
    pub fn page_in(&self) -> Option<TabId> {
        match *self {
            Self::TabNavigated { tab, .. }
            | Self::TabLoaded { tab, .. }
            | Self::TabChanged { tab, .. }
            | Self::TabDiscarded { tab, .. }
            | Self::TabRestored { tab } => Some(tab),
            _ => None,
        }
    }

    /// Whether it shows that somebody is there, where the browser cannot tell idleness: all that
    /// the extension observes, but for what discards bring about. Those are a policy's doing, and
    /// the user's time must not depend on the policy.
    pub fn shows_presence(&self) -> bool {
        match self {
            Self::SessionStarted(_)
            | Self::TabOpened(_)
            | Self::TabActivated { .. }
            | Self::TabNavigated { .. }
            | Self::TabLoaded { .. }
            | Self::TabChanged { .. }
            | Self::TabMoved { .. }
            | Self::TabClosed { .. }
            | Self::WindowOpened { .. }
            | Self::WindowClosed { .. }
            | Self::WindowFocused { .. }
            | Self::UserIdle(_)
            | Self::PruneRequested { .. } => true,
            Self::TabReplaced { .. }
            | Self::TabDiscarded { .. }
            | Self::TabRestored { .. }
            | Self::DiscardOutcome { .. }
            | Self::PolicyChanged(_)
            | Self::ModeChanged(_)
            | Self::Paused { .. }
            | Self::KnowledgeCarried(_)
            | Self::Metrics(_)
            | Self::PressureSignal(_)
            | Self::TabMemory { .. }
            | Self::ClockStepped { .. }
            | Self::Suspended { .. } => false,
        }
    }
}

/// Everything open, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// What the user does; `None` where the browser cannot tell.
    pub user: Option<UserState>,
    /// The open windows.
    pub windows: Vec<WindowFacts>,
    /// The open tabs.
    pub tabs: Vec<TabFacts>,
}

/// A window in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowFacts {
    /// Its id.
    pub win: WindowId,
    /// Whether it has the focus.
    pub focused: bool,
}

/// What a tab shows, as far as the log may tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// A page of this host: lower case, punycode, or what stands for it in the log.
    Web(Arc<str>),
    /// A page without a host: the browser's own, an extension's, a file.
    Internal,
}

/// What the extension knows of a tab. `None` means not known: a known tab keeps what it had, a
/// new one gets the harmless answer.
#[derive(Clone, Debug, PartialEq)]
pub struct TabFacts {
    /// Its id.
    pub tab: TabId,
    /// Its window.
    pub win: WindowId,
    /// What it shows.
    pub page: Option<Page>,
    /// Whether the recording host found it on the protected list before it hashed the name.
    pub protected: Option<bool>,
    /// Whether it is in front of its window.
    pub active: Option<bool>,
    /// Whether it is pinned.
    pub pinned: Option<bool>,
    /// Whether it makes a sound.
    pub audible: Option<bool>,
    /// Whether it is discarded, or was never loaded since the browser started.
    pub discarded: Option<bool>,
    /// Whether it is loading.
    pub loading: Option<bool>,
    /// Whether the browser or another extension may discard it.
    pub auto_discardable: Option<bool>,
    /// Whether a form in it was touched.
    pub unsaved: Option<bool>,
    /// Whether it captures the screen, a camera or a microphone.
    pub capturing: Option<bool>,
    /// Whether it is in sight beside another tab of its window, in a split view.
    pub in_sight: Option<bool>,
    /// When it was last in front, by the wall clock, in Unix milliseconds.
    pub last_accessed: Option<i64>,
}

impl TabFacts {
    /// Creates a tab of which only its place is known.
    pub fn new(tab: TabId, win: WindowId) -> Self {
        Self {
            tab,
            win,
            page: None,
            protected: None,
            active: None,
            pinned: None,
            audible: None,
            discarded: None,
            loading: None,
            auto_discardable: None,
            unsaved: None,
            capturing: None,
            in_sight: None,
            last_accessed: None,
        }
    }
}

/// The properties of a tab that change by themselves. `None` where one did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TabChanges {
    /// Whether it is pinned.
    pub pinned: Option<bool>,
    /// Whether it makes a sound.
    pub audible: Option<bool>,
    /// Whether the browser or another extension may discard it.
    pub auto_discardable: Option<bool>,
    /// Whether a form in it was touched.
    pub unsaved: Option<bool>,
    /// Whether it captures the screen, a camera or a microphone.
    pub capturing: Option<bool>,
    /// Whether it is in sight beside another tab of its window, in a split view.
    pub in_sight: Option<bool>,
}

/// Who discarded a tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiscardedBy {
    /// This project's extension.
    Orchestrator,
    /// The browser, the user or another extension. They cannot be told apart.
    Other,
}

/// What the user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserState {
    /// There was input lately.
    Active,
    /// There was none for a while.
    Idle,
    /// The screen is locked.
    Locked,
}

/// Whether decisions are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are noted and shown only.
    Observe,
    /// They are carried out.
    Enforce,
}

/// How short of memory the operating system says it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Somewhat.
    Moderate,
    /// Badly.
    Critical,
}

/// How a tab's memory is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemorySource {
    /// It was measured while the tab was loaded.
    Measured,
    /// It is what one discard, done alone, was seen to free.
    Reclaimed,
}

/// What was learnt of a host in an earlier session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HostKnowledge {
    /// The hostname, or what stands for it in the log.
    pub host: String,
    /// How familiar it is: 1 to 8.
    pub familiarity: u8,
    /// When it was last in front (`t_ms`); absent when it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_in_front_ms: Option<i64>,
    /// The median of what discards of its tabs freed, in bytes; absent when there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// A sample of the machine. `None` means that it could not be measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Memory of the machine, in bytes.
    pub ram_total: Option<u64>,
    /// Memory in use, in bytes.
    pub ram_used: Option<u64>,
    /// Memory that a program could still get without swapping, in bytes.
    pub ram_available: Option<u64>,
    /// Swap space, in bytes.
    pub swap_total: Option<u64>,
    /// Swap space in use, in bytes.
    pub swap_used: Option<u64>,
    /// Processor use over all cores since the last sample, 0 to 100.
    pub cpu: Option<f64>,
    /// Whether the machine runs on its battery.
    pub on_battery: Option<bool>,
    /// Charge of the battery, 0 to 100.
    pub battery: Option<f64>,
    /// Share of the last 10 s in which some task waited for memory, 0 to 100.
    pub psi_some_avg10: Option<f64>,
    /// Share of the last 10 s in which all tasks waited for memory, 0 to 100.
    pub psi_full_avg10: Option<f64>,
    /// Resident memory of the browser's processes, in bytes; shared pages count in each.
    pub browser_rss: Option<u64>,
    /// Proportional memory of the browser's processes, in bytes; a shared page counts once.
    pub browser_pss: Option<u64>,
    /// How many processes the browser has.
    pub browser_processes: Option<u32>,
}

impl Metrics {
    /// Takes a later sample over. What this one tells of the browser's own memory, which is measured
    /// seldom, stays known.
    pub(crate) fn take_over(&mut self, later: &Self) {
        let earlier = (self.browser_rss, self.browser_pss, self.browser_processes);
        *self = *later;
        self.browser_rss = later.browser_rss.or(earlier.0);
        self.browser_pss = later.browser_pss.or(earlier.1);
        self.browser_processes = later.browser_processes.or(earlier.2);
    }

    /// The memory that a program could still get, in bytes: as measured, else what is not in use.
    pub fn free_bytes(&self) -> Option<u64> {
        let unused = || Some(self.ram_total?.saturating_sub(self.ram_used?));
        self.ram_available.or_else(unused)
    }
}

/// What the engine answers to an input.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A tab is to be discarded.
    Decision(Decision),
    /// The level of pressure is another one.
    PressureChanged(PressureChange),
}

/// A tab to discard, and all that led to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The seq of the input that led to it.
    pub cause: Seq,
    /// The tab to discard.
    pub tab: TabId,
    /// Its place among the decisions of the same cause, from 0.
    pub rank: u32,
    /// How long ago it was opened or last in front, in milliseconds of the policy's clock.
    pub idle_ms: i64,
    /// How long it had to be, in milliseconds of the same clock.
    pub ttl_ms: i64,
    /// Whether it belongs to the context the user works in.
    pub in_focus: bool,
    /// How familiar its host is: 1 to 8.
    pub familiarity: u8,
    /// The pressure score at the time: 0 to 100.
    pub score: u8,
    /// The level of pressure at the time.
    pub level: Level,
    /// Why memory is wanted.
    pub reasons: Vec<Reason>,
    /// Whether it is to be carried out.
    pub mode: Mode,
    /// The policy that made it.
    pub policy_hash: String,
}

/// Another level of pressure.
#[derive(Clone, Debug, PartialEq)]
pub struct PressureChange {
    /// The seq of the input that led to it.
    pub cause: Seq,
    /// The score: 0 to 100.
    pub score: u8,
    /// The new level.
    pub level: Level,
    /// The level before.
    pub was: Level,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// How badly memory is wanted.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Level {
    /// Not at all.
    #[default]
    Low,
    /// Somewhat.
    Medium,
    /// Badly.
    High,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
        })
    }
}

/// Why memory is wanted.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// Memory is getting short.
    RamElevated,
    /// Memory is short.
    RamHigh,
    /// The processor is busy.
    CpuElevated,
    /// The processor is very busy.
    CpuHigh,
    /// The machine runs on its battery.
    OnBattery,
    /// Some tasks wait for memory.
    PsiElevated,
    /// All tasks wait for memory.
    PsiHigh,
    /// The use of swap space grows.
    Swapping,
    /// The operating system gave a moderate signal within the last 30 s.
    OsModerate,
    /// The operating system gave a critical signal within the last 30 s.
    OsCritical,
    /// The user asked for it.
    Requested,
    /// Focus mode discards ahead of pressure.
    FocusProactive,
    /// The policy discards whatever the pressure.
    GateAlways,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::RamElevated => "RAM_ELEVATED",
            Self::RamHigh => "RAM_HIGH",
            Self::CpuElevated => "CPU_ELEVATED",
            Self::CpuHigh => "CPU_HIGH",
            Self::OnBattery => "ON_BATTERY",
            Self::PsiElevated => "PSI_ELEVATED",
            Self::PsiHigh => "PSI_HIGH",
            Self::Swapping => "SWAPPING",
            Self::OsModerate => "OS_MODERATE",
            Self::OsCritical => "OS_CRITICAL",
            Self::Requested => "REQUESTED",
            Self::FocusProactive => "FOCUS_PROACTIVE",
            Self::GateAlways => "GATE_ALWAYS",
        })
    }
}
