//! A browser that never was: its tabs and windows, and what it tells of them.
//!
//! It does what browsers do by themselves: it loads pages, says when they are loaded and what they
//! hold, brings another tab up where the one in front is closed, and discards tabs when memory runs
//! short. What the person wants comes in from outside. All that it tells could have happened.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::Arc;

use engine::{DiscardedBy, MemorySource, TabId, UserState, WindowId};
use recorder::{
    Body, Metrics, SessionStarted, Tab, TabActivated, TabChanged, TabClosed, TabDiscarded,
    TabLoaded, TabMemory, TabMoved, TabNavigated, TabRestored, UserIdle, Window, WindowClosed,
    WindowFocused, WindowOpened,
};

use super::draw::Draw;
use super::machine::BrowserLoad;
use super::places::Site;
use super::profile::{Discarding, SiteClass};
use super::rounding::{whole, whole_ms};

const MIB: f64 = (1_u64 << 20) as f64;
const MINUTE_MS: f64 = 60_000.0;

/// How far load times of one class differ: the deviation of the logarithm.
const LOAD_SIGMA: f64 = 0.6;

/// No page takes longer.
const LONGEST_LOAD_MS: f64 = 60_000.0;

/// How far a page of a site holds as much as the one before in its tab: the correlation of the
/// logarithms. So pages after it hold what any page of the class may, however many they are.
const NEXT_PAGE: f64 = 0.99;

/// How many names of hosts are remembered.
const HOSTS_KEPT: usize = 1 << 10;

/// What a tab is for, and so when it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It is done with when it is left.
    Glance,
    /// It is for the task at hand.
    Task,
    /// It is kept until then.
    Keep {
        /// When it is done with, in Unix milliseconds.
        until_ms: i64,
    },
}

/// An open tab.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenTab {
    pub(super) id: TabId,
    pub(super) win: WindowId,
    /// What it shows; a blank tab shows nothing.
    pub(super) site: Option<Site>,
    pub(super) purpose: Purpose,
    pub(super) is_pinned: bool,
    pub(super) is_audible: bool,
    /// Whether it was never in front.
    pub(super) is_unseen: bool,
    /// When it was last in front.
    pub(super) seen_ms: i64,
    opener: Option<TabId>,
    is_unsaved: bool,
    is_capturing: bool,
    is_discarded: bool,
    is_loading: bool,
    /// Which load of a page this is, so that what was to come of an earlier one does not.
    load: u32,
    bytes: f64,
}

#[derive(Clone, Copy, Debug)]
struct OpenWindow {
    id: WindowId,
    active: Option<TabId>,
}

/// What may hold of a tab for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Feature {
    /// It makes a sound.
    Audible,
    /// A form in it was touched.
    Unsaved,
    /// It captures the screen, a camera or a microphone.
    Capturing,
    /// It is pinned.
    Pinned,
}

impl OpenTab {
    fn feature(&mut self, feature: Feature) -> &mut bool {
        match feature {
            Feature::Audible => &mut self.is_audible,
            Feature::Unsaved => &mut self.is_unsaved,
            Feature::Capturing => &mut self.is_capturing,
            Feature::Pinned => &mut self.is_pinned,
        }
    }
}

/// Something that happens by itself when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The load of a page ends.
    Loaded { tab: TabId, load: u32, ms: u64 },
    /// Something begins or ends to hold of a page.
    Turns {
        tab: TabId,
        load: u32,
        feature: Feature,
        is_on: bool,
    },
    /// The person turns to another program.
    Leaves,
    /// The person touches nothing.
    Idle,
    /// The person opens a link of the tab in front in the background.
    OpensLink { tab: TabId, load: u32 },
}

/// What a person's choice of a new tab comes with.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewTab {
    pub(super) win: WindowId,
    /// What it shows; a blank tab shows nothing.
    pub(super) site: Option<Site>,
    pub(super) opener: Option<TabId>,
    pub(super) purpose: Purpose,
}

/// The browser.
pub(super) struct Browser {
    pub(super) tabs: Vec<OpenTab>,
    windows: Vec<OpenWindow>,
    /// The window with the focus; none when another program has it.
    focused: Option<WindowId>,
    /// The window that had it last.
    last_focused: WindowId,
    is_idle: bool,
    class_names: Vec<String>,
    /// The names of sites that were visited, with their numbers. Another takes the place of one.
    hosts: Vec<Option<(u32, Arc<str>)>>,
    classes: Vec<SiteClass>,
    discarding: Discarding,
    last_discard_ms: i64,
    last_tab: i64,
    last_window: i64,
    dues: BinaryHeap<Reverse<(i64, u64, Due)>>,
    due_count: u64,
    tabs_bytes: f64,
    renderers: u32,
    /// For what pages hold and how long they load.
    draw: Draw,
    /// What was told and not yet taken.
    pub(super) told: VecDeque<(i64, Body)>,
}

impl Browser {
    pub(super) fn new(
        classes: &BTreeMap<String, SiteClass>,
        discarding: &Discarding,
        draw: Draw,
    ) -> Self {
        let win = WindowId(1);
        Self {
            tabs: Vec::new(),
            windows: vec![OpenWindow {
                id: win,
                active: None,
            }],
            focused: Some(win),
            last_focused: win,
            is_idle: true,
            class_names: classes.keys().cloned().collect(),
            hosts: vec![None; HOSTS_KEPT],
            classes: classes.values().cloned().collect(),
            discarding: discarding.clone(),
            last_discard_ms: i64::MIN,
            last_tab: 0,
            last_window: 1,
            dues: BinaryHeap::new(),
            due_count: 0,
            tabs_bytes: 0.0,
            renderers: 0,
            draw,
            told: VecDeque::new(),
        }
    }

    /// Begins with tabs that were open before: the last one in front, and like the pinned ones
    /// loaded; the others wait until somebody turns to them.
    pub(super) fn begin(&mut self, t_ms: i64, tabs: &[(Site, Purpose, bool)]) {
        let win = self.last_focused;
        let mut facts = Vec::with_capacity(tabs.len());
        for (index, &(site, purpose, is_pinned)) in tabs.iter().enumerate() {
            let is_active = index + 1 == tabs.len();
            let mut tab = self.new_tab(t_ms, win, None, purpose);
            tab.site = Some(site);
            tab.is_pinned = is_pinned;
            tab.is_unseen = false;
            tab.is_discarded = !is_active && !is_pinned;
            tab.bytes = self.page_bytes(site, None);
            facts.push(Tab {
                host: Some(self.host(site)),
                active: Some(is_active),
                pinned: Some(is_pinned),
                audible: Some(false),
                discarded: Some(tab.is_discarded),
                loading: Some(false),
                unsaved: Some(false),
                last_accessed: Some(t_ms),
                ..Tab::new(tab.id, win)
            });
            self.windows[0].active = Some(tab.id);
            self.count(tab, 1.0);
            self.tabs.push(tab);
        }
        self.tell(
            t_ms,
            Body::SessionStarted(SessionStarted {
                browser: Some("synthetic".to_owned()),
                browser_version: None,
                extension_version: None,
                idle: Some(UserState::Idle),
                windows: vec![Window { win, focused: true }],
                tabs: facts,
            }),
        );
        for index in 0..self.tabs.len() {
            if !self.tabs[index].is_discarded {
                self.tell_memory(t_ms, index);
            }
        }
    }

    // ---- What there is -------------------------------------------------------------------------

    /// The index of the tab that the person looks at.
    pub(super) fn front(&self) -> usize {
        let active = self.window(self.last_focused).active;
        let index = active.and_then(|tab| self.find(tab));
        index.expect("the window with the focus has a tab in front")
    }

    pub(super) fn find(&self, tab: TabId) -> Option<usize> {
        // Ids grow, and tabs stand in the order in which they were opened.
        self.tabs.binary_search_by_key(&tab, |open| open.id).ok()
    }

    pub(super) fn class(&self, site: Site) -> &SiteClass {
        &self.classes[site.class]
    }

    pub(super) fn window_count(&self) -> usize {
        self.windows.len()
    }

    /// The windows but for the first.
    pub(super) fn other_windows(&self) -> Vec<WindowId> {
        self.windows[1..].iter().map(|window| window.id).collect()
    }

    pub(super) fn first_window(&self) -> WindowId {
        self.windows[0].id
    }

    pub(super) fn tabs_in(&self, win: WindowId) -> usize {
        self.tabs.iter().filter(|tab| tab.win == win).count()
    }

    /// What the machine carries of it.
    pub(super) fn load(&self, is_used: bool) -> BrowserLoad {
        BrowserLoad {
            tabs_bytes: whole(self.tabs_bytes),
            renderers: self.renderers,
            is_used,
        }
    }

    fn window(&self, win: WindowId) -> &OpenWindow {
        let found = self.windows.iter().find(|window| window.id == win);
        found.expect("a window that is named is open")
    }

    fn is_active(&self, tab: &OpenTab) -> bool {
        self.window(tab.win).active == Some(tab.id)
    }

    // ---- What the person does ------------------------------------------------------------------

    /// Opens a tab, not in front. One that shows something loads it.
    pub(super) fn open(&mut self, t_ms: i64, new: NewTab) -> TabId {
        let NewTab {
            win,
            site,
            opener,
            purpose,
        } = new;
        let tab = self.new_tab(t_ms, win, opener, purpose);
        let id = tab.id;
        let host = site.map(|site| self.host(site));
        self.tell(
            t_ms,
            Body::TabOpened(Tab {
                host,
                scheme: site.is_none().then(|| "chrome".to_owned()),
                active: Some(false),
                pinned: Some(false),
                audible: Some(false),
                discarded: Some(false),
                loading: Some(site.is_some()),
                opener,
                ..Tab::new(id, win)
            }),
        );
        self.tabs.push(tab);
        if let Some(site) = site {
            let index = self.tabs.len() - 1;
            let bytes = self.page_bytes(site, None);
            self.load_page(t_ms, index, site, bytes);
        }
        id
    }

    /// Opens a window, for a tab that comes at once.
    pub(super) fn open_window(&mut self, t_ms: i64) -> WindowId {
        self.last_window += 1;
        let win = WindowId(self.last_window);
        self.windows.push(OpenWindow {
            id: win,
            active: None,
        });
        self.tell(t_ms, Body::WindowOpened(WindowOpened { win }));
        win
    }

    /// Brings a tab to the front, and its window too.
    pub(super) fn activate(&mut self, t_ms: i64, tab: TabId) {
        let Some(index) = self.find(tab) else { return };
        let front = self.window(self.last_focused).active;
        if let Some(left) = front.and_then(|front| self.find(front)) {
            self.tabs[left].seen_ms = t_ms;
        }
        let win = self.tabs[index].win;
        self.focus(t_ms, Some(win));
        self.bring_up(t_ms, index);
    }

    /// Gives the focus to a window, or to another program.
    pub(super) fn focus(&mut self, t_ms: i64, win: Option<WindowId>) {
        if self.focused == win {
            return;
        }
        self.focused = win;
        self.last_focused = win.unwrap_or(self.last_focused);
        self.tell(t_ms, Body::WindowFocused(WindowFocused { win }));
    }

    /// The person is there, and turns to the browser.
    pub(super) fn attend(&mut self, t_ms: i64) {
        if std::mem::take(&mut self.is_idle) {
            let state = UserState::Active;
            self.tell(t_ms, Body::UserIdle(UserIdle { state }));
        }
        self.focus(t_ms, Some(self.last_focused));
    }

    /// Shows a page in a tab.
    pub(super) fn navigate(&mut self, t_ms: i64, index: usize, site: Site) {
        self.turn(t_ms, index, Feature::Audible, false);
        self.turn(t_ms, index, Feature::Capturing, false);
        let open = &mut self.tabs[index];
        // What was in its forms is sent, or gone with the page.
        open.is_unsaved = false;
        let stays = open.site == Some(site) && !open.is_discarded;
        let (tab, before) = (open.id, open.bytes);
        let bytes = self.page_bytes(site, stays.then_some(before));
        let host = Some(self.host(site));
        self.tell(
            t_ms,
            Body::TabNavigated(TabNavigated {
                tab,
                host,
                scheme: None,
                protected: None,
            }),
        );
        self.load_page(t_ms, index, site, bytes);
    }

    /// Closes a tab, and its window with the last one. In front, another one comes up: the one it
    /// was opened from, or the one that was in front before. The last tab of all stays.
    pub(super) fn close(&mut self, t_ms: i64, tab: TabId) {
        let Some(index) = self.find(tab) else { return };
        if self.tabs.len() == 1 {
            return;
        }
        let closed = self.tabs.remove(index);
        self.count(closed, -1.0);
        self.tell(t_ms, Body::TabClosed(TabClosed { tab }));
        self.leave_window(t_ms, &closed);
    }

    /// Moves a tab to another window, in front there.
    pub(super) fn move_to(&mut self, t_ms: i64, tab: TabId, win: WindowId) {
        let Some(index) = self.find(tab) else { return };
        let left = self.tabs[index];
        self.tabs[index].win = win;
        self.tell(t_ms, Body::TabMoved(TabMoved { tab, win }));
        self.focus(t_ms, Some(win));
        self.bring_up(t_ms, index);
        self.leave_window(t_ms, &left);
    }

    /// Lets something begin or end to hold of a tab.
    pub(super) fn turn(&mut self, t_ms: i64, index: usize, feature: Feature, is_on: bool) {
        let open = &mut self.tabs[index];
        let tab = open.id;
        if std::mem::replace(open.feature(feature), is_on) == is_on {
            return;
        }
        let mut change = TabChanged::new(tab);
        *match feature {
            Feature::Audible => &mut change.audible,
            Feature::Unsaved => &mut change.unsaved,
            Feature::Capturing => &mut change.capturing,
            Feature::Pinned => &mut change.pinned,
        } = Some(is_on);
        self.tell(t_ms, Body::TabChanged(change));
    }

    /// What was in a tab that is left: its window goes with the last one, or shows another.
    fn leave_window(&mut self, t_ms: i64, left: &OpenTab) {
        let win = left.win;
        if self.tabs_in(win) == 0 {
            self.windows.retain(|window| window.id != win);
            let is_focused = self.focused == Some(win);
            if self.last_focused == win {
                let next = self.tabs.iter().max_by_key(|tab| (tab.seen_ms, tab.id));
                self.last_focused = next.map_or(self.windows[0].id, |tab| tab.win);
            }
            if is_focused {
                self.focused = None;
            }
            self.tell(t_ms, Body::WindowClosed(WindowClosed { win }));
            if is_focused {
                self.focus(t_ms, Some(self.last_focused));
            }
            return;
        }
        if self.window(win).active != Some(left.id) {
            return;
        }
        let opener = left.opener.and_then(|opener| self.find(opener));
        let opener = opener.filter(|&index| self.tabs[index].win == win);
        let before = || {
            let others = self
                .tabs
                .iter()
                .enumerate()
                .filter(|(_, tab)| tab.win == win);
            others
                .max_by_key(|(_, tab)| (tab.seen_ms, tab.id))
                .map(|(index, _)| index)
        };
        if let Some(index) = opener.or_else(before) {
            self.bring_up(t_ms, index);
        }
    }

    /// Brings a tab to the front of its window. One that was discarded is loaded again.
    fn bring_up(&mut self, t_ms: i64, index: usize) {
        let (tab, win) = (self.tabs[index].id, self.tabs[index].win);
        let window = self.windows.iter_mut().find(|window| window.id == win);
        let window = window.expect("a tab's window is open");
        let was_active = window.active.replace(tab) == Some(tab);
        let open = &mut self.tabs[index];
        open.is_unseen = false;
        open.seen_ms = t_ms;
        if !was_active {
            self.told
                .push_back((t_ms, Body::TabActivated(TabActivated { tab, win })));
        }
        if !self.tabs[index].is_discarded {
            return;
        }
        let site = self.tabs[index].site;
        let bytes = self.tabs[index].bytes;
        self.tell(t_ms, Body::TabRestored(TabRestored { tab }));
        if let Some(site) = site {
            self.load_page(t_ms, index, site, bytes);
        }
    }

    // ---- What happens by itself ----------------------------------------------------------------

    /// Plans something. In a page that is left by then it does not happen.
    pub(super) fn plan(&mut self, t_ms: i64, due: Due) {
        self.due_count += 1;
        self.dues.push(Reverse((t_ms, self.due_count, due)));
    }

    /// Which load of a page a tab shows: what is planned for it is for no other.
    pub(super) fn load_of(&self, index: usize) -> u32 {
        self.tabs[index].load
    }

    /// Takes what is next due before a moment.
    pub(super) fn next_due(&mut self, until_ms: i64) -> Option<(i64, Due)> {
        let Reverse((t_ms, ..)) = self.dues.peek()?;
        if *t_ms >= until_ms {
            return None;
        }
        self.dues.pop().map(|Reverse((t_ms, _, due))| (t_ms, due))
    }

    /// Lets happen what was planned, but for what the person does.
    pub(super) fn happen(&mut self, t_ms: i64, due: Due) {
        match due {
            Due::Loaded { tab, load, ms } => {
                if let Some(index) = self.shown(tab, load) {
                    self.tabs[index].is_loading = false;
                    let ms = Some(ms);
                    self.tell(t_ms, Body::TabLoaded(TabLoaded { tab, ms }));
                    self.tell_memory(t_ms, index);
                }
            }
            Due::Turns {
                tab,
                load,
                feature,
                is_on,
            } => {
                if let Some(index) = self.shown(tab, load) {
                    self.turn(t_ms, index, feature, is_on);
                }
            }
            Due::Leaves => self.focus(t_ms, None),
            Due::Idle => {
                if !std::mem::replace(&mut self.is_idle, true) {
                    let state = UserState::Idle;
                    self.tell(t_ms, Body::UserIdle(UserIdle { state }));
                }
            }
            // The person does that.
            Due::OpensLink { .. } => {}
        }
    }

    /// The tab that still shows this load of a page.
    fn shown(&self, tab: TabId, load: u32) -> Option<usize> {
        let index = self.find(tab)?;
        let open = &self.tabs[index];
        (open.load == load && !open.is_discarded).then_some(index)
    }

    /// Looks at a sample of the machine, and discards a tab where memory is short: the one that
    /// was in front the longest ago, of those that a browser may discard.
    pub(super) fn relieve(&mut self, t_ms: i64, metrics: &Metrics) {
        let rules = &self.discarding;
        let (Some(available), Some(total)) = (metrics.ram_available, metrics.ram_total) else {
            return;
        };
        let is_short = (available as f64) < rules.below * total as f64
            || metrics
                .psi_some_avg10
                .is_some_and(|stall| stall >= rules.stall);
        let since_ms = t_ms.saturating_sub(self.last_discard_ms);
        if !is_short || (since_ms as f64) < rules.every_s * 1_000.0 {
            return;
        }
        let idle_ms = whole_ms(rules.idle_minutes * MINUTE_MS);
        let is_free = |tab: &&OpenTab| {
            tab.site.is_some()
                && t_ms - tab.seen_ms >= idle_ms
                && !(tab.is_discarded
                    || tab.is_pinned
                    || tab.is_audible
                    || tab.is_unsaved
                    || tab.is_capturing
                    || tab.is_loading
                    || self.is_active(tab))
        };
        let free = self.tabs.iter().filter(is_free);
        let Some(tab) = free
            .min_by_key(|tab| (tab.seen_ms, tab.id))
            .map(|tab| tab.id)
        else {
            return;
        };
        let Some(index) = self.find(tab) else { return };
        self.last_discard_ms = t_ms;
        let held = self.tabs[index].bytes;
        self.count(self.tabs[index], -1.0);
        self.tabs[index].is_discarded = true;
        let by = DiscardedBy::Other;
        self.tell(t_ms, Body::TabDiscarded(TabDiscarded { tab, by }));
        let freed = held * self.discarding.reclaimed;
        self.tell(
            t_ms,
            Body::TabMemory(TabMemory {
                tab,
                bytes: whole(freed),
                how: MemorySource::Reclaimed,
            }),
        );
    }

    fn load_page(&mut self, t_ms: i64, index: usize, site: Site, bytes: f64) {
        let median_ms = self.classes[site.class].load_ms;
        let load_ms = self
            .draw
            .lognormal(median_ms, LOAD_SIGMA)
            .clamp(1.0, LONGEST_LOAD_MS);
        self.count(self.tabs[index], -1.0);
        let tab = &mut self.tabs[index];
        tab.site = Some(site);
        tab.bytes = bytes;
        tab.is_discarded = false;
        tab.is_loading = true;
        tab.load = tab.load.wrapping_add(1);
        let (id, load) = (tab.id, tab.load);
        let shown = *tab;
        self.count(shown, 1.0);
        let due = Due::Loaded {
            tab: id,
            load,
            ms: whole(load_ms),
        };
        self.plan(t_ms + whole_ms(load_ms), due);
    }

    /// Adds what a tab weighs to the whole, or takes it off.
    fn count(&mut self, tab: OpenTab, sign: f64) {
        if tab.is_discarded || tab.site.is_none() {
            return;
        }
        self.tabs_bytes = (self.tabs_bytes + sign * tab.bytes).max(0.0);
        if sign > 0.0 {
            self.renderers += 1;
        } else {
            self.renderers -= 1;
        }
    }

    fn new_tab(
        &mut self,
        t_ms: i64,
        win: WindowId,
        opener: Option<TabId>,
        purpose: Purpose,
    ) -> OpenTab {
        self.last_tab += 1;
        OpenTab {
            id: TabId(self.last_tab),
            win,
            site: None,
            purpose,
            is_pinned: false,
            is_audible: false,
            is_unseen: true,
            seen_ms: t_ms,
            opener,
            is_unsaved: false,
            is_capturing: false,
            is_discarded: false,
            is_loading: false,
            load: 0,
            bytes: 0.0,
        }
    }

    /// Draws what a page of a site holds; `before` is what one of the same site held in its tab.
    fn page_bytes(&mut self, site: Site, before: Option<f64>) -> f64 {
        let class = &self.classes[site.class];
        let (median, sigma) = (MIB * class.mib, class.mib_sigma);
        match before {
            Some(before) => self.draw.lognormal(
                before * libm::pow(median / before, 1.0 - NEXT_PAGE),
                sigma * (1.0 - NEXT_PAGE * NEXT_PAGE).sqrt(),
            ),
            None => self.draw.lognormal(median, sigma),
        }
    }

    fn host(&mut self, site: Site) -> Arc<str> {
        let kept = &mut self.hosts[site.number as usize % HOSTS_KEPT];
        match kept {
            Some((number, host)) if *number == site.number => host.clone(),
            _ => {
                let class = &self.class_names[site.class];
                let mut digits = itoa::Buffer::new();
                let name = [class, "-", digits.format(site.number), ".example"].concat();
                let (_, host) = kept.insert((site.number, name.into()));
                host.clone()
            }
        }
    }

    fn tell_memory(&mut self, t_ms: i64, index: usize) {
        let tab = &self.tabs[index];
        let body = Body::TabMemory(TabMemory {
            tab: tab.id,
            bytes: whole(tab.bytes),
            how: MemorySource::Measured,
        });
        self.tell(t_ms, body);
    }

    fn tell(&mut self, t_ms: i64, body: Body) {
        self.told.push_back((t_ms, body));
    }
}

#[cfg(test)]
mod tests {
    use super::super::profile::Profile;
    use super::*;

    #[test]
    fn pages_of_a_site_hold_what_its_class_does_however_many_they_are() {
        let profile = Profile::named("researcher").unwrap();
        let mut browser = Browser::new(&profile.sites, &profile.discarding, Draw::new(1, 0));
        let site = Site {
            class: 0,
            number: 1,
            is_passing: false,
        };
        let (median, sigma) = {
            let class = browser.class(site);
            (MIB * class.mib, class.mib_sigma)
        };
        let mut bytes = browser.page_bytes(site, None);
        let mut deviations = Vec::new();
        for _ in 0..200_000 {
            let next = browser.page_bytes(site, Some(bytes));
            assert!((0.5..2.0).contains(&(next / bytes)), "{bytes} -> {next}");
            bytes = next;
            deviations.push(libm::log(bytes / median) / sigma);
        }
        let count = deviations.len() as f64;
        let mean = deviations.iter().sum::<f64>() / count;
        let variance = deviations.iter().map(|d| d * d).sum::<f64>() / count;
        assert!(mean.abs() < 0.15, "{mean}");
        assert!((0.8..1.2).contains(&variance), "{variance}");
    }
}
