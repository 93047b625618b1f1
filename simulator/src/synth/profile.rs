//! Profiles: every number that a synthetic person comes from, in one TOML file.
//!
//! A file that says `like = "typical"` holds only what differs from that profile; what it leaves
//! out is taken from there. A profile that exists is within its ranges: an error names the line,
//! the field, what was found and what would be accepted. Nothing here draws anything.

use std::borrow::Cow;
use std::collections::BTreeMap;

use engine::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::machine::MachineProfile;
use crate::calibration::TARGETS;
use crate::meant::{did_you_mean, meant};

/// The bundled profiles of one kind of person, each with its text.
pub const PROFILES: &[(&str, &str)] = &[
    ("light", include_str!("profiles/light.toml")),
    ("typical", include_str!("profiles/typical.toml")),
    ("heavy", include_str!("profiles/heavy.toml")),
    ("power", include_str!("profiles/power.toml")),
    ("developer", include_str!("profiles/developer.toml")),
    ("researcher", include_str!("profiles/researcher.toml")),
    ("kiosk", include_str!("profiles/kiosk.toml")),
];

/// The bundled mixture of them.
pub const MIXED: (&str, &str) = ("mixed", include_str!("profiles/mixed.toml"));

/// The names of all of them.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROFILES.iter().chain([&MIXED]).map(|&(name, _)| name)
}

/// What a person is drawn from. Probabilities and shares are from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Who that is, in a sentence.
    pub about: String,
    /// How people of this kind differ.
    pub spread: Spread,
    /// When the browser is used.
    pub rhythm: Rhythm,
    /// How long a page is looked at.
    pub attention: Attention,
    /// Where the person goes.
    pub habits: Habits,
    /// What becomes of tabs.
    pub tabs: Tabs,
    /// What becomes of windows.
    pub windows: Windows,
    /// When the browser discards tabs by itself.
    pub discarding: Discarding,
    /// The classes of sites, by name.
    pub sites: BTreeMap<String, SiteClass>,
    /// The machine.
    pub machine: MachineProfile,
    /// Rows of the calibration table that do not hold for people of this kind alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expect: BTreeMap<String, Expectation>,
}

/// How people of one kind differ: deviations of logarithms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Of how often they use the browser.
    pub sessions: f64,
    /// Of how long they look at pages.
    pub dwell: f64,
    /// Of how readily they open tabs.
    pub opens: f64,
    /// Of how readily they keep them.
    pub keeps: f64,
}

/// When the browser is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rhythm {
    /// Sessions on a day, had there been no time between them.
    pub sessions_per_day: f64,
    /// Weights of the hours of a day, from midnight.
    pub hours: Vec<f64>,
    /// Factors of the days of a week, from Monday.
    pub weekdays: Vec<f64>,
    /// The median session, in minutes.
    pub session_minutes: f64,
    /// The deviation of its logarithm.
    pub session_sigma: f64,
    /// The least time from one session to the next, in minutes.
    pub pause_minutes: f64,
}

/// How long a page is looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    /// Below this nothing is seen, in seconds.
    pub least_s: f64,
    /// The shape of the Weibull distribution of the rest.
    pub dwell_k: f64,
    /// Its scale on a site of factor 1, in seconds.
    pub dwell_scale_s: f64,
    /// A page that is open for longer, in seconds, may be left for another program.
    pub away_after_s: f64,
    /// How likely it is.
    pub away: f64,
    /// How likely else nothing is touched for so long that the user counts as idle.
    pub idle: f64,
}

/// Where the person goes next on leaving a site: weights of the choices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Habits {
    /// Back to a site that was left of late.
    pub recent: f64,
    /// To a site that the person knows, by its rank.
    pub known: f64,
    /// To a site never seen.
    pub new: f64,
    /// To a tab that is open, whatever it shows.
    pub open_tab: f64,
    /// How likely a session begins with a site that the person knows.
    pub begin_known: f64,
    /// How fast the pull of a recent site falls with the number of sites left since.
    pub recent_power: f64,
    /// For how long a site is recent, in hours.
    pub recent_hours: f64,
    /// The share of new sites that are worth coming back to.
    pub worth_returning: f64,
    /// How many sites the person knows.
    pub known_sites: f64,
    /// The exponent of Zipf's law among them.
    pub zipf: f64,
    /// Hours of use after which the person knows one site more, and another one less.
    pub drift_hours: f64,
}

/// What becomes of tabs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tabs {
    /// The median number of tabs that are open when the trace begins.
    pub at_start: f64,
    /// The deviation of its logarithm.
    pub at_start_sigma: f64,
    /// How many of them are pinned.
    pub pinned: f64,
    /// How likely a link within a site is opened in a new tab.
    pub open_within: f64,
    /// How likely another site is.
    pub open_for_site: f64,
    /// How likely links of a page are opened in the background while it is looked at.
    pub background: f64,
    /// How many at once, on average.
    pub background_links: f64,
    /// How likely such a tab is turned to next.
    pub turn_to_opened: f64,
    /// The share of tabs for another site that are opened blank, the address typed.
    pub blank: f64,
    /// How likely a tab is chosen where one shows the site already.
    pub reuse: f64,
    /// The share of new tabs that are done with when they are left.
    pub glance: f64,
    /// How likely more pages of a site are seen in such a tab, in terms of other tabs.
    pub glance_goes_on: f64,
    /// The share of new tabs that are kept; the rest is for the task at hand.
    pub keep: f64,
    /// How likely another site is opened beside a kept tab, not in it.
    pub spare: f64,
    /// How likely a tab of the task at hand is closed when it is left.
    pub close_task: f64,
    /// For how long a tab is kept: the median, in hours.
    pub keep_hours: f64,
    /// The deviation of its logarithm.
    pub keep_sigma: f64,
    /// The share of kept tabs that are pinned.
    pub pin: f64,
    /// How likely another tab is turned to right after a close.
    pub turn_after_close: f64,
    /// After how long: the median, in seconds.
    pub turn_s: f64,
    /// How likely the tabs of a session are closed at its end.
    pub tidy: f64,
}

/// What becomes of windows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    /// How likely what would be a new tab is a new window.
    pub open: f64,
    /// How likely a tab that is left moves to a window of its own, or back into the first.
    pub move_tab: f64,
    /// How likely a second window is closed when a session ends.
    pub close: f64,
    /// The most windows.
    pub most: f64,
}

/// When the browser discards tabs by itself, as browsers do that know no policy of ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discarding {
    /// When less of RAM than this is available.
    pub below: f64,
    /// Or when some tasks stall for this share of the time, in percent.
    pub stall: f64,
    /// But only a tab that was not in front for so many minutes.
    pub idle_minutes: f64,
    /// And no sooner than so many seconds after the last.
    pub every_s: f64,
    /// The share of a tab's memory that a discard frees.
    pub reclaimed: f64,
}

/// A class of sites.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteClass {
    /// Its weight among the sites that a person knows.
    pub known: f64,
    /// Its weight among new ones.
    pub new: f64,
    /// How long its pages are looked at, as a factor.
    pub dwell: f64,
    /// Pages that are seen in a row, on average.
    pub pages: f64,
    /// Median memory of a page, in MiB.
    pub mib: f64,
    /// The deviation of its logarithm.
    pub mib_sigma: f64,
    /// Median time that a page takes to load, in milliseconds.
    pub load_ms: f64,
    /// How likely a page makes a sound.
    pub sound: f64,
    /// How likely a sound goes on when its tab is left.
    pub plays_on: f64,
    /// How likely a form of a page is touched.
    pub form: f64,
    /// How likely a page captures screen, camera or microphone.
    pub capture: f64,
}

/// What holds of a row for people of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The least value.
    pub from: f64,
    /// The greatest.
    pub to: f64,
    /// Why they differ from others.
    pub why: String,
}

/// What people are drawn from: one profile or several, with their weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Population {
    /// What it is called.
    pub name: String,
    /// The profiles by name, each with its weight.
    pub members: Vec<Member>,
    /// Its text, every number in it.
    pub text: String,
    /// Rows of the calibration table that do not hold for it.
    pub expect: BTreeMap<String, Expectation>,
}

/// A part of a population.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The profile's name.
    pub name: String,
    /// The profile.
    pub profile: Profile,
    /// Its share, before the shares are made to add up to 1.
    pub weight: f64,
}

/// A mixture as it stands in its file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mixture {
    about: String,
    people: BTreeMap<String, f64>,
    #[serde(default)]
    expect: BTreeMap<String, Expectation>,
}

/// Why a text is no profile.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("{}{}{problem}", .line.map_or(String::new(), |line| format!("line {line}: ")),
        .field.as_ref().map_or(String::new(), |field| format!("{field}: ")))]
pub struct ProfileError {
    /// The line, where that can be told.
    pub line: Option<usize>,
    /// The field.
    pub field: Option<String>,
    /// What is wrong: what was found, and what is accepted.
    pub problem: String,
}

/// The most tabs that a person begins with: the line that tells of all of them fits into what a line
/// may be.
pub(super) const AT_START_MAX: f64 = 5_000.0;

/// From where to where each number may be, by its field; `*` stands for any name.
const RANGES: &[(&str, f64, f64)] = &[
    ("spread.*", 0.0, 2.0),
    ("rhythm.sessions_per_day", 0.01, 48.0),
    ("rhythm.hours", 0.0, 1_000.0),
    ("rhythm.weekdays", 0.0, 10.0),
    ("rhythm.session_minutes", 0.5, 600.0),
    ("rhythm.session_sigma", 0.0, 3.0),
    ("rhythm.pause_minutes", 31.0, 1_440.0),
    ("attention.least_s", 0.1, 60.0),
    ("attention.dwell_k", 0.3, 3.0),
    ("attention.dwell_scale_s", 0.5, 3_600.0),
    ("attention.away_after_s", 5.0, 3_600.0),
    ("habits.recent_power", 0.0, 5.0),
    ("habits.recent_hours", 0.01, 1_000.0),
    ("habits.known_sites", 1.0, 10_000.0),
    ("habits.zipf", 0.0, 4.0),
    ("habits.drift_hours", 0.1, 100_000.0),
    ("habits.*", 0.0, 1.0),
    ("tabs.at_start", 1.0, AT_START_MAX),
    ("tabs.at_start_sigma", 0.0, 2.0),
    ("tabs.pinned", 0.0, 50.0),
    ("tabs.background_links", 1.0, 20.0),
    ("tabs.keep_hours", 0.01, 10_000.0),
    ("tabs.keep_sigma", 0.0, 3.0),
    ("tabs.turn_s", 0.1, 60.0),
    ("tabs.*", 0.0, 1.0),
    ("windows.most", 1.0, 50.0),
    ("windows.*", 0.0, 1.0),
    ("discarding.stall", 0.0, 101.0),
    ("discarding.idle_minutes", 0.0, 1_440.0),
    ("discarding.every_s", 1.0, 86_400.0),
    ("discarding.*", 0.0, 1.0),
    ("attention.*", 0.0, 1.0),
    ("sites.*.known", 0.0, 1_000.0),
    ("sites.*.new", 0.0, 1_000.0),
    ("sites.*.dwell", 0.01, 100.0),
    ("sites.*.pages", 1.0, 1_000.0),
    ("sites.*.mib", 1.0, 8_192.0),
    ("sites.*.mib_sigma", 0.0, 2.0),
    ("sites.*.load_ms", 1.0, 60_000.0),
    ("sites.*.*", 0.0, 1.0),
    ("machine.ram_gib", 0.0, 4_096.0),
    ("machine.reserved_share", 0.0, 0.5),
    ("machine.swap_share", 0.0, 4.0),
    ("machine.system_gib", 0.0, 64.0),
    ("machine.programs_share", 0.0, 1.0),
    ("machine.programs_sigma", 0.0, 2.0),
    ("machine.programs_minutes", 0.1, 100_000.0),
    ("machine.burst_every_hours", 0.01, 100_000.0),
    ("machine.burst_minutes", 0.01, 10_000.0),
    ("machine.burst_share", 0.0, 1.0),
    ("machine.burst_cpu", 0.0, 100.0),
    ("machine.rest_cpu", 0.0, 100.0),
    ("machine.working_cpu", 0.0, 100.0),
    ("machine.cpu_sigma", 0.0, 2.0),
    ("machine.cpu_minutes", 0.01, 10_000.0),
    ("machine.browser_mib", 0.0, 16_384.0),
    ("machine.short_share", 0.0, 0.9),
    ("machine.full_stall", 0.0, 1.0),
    ("machine.swap_out_mib_s", 0.0, 100_000.0),
    ("machine.swap_back_minutes", 0.1, 10_000.0),
    ("machine.moderate_stall", 0.0, 101.0),
    ("machine.critical_stall", 0.0, 101.0),
    ("machine.signal_every_s", 1.0, 86_400.0),
    ("machine.laptop_share", 0.0, 1.0),
    ("machine.battery_hours", 0.1, 1_000.0),
    ("machine.charge_hours", 0.1, 1_000.0),
    ("machine.mains_hours", 0.01, 100_000.0),
    ("machine.unplugged_hours", 0.01, 100_000.0),
    ("machine.sleep_after_minutes", 1.0, 10_000.0),
    ("machine.sample_every_s", 1.0, 3_600.0),
    ("people.*", 0.0, 1_000.0),
    ("expect.*.*", -1e12, 1e12),
];

impl Profile {
    /// Returns a bundled profile by its name.
    pub fn named(name: &str) -> Option<Self> {
        let (_, text) = PROFILES.iter().find(|&&(known, _)| known == name)?;
        Some(Self::from_toml(text).expect("a bundled profile is well formed; a test holds it"))
    }

    /// Reads a profile.
    ///
    /// # Errors
    /// What is wrong, and on which line where that can be told.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        let own = parse(text)?;
        check_ranges(text, own.get_ref(), &mut Vec::new())?;
        let whole = inherit(text, own)?;
        let profile = Self::deserialize(toml::de::Deserializer::from(whole))
            .map_err(|error| of_toml(text, &error))?;
        profile.check().map_err(|error| ProfileError {
            line: error
                .field
                .as_deref()
                .and_then(|field| line_of(text, field)),
            ..error
        })?;
        Ok(profile)
    }

    /// Writes it with every number in it.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("it has nothing that TOML cannot say")
    }

    /// Hashes what people are drawn from: the first 16 hex digits of the SHA-256 of
    /// [`Profile::to_toml`] without a word on who they are and what is expected of them.
    pub fn hash(&self) -> String {
        let drawn_from = Self {
            about: String::new(),
            expect: BTreeMap::new(),
            ..self.clone()
        };
        hex(&Sha256::digest(drawn_from.to_toml())[..8])
    }

    /// Checks what no single number's range says.
    fn check(&self) -> Result<(), ProfileError> {
        let problem = |field: &str, problem: String| {
            Err(ProfileError {
                line: None,
                field: Some(field.to_owned()),
                problem,
            })
        };
        let rhythm = &self.rhythm;
        for (field, values, expected) in [
            ("rhythm.hours", &rhythm.hours, 24),
            ("rhythm.weekdays", &rhythm.weekdays, 7),
        ] {
            if values.len() != expected {
                let found = values.len();
                return problem(field, format!("found {found} numbers, expected {expected}"));
            }
            if values.iter().all(|&value| value <= 0.0) {
                return problem(field, "expected one above 0 at least".to_owned());
            }
        }
        let habits = &self.habits;
        if habits.recent + habits.known + habits.new + habits.open_tab <= 0.0 {
            let of = "one of recent, known, new and open_tab must be above 0";
            return problem("habits", of.to_owned());
        }
        if self.tabs.glance + self.tabs.keep > 1.0 {
            let sum = self.tabs.glance + self.tabs.keep;
            return problem(
                "tabs.keep",
                format!("with tabs.glance it makes {sum}, expected 1 at most"),
            );
        }
        if !self.sites.values().any(|class| class.known > 0.0)
            || !self.sites.values().any(|class| class.new > 0.0)
        {
            let of = "one class must have known above 0, and one new";
            return problem("sites", of.to_owned());
        }
        for name in self.sites.keys() {
            let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            if name.is_empty() || name.len() > 32 || !name.bytes().all(is_letter) {
                return problem(
                    &format!("sites.{name}"),
                    "expected a name of 1 to 32 letters from a to z and digits: it becomes part \
                     of hostnames"
                        .to_owned(),
                );
            }
        }
        let is_drawable = |&(gib, weight): &(f64, f64)| gib >= 0.25 && weight > 0.0;
        if self.machine.ram_gib.is_empty() || !self.machine.ram_gib.iter().all(is_drawable) {
            return problem(
                "machine.ram_gib",
                "expected pairs of a size of 0.25 GiB at least and a weight above 0".to_owned(),
            );
        }
        check_expectations(&self.expect)
    }
}

impl Population {
    /// Returns a bundled profile or mixture by its name.
    pub fn named(name: &str) -> Option<Self> {
        if name == MIXED.0 {
            let mixed = Self::from_toml(name, MIXED.1);
            return Some(mixed.expect("the bundled mixture is well formed; a test holds it"));
        }
        Some(Self::of_one(name, Profile::named(name)?))
    }

    /// Reads a profile, or a mixture where there is `people` in the text.
    ///
    /// # Errors
    /// What is wrong, and on which line where that can be told.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, ProfileError> {
        let table = parse(text)?;
        if !table.get_ref().contains_key("people") {
            return Ok(Self::of_one(name, Profile::from_toml(text)?));
        }
        check_ranges(text, table.get_ref(), &mut Vec::new())?;
        let mixture = Mixture::deserialize(toml::de::Deserializer::from(table))
            .map_err(|error| of_toml(text, &error))?;
        check_expectations(&mixture.expect)?;
        let at = |problem: String, field: String| ProfileError {
            line: line_of(text, &field),
            field: Some(field),
            problem,
        };
        let mut members = Vec::new();
        for (name, &weight) in &mixture.people {
            let field = format!("people.{name}");
            let profile =
                Profile::named(name).ok_or_else(|| at(unknown_profile(name), field.clone()))?;
            if weight > 0.0 {
                members.push(Member {
                    name: name.clone(),
                    profile,
                    weight,
                });
            }
        }
        if members.is_empty() {
            let problem = "one profile must have a weight above 0".to_owned();
            return Err(at(problem, "people".to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            members,
            text: toml::to_string(&mixture).expect("it has nothing that TOML cannot say"),
            expect: mixture.expect,
        })
    }

    fn of_one(name: &str, profile: Profile) -> Self {
        Self {
            name: name.to_owned(),
            text: profile.to_toml(),
            expect: profile.expect.clone(),
            members: vec![Member {
                name: name.to_owned(),
                profile,
                weight: 1.0,
            }],
        }
    }
}

/// Says that there is no such profile, and which one may be meant.
pub fn unknown_profile(name: &str) -> String {
    let known: Vec<&str> = names().collect();
    let hint = did_you_mean(&meant(name, known.iter().copied()));
    format!(
        "there is no profile called {name:?}; {hint}the profiles are {}",
        known.join(", ")
    )
}

fn check_expectations(expect: &BTreeMap<String, Expectation>) -> Result<(), ProfileError> {
    for (name, row) in expect {
        let problem = |problem: String| {
            Err(ProfileError {
                line: None,
                field: Some(format!("expect.{name}")),
                problem,
            })
        };
        let known = || TARGETS.iter().map(|target| target.name);
        if !known().any(|known| known == name) {
            let hint = did_you_mean(&meant(name, known()));
            return problem(format!(
                "the calibration table has no such row; {hint}its rows are those of `sim stats`"
            ));
        }
        if row.from > row.to {
            let (from, to) = (row.from, row.to);
            return problem(format!("from {from} is above to {to}"));
        }
        if row.why.trim().is_empty() {
            return problem("it says not why".to_owned());
        }
    }
    Ok(())
}

// ---- Reading ----------------------------------------------------------------------------------

fn parse(text: &str) -> Result<Spanned<DeTable<'_>>, ProfileError> {
    DeTable::parse(text).map_err(|error| of_toml(text, &error))
}

/// Puts what a text leaves out in from the profile that it says it is like.
fn inherit<'a>(
    text: &str,
    own: Spanned<DeTable<'a>>,
) -> Result<Spanned<DeTable<'a>>, ProfileError> {
    let span = own.span();
    let mut table = own.into_inner();
    let Some(like) = table.remove("like") else {
        return Ok(Spanned::new(span, table));
    };
    let at = |problem: String| ProfileError {
        line: Some(line_at(text, like.span().start)),
        field: Some("like".to_owned()),
        problem,
    };
    let DeValue::String(name) = like.get_ref() else {
        return Err(at("expected the name of a profile".to_owned()));
    };
    let base: &'static str = PROFILES
        .iter()
        .find(|&&(known, _)| known == name)
        .map(|&(_, text)| text)
        .ok_or_else(|| at(unknown_profile(name)))?;
    let base = inherit(base, parse(base)?)?;
    merge(&mut table, base.into_inner());
    Ok(Spanned::new(span, table))
}

/// Adds what is not there. Expectations are a profile's own.
fn merge<'a>(table: &mut DeTable<'a>, base: DeTable<'a>) {
    for (key, value) in base {
        if key.get_ref() == "expect" {
            continue;
        }
        match (table.get_mut(key.get_ref().as_ref()), value.into_inner()) {
            (None, value) => {
                // Only what a text says itself can be wrong, so no place is needed.
                let nowhere = |cow: Cow<'a, str>| Spanned::new(0..0, cow);
                table.insert(nowhere(key.into_inner()), Spanned::new(0..0, value));
            }
            (Some(own), DeValue::Table(base)) => {
                if let DeValue::Table(own) = own.get_mut() {
                    merge(own, base);
                }
            }
            (Some(_), _) => {}
        }
    }
}

fn of_toml(text: &str, error: &toml::de::Error) -> ProfileError {
    ProfileError {
        line: error.span().map(|span| line_at(text, span.start)),
        field: None,
        problem: error.message().to_owned(),
    }
}

/// The number of the line that a byte is on, from 1.
fn line_at(text: &str, byte: usize) -> usize {
    let before = text.as_bytes().iter().take(byte);
    1 + before.filter(|&&byte| byte == b'\n').count()
}

/// The line of a field, or of the innermost table around it that is there.
fn line_of(text: &str, field: &str) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let mut table = table.get_ref();
    let mut line = None;
    for part in field.split('.') {
        let Some((key, value)) = table.get_key_value(part) else {
            break;
        };
        line = Some(line_at(text, key.span().start));
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    line
}

/// Checks every number of a table against its range.
fn check_ranges(
    text: &str,
    table: &DeTable<'_>,
    path: &mut Vec<String>,
) -> Result<(), ProfileError> {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        check_value(text, value, path)?;
        path.pop();
    }
    Ok(())
}

fn check_value(
    text: &str,
    value: &Spanned<DeValue<'_>>,
    path: &mut Vec<String>,
) -> Result<(), ProfileError> {
    let number = match value.get_ref() {
        DeValue::Table(table) => return check_ranges(text, table, path),
        DeValue::Array(values) => {
            return values
                .iter()
                .try_for_each(|value| check_value(text, value, path));
        }
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::Float(float) => float.to_string(),
        _ => return Ok(()),
    };
    let Some((_, from, to)) = range_of(path) else {
        // The types say that there is no such field.
        return Ok(());
    };
    let digits = number.replace('_', "");
    if digits
        .parse::<f64>()
        .is_ok_and(|found| (from..=to).contains(&found))
    {
        return Ok(());
    }
    Err(ProfileError {
        line: Some(line_at(text, value.span().start)),
        field: Some(path.join(".")),
        problem: format!("found {number}, expected {from} to {to}"),
    })
}

/// Returns from where to where the number of a field may be, such as `tabs.keep`.
pub fn range(field: &str) -> Option<(f64, f64)> {
    let path: Vec<String> = field.split('.').map(str::to_owned).collect();
    range_of(&path).map(|(_, from, to)| (from, to))
}

fn range_of(path: &[String]) -> Option<(&'static str, f64, f64)> {
    let fits = |pattern: &str| {
        let parts: Vec<&str> = pattern.split('.').collect();
        parts.len() == path.len()
            && parts
                .iter()
                .zip(path)
                .all(|(&part, name)| part == "*" || part == name)
    };
    RANGES.iter().find(|(pattern, ..)| fits(pattern)).copied()
}
