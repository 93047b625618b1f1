//! The presets: a few settings that go together, under a name.

use serde::Serialize;

use crate::policy_document::PolicyDocument;
use crate::settings::{ActFrom, Focus, Settings};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy_document::value_at;
    use crate::settings::{SETTINGS, Setting};

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
}
