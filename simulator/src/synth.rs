//! People and machines that never were: synthetic traces, from a seed and a profile.
//!
//! A trace comes out of what a person does (sessions, pages, links followed, tabs kept and come
//! back to) on a machine that has other things to do as well, not out of the figures it is
//! compared with. The same seed and profile give the same bytes on every machine and in every
//! version: numbers are drawn straight from ChaCha's output, and logarithms and exponentials are
//! `libm`'s, which are the same everywhere, while those of the system are not.

mod browser;
pub mod draw;
pub mod generation;
pub mod judgement;
pub mod machine;
mod person;
mod places;
pub mod profile;
mod rhythm;
mod rounding;

pub use person::Person;
