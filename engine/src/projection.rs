//! The state hash: a fingerprint of everything that a later decision can depend on.
//!
//! It covers a projection of the state, line by line as text, and not the data structures, so
//! that these can change while the hash stays. The lines are, in this order: `clock`, `session`,
//! `front`, `metrics`; a `window` line each by id, a `tab` line each by id, a `host` line each by name; then
//! what the policy adds. Two engines that took in the same log have the same hash.

use std::fmt;
use std::io::Write;

use sha2::{Digest, Sha256};

use crate::hex::hex;

/// Takes the lines of a projection in.
#[derive(Debug, Default)]
pub struct Projection {
    hasher: Sha256,
    buffer: Vec<u8>,
}

impl Projection {
    /// Adds a line.
    pub fn line(&mut self, text: fmt::Arguments<'_>) {
        self.buffer.clear();
        writeln!(self.buffer, "{text}").expect("writing to memory does not fail");
        self.hasher.update(&self.buffer);
    }

    /// The first 32 hex digits of the SHA-256 of the lines.
    pub(crate) fn hash(self) -> String {
        hex(&self.hasher.finalize()[..16])
    }
}

/// Writes a value that may not be known: itself, or a dash.
pub(crate) fn known<T: fmt::Display>(value: Option<T>) -> impl fmt::Display {
    fmt::from_fn(move |f| match &value {
        Some(value) => value.fmt(f),
        None => f.write_str("-"),
    })
}
