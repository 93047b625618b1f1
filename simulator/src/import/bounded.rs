//! A reader that gives up on a source which hides too much between two places where it should have
//! been told that all is well: an open quote must not read a whole disk into memory.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

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
    left: Rc<Cell<u64>>,
    read: Rc<Cell<u64>>,
}

impl Allowance {
    /// Allows as much again.
    pub(super) fn renew(&self) {
        self.left.set(ITEM_BYTES_MAX);
    }

    /// How many bytes were read in all.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read.get()
    }
}

impl<R> Bounded<R> {
    pub(super) fn new(inner: R) -> (Self, Allowance) {
        let allowance = Allowance {
            left: Rc::new(Cell::new(ITEM_BYTES_MAX)),
            read: Rc::new(Cell::new(0)),
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
        let left = self.allowance.left.get();
        if left == 0 {
            return Err(io::Error::other(format!(
                "found more than {ITEM_BYTES_MAX} bytes in one row or event"
            )));
        }
        let room = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = self.inner.read(&mut buffer[..room])?;
        self.allowance.left.set(left - count as u64);
        self.allowance
            .read
            .set(self.allowance.read.get() + count as u64);
        Ok(count)
    }
}
