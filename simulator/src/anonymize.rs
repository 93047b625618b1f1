//! Makes a trace that can be given away: its structure stays, what points to a person goes.
//!
//! A first pass counts the visits of each site; a second one rewrites every line under a key that
//! nobody keeps. What each kind of fact becomes stands in [`TREATMENT`], which is also what the
//! command's help says.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{Facts, HostKnowledge, Input, Mode, Page, PolicyDocument, hex};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use recorder::{
    Body, DropReason, Line, LogOpened, Metrics, Opening, Origin, Privacy, Tab, session_made_from,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::derivation::Piece;
use crate::identifiers::{Named, renumber};

/// Times are whole multiples of this, in milliseconds, after a random part of up to
/// twice as much was added.
pub const TIME_GRID_MS: i64 = 5_000;

/// Load times are whole multiples of this, in milliseconds.
pub const LOAD_GRID_MS: u64 = 250;

/// Memory of tabs and the browser is in whole multiples of this: 16 MiB.
pub const BYTES_GRID: u64 = 16 << 20;

/// Memory of the machine is in whole multiples of this: 64 MiB.
pub const RAM_GRID: u64 = 64 << 20;

/// How many sites are told apart. Those that come later are pooled.
const SITES_TOLD_APART: usize = 65_536;

/// The first of January 2001, in UTC: anonymized traces begin within a year from it.
const EPOCH_MS: i64 = 978_307_200_000;

const YEAR_MS: i64 = 365 * 86_400_000;

/// Schemes that tell nothing of the browser or of what is installed in it.
const COMMON_SCHEMES: [&str; 6] = ["about", "blob", "chrome", "data", "file", "view-source"];

/// Reasons of losses that the format names.
const LOSSES: [&str; 6] = [
    "outbox_full",
    "storage_failed",
    "not_in_log",
    "log_unavailable",
    "bad_event",
    "damaged",
];

/// What becomes of each kind of fact.
pub const TREATMENT: &[(&str, &str)] = &[
    (
        "hosts",
        "each becomes a name under a key that is drawn for this run and thrown away; which host \
         is below which domain is not told; sites with few visits share one name",
    ),
    (
        "times",
        "moved to a random day of another year, with a random part of up to 10 s added to each \
         and rounded down to 5 s; the extension's own clock and changes of the wall clock are left out",
    ),
    (
        "ids",
        "tabs, windows and groups are numbered in the order in which they appear; session ids are \
         new or left out",
    ),
    (
        "memory",
        "the machine's, swap too, is scaled to the nearest power of two and rounded to 64 MiB, tabs' and the \
         browser's is rounded to 16 MiB",
    ),
    (
        "machine",
        "processor and stall times are rounded to 1 %, the battery to 5 %, processes to 5; the \
         operating system is kept",
    ),
    (
        "browser",
        "its name and the first part of its version are kept",
    ),
    (
        "policy",
        "the list of protected domains is emptied, and tabs on it are marked as protected \
         instead; numbers and switches are kept; the hash is replaced",
    ),
    (
        "text",
        "reasons of refused discards other than the guards become \"error\"; lines and fields \
         that this version does not know are left out",
    ),
    (
        "kept",
        "the order and the kinds of events, flags of tabs, decisions with their causes, ranks, \
         scores, levels and reasons; who has another copy of the same trace can recognise it by \
         these, so publish a trace once",
    ),
];

/// The first pass: who was visited how often.
#[derive(Clone, Debug)]
pub struct Survey {
    facts: Facts,
    visits: BTreeMap<String, u64>,
    in_front: Option<String>,
    lines: u64,
    first_t_ms: Option<i64>,
    last_t_ms: i64,
    ram_total: Option<u64>,
}

impl Default for Survey {
    fn default() -> Self {
        Self {
            facts: Facts::new(Mode::Observe),
            visits: BTreeMap::new(),
            in_front: None,
            lines: 0,
            first_t_ms: None,
            last_t_ms: 0,
            ram_total: None,
        }
    }
}

impl Survey {
    /// Takes the next line in.
    pub fn take(&mut self, line: &Line) {
        self.lines += 1;
        self.first_t_ms.get_or_insert(line.t_ms);
        self.last_t_ms = line.t_ms;
        if let Body::KnowledgeCarried(it) = &line.body {
            for known in &it.hosts {
                self.meet(&known.host);
            }
        }
        if let Body::Metrics(it) = &line.body {
            self.ram_total = self.ram_total.or(it.ram_total);
        }
        let Some(event) = line.event() else {
            return;
        };
        match &event.input {
            Input::SessionStarted(it) => {
                for tab in &it.tabs {
                    self.meet_page(tab.page.as_ref());
                }
            }
            Input::TabOpened(it) => self.meet_page(it.page.as_ref()),
            Input::TabNavigated { page, .. } => self.meet_page(page.as_ref()),
            _ => {}
        }
        self.facts.apply(&event);
        let world = self.facts.world();
        let in_front = world.tab_in_front().and_then(|tab| world.host_of(tab));
        if in_front == self.in_front.as_deref() {
            return;
        }
        self.in_front = in_front.map(str::to_owned);
        if let Some(host) = &self.in_front
            && let Some(visits) = self.visits.get_mut(host)
        {
            *visits += 1;
        }
    }

    /// Ends the pass. Sites that were in front less often than `pool_below` times are pooled.
    pub fn finish(self, pool_below: u64) -> Plan {
        let hosts = self.visits.len() as u64;
        let named: Vec<String> = self
            .visits
            .into_iter()
            .filter(|(_, visits)| *visits >= pool_below)
            .map(|(host, _)| host)
            .collect();
        Plan {
            hosts,
            hosts_named: named.len() as u64,
            hosts_pooled: hosts - named.len() as u64,
            pool_below,
            lines: self.lines,
            span_ms: self.last_t_ms.saturating_sub(self.first_t_ms.unwrap_or(0)),
            time_grid_ms: TIME_GRID_MS,
            ram_total: self.ram_total,
            ram_total_told: self.ram_total.map(common_size),
            first_t_ms: self.first_t_ms.unwrap_or(0),
            named,
        }
    }

    fn meet_page(&mut self, page: Option<&Page>) {
        if let Some(Page::Web(host)) = page {
            self.meet(host);
        }
    }

    fn meet(&mut self, host: &str) {
        if self.visits.len() < SITES_TOLD_APART && !self.visits.contains_key(host) {
            self.visits.insert(host.to_owned(), 0);
        }
    }
}

/// What would leave the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Hosts in the trace, as far as they are told apart.
    pub hosts: u64,
    /// Hosts that get a name of their own.
    pub hosts_named: u64,
    /// Hosts that share one name.
    pub hosts_pooled: u64,
    /// How many visits a host needs to get one of its own.
    pub pool_below: u64,
    /// Lines in the trace.
    pub lines: u64,
    /// How long it is, in milliseconds.
    pub span_ms: i64,
    /// What times are rounded to, in milliseconds.
    pub time_grid_ms: i64,
    /// The machine's memory, in bytes.
    pub ram_total: Option<u64>,
    /// What is told of it.
    pub ram_total_told: Option<u64>,
    #[serde(skip)]
    first_t_ms: i64,
    #[serde(skip)]
    named: Vec<String>,
}

/// The second pass.
pub struct Anonymizer {
    key: [u8; 32],
    random: ChaCha20Rng,
    names: BTreeMap<String, String>,
    pooled: String,
    ids: BTreeMap<(Named, i64), i64>,
    counts: BTreeMap<Named, i64>,
    policy: PolicyDocument,
    first_t_ms: i64,
    begin_ms: i64,
    last_t_ms: i64,
    wall_offset_ms: i64,
    ram_total: Option<u64>,
}

impl Anonymizer {
    /// Begins. The key must be fresh, from the system's randomness, and kept nowhere.
    pub fn new(plan: &Plan, key: [u8; 32]) -> Self {
        let mut random = ChaCha20Rng::from_seed(digest(&key, "random", ""));
        let begin_ms = EPOCH_MS + on_grid(random.random_range(0..YEAR_MS), TIME_GRID_MS);
        let name = |host: &String| (host.clone(), name(&key, "host", host));
        Self {
            names: plan.named.iter().map(name).collect(),
            pooled: self::name(&key, "pool", ""),
            key,
            random,
            ids: BTreeMap::new(),
            counts: BTreeMap::new(),
            policy: PolicyDocument::default(),
            first_t_ms: plan.first_t_ms,
            begin_ms,
            last_t_ms: begin_ms,
            wall_offset_ms: 0,
            ram_total: plan.ram_total,
        }
    }

    /// Says what the new trace is.
    pub fn opening(&mut self, source: &LogOpened) -> Opening {
        let mut material = [0; 32];
        self.random.fill_bytes(&mut material);
        Opening {
            session: session_made_from(self.begin_ms, &material),
            extension_session: None,
            engine: source.engine,
            host_version: env!("CARGO_PKG_VERSION").to_owned(),
            platform: common_platform(&source.platform).to_owned(),
            privacy: Privacy::KeyedHash,
            origin: Origin::Derived,
            generator: None,
            seed: None,
            importer: None,
            derived_from: Some("a trace that was anonymized".to_owned()),
        }
    }

    /// Returns the time at which the new trace begins.
    pub fn begin_ms(&self) -> i64 {
        self.begin_ms
    }

    /// Takes the next line in, and returns what may be told of it.
    pub fn take(&mut self, line: Line) -> Option<Piece> {
        let Line {
            seq,
            t_ms,
            mut body,
            ..
        } = line;
        if !self.clean(&mut body) {
            return None;
        }
        let (ids, counts) = (&mut self.ids, &mut self.counts);
        renumber(&mut body, &mut |named, id| {
            *ids.entry((named, id)).or_insert_with(|| {
                let count = counts.entry(named).or_default();
                *count += 1;
                *count
            })
        });
        // An output has its input's time, as it had before.
        let is_output = matches!(body, Body::Decision(_) | Body::PressureChanged(_));
        if !is_output {
            self.last_t_ms = self.time(t_ms).max(self.last_t_ms);
        }
        Some(Piece {
            from: Some(seq),
            t_ms: self.last_t_ms,
            at_ms: None,
            body,
        })
    }

    /// Takes out of a line what tells too much. Whether the line may stay at all.
    fn clean(&mut self, body: &mut Body) -> bool {
        match body {
            Body::LogOpened(_)
            | Body::LogResumed(_)
            | Body::Checkpoint(_)
            | Body::LogClosed(_)
            | Body::Unknown { .. } => return false,
            Body::ClockStepped(it) => {
                self.wall_offset_ms = it.by_ms;
                return false;
            }
            Body::Dropped(it) => {
                if !LOSSES.contains(&&*it.why) {
                    it.why = "other".to_owned();
                }
            }
            Body::Suspended(it) => {
                let ms = i64::try_from(it.ms).unwrap_or(i64::MAX);
                it.ms = on_grid(ms, TIME_GRID_MS).unsigned_abs();
            }
            Body::SessionStarted(it) => {
                it.browser = (it.browser.take()).map(|name| common_browser(&name).to_owned());
                it.browser_version = it.browser_version.take().map(|version| major(&version));
                it.extension_version = None;
                for tab in &mut it.tabs {
                    self.tab(tab);
                }
            }
            Body::TabOpened(it) => self.tab(it),
            Body::TabNavigated(it) => self.page(&mut it.host, &mut it.scheme, &mut it.protected),
            Body::TabLoaded(it) => it.ms = it.ms.map(|ms| ms / LOAD_GRID_MS * LOAD_GRID_MS),
            Body::DiscardOutcome(it) => it.why = it.why.take().map(|why| common_refusal(&why)),
            Body::OrderDropped(it) => {
                if DropReason::named(&it.why).is_none() {
                    it.why = "error".to_owned();
                }
            }
            Body::PolicyChanged(it) => {
                self.policy = (*it.policy).clone();
                let mut settings = engine::Settings::from(self.policy.clone());
                settings.protected_domains = Vec::new();
                let Ok(policy) = PolicyDocument::new(settings) else {
                    return false;
                };
                *it.policy = policy;
                it.policy_hash = self.policy_hash(&it.policy_hash);
            }
            Body::Paused(it) => it.until_ms = it.until_ms.map(|until| self.time(until)),
            Body::KnowledgeCarried(it) => {
                it.hosts = self.knowledge(std::mem::take(&mut it.hosts));
            }
            Body::Metrics(it) => *it = self.metrics(*it),
            Body::TabMemory(it) => it.bytes = nearest(it.bytes, BYTES_GRID),
            Body::Decision(it) => {
                it.idle_ms = on_grid(it.idle_ms, TIME_GRID_MS);
                it.ttl_ms = on_grid(it.ttl_ms, TIME_GRID_MS);
                it.policy_hash = self.policy_hash(&it.policy_hash);
            }
            Body::TabActivated(_)
            | Body::TabChanged(_)
            | Body::TabMoved(_)
            | Body::TabReplaced(_)
            | Body::TabDiscarded(_)
            | Body::TabRestored(_)
            | Body::TabClosed(_)
            | Body::WindowOpened(_)
            | Body::WindowClosed(_)
            | Body::WindowFocused(_)
            | Body::UserIdle(_)
            | Body::PruneRequested(_)
            | Body::ModeChanged(_)
            | Body::PressureSignal(_)
            | Body::PressureChanged(_) => {}
        }
        true
    }

    fn tab(&mut self, tab: &mut Tab) {
        self.page(&mut tab.host, &mut tab.scheme, &mut tab.protected);
        tab.last_accessed = tab
            .last_accessed
            .map(|at| self.time(at.saturating_sub(self.wall_offset_ms)));
    }

    fn page(
        &mut self,
        host: &mut Option<Arc<str>>,
        scheme: &mut Option<String>,
        protected: &mut Option<bool>,
    ) {
        if let Some(host) = host {
            // The list is not told, so what is on it is.
            if self.policy.protects(host) {
                *protected = Some(true);
            }
            *host = self.name_of(host).into();
        }
        if let Some(scheme) = scheme
            && !COMMON_SCHEMES.contains(&&**scheme)
        {
            *scheme = if scheme.ends_with("-extension") {
                "extension".to_owned()
            } else {
                "other".to_owned()
            };
        }
    }

    fn name_of(&self, host: &str) -> String {
        self.names.get(host).unwrap_or(&self.pooled).clone()
    }

    /// Of the hosts that share a name the most familiar one counts.
    fn knowledge(&mut self, hosts: Vec<HostKnowledge>) -> Vec<HostKnowledge> {
        let mut known: BTreeMap<String, HostKnowledge> = BTreeMap::new();
        for host in hosts {
            let name = self.name_of(&host.host);
            let told = HostKnowledge {
                host: name.clone(),
                familiarity: host.familiarity,
                last_in_front_ms: host.last_in_front_ms.map(|at| self.time(at)),
                bytes: host.bytes.map(|bytes| nearest(bytes, BYTES_GRID)),
            };
            let kept = known.entry(name).or_insert_with(|| told.clone());
            if told.familiarity > kept.familiarity {
                *kept = told;
            }
        }
        known.into_values().collect()
    }

    fn metrics(&self, it: Metrics) -> Metrics {
        let to_common = |total: Option<u64>| match total.filter(|&total| total > 0) {
            Some(total) => common_size(total) as f64 / total as f64,
            None => 1.0,
        };
        let (ram, swap) = (to_common(self.ram_total), to_common(it.swap_total));
        let of_ram = |bytes: Option<u64>| bytes.map(|bytes| scaled(bytes, ram));
        let of_swap = |bytes: Option<u64>| bytes.map(|bytes| scaled(bytes, swap));
        let of_browser = |bytes: Option<u64>| bytes.map(|bytes| nearest(bytes, BYTES_GRID));
        let rounded = |share: Option<f64>, to: f64| share.map(|share| (share / to).round() * to);
        Metrics {
            ram_total: of_ram(it.ram_total),
            ram_used: of_ram(it.ram_used),
            ram_available: of_ram(it.ram_available),
            swap_total: of_swap(it.swap_total),
            swap_used: of_swap(it.swap_used),
            cpu: rounded(it.cpu, 1.0),
            on_battery: it.on_battery,
            battery: rounded(it.battery, 5.0),
            psi_some_avg10: rounded(it.psi_some_avg10, 1.0),
            psi_full_avg10: rounded(it.psi_full_avg10, 1.0),
            browser_rss: of_browser(it.browser_rss),
            browser_pss: of_browser(it.browser_pss),
            browser_processes: it.browser_processes.map(|count| count.div_ceil(5) * 5),
        }
    }

    fn policy_hash(&self, hash: &str) -> String {
        hex(&digest(&self.key, "policy", hash)[..8])
    }

    /// Moves a time, with a random part, to the grid.
    fn time(&mut self, t_ms: i64) -> i64 {
        let since = t_ms.saturating_sub(self.first_t_ms);
        // Of one step alone nothing would be seen where times are on the grid already.
        let random = self.random.random_range(0..2 * TIME_GRID_MS);
        let moved = on_grid(since.saturating_add(random), TIME_GRID_MS);
        self.begin_ms.saturating_add(moved)
    }
}

/// Makes what stands for a text under a key. No two uses of a key meet.
fn digest(key: &[u8; 32], what: &str, text: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(key);
    digest.update(what.as_bytes());
    digest.update([0]);
    digest.update(text.as_bytes());
    digest.finalize().into()
}

/// A hostname that stands for another. The top-level domain is one that no host can be in.
fn name(key: &[u8; 32], what: &str, host: &str) -> String {
    format!("{}.invalid", hex(&digest(key, what, host)[..8]))
}

/// The multiple of `grid` at or below a time.
fn on_grid(ms: i64, grid: i64) -> i64 {
    ms.div_euclid(grid).saturating_mul(grid)
}

/// The nearest multiple of `grid`.
fn nearest(bytes: u64, grid: u64) -> u64 {
    bytes.saturating_add(grid / 2) / grid * grid
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a scaled number of bytes is not negative, and `as` saturates"
)]
fn scaled(bytes: u64, scale: f64) -> u64 {
    nearest((bytes as f64 * scale) as u64, RAM_GRID)
}

/// The nearest power of two, from 1 GiB to 1 TiB: sizes that many machines have.
fn common_size(bytes: u64) -> u64 {
    let above = bytes.clamp(1 << 30, 1 << 40).next_power_of_two();
    let below = above / 2;
    if above - bytes.min(above) <= bytes.saturating_sub(below) {
        above
    } else {
        below.max(1 << 30)
    }
}

fn common_platform(platform: &str) -> &str {
    const COMMON: [&str; 3] = ["linux", "macos", "windows"];
    let system = platform.split('-').next().unwrap_or_default();
    COMMON
        .into_iter()
        .find(|&name| name == system)
        .unwrap_or("other")
}

fn common_browser(name: &str) -> &str {
    const COMMON: [&str; 5] = ["Chrome", "Chromium", "Edge", "Firefox", "Safari"];
    let is = |common: &&str| common.eq_ignore_ascii_case(name);
    COMMON.into_iter().find(is).unwrap_or("other")
}

/// The first number of a version.
fn major(version: &str) -> String {
    let digits = version.chars().take_while(char::is_ascii_digit);
    digits.take(4).collect()
}

/// A refusal by a guard is told by the guard's name; an error of the browser may say anything.
fn common_refusal(why: &str) -> String {
    let is_name = why.len() <= 32
        && why
            .bytes()
            .all(|byte| byte == b'_' || byte.is_ascii_uppercase());
    let is_guard =
        why == "GONE" || is_name && serde_json::from_value::<engine::Guard>(why.into()).is_ok();
    if is_guard { why } else { "error" }.to_owned()
}
