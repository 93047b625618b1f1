//! A person that never was, at a machine that never was: what they do, line by line.
//!
//! A session is a walk. The person looks at a page for a while, then goes on within the site (in
//! the same tab, or in another), or leaves: for a site of late, one that they know or one never
//! seen, for a tab opened in the background meanwhile, or for another window. Tabs are closed when
//! they are done with, and some are kept. Between sessions nobody is there, and the machine sleeps.
//!
//! Each purpose has a stream of random numbers of its own, so that another draw in one place moves
//! none elsewhere. Memory is bounded by what is open and by the sites that the person knows.

use engine::{TabId, WindowId};
use recorder::{Body, Metrics};

use super::browser::{Browser, Due, Feature, NewTab, OpenTab, Purpose};
use super::draw::Draw;
use super::machine::{BrowserLoad, Machine};
use super::places::{Choice, Places, Site};
use super::profile::{AT_START_MAX, Attention, Profile, Tabs, Windows};
use super::rhythm::Sessions;
use super::rounding::whole_ms;

/// Nothing touched for so long is idle: what the extension asks of the browser.
const IDLE_AFTER_MS: i64 = 60_000;

const HOUR_MS: f64 = 3_600_000.0;

/// How long an address takes to type: the median, in milliseconds, and the deviation of its
/// logarithm.
const TYPING_MS: (f64, f64) = (2_500.0, 0.4);

/// From one tab that is closed to the next when tabs are put in order, in milliseconds.
const TIDYING_MS: (f64, f64) = (250.0, 1_500.0);

/// How far the time until another tab is turned to differs: the deviation of its logarithm.
const TURN_SIGMA: f64 = 0.8;

/// The streams that a person has. Their order is part of what a seed means.
#[derive(Clone, Copy)]
enum Stream {
    Traits,
    Rhythm,
    Places,
    Attention,
    Acts,
    Content,
    Pages,
    Machine,
}

/// How many streams are set apart for each person.
const STREAMS: u64 = 16;

/// Gives what happens to a person, with its time in Unix milliseconds, until the time is up.
pub struct Person {
    attention: Attention,
    habits: Tabs,
    window_habits: Windows,
    /// How readily this person opens tabs and keeps them, and how long they look, as factors.
    opens: f64,
    keeps: f64,
    dwell: f64,
    sessions: Sessions,
    places: Places,
    browser: Browser,
    machine: Machine,
    attending: Draw,
    acting: Draw,
    content: Draw,
    now_ms: i64,
    until_ms: i64,
    /// When the session ends; `None` where nobody is there.
    session_ends_ms: Option<i64>,
    /// The site in front, and since when.
    place: Option<(Site, i64)>,
    is_over: bool,
}

impl Person {
    /// Draws the person of this number, from 0, under a seed. Other people's numbers have no part
    /// in it.
    pub fn new(profile: &Profile, seed: u64, number: u64, from_ms: i64, until_ms: i64) -> Self {
        let stream = |stream: Stream| {
            let first = number.wrapping_add(1).wrapping_mul(STREAMS);
            Draw::new(seed, first.wrapping_add(stream as u64))
        };
        let mut traits = stream(Stream::Traits);
        let spread = &profile.spread;
        let mut factor = |sigma: f64| traits.lognormal(1.0, sigma);
        let (sessions, dwell) = (factor(spread.sessions), factor(spread.dwell));
        let (opens, keeps) = (factor(spread.opens), factor(spread.keeps));
        let mut person = Self {
            attention: profile.attention.clone(),
            habits: profile.tabs.clone(),
            window_habits: profile.windows.clone(),
            opens,
            keeps,
            dwell,
            sessions: Sessions::new(&profile.rhythm, sessions, stream(Stream::Rhythm)),
            places: Places::new(&profile.habits, &profile.sites, stream(Stream::Places)),
            browser: Browser::new(&profile.sites, &profile.discarding, stream(Stream::Pages)),
            machine: Machine::new(&profile.machine, stream(Stream::Machine), from_ms),
            attending: stream(Stream::Attention),
            acting: stream(Stream::Acts),
            content: stream(Stream::Content),
            now_ms: from_ms,
            until_ms,
            session_ends_ms: None,
            place: None,
            is_over: false,
        };
        person.begin(&mut traits);
        person
    }

    /// Begins with the tabs that were open before.
    fn begin(&mut self, traits: &mut Draw) {
        let median = (self.habits.at_start * self.keeps).max(1.0);
        let tabs = traits
            .lognormal(median, self.habits.at_start_sigma)
            .min(AT_START_MAX);
        let pinned = self.habits.pinned;
        let mut open = Vec::new();
        while (open.len() as f64) < libm::round(tabs).max(1.0) {
            let is_pinned = (open.len() as f64) < pinned;
            let site = if is_pinned || traits.happens(0.5) {
                self.places.known()
            } else {
                self.places.unseen()
            };
            open.push((site, self.keep(), is_pinned));
        }
        self.browser.begin(self.now_ms, &open);
    }

    // ---- Time ----------------------------------------------------------------------------------

    /// Lets the next thing happen.
    fn step(&mut self) {
        match self.session_ends_ms {
            None => self.begin_session(),
            Some(ends_ms) => {
                self.look();
                if self.now_ms >= ends_ms {
                    self.end_session();
                } else {
                    self.act();
                }
            }
        }
    }

    /// Lets time pass up to a moment, and what was planned happen.
    fn wait(&mut self, until_ms: i64) {
        while let Some((t_ms, due)) = self.browser.next_due(until_ms) {
            self.run_machine(t_ms);
            self.now_ms = self.now_ms.max(t_ms);
            match due {
                Due::OpensLink { tab, load } => self.open_link(tab, load),
                due => self.browser.happen(self.now_ms, due),
            }
        }
        self.run_machine(until_ms);
        self.now_ms = self.now_ms.max(until_ms);
    }

    /// Takes the machine's samples up to a moment; the browser looks at each.
    fn run_machine(&mut self, until_ms: i64) {
        let is_used = self.session_ends_ms.is_some();
        while self.machine.next_sample_ms() < until_ms {
            let sample_ms = self.machine.next_sample_ms();
            let load = self.browser.load(is_used);
            if let Some(metrics) = self.sample(sample_ms, load) {
                self.browser.relieve(sample_ms, &metrics);
            }
        }
    }

    fn sample(&mut self, t_ms: i64, load: BrowserLoad) -> Option<Metrics> {
        let told = &mut self.browser.told;
        let mut sampled = None;
        self.machine.pass(t_ms + 1, load, &mut |t_ms, body| {
            if let Body::Metrics(metrics) = &body {
                sampled = Some(*metrics);
            }
            told.push_back((t_ms, body));
        });
        sampled
    }

    // ---- Sessions ------------------------------------------------------------------------------

    fn begin_session(&mut self) {
        let start_ms = self.sessions.next_start(self.now_ms, self.until_ms);
        let t_ms = start_ms.unwrap_or(self.until_ms);
        // What is under way ends before the machine may sleep.
        while let Some((due_ms, due)) = self.browser.next_due(t_ms) {
            self.run_machine(due_ms);
            self.browser.happen(due_ms, due);
        }
        let load = self.browser.load(false);
        let told = &mut self.browser.told;
        self.machine
            .rest(t_ms, load, &mut |t_ms, body| told.push_back((t_ms, body)));
        self.now_ms = t_ms;
        if start_ms.is_none() {
            self.is_over = true;
            return;
        }
        self.session_ends_ms = Some(t_ms + self.sessions.length_ms());
        self.browser.attend(t_ms);
        self.weed();
        self.place = None;
        let from = self.front().site;
        let choice = self.places.first(from, t_ms);
        let target = self.target(choice);
        self.aim(target);
    }

    fn end_session(&mut self) {
        self.note_place();
        for index in 0..self.browser.tabs.len() {
            self.browser
                .turn(self.now_ms, index, Feature::Audible, false);
        }
        for win in self.browser.other_windows() {
            if self.acting.happens(self.window_habits.close) {
                self.put_away(|tab| tab.win == win);
            }
        }
        if self.acting.happens(self.habits.tidy) {
            self.put_away(|tab| !matches!(tab.purpose, Purpose::Keep { .. }));
        }
        if let Some((site, since_ms)) = self.place.take() {
            self.places.leave(site, self.now_ms, self.now_ms - since_ms);
        }
        self.session_ends_ms = None;
        let leaves_ms = self.now_ms + 1_000;
        self.browser.plan(leaves_ms, Due::Leaves);
        self.browser.plan(leaves_ms + IDLE_AFTER_MS, Due::Idle);
    }

    /// Closes tabs one after another, but for pinned ones and the one in front.
    fn put_away(&mut self, which: impl Fn(&OpenTab) -> bool) {
        let front = self.front().id;
        let tabs = self.browser.tabs.iter();
        let tabs = tabs.filter(|tab| which(tab) && !tab.is_pinned && tab.id != front);
        for tab in tabs.map(|tab| tab.id).collect::<Vec<_>>() {
            self.pause(TIDYING_MS);
            self.browser.close(self.now_ms, tab);
        }
    }

    fn pause(&mut self, (from_ms, to_ms): (f64, f64)) {
        let ms = self.acting.between(from_ms, to_ms);
        self.wait(self.now_ms + whole_ms(ms));
    }

    // ---- Looking -------------------------------------------------------------------------------

    fn front(&self) -> OpenTab {
        self.browser.tabs[self.browser.front()]
    }

    /// Notes where the person is now, and what they left for it.
    fn note_place(&mut self) {
        let site = self.front().site;
        if self.place.map(|(site, _)| site) == site {
            return;
        }
        if let Some((left, since_ms)) = self.place {
            self.places.leave(left, self.now_ms, self.now_ms - since_ms);
        }
        self.place = site.map(|site| (site, self.now_ms));
    }

    /// Looks at the page in front until it is done with.
    fn look(&mut self) {
        self.note_place();
        let index = self.browser.front();
        let tab = self.browser.tabs[index].id;
        let load = self.browser.load_of(index);
        let Some(site) = self.browser.tabs[index].site else {
            return;
        };
        let class = self.browser.class(site).clone();
        let attention = &self.attention;
        let scale_s = attention.dwell_scale_s * class.dwell * self.dwell;
        let looks_s = attention.least_s + self.attending.weibull(attention.dwell_k, scale_s);
        // A page that nobody would look at for longer.
        let looks_ms = whole_ms(looks_s * 1_000.0).min(4 * 3_600_000);
        let (now_ms, leaves_ms) = (self.now_ms, self.now_ms + looks_ms);
        let within = |share: f64| now_ms + whole_ms(share * looks_ms as f64);
        let content = &mut self.content;
        let browser = &mut self.browser;
        let mut plan = |t_ms: i64, feature: Feature, is_on: bool| {
            let due = Due::Turns {
                tab,
                load,
                feature,
                is_on,
            };
            browser.plan(t_ms, due);
        };
        let is_heard = content.happens(class.sound);
        if is_heard {
            plan(within(content.between(0.02, 0.3)), Feature::Audible, true);
            if !content.happens(class.plays_on) {
                plan(leaves_ms - 1, Feature::Audible, false);
            }
        }
        if content.happens(class.form) {
            plan(within(content.between(0.1, 0.9)), Feature::Unsaved, true);
        }
        let captures = content.happens(class.capture);
        if captures {
            plan(within(content.between(0.02, 0.2)), Feature::Capturing, true);
        }
        if self.acting.happens(self.habits.background * self.opens) {
            let links = 1.0 + self.acting.exponential(self.habits.background_links - 1.0);
            let first = self.acting.between(0.1, 0.8);
            for link in 0..whole_ms(links) {
                let after_ms = 1_500 * link;
                let opens_ms = (within(first) + after_ms).min(leaves_ms - 1);
                self.browser.plan(opens_ms, Due::OpensLink { tab, load });
            }
        }
        if looks_s > attention.away_after_s {
            if self.attending.happens(attention.away) {
                self.browser
                    .plan(within(self.attending.between(0.1, 0.4)), Due::Leaves);
            } else if looks_ms > 2 * IDLE_AFTER_MS
                && !(is_heard || captures)
                && self.attending.happens(attention.idle)
            {
                let idle = self
                    .attending
                    .between(IDLE_AFTER_MS as f64, 0.9 * looks_ms as f64);
                self.browser.plan(now_ms + whole_ms(idle), Due::Idle);
            }
        }
        self.wait(leaves_ms);
        self.browser.attend(self.now_ms);
    }

    // ---- Acting --------------------------------------------------------------------------------

    /// The page is done with: what next?
    fn act(&mut self) {
        let index = self.browser.front();
        let Some(site) = self.browser.tabs[index].site else {
            let choice = self.places.next(None, self.now_ms);
            let target = self.target(choice);
            return self.aim(target);
        };
        let goes_on = 1.0 - 1.0 / self.browser.class(site).pages;
        let goes_on = match self.browser.tabs[index].purpose {
            Purpose::Glance => goes_on * self.habits.glance_goes_on,
            _ => goes_on,
        };
        if !self.acting.happens(goes_on) {
            self.leave(site);
        } else if self.acting.happens(self.habits.open_within * self.opens) {
            self.open_in_front(Some(site), true);
        } else {
            self.browser.navigate(self.now_ms, index, site);
        }
    }

    /// Leaves a site for something else, and closes its tab where that is done with.
    fn leave(&mut self, site: Site) {
        self.weed();
        let target = match self.opened_meanwhile() {
            Some(tab) => Target::Tab(tab),
            None => {
                let choice = self.places.next(Some(site), self.now_ms);
                self.target(choice)
            }
        };
        let left = self.front();
        let is_done = match left.purpose {
            Purpose::Glance => true,
            Purpose::Task => self.acting.happens(self.habits.close_task),
            Purpose::Keep { until_ms } => until_ms <= self.now_ms,
        };
        if is_done && !left.is_pinned && self.browser.tabs.len() > 1 {
            self.browser.close(self.now_ms, left.id);
            // What comes up may do.
            if !self.acting.happens(self.habits.turn_after_close) {
                return;
            }
            self.note_place();
            let turns_s = self.acting.lognormal(self.habits.turn_s, TURN_SIGMA);
            self.wait(self.now_ms + whole_ms(turns_s * 1_000.0));
        } else if self.acting.happens(self.window_habits.move_tab) {
            self.move_tab(left);
        }
        self.aim(target);
    }

    /// A tab that was opened in the background and waits.
    fn opened_meanwhile(&mut self) -> Option<TabId> {
        let waits = self.browser.tabs.iter().find(|tab| tab.is_unseen)?.id;
        self.acting
            .happens(self.habits.turn_to_opened)
            .then_some(waits)
    }

    fn target(&mut self, choice: Choice) -> Target {
        match choice {
            Choice::Site(site) => Target::Site(site),
            Choice::OpenTab => match self.some_tab() {
                Some(tab) => Target::Tab(tab),
                None => Target::Site(self.places.known()),
            },
        }
    }

    /// Some tab that is not in front, the sooner the shorter ago it was.
    fn some_tab(&mut self) -> Option<TabId> {
        let front = self.front().id;
        let others: Vec<&OpenTab> = self
            .browser
            .tabs
            .iter()
            .filter(|tab| tab.id != front)
            .collect();
        if others.is_empty() {
            return None;
        }
        // Two at random: the one that was in front the later.
        let mut some = || others[self.acting.index(others.len())];
        let (one, other) = (some(), some());
        let later = if one.seen_ms >= other.seen_ms {
            one
        } else {
            other
        };
        Some(later.id)
    }

    fn aim(&mut self, target: Target) {
        let site = match target {
            Target::Tab(tab) if self.browser.find(tab).is_some() => {
                return self.browser.activate(self.now_ms, tab);
            }
            // It is gone by now: nothing else is on the mind.
            Target::Tab(_) => self.places.known(),
            Target::Site(site) => site,
        };
        let front = self.front();
        let shows = |tab: &&OpenTab| tab.site == Some(site);
        let open = self
            .browser
            .tabs
            .iter()
            .filter(shows)
            .max_by_key(|tab| (tab.seen_ms, tab.id));
        let open = open.map(|tab| tab.id);
        if front.site == Some(site) {
            return self
                .browser
                .navigate(self.now_ms, self.browser.front(), site);
        }
        if let Some(tab) = open
            && self.acting.happens(self.habits.reuse)
        {
            return self.browser.activate(self.now_ms, tab);
        }
        let is_kept = matches!(front.purpose, Purpose::Keep { .. });
        let is_taken = front.is_pinned || (is_kept && self.acting.happens(self.habits.spare));
        if (is_taken && self.browser.tabs.len() > 1)
            || self.acting.happens(self.habits.open_for_site * self.opens)
        {
            let is_typed = self.acting.happens(self.habits.blank);
            self.open_in_front((!is_typed).then_some(site), !is_typed);
            if is_typed {
                let typing_ms = self.acting.lognormal(TYPING_MS.0, TYPING_MS.1);
                self.wait(self.now_ms + whole_ms(typing_ms));
                let index = self.browser.front();
                self.browser.navigate(self.now_ms, index, site);
            }
        } else {
            self.browser
                .navigate(self.now_ms, self.browser.front(), site);
        }
    }

    // ---- Tabs and windows ----------------------------------------------------------------------

    /// Opens a tab, or a window with one, and turns to it.
    fn open_in_front(&mut self, site: Option<Site>, is_link: bool) {
        let front = self.front();
        let has_room = (self.browser.window_count() as f64) < self.window_habits.most;
        let win = if has_room && self.acting.happens(self.window_habits.open) {
            self.browser.open_window(self.now_ms)
        } else {
            front.win
        };
        let tab = self.open_tab(win, site, is_link.then_some(front.id));
        self.browser.activate(self.now_ms, tab);
    }

    /// Opens a link of the page in the background.
    fn open_link(&mut self, tab: TabId, load: u32) {
        let index = self.browser.front();
        let front = self.browser.tabs[index];
        if front.id != tab || self.browser.load_of(index) != load {
            return;
        }
        let site = match front.site {
            Some(site) if self.acting.happens(0.5) => site,
            _ => self.places.unseen(),
        };
        self.open_tab(front.win, Some(site), Some(tab));
    }

    fn open_tab(&mut self, win: WindowId, site: Option<Site>, opener: Option<TabId>) -> TabId {
        let purpose = self.purpose();
        let new = NewTab {
            win,
            site,
            opener,
            purpose,
        };
        let tab = self.browser.open(self.now_ms, new);
        if matches!(purpose, Purpose::Keep { .. })
            && self.acting.happens(self.habits.pin)
            && let Some(index) = self.browser.find(tab)
        {
            self.browser.turn(self.now_ms, index, Feature::Pinned, true);
        }
        tab
    }

    fn purpose(&mut self) -> Purpose {
        let drawn = self.acting.share();
        let keep = self.habits.keep * self.keeps;
        if drawn < keep {
            self.keep()
        } else if drawn < keep + self.habits.glance {
            Purpose::Glance
        } else {
            Purpose::Task
        }
    }

    fn keep(&mut self) -> Purpose {
        let hours = self
            .acting
            .lognormal(self.habits.keep_hours, self.habits.keep_sigma);
        Purpose::Keep {
            until_ms: self.now_ms + whole_ms((hours * HOUR_MS).min(1e12)),
        }
    }

    /// Closes a kept tab that is done with, if there is one in the background.
    fn weed(&mut self) {
        let front = self.front().id;
        let is_done = |tab: &&OpenTab| {
            tab.id != front
                && matches!(tab.purpose, Purpose::Keep { until_ms } if until_ms <= self.now_ms)
        };
        let Some(tab) = self.browser.tabs.iter().find(is_done).map(|tab| tab.id) else {
            return;
        };
        if let Some(index) = self.browser.find(tab) {
            self.browser
                .turn(self.now_ms, index, Feature::Pinned, false);
        }
        self.browser.close(self.now_ms, tab);
    }

    /// Moves a tab to a window of its own, or into the first.
    fn move_tab(&mut self, tab: OpenTab) {
        let first = self.browser.first_window();
        let has_room = (self.browser.window_count() as f64) < self.window_habits.most;
        if tab.win != first {
            self.browser.move_to(self.now_ms, tab.id, first);
        } else if has_room && self.browser.tabs_in(first) > 1 {
            let win = self.browser.open_window(self.now_ms);
            self.browser.move_to(self.now_ms, tab.id, win);
        }
    }
}

/// What the person turns to.
#[derive(Clone, Copy, Debug)]
enum Target {
    Tab(TabId),
    Site(Site),
}

impl Iterator for Person {
    type Item = (i64, Body);

    fn next(&mut self) -> Option<Self::Item> {
        while self.browser.told.is_empty() && !self.is_over {
            self.step();
        }
        let (t_ms, _) = self.browser.told.front()?;
        if *t_ms >= self.until_ms {
            self.is_over = true;
            self.browser.told.clear();
        }
        self.browser.told.pop_front()
    }
}
