//! The policy document: settings that are valid.
//!
//! People write it as TOML, the log carries it as JSON, and both are the same type. A
//! [`PolicyDocument`] that exists is valid.

use std::fmt;
use std::net::Ipv6Addr;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::hex::hex;
use crate::preset::Preset;
use crate::settings::{SETTINGS, Settings, Takes};

/// A valid policy.
///
/// It dereferences to its [`Settings`]. Change those and make it anew with
/// [`PolicyDocument::new`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "Settings", into = "Settings")]
pub struct PolicyDocument(Settings);

impl PolicyDocument {
    /// Takes settings as a policy if each is within its range. A listed IPv6 address is spelled as
    /// browsers spell it from here on, however that was.
    ///
    /// # Errors
    /// The first setting that is not, with what was found and what was expected.
    pub fn new(mut settings: Settings) -> Result<Self, PolicyError> {
        check_ranges(&settings)?;
        check_pairs(&settings)?;
        for domain in &mut settings.protected_domains {
            match address_of(domain) {
                Some(address) => *domain = as_browsers_spell(address),
                None => check_domain(domain)?,
            }
        }
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
        let settings: Settings = serde_json::from_str(text).map_err(|error| {
            let told = error.to_string();
            // It ends in the place.
            let problem = told.rsplit_once(" at line ").map_or(&*told, |it| it.0);
            PolicyError {
                line: Some(error.line()),
                field: None,
                problem: problem.to_owned(),
            }
        })?;
        Self::new(settings)
    }

    /// Returns one of the [`PRESETS`](crate::PRESETS) by its name, with the defaults where it sets nothing.
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

fn check_domain(domain: &str) -> Result<(), PolicyError> {
    let name = domain.strip_prefix('.').unwrap_or(domain);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
            })
    };
    if name.len() <= 253 && name.split('.').all(is_label) {
        return Ok(());
    }
    Err(PolicyError {
        line: None,
        field: Some("protected_domains".to_owned()),
        problem: format!(
            "found {domain:?}, expected a hostname in lower case (and punycode) such as \
             \"example.org\", or \".example.org\" for all below it too"
        ),
    })
}

/// The IPv6 address that a listed domain is, in its brackets.
fn address_of(domain: &str) -> Option<Ipv6Addr> {
    let address = domain.strip_prefix('[')?.strip_suffix(']')?;
    address.parse().ok()
}

/// Spells an address as hosts are told (URL standard, «IPv6 serializer»): as Rust does, but without
/// dots in one that stands for an IPv4 address.
fn as_browsers_spell(address: Ipv6Addr) -> String {
    if address.to_ipv4_mapped().is_none() {
        return format!("[{address}]");
    }
    let [.., high, low] = address.segments();
    format!("[::ffff:{high:x}:{low:x}]")
}

/// The value of a setting in a document as JSON; null where there is none.
pub(crate) fn value_at<'a>(values: &'a serde_json::Value, path: &str) -> &'a serde_json::Value {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_written_with_spaces() {
        let text = "protected_domains = [\"a.example\", \".b.example\"]\n";
        let document = PolicyDocument::from_toml(text).unwrap();
        assert!(document.to_toml().contains(text), "{}", document.to_toml());
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
    fn an_error_in_json_names_its_line_once() {
        #[track_caller]
        fn check(text: &str, expect: &str) {
            let error = PolicyDocument::from_json(text).unwrap_err().to_string();
            assert_eq!(error, expect);
        }
        check("{\n\"ttl_minutes\": }", "line 2: expected value");
        check(
            "{\"rank\": \"moon\"}",
            "line 1: unknown variant `moon`, expected `lru` or `largest`",
        );
        check(
            "{\"ttl_minutes\": 0}",
            "ttl_minutes: found 0.0, expected 1 to 10080 minutes",
        );
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
        for (spelled, host) in [
            ("[0:0::1]", "[::1]"),
            ("[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]"),
            ("[::ffff:192.0.2.1]", "[::ffff:c000:201]"),
        ] {
            let text = format!("protected_domains = [{spelled:?}]");
            let policy = PolicyDocument::from_toml(&text).unwrap();
            assert!(policy.protects(host), "{spelled}");
            assert_eq!(policy.protected_domains, [host]);
        }
        for no_address in ["[::1", "::1", ".[::1]", "[localhost]"] {
            let text = format!("protected_domains = [{no_address:?}]");
            assert!(PolicyDocument::from_toml(&text).is_err(), "{no_address}");
        }
    }
}
