//! Samples of the machine: memory, swap, processor, battery, stall time, the browser's memory.

use std::time::{Duration, Instant};

use recorder::Metrics;
use sysinfo::System;

use crate::power::PowerSensor;
use crate::pressure_stall;
use crate::process_tree::{Pid, ProcessTree};

/// What a sample should hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The machine.
    Machine,
    /// The machine and the browser's memory, which costs 5 to 12 ms.
    MachineAndBrowser,
}

/// Takes samples of the machine.
pub trait Sampler {
    /// Takes one. What cannot be measured is absent.
    fn sample(&mut self, detail: Detail) -> Metrics;
}

/// Takes samples of the real machine.
#[derive(Debug)]
pub struct MachineSampler {
    system: Option<System>,
    processor: Processor,
    power: PowerSensor,
    processes: ProcessTree,
    browser: Option<Pid>,
}

impl MachineSampler {
    /// Samples the machine, and of its processes `browser` with all below it but this one.
    pub fn new(browser: Option<Pid>) -> Self {
        let mut system = System::new().ok();
        let mut processor = Processor::default();
        if let Some(system) = &mut system {
            // Processor use is a difference of two readings: the first one tells nothing.
            processor.start(system);
        }
        Self {
            system,
            processor,
            power: PowerSensor::default(),
            processes: ProcessTree::default(),
            browser,
        }
    }
}

impl Sampler for MachineSampler {
    fn sample(&mut self, detail: Detail) -> Metrics {
        let mut metrics = Metrics::default();
        if let Some(system) = &mut self.system {
            system.refresh_memory();
            let total = system.total_memory();
            // Where the system could not be read everything is 0, and that is no measurement.
            if total > 0 {
                metrics.ram_total = Some(total);
                metrics.ram_used = Some(system.used_memory());
                metrics.ram_available = Some(system.available_memory());
                metrics.swap_total = Some(system.total_swap());
                metrics.swap_used = Some(system.used_swap());
            }
            metrics.cpu = self.processor.read(system);
        }
        let power = self.power.read();
        metrics.on_battery = power.on_battery;
        metrics.battery = power.charge_percent;
        if let Some(stall) = pressure_stall::read(pressure_stall::MEMORY) {
            metrics.psi_some_avg10 = Some(stall.some_avg10);
            metrics.psi_full_avg10 = Some(stall.full_avg10);
        }
        if detail == Detail::MachineAndBrowser
            && let Some(browser) = self.browser
            && let Some(memory) = self.processes.measure(browser, std::process::id())
        {
            metrics.browser_rss = Some(memory.rss_bytes);
            metrics.browser_pss = memory.pss_bytes;
            metrics.browser_processes = Some(memory.process_count);
        }
        metrics
    }
}

/// Use of the processor over all cores since the reading before.
#[derive(Debug, Default)]
struct Processor {
    read_at: Option<Instant>,
    percent: Option<f64>,
}

impl Processor {
    /// Readings closer together than this would tell of the host's own work more than of the
    /// machine's: those around a discard repeat the last one.
    const APART: Duration = Duration::from_secs(1);

    fn start(&mut self, system: &mut System) {
        system.refresh_cpu_usage();
        self.read_at = Some(Instant::now());
    }

    fn read(&mut self, system: &mut System) -> Option<f64> {
        if self.read_at.is_none_or(|at| at.elapsed() >= Self::APART) {
            self.start(system);
            let percent = f64::from(system.global_cpu_usage());
            self.percent = percent.is_finite().then(|| {
                // To a tenth, as people read it.
                (percent * 10.0).round().clamp(0.0, 1_000.0) / 10.0
            });
        }
        self.percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_of_this_machine_is_plausible() {
        let mut sampler = MachineSampler::new(Some(std::os::unix::process::parent_id()));
        let machine = sampler.sample(Detail::Machine);
        let total = machine.ram_total.unwrap();
        assert!(total > 64 << 20, "{machine:?}");
        assert!(machine.ram_available.unwrap() <= total, "{machine:?}");
        assert!(machine.ram_used.unwrap() <= total, "{machine:?}");
        assert_eq!(machine.cpu, None, "a first reading tells nothing");
        assert_eq!(machine.browser_rss, None, "it was not asked for");

        let both = sampler.sample(Detail::MachineAndBrowser);
        assert!(both.browser_rss.unwrap() > 0, "{both:?}");
        assert!(both.browser_processes.unwrap() > 0, "{both:?}");
    }
}
