//! What checks look at: a machine and its folders, and, in a running host, what it knows of
//! itself.
//!
//! Everything outside comes in through here, so that a test can make up a machine with any fault.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sysinfo::System;

use crate::paths::{NoHome, Paths};
use crate::policy_file::Refusal;
use crate::power::{Power, PowerSensor};
use crate::pressure_stall::{self, MemoryStall};
use crate::roots::Roots;

/// What checks look at.
#[derive(Clone)]
pub struct Subject {
    /// The machine.
    pub machine: Arc<Machine>,
    /// What a running host knows of itself; `None` where none is asked.
    pub live: Option<Live>,
}

/// A machine, as far as health is concerned.
pub struct Machine {
    /// Where the paths of browsers begin.
    pub roots: Roots,
    /// Our own folders and files.
    pub paths: Paths,
    /// This program.
    pub program: PathBuf,
    /// What can be measured.
    pub sensors: Box<dyn Sensors>,
}

impl Machine {
    /// This machine.
    ///
    /// # Errors
    /// If there is no home directory.
    pub fn find(program: PathBuf) -> Result<Self, NoHome> {
        Ok(Self {
            roots: Roots::find()?,
            paths: Paths::find()?,
            program,
            sensors: Box::new(MachineSensors),
        })
    }

    /// A path as it is shown to people.
    pub fn show(&self, path: &Path) -> String {
        self.roots.show(path)
    }
}

/// What can be measured on a machine.
pub trait Sensors: Send + Sync {
    /// What is free for this user on the disk of a folder, in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn free_bytes(&self, folder: &Path) -> io::Result<u64>;

    /// All memory there is, in bytes; `None` where it cannot be read.
    fn memory_bytes(&self) -> Option<u64>;

    /// Stall time; `None` where the system does not tell it.
    fn stall(&self) -> Option<MemoryStall>;

    /// Batteries.
    fn power(&self) -> Power;
}

/// The sensors of this machine.
#[derive(Clone, Copy, Debug)]
pub struct MachineSensors;

impl Sensors for MachineSensors {
    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(folder)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn memory_bytes(&self) -> Option<u64> {
        let mut system = System::new().ok()?;
        system.refresh_memory();
        Some(system.total_memory()).filter(|&bytes| bytes > 0)
    }

    fn stall(&self) -> Option<MemoryStall> {
        pressure_stall::read(pressure_stall::MEMORY)
    }

    fn power(&self) -> Power {
        PowerSensor::default().read()
    }
}

/// What a running host knows of itself.
#[derive(Clone, Debug)]
pub struct Live {
    /// How late the loop was with what was due, in milliseconds of the awake clock.
    pub loop_late_ms: u64,
    /// The log.
    pub log: LiveLog,
    /// How old the last sample of the machine is, in milliseconds of the awake clock; `None` before
    /// the first.
    pub sample_age_ms: Option<u64>,
    /// Whether the last sample has the memory of the machine in it.
    pub has_memory: bool,
    /// Why the policy file as it stands was refused.
    pub policy_refusal: Option<Refusal>,
    /// The protocol that was agreed on; `None` before the hello.
    pub protocol: Option<u32>,
}

/// The log of a running host.
#[derive(Clone, Debug)]
pub enum LiveLog {
    /// It waits for the extension's hello.
    Waiting,
    /// It is locked for this host, and takes what is written.
    Writing,
    /// It cannot be opened, locked or written.
    Failed {
        /// Why.
        error: String,
        /// What to do.
        fix: String,
    },
}
