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

use engine::{TabId, UserState, WindowId};
use recorder::{
    Body, SessionStarted, Tab, TabActivated, TabClosed, TabLoaded, TabMoved, TabNavigated,
    UserIdle, Window, WindowClosed, WindowFocused, WindowOpened,
};
use rusqlite::{OptionalExtension as _, Row, params};
use serde::Serialize;

use super::error::ImportError;
use super::page::Page;
use super::staging::{Person, Progress, ROWS_A_TICK, Source, Staging};

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

/// Tells everything that somebody did, in order, from `session_started` on.
///
/// # Errors
/// What the staging area or the receiver of the lines says.
pub fn weave(
    staging: &Staging,
    person: &Person,
    source: &Source,
    rules: Rules,
    progress: &mut Progress<'_>,
    tell: &mut dyn FnMut(i64, Body) -> Result<(), ImportError>,
) -> Result<Told, ImportError> {
    let tabs = place(staging, person, rules, progress)?;
    let knows_idle = staging.db.query_row(
        "SELECT EXISTS (SELECT 1 FROM presence WHERE person = ?)",
        [person.id],
        |row| row.get(0),
    )?;
    let mut weaver = Weaver {
        rules,
        ends_ms: person.to_ms,
        knows_idle,
        is_idle: None,
        browser: source.browser.clone(),
        windows: BTreeMap::new(),
        last_window: 0,
        focused: None,
        tabs: BTreeMap::new(),
        leaving: BTreeSet::new(),
        due: BTreeSet::new(),
        told: Told {
            tabs,
            ..Told::default()
        },
        tell,
    };
    // A visit is the last of its tab when no other follows; the sorter looks ahead for us.
    let mut moments = staging.db.prepare(
        "SELECT t_ms, 1 AS kind, visits.id AS id, host, scheme, page_key, foreground_ms, until_ms,
                closed_ms, win, placed.tab AS tab, opener, NULL AS is_idle,
                lead(1, 1, 0) OVER (PARTITION BY placed.tab ORDER BY t_ms, visits.id) = 0
                    AS is_last,
                lead(t_ms) OVER (ORDER BY t_ms, visits.id) AS next_ms
         FROM visits JOIN placed ON placed.id = visits.id WHERE person = ?1
         UNION ALL
         SELECT t_ms, 0, id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, is_idle,
                NULL, NULL
         FROM presence WHERE person = ?1
         ORDER BY t_ms, kind, id",
    )?;
    let mut rows = moments.query([person.id])?;
    while let Some(row) = rows.next()? {
        let t_ms = row.get("t_ms")?;
        weaver.catch_up(t_ms)?;
        match row.get("is_idle")? {
            Some(is_idle) => weaver.presence(t_ms, is_idle)?,
            None => weaver.visit(t_ms, &Placed::read(row)?)?,
        }
        if weaver.told.visits.is_multiple_of(ROWS_A_TICK) {
            progress(person.visits + weaver.told.visits, 2 * person.visits);
        }
    }
    weaver.catch_up(i64::MAX)?;
    Ok(weaver.told)
}

/// What is known of a tab while it is decided which tab a visit was in.
struct Thread {
    site: String,
    /// The visit whose page it shows.
    shows: i64,
    /// When it is not looked for any more.
    until_ms: i64,
    real: Option<i64>,
}

/// The tab that was last seen.
struct Front {
    tab: i64,
    site: String,
    is_real: bool,
}

/// Tabs that may be returned to.
#[derive(Default)]
struct Threads {
    by_tab: BTreeMap<i64, Thread>,
    by_real: BTreeMap<i64, i64>,
    /// The tabs that show a site, the latest last.
    by_site: BTreeMap<String, BTreeMap<u64, i64>>,
    /// When each was last used, as a running number.
    used: BTreeMap<i64, u64>,
    by_end: BTreeSet<(i64, i64)>,
    uses: u64,
}

impl Threads {
    fn forget_until(&mut self, t_ms: i64) {
        while let Some(&(until_ms, tab)) = self.by_end.first()
            && until_ms < t_ms
        {
            if let Some(thread) = self.remove(tab)
                && let Some(real) = thread.real
            {
                self.by_real.remove(&real);
            }
        }
    }

    fn remove(&mut self, tab: i64) -> Option<Thread> {
        let thread = self.by_tab.remove(&tab)?;
        self.by_end.remove(&(thread.until_ms, tab));
        if let Some(use_number) = self.used.remove(&tab)
            && let Some(tabs) = self.by_site.get_mut(&thread.site)
        {
            tabs.remove(&use_number);
            if tabs.is_empty() {
                self.by_site.remove(&thread.site);
            }
        }
        Some(thread)
    }

    fn show(&mut self, tab: i64, thread: Thread) {
        self.remove(tab);
        self.uses += 1;
        self.used.insert(tab, self.uses);
        self.by_end.insert((thread.until_ms, tab));
        if let Some(real) = thread.real {
            self.by_real.insert(real, tab);
        }
        let tabs = self.by_site.entry(thread.site.clone()).or_default();
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

/// Decides which tab each visit was in. Returns how many tabs there were.
fn place(
    staging: &Staging,
    person: &Person,
    rules: Rules,
    progress: &mut Progress<'_>,
) -> Result<u64, ImportError> {
    let db = &staging.db;
    let mut add = db.prepare("INSERT OR REPLACE INTO placed VALUES (?, ?, ?)")?;
    let mut visits = db.prepare(
        "SELECT id, t_ms, host, scheme, tab, from_id, opener_id, foreground_ms FROM visits
         WHERE person = ? ORDER BY t_ms, id",
    )?;
    let mut rows = visits.query([person.id])?;
    let mut threads = Threads::default();
    let (mut tab_count, mut done) = (0_u64, 0);
    let mut front: Option<Front> = None;
    while let Some(row) = rows.next()? {
        let (id, t_ms): (i64, i64) = (row.get(0)?, row.get(1)?);
        let site = page(row.get(2)?, row.get(3)?).site();
        let real: Option<i64> = row.get(4)?;
        threads.forget_until(t_ms);

        let opener = came_from(staging, row.get(6)?)?.map(|(_, tab)| tab);
        let from = came_from(staging, row.get(5)?)?;
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
        add.execute(params![id, tab, opener])?;
        let kept_ms = match real {
            Some(_) => REAL_TAB_MS.max(rules.close_after_ms),
            None => rules.close_after_ms,
        };
        if row.get::<_, Option<i64>>(7)? != Some(0) {
            front = Some(Front {
                tab,
                site: site.clone(),
                is_real: real.is_some(),
            });
        }
        threads.show(
            tab,
            Thread {
                site,
                shows: id,
                until_ms: t_ms.saturating_add(kept_ms),
                real,
            },
        );
        done += 1;
        if done % ROWS_A_TICK == 0 {
            progress(done, 2 * person.visits);
        }
    }
    Ok(tab_count)
}

/// Finds the visit that another came from, and its tab, through redirects that are left out.
fn came_from(staging: &Staging, from: Option<i64>) -> Result<Option<(i64, i64)>, ImportError> {
    let mut placed = staging
        .db
        .prepare_cached("SELECT tab FROM placed WHERE id = ?")?;
    let mut passed = staging
        .db
        .prepare_cached("SELECT from_id FROM passed WHERE id = ?")?;
    let mut from = from;
    for _ in 0..REDIRECTS_MAX {
        let Some(id) = from else { return Ok(None) };
        if let Some(tab) = placed.query_row([id], |row| row.get(0)).optional()? {
            return Ok(Some((id, tab)));
        }
        from = passed
            .query_row([id], |row| row.get(0))
            .optional()?
            .flatten();
    }
    Ok(None)
}

fn page(host: Option<String>, scheme: Option<String>) -> Page {
    match (host, scheme) {
        (Some(host), _) => Page::Web(host),
        (None, scheme) => Page::Internal(scheme.unwrap_or_default()),
    }
}

/// A visit of which the tab is known.
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

impl Placed {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            page: page(row.get("host")?, row.get("scheme")?),
            page_key: row.get("page_key")?,
            foreground_ms: row.get("foreground_ms")?,
            until_ms: row.get("until_ms")?,
            closed_ms: row.get("closed_ms")?,
            win: row.get("win")?,
            tab: TabId(row.get("tab")?),
            opener: row.get::<_, Option<i64>>("opener")?.map(TabId),
            is_last: row.get("is_last")?,
            next_ms: row.get("next_ms")?,
        })
    }
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
    tabs: BTreeMap<TabId, OpenTab>,
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
            host: visit.page.host().map(str::to_owned),
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
            host: visit.page.host().map(str::to_owned),
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
