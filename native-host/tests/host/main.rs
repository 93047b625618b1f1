//! The real host, driven over pipes as a browser drives it.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the failure")]

mod client;
mod crash;
mod doctor;
mod installing;
mod log;
mod messages;
mod policy;
mod privacy;
mod session;
mod trouble;
