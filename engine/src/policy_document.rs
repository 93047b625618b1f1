//! The policy document: every setting of our policy, with its default, unit and range.
//!
//! One declaration makes the type, the defaults, the table that the options page shows and the
//! checks. People write it as TOML, the log carries it as JSON, and both are the same type. A
//! [`PolicyDocument`] that exists is valid.

use std::fmt;
use std::net::Ipv6Addr;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// A valid policy.
///
/// It dereferences to its [`Settings`]. Change those and make it anew with
/// [`PolicyDocument::new`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "Settings", into = "Settings")]
pub struct PolicyDocument(Settings);

impl PolicyDocument {
    /// Takes settings as a policy if each is within its range.
    ///
    /// # Errors
    /// The first setting that is not, with what was found and what was expected.
    pub fn new(settings: Settings) -> Result<Self, PolicyError> {
        check_ranges(&settings)?;
        check_pairs(&settings)?;
        check_domains(&settings)?;
        Ok(Self(settings))
    }

    /// Reads a policy from TOML. Settings that are left out have their defaults.
    ///
    /// # Errors
    /// What is wrong and on which line: the syntax, an unknown setting, a value out of its range.
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        let settings: Settings = toml::from_str(text).map_err(|error| PolicyError {
            line: error.span().map(|span| line_of(text, span.start)),
            field: None,
            problem: error.message().to_owned(),
        })?;
        Self::new(settings).map_err(|error| PolicyError {
            line: error
                .field
                .as_deref()
                .and_then(|field| line_of_field(text, field)),
            ..error
        })
    }

    /// Reads a policy from JSON. Settings that are left out have their defaults.
    ///
    /// # Errors
    /// What is wrong, and on which line where that can be told.
    pub fn from_json(text: &str) -> Result<Self, PolicyError> {
        let settings: Settings = serde_json::from_str(text).map_err(|error| PolicyError {
            line: Some(error.line()),
            field: None,
            problem: error.to_string(),
        })?;
        Self::new(settings)
    }

    /// Returns one of the [`PRESETS`] by its name, with the defaults where it sets nothing.
    pub fn preset(name: &str) -> Option<Self> {
        Preset::named(name).map(|preset| preset.over(&Self::default()))
    }

    /// Hashes the canonical form: the first 16 hex digits of the SHA-256 of the document as
    /// compact JSON, every setting written, in the order of declaration.
    pub fn hash(&self) -> String {
        let canonical = serde_json::to_vec(&self.0).expect("settings have only string keys");
        hex(&Sha256::digest(canonical)[..8])
    }

    /// Writes the document as TOML for people: every setting with what it does and its range.
    pub fn to_toml(&self) -> String {
        let values = self.to_json();
        let mut text = String::new();
        let mut table = "";
        for setting in SETTINGS {
            let (of_table, name) = setting.path.split_once('.').unwrap_or(("", setting.path));
            if of_table != table {
                text.push_str(&format!("\n[{of_table}]\n"));
                table = of_table;
            }
            text.push_str(&format!("# {} ({setting})\n", setting.about));
            match value_at(&values, setting.path) {
                // TOML has no null: a setting that is off is shown, commented out.
                serde_json::Value::Null => text.push_str(&format!("# {name} =\n")),
                serde_json::Value::Array(list) => {
                    let list: Vec<_> = list.iter().map(ToString::to_string).collect();
                    text.push_str(&format!("{name} = [{}]\n", list.join(", ")));
                }
                value => text.push_str(&format!("{name} = {value}\n")),
            }
        }
        text
    }

    /// Returns the whole document as a JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(&self.0).expect("settings have only string keys")
    }

    /// Whether a host is on the list of protected domains.
    pub fn protects(&self, host: &str) -> bool {
        self.0
            .protected_domains
            .iter()
            .any(|domain| match domain.strip_prefix('.') {
                Some(parent) => {
                    host == parent
                        || host
                            .strip_suffix(domain.as_str())
                            .is_some_and(|sub| !sub.is_empty())
                }
                None => host == domain,
            })
    }
}

impl Deref for PolicyDocument {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.0
    }
}

impl From<PolicyDocument> for Settings {
    fn from(document: PolicyDocument) -> Self {
        document.0
    }
}

impl TryFrom<Settings> for PolicyDocument {
    type Error = PolicyError;

    fn try_from(settings: Settings) -> Result<Self, PolicyError> {
        Self::new(settings)
    }
}

/// The names that [`Preset::named`] knows.
pub const PRESETS: [&str; 3] = ["default", "gentle", "eager"];

/// What a preset sets: how soon tabs go, and how readily.
///
/// All else in a policy is its owner's, and stays: protected domains above all. As JSON it is a
/// part of a policy document.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Preset {
    /// See [`Settings::ttl_minutes`].
    pub ttl_minutes: f64,
    /// See [`Settings::act_from`].
    pub act_from: ActFrom,
    /// The working context.
    pub focus: PresetFocus,
}

/// What a preset sets of the working context.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PresetFocus {
    /// See [`Focus::proactive`].
    pub proactive: bool,
    /// See [`Focus::out_ttl_minutes`].
    pub out_ttl_minutes: f64,
    /// See [`Focus::cluster_minutes`].
    pub cluster_minutes: f64,
}

impl Preset {
    /// Returns one of the [`PRESETS`].
    pub fn named(name: &str) -> Option<Self> {
        let defaults = Settings::default();
        let default = Self {
            ttl_minutes: defaults.ttl_minutes,
            act_from: defaults.act_from,
            focus: PresetFocus {
                proactive: defaults.focus.proactive,
                out_ttl_minutes: defaults.focus.out_ttl_minutes,
                cluster_minutes: defaults.focus.cluster_minutes,
            },
        };
        match name {
            "default" => Some(default),
            "gentle" => Some(Self {
                ttl_minutes: 45.0,
                act_from: ActFrom::High,
                focus: PresetFocus {
                    out_ttl_minutes: 15.0,
                    cluster_minutes: 30.0,
                    ..default.focus
                },
            }),
            "eager" => Some(Self {
                ttl_minutes: 5.0,
                focus: PresetFocus {
                    proactive: true,
                    out_ttl_minutes: 2.0,
                    cluster_minutes: 5.0,
                },
                ..default
            }),
            _ => None,
        }
    }

    /// Lays the preset over a policy.
    pub fn over(self, policy: &PolicyDocument) -> PolicyDocument {
        let Self {
            ttl_minutes,
            act_from,
            focus:
                PresetFocus {
                    proactive,
                    out_ttl_minutes,
                    cluster_minutes,
                },
        } = self;
        let settings = Settings {
            ttl_minutes,
            act_from,
            focus: Focus {
                proactive,
                out_ttl_minutes,
                cluster_minutes,
                ..policy.focus.clone()
            },
            ..Settings::clone(policy)
        };
        PolicyDocument::new(settings).expect("a preset is within the ranges; a test holds it")
    }
}

/// What is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct PolicyError {
    /// The line of the text, from 1, where it can be told.
    pub line: Option<usize>,
    /// The setting, by its path.
    pub field: Option<String>,
    /// What was found and what was expected.
    pub problem: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.problem)
    }
}

/// A row of the table of settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// Where it stands in the document: `ttl_minutes`, `focus.enabled`.
    pub path: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// What values it takes.
    pub takes: Takes,
}

impl fmt::Display for Setting {
    /// Writes the range, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.takes {
            Takes::Number { min, max, unit, .. } => write!(f, "{min} to {max} {unit}"),
            Takes::Switch => f.write_str("true or false"),
            Takes::Choice { of } => f.write_str(&of.join(", ")),
            Takes::Domains => f.write_str("example.org, or .example.org for all below it too"),
        }
    }
}

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Takes {
    /// A number within a range.
    Number {
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
        /// What it counts.
        unit: &'static str,
        /// Whether it has no fraction.
        whole: bool,
        /// Whether it may be left out, which switches it off.
        optional: bool,
    },
    /// On or off.
    Switch,
    /// One of several words.
    Choice {
        /// The words.
        of: &'static [&'static str],
    },
    /// A list of domains.
    Domains,
}

const fn number(min: f64, max: f64, unit: &'static str) -> Takes {
    Takes::Number {
        min,
        max,
        unit,
        whole: false,
        optional: false,
    }
}

const fn whole(min: f64, max: f64, unit: &'static str) -> Takes {
    Takes::Number {
        min,
        max,
        unit,
        whole: true,
        optional: false,
    }
}

const fn optional(min: f64, max: f64, unit: &'static str) -> Takes {
    Takes::Number {
        min,
        max,
        unit,
        whole: false,
        optional: true,
    }
}

const fn choice(of: &'static [&'static str]) -> Takes {
    Takes::Choice { of }
}

/// Declares a table of settings: the type, its defaults and the rows that describe it.
macro_rules! settings {
    (
        $(#[doc = $type_about:literal])+
        $type:ident, rows $rows:ident, prefix $prefix:literal:
        $( #[doc = $about:literal] $name:ident: $of:ty = $default:expr, $takes:expr; )+
        $( tables { $( #[doc = $table_about:literal] $table:ident: $table_type:ty; )+ } )?
    ) => {
        $(#[doc = $type_about])+
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct $type {
            $( #[doc = $about] pub $name: $of, )+
            $( $( #[doc = $table_about] pub $table: $table_type, )+ )?
        }

        impl Default for $type {
            fn default() -> Self {
                Self {
                    $( $name: $default, )+
                    $( $( $table: <$table_type>::default(), )+ )?
                }
            }
        }

        const $rows: &[Setting] = &[ $( Setting {
            path: concat!($prefix, stringify!($name)),
            about: $about.trim_ascii(),
            takes: $takes,
        }, )+ ];
    };
}

settings! {
    /// The settings of a policy.
    Settings, rows MAIN, prefix "":
    /// How long a tab of the working context is left alone after it was opened or last in front.
    ttl_minutes: f64 = 15.0, number(1.0, 10_080.0, "minutes");
    /// The clock that idle times run on: the user's activity, the machine awake, or the wall.
    ttl_clock: TtlClock = TtlClock::Active, choice(&["active", "awake", "wall"]);
    /// Below this idle time no tab is ever discarded.
    ttl_minimum_seconds: u32 = 60, whole(60.0, 3_600.0, "seconds");
    /// How many times longer a tab of a well-known host is kept, at most; 1 switches it off.
    familiarity_cap: u8 = 8, whole(1.0, 8.0, "times");
    /// What opens the gate: pressure, or nothing (experiments only).
    gate: Gate = Gate::Pressure, choice(&["pressure", "always"]);
    /// The level of pressure from which tabs are discarded.
    act_from: ActFrom = ActFrom::Medium, choice(&["medium", "high"]);
    /// The pause after tabs were discarded, before more are.
    cooldown_seconds: u32 = 60, whole(10.0, 3_600.0, "seconds");
    /// How many tabs are discarded at once at HIGH.
    batch_high: u32 = 2, whole(1.0, 64.0, "tabs");
    /// How many tabs are discarded at once at MEDIUM, and when proactive.
    batch_medium: u32 = 1, whole(1.0, 64.0, "tabs");
    /// How many tabs are discarded at once at most to reach the target.
    batch_max: u32 = 8, whole(1.0, 64.0, "tabs");
    /// Discard as many tabs as it takes to have this share of memory free; off when left out.
    target_free_percent: Option<f64> = None, optional(1.0, 90.0, "percent");
    /// Which tabs go first: the longest unused, or the largest.
    rank: Rank = Rank::Lru, choice(&["lru", "largest"]);
    /// Domains whose tabs are never discarded.
    protected_domains: Vec<String> = default_protected_domains(), Takes::Domains;
    tables {
        /// The working context.
        focus: Focus;
        /// How the machine's state becomes a level of pressure.
        pressure: Pressure;
    }
}

settings! {
    /// The working context: which tabs belong to what the user is doing.
    Focus, rows FOCUS, prefix "focus.":
    /// Whether tabs outside the working context go sooner.
    enabled: bool = true, Takes::Switch;
    /// Whether tabs are discarded one at a time without pressure, too.
    proactive: bool = false, Takes::Switch;
    /// How long a tab outside the working context is left alone.
    out_ttl_minutes: f64 = 3.0, number(1.0, 10_080.0, "minutes");
    /// A tab of the same window belongs to the context if it was opened or in front within this time.
    cluster_minutes: f64 = 10.0, number(1.0, 1_440.0, "minutes");
    /// How many tabs the context holds at most.
    cluster_cap: u32 = 12, whole(1.0, 64.0, "tabs");
}

settings! {
    /// How a sample of the machine becomes a score, a level and reasons.
    Pressure, rows PRESSURE, prefix "pressure.":
    /// What memory adds to the score at most.
    ram_weight: u8 = 70, whole(0.0, 100.0, "points");
    /// What the processor adds to the score at most.
    cpu_weight: u8 = 20, whole(0.0, 100.0, "points");
    /// What running on the battery adds to the score.
    battery_weight: u8 = 10, whole(0.0, 100.0, "points");
    /// Memory in use from which it adds to the score.
    used_from_percent: f64 = 70.0, number(0.0, 100.0, "percent");
    /// Memory in use at which it adds its whole weight.
    used_full_percent: f64 = 95.0, number(0.0, 100.0, "percent");
    /// Free memory below which it adds to the score.
    free_from_percent: f64 = 20.0, number(0.0, 100.0, "percent");
    /// Free memory at which it adds its whole weight.
    free_full_percent: f64 = 5.0, number(0.0, 100.0, "percent");
    /// Processor use from which it adds to the score.
    cpu_from_percent: f64 = 40.0, number(0.0, 100.0, "percent");
    /// Processor use at which it adds its whole weight.
    cpu_full_percent: f64 = 95.0, number(0.0, 100.0, "percent");
    /// The score at which the level is MEDIUM.
    medium_score: u8 = 50, whole(1.0, 100.0, "points");
    /// The score at which the level is HIGH.
    high_score: u8 = 75, whole(1.0, 100.0, "points");
    /// How far below its threshold the score must fall to leave a level.
    hysteresis: u8 = 5, whole(0.0, 50.0, "points");
    /// Free memory below which it counts as getting short.
    ram_elevated_free_percent: f64 = 12.0, number(0.0, 100.0, "percent");
    /// Memory in use above which it counts as getting short.
    ram_elevated_used_percent: f64 = 85.0, number(0.0, 100.0, "percent");
    /// Free memory below which it is short: the level is HIGH.
    ram_high_free_percent: f64 = 7.0, number(0.0, 100.0, "percent");
    /// Memory in use above which it is short: the level is HIGH.
    ram_high_used_percent: f64 = 93.0, number(0.0, 100.0, "percent");
    /// Processor use above which it counts as busy.
    cpu_elevated_percent: f64 = 75.0, number(0.0, 100.0, "percent");
    /// Processor use above which it counts as very busy.
    cpu_high_percent: f64 = 90.0, number(0.0, 100.0, "percent");
    /// Share of time in which some task waits for memory, from which the level is at least MEDIUM.
    psi_elevated_percent: f64 = 10.0, number(0.0, 100.0, "percent");
    /// Share of time in which all tasks wait for memory, from which the level is HIGH.
    psi_high_percent: f64 = 10.0, number(0.0, 100.0, "percent");
    /// Growth of swap within a minute, as a share of memory, from which it is named.
    swapping_percent: f64 = 1.0, number(0.0, 100.0, "percent");
}

const ROW_COUNT: usize = MAIN.len() + FOCUS.len() + PRESSURE.len();

/// Every setting, in the order of the document.
pub const SETTINGS: &[Setting; ROW_COUNT] = &{
    let mut rows = [MAIN[0]; ROW_COUNT];
    let mut index = 0;
    while index < ROW_COUNT {
        rows[index] = if index < MAIN.len() {
            MAIN[index]
        } else if index < MAIN.len() + FOCUS.len() {
            FOCUS[index - MAIN.len()]
        } else {
            PRESSURE[index - MAIN.len() - FOCUS.len()]
        };
        index += 1;
    }
    rows
};

/// The clock that a policy's user windows run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TtlClock {
    /// Time in which the user was there.
    Active,
    /// Time in which the machine was awake.
    Awake,
    /// All time.
    Wall,
}

/// What must be so before anything is discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Memory is short, or focus mode is proactive.
    Pressure,
    /// Nothing. Levels, cooldown and batches are skipped.
    Always,
}

/// The level of pressure from which tabs are discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActFrom {
    /// MEDIUM and HIGH.
    Medium,
    /// HIGH only.
    High,
}

/// Which tabs go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// The longest out of the front.
    Lru,
    /// The largest expected.
    Largest,
}

/// Sites where a call or an unsaved document may be running that no extension can see.
fn default_protected_domains() -> Vec<String> {
    [
        // Calls: camera and microphone in use are not shown to extensions.
        "meet.google.com",
        ".zoom.us",
        "teams.microsoft.com",
        "teams.live.com",
        ".webex.com",
        "meet.jit.si",
        "whereby.com",
        "discord.com",
        "app.slack.com",
        // Editors: what was typed last may not have been saved yet.
        "docs.google.com",
        "office.com",
        ".officeapps.live.com",
        ".sharepoint.com",
        "www.figma.com",
        "www.overleaf.com",
        "miro.com",
        "www.notion.so",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn check_ranges(settings: &Settings) -> Result<(), PolicyError> {
    let values = serde_json::to_value(settings).expect("settings have only string keys");
    for setting in SETTINGS {
        let Takes::Number { min, max, unit, .. } = setting.takes else {
            continue;
        };
        let value = value_at(&values, setting.path);
        // A number that JSON cannot hold (NaN, infinity) comes out as null, too.
        let is_off = value.is_null() && is_left_out(settings, setting.path);
        let in_range = value
            .as_f64()
            .is_some_and(|number| number >= min && number <= max);
        if !in_range && !is_off {
            return Err(PolicyError {
                line: None,
                field: Some(setting.path.to_owned()),
                problem: format!("found {value}, expected {min} to {max} {unit}"),
            });
        }
    }
    Ok(())
}

fn is_left_out(settings: &Settings, path: &str) -> bool {
    path == "target_free_percent" && settings.target_free_percent.is_none()
}

fn check_pairs(settings: &Settings) -> Result<(), PolicyError> {
    let pressure = &settings.pressure;
    let ordered = [
        (
            "used_from_percent",
            pressure.used_from_percent,
            "used_full_percent",
            pressure.used_full_percent,
        ),
        (
            "free_full_percent",
            pressure.free_full_percent,
            "free_from_percent",
            pressure.free_from_percent,
        ),
        (
            "cpu_from_percent",
            pressure.cpu_from_percent,
            "cpu_full_percent",
            pressure.cpu_full_percent,
        ),
        (
            "medium_score",
            f64::from(pressure.medium_score),
            "high_score",
            f64::from(pressure.high_score),
        ),
    ];
    for (lower_name, lower, upper_name, upper) in ordered {
        if lower >= upper {
            return Err(PolicyError {
                line: None,
                field: Some(format!("pressure.{lower_name}")),
                problem: format!(
                    "found {lower}, expected less than pressure.{upper_name}, which is {upper}"
                ),
            });
        }
    }
    Ok(())
}

fn check_domains(settings: &Settings) -> Result<(), PolicyError> {
    for domain in &settings.protected_domains {
        let name = domain.strip_prefix('.').unwrap_or(domain);
        let is_label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|byte| {
                    byte.is_ascii_lowercase()
                        || byte.is_ascii_digit()
                        || matches!(byte, b'-' | b'_')
                })
        };
        let is_address = domain
            .strip_prefix('[')
            .and_then(|address| address.strip_suffix(']'))
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
        if !is_address && (name.len() > 253 || !name.split('.').all(is_label)) {
            return Err(PolicyError {
                line: None,
                field: Some("protected_domains".to_owned()),
                problem: format!(
                    "found {domain:?}, expected a hostname in lower case (and punycode) such as \
                     \"example.org\", or \".example.org\" for all below it too"
                ),
            });
        }
    }
    Ok(())
}

fn value_at<'a>(values: &'a serde_json::Value, path: &str) -> &'a serde_json::Value {
    path.split('.').fold(values, |value, name| &value[name])
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text
        .bytes()
        .take(offset)
        .filter(|&byte| byte == b'\n')
        .count()
}

/// The line on which a setting stands in a TOML text that is known to parse.
fn line_of_field(text: &str, path: &str) -> Option<usize> {
    let document = toml::de::DeTable::parse(text).ok()?;
    let mut names = path.split('.');
    let mut value = document.get_ref().get(names.next()?)?;
    for name in names {
        value = value.get_ref().get(name)?;
    }
    Some(line_of(text, value.span().start))
}

/// Writes bytes as lower-case hex digits, as hashes stand in logs, reports and names.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_preset_is_valid_and_reads_back_from_its_own_toml() {
        for name in PRESETS {
            let preset = PolicyDocument::preset(name).unwrap();
            assert_eq!(
                PolicyDocument::from_toml(&preset.to_toml()),
                Ok(preset.clone()),
                "{name}"
            );
            let json = preset.to_json().to_string();
            assert_eq!(PolicyDocument::from_json(&json), Ok(preset), "{name}");
        }
        assert_eq!(
            PolicyDocument::preset("default"),
            Some(PolicyDocument::default())
        );
        assert_eq!(PolicyDocument::preset("bold"), None);
    }

    #[test]
    fn a_list_is_written_with_spaces() {
        let text = "protected_domains = [\"a.example\", \".b.example\"]\n";
        let document = PolicyDocument::from_toml(text).unwrap();
        assert!(document.to_toml().contains(text), "{}", document.to_toml());
    }

    #[test]
    fn a_preset_leaves_all_it_is_not_about_as_it_is() {
        let own = "ttl_minutes = 33\ntarget_free_percent = 20\n\
                   protected_domains = [\"mybank.example\"]\n\
                   [focus]\nenabled = false\ncluster_cap = 5\n[pressure]\nram_weight = 60";
        let own = PolicyDocument::from_toml(own).unwrap();
        for name in PRESETS {
            let preset = Preset::named(name).unwrap();
            let sets = serde_json::to_value(preset).unwrap();
            let (before, after) = (own.to_json(), preset.over(&own).to_json());
            for Setting { path, .. } in SETTINGS {
                let expect = match value_at(&sets, path) {
                    serde_json::Value::Null => value_at(&before, path),
                    value => value,
                };
                assert_eq!(value_at(&after, path), expect, "{name}: {path}");
            }
        }
    }

    #[test]
    fn an_error_names_line_and_field() {
        #[track_caller]
        fn check(text: &str, expect: &str) {
            let error = PolicyDocument::from_toml(text).unwrap_err().to_string();
            assert!(
                error.starts_with(expect),
                "found: {error}\nexpected: {expect}"
            );
        }
        check(
            "\nttl_minutes = 0",
            "line 2: ttl_minutes: found 0.0, expected 1 to 10080 minutes",
        );
        check(
            "\n[focus]\ncluster_cap = 999",
            "line 3: focus.cluster_cap: found 999, expected 1 to 64 tabs",
        );
        check(
            "ttl_minimum_seconds = 59",
            "line 1: ttl_minimum_seconds: found 59, expected 60 to",
        );
        check(
            "cooldown_seconds = 9",
            "line 1: cooldown_seconds: found 9, expected 10 to 3600",
        );
        check("\n\nttl_minuets = 5", "line 3: unknown field `ttl_minuets`");
        check(
            "[pressure]\nram_weight = -1",
            "line 2: invalid value: integer `-1`",
        );
        check(
            "ttl_minutes = nan",
            "line 1: ttl_minutes: found null, expected 1 to 10080 minutes",
        );
        check("ttl_clock = \"moon\"", "line 1: unknown variant `moon`");
        check(
            "target_free_percent = 95",
            "line 1: target_free_percent: found 95.0",
        );
        check(
            "[pressure]\nmedium_score = 80",
            "line 2: pressure.medium_score: found 80, expected less than",
        );
        check(
            "protected_domains = [\"a.org\", \"http://b\"]",
            "line 1: protected_domains: found \"http://b\"",
        );
        check("ttl_minutes =", "line 1: ");
    }

    #[test]
    fn the_hash_tells_policies_apart_and_not_their_spelling() {
        let spelled =
            PolicyDocument::from_toml("ttl_minutes = 15.0\n[focus]\nenabled = true").unwrap();
        assert_eq!(spelled.hash(), PolicyDocument::default().hash());
        let other = PolicyDocument::from_toml("ttl_minutes = 16").unwrap();
        assert_ne!(other.hash(), PolicyDocument::default().hash());
        assert_eq!(other.hash().len(), 16);
    }

    #[test]
    fn a_dot_protects_the_domain_and_all_below_it() {
        let policy =
            PolicyDocument::from_toml("protected_domains = [\".example.org\", \"a.net\"]").unwrap();
        for (host, expect) in [
            ("example.org", true),
            ("deep.www.example.org", true),
            ("badexample.org", false),
            ("a.net", true),
            ("www.a.net", false),
            ("org", false),
            ("", false),
        ] {
            assert_eq!(policy.protects(host), expect, "{host}");
        }
    }

    #[test]
    fn an_address_can_be_protected() {
        for address in ["127.0.0.1", "[::1]"] {
            let text = format!("protected_domains = [{address:?}]");
            assert!(PolicyDocument::from_toml(&text).unwrap().protects(address));
        }
        for no_address in ["[::1", "::1", ".[::1]", "[localhost]"] {
            let text = format!("protected_domains = [{no_address:?}]");
            assert!(PolicyDocument::from_toml(&text).is_err(), "{no_address}");
        }
    }

    #[test]
    fn the_table_names_every_setting_once() {
        let mut paths = Vec::new();
        for (name, value) in PolicyDocument::default().to_json().as_object().unwrap() {
            match value.as_object() {
                Some(table) => paths.extend(table.keys().map(|inner| format!("{name}.{inner}"))),
                None => paths.push(name.clone()),
            }
        }
        let mut rows: Vec<_> = SETTINGS
            .iter()
            .map(|setting| setting.path.to_owned())
            .collect();
        paths.sort();
        rows.sort();
        assert_eq!(rows, paths);
    }
}
