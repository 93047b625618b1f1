//! One person, followed line by line.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Change, Event, Facts, Input, MemorySource, Mode, TabId};
use recorder::{Body, Line, Origin};

use super::course::Course;
use super::measures::{Measures, Of};
use super::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, WEEK_MS};

/// A gap between views that ends a session, and what the view before it counts.
const SESSION_GAP_MS: i64 = 30 * MINUTE_MS;
const LAST_VIEW_MS: i64 = MINUTE_MS;

/// A view that another follows sooner was passed over.
const SHORTEST_VIEW_MS: i64 = SECOND_MS;

/// A site that was away for longer comes back as another thread.
const THREAD_GAP_MS: i64 = DAY_MS;

/// The published lifetimes of tabs are those below this.
const TAB_LIFE_BELOW_MS: i64 = 10 * HOUR_MS;

/// A tab that was left for the next one this shortly before it was closed was closed in front: some
/// browsers tell of the next tab first.
const CLOSE_AFTER_SWITCH_MS: i64 = 250;

/// The idle time that one published row asks of a discarded tab.
const IDLE_FLOOR_MS: i64 = 10 * MINUTE_MS;

/// How many sites are followed, and how many of them are counted as seen of late.
const SITES_FOLLOWED: usize = 65_536;
const RECENT_SITES_COUNTED: usize = 4_096;

/// What one person's traces say, taken in line by line, the earliest trace first.
#[derive(Clone, Debug)]
pub struct Calibration {
    facts: Facts,
    measures: Measures,
    course: Course,
    tabs: BTreeMap<TabId, Kept>,
    site_ids: BTreeMap<String, usize>,
    sites: Vec<Site>,
    /// Sites that were seen of late, by the time of their last view.
    recent: BTreeSet<(i64, usize)>,
    began_ms: Option<i64>,
    last_ms: i64,
    last_day: Option<i64>,
    week: Week,
    /// The tab in front, and the one before it with the time it was left.
    front: Option<TabId>,
    front_site: Option<SiteId>,
    left: Option<(TabId, i64)>,
    closed: Option<Closed>,
    /// A view that has begun and may yet turn out to be none.
    pending: Option<View>,
    last: Option<View>,
    session_began_ms: i64,
    stay: Option<Stay>,
    /// For how long so many tabs and windows were open since the last view's minute was over: time of
    /// the session if another view follows in time.
    since_view: BTreeMap<Open, i64>,
}

/// How much is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Open {
    tabs: usize,
    windows: usize,
}

/// What is kept of an open tab.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    opened_ms: Option<i64>,
    discarded_ms: Option<i64>,
    was_idle: bool,
    is_restoring: bool,
    bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct View {
    t_ms: i64,
    tab: TabId,
    site: SiteId,
}

/// A site that is followed, or one of those that came when there were too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SiteId {
    Followed(usize),
    Unfollowed,
}

#[derive(Clone, Copy, Debug)]
struct Site {
    last_view_ms: i64,
    left_ms: Option<i64>,
    stays: u64,
}

#[derive(Clone, Copy, Debug)]
struct Stay {
    site: SiteId,
    began_ms: i64,
}

/// A close of the tab in front, and the tab that came up.
#[derive(Clone, Copy, Debug)]
struct Closed {
    t_ms: i64,
    next: Option<(TabId, Option<SiteId>)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Week {
    index: i64,
    tabs: usize,
    windows: usize,
    has_views: bool,
}

/// One person, measured.
#[derive(Clone, Debug)]
pub struct Person {
    /// What was measured.
    pub measures: Measures,
    /// Tabs open over time.
    pub course: Course,
}

impl Default for Calibration {
    fn default() -> Self {
        Self::new()
    }
}

impl Calibration {
    /// Starts with nothing known of the person.
    pub fn new() -> Self {
        Self {
            facts: Facts::new(Mode::Observe),
            measures: Measures::default(),
            course: Course::default(),
            tabs: BTreeMap::new(),
            site_ids: BTreeMap::new(),
            sites: Vec::new(),
            recent: BTreeSet::new(),
            began_ms: None,
            last_ms: 0,
            last_day: None,
            week: Week::default(),
            front: None,
            front_site: None,
            left: None,
            closed: None,
            pending: None,
            last: None,
            session_began_ms: 0,
            stay: None,
            since_view: BTreeMap::new(),
        }
    }

    /// Takes the next line in. Another `log_opened` may begin the person's next trace.
    pub fn take(&mut self, line: &Line) {
        if let Body::LogOpened(header) = &line.body {
            if header.segment == 0 {
                self.begin_trace();
            }
            let is_made_up = header.origin == Origin::Imported
                && header
                    .importer
                    .as_deref()
                    .is_some_and(|importer| importer.contains("site-thread"));
            self.measures.only_threads &= is_made_up;
        }
        if let Some(event) = line.event() {
            self.step(&event);
        }
    }

    /// Ends the account: what is still open is as long as it was seen.
    pub fn finish(mut self) -> Person {
        if let Some(view) = self.pending.take() {
            self.begin_view(view);
        }
        if let Some(began_ms) = self.began_ms {
            self.measures.span_ms = self.last_ms.saturating_sub(began_ms);
        }
        let mut until_ms = self.last_ms;
        if let Some(last) = self.last {
            self.end_session(last);
            until_ms = until_ms.max(last.t_ms + LAST_VIEW_MS);
            self.spend(until_ms);
        }
        self.end_week();
        for site in std::mem::take(&mut self.sites) {
            self.end_thread(site.stays);
            if let Some(left_ms) = site.left_ms {
                self.measures.note(Of::CensoredGap, until_ms - left_ms);
            }
        }
        Person {
            measures: self.measures,
            course: self.course,
        }
    }

    /// Another browser session: other tabs, the same sites.
    fn begin_trace(&mut self) {
        self.facts = Facts::new(Mode::Observe);
        self.tabs.clear();
        self.front = None;
        self.front_site = None;
        self.left = None;
        self.closed = None;
    }

    fn step(&mut self, event: &Event) {
        // A trace that was put before its time has no time of its own.
        let t_ms = event.t_ms.max(self.last_ms);
        self.spend(t_ms);
        self.note_before(event, t_ms);
        self.facts.apply(event);
        self.note_changes(event, t_ms);
        self.note_front(event, t_ms);
        let world = self.facts.world();
        self.week.tabs = self.week.tabs.max(world.tab_count());
        self.week.windows = self.week.windows.max(world.window_count());
        self.course.note(t_ms, world.tab_count());
    }

    /// Counts the time up to an event for what was open until then.
    fn spend(&mut self, t_ms: i64) {
        let began_ms = *self.began_ms.get_or_insert(t_ms);
        if let Some(view) = self.pending.or(self.last) {
            let world = self.facts.world();
            let open = Open {
                tabs: world.tab_count(),
                windows: world.window_count(),
            };
            let counted_to = t_ms.min(view.t_ms + LAST_VIEW_MS).max(self.last_ms);
            self.note_open(open, counted_to - self.last_ms);
            if t_ms - view.t_ms <= SESSION_GAP_MS {
                *self.since_view.entry(open).or_default() += t_ms - counted_to;
            } else {
                self.since_view.clear();
            }
        }
        self.last_ms = t_ms;
        let week = (t_ms - began_ms) / WEEK_MS;
        if week != self.week.index {
            self.end_week();
            self.week = Week {
                index: week,
                ..Week::default()
            };
        }
    }

    fn note_open(&mut self, open: Open, ms: i64) {
        self.measures.note_for(Of::TabsOpen, open.tabs, ms);
        self.measures.note_for(Of::WindowsOpen, open.windows, ms);
    }

    fn end_week(&mut self) {
        if self.week.has_views {
            self.measures.note_for(Of::WeeklyTabs, self.week.tabs, 1);
            self.measures
                .note_for(Of::WeeklyWindows, self.week.windows, 1);
        }
    }

    /// Notes what must be known of tabs before the event changes them.
    fn note_before(&mut self, event: &Event, t_ms: i64) {
        let measures = &mut self.measures;
        measures.tab_events += u64::from(matches!(
            event.input,
            Input::TabOpened(_)
                | Input::TabClosed { .. }
                | Input::TabActivated { .. }
                | Input::TabNavigated { .. }
                | Input::TabMoved { .. }
                | Input::WindowOpened { .. }
                | Input::WindowClosed { .. }
                | Input::WindowFocused { .. }
        ));
        let world = self.facts.world();
        match event.input {
            Input::TabDiscarded { tab, .. } => {
                let Some(idle_ms) = world.tab(tab).map(|it| t_ms - world.last_in_front(it).now)
                else {
                    return;
                };
                let kept = self.tabs.entry(tab).or_default();
                kept.discarded_ms = Some(t_ms);
                kept.was_idle = idle_ms >= IDLE_FLOOR_MS;
            }
            Input::TabRestored { tab } => {
                let Some(kept) = self.tabs.get_mut(&tab) else {
                    return;
                };
                kept.is_restoring = true;
                if let Some(discarded_ms) = kept.discarded_ms.take() {
                    measures.note(Of::DiscardedToReloaded, t_ms - discarded_ms);
                    if kept.was_idle {
                        measures.note(Of::IdleDiscardedToReloaded, t_ms - discarded_ms);
                    }
                }
            }
            Input::TabLoaded { tab, load_ms } => {
                let Some(kept) = self.tabs.get_mut(&tab) else {
                    return;
                };
                if std::mem::take(&mut kept.is_restoring)
                    && let Some(load_ms) = load_ms
                {
                    measures.note(Of::Reload, i64::try_from(load_ms).unwrap_or(i64::MAX));
                }
            }
            Input::TabMemory { tab, bytes, how } => {
                let value = i64::try_from(bytes).unwrap_or(i64::MAX);
                let kept = self.tabs.get_mut(&tab);
                match how {
                    MemorySource::Measured => {
                        measures.note(Of::TabBytes, value);
                        if let Some(kept) = kept {
                            kept.bytes = Some(bytes);
                        }
                    }
                    MemorySource::Reclaimed => {
                        measures.note(Of::ReclaimedBytes, value);
                        let held = kept.and_then(|kept| kept.bytes).filter(|&held| held > 0);
                        if let Some(held) = held {
                            let thousandths = bytes.saturating_mul(1_000) / held;
                            let thousandths = i64::try_from(thousandths).unwrap_or(i64::MAX);
                            measures.note(Of::ReclaimedShare, thousandths);
                        }
                    }
                }
            }
            Input::Metrics(metrics) => {
                if let Some(processes) = metrics.browser_processes {
                    measures.note(Of::Processes, i64::from(processes));
                }
            }
            _ => {}
        }
    }

    /// Follows tabs that came, went and changed their ids.
    fn note_changes(&mut self, event: &Event, t_ms: i64) {
        let is_opened = matches!(event.input, Input::TabOpened(_));
        let is_closed = matches!(
            event.input,
            Input::TabClosed { .. } | Input::WindowClosed { .. }
        );
        for &change in self.facts.world().changes() {
            match change {
                Change::Tab(tab) => {
                    if self.tabs.contains_key(&tab) {
                        continue;
                    }
                    let opened_ms = is_opened.then_some(t_ms);
                    self.measures.opens += u64::from(is_opened);
                    let kept = Kept {
                        opened_ms,
                        ..Kept::default()
                    };
                    self.tabs.insert(tab, kept);
                }
                Change::Renamed { old, new } => {
                    if let Some(kept) = self.tabs.remove(&old) {
                        self.tabs.insert(new, kept);
                    }
                    for id in [self.front.as_mut(), self.left.as_mut().map(|(id, _)| id)] {
                        if let Some(id) = id.filter(|id| **id == old) {
                            *id = new;
                        }
                    }
                    if let Some(view) = self.pending.as_mut().filter(|view| view.tab == old) {
                        view.tab = new;
                    }
                    if let Some(view) = self.last.as_mut().filter(|view| view.tab == old) {
                        view.tab = new;
                    }
                }
                Change::Gone(tab) => {
                    let kept = self.tabs.remove(&tab);
                    if !is_closed {
                        continue;
                    }
                    self.measures.closes += 1;
                    let life_ms = kept
                        .and_then(|kept| kept.opened_ms)
                        .map(|opened_ms| t_ms - opened_ms);
                    if let Some(life_ms) = life_ms.filter(|&life_ms| life_ms < TAB_LIFE_BELOW_MS) {
                        self.measures.note(Of::TabLife, life_ms);
                    }
                    self.closed = match (self.front, self.left) {
                        (Some(front), _) if front == tab => Some(Closed { t_ms, next: None }),
                        (Some(front), Some((left, left_ms)))
                            if left == tab && t_ms - left_ms <= CLOSE_AFTER_SWITCH_MS =>
                        {
                            self.measures.closes_in_front += 1;
                            Some(Closed {
                                t_ms: left_ms,
                                next: Some((front, self.front_site)),
                            })
                        }
                        _ => self.closed,
                    };
                }
            }
        }
    }

    /// Begins a view where another tab is in front, or the one in front navigated.
    fn note_front(&mut self, event: &Event, t_ms: i64) {
        let world = self.facts.world();
        let Some(tab) = world.tab_in_front() else {
            return;
        };
        let id = tab.id;
        let host = world.host_of(tab).map(str::to_owned);
        let is_other = self.front != Some(id);
        let navigates = matches!(event.input, Input::TabNavigated { tab, .. } if tab == id);
        if !is_other && !navigates {
            return;
        }
        let site = host.map(|host| self.site(host));
        if is_other {
            self.note_switch(id, site, t_ms);
            self.left = self.front.replace(id).map(|left| (left, t_ms));
        }
        self.front_site = site;
        // A log of page visits has no pages without a host.
        let Some(site) = site else { return };
        for (open, ms) in std::mem::take(&mut self.since_view) {
            self.note_open(open, ms);
        }
        let view = View {
            t_ms,
            tab: id,
            site,
        };
        if let Some(before) = self.pending.replace(view)
            && t_ms - before.t_ms >= SHORTEST_VIEW_MS
        {
            self.begin_view(before);
        }
    }

    /// Notes a switch to another tab, which may follow on a close.
    fn note_switch(&mut self, tab: TabId, site: Option<SiteId>, t_ms: i64) {
        let Some(closed) = &mut self.closed else {
            return;
        };
        match closed.next {
            None => {
                closed.next = Some((tab, site));
                self.measures.closes_in_front += 1;
            }
            Some((next, next_site)) if next != tab => {
                if next_site != site {
                    let after_ms = t_ms - closed.t_ms;
                    self.measures.note(Of::SwitchAfterClose, after_ms);
                }
                self.closed = None;
            }
            Some(_) => {}
        }
    }

    fn site(&mut self, host: String) -> SiteId {
        if let Some(&index) = self.site_ids.get(&host) {
            return SiteId::Followed(index);
        }
        if self.sites.len() == SITES_FOLLOWED {
            return SiteId::Unfollowed;
        }
        let index = self.sites.len();
        self.site_ids.insert(host, index);
        self.sites.push(Site {
            last_view_ms: i64::MIN,
            left_ms: None,
            stays: 0,
        });
        SiteId::Followed(index)
    }

    /// Counts a view that was none in passing.
    fn begin_view(&mut self, view: View) {
        self.week.has_views = true;
        let day = view.t_ms.div_euclid(DAY_MS);
        if self.last_day.replace(day) != Some(day) {
            self.measures.days += 1;
        }
        match self.last.replace(view) {
            Some(last) if view.t_ms - last.t_ms <= SESSION_GAP_MS => {
                self.measures.note(Of::PageDwell, view.t_ms - last.t_ms);
                self.measures.followed += 1;
                self.measures.tab_switches += u64::from(last.tab != view.tab);
            }
            Some(last) => {
                self.end_session(last);
                self.session_began_ms = view.t_ms;
            }
            None => self.session_began_ms = view.t_ms,
        }
        if self.stay.is_none_or(|stay| stay.site != view.site) {
            self.measures.site_switches += u64::from(self.stay.is_some());
            self.end_stay(view.t_ms);
            self.begin_stay(view.site, view.t_ms);
        }
        if let SiteId::Followed(index) = view.site {
            self.note_recent(index, view.t_ms);
        }
    }

    fn end_session(&mut self, last: View) {
        let until_ms = last.t_ms + LAST_VIEW_MS;
        self.end_stay(until_ms);
        let session_ms = until_ms - self.session_began_ms;
        self.measures.note(Of::Session, session_ms);
        self.measures.active_ms = self.measures.active_ms.saturating_add(session_ms);
    }

    fn begin_stay(&mut self, site: SiteId, t_ms: i64) {
        self.stay = Some(Stay {
            site,
            began_ms: t_ms,
        });
        let SiteId::Followed(index) = site else {
            return;
        };
        if let Some(left_ms) = self.sites[index].left_ms.take() {
            self.measures.note(Of::ReturnGap, t_ms - left_ms);
            if t_ms - left_ms > THREAD_GAP_MS {
                let stays = std::mem::take(&mut self.sites[index].stays);
                self.end_thread(stays);
            }
        }
        self.sites[index].stays += 1;
    }

    fn end_stay(&mut self, t_ms: i64) {
        let Some(stay) = self.stay.take() else { return };
        self.measures.note(Of::SiteStay, t_ms - stay.began_ms);
        if let SiteId::Followed(index) = stay.site {
            self.sites[index].left_ms = Some(t_ms);
        }
    }

    fn end_thread(&mut self, stays: u64) {
        self.measures.threads += u64::from(stays > 0);
        self.measures.threads_of_one_stay += u64::from(stays == 1);
    }

    /// Counts the sites seen of late.
    fn note_recent(&mut self, index: usize, t_ms: i64) {
        let site = &mut self.sites[index];
        self.recent.remove(&(site.last_view_ms, index));
        site.last_view_ms = t_ms;
        self.recent.insert((t_ms, index));
        while self
            .recent
            .first()
            .is_some_and(|&(seen_ms, _)| t_ms - seen_ms >= 8 * HOUR_MS)
        {
            self.recent.pop_first();
        }
        let since = |ms: i64| {
            let recent = self.recent.range((t_ms - ms + 1, 0)..);
            recent.take(RECENT_SITES_COUNTED).count()
        };
        let (one_hour, eight_hours) = (since(HOUR_MS), since(8 * HOUR_MS));
        self.measures.note_for(Of::SitesOneHour, one_hour, 1);
        self.measures.note_for(Of::SitesEightHours, eight_hours, 1);
    }
}

#[cfg(test)]
mod tests {
    use engine::{Metrics, Page, Seq, Snapshot, TabFacts, WindowId};

    use super::*;

    fn tab(id: i64, active: bool) -> TabFacts {
        TabFacts {
            active: Some(active),
            page: Some(Page::Web("example.org".into())),
            ..TabFacts::new(TabId(id), WindowId(1))
        }
    }

    /// How many tabs were open at the mean, in a trace with so much at these seconds.
    fn tabs_open(mut inputs: Vec<(i64, Input)>) -> f64 {
        inputs.sort_by_key(|&(seconds, _)| seconds);
        let mut calibration = Calibration::new();
        calibration.measures.only_threads = false;
        for (seconds, input) in inputs {
            let t_ms = seconds * SECOND_MS;
            calibration.step(&Event {
                seq: Seq(0),
                t_ms,
                input,
            });
        }
        calibration.finish().measures.mean(Of::TabsOpen).unwrap()
    }

    #[test]
    fn tabs_are_counted_while_there_is_a_session_however_often_the_machine_is_sampled() {
        let navigated = Input::TabNavigated {
            tab: TabId(1),
            page: Some(Page::Web("example.com".into())),
            protected: None,
        };
        let activated = Input::TabActivated {
            tab: TabId(2),
            win: WindowId(1),
        };
        let snapshot = Snapshot {
            tabs: vec![tab(1, true)],
            ..Snapshot::default()
        };
        // A session of 11 minutes, with a second tab for the last half of one; then one of a minute.
        let inputs = vec![
            (0, Input::SessionStarted(snapshot)),
            (600, navigated),
            (630, Input::TabOpened(tab(2, false))),
            (3_600, activated),
        ];
        let expect = (10.5 * 1.0 + 0.5 * 2.0 + 1.0 * 2.0) / 12.0;
        let sampled = (1..8_000).map(|seconds| (seconds, Input::Metrics(Metrics::default())));
        let sampled = inputs.iter().cloned().chain(sampled).collect();
        for got in [tabs_open(inputs), tabs_open(sampled)] {
            assert!((got - expect).abs() < 1e-6, "{got}, expected {expect}");
        }
    }
}
