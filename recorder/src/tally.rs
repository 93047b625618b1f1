//! What must hold from line to line and over a segment's bytes. Writer and reader keep the same
//! account, so that what the one writes the other finds in order.

use engine::{Seq, hex};
use sha2::{Digest, Sha256};

use crate::error::Flaw;
use crate::line::Line;
use crate::wire::{Body, Checkpoint, LogClosed};

/// How many bytes are summed at one go. By the line the sums cost twice as much.
const PORTION_BYTES: usize = 16 << 10;

/// An account of a segment's bytes so far.
#[derive(Clone, Default)]
pub(crate) struct Tally {
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
    sums: Sums,
    /// What the sums do not have yet.
    portion: Vec<u8>,
}

/// The sums of a segment's bytes so far.
#[derive(Clone, Default)]
pub(crate) struct Sums {
    crc32c: u32,
    sha256: Sha256,
}

impl Sums {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.crc32c = crc32c::crc32c_append(self.crc32c, bytes);
        self.sha256.update(bytes);
    }
}

impl Tally {
    /// Takes up an account of so many lines, of whose bytes the sums have all but the last portion.
    pub(crate) fn resume(lines: u64, bytes: u64, sums: &Sums, portion: &[u8]) -> Self {
        Self {
            bytes,
            lines,
            sums: sums.clone(),
            portion: portion.to_vec(),
        }
    }

    /// Counts a line in, given with its `\n`.
    pub(crate) fn add(&mut self, line: &[u8]) {
        self.bytes += line.len() as u64;
        self.lines += 1;
        self.portion.extend_from_slice(line);
        if self.portion.len() >= PORTION_BYTES {
            self.sums.add(&self.portion);
            self.portion.clear();
        }
    }

    /// Makes the checkpoint that may stand here.
    pub(crate) fn checkpoint(&self, state: Option<String>) -> Checkpoint {
        let crc32c = crc32c::crc32c_append(self.sums.crc32c, &self.portion);
        checkpoint(self.lines, crc32c, state)
    }

    /// Makes the seal that may stand here.
    pub(crate) fn seal(&self, next_segment: Option<u32>) -> LogClosed {
        seal(self.lines, &self.sha256(), next_segment)
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        let sums = self.sums.sha256.clone();
        sums.chain_update(&self.portion).finalize().into()
    }
}

/// Makes a checkpoint behind so many lines with this sum.
pub(crate) fn checkpoint(lines: u64, crc32c: u32, state: Option<String>) -> Checkpoint {
    Checkpoint {
        events: lines,
        crc32c: format!("{crc32c:08x}"),
        state,
    }
}

/// Makes the seal behind so many lines with this sum.
pub(crate) fn seal(lines: u64, sha256: &[u8; 32], next_segment: Option<u32>) -> LogClosed {
    LogClosed {
        events: lines,
        sha256: hex(sha256),
        next_segment,
    }
}

/// Where a trace stands: what the next line must go on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) next_seq: u64,
    pub(crate) last_t_ms: i64,
    /// The highest `n` that is in the log or known to be lost; 0 for none.
    pub(crate) last_n: u64,
}

impl Place {
    /// The place before the first line.
    pub(crate) const START: Self = Self {
        next_seq: 0,
        last_t_ms: i64::MIN,
        last_n: 0,
    };

    /// Checks that a line may stand here.
    pub(crate) fn check(&self, line: &Line) -> Result<(), Flaw> {
        if line.seq != Seq(self.next_seq) {
            return Err(Flaw::Gap {
                expected: self.next_seq,
                found: line.seq.0,
            });
        }
        if line.t_ms < self.last_t_ms {
            return Err(Flaw::TimeWentBack {
                last_t_ms: self.last_t_ms,
                found: line.t_ms,
            });
        }
        // The first `n` of a trace is whatever the extension has come to: what was before it went
        // to another trace.
        match line.n {
            Some(found) if self.last_n > 0 && found.checked_sub(self.last_n) != Some(1) => {
                Err(Flaw::CounterJumped {
                    last_n: self.last_n,
                    found,
                })
            }
            _ => Ok(()),
        }
    }

    /// Goes past a line that may stand here.
    pub(crate) fn advance(&mut self, line: &Line) {
        self.next_seq = line.seq.0 + 1;
        self.last_t_ms = line.t_ms;
        if let Some(n) = line.n {
            self.last_n = n;
        }
        if let Body::Dropped(dropped) = &line.body
            && let Some(from) = dropped.from
        {
            let last_lost = from.saturating_add(dropped.count).saturating_sub(1);
            self.last_n = self.last_n.max(last_lost);
        }
    }
}
