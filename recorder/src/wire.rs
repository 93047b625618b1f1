//! The wire types: one struct for each type of line, and the one table that names them all.
//!
//! Fields stand in the order in which they are written. A field that is not known is `None` and
//! is not written; when reading, absent and null mean the same. These types say what a line looks
//! like, not what it means: the engine's own words for it are made in `convert`.

use std::fmt;
use std::sync::Arc;

use engine::{
    DiscardedBy, HostKnowledge, Lapse, Level, MemorySource, Mode, PolicyDocument, Reason, Seq,
    Severity, TabId, UserState, WindowId,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, IgnoredAny, IntoDeserializer, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::fields::write_fields;
use crate::line::Source;

/// The newest version of the format that this crate reads, and the one that it writes.
pub const FORMAT_VERSION: u32 = 1;

/// What `log_opened.format` says in every trace.
pub const FORMAT_NAME: &str = "tab-trace";

/// Makes, from one row a type, the enum of all bodies and everything that goes by the type.
macro_rules! line_types {
    ($(
        $(#[doc = $about:literal])+
        $variant:ident($wire:ty) = $name:literal from $source:ident;
    )+) => {
        /// What a line says, without its envelope.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Body {
            $( $(#[doc = $about])+ $variant($wire), )+
            /// A line of a type that this version does not know. It is passed over and counted.
            Unknown {
                /// What the line calls itself.
                type_name: String,
            },
        }

        /// Every type of line, in the order of the format's tables.
        pub const LINE_TYPES: &[LineType] = &[
            $( LineType { name: $name, source: Source::$source }, )+
        ];

        impl Body {
            /// Returns the name of the type as it stands on the line.
            pub fn type_name(&self) -> &str {
                match self {
                    $( Self::$variant(_) => $name, )+
                    Self::Unknown { type_name } => type_name,
                }
            }

            /// Returns how a line of this type begins, up to its seq; `None` where the type is not
            /// known.
            pub(crate) fn head(&self) -> Option<&'static str> {
                match self {
                    $( Self::$variant(_) => Some(concat!("{\"type\":\"", $name, "\",\"seq\":")), )+
                    Self::Unknown { .. } => None,
                }
            }

            /// Returns who observes lines of this type; `None` where the type is not known.
            pub fn source(&self) -> Option<Source> {
                match self {
                    $( Self::$variant(_) => Some(Source::$source), )+
                    Self::Unknown { .. } => None,
                }
            }

            /// Reads the fields of a type from the rest of an object, in the place of what was
            /// there: most types are small, and no more is written than they need.
            pub(crate) fn read<'de, D: Deserializer<'de>>(
                &mut self,
                type_name: &[u8],
                fields: D,
            ) -> Result<(), D::Error> {
                $( if type_name == $name.as_bytes() {
                    *self = Self::$variant(<$wire>::deserialize(fields)?);
                    return Ok(());
                } )+
                IgnoredAny::deserialize(fields)?;
                let type_name = String::from_utf8_lossy(type_name).into_owned();
                *self = Self::Unknown { type_name };
                Ok(())
            }

            /// Appends the fields, each after a comma.
            pub(crate) fn write_fields(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
                match self {
                    $( Self::$variant(fields) => write_fields(out, fields), )+
                    Self::Unknown { .. } => Ok(()),
                }
            }
        }

        /// Describes the fields of every type, in the order of [`LINE_TYPES`].
        pub(crate) fn field_schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
            vec![ $( <$wire>::json_schema(generator), )+ ]
        }
    };
}

impl Default for Body {
    fn default() -> Self {
        let type_name = String::new();
        Self::Unknown { type_name }
    }
}

line_types! {
    /// A segment begins. The first line of every segment.
    LogOpened(LogOpened) = "log_opened" from Host;
    /// A host that was restarted goes on with its trace.
    LogResumed(LogResumed) = "log_resumed" from Host;
    /// What the segment's bytes and the engine's state must be at this point.
    Checkpoint(Checkpoint) = "checkpoint" from Host;
    /// A segment is complete. Its last line.
    LogClosed(LogClosed) = "log_closed" from Host;
    /// Events are known to be lost.
    Dropped(Dropped) = "dropped" from Host;
    /// What a decision wanted is not done, and the extension was not told of it.
    OrderDropped(OrderDropped) = "order_dropped" from Host;
    /// The wall clock was set.
    ClockStepped(ClockStepped) = "clock_stepped" from Host;
    /// The machine slept.
    Suspended(Suspended) = "suspended" from Host;

    /// The extension's view of everything open.
    SessionStarted(SessionStarted) = "session_started" from Ext;
    /// A tab was opened.
    TabOpened(Tab) = "tab_opened" from Ext;
    /// A tab came to the front of its window.
    TabActivated(TabActivated) = "tab_activated" from Ext;
    /// A load began, a reload too.
    TabNavigated(TabNavigated) = "tab_navigated" from Ext;
    /// The load of a tab ended.
    TabLoaded(TabLoaded) = "tab_loaded" from Ext;
    /// Some properties of a tab changed.
    TabChanged(TabChanged) = "tab_changed" from Ext;
    /// A tab went to another window.
    TabMoved(TabMoved) = "tab_moved" from Ext;
    /// A tab got another id.
    TabReplaced(TabReplaced) = "tab_replaced" from Ext;
    /// A tab was discarded.
    TabDiscarded(TabDiscarded) = "tab_discarded" from Ext;
    /// A discarded tab is being loaded again.
    TabRestored(TabRestored) = "tab_restored" from Ext;
    /// A tab was closed.
    TabClosed(TabClosed) = "tab_closed" from Ext;
    /// A window was opened.
    WindowOpened(WindowOpened) = "window_opened" from Ext;
    /// A window was closed.
    WindowClosed(WindowClosed) = "window_closed" from Ext;
    /// Another window has the focus, or none of the browser's.
    WindowFocused(WindowFocused) = "window_focused" from Ext;
    /// The user went idle, locked the screen, or came back.
    UserIdle(UserIdle) = "user_idle" from Ext;
    /// The user wants memory back now.
    PruneRequested(PruneRequested) = "prune_requested" from Ext;
    /// What became of a decision.
    DiscardOutcome(DiscardOutcome) = "discard_outcome" from Ext;

    /// The policy from here on.
    PolicyChanged(PolicyChanged) = "policy_changed" from Host;
    /// Decisions are carried out from here on, or only noted.
    ModeChanged(ModeChanged) = "mode_changed" from Host;
    /// Nothing is decided for a while.
    Paused(Paused) = "paused" from Host;
    /// What the session before had learnt of the hosts.
    KnowledgeCarried(KnowledgeCarried) = "knowledge_carried" from Host;
    /// A sample of the machine.
    Metrics(Metrics) = "metrics" from Host;
    /// The operating system says that memory is short.
    PressureSignal(PressureSignal) = "pressure_signal" from Host;
    /// How much memory a tab holds, or what its discard gave back.
    TabMemory(TabMemory) = "tab_memory" from Host;

    /// A tab is to be discarded.
    Decision(Decision) = "decision" from Engine;
    /// The level of pressure is another one.
    PressureChanged(PressureChanged) = "pressure_changed" from Engine;
}

/// A row of [`LINE_TYPES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineType {
    /// The name as it stands on the line.
    pub name: &'static str,
    /// Who observes it.
    pub source: Source,
}

// ---- Bookkeeping ------------------------------------------------------------------------------

/// The first line of every segment: what the trace is and which part of it this file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogOpened {
    /// Always "tab-trace".
    pub format: String,
    /// The version of the format.
    pub v: u32,
    /// The version of the engine's semantics that made the decisions.
    pub engine: u32,
    /// The id of the trace, the same in all its segments.
    pub session: Uuid,
    /// The id that the extension gave its session; absent where there was no extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension_session: Option<String>,
    /// Which segment of the trace this is, from 0.
    pub segment: u32,
    /// This line's own seq, where the segment before has lines from there on that no longer
    /// count: their sync failed, and what they told is told anew here. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces_from: Option<Seq>,
    /// The version of the program that wrote it.
    pub host_version: String,
    /// The operating system and machine it was written on, such as "linux-x86_64".
    pub platform: String,
    /// How hostnames are written.
    pub privacy: Privacy,
    /// Where the trace comes from.
    pub origin: Origin,
    /// The program and settings that made a synthetic trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<String>,
    /// The seed of a synthetic trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The importer that made an imported trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importer: Option<String>,
    /// What a derived trace was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub derived_from: Option<String>,
}

/// How hostnames are written in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Privacy {
    /// As they are.
    Hostname,
    /// As the registrable domain only.
    Site,
    /// As a hash under a key that stays on the machine.
    KeyedHash,
}

/// Where a trace comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A browser, live.
    Recorded,
    /// A generator with a seed.
    Synthetic,
    /// Another program's data.
    Imported,
    /// Another trace.
    Derived,
}

/// A host that was restarted goes on with its trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogResumed {
    /// Bytes of an unfinished last line that were set aside.
    pub torn_bytes: u64,
    /// The highest `n` that the log had; 0 for none.
    pub last_n: u64,
    /// The version of the engine's semantics, the same as in `log_opened`.
    pub engine: u32,
    /// Why there is a new host.
    pub why: ResumeReason,
}

/// Why a host goes on with a trace that it did not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResumeReason {
    /// The host before ended without closing its log.
    HostRestarted,
    /// The extension's service worker was restarted, which closes the host's input.
    WorkerRestarted,
}

/// What the segment's bytes and the engine's state must be at this point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checkpoint {
    /// Lines of this segment before this one.
    pub events: u64,
    /// CRC-32C of the segment's bytes before this line, as 8 hex digits.
    pub crc32c: String,
    /// The engine's state hash after the line before; absent where no engine ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// The seal: the segment is complete, and these were its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogClosed {
    /// Lines of this segment before this one.
    pub events: u64,
    /// SHA-256 of the segment's bytes before this line, as 64 hex digits.
    pub sha256: String,
    /// The segment in which the trace goes on; absent at the end of the host's input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_segment: Option<u32>,
}

/// Events are known to be lost. A fresh `session_started` follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dropped {
    /// The `n` of the first lost event; absent where what was lost had none (the host's samples).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// How many were lost.
    pub count: u64,
    /// Why: "outbox_full", "storage_failed", "not_in_log", "log_unavailable", "bad_event", and
    /// "damaged" in a trace that was saved from a damaged one.
    pub why: String,
}

/// An order is not sent, because its decision does not stand any more, or nobody would get it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderDropped {
    /// The seq of the decision.
    pub decision: Seq,
    /// The id the tab had in the decision.
    pub tab: TabId,
    /// Why, in capitals: a [`DropReason`], or one of a later version.
    pub why: String,
}

/// Why an order is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DropReason {
    /// The machine slept while it waited.
    Slept,
    /// The tab was decided on once more.
    DecidedAgain,
    /// The log could not be written while it waited.
    LogUnavailable,
    /// The host came to its end before its turn.
    HostStopped,
    /// The decision does not stand any more.
    #[serde(untagged)]
    Lapsed(Lapse),
}

impl DropReason {
    /// Reads a name; `None` where this version has none such.
    pub fn named(name: &str) -> Option<Self> {
        let name: de::value::StrDeserializer<'_, de::value::Error> = name.into_deserializer();
        Self::deserialize(name).ok()
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The wall clock was set. It moves no `t_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockStepped {
    /// The wall clock less `t_ms` from here on, in milliseconds.
    pub by_ms: i64,
}

/// The machine slept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suspended {
    /// For how many milliseconds.
    pub ms: u64,
}

// ---- Inputs from the extension ----------------------------------------------------------------

/// The extension's view of everything open, at each connect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionStarted {
    /// The browser's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser: Option<String>,
    /// The browser's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser_version: Option<String>,
    /// The extension's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension_version: Option<String>,
    /// What the user does; absent where the browser cannot tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<UserState>,
    /// The open windows.
    pub windows: Vec<Window>,
    /// The open tabs.
    pub tabs: Vec<Tab>,
}

/// A window in `session_started`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// Its id.
    pub win: WindowId,
    /// Whether it has the focus.
    pub focused: bool,
}

/// A tab, in `session_started` and `tab_opened`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tab {
    /// Its id.
    pub tab: TabId,
    /// Its window.
    pub win: WindowId,
    /// The hostname of its page; absent for pages without one.
    #[serde(
        default,
        deserialize_with = "shared",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub host: Option<Arc<str>>,
    /// The scheme of a page without a host, such as "chrome".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Whether the host is on the list of protected domains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protected: Option<bool>,
    /// Whether it is in front of its window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Whether it is pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
    /// Whether it makes a sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audible: Option<bool>,
    /// Whether its sound is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted: Option<bool>,
    /// Whether it is discarded, or was never loaded since the browser started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discarded: Option<bool>,
    /// Whether it is loading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loading: Option<bool>,
    /// Whether the browser has frozen it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<bool>,
    /// Whether it may be discarded by others than the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_discardable: Option<bool>,
    /// Its group; -1 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<i64>,
    /// Whether a form in it was touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsaved: Option<bool>,
    /// Whether it captures the screen, a camera or a microphone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capturing: Option<bool>,
    /// Whether it is in sight beside another tab of its window, in a split view; absent where it
    /// never was in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_sight: Option<bool>,
    /// When it was last in front, by the wall clock, in Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_accessed: Option<i64>,
    /// The tab from which it was opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opener: Option<TabId>,
}

impl Tab {
    /// Creates a tab of which only its place is known.
    pub fn new(tab: TabId, win: WindowId) -> Self {
        Self {
            tab,
            win,
            host: None,
            scheme: None,
            protected: None,
            active: None,
            pinned: None,
            audible: None,
            muted: None,
            discarded: None,
            loading: None,
            frozen: None,
            auto_discardable: None,
            group: None,
            unsaved: None,
            capturing: None,
            in_sight: None,
            last_accessed: None,
            opener: None,
        }
    }
}

/// A tab came to the front of its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TabActivated {
    /// The tab now in front.
    pub tab: TabId,
    /// Its window.
    pub win: WindowId,
}

/// A load began, a reload too. The tab is loading until `tab_loaded`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TabNavigated {
    /// The tab that loads.
    pub tab: TabId,
    /// The hostname of its page; absent for pages without one.
    #[serde(
        default,
        deserialize_with = "shared",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub host: Option<Arc<str>>,
    /// The scheme of a page without a host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Whether the host is on the list of protected domains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protected: Option<bool>,
}

/// The load of a tab ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TabLoaded {
    /// The tab that is loaded.
    pub tab: TabId,
    /// Milliseconds since the load or the restore began, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
}

/// Some properties of a tab changed. Those that did not are absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TabChanged {
    /// The tab that changed.
    pub tab: TabId,
    /// Whether it is pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
    /// Whether it makes a sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audible: Option<bool>,
    /// Whether its sound is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted: Option<bool>,
    /// Whether it may be discarded by others than the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_discardable: Option<bool>,
    /// Whether the browser has frozen it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<bool>,
    /// Its group; -1 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<i64>,
    /// Whether a form in it was touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsaved: Option<bool>,
    /// Whether it captures the screen, a camera or a microphone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capturing: Option<bool>,
    /// Whether it is in sight beside another tab of its window, in a split view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_sight: Option<bool>,
}

impl TabChanged {
    /// Creates a change of nothing.
    pub fn new(tab: TabId) -> Self {
        Self {
            tab,
            pinned: None,
            audible: None,
            muted: None,
            auto_discardable: None,
            frozen: None,
            group: None,
            unsaved: None,
            capturing: None,
            in_sight: None,
        }
    }
}

/// A tab went to another window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TabMoved {
    /// The tab that moved.
    pub tab: TabId,
    /// The window it is in now.
    pub win: WindowId,
}

/// A tab got another id. It is the same tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TabReplaced {
    /// The new id.
    pub tab: TabId,
    /// The id it had.
    pub old: TabId,
}

/// A tab was discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TabDiscarded {
    /// The tab that was discarded.
    pub tab: TabId,
    /// Who did it.
    pub by: DiscardedBy,
}

/// A discarded tab is being loaded again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TabRestored {
    /// The tab that is coming back.
    pub tab: TabId,
}

/// A tab was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TabClosed {
    /// The tab that is gone.
    pub tab: TabId,
}

/// A window was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WindowOpened {
    /// The new window.
    pub win: WindowId,
}

/// A window was closed, with what was left in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WindowClosed {
    /// The window that is gone.
    pub win: WindowId,
}

/// Another window has the focus, or none of the browser's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WindowFocused {
    /// The window with the focus; absent when another program has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub win: Option<WindowId>,
}

/// The user went idle, locked the screen, or came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserIdle {
    /// What the user does from here on.
    pub state: UserState,
}

/// The user wants memory back now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PruneRequested {
    /// This tab; absent for as many as at HIGH.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tab: Option<TabId>,
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiscardOutcome {
    /// The seq of the decision.
    pub decision: Seq,
    /// The id the tab had in the decision.
    pub tab: TabId,
    /// Whether the browser discarded it.
    pub ok: bool,
    /// The guard that held at the last moment, or the browser's error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

// ---- Inputs from the host ---------------------------------------------------------------------

/// The policy from here on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyChanged {
    /// The whole document.
    pub policy: Box<PolicyDocument>,
    /// Its hash by the engine that wrote the log.
    pub policy_hash: String,
    /// What brought it.
    pub by: PolicySource,
}

/// What brought a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PolicySource {
    /// The host's start.
    Start,
    /// A change of the host's policy file.
    File,
    /// The user, in the extension's pages.
    Extension,
}

/// Decisions are carried out from here on, or only noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModeChanged {
    /// Which of the two.
    pub mode: Mode,
}

/// Nothing is decided for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Paused {
    /// The end of the pause (`t_ms`); absent ends a pause now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<i64>,
}

/// What the session before had learnt of the hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KnowledgeCarried {
    /// The hosts, at most 4,096.
    pub hosts: Vec<HostKnowledge>,
}

/// A sample of the machine. What could not be measured is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Metrics {
    /// Memory of the machine, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ram_total: Option<u64>,
    /// Memory in use, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ram_used: Option<u64>,
    /// Memory that a program could still get without swapping, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ram_available: Option<u64>,
    /// Swap space, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_total: Option<u64>,
    /// Swap space in use, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_used: Option<u64>,
    /// Processor use over all cores since the last sample, 0 to 100.
    #[serde(skip_serializing_if = "has_no_number")]
    pub cpu: Option<f64>,
    /// Whether the machine runs on its battery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_battery: Option<bool>,
    /// Charge of the battery, 0 to 100.
    #[serde(skip_serializing_if = "has_no_number")]
    pub battery: Option<f64>,
    /// Share of the last 10 s in which some task waited for memory, 0 to 100.
    #[serde(skip_serializing_if = "has_no_number")]
    pub psi_some_avg10: Option<f64>,
    /// Share of the last 10 s in which all tasks waited for memory, 0 to 100.
    #[serde(skip_serializing_if = "has_no_number")]
    pub psi_full_avg10: Option<f64>,
    /// Resident memory of the browser's processes, in bytes; a shared page counts in each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser_rss: Option<u64>,
    /// Proportional memory of the browser's processes, in bytes; a shared page counts once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser_pss: Option<u64>,
    /// How many processes the browser has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser_processes: Option<u32>,
}

/// JSON has no NaN and no infinity: such a measurement failed, and is left out.
fn has_no_number(value: &Option<f64>) -> bool {
    !value.is_some_and(f64::is_finite)
}

/// The operating system says that memory is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PressureSignal {
    /// How it says so.
    pub source: SignalSource,
    /// How short memory is.
    pub severity: Severity,
}

/// How an operating system says that memory is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignalSource {
    /// A trigger on Linux's pressure stall information.
    Psi,
    /// A notification of the system's own.
    Os,
}

/// How much memory a tab holds, or what its discard gave back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TabMemory {
    /// The tab that was measured.
    pub tab: TabId,
    /// Its memory in bytes.
    pub bytes: u64,
    /// How that is known.
    pub how: MemorySource,
}

// ---- Outputs of the engine --------------------------------------------------------------------

/// A tab to discard, and all that led to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// The seq of the input that led to it.
    pub cause: Seq,
    /// What is to be done.
    pub action: Action,
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

/// What a decision wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The tab is to be discarded.
    Discard,
}

/// Another level of pressure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PressureChanged {
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

/// Reads a name that many lines tell of, so that who keeps it need not copy it.
fn shared<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
    Ok(Option::<Shared>::deserialize(deserializer)?.map(|name| name.0))
}

/// A name, which serde by itself would copy twice.
struct Shared(Arc<str>);

impl<'de> Deserialize<'de> for Shared {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Characters).map(Self)
    }
}

struct Characters;

impl Visitor<'_> for Characters {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Arc<str>, E> {
        Ok(text.into())
    }
}
