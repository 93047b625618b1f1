//! Tells what happened to tabs and windows, in order.
//!
//! The rules, by the names that a trace's header gives them:
//!
//! - `close-after`: a tab that is not returned to within so many hours, and of which the source
//!   does not tell when it was closed, was closed when the user turned from it to another. That
//!   is nearer to how people use tabs than closing it at the end of those hours would be: 71 % of
//!   tabs live for no more than 5 minutes and 91 % for no more than 30 (200,000 tabs of Firefox
//!   users in 2009), and of the sites not seen for 24 hours one in nine is returned to in the next
//!   24 (10 traces of webtrackR's sample). Tabs used in the last hours of the source
//!   are left open.
//! - `loaded-at-once`: nothing tells how long a load took, so it ends when it begins.
//! - `opened-behind`: a tab of which the source says that it was in front for no time at all was
//!   opened in the background.
//! - `front-until`: where the source tells until when a tab was in front, and nothing follows
//!   within a minute, another program has the focus from then on.

use std::collections::{BTreeMap, BTreeSet};

use engine::{TabId, UserState, WindowId};
use recorder::{
    Body, SessionStarted, Tab, TabActivated, TabClosed, TabLoaded, TabMoved, TabNavigated,
    UserIdle, Window, WindowClosed, WindowFocused, WindowOpened,
};
use serde::Serialize;

use super::HashMap;
use super::error::ImportError;
use super::page::Page;
use super::placing::{Placement, place};
use super::staging::{Person, Progress, ROWS_A_TICK, Source, Staged, Visit, What};

/// When the next visit comes within this time, the tab before is taken to have stayed in front.
/// The web watcher of ActivityWatch tells of itself once a minute.
const FRONT_GAP_MS: i64 = 60_000;

/// What may be chosen about the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long a tab is returned to, in milliseconds.
    pub close_after_ms: i64,
}

impl Default for Rules {
    /// A day: the site threads in which the return times of `close-after` were measured
    /// end after as long.
    fn default() -> Self {
        Self {
            close_after_ms: 24 * 3_600_000,
        }
    }
}

/// What was told of somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Visits.
    pub visits: u64,
    /// Tabs that were opened.
    pub tabs: u64,
    /// Lines that tell of them.
    pub events: u64,
    /// The first line's time.
    pub from_ms: i64,
    /// The last line's time.
    pub to_ms: i64,
}

/// Tells everything that somebody did, in order, from `session_started` on. Of several people it
/// tells in the order of [`Staged::people`].
///
/// # Errors
/// What the staging area or the receiver of the lines says.
pub fn weave(
    staged: &mut Staged,
    person: &Person,
    source: &Source,
    rules: Rules,
    progress: &mut Progress<'_>,
    tell: &mut dyn FnMut(i64, Body) -> Result<(), ImportError>,
) -> Result<Told, ImportError> {
    let mut placements = place(staged, person, rules.close_after_ms, progress)?;
    let mut teller = Teller {
        rules,
        ends_ms: person.to_ms,
        knows_idle: person.knows_presence,
        is_idle: None,
        browser: source.browser.clone(),
        windows: BTreeMap::new(),
        last_window: 0,
        focused: None,
        tabs: HashMap::default(),
        leaving: BTreeSet::new(),
        due: BTreeSet::new(),
        told: Told {
            tabs: placements.tabs,
            ..Told::default()
        },
        tell,
    };
    while let Some(moment) = staged.to_tell.peek_of(person.id)? {
        teller.catch_up(moment.t_ms())?;
        match &moment.what {
            What::Presence { t_ms, is_idle } => teller.presence(*t_ms, *is_idle)?,
            What::Visit { visit, .. } => teller.visit(visit, &placements.next()?)?,
        }
        if teller.told.visits.is_multiple_of(ROWS_A_TICK) {
            progress(person.visits + teller.told.visits, 2 * person.visits);
        }
        staged.to_tell.advance()?;
    }
    teller.catch_up(i64::MAX)?;
    Ok(teller.told)
}

struct OpenTab {
    win: WindowId,
    page: Page,
    page_key: Option<i64>,
}

#[derive(Default)]
struct OpenWindow {
    /// The browser's own id.
    real: Option<i64>,
    in_front: Option<TabId>,
    tabs: u64,
}

/// Something that happens by itself when its time has come, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Close(TabId),
    LoseFocus,
}

/// Tells the events, and knows what is open at each.
struct Teller<'a> {
    rules: Rules,
    /// The time of the last visit.
    ends_ms: i64,
    knows_idle: bool,
    is_idle: Option<bool>,
    browser: Option<String>,
    windows: BTreeMap<WindowId, OpenWindow>,
    last_window: i64,
    focused: Option<WindowId>,
    tabs: HashMap<TabId, OpenTab>,
    /// Tabs that are closed when the user turns to another.
    leaving: BTreeSet<TabId>,
    due: BTreeSet<(i64, Due)>,
    told: Told,
    tell: &'a mut dyn FnMut(i64, Body) -> Result<(), ImportError>,
}

impl Teller<'_> {
    fn say(&mut self, t_ms: i64, body: Body) -> Result<(), ImportError> {
        if self.told.events == 0 {
            self.told.from_ms = t_ms;
        }
        self.told.to_ms = t_ms;
        self.told.events += 1;
        (self.tell)(t_ms, body)
    }

    /// Begins the session where nothing was told yet.
    fn begin(&mut self, t_ms: i64, win: WindowId) -> Result<(), ImportError> {
        self.focused = Some(win);
        let body = Body::SessionStarted(SessionStarted {
            browser: self.browser.take(),
            browser_version: None,
            extension_version: None,
            idle: self.knows_idle.then_some(match self.is_idle {
                Some(true) => UserState::Idle,
                _ => UserState::Active,
            }),
            windows: vec![Window { win, focused: true }],
            tabs: Vec::new(),
        });
        self.say(t_ms, body)
    }

    /// Lets happen what is due before a moment.
    fn catch_up(&mut self, t_ms: i64) -> Result<(), ImportError> {
        while let Some(&(due_ms, due)) = self.due.first()
            && due_ms < t_ms
        {
            self.due.pop_first();
            match due {
                Due::Close(tab) => self.close(due_ms, tab)?,
                Due::LoseFocus => self.focus(due_ms, None)?,
            }
        }
        Ok(())
    }

    fn presence(&mut self, t_ms: i64, is_idle: bool) -> Result<(), ImportError> {
        let is_news = self.is_idle.replace(is_idle) != Some(is_idle);
        // Before the first visit nothing is told; the session begins with what held then.
        if !is_news || self.told.events == 0 {
            return Ok(());
        }
        let state = if is_idle {
            UserState::Idle
        } else {
            UserState::Active
        };
        self.say(t_ms, Body::UserIdle(UserIdle { state }))
    }

    fn visit(&mut self, visit: &Visit, placed: &Placement) -> Result<(), ImportError> {
        self.told.visits += 1;
        let (t_ms, tab) = (visit.t_ms, placed.tab);
        let details = visit.details();
        let known = self.tabs.get(&tab).map(|open| open.win);
        let win = self.window_of(t_ms, details.win, known)?;
        match known {
            None => self.open(win, visit, placed)?,
            Some(known) if known != win => self.move_to(t_ms, tab, win)?,
            Some(_) => {}
        }
        if !details.is_behind {
            self.activate(t_ms, tab, win)?;
        }
        if known.is_none() {
            self.say(t_ms, Body::TabLoaded(TabLoaded { tab, ms: None }))?;
        } else {
            self.navigate(visit, tab)?;
        }
        if placed.is_last {
            if let Some(closed_ms) = details.closed_ms {
                self.due.insert((closed_ms.max(t_ms), Due::Close(tab)));
            } else if self.ends_ms.saturating_sub(t_ms) >= self.rules.close_after_ms {
                self.leaving.insert(tab);
            }
        }
        if let Some(until_ms) = details.until_ms
            && placed.next_ms.saturating_sub(until_ms) > FRONT_GAP_MS
        {
            self.due.insert((until_ms.max(t_ms), Due::LoseFocus));
        }
        Ok(())
    }

    /// The window that a visit is in: the browser's own, else the tab's, else the focused one.
    fn window_of(
        &mut self,
        t_ms: i64,
        real: Option<i64>,
        of_tab: Option<WindowId>,
    ) -> Result<WindowId, ImportError> {
        let known = match real {
            Some(_) => self
                .windows
                .iter()
                .find_map(|(&win, window)| (window.real == real).then_some(win)),
            None => of_tab
                .or(self.focused)
                .or_else(|| self.windows.keys().next().copied()),
        };
        if let Some(win) = known {
            return Ok(win);
        }
        self.last_window += 1;
        let win = WindowId(self.last_window);
        let window = OpenWindow {
            real,
            ..OpenWindow::default()
        };
        self.windows.insert(win, window);
        if self.told.events == 0 {
            self.begin(t_ms, win)?;
        } else {
            self.say(t_ms, Body::WindowOpened(WindowOpened { win }))?;
        }
        Ok(win)
    }

    fn open(
        &mut self,
        win: WindowId,
        visit: &Visit,
        placed: &Placement,
    ) -> Result<(), ImportError> {
        let tab = placed.tab;
        let body = Body::TabOpened(Tab {
            host: visit.page.host().cloned(),
            scheme: visit.page.scheme().map(str::to_owned),
            loading: Some(true),
            opener: placed
                .opener
                .filter(|opener| self.tabs.contains_key(opener)),
            ..Tab::new(tab, win)
        });
        self.windows.entry(win).or_default().tabs += 1;
        let open = OpenTab {
            win,
            page: visit.page.clone(),
            page_key: visit.page_key,
        };
        self.tabs.insert(tab, open);
        self.say(visit.t_ms, body)
    }

    fn move_to(&mut self, t_ms: i64, tab: TabId, win: WindowId) -> Result<(), ImportError> {
        let Some(open) = self.tabs.get_mut(&tab) else {
            return Ok(());
        };
        let left = std::mem::replace(&mut open.win, win);
        self.say(t_ms, Body::TabMoved(TabMoved { tab, win }))?;
        self.windows.entry(win).or_default().tabs += 1;
        self.leave_window(t_ms, tab, left)
    }

    fn activate(&mut self, t_ms: i64, tab: TabId, win: WindowId) -> Result<(), ImportError> {
        self.focus(t_ms, Some(win))?;
        let window = self.windows.entry(win).or_default();
        if window.in_front.replace(tab) != Some(tab) {
            self.say(t_ms, Body::TabActivated(TabActivated { tab, win }))?;
        }
        let mut left = std::mem::take(&mut self.leaving);
        if left.remove(&tab) {
            self.leaving.insert(tab);
        }
        left.into_iter().try_for_each(|tab| self.close(t_ms, tab))
    }

    fn navigate(&mut self, visit: &Visit, tab: TabId) -> Result<(), ImportError> {
        let Some(open) = self.tabs.get_mut(&tab) else {
            return Ok(());
        };
        let is_same =
            visit.page_key.is_some() && open.page_key == visit.page_key && open.page == visit.page;
        if is_same {
            return Ok(());
        }
        open.page = visit.page.clone();
        open.page_key = visit.page_key;
        let body = Body::TabNavigated(TabNavigated {
            tab,
            host: visit.page.host().cloned(),
            scheme: visit.page.scheme().map(str::to_owned),
            protected: None,
        });
        self.say(visit.t_ms, body)?;
        self.say(visit.t_ms, Body::TabLoaded(TabLoaded { tab, ms: None }))
    }

    fn focus(&mut self, t_ms: i64, win: Option<WindowId>) -> Result<(), ImportError> {
        if self.focused == win {
            return Ok(());
        }
        self.focused = win;
        self.say(t_ms, Body::WindowFocused(WindowFocused { win }))
    }

    fn close(&mut self, t_ms: i64, tab: TabId) -> Result<(), ImportError> {
        self.leaving.remove(&tab);
        let Some(open) = self.tabs.remove(&tab) else {
            return Ok(());
        };
        self.say(t_ms, Body::TabClosed(TabClosed { tab }))?;
        self.leave_window(t_ms, tab, open.win)
    }

    /// A window that the last tab has left is closed, unless it is the only one.
    fn leave_window(&mut self, t_ms: i64, tab: TabId, win: WindowId) -> Result<(), ImportError> {
        let Some(window) = self.windows.get_mut(&win) else {
            return Ok(());
        };
        window.tabs -= 1;
        if window.in_front == Some(tab) {
            window.in_front = None;
        }
        if window.tabs > 0 || self.windows.len() == 1 {
            return Ok(());
        }
        self.windows.remove(&win);
        if self.focused == Some(win) {
            self.focused = None;
        }
        self.say(t_ms, Body::WindowClosed(WindowClosed { win }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::staging::{Details, Staging};
    use super::*;

    /// 2026-01-01.
    const BEGIN_MS: i64 = 1_767_225_600_000;
    const DAY_MS: i64 = 86_400_000;

    #[derive(Clone, Debug)]
    enum Staged {
        Visit(Visit),
        PassedOver { from: Option<i64> },
        Presence { t_ms: i64, is_idle: bool },
    }

    fn staged() -> impl Strategy<Value = Staged> {
        let t_ms = || (0..3 * DAY_MS).prop_map(|ms| BEGIN_MS + ms);
        let later = || prop::option::of(0..DAY_MS);
        let other = || prop::option::weighted(0.4, 0..60_i64);
        let visit = (
            (t_ms(), 0..9_u8, prop::option::of(0..3_i64)),
            (any::<bool>(), later(), later()),
            (prop::option::of(1..5_i64), prop::option::of(1..3_i64)),
            (other(), other()),
        );
        let visit = visit.prop_map(|(page, front, real, others)| {
            let (t_ms, host, page_key) = page;
            let host = format!("h{host}.site{}.example", host / 2);
            Staged::Visit(Visit {
                page_key,
                details: Some(Box::new(Details {
                    is_behind: front.0,
                    until_ms: front.1.map(|ms| t_ms + ms),
                    closed_ms: front.2.map(|ms| t_ms + ms),
                    tab: real.0,
                    win: real.1,
                    from: others.0,
                    opener: others.1,
                })),
                ..Visit::new(t_ms, Page::of_host(&host).unwrap())
            })
        });
        prop_oneof![
            8 => visit,
            1 => other().prop_map(|from| Staged::PassedOver { from }),
            1 => (t_ms(), any::<bool>()).prop_map(|(t_ms, is_idle)| Staged::Presence { t_ms, is_idle }),
        ]
    }

    fn told(all: &[(String, Staged)], memory_bytes: usize) -> Vec<(Told, Vec<(i64, Body)>)> {
        let mut staging = Staging::within(memory_bytes).unwrap();
        for ((person, staged), id) in all.iter().zip(0..) {
            let person = staging.person(person);
            match staged.clone() {
                Staged::Visit(visit) => staging.add(person, Some(id), visit).unwrap(),
                Staged::PassedOver { from } => staging.pass_over(id, from).unwrap(),
                Staged::Presence { t_ms, is_idle } => {
                    staging.note_presence(person, t_ms, is_idle).unwrap();
                }
            }
        }
        let mut staged = staging.sorted().unwrap();
        let people = staged.people().to_vec();
        let mut of = |person: &Person| {
            let mut lines = Vec::new();
            let told = weave(
                &mut staged,
                person,
                &Source::default(),
                Rules::default(),
                &mut |_, _| {},
                &mut |t_ms, body| {
                    lines.push((t_ms, body));
                    Ok(())
                },
            );
            (told.unwrap(), lines)
        };
        people.iter().map(&mut of).collect()
    }

    proptest! {
        #[test]
        fn little_memory_tells_the_same_as_much(
            all in prop::collection::vec(("[abc]", staged()), 1..60),
            memory_bytes in 0..4_000_usize,
        ) {
            prop_assert_eq!(told(&all, memory_bytes), told(&all, usize::MAX));
        }
    }
}
