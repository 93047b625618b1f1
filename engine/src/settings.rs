//! Every setting of our policy, with its default, unit and range.
//!
//! One declaration makes the type, the defaults, and the table that the options page shows and a
//! [`PolicyDocument`](crate::PolicyDocument) is checked by.

use std::fmt;

use serde::{Deserialize, Serialize};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_setting_once() {
        let mut paths = Vec::new();
        for (name, value) in serde_json::to_value(Settings::default())
            .unwrap()
            .as_object()
            .unwrap()
        {
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
