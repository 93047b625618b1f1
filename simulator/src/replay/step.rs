//! What a replay takes from a line of the recording: the rest of it can change nothing.

use engine::{Event, Mode, Seq, TabId};
use recorder::{Body, Line};

/// What a line means to a replay.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Something happened.
    Event(Event),
    /// The recorded policy decided something.
    Decided(RecordedDecision),
    /// What the recorded policy decided is not done: the order for it was never sent.
    Dropped {
        /// The place of the decision.
        decision: Seq,
    },
    /// A line of a type that is not known, which is counted.
    Unknown,
}

/// What matters of a decision of the recorded policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedDecision {
    /// The place of the decision.
    pub seq: Seq,
    /// The input that led to it.
    pub cause: Seq,
    /// The tab that was to be discarded.
    pub tab: TabId,
    /// Whether it was to be carried out.
    pub mode: Mode,
}

impl Step {
    /// Takes from a line what matters; `None` for bookkeeping and for what follows from the rest.
    #[inline]
    pub fn of(line: &Line) -> Option<Self> {
        match &line.body {
            Body::Decision(decision) => Some(Self::Decided(RecordedDecision {
                seq: line.seq,
                cause: decision.cause,
                tab: decision.tab,
                mode: decision.mode,
            })),
            Body::OrderDropped(it) => Some(Self::Dropped {
                decision: it.decision,
            }),
            Body::Unknown { .. } => Some(Self::Unknown),
            _ => line.event().map(Self::Event),
        }
    }
}
