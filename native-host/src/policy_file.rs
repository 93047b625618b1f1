//! The policy file: the truth about the policy.
//!
//! People edit it, and the options page changes it through the host. A bad one is refused with
//! the line and the reason, and the policy that was in force stays.

use std::io;
use std::path::{Path, PathBuf};

use engine::{PolicyDocument, PolicyError};
use serde::Serialize;
use thiserror::Error;

use crate::paths::{read_file, write_private_file};
use crate::policy_text::changed;
use crate::watched_file::WatchedFile;

/// The longest policy, in bytes: it has to fit on a line of the log and in a message to the
/// browser, with room for both to be written in another way than the file.
pub const MAX_POLICY_BYTES: usize = 256 << 10;

/// The policy file and what is known of it.
#[derive(Debug)]
pub struct PolicyFile {
    watched: WatchedFile,
    last_good: PathBuf,
    refusal: Option<Refusal>,
}

impl PolicyFile {
    /// Reads the policy to start with. A missing file is written with the defaults: whoever deletes
    /// it begins anew.
    ///
    /// Where the file is refused or cannot be written, the policy is the last one that was in force,
    /// or the defaults where there never was one: a slip in an edit, or a link that leads nowhere
    /// for now, must not lay the protected domains bare.
    pub fn open(path: PathBuf, last_good: PathBuf) -> (Self, PolicyDocument) {
        let mut file = Self {
            watched: WatchedFile::new(path),
            last_good,
            refusal: None,
        };
        // What is read here counts as seen.
        file.watched.has_changed();
        let policy = match file.read() {
            Ok(Some(policy)) => policy,
            Ok(None) => {
                let policy = PolicyDocument::default();
                match file.write(&policy) {
                    Ok(()) => policy,
                    Err(error) => {
                        file.refusal = Some(Refusal::of_io(file.watched.path(), &error));
                        file.former_policy()
                    }
                }
            }
            Err(refusal) => {
                file.refusal = Some(refusal);
                file.former_policy()
            }
        };
        (file, policy)
    }

    /// Looks whether the file was changed, and reads it if so. `Some` is what came of it.
    ///
    /// A file that is gone changes nothing: an editor may be about to put a new one in its place.
    pub fn poll(&mut self) -> Option<Result<PolicyDocument, Refusal>> {
        if !self.watched.has_changed() {
            return None;
        }
        let result = self.read().transpose()?;
        self.refusal = result.as_ref().err().cloned();
        Some(result)
    }

    /// Writes a policy as the new truth. Of a file that says a policy only what differs is changed;
    /// any other is written anew, with what each setting means as comments.
    ///
    /// # Errors
    /// [`StoreError::Refused`] where the file as it stands was refused: somebody's edit is in it.
    /// What the system says, or that the policy is too long. The file is as it was then.
    pub fn store(&mut self, policy: &PolicyDocument) -> Result<(), StoreError> {
        if let Some(refusal) = self
            .refusal
            .clone()
            .filter(|_| self.watched.path().exists())
        {
            return Err(StoreError::Refused(refusal));
        }
        self.write(policy).map_err(StoreError::Io)?;
        self.refusal = None;
        Ok(())
    }

    /// Why the file as it stands was refused; `None` when it is in force.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// The file's name without its folders: where a user keeps files is nobody's business.
    pub fn name(&self) -> String {
        name_of(self.watched.path())
    }

    /// Where its owner finds the file: from the home folder on, which is written `~` and not by its
    /// name. Of a file that is elsewhere it is the name alone.
    pub fn place(&self) -> String {
        let home = etcetera::home_dir().ok();
        let inside = home.and_then(|home| self.watched.path().strip_prefix(home).ok());
        inside.map_or_else(|| self.name(), |path| format!("~/{}", path.display()))
    }

    fn write(&mut self, policy: &PolicyDocument) -> io::Result<()> {
        let present = read_file(self.watched.path(), MAX_POLICY_BYTES)
            .ok()
            .flatten();
        let text = present
            .and_then(|present| changed(&present, policy))
            .unwrap_or_else(|| policy.to_toml());
        if text.len() > MAX_POLICY_BYTES {
            let problem = format!("it is longer than {MAX_POLICY_BYTES} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
        }
        self.watched.write(text.as_bytes())?;
        self.keep_as_good(&text);
        Ok(())
    }

    fn read(&self) -> Result<Option<PolicyDocument>, Refusal> {
        let Some((text, policy)) = read(self.watched.path())? else {
            return Ok(None);
        };
        self.keep_as_good(&text);
        Ok(Some(policy))
    }

    /// Keeps a copy of a valid policy. It serves only where a later file is bad or out of reach, so
    /// a copy that cannot be written is no failure.
    fn keep_as_good(&self, text: &str) {
        if !matches!(read_file(&self.last_good, MAX_POLICY_BYTES), Ok(Some(kept)) if kept == text) {
            let _ = write_private_file(&self.last_good, text.as_bytes());
        }
    }

    fn former_policy(&self) -> PolicyDocument {
        let text = read_file(&self.last_good, MAX_POLICY_BYTES).ok().flatten();
        text.and_then(|text| PolicyDocument::from_toml(&text).ok())
            .unwrap_or_default()
    }
}

/// Whether the last good policy serves in place of a file: it is refused, or a link that leads
/// nowhere. One that was deleted is neither.
pub fn is_out_of_force(path: &Path) -> bool {
    read(path).is_err()
}

/// Reads a policy; `None` where there is no file.
fn read(path: &Path) -> Result<Option<(String, PolicyDocument)>, Refusal> {
    let text = read_file(path, MAX_POLICY_BYTES).map_err(|error| Refusal::of_io(path, &error))?;
    let Some(text) = text else { return Ok(None) };
    let policy = PolicyDocument::from_toml(&text).map_err(|error| {
        let PolicyError {
            line,
            field,
            problem,
        } = error;
        Refusal {
            file: name_of(path),
            line,
            field,
            problem,
        }
    })?;
    Ok(Some((text, policy)))
}

/// Why a policy was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The file's name, without folders.
    pub file: String,
    /// The line, from 1, where it can be told.
    pub line: Option<usize>,
    /// The setting, by its path.
    pub field: Option<String>,
    /// What was found and what was expected.
    pub problem: String,
}

impl Refusal {
    fn of_io(path: &Path, error: &io::Error) -> Self {
        Self {
            file: name_of(path),
            line: None,
            field: None,
            problem: error.to_string(),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.file)?;
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.problem)
    }
}

/// Why a policy was not stored.
#[derive(Debug, Error)]
pub enum StoreError {
    /// What is in the file would be lost.
    #[error("the file has to be corrected first: {0}")]
    Refused(Refusal),
    /// The file could not be written.
    #[error("{0}")]
    Io(io::Error),
}

/// Lays some members of a policy over a whole one, inside its tables too. A `null` switches an
/// optional setting off.
///
/// # Errors
/// What is wrong with the result.
pub fn lay_over(
    present: &PolicyDocument,
    members: &serde_json::Map<String, serde_json::Value>,
) -> Result<PolicyDocument, PolicyError> {
    let mut document = present.to_json();
    merge(&mut document, members);
    PolicyDocument::from_json(&document.to_string()).map_err(|error| PolicyError {
        // It counts the lines of a text that nobody has seen.
        line: None,
        ..error
    })
}

fn merge(into: &mut serde_json::Value, members: &serde_json::Map<String, serde_json::Value>) {
    for (name, value) in members {
        match (into.get_mut(name), value) {
            (Some(table @ serde_json::Value::Object(_)), serde_json::Value::Object(inner)) => {
                merge(table, inner);
            }
            _ => into[name] = value.clone(),
        }
    }
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("config/policy.toml")
        }

        fn last_good(&self) -> PathBuf {
            self.0.path().join("state/last-good.toml")
        }

        fn open(&self) -> (PolicyFile, PolicyDocument) {
            PolicyFile::open(self.path(), self.last_good())
        }
    }

    fn with_ttl(minutes: f64) -> PolicyDocument {
        PolicyDocument::from_toml(&format!("ttl_minutes = {minutes}")).unwrap()
    }

    #[test]
    fn a_missing_file_is_written_with_the_defaults() {
        let folder = Folder::new();
        let (mut file, policy) = folder.open();
        assert_eq!(policy, PolicyDocument::default());
        assert_eq!(fs::read_to_string(folder.path()).unwrap(), policy.to_toml());
        assert_eq!(file.poll(), None);
        assert_eq!(file.refusal(), None);
    }

    #[test]
    fn a_file_that_was_deleted_is_written_with_the_defaults_and_nothing_of_it_is_kept() {
        let folder = Folder::new();
        folder.open().0.store(&with_ttl(30.0)).unwrap();
        fs::remove_file(folder.path()).unwrap();
        let (file, policy) = folder.open();
        assert_eq!(policy, PolicyDocument::default());
        assert_eq!(file.refusal(), None);
        let defaults = policy.to_toml();
        assert_eq!(fs::read_to_string(folder.path()).unwrap(), defaults);
        assert_eq!(fs::read_to_string(folder.last_good()).unwrap(), defaults);
    }

    #[test]
    fn where_no_file_can_be_written_the_policy_before_holds() {
        let folder = Folder::new();
        folder.open().0.store(&with_ttl(30.0)).unwrap();
        let config = folder.path().parent().unwrap().to_owned();
        fs::remove_dir_all(&config).unwrap();
        // Modes would mean nothing to root.
        std::os::unix::fs::symlink("nowhere", &config).unwrap();
        let (file, policy) = folder.open();
        assert_eq!(policy, with_ttl(30.0));
        file.refusal().unwrap();
    }

    #[test]
    fn a_change_is_seen_however_it_is_made() {
        let folder = Folder::new();
        let (mut file, _) = folder.open();
        // In place, by a rename, gone and back, by ourselves.
        fs::write(folder.path(), "ttl_minutes = 20").unwrap();
        assert_eq!(file.poll(), Some(Ok(with_ttl(20.0))));
        assert_eq!(file.poll(), None);
        let draft = folder.path().with_extension("swp");
        fs::write(&draft, "ttl_minutes = 21").unwrap();
        fs::rename(&draft, folder.path()).unwrap();
        assert_eq!(file.poll(), Some(Ok(with_ttl(21.0))));
        fs::remove_file(folder.path()).unwrap();
        assert_eq!(file.poll(), None);
        fs::write(folder.path(), "ttl_minutes = 22").unwrap();
        assert_eq!(file.poll(), Some(Ok(with_ttl(22.0))));
        file.store(&with_ttl(23.0)).unwrap();
        assert_eq!(file.poll(), None);
        assert_eq!(folder.open().1, with_ttl(23.0));
    }

    #[test]
    fn a_bad_file_is_refused_with_its_line_and_the_old_policy_stays() {
        let folder = Folder::new();
        let (mut file, _) = folder.open();
        file.store(&with_ttl(30.0)).unwrap();
        fs::write(folder.path(), "# mine\nttl_minutes = 0").unwrap();
        let refusal = file.poll().unwrap().unwrap_err();
        let expect = "policy.toml: line 2: ttl_minutes: found 0.0, expected 1 to 10080 minutes";
        assert_eq!(refusal.to_string(), expect);
        assert_eq!(file.refusal(), Some(&refusal));
        // What somebody has written is not written over.
        let error = file.store(&with_ttl(32.0)).unwrap_err();
        assert!(matches!(error, StoreError::Refused(it) if it == refusal));

        // So it is after a restart, which has nothing but the bad file and the copy.
        let (mut file, policy) = folder.open();
        assert_eq!(policy, with_ttl(30.0));
        assert_eq!(file.refusal(), Some(&refusal));
        assert_eq!(
            fs::read_to_string(folder.path()).unwrap(),
            "# mine\nttl_minutes = 0"
        );

        fs::write(folder.path(), "ttl_minutes = 31").unwrap();
        assert_eq!(file.poll(), Some(Ok(with_ttl(31.0))));
        assert_eq!(file.refusal(), None);

        // One that is gone has nothing to lose.
        fs::write(folder.path(), "ttl_minutes = 0").unwrap();
        file.poll().unwrap().unwrap_err();
        fs::remove_file(folder.path()).unwrap();
        file.store(&with_ttl(32.0)).unwrap();
        assert_eq!(file.refusal(), None);
    }

    #[test]
    fn a_link_to_nothing_is_told_and_followed_once_it_leads_somewhere() {
        let folder = Folder::new();
        let (target, link) = (folder.0.path().join("mine.toml"), folder.path());
        fs::create_dir(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let (mut file, policy) = folder.open();
        assert_eq!(policy, PolicyDocument::default());
        let refusal = file.refusal().unwrap().to_string();
        assert_eq!(refusal, "policy.toml: it is a link that leads nowhere");
        file.store(&with_ttl(20.0)).unwrap_err();
        fs::write(&target, "ttl_minutes = 21").unwrap();
        assert_eq!(file.poll(), Some(Ok(with_ttl(21.0))));
        file.store(&with_ttl(22.0)).unwrap();
        assert!(link.is_symlink() && file.refusal().is_none());
        assert_eq!(folder.open().1, with_ttl(22.0));
        // The disk that it leads to is away: nobody has deleted the policy.
        fs::remove_file(&target).unwrap();
        let (file, policy) = folder.open();
        assert_eq!(policy, with_ttl(22.0));
        assert!(file.refusal().is_some() && link.is_symlink());
    }

    #[test]
    fn a_part_is_laid_over_inside_tables_too() {
        #[track_caller]
        fn check(members: &str, expect: Result<&str, &str>) {
            let members: serde_json::Map<_, _> = serde_json::from_str(members).unwrap();
            let base = "ttl_minutes = 20\ntarget_free_percent = 30.0\n[focus]\ncluster_cap = 5";
            let base = PolicyDocument::from_toml(base).unwrap();
            let found = lay_over(&base, &members);
            match expect {
                Ok(toml) => assert_eq!(found, Ok(PolicyDocument::from_toml(toml).unwrap())),
                Err(start) => {
                    let error = found.unwrap_err().to_string();
                    assert!(
                        error.starts_with(start) && !error.contains(" at line "),
                        "found: {error}\nexpected: {start}"
                    );
                }
            }
        }
        let base = "ttl_minutes = 20\ntarget_free_percent = 30.0\n[focus]\ncluster_cap = 5";
        check("{}", Ok(base));
        check(
            r#"{"focus":{"enabled":false}}"#,
            Ok(&format!("{base}\nenabled = false")),
        );
        check(
            r#"{"target_free_percent":null}"#,
            Ok("ttl_minutes = 20\n[focus]\ncluster_cap = 5"),
        );
        check(
            r#"{"ttl_minutes":0}"#,
            Err("ttl_minutes: found 0.0, expected"),
        );
        check(r#"{"focus":3}"#, Err("invalid type: integer `3`"));
        check(r#"{"bold":true}"#, Err("unknown field `bold`"));
    }
}
