//! Which extensions may start the host.
//!
//! The browser compares its caller with the manifest; the host does it once more, because the
//! manifest can be edited by any program of the user and the browser is not the only one that can
//! start it. The project's own ids are compiled in; others stand in a file that `install` writes.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use thiserror::Error;

use crate::browsers::Family;
use crate::install::MANIFEST_NAME;
use crate::paths::{read_file, write_private_file};

/// The id of the project's own extension in Chromium and its relatives. It follows from the key in
/// its manifest.
pub const OWN_EXTENSION: &str = "kmlfpgoielmcmbgmfohfgkbbbikedcba";

/// The id of the project's own add-on in Firefox and its relatives, as its manifest says it.
pub const OWN_ADD_ON: &str = "tab-orchestrator@tab-orchestrator.org";

const MAX_FILE_BYTES: usize = 64 << 10;

const FILE_HEAD: &str = "\
# Extensions that may start tab-orchestrator-host, besides the project's own: one id a line.
# Written by `tab-orchestrator-host install --extension-id ID`.
";

/// The id of an extension.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExtensionId {
    family: Family,
    id: String,
}

impl ExtensionId {
    /// The project's own, for browsers of a family.
    pub fn own(family: Family) -> Self {
        let id = match family {
            Family::Chromium => OWN_EXTENSION,
            Family::Firefox => OWN_ADD_ON,
        };
        Self {
            family,
            id: id.to_owned(),
        }
    }

    /// Whose extension it is.
    pub fn family(&self) -> Family {
        self.family
    }

    /// What a manifest names it by: the origin of its pages, or the id alone.
    pub fn in_manifest(&self) -> String {
        match self.family {
            Family::Chromium => format!("chrome-extension://{}/", self.id),
            Family::Firefox => self.id.clone(),
        }
    }
}

impl fmt::Display for ExtensionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.id)
    }
}

impl FromStr for ExtensionId {
    type Err = NoExtensionId;

    fn from_str(text: &str) -> Result<Self, NoExtensionId> {
        let is_of_chromium = text.len() == 32 && text.bytes().all(|it| (b'a'..=b'p').contains(&it));
        let family = if is_of_chromium {
            Family::Chromium
        } else if is_add_on(text) {
            Family::Firefox
        } else {
            return Err(NoExtensionId(text.to_owned()));
        };
        Ok(Self {
            family,
            id: text.to_owned(),
        })
    }
}

/// What Firefox takes for the id of an add-on: `name@domain`, or a UUID in braces (MDN,
/// «`browser_specific_settings`»).
fn is_add_on(text: &str) -> bool {
    if text.len() > 80 {
        return false;
    }
    if let Some(uuid) = text.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
        return uuid.len() == 36 && uuid::Uuid::try_parse(uuid).is_ok();
    }
    let is_part = |part: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    text.split_once('@')
        .is_some_and(|(name, domain)| !domain.is_empty() && is_part(name) && is_part(domain))
}

/// A text is not the id of an extension.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "found {0:?}, expected 32 letters from a to p, as chrome://extensions shows them, or \
     name@domain or a UUID in braces, as about:debugging does"
)]
pub struct NoExtensionId(String);

/// Who started the host, by its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A browser of Chromium's family: it gives the extension's origin first.
    Origin(String),
    /// One of Firefox's: it gives the manifest's path, then the add-on's id.
    AddOn(String),
}

impl Caller {
    /// Reads it from the arguments, without the program's name. `None` for what people type.
    ///
    /// What more a browser gives differs from one platform and version to the next, and is not
    /// looked at.
    pub fn from_arguments(arguments: &[OsString]) -> Option<Self> {
        let text = |index: usize| arguments.get(index)?.to_str();
        let first = text(0)?;
        if first.contains("://") {
            return Some(Self::Origin(first.to_owned()));
        }
        let manifest = Path::new(first);
        let is_manifest =
            manifest.is_absolute() && manifest.file_name() == Some(OsStr::new(MANIFEST_NAME));
        // One that names no add-on is refused: it is no browser that we know.
        is_manifest.then(|| Self::AddOn(text(1).unwrap_or_default().to_owned()))
    }

    /// Whether it may start the host. `file` lists the extensions besides the project's own; one
    /// that cannot be read lists none.
    pub fn is_allowed(&self, file: &Path) -> bool {
        let (family, name) = match self {
            Self::Origin(origin) => (Family::Chromium, origin),
            Self::AddOn(id) => (Family::Firefox, id),
        };
        let others = read_others(file).unwrap_or_default();
        others
            .iter()
            .chain([&ExtensionId::own(family)])
            .any(|id| id.family == family && id.in_manifest() == *name)
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin(origin) => f.pad(origin),
            Self::AddOn(id) => write!(f, "the add-on {id:?}"),
        }
    }
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
    const OTHER_ADD_ON: &str = "{01234567-89ab-cdef-0123-456789abcdef}";

    #[test]
    fn only_a_listed_extension_is_allowed_and_only_in_its_own_browsers_form() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("extensions.txt");
        let own = OWN_EXTENSION;
        let others: BTreeSet<ExtensionId> = [OTHER, OTHER_ADD_ON]
            .map(|id| id.parse().unwrap())
            .into_iter()
            .collect();
        let stranger = Caller::Origin(format!("chrome-extension://{OTHER}/"));
        assert!(!stranger.is_allowed(&file), "there is no file yet");
        write_others(&file, &others).unwrap();
        assert_eq!(read_others(&file).unwrap(), others);

        for (origin, expect) in [
            (format!("chrome-extension://{own}/"), true),
            (format!("chrome-extension://{OTHER}/"), true),
            (format!("chrome-extension://{own}"), false),
            (format!("chrome-extension://{own}/page.html"), false),
            (format!("chrome-extension://{}/", own.to_uppercase()), false),
            (format!("https://{own}/"), false),
            (format!("moz-extension://{own}/"), false),
            ("chrome-extension:///".to_owned(), false),
            (OWN_ADD_ON.to_owned(), false),
        ] {
            assert_eq!(
                Caller::Origin(origin.clone()).is_allowed(&file),
                expect,
                "{origin}"
            );
        }
        for (id, expect) in [
            (OWN_ADD_ON.to_owned(), true),
            (OTHER_ADD_ON.to_owned(), true),
            (OWN_ADD_ON.to_uppercase(), false),
            (format!("{OWN_ADD_ON}/"), false),
            (own.to_owned(), false),
            (format!("chrome-extension://{own}/"), false),
            (String::new(), false),
        ] {
            assert_eq!(Caller::AddOn(id.clone()).is_allowed(&file), expect, "{id}");
        }
    }

    #[test]
    fn a_caller_is_told_from_what_people_type() {
        #[track_caller]
        fn check(arguments: &[&str], expect: Option<&Caller>) {
            let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
            assert_eq!(
                Caller::from_arguments(&arguments).as_ref(),
                expect,
                "{arguments:?}"
            );
        }
        let origin = ExtensionId::own(Family::Chromium).in_manifest();
        let of_origin = Caller::Origin(origin.clone());
        check(&[&origin], Some(&of_origin));
        check(&[&origin, "--parent-window=0"], Some(&of_origin));
        let manifest = format!("/home/ada/.mozilla/native-messaging-hosts/{MANIFEST_NAME}");
        let own = Caller::AddOn(OWN_ADD_ON.to_owned());
        let nobody = Caller::AddOn(String::new());
        check(&[&manifest, OWN_ADD_ON], Some(&own));
        check(&[&manifest, OWN_ADD_ON, "more"], Some(&own));
        check(&[&manifest], Some(&nobody));
        check(&[MANIFEST_NAME, OWN_ADD_ON], None);
        check(&["/etc/passwd", OWN_ADD_ON], None);
        check(&["doctor"], None);
        check(&[], None);
    }

    #[test]
    fn an_id_is_of_chromium_or_of_firefox_or_none() {
        for (text, expect) in [
            (OWN_EXTENSION, Some(Family::Chromium)),
            (OWN_ADD_ON, Some(Family::Firefox)),
            (OTHER_ADD_ON, Some(Family::Firefox)),
            ("@domain", Some(Family::Firefox)),
            ("", None),
            ("abc", None),
            (&OTHER.to_uppercase(), None),
            (&OTHER.replace('p', "q"), None),
            (&format!("{OTHER}a"), None),
            ("name@", None),
            ("name@two@domain", None),
            ("na me@domain", None),
            ("{01234567}", None),
        ] {
            let found = text.parse::<ExtensionId>().ok().map(|id| id.family());
            assert_eq!(found, expect, "{text}");
        }
    }

    #[test]
    fn the_extensions_manifest_has_the_id_that_the_host_expects() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../extension/manifest.json");
        let manifest = std::fs::read(manifest).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        let id = &manifest["browser_specific_settings"]["gecko"]["id"];
        assert_eq!(*id, OWN_ADD_ON);
    }
}
