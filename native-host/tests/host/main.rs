//! The real host, driven over pipes as a browser drives it.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the failure")]

mod client;
mod conversation;
mod crash;
mod doctor;
mod extension;
// The recorder's tests and these fail the same disk.
#[path = "../../../recorder/tests/it/faulty.rs"]
mod faulty;
mod full_disk;
mod installing;
mod log;
mod messages;
mod policy;
mod privacy;
mod session;
// It bounds the files of another process, which only Linux lets one do.
#[cfg(target_os = "linux")]
mod trouble;
