//! Puts traces of one person into one, one after another.
//!
//! Ids: a browser counts its tabs, windows and groups anew in each session, so ids of the first
//! trace stay, and those of each later one are moved up by the same multiple of 2^32, the lowest
//! that is above all ids before it. (Negative ids are moved down.)
//!
//! Gaps: where one trace ends, everything is closed, by a snapshot with nothing in it; the time to
//! the next one is told as `suspended`, so that it ages nothing; and pauses, the mode and the wall
//! clock go back to what they are at a trace's beginning.

use engine::Mode;
use recorder::{
    Body, ClockStepped, Line, LogOpened, ModeChanged, Paused, SessionStarted, Suspended,
};
use thiserror::Error;

use crate::derivation::Piece;
use crate::identifiers::renumber;

/// What the ids of a trace are moved by is a multiple of this.
const ID_STRIDE: i64 = 1 << 32;

/// Why traces cannot be put into one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Mismatch {
    /// They are of different versions of the engine's semantics.
    #[error("it is of engine {found}, and the first trace of engine {expected}")]
    Engine {
        /// What it says.
        found: u32,
        /// What the first one says.
        expected: u32,
    },
    /// Their hosts are written in different ways.
    #[error("it tells hosts in another way than the first trace; hosts would not be recognised")]
    Privacy,
    /// They overlap.
    #[error(
        "it begins {ms} ms before the trace before it ends; one person's sessions do not overlap"
    )]
    Overlap {
        /// By how much.
        ms: i64,
    },
    /// An id cannot be moved so far.
    #[error("it has an id of {id}, which cannot be moved by {by}")]
    Id {
        /// The id.
        id: i64,
        /// By how much it was to be moved.
        by: i64,
    },
}

/// A merge under way.
#[derive(Clone, Debug)]
pub struct Merge {
    first: Option<LogOpened>,
    /// What ids of the present trace are moved by.
    base: i64,
    /// The largest id, less its sign.
    highest: i64,
    last_t_ms: i64,
    mode: Mode,
    is_paused: bool,
    wall_offset_ms: i64,
}

impl Default for Merge {
    fn default() -> Self {
        Self {
            first: None,
            base: 0,
            highest: 0,
            last_t_ms: i64::MIN,
            mode: Mode::Observe,
            is_paused: false,
            wall_offset_ms: 0,
        }
    }
}

impl Merge {
    /// Goes on to the next trace, and returns what is to be said between.
    ///
    /// # Errors
    /// Why it cannot follow.
    pub fn begin(&mut self, header: &LogOpened, t_ms: i64) -> Result<Vec<Piece>, Mismatch> {
        let Some(first) = &self.first else {
            self.first = Some(header.clone());
            return Ok(Vec::new());
        };
        if header.engine != first.engine {
            return Err(Mismatch::Engine {
                found: header.engine,
                expected: first.engine,
            });
        }
        if header.privacy != first.privacy {
            return Err(Mismatch::Privacy);
        }
        let gap_ms = t_ms.saturating_sub(self.last_t_ms);
        let Ok(slept_ms) = u64::try_from(gap_ms) else {
            return Err(Mismatch::Overlap { ms: -gap_ms });
        };
        self.base = (self.highest / ID_STRIDE + 1).saturating_mul(ID_STRIDE);
        let closed = SessionStarted {
            browser: None,
            browser_version: None,
            extension_version: None,
            idle: None,
            windows: Vec::new(),
            tabs: Vec::new(),
        };
        let mut pieces = vec![
            Piece::new(self.last_t_ms, Body::SessionStarted(closed)),
            Piece::new(t_ms, Body::Suspended(Suspended { ms: slept_ms })),
        ];
        if self.mode != Mode::Observe {
            let mode = Mode::Observe;
            pieces.push(Piece::new(t_ms, Body::ModeChanged(ModeChanged { mode })));
        }
        if self.is_paused {
            pieces.push(Piece::new(t_ms, Body::Paused(Paused { until_ms: None })));
        }
        if self.wall_offset_ms != 0 {
            let stepped = ClockStepped { by_ms: 0 };
            pieces.push(Piece::new(t_ms, Body::ClockStepped(stepped)));
        }
        self.mode = Mode::Observe;
        self.is_paused = false;
        self.wall_offset_ms = 0;
        Ok(pieces)
    }

    /// Takes the next line of the present trace in, and returns it as it is in the merged one.
    ///
    /// # Errors
    /// [`Mismatch::Id`].
    pub fn take(&mut self, line: Line) -> Result<Piece, Mismatch> {
        let mut piece = Piece::from(line);
        let (base, highest) = (self.base, &mut self.highest);
        let mut failed = None;
        renumber(&mut piece.body, &mut |_, id| {
            let by = if id < 0 { -base } else { base };
            let moved = id.checked_add(by).filter(|moved| *moved != i64::MIN);
            let Some(moved) = moved else {
                failed = Some(Mismatch::Id { id, by });
                return id;
            };
            *highest = (*highest).max(moved.abs());
            moved
        });
        if let Some(failed) = failed {
            return Err(failed);
        }
        match &piece.body {
            Body::ModeChanged(it) => self.mode = it.mode,
            Body::Paused(it) => self.is_paused = it.until_ms.is_some(),
            Body::ClockStepped(it) => self.wall_offset_ms = it.by_ms,
            _ => {}
        }
        self.last_t_ms = piece.t_ms;
        Ok(piece)
    }
}
