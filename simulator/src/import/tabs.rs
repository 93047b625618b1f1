//! Turns visits into tabs and what happens to them: first which tab each visit was in, then the
//! events in order.
//!
//! The rules, by the names that a trace's header gives them:
//!
//! - `real-tabs`: where the source has the browser's own id of a tab, that is the tab.
//! - `openers`: where it says which visit's tab opened this one, that is a new tab.
//! - `from-visits`: a visit that came from the page which its tab still shows goes on in that tab;
//!   one that came from an earlier page of it was opened in a new tab.
//! - `site-threads`: else a visit goes on in the tab that last showed its site, or a new tab is
//!   opened from the one in front.
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
use std::io;
use std::rc::Rc;

use engine::{TabId, UserState, WindowId};
use lru::LruCache;
use recorder::{
    Body, SessionStarted, Tab, TabActivated, TabClosed, TabLoaded, TabMoved, TabNavigated,
    UserIdle, Window, WindowClosed, WindowFocused, WindowOpened,
};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use super::HashMap;
use super::error::ImportError;
use super::page::{PAGES_MAX, Page};
use super::sorter::{Sortable, Sorted, Sorter};
use super::staging::{Moment, Person, Progress, ROWS_A_TICK, Source, Staged, What};

const HOUR_MS: i64 = 3_600_000;

/// A tab of which the browser told the id is looked for this long: Chromium keeps visits no
/// longer than 90 days (`ExpireHistoryBackend`).
const REAL_TAB_MS: i64 = 90 * 24 * HOUR_MS;

/// When the next visit comes within this time, the tab before is taken to have stayed in front.
/// The web watcher of ActivityWatch tells of itself once a minute.
const FRONT_GAP_MS: i64 = 60_000;

/// Redirects in a row that are followed back. Browsers give up after 20.
const REDIRECTS_MAX: u32 = 64;

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
            close_after_ms: 24 * HOUR_MS,
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
    let (mut moments, tabs) = place(staged, person, rules, progress)?;
    let mut weaver = Weaver {
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
            tabs,
            ..Told::default()
        },
        tell,
    };
    while let Some(PlacedMoment { t_ms, what, .. }) = moments.next()? {
        weaver.catch_up(t_ms)?;
        match what {
            PlacedWhat::Presence { is_idle } => weaver.presence(t_ms, is_idle)?,
            PlacedWhat::Visit(visit) => weaver.visit(t_ms, &visit)?,
        }
        if weaver.told.visits.is_multiple_of(ROWS_A_TICK) {
            progress(person.visits + weaver.told.visits, 2 * person.visits);
        }
    }
    weaver.catch_up(i64::MAX)?;
    Ok(weaver.told)
}

/// A moment with the tab that a visit was in.
#[derive(Serialize, Deserialize)]
struct PlacedMoment {
    t_ms: i64,
    id: i64,
    what: PlacedWhat,
}

#[derive(Serialize, Deserialize)]
enum PlacedWhat {
    Presence { is_idle: bool },
    Visit(Placed),
}

/// A visit of which the tab is known.
#[derive(Serialize, Deserialize)]
struct Placed {
    page: Page,
    page_key: Option<i64>,
    foreground_ms: Option<i64>,
    until_ms: Option<i64>,
    closed_ms: Option<i64>,
    win: Option<i64>,
    tab: TabId,
    opener: Option<TabId>,
    /// Whether none follows in its tab.
    is_last: bool,
    /// When the next one comes, in whichever tab.
    next_ms: Option<i64>,
}

impl Sortable for PlacedMoment {
    type Key = (i64, bool, i64);

    fn key(&self) -> Self::Key {
        let is_visit = matches!(self.what, PlacedWhat::Visit(_));
        (self.t_ms, is_visit, self.id)
    }
}

/// What is known of a tab while it is decided which tab a visit was in.
struct Thread {
    site: Rc<str>,
    /// The visit whose page it shows.
    shows: i64,
    /// When it is not looked for any more.
    until_ms: i64,
    real: Option<i64>,
    /// When it was last used, as a running number.
    used: u64,
}

/// The tab that was last seen.
struct Front {
    tab: i64,
    site: Rc<str>,
    is_real: bool,
}

/// Tabs that may be returned to.
#[derive(Default)]
struct Threads {
    by_tab: HashMap<i64, Thread>,
    by_real: HashMap<i64, i64>,
    /// The tabs that the browser's own ids lead to. One that was last seen without its id is
    /// forgotten as others are, and still led to.
    real: BTreeSet<i64>,
    /// The tabs that show a site, the latest last.
    by_site: HashMap<Rc<str>, BTreeMap<u64, i64>>,
    by_end: BTreeSet<(i64, i64)>,
    uses: u64,
}

impl Threads {
    /// Takes out a tab that is not looked for any more.
    fn forget_before(&mut self, t_ms: i64) -> Option<i64> {
        let &(until_ms, tab) = self.by_end.first()?;
        if until_ms >= t_ms {
            return None;
        }
        if let Some(real) = self.remove(tab).and_then(|thread| thread.real) {
            self.by_real.remove(&real);
            self.real.remove(&tab);
        }
        Some(tab)
    }

    /// Whether anything leads to a tab, but that it is in front.
    fn lead_to(&self, tab: i64) -> bool {
        self.by_tab.contains_key(&tab) || self.real.contains(&tab)
    }

    fn remove(&mut self, tab: i64) -> Option<Thread> {
        let thread = self.by_tab.remove(&tab)?;
        self.by_end.remove(&(thread.until_ms, tab));
        if let Some(tabs) = self.by_site.get_mut(&thread.site) {
            tabs.remove(&thread.used);
            if tabs.is_empty() {
                self.by_site.remove(&thread.site);
            }
        }
        Some(thread)
    }

    fn show(&mut self, tab: i64, mut thread: Thread) {
        self.remove(tab);
        self.uses += 1;
        thread.used = self.uses;
        self.by_end.insert((thread.until_ms, tab));
        if let Some(real) = thread.real {
            self.by_real.insert(real, tab);
            self.real.insert(tab);
        }
        let tabs = self.by_site.entry(Rc::clone(&thread.site)).or_default();
        tabs.insert(self.uses, tab);
        self.by_tab.insert(tab, thread);
    }

    /// The tab that last showed a site, of those whose ids the browser did not tell: a visit of
    /// which it told none was in none of the others.
    fn of_site(&self, site: &str) -> Option<i64> {
        let tabs = self.by_site.get(site)?.values().rev();
        let mut own = tabs.filter(|tab| self.by_tab.get(tab).is_some_and(|it| it.real.is_none()));
        own.next().copied()
    }
}

/// Visits of which it is not known yet whether another follows in their tab: one a tab that may be
/// returned to.
struct Awaited {
    by_tab: HashMap<i64, PlacedMoment>,
    /// The tab of the visit before.
    before: Option<i64>,
    known: Sorter<PlacedMoment>,
}

impl Awaited {
    /// Tells the visit before when the next one comes.
    fn note_next(&mut self, t_ms: i64) {
        let before = self.before.and_then(|tab| self.by_tab.get_mut(&tab));
        if let Some(PlacedWhat::Visit(visit)) = before.map(|placed| &mut placed.what) {
            visit.next_ms = Some(t_ms);
        }
    }

    /// Takes the next visit.
    fn follow(&mut self, placed: PlacedMoment, tab: i64) -> io::Result<()> {
        self.before = Some(tab);
        match self.by_tab.insert(tab, placed) {
            Some(earlier) => self.known.add(&earlier),
            None => Ok(()),
        }
    }

    /// No other visit will be in this tab.
    fn end(&mut self, tab: i64) -> io::Result<()> {
        let Some(mut placed) = self.by_tab.remove(&tab) else {
            return Ok(());
        };
        if let PlacedWhat::Visit(visit) = &mut placed.what {
            visit.is_last = true;
        }
        self.known.add(&placed)
    }
}

/// Decides which tab each visit was in. Returns everything in order, and how many tabs there were.
fn place(
    staged: &mut Staged,
    person: &Person,
    rules: Rules,
    progress: &mut Progress<'_>,
) -> Result<(Sorted<PlacedMoment>, u64), ImportError> {
    let mut threads = Threads::default();
    // The list of public suffixes is long.
    let mut sites: LruCache<Page, Rc<str>> = LruCache::new(PAGES_MAX);
    let mut awaited = Awaited {
        by_tab: HashMap::default(),
        before: None,
        known: Sorter::new(),
    };
    let (mut tab_count, mut done) = (0_u64, 0);
    let mut front: Option<Front> = None;
    while let Some(Moment { t_ms, id, what, .. }) = staged.next_of(person.id)? {
        let (visit, is_named) = match what {
            What::Presence { is_idle } => {
                let what = PlacedWhat::Presence { is_idle };
                awaited.known.add(&PlacedMoment { t_ms, id, what })?;
                continue;
            }
            What::Visit { visit, is_named } => (visit, is_named),
        };
        awaited.note_next(t_ms);
        let site = sites.get_or_insert_ref(&visit.page, || visit.page.site().into());
        let site = Rc::clone(site);
        let real = visit.tab;
        while let Some(tab) = threads.forget_before(t_ms) {
            let is_front = front.as_ref().is_some_and(|front| front.tab == tab);
            if !is_front && !threads.lead_to(tab) {
                awaited.end(tab)?;
            }
        }

        let opener = came_from(&staged.db, visit.opener)?.map(|(_, tab)| tab);
        let from = came_from(&staged.db, visit.from)?;
        // The tab in front was not turned from, however long ago that is.
        let own = |threads: &Threads| match &front {
            Some(front) if !front.is_real && front.site == site => Some(front.tab),
            _ => threads.of_site(&site),
        };
        let goes_on = |threads: &Threads| match (real, opener, from) {
            (Some(real), _, _) => threads.by_real.get(&real).copied(),
            (None, Some(_), _) => None,
            (None, None, Some((visit, tab))) => match threads.by_tab.get(&tab) {
                Some(thread) => (thread.shows == visit).then_some(tab),
                None => own(threads),
            },
            (None, None, None) => own(threads),
        };
        let (tab, opener) = if let Some(tab) = goes_on(&threads) {
            (tab, None)
        } else {
            tab_count += 1;
            let opener = opener
                .or(from.map(|(_, tab)| tab))
                .or(front.as_ref().map(|it| it.tab));
            (i64::try_from(tab_count).unwrap_or(i64::MAX), opener)
        };
        if is_named {
            let mut add = staged
                .db
                .prepare_cached("INSERT INTO placed VALUES (?, ?)")?;
            add.execute(params![id, tab])?;
        }
        let kept_ms = match real {
            Some(_) => REAL_TAB_MS.max(rules.close_after_ms),
            None => rules.close_after_ms,
        };
        if visit.foreground_ms != Some(0) {
            let left = front.replace(Front {
                tab,
                site: Rc::clone(&site),
                is_real: real.is_some(),
            });
            if let Some(left) = left
                && left.tab != tab
                && !threads.lead_to(left.tab)
            {
                awaited.end(left.tab)?;
            }
        }
        threads.show(
            tab,
            Thread {
                site,
                shows: id,
                until_ms: t_ms.saturating_add(kept_ms),
                real,
                used: 0,
            },
        );
        let what = PlacedWhat::Visit(Placed {
            page: visit.page,
            page_key: visit.page_key,
            foreground_ms: visit.foreground_ms,
            until_ms: visit.until_ms,
            closed_ms: visit.closed_ms,
            win: visit.win,
            tab: TabId(tab),
            opener: opener.map(TabId),
            is_last: false,
            next_ms: None,
        });
        awaited.follow(PlacedMoment { t_ms, id, what }, tab)?;
        done += 1;
        if done % ROWS_A_TICK == 0 {
            progress(done, 2 * person.visits);
        }
    }
    // In any order: they are sorted after it.
    for tab in Vec::from_iter(awaited.by_tab.keys().copied()) {
        awaited.end(tab)?;
    }
    Ok((awaited.known.sorted()?, tab_count))
}

/// Finds the visit that another came from, and its tab, through redirects that are left out.
fn came_from(db: &Connection, from: Option<i64>) -> Result<Option<(i64, i64)>, ImportError> {
    let mut from = from;
    for _ in 0..REDIRECTS_MAX {
        let Some(id) = from else { return Ok(None) };
        let mut placed = db.prepare_cached("SELECT tab FROM placed WHERE id = ?")?;
        if let Some(tab) = placed.query_row([id], |row| row.get(0)).optional()? {
            return Ok(Some((id, tab)));
        }
        let mut passed = db.prepare_cached("SELECT from_id FROM passed WHERE id = ?")?;
        from = passed
            .query_row([id], |row| row.get(0))
            .optional()?
            .flatten();
    }
    Ok(None)
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
    tabs: BTreeSet<TabId>,
}

/// Something that happens by itself when its time has come, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Close(TabId),
    LoseFocus,
}

/// Tells the events, and knows what is open at each.
struct Weaver<'a> {
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

impl Weaver<'_> {
    fn say(&mut self, t_ms: i64, body: Body) -> Result<(), ImportError> {
        if self.told.events == 0 {
            self.told.from_ms = t_ms;
        }
        self.told.to_ms = t_ms;
        self.told.events += 1;
        (self.tell)(t_ms, body)
    }

    /// Begins the session where nothing was told yet.
    fn begin(&mut self, t_ms: i64, win: WindowId, real: Option<i64>) -> Result<(), ImportError> {
        let window = OpenWindow {
            real,
            ..OpenWindow::default()
        };
        self.windows.insert(win, window);
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

    fn visit(&mut self, t_ms: i64, visit: &Placed) -> Result<(), ImportError> {
        self.told.visits += 1;
        let win = self.window_of(t_ms, visit)?;
        let tab = visit.tab;
        let is_new = !self.tabs.contains_key(&tab);
        if is_new {
            self.open(t_ms, win, visit)?;
        } else if self.tabs[&tab].win != win {
            self.move_to(t_ms, tab, win)?;
        }
        let is_seen = visit.foreground_ms != Some(0);
        if is_seen {
            self.activate(t_ms, tab, win)?;
        }
        if is_new {
            self.say(t_ms, Body::TabLoaded(TabLoaded { tab, ms: None }))?;
        } else {
            self.navigate(t_ms, visit)?;
        }
        if visit.is_last {
            if let Some(closed_ms) = visit.closed_ms {
                self.due.insert((closed_ms.max(t_ms), Due::Close(tab)));
            } else if self.ends_ms.saturating_sub(t_ms) >= self.rules.close_after_ms {
                self.leaving.insert(tab);
            }
        }
        if let Some(until_ms) = visit.until_ms {
            let goes_on = |next_ms: i64| next_ms.saturating_sub(until_ms) <= FRONT_GAP_MS;
            if !visit.next_ms.is_some_and(goes_on) {
                self.due.insert((until_ms.max(t_ms), Due::LoseFocus));
            }
        }
        Ok(())
    }

    /// The window that a visit is in: the browser's own, else the tab's, else the focused one.
    fn window_of(&mut self, t_ms: i64, visit: &Placed) -> Result<WindowId, ImportError> {
        let known = match visit.win {
            Some(real) => self
                .windows
                .iter()
                .find_map(|(&win, window)| (window.real == Some(real)).then_some(win)),
            None => self
                .tabs
                .get(&visit.tab)
                .map(|tab| tab.win)
                .or(self.focused)
                .or_else(|| self.windows.keys().next().copied()),
        };
        if let Some(win) = known {
            return Ok(win);
        }
        self.last_window += 1;
        let win = WindowId(self.last_window);
        if self.told.events == 0 {
            self.begin(t_ms, win, visit.win)?;
        } else {
            let window = OpenWindow {
                real: visit.win,
                ..OpenWindow::default()
            };
            self.windows.insert(win, window);
            self.say(t_ms, Body::WindowOpened(WindowOpened { win }))?;
        }
        Ok(win)
    }

    fn open(&mut self, t_ms: i64, win: WindowId, visit: &Placed) -> Result<(), ImportError> {
        let tab = visit.tab;
        let body = Body::TabOpened(Tab {
            host: visit.page.host().map(Into::into),
            scheme: visit.page.scheme().map(str::to_owned),
            loading: Some(true),
            opener: visit.opener.filter(|opener| self.tabs.contains_key(opener)),
            ..Tab::new(tab, win)
        });
        self.windows.entry(win).or_default().tabs.insert(tab);
        let open = OpenTab {
            win,
            page: visit.page.clone(),
            page_key: visit.page_key,
        };
        self.tabs.insert(tab, open);
        self.say(t_ms, body)
    }

    fn move_to(&mut self, t_ms: i64, tab: TabId, win: WindowId) -> Result<(), ImportError> {
        let Some(open) = self.tabs.get_mut(&tab) else {
            return Ok(());
        };
        let left = std::mem::replace(&mut open.win, win);
        self.say(t_ms, Body::TabMoved(TabMoved { tab, win }))?;
        self.windows.entry(win).or_default().tabs.insert(tab);
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

    fn navigate(&mut self, t_ms: i64, visit: &Placed) -> Result<(), ImportError> {
        let tab = visit.tab;
        let Some(open) = self.tabs.get_mut(&tab) else {
            return Ok(());
        };
        let is_same =
            open.page == visit.page && visit.page_key.is_some() && open.page_key == visit.page_key;
        if is_same {
            return Ok(());
        }
        open.page = visit.page.clone();
        open.page_key = visit.page_key;
        let body = Body::TabNavigated(TabNavigated {
            tab,
            host: visit.page.host().map(Into::into),
            scheme: visit.page.scheme().map(str::to_owned),
            protected: None,
        });
        self.say(t_ms, body)?;
        self.say(t_ms, Body::TabLoaded(TabLoaded { tab, ms: None }))
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
        window.tabs.remove(&tab);
        if window.in_front == Some(tab) {
            window.in_front = None;
        }
        if !window.tabs.is_empty() || self.windows.len() == 1 {
            return Ok(());
        }
        self.windows.remove(&win);
        if self.focused == Some(win) {
            self.focused = None;
        }
        self.say(t_ms, Body::WindowClosed(WindowClosed { win }))
    }
}
