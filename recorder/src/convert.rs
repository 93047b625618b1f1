//! Between the log's words and the engine's.
//!
//! The log knows more than the engine asks for (groups, schemes, versions); what is left out here
//! can change no decision.

use std::sync::Arc;

use engine::{Event, Input, Output, Page, Snapshot, TabChanges, TabFacts, WindowFacts};

use crate::line::Line;
use crate::wire::{Action, Body, Decision, Metrics, PressureChanged, Tab, TabChanged, Window};

impl Line {
    /// Returns what the engine is to be told; `None` for bookkeeping, outputs and unknown types.
    #[inline]
    pub fn event(&self) -> Option<Event> {
        Some(Event {
            seq: self.seq,
            t_ms: self.t_ms,
            input: self.body.input()?,
        })
    }

    /// Returns what the engine had answered; `None` for everything else.
    pub fn output(&self) -> Option<Output> {
        match &self.body {
            Body::Decision(decision) => Some(Output::Decision(decision.clone().into())),
            Body::PressureChanged(change) => Some(Output::PressureChanged(change.clone().into())),
            _ => None,
        }
    }
}

impl Body {
    /// Returns what the engine is to be told; `None` for bookkeeping, outputs and unknown types.
    #[inline]
    pub fn input(&self) -> Option<Input> {
        Some(match self {
            Self::LogOpened(_)
            | Self::LogResumed(_)
            | Self::Checkpoint(_)
            | Self::LogClosed(_)
            | Self::Dropped(_)
            | Self::OrderDropped(_)
            | Self::Decision(_)
            | Self::PressureChanged(_)
            | Self::Unknown { .. } => return None,
            Self::ClockStepped(it) => Input::ClockStepped { by_ms: it.by_ms },
            Self::Suspended(it) => Input::Suspended { ms: it.ms },
            Self::SessionStarted(it) => Input::SessionStarted(Snapshot {
                user: it.idle,
                windows: it.windows.iter().map(WindowFacts::from).collect(),
                tabs: it.tabs.iter().map(TabFacts::from).collect(),
            }),
            Self::TabOpened(it) => Input::TabOpened(it.into()),
            Self::TabActivated(it) => Input::TabActivated {
                tab: it.tab,
                win: it.win,
            },
            Self::TabNavigated(it) => Input::TabNavigated {
                tab: it.tab,
                page: page(it.host.as_ref(), it.scheme.as_deref()),
                protected: it.protected,
            },
            Self::TabLoaded(it) => Input::TabLoaded {
                tab: it.tab,
                load_ms: it.ms,
            },
            Self::TabChanged(it) => Input::TabChanged {
                tab: it.tab,
                changes: (*it).into(),
            },
            Self::TabMoved(it) => Input::TabMoved {
                tab: it.tab,
                win: it.win,
            },
            Self::TabReplaced(it) => Input::TabReplaced {
                tab: it.tab,
                old: it.old,
            },
            Self::TabDiscarded(it) => Input::TabDiscarded {
                tab: it.tab,
                by: it.by,
            },
            Self::TabRestored(it) => Input::TabRestored { tab: it.tab },
            Self::TabClosed(it) => Input::TabClosed { tab: it.tab },
            Self::WindowOpened(it) => Input::WindowOpened { win: it.win },
            Self::WindowClosed(it) => Input::WindowClosed { win: it.win },
            Self::WindowFocused(it) => Input::WindowFocused { win: it.win },
            Self::UserIdle(it) => Input::UserIdle(it.state),
            Self::PruneRequested(it) => Input::PruneRequested { tab: it.tab },
            Self::DiscardOutcome(it) => Input::DiscardOutcome {
                decision: it.decision,
                tab: it.tab,
                ok: it.ok,
            },
            Self::PolicyChanged(it) => Input::PolicyChanged(it.policy.clone()),
            Self::ModeChanged(it) => Input::ModeChanged(it.mode),
            Self::Paused(it) => Input::Paused {
                until_ms: it.until_ms,
            },
            Self::KnowledgeCarried(it) => Input::KnowledgeCarried(it.hosts.clone()),
            Self::Metrics(it) => Input::Metrics((*it).into()),
            Self::PressureSignal(it) => Input::PressureSignal(it.severity),
            Self::TabMemory(it) => Input::TabMemory {
                tab: it.tab,
                bytes: it.bytes,
                how: it.how,
            },
        })
    }
}

/// A host names a page of the web; a scheme without a host one of the browser's own.
fn page(host: Option<&Arc<str>>, scheme: Option<&str>) -> Option<Page> {
    match (host, scheme) {
        (Some(host), _) => Some(Page::Web(host.clone())),
        (None, Some(_)) => Some(Page::Internal),
        (None, None) => None,
    }
}

impl From<&Window> for WindowFacts {
    fn from(window: &Window) -> Self {
        Self {
            win: window.win,
            focused: window.focused,
        }
    }
}

impl From<&Tab> for TabFacts {
    fn from(tab: &Tab) -> Self {
        Self {
            tab: tab.tab,
            win: tab.win,
            page: page(tab.host.as_ref(), tab.scheme.as_deref()),
            protected: tab.protected,
            active: tab.active,
            pinned: tab.pinned,
            audible: tab.audible,
            discarded: tab.discarded,
            loading: tab.loading,
            auto_discardable: tab.auto_discardable,
            unsaved: tab.unsaved,
            capturing: tab.capturing,
            in_sight: tab.in_sight,
            last_accessed: tab.last_accessed,
        }
    }
}

impl From<TabChanged> for TabChanges {
    fn from(changed: TabChanged) -> Self {
        Self {
            pinned: changed.pinned,
            audible: changed.audible,
            auto_discardable: changed.auto_discardable,
            unsaved: changed.unsaved,
            capturing: changed.capturing,
            in_sight: changed.in_sight,
        }
    }
}

/// Makes both directions between two structs that have the same fields.
macro_rules! same_fields {
    ($wire:ty, $domain:ty, $($field:ident),+) => {
        impl From<$wire> for $domain {
            fn from(it: $wire) -> Self {
                Self { $( $field: it.$field ),+ }
            }
        }

        impl From<$domain> for $wire {
            fn from(it: $domain) -> Self {
                Self { $( $field: it.$field ),+ }
            }
        }
    };
}

same_fields!(
    Metrics,
    engine::Metrics,
    ram_total,
    ram_used,
    ram_available,
    swap_total,
    swap_used,
    cpu,
    on_battery,
    battery,
    psi_some_avg10,
    psi_full_avg10,
    browser_rss,
    browser_pss,
    browser_processes
);

same_fields!(
    PressureChanged,
    engine::PressureChange,
    cause,
    score,
    level,
    was,
    reasons
);

impl From<Decision> for engine::Decision {
    fn from(it: Decision) -> Self {
        let Action::Discard = it.action;
        Self {
            cause: it.cause,
            tab: it.tab,
            rank: it.rank,
            idle_ms: it.idle_ms,
            ttl_ms: it.ttl_ms,
            in_focus: it.in_focus,
            familiarity: it.familiarity,
            score: it.score,
            level: it.level,
            reasons: it.reasons,
            mode: it.mode,
            policy_hash: it.policy_hash,
        }
    }
}

impl From<engine::Decision> for Decision {
    fn from(it: engine::Decision) -> Self {
        Self {
            cause: it.cause,
            action: Action::Discard,
            tab: it.tab,
            rank: it.rank,
            idle_ms: it.idle_ms,
            ttl_ms: it.ttl_ms,
            in_focus: it.in_focus,
            familiarity: it.familiarity,
            score: it.score,
            level: it.level,
            reasons: it.reasons,
            mode: it.mode,
            policy_hash: it.policy_hash,
        }
    }
}

impl From<Output> for Body {
    fn from(output: Output) -> Self {
        match output {
            Output::Decision(decision) => Self::Decision(decision.into()),
            Output::PressureChanged(change) => Self::PressureChanged(change.into()),
        }
    }
}
