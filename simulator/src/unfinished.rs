//! What is being made on the disk goes with the program where a signal ends it. What a signal that
//! nobody hears has left is the next one's to remove.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// A file or a folder that SIGINT and SIGTERM remove, until this is dropped.
pub(crate) struct Unfinished(PathBuf);

struct All {
    places: BTreeSet<PathBuf>,
    is_listening: bool,
}

static ALL: Mutex<All> = Mutex::new(All {
    places: BTreeSet::new(),
    is_listening: false,
});

impl Unfinished {
    /// Begins with what is made and where it is. No signal comes between.
    pub(crate) fn begin<T>(
        make: impl FnOnce() -> anyhow::Result<(T, PathBuf)>,
    ) -> anyhow::Result<(T, Self)> {
        let mut all = all();
        if !all.is_listening {
            listen().context("cannot listen for signals")?;
            all.is_listening = true;
        }
        let (made, place) = make()?;
        all.places.insert(place.clone());
        Ok((made, Self(place)))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        all().places.remove(&self.0);
    }
}

fn all() -> MutexGuard<'static, All> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // Held to the end: nothing is begun, and no thread that misses its files tells of it.
            let all = all();
            for place in &all.places {
                remove(place);
            }
            if emulate_default_handler(signal).is_err() {
                process::exit(128 + signal);
            }
        }
    })?;
    Ok(())
}

/// Removes a file, or a folder with what other threads still put there. What cannot be removed the
/// next process does.
fn remove(place: &Path) {
    if place.is_dir() {
        let is_filling = |error: &io::Error| error.kind() == ErrorKind::DirectoryNotEmpty;
        while fs::remove_dir_all(place).is_err_and(|error| is_filling(&error)) {}
    } else {
        let _ = fs::remove_file(place);
    }
}
