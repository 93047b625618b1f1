//! Which extensions may start the host.
//!
//! The browser compares its caller with the manifest; the host does it once more, because the
//! manifest can be edited by any program of the user and the browser is not the only one that can
//! start it. The project's own id is compiled in; others stand in a file that `install` writes.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use thiserror::Error;

use crate::paths::{read_file, write_private_file};

/// The id of the project's own extension. It follows from the key in its manifest.
pub const OWN_EXTENSION: &str = "kmlfpgoielmcmbgmfohfgkbbbikedcba";

const MAX_FILE_BYTES: usize = 64 << 10;

const FILE_HEAD: &str = "\
# Extensions that may start tab-orchestrator-host, besides the project's own: one id a line.
# Written by `tab-orchestrator-host install --extension-id ID`.
";

/// The id of a Chromium extension: 32 letters from a to p.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExtensionId(String);

impl ExtensionId {
    /// The project's own.
    pub fn own() -> Self {
        Self(OWN_EXTENSION.to_owned())
    }

    /// The origin that the browser names its pages by.
    pub fn origin(&self) -> String {
        format!("chrome-extension://{}/", self.0)
    }
}

impl fmt::Display for ExtensionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for ExtensionId {
    type Err = NoExtensionId;

    fn from_str(text: &str) -> Result<Self, NoExtensionId> {
        let is_id = text.len() == 32 && text.bytes().all(|byte| (b'a'..=b'p').contains(&byte));
        if is_id {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoExtensionId(text.to_owned()))
        }
    }
}

/// A text is not the id of an extension.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("found {0:?}, expected 32 letters from a to p, as chrome://extensions shows them")]
pub struct NoExtensionId(String);

/// Whether this is the origin of an extension that may start the host. `file` lists those besides
/// the project's own; one that cannot be read lists none.
pub fn is_allowed(origin: &str, file: &Path) -> bool {
    let others = read_others(file).unwrap_or_default();
    others
        .iter()
        .chain([&ExtensionId::own()])
        .any(|id| id.origin() == origin)
}

/// Reads the extensions besides the project's own. A line that is no id is passed over: it allows
/// nobody.
///
/// # Errors
/// What the system says.
pub fn read_others(file: &Path) -> std::io::Result<BTreeSet<ExtensionId>> {
    let text = read_file(file, MAX_FILE_BYTES)?.unwrap_or_default();
    Ok(text
        .lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect())
}

/// Writes the extensions besides the project's own.
///
/// # Errors
/// What the system says.
pub fn write_others(file: &Path, others: &BTreeSet<ExtensionId>) -> std::io::Result<()> {
    let mut text = FILE_HEAD.to_owned();
    for id in others {
        text.push_str(&format!("{id}\n"));
    }
    write_private_file(file, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: &str = "abcdefghijklmnopabcdefghijklmnop";

    #[test]
    fn only_the_exact_origin_of_a_listed_extension_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("extensions.txt");
        let other: ExtensionId = OTHER.parse().unwrap();
        assert!(!is_allowed(&other.origin(), &file), "there is no file yet");
        write_others(&file, &BTreeSet::from([other.clone()])).unwrap();
        assert_eq!(read_others(&file).unwrap(), BTreeSet::from([other]));

        let own = OWN_EXTENSION;
        for (origin, expect) in [
            (format!("chrome-extension://{own}/"), true),
            (format!("chrome-extension://{OTHER}/"), true),
            (format!("chrome-extension://{own}"), false),
            (format!("chrome-extension://{own}/page.html"), false),
            (format!("chrome-extension://{}/", own.to_uppercase()), false),
            (format!("https://{own}/"), false),
            ("chrome-extension:///".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(is_allowed(&origin, &file), expect, "{origin}");
        }
    }

    #[test]
    fn an_id_is_32_letters_from_a_to_p() {
        assert_eq!(OWN_EXTENSION.parse(), Ok(ExtensionId::own()));
        for text in [
            "",
            "abc",
            &OTHER.to_uppercase(),
            &OTHER.replace('p', "q"),
            &format!("{OTHER}a"),
        ] {
            assert!(text.parse::<ExtensionId>().is_err(), "{text}");
        }
    }
}
