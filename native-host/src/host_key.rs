//! The key that hostnames are hashed under: made once, kept beside the logs, told to nobody.

use std::io::{self, ErrorKind};
use std::path::Path;

use recorder::{HostKey, Naming, Privacy};

use crate::paths::{create_private_file, read_file, write_private_file};

/// The length of a file with a key: 64 hex digits and the line's end.
const FILE_BYTES: usize = 65;

/// A key, and how it came.
#[derive(Debug)]
pub struct KeptKey {
    /// The key.
    pub key: HostKey,
    /// Whether it was made now, so that no name in any log is under it.
    pub is_new: bool,
}

/// What is in the file of the key.
#[derive(Debug)]
pub enum Found {
    /// There is no file.
    Nothing,
    /// A key.
    Key(HostKey),
    /// Something else.
    Damaged,
}

/// Looks for the key.
///
/// # Errors
/// What the system says.
pub fn find(path: &Path) -> io::Result<Found> {
    match read_file(path, FILE_BYTES) {
        Ok(None) => Ok(Found::Nothing),
        Ok(Some(text)) => Ok(parse(&text).map_or(Found::Damaged, Found::Key)),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => Ok(Found::Damaged),
        Err(error) if error.kind() == ErrorKind::InvalidData => Ok(Found::Damaged),
        Err(error) => Err(error),
    }
}

/// Reads the key. Where there is none one is made, from the system's randomness; so it is where
/// it is damaged, since names under a guess would be worth nothing.
///
/// # Errors
/// What the system says. Nothing is to be written then: the names would be plain.
pub fn read_or_make(path: &Path) -> io::Result<KeptKey> {
    let is_damaged = match find(path)? {
        Found::Key(key) => return Ok(KeptKey { key, is_new: false }),
        Found::Nothing => false,
        Found::Damaged => true,
    };
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let text = format!("{}\n", engine::hex(&bytes));
    if is_damaged {
        crate::report(format_args!(
            "{}: found no key of 64 hex digits; another is made, and what hashed names of before \
             stood for is not known any more",
            path.display()
        ));
        write_private_file(path, text.as_bytes())?;
    } else {
        match create_private_file(path, text.as_bytes()) {
            // Another browser's host made one between the two.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return read_or_make(path),
            result => result?,
        }
    }
    let key = HostKey::new(bytes);
    Ok(KeptKey { key, is_new: true })
}

fn parse(text: &str) -> Option<HostKey> {
    let digits = text.strip_suffix('\n').unwrap_or(text);
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(HostKey::new(bytes))
}

/// The names that hosts have in a log, and whether the key to them was made now.
pub fn naming(privacy: Privacy, key: &Path) -> io::Result<(Naming, bool)> {
    let under = match privacy {
        Privacy::Hostname => return Ok((Naming::Hostname, false)),
        Privacy::Site => Naming::Site,
        Privacy::KeyedHash => Naming::KeyedHash,
    };
    let kept = read_or_make(key)?;
    Ok((under(kept.key), kept.is_new))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_again_where_it_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/host-key");
        let made = read_or_make(&path).unwrap();
        assert!(made.is_new);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = read_or_make(&path).unwrap();
        assert!(!read.is_new);
        assert_eq!(read.key, made.key);

        let text = fs::read_to_string(&path).unwrap();
        for damaged in [
            "",
            &text[1..],
            &format!("{text}{text}"),
            &text.replace(&text[..2], "é"),
        ] {
            fs::write(&path, damaged).unwrap();
            let other = read_or_make(&path).unwrap();
            assert!(other.is_new, "{damaged:?}");
            assert_ne!(other.key, made.key);
        }
        fs::write(&path, [0xff; 64]).unwrap();
        assert!(read_or_make(&path).unwrap().is_new);

        let another = folder.path().join("another/host-key");
        assert_ne!(read_or_make(&another).unwrap().key, made.key);
    }

    #[test]
    fn without_a_key_there_is_an_error_and_no_plain_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host-key");
        fs::create_dir(&path).unwrap();
        read_or_make(&path).unwrap_err();
        fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        let error = read_or_make(&path).unwrap_err();
        assert_eq!(error.to_string(), "it is a link that leads nowhere");
    }
}
