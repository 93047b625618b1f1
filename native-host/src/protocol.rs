//! What extension and host say to each other: `PROTOCOL.md` as types.

use engine::{
    Explanation, Level, Mode, PRESETS, PolicyDocument, Preset, Reason, SETTINGS, Seq, Setting,
    TabId,
};
use recorder::{Metrics, Privacy};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::health;
use crate::policy_file::Refusal;
use crate::privacy_choice::PrivacyChoice;

/// The protocols that this host speaks: from, to.
pub const PROTOCOL: [u32; 2] = [1, 1];

/// The most events that a message may hold.
pub const MAX_EVENTS: usize = 256;

/// A message from the extension.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Incoming {
    /// The first message on a port.
    Hello(ExtensionHello),
    /// What happened in the browser.
    Events {
        /// Each in the log's own form. They are read one by one, so that a bad one harms no other.
        events: Vec<Value>,
    },
    /// Events that nobody will ever see.
    Lost(Lost),
    /// How do things stand?
    Status {
        /// The answer repeats it.
        request: u64,
    },
    /// What happens to this tab, and why?
    Explain {
        /// The answer repeats it.
        request: u64,
        /// The tab.
        tab: TabId,
    },
    /// What is the policy?
    Policy {
        /// The answer repeats it.
        request: u64,
    },
    /// Take another policy.
    ChangePolicy {
        /// The answer repeats it.
        request: u64,
        /// A whole document, or some members to lay over the present one.
        policy: Map<String, Value>,
    },
    /// Carry decisions out from here on, or only note them.
    SetMode {
        /// The answer repeats it.
        request: u64,
        /// The mode from here on.
        mode: Mode,
    },
    /// Decide nothing for a while.
    Pause {
        /// The answer repeats it.
        request: u64,
        /// The end of the pause in Unix milliseconds; `None` ends one.
        until_ms: Option<i64>,
    },
    /// Write hostnames in another way from here on, or keep logs for another time. What is left
    /// out stays.
    SetPrivacy {
        /// The answer repeats it.
        request: u64,
        /// How hostnames are written.
        privacy: Option<Privacy>,
        /// For how many days a log is kept.
        keep_days: Option<u32>,
        /// How much of logs is kept together, in MiB.
        keep_mib: Option<u32>,
    },
    /// Are you there?
    Ping {
        /// The answer repeats it.
        request: u64,
    },
}

/// The types that [`Incoming`] knows.
const INCOMING: [&str; 11] = [
    "hello",
    "events",
    "lost",
    "status",
    "explain",
    "policy",
    "change_policy",
    "set_mode",
    "pause",
    "set_privacy",
    "ping",
];

impl Incoming {
    /// Reads a message.
    ///
    /// # Errors
    /// The error to answer it with.
    pub fn read(message: &[u8]) -> Result<Self, Box<ErrorMessage>> {
        let value: Value = serde_json::from_slice(message)
            .map_err(|error| ErrorMessage::bug(ErrorCode::NotJson, error.to_string()))?;
        let request = value.get("request").and_then(Value::as_u64);
        let Some(type_name) = value.get("type").and_then(Value::as_str) else {
            let problem = "found no object with a `type`";
            return Err(ErrorMessage::bug(ErrorCode::BadMessage, problem).answering(request));
        };
        if !INCOMING.contains(&type_name) {
            let problem = format!("found the type {type_name:?}, which this host does not know");
            let fix = "update the host";
            return Err(ErrorMessage::new(ErrorCode::UnknownType, problem, fix).answering(request));
        }
        let type_name = type_name.to_owned();
        serde_json::from_value(value).map_err(|error| {
            let problem = format!("{type_name}: {error}");
            ErrorMessage::bug(ErrorCode::BadMessage, problem).answering(request)
        })
    }

    /// The number of the request, where it is one.
    pub fn request(&self) -> Option<u64> {
        match *self {
            Self::Hello(_) | Self::Events { .. } | Self::Lost(_) => None,
            Self::Status { request }
            | Self::Explain { request, .. }
            | Self::Policy { request }
            | Self::ChangePolicy { request, .. }
            | Self::SetMode { request, .. }
            | Self::Pause { request, .. }
            | Self::SetPrivacy { request, .. }
            | Self::Ping { request } => Some(request),
        }
    }
}

/// The extension introduces itself.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ExtensionHello {
    /// The protocols that it speaks: from, to.
    pub protocol: [u32; 2],
    /// Its version.
    pub extension_version: String,
    /// Lives as long as the browser.
    pub extension_session: Uuid,
    /// The `n` of the first event that it keeps, or will send. Older extensions do not tell.
    #[serde(default)]
    pub first_n: Option<u64>,
    /// The browser's name.
    #[serde(default)]
    pub browser: Option<String>,
    /// The browser's version.
    #[serde(default)]
    pub browser_version: Option<String>,
    /// Whether it runs in a private window. It never does.
    #[serde(default)]
    pub incognito: bool,
}

/// Events that nobody will ever see.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Lost {
    /// The first one's `n`.
    pub from: u64,
    /// How many there were.
    pub count: u64,
    /// Why they are lost.
    pub why: LostReason,
}

/// Why events are lost. The log says it in these words, whatever it tells of hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LostReason {
    /// The extension could keep no more.
    OutboxFull,
    /// The browser did not keep them.
    StorageFailed,
    /// The extension has them no longer, and the log never had them.
    NotInLog,
}

impl LostReason {
    /// What it is called in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::OutboxFull => "outbox_full",
            Self::StorageFailed => "storage_failed",
            Self::NotInLog => "not_in_log",
        }
    }
}

/// A message to the extension.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Outgoing {
    /// The log is open.
    Hello(HostHello),
    /// Events up to this one are in the log and synced.
    Ack {
        /// The last one's `n`.
        n: u64,
    },
    /// Discard a tab.
    DiscardTab(Order),
    /// How things stand.
    Status(Box<Status>),
    /// What happens to a tab, and why.
    Explanation {
        /// The request that it answers.
        request: u64,
        /// The tab that was asked about.
        tab: TabId,
        /// The engine's answer; `None` for a tab that it does not know.
        explanation: Option<Box<Explanation>>,
    },
    /// The policy.
    Policy(Box<PolicyAnswer>),
    /// The host is there.
    Pong {
        /// The request that it answers.
        request: u64,
        /// Whether its loop turns.
        health: health::Report,
    },
    /// Something did not work.
    Error(Box<ErrorMessage>),
}

impl From<Box<ErrorMessage>> for Outgoing {
    fn from(error: Box<ErrorMessage>) -> Self {
        Self::Error(error)
    }
}

/// The host introduces itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HostHello {
    /// The protocol that is spoken from here on.
    pub protocol: u32,
    /// The host's version.
    pub host_version: &'static str,
    /// The version of the engine's semantics.
    pub engine: u32,
    /// The log's session.
    pub session: Uuid,
    /// The highest `n` that the log has; 0 for none.
    pub last_n: u64,
    /// Whether decisions are carried out.
    pub mode: Mode,
    /// The policy in force.
    pub policy_hash: String,
}

/// An order to discard a tab.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Order {
    /// The decision's seq.
    pub decision: Seq,
    /// The tab.
    pub tab: TabId,
    /// Where it is: if it is somewhere else by now, it is not to be discarded.
    pub host: Option<String>,
    /// Why memory is wanted.
    pub reasons: Vec<Reason>,
    /// The level of pressure.
    pub level: Level,
    /// The pressure score.
    pub score: u8,
    /// How long ago it was opened or last in front.
    pub idle_ms: i64,
    /// How long it had to be.
    pub ttl_ms: i64,
    /// Whether it belongs to the working context.
    pub in_focus: bool,
}

/// How things stand. Most of it is empty while there is no log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// The request that it answers.
    pub request: u64,
    /// Whether decisions are carried out.
    pub mode: Mode,
    /// The end of a pause, in Unix milliseconds.
    pub paused_until_ms: Option<i64>,
    /// The pressure score.
    pub score: Option<u8>,
    /// The level of pressure.
    pub level: Option<Level>,
    /// Why memory is wanted.
    pub reasons: Vec<Reason>,
    /// The last sample of the machine, with the browser's memory as last measured.
    pub metrics: Option<Metrics>,
    /// The policy in force.
    pub policy_hash: String,
    /// How many tabs there are.
    pub tabs: usize,
    /// How many of them are discarded.
    pub discarded: usize,
    /// The working context.
    pub cluster: Cluster,
    /// What is left of the cooldown.
    pub cooldown_ms: i64,
    /// The log's session.
    pub session: Option<Uuid>,
    /// The log's own state.
    pub log: LogStatus,
    /// What observe mode would have done in this session.
    pub observed: Observed,
    /// The last decisions, newest first.
    pub recent: Vec<RecentDecision>,
    /// Focus mode.
    pub focus: FocusStatus,
    /// How hostnames are written, and how long logs are kept.
    pub privacy: PrivacyStatus,
    /// Why the policy file as it stands was refused.
    pub policy_error: Option<Refusal>,
    /// Whether the host can do its work; filled in by the connection, which alone can tell.
    pub health: Option<health::Report>,
}

/// The working context.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cluster {
    /// Its tabs, the one in front first.
    pub tabs: Vec<TabId>,
}

/// The log's own state.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogStatus {
    /// Whether it can be written.
    pub state: LogState,
    /// Why not.
    pub error: Option<String>,
    /// The last event that is in it and synced.
    pub synced_n: u64,
}

/// Whether the log can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogState {
    /// It can.
    Writing,
    /// It cannot, and nothing is decided until it can.
    Failed,
}

/// What observe mode would have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// How many tabs would have been discarded.
    pub decisions: u64,
    /// What that was expected to free, in bytes.
    pub bytes_expected: u64,
    /// The first of those decisions, in Unix milliseconds; the session's beginning before it.
    pub since_ms: i64,
}

/// A decision and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecentDecision {
    /// Its seq.
    pub decision: Seq,
    /// The tab's present id.
    pub tab: TabId,
    /// Where it was.
    pub host: Option<String>,
    /// When.
    pub t_ms: i64,
    /// Whether it was to be carried out.
    pub mode: Mode,
    /// What became of it; `None` as long as nothing did.
    pub outcome: Option<Outcome>,
    /// Why it was refused.
    pub why: Option<String>,
    /// Why memory was wanted.
    pub reasons: Vec<Reason>,
    /// The level of pressure.
    pub level: Level,
    /// The pressure score.
    pub score: u8,
    /// How long ago the tab was opened or last in front.
    pub idle_ms: i64,
    /// How long it had to be.
    pub ttl_ms: i64,
    /// Whether it belonged to the working context.
    pub in_focus: bool,
    /// How familiar its host was.
    pub familiarity: u8,
    /// What it freed, or was expected to, in bytes.
    pub bytes: Option<u64>,
}

/// What became of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The tab was discarded.
    Discarded,
    /// The extension or the browser refused it.
    Refused,
    /// The user came back to the tab.
    Returned,
    /// The tab was closed.
    Closed,
}

/// Focus mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FocusStatus {
    /// Whether tabs outside the working context go sooner.
    pub enabled: bool,
    /// Whether they go without pressure, too.
    pub proactive: bool,
}

/// How hostnames are written, and how long logs are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PrivacyStatus {
    /// What was chosen.
    #[serde(flatten)]
    pub choice: PrivacyChoice,
    /// What was removed last for its age or its size; `None` where nothing was since the host
    /// started.
    pub removed: Option<RemovedTraces>,
}

/// Traces that were removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RemovedTraces {
    /// How many there were.
    pub traces: usize,
    /// What they took, in bytes.
    pub bytes: u64,
    /// When, in Unix milliseconds.
    pub at_ms: i64,
}

/// The policy and what there is to know about its settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PolicyAnswer {
    /// The request that it answers.
    pub request: u64,
    /// The document in force.
    pub policy: PolicyDocument,
    /// Its hash.
    pub policy_hash: String,
    /// The document as it is where nobody changed anything.
    pub defaults: PolicyDocument,
    /// Every setting: where it stands, what it does, what values it takes.
    pub settings: &'static [Setting],
    /// The presets.
    pub presets: Vec<NamedPreset>,
    /// Where its file is: from the home folder on, written `~`; elsewhere its name alone.
    pub file: String,
}

impl PolicyAnswer {
    /// Answers a request for the policy.
    pub fn new(request: u64, policy: PolicyDocument, file: String) -> Self {
        Self {
            request,
            policy_hash: policy.hash(),
            policy,
            defaults: PolicyDocument::default(),
            settings: SETTINGS,
            presets: (PRESETS.iter())
                .filter_map(|name| {
                    let policy = Preset::named(name)?;
                    Some(NamedPreset { name, policy })
                })
                .collect(),
            file,
        }
    }
}

/// A preset by its name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamedPreset {
    /// What it is called.
    pub name: &'static str,
    /// The members of a policy that it sets.
    pub policy: Preset,
}

/// Something did not work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ErrorMessage {
    /// The request that it answers, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
    /// What did not work, for programs.
    pub code: ErrorCode,
    /// What did not work, for people.
    pub message: String,
    /// What to do about it.
    pub fix: String,
    /// What the code adds.
    #[serde(flatten)]
    pub adds: Map<String, Value>,
}

impl ErrorMessage {
    /// Creates an error that answers no request.
    pub fn new(code: ErrorCode, message: impl Into<String>, fix: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            request: None,
            code,
            message: message.into(),
            fix: fix.into(),
            adds: Map::new(),
        })
    }

    /// Creates an error for what no extension of ours sends.
    pub fn bug(code: ErrorCode, message: impl Into<String>) -> Box<Self> {
        Self::new(code, message, "report it as a bug of the extension")
    }

    /// Names the request that it answers.
    #[must_use]
    pub fn answering(mut self: Box<Self>, request: impl Into<Option<u64>>) -> Box<Self> {
        self.request = request.into();
        self
    }

    /// Adds a member; one that is not known is left out.
    #[must_use]
    pub fn adding(mut self: Box<Self>, name: &str, value: impl Into<Value>) -> Box<Self> {
        let value = value.into();
        if !value.is_null() {
            self.adds.insert(name.to_owned(), value);
        }
        self
    }
}

/// What can go wrong. Codes are only ever added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The stream is out of step.
    Framing,
    /// The message is above the limit.
    MessageTooLarge,
    /// The message is no JSON.
    NotJson,
    /// The message is of a type that this host does not know.
    UnknownType,
    /// The message lacks something, or holds what it cannot.
    BadMessage,
    /// The caller is no extension that the host was installed for.
    ForbiddenOrigin,
    /// Extension and host have no protocol in common.
    ProtocolMismatch,
    /// The first message must be `hello`.
    HelloExpected,
    /// An `n` is missing.
    EventGap,
    /// An event cannot be read.
    BadEvent,
    /// The policy is not valid.
    BadPolicy,
    /// The log cannot be opened or written.
    LogUnavailable,
    /// Another host writes the log.
    LogLocked,
    /// The extension runs in a private window.
    PrivateWindow,
    /// The choice of privacy is not valid, or cannot be kept.
    BadPrivacy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_or_answered_with_its_error() {
        #[track_caller]
        fn check(message: &str, expect: &Result<Incoming, (ErrorCode, Option<u64>)>) {
            let found = Incoming::read(message.as_bytes());
            let found = found.map_err(|error| (error.code, error.request));
            assert_eq!(&found, expect, "{message}");
        }
        check(
            r#"{"type":"ping","request":7,"new":1}"#,
            &Ok(Incoming::Ping { request: 7 }),
        );
        check(
            r#"{"type":"pause","request":7}"#,
            &Ok(Incoming::Pause {
                request: 7,
                until_ms: None,
            }),
        );
        check(
            r#"{"type":"set_mode","request":7,"mode":"enforce"}"#,
            &Ok(Incoming::SetMode {
                request: 7,
                mode: Mode::Enforce,
            }),
        );
        check("{", &Err((ErrorCode::NotJson, None)));
        check("\u{1}", &Err((ErrorCode::NotJson, None)));
        check("[]", &Err((ErrorCode::BadMessage, None)));
        check("3", &Err((ErrorCode::BadMessage, None)));
        check(r#"{"request":3}"#, &Err((ErrorCode::BadMessage, Some(3))));
        check(
            r#"{"type":"sing","request":3}"#,
            &Err((ErrorCode::UnknownType, Some(3))),
        );
        check(
            r#"{"type":"set_mode","request":3,"mode":"kill"}"#,
            &Err((ErrorCode::BadMessage, Some(3))),
        );
        check(r#"{"type":"status"}"#, &Err((ErrorCode::BadMessage, None)));
        let deep = "[".repeat(100_000);
        check(&deep, &Err((ErrorCode::NotJson, None)));
    }

    #[test]
    fn every_type_that_is_read_is_known() {
        let error = serde_json::from_str::<Incoming>(r#"{"type":"sing"}"#).unwrap_err();
        let error = error.to_string();
        // unknown variant `sing`, expected one of `hello`, …
        let read: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        assert_eq!(read, INCOMING);
        for type_name in INCOMING {
            let message = format!(r#"{{"type":"{type_name}"}}"#);
            let error = Incoming::read(message.as_bytes()).unwrap_err();
            assert!(
                error.message.contains("missing field"),
                "{type_name}: {}",
                error.message
            );
        }
    }

    #[test]
    fn an_error_adds_what_is_known() {
        let error = ErrorMessage::new(ErrorCode::EventGap, "m", "f")
            .answering(None)
            .adding("expected", 4)
            .adding("line", None::<u64>);
        let expect = r#"{"type":"error","code":"event_gap","message":"m","fix":"f","expected":4}"#;
        assert_eq!(
            serde_json::to_string(&Outgoing::from(error)).unwrap(),
            expect
        );
    }
}
