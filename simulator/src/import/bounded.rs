//! A reader that gives up on a source which hides too much between two places where it should have
//! been told that all is well: an open quote must not read a whole disk into memory.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// So much may be read without a renewal: far more than any row or event holds.
pub(super) const ITEM_BYTES_MAX: u64 = 1 << 20;

/// A reader that fails after [`ITEM_BYTES_MAX`] bytes without a renewal.
pub(super) struct Bounded<R> {
    inner: R,
    allowance: Allowance,
}

/// What is left to read, and the means to renew it.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    left: Arc<AtomicU64>,
    read: Arc<AtomicU64>,
}

impl Allowance {
    /// Allows as much again.
    pub(super) fn renew(&self) {
        self.left.store(ITEM_BYTES_MAX, Relaxed);
    }

    /// How many bytes were read in all.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read.load(Relaxed)
    }
}

impl<R> Bounded<R> {
    pub(super) fn new(inner: R) -> (Self, Allowance) {
        let allowance = Allowance {
            left: Arc::new(AtomicU64::new(ITEM_BYTES_MAX)),
            read: Arc::new(AtomicU64::new(0)),
        };
        let reader = Self {
            inner,
            allowance: allowance.clone(),
        };
        (reader, allowance)
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.allowance.left.load(Relaxed);
        if left == 0 {
            return Err(io::Error::other(format!(
                "found more than {ITEM_BYTES_MAX} bytes in one row or event"
            )));
        }
        let room = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = self.inner.read(&mut buffer[..room])?;
        self.allowance.left.store(left - count as u64, Relaxed);
        self.allowance.read.fetch_add(count as u64, Relaxed);
        Ok(count)
    }
}
