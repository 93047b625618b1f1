//! Decides which tab each visit was in.
//!
//! The rules, by the names that a trace's header gives them:
//!
//! - `real-tabs`: where the source has the browser's own id of a tab, that is the tab.
//! - `openers`: where it says which visit's tab opened this one, that is a new tab.
//! - `from-visits`: a visit that came from the page which its tab still shows goes on in that tab;
//!   one that came from an earlier page of it was opened in a new tab.
//! - `site-threads`: else a visit goes on in the tab that last showed its site, or a new tab is
//!   opened from the one in front.
//!
//! A visit tells whether another follows in its tab, which may be found out at the very end. So all
//! of somebody's are placed before the first is told. What is decided waits in memory, or where it
//! is much in a temporary file without a name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};

use engine::TabId;
use fixedbitset::FixedBitSet;
use lru::LruCache;
use rusqlite::{Connection, OptionalExtension as _, params};
use tempfile::SpooledTempFile;

use super::HashMap;
use super::error::ImportError;
use super::page::Site;
use super::staging::{Person, Progress, ROWS_A_TICK, Staged, Visit, What};

/// A tab of which the browser told the id is looked for this long: Chromium keeps visits no
/// longer than 90 days (`ExpireHistoryBackend`).
const REAL_TAB_MS: i64 = 90 * 24 * 3_600_000;

/// Redirects in a row that are followed back. Browsers give up after 20.
const REDIRECTS_MAX: u32 = 64;

/// Where a visit was.
pub(super) struct Placement {
    /// Tabs are counted from 1.
    pub(super) tab: TabId,
    /// The tab from which this one was opened, where it is new and there was any.
    pub(super) opener: Option<TabId>,
    /// When the next visit comes, in whichever tab; `i64::MAX` where none does.
    pub(super) next_ms: i64,
    /// Whether no visit follows in its tab.
    pub(super) is_last: bool,
}

/// Where somebody's visits were, in their order.
pub(super) struct Placements {
    /// How many tabs there were.
    pub(super) tabs: u64,
    spool: BufReader<SpooledTempFile>,
    followed: FixedBitSet,
    passed: usize,
}

impl Placements {
    /// Where the next visit was.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Placement> {
        let mut bytes = [[0; 8]; 3];
        self.spool.read_exact(bytes.as_flattened_mut())?;
        let [tab, opener, next_ms] = bytes.map(i64::from_le_bytes);
        let is_last = !self.followed.contains(self.passed);
        self.passed += 1;
        Ok(Placement {
            tab: TabId(tab),
            opener: (opener > 0).then_some(TabId(opener)),
            next_ms,
            is_last,
        })
    }
}

/// Decides which tab each of somebody's visits was in. A tab is returned to for so long.
///
/// # Errors
/// What the staging area says, or a temporary file.
pub(super) fn place(
    staged: &mut Staged,
    person: &Person,
    close_after_ms: i64,
    progress: &mut Progress<'_>,
) -> Result<Placements, ImportError> {
    let mut placer = Placer {
        db: &staged.db,
        close_after_ms,
        threads: Threads::new(),
        front: None,
        tabs: 0,
        notes: Notes::new(staged.memory_bytes / 4, person.visits),
    };
    let mut done = 0;
    while let Some(moment) = staged.to_place.peek_of(person.id)? {
        if let What::Visit { visit, is_named } = &moment.what {
            placer.place(moment.id, *is_named, visit)?;
            done += 1;
            if done % ROWS_A_TICK == 0 {
                progress(done, 2 * person.visits);
            }
        }
        staged.to_place.advance()?;
    }
    Ok(placer.notes.finish(placer.tabs)?)
}

/// Knows the tabs that a visit may have been in.
struct Placer<'a> {
    db: &'a Connection,
    close_after_ms: i64,
    threads: Threads,
    front: Option<Front>,
    tabs: u64,
    notes: Notes,
}

/// The tab that was last seen.
struct Front {
    tab: TabId,
    site: Site,
    is_real: bool,
}

impl Placer<'_> {
    fn place(&mut self, id: i64, is_named: bool, visit: &Visit) -> Result<(), ImportError> {
        while let Some(tab) = self.threads.forget_before(visit.t_ms) {
            self.end(tab);
        }
        let site = visit.page.site();
        let details = visit.details();
        let opener = self.came_from(details.opener)?.map(|(_, tab)| tab);
        let from = self.came_from(details.from)?;
        let left_by = from.and_then(|(visit, tab)| Some((visit, tab, self.threads.get(tab)?)));
        let goes_on = match (details.tab, opener, left_by) {
            (Some(real), _, _) => self.threads.by_real.get(&real).copied(),
            (None, Some(_), _) => None,
            (None, None, Some((visit, tab, thread))) => (thread.shows == visit).then_some(tab),
            (None, None, None) => self.of_site(&site),
        };
        let (tab, opener) = if let Some(tab) = goes_on {
            (tab, None)
        } else {
            self.tabs += 1;
            let opener = opener
                .or(from.map(|(_, tab)| tab))
                .or(self.front.as_ref().map(|front| front.tab));
            (TabId(i64::try_from(self.tabs).unwrap_or(i64::MAX)), opener)
        };
        if is_named {
            let mut add = self.db.prepare_cached("INSERT INTO placed VALUES (?, ?)")?;
            add.execute(params![id, tab.0])?;
        }
        if !details.is_behind {
            let front = Front {
                tab,
                site: site.clone(),
                is_real: details.tab.is_some(),
            };
            if let Some(left) = self.front.replace(front) {
                self.end(left.tab);
            }
        }
        let kept_ms = match details.tab {
            Some(_) => REAL_TAB_MS.max(self.close_after_ms),
            None => self.close_after_ms,
        };
        let thread = Thread {
            site,
            shows: id,
            until_ms: visit.t_ms.saturating_add(kept_ms),
            real: details.tab,
            used: 0,
        };
        self.threads.show(tab, thread);
        Ok(self.notes.add(visit.t_ms, tab, opener)?)
    }

    /// The tab that shows a site. The one in front was not turned from, however long ago that is.
    fn of_site(&self, site: &Site) -> Option<TabId> {
        match &self.front {
            Some(front) if !front.is_real && front.site == *site => Some(front.tab),
            _ => self.threads.of_site(site),
        }
    }

    /// No visit will follow in a tab, unless anything still leads to it.
    fn end(&mut self, tab: TabId) {
        let is_front = self.front.as_ref().is_some_and(|front| front.tab == tab);
        if !is_front && !self.threads.lead_to(tab) {
            self.notes.last_visits.remove(&tab);
        }
    }

    /// Finds the visit that another came from, and its tab, through redirects that are left out.
    fn came_from(&self, mut from: Option<i64>) -> rusqlite::Result<Option<(i64, TabId)>> {
        for _ in 0..REDIRECTS_MAX {
            let Some(id) = from else { return Ok(None) };
            let mut placed = self
                .db
                .prepare_cached("SELECT tab FROM placed WHERE id = ?")?;
            if let Some(tab) = placed.query_row([id], |row| row.get(0)).optional()? {
                return Ok(Some((id, TabId(tab))));
            }
            let mut passed = self
                .db
                .prepare_cached("SELECT from_id FROM passed WHERE id = ?")?;
            from = passed
                .query_row([id], |row| row.get(0))
                .optional()?
                .flatten();
        }
        Ok(None)
    }
}

/// What is known of a tab.
struct Thread {
    site: Site,
    /// The visit whose page it shows.
    shows: i64,
    /// When it is not looked for any more.
    until_ms: i64,
    /// The browser's own id, where it was told at the last visit.
    real: Option<i64>,
    /// Its place among the tabs of its site.
    used: u64,
}

/// Tabs that may be returned to.
struct Threads {
    /// By when they were last used, and so by when they are not looked for any more: those of
    /// which the browser did not tell the id, and those of which it did.
    own: LruCache<TabId, Thread>,
    real: LruCache<TabId, Thread>,
    by_real: HashMap<i64, TabId>,
    /// The tabs that the browser's own ids lead to. One that was last seen without its id is
    /// forgotten as others are, and still led to.
    led_to: BTreeSet<TabId>,
    /// Those of which it did not tell the id, the latest of a site last: a visit of which it told
    /// none was in none of the others.
    by_site: HashMap<Site, BTreeMap<u64, TabId>>,
    uses: u64,
}

impl Threads {
    fn new() -> Self {
        Self {
            own: LruCache::unbounded(),
            real: LruCache::unbounded(),
            by_real: HashMap::default(),
            led_to: BTreeSet::new(),
            by_site: HashMap::default(),
            uses: 0,
        }
    }

    /// Takes out a tab that is not looked for any more.
    fn forget_before(&mut self, t_ms: i64) -> Option<TabId> {
        let over = |threads: &LruCache<TabId, Thread>| match threads.peek_lru() {
            Some((&tab, thread)) if thread.until_ms < t_ms => Some(tab),
            _ => None,
        };
        let tab = over(&self.own).or_else(|| over(&self.real))?;
        if let Some(real) = self.remove(tab).and_then(|thread| thread.real) {
            self.by_real.remove(&real);
            self.led_to.remove(&tab);
        }
        Some(tab)
    }

    fn get(&self, tab: TabId) -> Option<&Thread> {
        self.own.peek(&tab).or_else(|| self.real.peek(&tab))
    }

    /// Whether anything leads to a tab, but that it is in front.
    fn lead_to(&self, tab: TabId) -> bool {
        self.get(tab).is_some() || self.led_to.contains(&tab)
    }

    fn of_site(&self, site: &Site) -> Option<TabId> {
        let (_, &tab) = self.by_site.get(site)?.last_key_value()?;
        Some(tab)
    }

    fn remove(&mut self, tab: TabId) -> Option<Thread> {
        let Some(thread) = self.own.pop(&tab) else {
            return self.real.pop(&tab);
        };
        if let Some(tabs) = self.by_site.get_mut(&thread.site) {
            tabs.remove(&thread.used);
            if tabs.is_empty() {
                self.by_site.remove(&thread.site);
            }
        }
        Some(thread)
    }

    fn show(&mut self, tab: TabId, mut thread: Thread) {
        let is_latest = thread.real.is_none() && self.of_site(&thread.site) == Some(tab);
        if is_latest && let Some(known) = self.own.get_mut(&tab) {
            thread.used = known.used;
            *known = thread;
            return;
        }
        self.remove(tab);
        if let Some(real) = thread.real {
            self.by_real.insert(real, tab);
            self.led_to.insert(tab);
            self.real.put(tab, thread);
        } else {
            self.uses += 1;
            thread.used = self.uses;
            let tabs = self.by_site.entry(thread.site.clone()).or_default();
            tabs.insert(thread.used, tab);
            self.own.put(tab, thread);
        }
    }
}

/// Writes down where visits were.
struct Notes {
    spool: BufWriter<SpooledTempFile>,
    /// The tab and the opener of the last, until the time of the next is known.
    last: Option<(TabId, Option<TabId>)>,
    /// By their place among all: how many there were, those that another follows in their tab, and
    /// of each tab that may be returned to the last.
    visits: usize,
    followed: FixedBitSet,
    last_visits: HashMap<TabId, usize>,
}

impl Notes {
    fn new(memory_bytes: usize, visits: u64) -> Self {
        let visits = usize::try_from(visits).unwrap_or(usize::MAX);
        Self {
            spool: BufWriter::new(SpooledTempFile::new(memory_bytes)),
            last: None,
            visits: 0,
            followed: FixedBitSet::with_capacity(visits),
            last_visits: HashMap::default(),
        }
    }

    fn add(&mut self, t_ms: i64, tab: TabId, opener: Option<TabId>) -> io::Result<()> {
        if let Some(earlier) = self.last_visits.insert(tab, self.visits) {
            self.followed.insert(earlier);
        }
        self.visits += 1;
        self.write_last(t_ms)?;
        self.last = Some((tab, opener));
        Ok(())
    }

    fn write_last(&mut self, next_ms: i64) -> io::Result<()> {
        let Some((tab, opener)) = self.last else {
            return Ok(());
        };
        let numbers = [tab.0, opener.map_or(0, |opener| opener.0), next_ms];
        let bytes = numbers.map(i64::to_le_bytes);
        self.spool.write_all(bytes.as_flattened())
    }

    fn finish(mut self, tabs: u64) -> io::Result<Placements> {
        self.write_last(i64::MAX)?;
        let mut spool = self.spool.into_inner()?;
        spool.rewind()?;
        Ok(Placements {
            tabs,
            spool: BufReader::new(spool),
            followed: self.followed,
            passed: 0,
        })
    }
}
