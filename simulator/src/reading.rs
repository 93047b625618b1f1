//! Reads a trace for a command: a line at a time, with progress where it takes a while; and what
//! people write for one.

use std::collections::BTreeSet;
use std::fs::{self, File};
#[cfg(feature = "analysis")]
use std::io;
use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::Path;
#[cfg(feature = "analysis")]
use std::sync::Arc;

use anyhow::{anyhow, bail};
use engine::{TabId, WindowId};
use indicatif::{ProgressBar, ProgressStyle};
use recorder::{Body, Line, Trace, TraceReader};
#[cfg(feature = "analysis")]
use recorder::{Flaw, ReadError};
use serde::Serialize;
use serde::de::DeserializeOwned;
#[cfg(feature = "analysis")]
use simulator::parquet::ParquetTrace;

use crate::console::{Console, RECOVER_HELPS, Safe};

/// A trace that is larger shows its progress. A smaller one takes well under a second.
const PROGRESS_FROM_BYTES: u64 = 16 << 20;

/// How many lines are read between two looks at the clock.
pub(crate) const LINES_A_TICK: u64 = 4_096;

/// How much smaller zstd makes a trace, about; for progress only.
const COMPRESSION: u64 = 10;

/// More tabs and windows than this are open in no browser: people who boast of many have some thousands.
/// Some baselines look at each of them at every sample.
const OPEN_MAX: usize = 20_000;

/// How reading ended.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ending {
    /// Lines that were read.
    pub(crate) lines: u64,
    /// A hash of them, the same for plain and compressed files.
    pub(crate) digest: String,
    /// Whether the log was closed in order.
    pub(crate) is_sealed: bool,
    /// Bytes of an unfinished end, which are passed over.
    pub(crate) torn_bytes: u64,
    /// Bytes that a later segment has anew, after a sync that failed.
    pub(crate) superseded_bytes: u64,
    /// A segment that should follow and is not there.
    pub(crate) missing_segment: Option<u32>,
}

/// What is shown while a trace is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// How far it has come, if the trace is large and stderr is a terminal.
    Progress,
    /// The same, but nothing of the end, which was told the first time.
    ProgressAgain,
    /// Nothing but the end: the command's own lines come out meanwhile.
    Nothing,
}

/// Opens the trace that a path names, in any form that this program reads.
pub(crate) fn open(path: &Path) -> anyhow::Result<Trace> {
    if is_parquet(path) {
        open_parquet(path)
    } else {
        Ok(Trace::open(path)?)
    }
}

/// Whether a file says that it is Parquet, whatever it is called.
pub(crate) fn is_parquet(path: &Path) -> bool {
    let mut magic = [0; 4];
    path.is_file()
        && File::open(path).is_ok_and(|mut file| file.read_exact(&mut magic).is_ok())
        && magic == *b"PAR1"
}

#[cfg(feature = "analysis")]
fn open_parquet(path: &Path) -> anyhow::Result<Trace> {
    let fail = |error: io::Error| match error.kind() {
        io::ErrorKind::InvalidData => Flaw::Damaged(error),
        _ => Flaw::Io(error),
    };
    let source = ParquetTrace::open(path).map_err(|error| ReadError {
        file: path.to_owned(),
        at: None,
        flaw: fail(error),
    })?;
    Ok(Trace::from_source(path, Arc::new(source))?)
}

#[cfg(not(feature = "analysis"))]
fn open_parquet(path: &Path) -> anyhow::Result<Trace> {
    bail!("{}: {NO_PARQUET}", path.display())
}

/// What is said where Parquet is asked for and not built in.
#[cfg(not(feature = "analysis"))]
pub(crate) const NO_PARQUET: &str = "Parquet is not built into this program; build it with \
     `cargo build --release -p simulator --features analysis`";

/// Reads a trace to its end, or until `take` has enough. What is odd about the end is told.
pub(crate) fn read(
    trace: &Trace,
    show: Show,
    console: &mut Console,
    mut take: impl FnMut(&Line, &mut Console) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<Ending> {
    read_with(trace, show, console, |line, _, console| take(line, console))
}

/// The same; `take` sees the reader, too, as it stands after the line.
pub(crate) fn read_with(
    trace: &Trace,
    show: Show,
    console: &mut Console,
    mut take: impl FnMut(&Line, &TraceReader, &mut Console) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<Ending> {
    let mut reader = trace.read_ahead();
    let files = trace.segments().iter().map(|segment| &*segment.path);
    let progress = Progress::of(files, show);
    let mut has_enough = false;
    let mut open = OpenTabs::default();
    while reader.lend()?.is_some()
        && let Some(line) = reader.line()
    {
        if open.follow(&line.body) > OPEN_MAX {
            let position = reader.position();
            let (path, line) = position.map(|it| (it.file, it.at.line)).unwrap_or_default();
            bail!(
                "{}, line {line}: found more than {OPEN_MAX} tabs and windows open at once, which \
                 no browser has; such a trace is not read further",
                shown(&path)
            );
        }
        if reader.line_count().is_multiple_of(LINES_A_TICK)
            && let Some(position) = reader.position()
        {
            progress.show(&position.file, position.at.byte);
        }
        if take(line, &reader, console)?.is_break() {
            has_enough = true;
            break;
        }
    }
    progress.finish();
    let ending = Ending {
        lines: reader.line_count(),
        digest: reader.digest(),
        is_sealed: reader.sealed(),
        torn_bytes: reader.torn_tail().map_or(0, |tail| tail.bytes),
        superseded_bytes: reader.superseded_bytes(),
        missing_segment: reader.missing_segment(),
    };
    if !has_enough && show != Show::ProgressAgain {
        if let Some(tail) = reader.torn_tail() {
            console.note(format_args!(
                "{}: the end is torn: {} bytes from byte {} on are an unfinished line and are \
                 passed over{RECOVER_HELPS}",
                Safe(&tail.file.display().to_string()),
                tail.bytes,
                tail.byte
            ));
        }
        if let Some(segment) = ending.missing_segment {
            console.note(format_args!(
                "segment {segment} should follow and is not there: the host was stopped before it \
                 began, or the file is lost"
            ));
        }
    }
    Ok(ending)
}

/// How many tabs and windows are open. What is kept of them is all that grows with a trace, so it is
/// what a hostile one would make grow.
#[derive(Default)]
struct OpenTabs {
    tabs: BTreeSet<TabId>,
    windows: BTreeSet<WindowId>,
}

impl OpenTabs {
    /// Takes a line in, and returns how many are open after it.
    fn follow(&mut self, body: &Body) -> usize {
        match body {
            Body::SessionStarted(session) => {
                self.tabs = session.tabs.iter().map(|tab| tab.tab).collect();
                self.windows = session.windows.iter().map(|window| window.win).collect();
            }
            Body::TabOpened(it) => drop(self.tabs.insert(it.tab)),
            Body::TabClosed(it) => drop(self.tabs.remove(&it.tab)),
            Body::TabReplaced(it) => {
                let was_open = self.tabs.remove(&it.old);
                self.tabs.extend(was_open.then_some(it.tab));
            }
            Body::WindowOpened(it) => drop(self.windows.insert(it.win)),
            Body::WindowClosed(it) => drop(self.windows.remove(&it.win)),
            _ => {}
        }
        self.tabs.len() + self.windows.len()
    }
}

/// Reads what stands in a TOML file; an error names the file and the line.
pub(crate) fn from_toml<T: DeserializeOwned>(path: &Path, text: &str) -> anyhow::Result<T> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let before = text.as_bytes()[..start].iter();
        let line = before.filter(|&&byte| byte == b'\n').count() + 1;
        anyhow!("{}, line {line}: {}", shown(path), error.message())
    })
}

/// Says what a session's path is to people.
pub(crate) fn shown(path: &Path) -> String {
    Safe(&path.display().to_string()).to_string()
}

/// How far reading has come, by the bytes of the files. Shown on a terminal only, on stderr.
pub(crate) struct Progress {
    bar: ProgressBar,
    files: Vec<(std::path::PathBuf, u64)>,
}

impl Progress {
    pub(crate) fn of<'a>(files: impl Iterator<Item = &'a Path>, show: Show) -> Self {
        let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
        let files: Vec<_> = files.map(|path| (path.to_owned(), size(path))).collect();
        let total = files.iter().map(|(_, size)| size).sum();
        let bar = if show == Show::Nothing || total < PROGRESS_FROM_BYTES {
            ProgressBar::hidden()
        } else {
            let style = "{wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
            let style = ProgressStyle::with_template(style).expect("the template is well formed");
            ProgressBar::new(total).with_style(style)
        };
        Self { bar, files }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    pub(crate) fn show(&self, file: &Path, byte: u64) {
        let mut before = 0;
        for (path, size) in &self.files {
            if path == file {
                let is_compressed = path.extension().is_some_and(|extension| extension == "zst");
                let within = if is_compressed {
                    byte / COMPRESSION
                } else {
                    byte
                };
                self.bar.set_position(before + within.min(*size));
                return;
            }
            before += size;
        }
    }
}
