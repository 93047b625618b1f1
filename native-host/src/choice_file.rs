//! A file with a choice that holds for all browsers of a user.
//!
//! Popup and settings page change it through the host, and a host sees within seconds what another
//! one was told.

use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::paths::read_file;
use crate::watched_file::WatchedFile;

const MAX_FILE_BYTES: usize = 4 << 10;

/// Something that people choose. The default holds where nothing was chosen.
pub trait Choice: Copy + Default + Serialize + DeserializeOwned {
    /// What holds where the file cannot be read, and what is said of it.
    fn when_unreadable() -> (Self, &'static str);

    /// Checks what its type does not.
    ///
    /// # Errors
    /// The name of the first member that is not as it should be, with what was found and what was
    /// expected.
    fn check(&self) -> Result<(), (&'static str, String)> {
        Ok(())
    }
}

/// The file with a choice, and what was seen of it.
#[derive(Debug)]
pub struct ChoiceFile<T> {
    watched: WatchedFile,
    choice: PhantomData<T>,
}

impl<T: Choice> ChoiceFile<T> {
    /// Reads the choice to start with. Where there is none, nothing was chosen.
    pub fn open(path: PathBuf) -> (Self, T) {
        let mut file = Self {
            watched: WatchedFile::new(path),
            choice: PhantomData,
        };
        // What is read here counts as seen.
        file.watched.has_changed();
        let choice = file.take().unwrap_or_default();
        (file, choice)
    }

    /// Looks whether the file was changed, and reads it if so. One that is gone changes nothing.
    pub fn poll(&mut self) -> Option<T> {
        if !self.watched.has_changed() {
            return None;
        }
        self.take()
    }

    /// Reads the file: what was chosen, or what holds where that cannot be told.
    fn take(&self) -> Option<T> {
        match Self::read(self.watched.path()) {
            Ok(choice) => choice,
            Err(problem) => {
                let path = self.watched.path().display();
                let (choice, consequence) = T::when_unreadable();
                crate::report(format_args!("{path}: {problem}; {consequence}"));
                Some(choice)
            }
        }
    }

    /// Keeps a choice.
    ///
    /// # Errors
    /// What the system says. The file is as it was then.
    pub fn store(&mut self, choice: &T) -> io::Result<()> {
        let mut text = serde_json::to_vec(choice)?;
        text.push(b'\n');
        self.watched.write(&text)
    }

    /// Reads a file with a choice; `None` where there is none.
    ///
    /// # Errors
    /// Why there is no choice in it, for people.
    pub fn read(path: &Path) -> Result<Option<T>, String> {
        let text = read_file(path, MAX_FILE_BYTES).map_err(|error| error.to_string())?;
        let Some(text) = text else { return Ok(None) };
        let choice: T = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        match choice.check() {
            Ok(()) => Ok(Some(choice)),
            Err((name, problem)) => Err(format!("{name}: {problem}")),
        }
    }
}
