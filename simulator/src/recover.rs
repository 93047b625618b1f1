//! What a damaged trace still holds, and exactly how much it has lost.
//!
//! A line is kept if it goes on from the lines around it. One whose seq or time is at odds with
//! both its neighbours was changed: its place is counted as lost. What is kept in a segment after
//! its last checkpoint that matches has only its form and its place to vouch for it.

use engine::Seq;
use recorder::{Body, Damage, Dropped, Found, Line, Vouched};
use serde::Serialize;

use crate::derivation::Piece;

/// How many damaged places are listed. Beyond them there is only a count.
const PLACES_LISTED: usize = 16;

/// What a damaged trace still holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Lines that are kept.
    pub lines_kept: u64,
    /// Lines that are not there, by the seqs of those that are.
    pub lines_missing: u64,
    /// Damaged lines after the last one that is kept. No seq tells of more.
    pub lines_damaged_at_end: u64,
    /// Lines that are there, and damaged.
    pub lines_damaged: u64,
    /// Their bytes, and those of ends of files that are no lines.
    pub bytes_damaged: u64,
    /// Ends of files that are no lines, or cannot be read.
    pub broken_ends: u64,
    /// Lines that are there twice, such as in a plain and a compressed file of one segment.
    pub lines_doubled: u64,
    /// The segment that the last seal promises, if it is not there.
    pub missing_segment: Option<u32>,
    /// What the checkpoints and seals say. One that does not match and before which nothing is
    /// missing means that some line before it says something else than was written.
    pub checkpoints: Vouched,
    /// Whether the trace ends with a seal: if not, it cannot be known what came after its end.
    pub is_sealed: bool,
    /// The first places where something is lost.
    pub places: Vec<Place>,
}

/// Where something is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file; absent where there is no such place in any.
    pub file: Option<String>,
    /// The line in the file, from 1.
    pub line: Option<u64>,
    /// The byte in the file, from 0.
    pub byte: Option<u64>,
    /// The seq that was to follow.
    pub seq: Seq,
    /// What is lost, and why.
    pub what: String,
}

impl Account {
    /// Whether everything that was written is there, as far as a trace can tell.
    pub fn is_whole(&self) -> bool {
        self.lines_missing == 0
            && self.lines_damaged == 0
            && self.bytes_damaged == 0
            && self.broken_ends == 0
            && self.missing_segment.is_none()
            && self.checkpoints.mismatches == 0
    }

    fn note(&mut self, place: Place) {
        if self.places.len() < PLACES_LISTED {
            self.places.push(place);
        }
    }
}

/// A recovery under way.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    account: Account,
    /// The seq that is to follow.
    next_seq: u64,
    last_t_ms: Option<i64>,
    /// A line whose neighbour is not known yet.
    waiting: Option<Line>,
    /// Damaged lines since the last one that was kept, waiting or not.
    damaged_since: u64,
    /// Whether a file ended in damage since then, so that any number may be missing.
    is_broken_since: bool,
    /// What of the two was there before the waiting line came.
    damaged_before_waiting: u64,
    is_broken_before_waiting: bool,
}

impl Recovery {
    /// Takes what was found next, and adds what stays to `pieces`.
    pub fn take(&mut self, found: Found, pieces: &mut Vec<Piece>) {
        match found {
            Found::Line(line) => {
                self.settle(Some(&line), pieces);
                self.damaged_before_waiting = self.damaged_since;
                self.is_broken_before_waiting = self.is_broken_since;
                self.waiting = Some(*line);
            }
            Found::Damage(damage) => self.damaged(&damage),
        }
    }

    /// Ends the recovery, with what the checkpoints said.
    pub fn finish(mut self, checkpoints: Vouched, pieces: &mut Vec<Piece>) -> Account {
        self.settle(None, pieces);
        self.account.checkpoints = checkpoints;
        self.account.lines_damaged_at_end = self.damaged_since;
        self.account
    }

    fn damaged(&mut self, damage: &Damage) {
        self.account.bytes_damaged += damage.bytes;
        if damage.has_end {
            self.account.lines_damaged += 1;
            self.damaged_since += 1;
        } else {
            self.account.broken_ends += 1;
            self.is_broken_since = true;
        }
        self.account.note(Place {
            file: Some(damage.file.display().to_string()),
            line: Some(damage.at.line),
            byte: Some(damage.at.byte),
            seq: Seq(self.next_seq),
            what: format!("{} bytes: {}", damage.bytes, damage.problem),
        });
    }

    /// Decides on the waiting line, now that the one after it is known.
    fn settle(&mut self, after: Option<&Line>, pieces: &mut Vec<Piece>) {
        let Some(line) = self.waiting.take() else {
            return;
        };
        let found = line.seq.0;
        let is_doubled = found < self.next_seq && self.last_t_ms.is_some_and(|t| line.t_ms <= t);
        if is_doubled {
            self.account.lines_doubled += 1;
            return;
        }
        if let Some(problem) = self.problem(&line, after) {
            self.account.lines_damaged += 1;
            self.damaged_since += 1;
            self.account.note(Place {
                file: None,
                line: None,
                byte: None,
                seq: Seq(self.next_seq),
                what: format!(
                    "a line that says seq {found}, t_ms {}: {problem}",
                    line.t_ms
                ),
            });
            return;
        }
        let missing = found - self.next_seq;
        if missing > 0 {
            self.account.lines_missing += missing;
            self.account.note(Place {
                file: None,
                line: None,
                byte: None,
                seq: Seq(self.next_seq),
                what: format!("missing before seq {found}: {missing}"),
            });
            // A trace begins with a line of its writer's, which is made anew.
            if self.next_seq > 0 || missing > 1 {
                let dropped = Dropped {
                    from: None,
                    count: missing,
                    why: "damaged".to_owned(),
                };
                pieces.push(Piece::new(line.t_ms, Body::Dropped(dropped)));
            }
        }
        self.next_seq = found + 1;
        self.last_t_ms = Some(line.t_ms);
        self.damaged_since -= self.damaged_before_waiting.min(self.damaged_since);
        self.is_broken_since = self.is_broken_since && !self.is_broken_before_waiting;
        self.account.lines_kept += 1;
        self.account.is_sealed = false;
        self.account.missing_segment = None;
        if let Body::LogClosed(seal) = &line.body {
            self.account.is_sealed = seal.next_segment.is_none();
            self.account.missing_segment = seal.next_segment;
        }
        pieces.push(Piece::from(line));
    }

    /// Says why a line cannot stand between those around it.
    fn problem(&self, line: &Line, after: Option<&Line>) -> Option<&'static str> {
        let (found, expected) = (line.seq.0, self.next_seq);
        if found < expected || found == u64::MAX {
            return Some("its seq was there before");
        }
        if self.last_t_ms.is_some_and(|last| line.t_ms < last) {
            return Some("its time is before the last line's");
        }
        if let Some(after) = after
            && after.t_ms < line.t_ms
            && self.last_t_ms.is_none_or(|last| after.t_ms >= last)
        {
            return Some("its time is after the next line's");
        }
        let is_explained = found - expected == self.damaged_before_waiting;
        if found == expected || is_explained {
            return None;
        }
        match after.map(|after| after.seq.0) {
            Some(after) if after == found + 1 => None,
            Some(after) if after > expected && after <= found => {
                Some("its seq is after the next line's")
            }
            Some(after) if after > found => None,
            Some(_) | None if self.is_broken_before_waiting => None,
            Some(_) | None => Some("nothing bears out its seq"),
        }
    }
}
