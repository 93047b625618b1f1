//! The browser's ids, wherever a line has one.

use engine::{TabId, WindowId};
use recorder::{Body, Tab};

/// What an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// A tab.
    Tab,
    /// A window.
    Window,
    /// A group of tabs.
    Group,
}

/// A tab group's id that says that there is none.
const NO_GROUP: i64 = -1;

/// Gives every id of a line another number. That a tab is in no group stays said.
pub fn renumber(body: &mut Body, to: &mut impl FnMut(Named, i64) -> i64) {
    fn tab(id: &mut TabId, to: &mut impl FnMut(Named, i64) -> i64) {
        id.0 = to(Named::Tab, id.0);
    }
    fn win(id: &mut WindowId, to: &mut impl FnMut(Named, i64) -> i64) {
        id.0 = to(Named::Window, id.0);
    }
    fn group(id: &mut Option<i64>, to: &mut impl FnMut(Named, i64) -> i64) {
        if let Some(id) = id.as_mut().filter(|id| **id != NO_GROUP) {
            *id = to(Named::Group, *id);
        }
    }
    fn facts(it: &mut Tab, to: &mut impl FnMut(Named, i64) -> i64) {
        tab(&mut it.tab, to);
        win(&mut it.win, to);
        group(&mut it.group, to);
        if let Some(opener) = &mut it.opener {
            tab(opener, to);
        }
    }
    match body {
        Body::SessionStarted(it) => {
            for window in &mut it.windows {
                win(&mut window.win, to);
            }
            for it in &mut it.tabs {
                facts(it, to);
            }
        }
        Body::TabOpened(it) => facts(it, to),
        Body::TabActivated(it) => {
            tab(&mut it.tab, to);
            win(&mut it.win, to);
        }
        Body::TabNavigated(it) => tab(&mut it.tab, to),
        Body::TabLoaded(it) => tab(&mut it.tab, to),
        Body::TabChanged(it) => {
            tab(&mut it.tab, to);
            group(&mut it.group, to);
        }
        Body::TabMoved(it) => {
            tab(&mut it.tab, to);
            win(&mut it.win, to);
        }
        Body::TabReplaced(it) => {
            tab(&mut it.old, to);
            tab(&mut it.tab, to);
        }
        Body::TabDiscarded(it) => tab(&mut it.tab, to),
        Body::TabRestored(it) => tab(&mut it.tab, to),
        Body::TabClosed(it) => tab(&mut it.tab, to),
        Body::WindowOpened(it) => win(&mut it.win, to),
        Body::WindowClosed(it) => win(&mut it.win, to),
        Body::WindowFocused(it) => {
            if let Some(id) = &mut it.win {
                win(id, to);
            }
        }
        Body::PruneRequested(it) => {
            if let Some(id) = &mut it.tab {
                tab(id, to);
            }
        }
        Body::DiscardOutcome(it) => tab(&mut it.tab, to),
        Body::OrderDropped(it) => tab(&mut it.tab, to),
        Body::TabMemory(it) => tab(&mut it.tab, to),
        Body::Decision(it) => tab(&mut it.tab, to),
        Body::LogOpened(_)
        | Body::LogResumed(_)
        | Body::Checkpoint(_)
        | Body::LogClosed(_)
        | Body::Dropped(_)
        | Body::ClockStepped(_)
        | Body::Suspended(_)
        | Body::UserIdle(_)
        | Body::PolicyChanged(_)
        | Body::ModeChanged(_)
        | Body::Paused(_)
        | Body::KnowledgeCarried(_)
        | Body::Metrics(_)
        | Body::PressureSignal(_)
        | Body::PressureChanged(_)
        | Body::Unknown { .. } => {}
    }
}
