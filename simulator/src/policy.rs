//! Which policy a command means: a preset by its name, or a file.

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use engine::{PRESETS, PolicyDocument};

/// A policy and what it was called.
#[derive(Clone, Debug)]
pub(crate) struct NamedPolicy {
    pub(crate) name: String,
    pub(crate) document: PolicyDocument,
}

/// Finds a policy. A preset's name means the preset, whatever files there are.
///
/// # Errors
/// What is wrong with the file, by line and field; the presets' names where it is neither.
pub(crate) fn find(name: &str) -> anyhow::Result<NamedPolicy> {
    if let Some(document) = PolicyDocument::preset(name) {
        let name = name.to_owned();
        return Ok(NamedPolicy { name, document });
    }
    let path = Path::new(name);
    let is_meant_as_file = path.extension().is_some() || path.components().count() > 1;
    if !is_meant_as_file && !path.exists() {
        let mut hint = format!("the presets are {}", PRESETS.join(", "));
        if let Some(nearest) = nearest_preset(name) {
            hint = format!("did you mean {nearest}? {hint}");
        }
        bail!("there is no preset and no file called {name:?}; {hint}");
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
    let name = name.to_owned();
    match document {
        Ok(document) => Ok(NamedPolicy { name, document }),
        Err(error) => Err(anyhow!("{name}, {error}")),
    }
}

/// The preset that is at most two letters away.
fn nearest_preset(name: &str) -> Option<&'static str> {
    let distance = |preset: &&str| letters_apart(name, preset);
    PRESETS
        .into_iter()
        .min_by_key(distance)
        .filter(|preset| distance(preset) <= 2)
}

/// The Levenshtein distance: how many letters must be added, left out or changed.
fn letters_apart(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_its_preset() {
        for (name, expect) in [
            ("gentel", Some("gentle")),
            ("Eager", Some("eager")),
            ("defaults", Some("default")),
            ("bold", None),
            ("", None),
        ] {
            assert_eq!(nearest_preset(name), expect, "{name}");
        }
        assert_eq!(letters_apart("kitten", "sitting"), 3);
    }
}
