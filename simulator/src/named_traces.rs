//! Which traces arguments name: each once, whatever names it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use recorder::{LogOpened, Segment, Trace, is_named_as_segment};

use crate::console::{Console, number};
use crate::reading::{is_parquet, open, shown};

/// A trace that was named.
pub(crate) struct NamedTrace {
    /// What names it: what was written, or its first file where that is a folder of several.
    pub(crate) path: PathBuf,
    pub(crate) trace: anyhow::Result<Trace>,
}

impl NamedTrace {
    fn new(path: &Path, trace: anyhow::Result<Trace>) -> Self {
        Self {
            path: path.to_owned(),
            trace,
        }
    }
}

/// Finds what segments and folders name, in the order in which they are named. A folder stands for
/// each trace in it or, where it has none itself, in the folders in it. A trace that is named again,
/// by another of its segments or by its folder, is taken once, and a note says so. So does one of
/// files between them that are no traces by their names, as a shell's `*` gives them.
pub(crate) fn named_traces(names: &[PathBuf], console: &mut Console) -> Vec<NamedTrace> {
    let mut named = Vec::new();
    let mut known = BTreeSet::new();
    let mut again = Vec::new();
    let mut passed_over = Vec::new();
    for name in names {
        if names.len() > 1 && is_named_otherwise(name) {
            passed_over.push(name);
            continue;
        }
        let first = Segment::open(name).map(|segment| identity(name, &segment.header));
        if (first.as_ref()).is_ok_and(|first| known.contains(first)) {
            again.push(name);
            continue;
        }
        let count_before = named.len();
        let found = find(name);
        let found_count = found.len();
        named.extend(found.into_iter().filter(|it| match &it.trace {
            Ok(trace) => known.insert(identity(&trace.segments()[0].path, trace.header())),
            Err(_) => true,
        }));
        known.extend(first);
        if named.len() - count_before < found_count {
            again.push(name);
        }
    }
    if let Some(first) = passed_over.first() {
        if passed_over.len() == names.len() {
            return vec![NamedTrace::new(first, open(first))];
        }
        let more = match passed_over.len() as u64 - 1 {
            0 => " is no trace by its name, and was".to_owned(),
            more => format!(
                " and {} more are no traces by their names, and were",
                number(more)
            ),
        };
        console.note(format_args!("{}{more} passed over", shown(first)));
    }
    if let Some(first) = again.first() {
        let more = match again.len() as u64 - 1 {
            0 => " names what is".to_owned(),
            more => format!(" and {} more name what is", number(more)),
        };
        console.note(format_args!(
            "{}{more} named already; each trace is taken once",
            shown(first)
        ));
    }
    named
}

/// The same, where all of them are needed.
///
/// # Errors
/// What is wrong with the first that cannot be opened.
pub(crate) fn open_all(
    names: &[PathBuf],
    console: &mut Console,
) -> anyhow::Result<Vec<(PathBuf, Trace)>> {
    let named = named_traces(names, console).into_iter();
    named.map(|it| Ok((it.path, it.trace?))).collect()
}

fn find(name: &Path) -> Vec<NamedTrace> {
    if !name.is_dir() {
        return vec![NamedTrace::new(name, open(name))];
    }
    let own = in_folder(name);
    if !own.is_empty() {
        return own;
    }
    match folders_in(name) {
        Ok(folders) => {
            let below: Vec<_> = folders.iter().flat_map(|it| in_folder(it)).collect();
            if below.is_empty() {
                vec![NamedTrace::new(name, open(name))]
            } else {
                below
            }
        }
        Err(error) => vec![NamedTrace::new(name, Err(error))],
    }
}

/// The traces whose files are in a folder. The only one is called by it.
fn in_folder(folder: &Path) -> Vec<NamedTrace> {
    match Trace::open_each(folder) {
        Ok(found) => {
            let is_only = found.len() == 1;
            let found = found.into_iter().map(|(first, trace)| {
                let path = if is_only { folder } else { &first };
                NamedTrace::new(path, trace.map_err(anyhow::Error::from))
            });
            found.collect()
        }
        Err(error) => vec![NamedTrace::new(folder, Err(error.into()))],
    }
}

fn folders_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let cannot_read = || format!("{} cannot be read", shown(folder));
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).with_context(cannot_read)? {
        let path = entry.with_context(cannot_read)?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// Whether a file has a name that none of a trace has. Parquet says in the file what it is.
fn is_named_otherwise(file: &Path) -> bool {
    let is_for_parquet = file.extension().is_some_and(|it| it == "parquet");
    file.is_file() && !is_named_as_segment(file) && !is_for_parquet && !is_parquet(file)
}

/// What a trace is known again by: the folder of its files, and its session. A file in another form
/// stands alone.
fn identity(file: &Path, header: &LogOpened) -> (PathBuf, String) {
    let is_segment = file
        .extension()
        .is_some_and(|it| it == "jsonl" || it == "zst");
    let place = match file.parent() {
        Some(folder) if is_segment && folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) if is_segment => folder,
        _ => file,
    };
    let place = fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
    (place, header.session.to_string())
}

/// What traces are called for short: the last part of each path, or all of it where several share
/// that.
pub(crate) fn short_names<'a>(paths: impl Iterator<Item = &'a Path>) -> Vec<String> {
    let paths: Vec<&Path> = paths.collect();
    let mut shared: BTreeMap<String, usize> = BTreeMap::new();
    for path in &paths {
        *shared.entry(short_name(path)).or_default() += 1;
    }
    let name = |path: &Path| {
        let short = short_name(path);
        match shared.get(&short) {
            Some(1) => short,
            _ => path.display().to_string(),
        }
    };
    paths.into_iter().map(name).collect()
}

/// The last part of a path, without what tells the form.
fn short_name(path: &Path) -> String {
    let name = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy();
    let endings = [".jsonl.zst", ".jsonl", ".parquet"];
    let bare = endings.iter().find_map(|ending| name.strip_suffix(ending));
    bare.unwrap_or(&name).to_owned()
}

/// Traces by what is in them: what lies in two places is one trace, too.
#[derive(Default)]
pub(crate) struct Distinct(BTreeMap<String, PathBuf>);

impl Distinct {
    /// Takes in a trace that was read.
    ///
    /// # Errors
    /// Another that was taken in holds the same.
    pub(crate) fn take(&mut self, path: &Path, digest: &str) -> anyhow::Result<()> {
        if let Some(other) = self.0.get(digest) {
            bail!(
                "{} and {} are the same trace; name each once",
                shown(other),
                shown(path)
            );
        }
        self.0.insert(digest.to_owned(), path.to_owned());
        Ok(())
    }
}
