//! Makes a trace from lines of others: gives them their new places, and leads what refers to a
//! place to the new one.
//!
//! What refers to a line that is not there any more is left out and counted, never pointed
//! elsewhere: a decision whose input is gone, an outcome whose decision is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use engine::Seq;
use recorder::{
    Body, Composed, Line, LogOpened, Opening, Origin, TraceComposer, WriteError, session_made_from,
};
use serde::Serialize;

/// How many decisions are remembered for their outcomes, which follow within seconds.
const DECISIONS_REMEMBERED: usize = 65_536;

/// A line for a derived trace, that has no place yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// The line's place in the trace it comes from; `None` where it comes from none.
    pub from: Option<Seq>,
    /// Its time.
    pub t_ms: i64,
    /// The extension's clock, on the extension's lines.
    pub at_ms: Option<i64>,
    /// What it says.
    pub body: Body,
}

impl Piece {
    /// Creates a line that stands in no other trace.
    pub fn new(t_ms: i64, body: Body) -> Self {
        Self {
            from: None,
            t_ms,
            at_ms: None,
            body,
        }
    }
}

impl From<Line> for Piece {
    fn from(line: Line) -> Self {
        Self {
            from: Some(line.seq),
            t_ms: line.t_ms,
            at_ms: line.at_ms,
            body: line.body,
        }
    }
}

/// How much became of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// The lines of the new trace, with what the writer makes itself.
    pub lines: u64,
    /// Outputs and outcomes left out, since what they refer to is not there.
    pub left_out: u64,
    /// Lines left out because their type is not known.
    pub unknown: u64,
}

/// A derived trace, as it is written.
pub struct Derivation {
    composer: TraceComposer,
    /// The last input: its place before and now.
    last_input: Option<(Seq, Seq)>,
    /// Where the decisions are now, by their places before.
    decisions: BTreeMap<Seq, Seq>,
    copied: Copied,
}

impl Derivation {
    /// Begins with no line.
    pub fn new(composer: TraceComposer) -> Self {
        Self {
            composer,
            last_input: None,
            decisions: BTreeMap::new(),
            copied: Copied::default(),
        }
    }

    /// Goes on to another trace, whose places have nothing to do with the last one's.
    pub fn begin_source(&mut self) {
        self.last_input = None;
        self.decisions.clear();
    }

    /// Appends a line, if it is one to keep: what the writer of the other trace said of its own
    /// segments and restarts is passed over.
    ///
    /// # Errors
    /// As [`TraceComposer::append`].
    pub fn append(&mut self, piece: Piece) -> Result<(), WriteError> {
        let Piece {
            from,
            t_ms,
            at_ms,
            body,
        } = piece;
        let body = match body {
            Body::LogOpened(_) | Body::LogResumed(_) | Body::Checkpoint(_) | Body::LogClosed(_) => {
                return Ok(());
            }
            Body::Unknown { .. } => {
                self.copied.unknown += 1;
                return Ok(());
            }
            body => body,
        };
        let is_decision = matches!(body, Body::Decision(_));
        let is_output = is_decision || matches!(body, Body::PressureChanged(_));
        let Some(body) = self.lead(body) else {
            self.copied.left_out += 1;
            return Ok(());
        };
        let seq = self.composer.append(t_ms, at_ms, body)?;
        if is_decision && let Some(from) = from {
            self.decisions.insert(from, seq);
            if self.decisions.len() > DECISIONS_REMEMBERED {
                self.decisions.pop_first();
            }
        } else if !is_output {
            self.last_input = from.map(|from| (from, seq));
        }
        Ok(())
    }

    /// Returns the time of the last line.
    pub fn last_t_ms(&self) -> i64 {
        self.composer.last_t_ms()
    }

    /// Seals the trace and gives its folder the name, which it returns with how much became of the
    /// lines.
    ///
    /// # Errors
    /// As [`TraceComposer::finish`].
    pub fn finish(self) -> Result<(PathBuf, Copied), WriteError> {
        let t_ms = self.composer.last_t_ms();
        let Composed { folder, lines } = self.composer.finish(t_ms)?;
        let copied = Copied {
            lines,
            ..self.copied
        };
        Ok((folder, copied))
    }

    /// Leads a reference to where its line is now; `None` where that is not there.
    fn lead(&self, body: Body) -> Option<Body> {
        let cause_now = |cause: Seq| {
            self.last_input
                .filter(|(before, _)| *before == cause)
                .map(|(_, now)| now)
        };
        Some(match body {
            Body::Decision(mut it) => {
                it.cause = cause_now(it.cause)?;
                Body::Decision(it)
            }
            Body::PressureChanged(mut it) => {
                it.cause = cause_now(it.cause)?;
                Body::PressureChanged(it)
            }
            Body::DiscardOutcome(mut it) => {
                it.decision = *self.decisions.get(&it.decision)?;
                Body::DiscardOutcome(it)
            }
            Body::OrderDropped(mut it) => {
                it.decision = *self.decisions.get(&it.decision)?;
                Body::OrderDropped(it)
            }
            body => body,
        })
    }
}

/// Says what a trace is that was made from another, in a way that `how` describes. The same two
/// make the same trace.
pub fn opening(source: &LogOpened, t_ms: i64, how: &str) -> Opening {
    let derived_from = format!("{}, {how}", source.session);
    Opening {
        session: session_made_from(t_ms, derived_from.as_bytes()),
        // A host must not go on with it.
        extension_session: None,
        engine: source.engine,
        host_version: source.host_version.clone(),
        platform: source.platform.clone(),
        privacy: source.privacy,
        origin: Origin::Derived,
        generator: None,
        seed: None,
        importer: None,
        derived_from: Some(derived_from),
    }
}
