//! What the recorder promises, tested through its public surface.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod any;
mod composing;
mod damage;
mod faulty;
mod lines;
mod machine;
mod reading;
mod resuming;
mod retaining;
mod schema;
mod support;
mod writing;
