//! The tuned policy as a file for the host, with its evidence.

use engine::PolicyDocument;

use super::found::Tuned;
use super::text;

/// Writes the policy as TOML, with what speaks for it in comments.
pub(super) fn written(document: &PolicyDocument, tuned: &Tuned) -> String {
    let mut lines = vec![format!(
        "Tuned from {} by `sim tune`, seed {}, engine {}, sim {}.",
        tuned.base, tuned.seed, tuned.version.engine, tuned.version.sim
    )];
    lines.extend(text::findings(tuned));
    let evidence: String = lines.iter().map(|line| format!("# {line}\n")).collect();
    format!("{evidence}\n{}", document.to_toml())
}
