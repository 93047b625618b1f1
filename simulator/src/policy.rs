//! Which policy a command means: a preset or a baseline by its name, or a file.

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use engine::{Gate, Orchestrator, PRESETS, PolicyDocument};
use simulator::baselines::{self, AnyPolicy};
use simulator::comparison::Entrant;
use simulator::meant::{did_you_mean, meant};
use simulator::replay::{AnyReplay, Replay};
use simulator::state::PolicyLabel;

/// A policy and what it was called.
#[derive(Clone, Debug)]
pub(crate) struct NamedPolicy {
    pub(crate) name: String,
    pub(crate) policy: Box<dyn AnyPolicy>,
    /// Its document; a baseline has none.
    pub(crate) document: Option<PolicyDocument>,
    /// The hash of its document.
    pub(crate) hash: Option<String>,
    /// What it draws its random numbers from, if it draws any.
    pub(crate) seed: Option<u64>,
    /// The domains whose tabs count as protected: its own, or what we protect from the start.
    pub(crate) protected_domains: Vec<String>,
}

impl NamedPolicy {
    /// Our own policy under a document.
    pub(crate) fn of_document(name: &str, document: PolicyDocument) -> Self {
        Self {
            name: name.to_owned(),
            hash: Some(document.hash()),
            protected_domains: document.protected_domains.clone(),
            policy: Box::new(Orchestrator::new(document.clone())),
            document: Some(document),
            seed: None,
        }
    }

    /// As it takes part in a comparison.
    pub(crate) fn entrant(&self) -> Entrant {
        Entrant {
            name: self.name.clone(),
            policy: self.policy.clone(),
            protected_domains: self.protected_domains.clone(),
            is_ticking: self.is_ticking(),
        }
    }

    /// A replay of it from the beginning, in closed loop.
    pub(crate) fn replay(&self) -> AnyReplay {
        let replay = Replay::new(self.policy.clone()).protecting(&self.protected_domains);
        if self.is_ticking() {
            replay.ticking()
        } else {
            replay
        }
    }

    /// Whether it acts at every sample, so that a trace without any needs a tick.
    pub(crate) fn is_ticking(&self) -> bool {
        (self.document.as_ref()).is_some_and(|document| document.gate == Gate::Always)
    }

    /// Whether it is our own policy, under whatever document.
    pub(crate) fn is_ours(&self) -> bool {
        self.hash.is_some()
    }

    /// What it is called.
    pub(crate) fn label(&self) -> PolicyLabel {
        PolicyLabel {
            name: self.name.clone(),
            hash: self.hash.clone(),
            seed: self.seed,
        }
    }
}

/// Finds a policy. The name of a preset or a baseline means that, whatever files there are. The
/// seed is for policies that draw random numbers.
///
/// # Errors
/// What is wrong with the file, by line and field; the known names where it is neither.
pub(crate) fn find(name: &str, seed: u64) -> anyhow::Result<NamedPolicy> {
    if let Some(document) = PolicyDocument::preset(name) {
        return Ok(NamedPolicy::of_document(name, document));
    }
    if let Some(policy) = baseline(name, seed) {
        return Ok(policy);
    }
    if name == "clairvoyant" {
        bail!(
            "the clairvoyant has to see the whole trace beforehand: it stands in every `sim \
             compare`, and `sim replay --frontier` measures a policy against it"
        );
    }
    let path = Path::new(name);
    let counted = baselines::ALL.iter().find_map(|it| it.counts(name));
    if let Some(counts) = counted.filter(|_| !path.exists() && ends_in_no_word(name)) {
        bail!(
            "there is no baseline called {name:?}: at its end stands a number of {counts} from {} \
             to {}",
            baselines::NUMBERS.start(),
            baselines::NUMBERS.end()
        );
    }
    let is_meant_as_file = path.extension().is_some() || path.components().count() > 1;
    if !is_meant_as_file && !path.exists() {
        bail!(
            "there is no preset, no baseline and no file called {name:?}; {}the presets are {}; the \
             baselines are {}",
            did_you_mean(&meant_policies(name)),
            PRESETS.join(", "),
            baseline_names().collect::<Vec<_>>().join(", ")
        );
    }
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read the policy {name}"))?;
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    let document = if is_json {
        PolicyDocument::from_json(&text)
    } else {
        PolicyDocument::from_toml(&text)
    };
    match document {
        Ok(document) => Ok(NamedPolicy::of_document(name, document)),
        Err(error) => Err(anyhow!("{name}, {error}")),
    }
}

/// Finds a policy of our own, to give its settings other values, with its document.
///
/// # Errors
/// As [`find`]; a baseline, which has no settings. `purpose` says what was to be done with them.
pub(crate) fn find_ours(
    name: &str,
    seed: u64,
    purpose: &str,
) -> anyhow::Result<(NamedPolicy, PolicyDocument)> {
    let policy = find(name, seed)?;
    match policy.document.clone() {
        Some(document) => Ok((policy, document)),
        None => bail!(
            "{name} is a baseline and has no settings to {purpose}; name a preset or a policy file \
             with --base"
        ),
    }
}

/// The baseline of that name, if there is one.
pub(crate) fn baseline(name: &str, seed: u64) -> Option<NamedPolicy> {
    Some(NamedPolicy {
        name: name.to_owned(),
        policy: baselines::named(name, seed)?,
        document: None,
        hash: None,
        seed: baselines::is_drawing(name).then_some(seed),
        protected_domains: PolicyDocument::default().protected_domains.clone(),
    })
}

/// Whether what follows the last dash is neither a word nor the name of a file.
fn ends_in_no_word(name: &str) -> bool {
    let end = name.rsplit('-').next().unwrap_or_default();
    end == "N" || !end.contains(char::is_alphabetic)
}

fn baseline_names() -> impl Iterator<Item = &'static str> + Clone {
    baselines::ALL.iter().map(|it| it.name)
}

/// The presets and baselines that may have been meant.
fn meant_policies(name: &str) -> Vec<&'static str> {
    let names = || PRESETS.into_iter().chain(baseline_names());
    let meant_as_it_is = meant(name, names());
    if !meant_as_it_is.is_empty() {
        return meant_as_it_is;
    }
    // A number at the end may stand for N.
    let family = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    meant(&format!("{family}N"), names())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_its_name() {
        for (name, expect) in [
            ("gentel", "gentle"),
            ("Eager", "eager"),
            ("defaults", "default"),
            ("orginal-2026", "original-2026"),
            ("ttl-x", "ttl-N"),
            ("tll-15", "ttl-N"),
            ("bold", ""),
            ("", ""),
        ] {
            assert_eq!(meant_policies(name).join(" or "), expect, "{name}");
        }
    }

    #[test]
    fn the_name_of_a_browser_finds_its_policies() {
        for (name, expect) in [
            ("firefox", "firefox-unloader"),
            ("Edge", "edge-sleeping"),
            (
                "chrome-memory-saver",
                "chrome-memory-saver-conservative or chrome-memory-saver-medium or \
                 chrome-memory-saver-aggressive",
            ),
        ] {
            assert_eq!(meant_policies(name).join(" or "), expect, "{name}");
        }
    }
}
