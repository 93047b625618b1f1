//! Samples of the machine: memory, swap, processor, battery, stall time, the browser's memory.

use std::time::{Duration, Instant};

use recorder::Metrics;
use sysinfo::System;

use crate::power::PowerSensor;
use crate::pressure_stall;
use crate::process_tree::{Extent, Pid, ProcessTree};

/// What a sample should hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The machine.
    Machine,
    /// The machine and the browser's memory, of which the proportional size is left out when
    /// measuring it would cost too much of the host's budget at rest.
    WithBrowser,
    /// The machine and the browser's memory, whatever it costs: around a discard, or where one may be
    /// wished for. The proportional size is left out if a process ended while it was measured.
    AroundDiscard,
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
    budget: Budget,
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
            budget: Budget::default(),
        }
    }

    fn add_browser(&mut self, metrics: &mut Metrics, is_around_discard: bool) {
        let Some(browser) = self.browser else { return };
        let own = std::process::id();
        let memory = if is_around_discard || self.budget.has_room() {
            let processes = &mut self.processes;
            self.budget
                .spend(|| processes.measure(browser, own, Extent::Proportional))
        } else {
            self.processes.measure(browser, own, Extent::Resident)
        };
        if let Some(memory) = memory {
            metrics.browser_rss = Some(memory.rss_bytes);
            let is_halfway = is_around_discard && memory.has_lost_one;
            metrics.browser_pss = memory.pss_bytes.filter(|_| !is_halfway);
            metrics.browser_processes = Some(memory.process_count);
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
        if detail != Detail::Machine {
            self.add_browser(&mut metrics, detail == Detail::AroundDiscard);
        }
        metrics
    }
}

/// Keeps the proportional size within what the host may cost.
///
/// The kernel walks the page tables of every process for it: about a millisecond each, so that
/// with hundreds of tabs a walk a minute would be more than all else together.
#[derive(Debug, Default)]
struct Budget {
    last: Option<(Instant, Duration)>,
}

impl Budget {
    /// After a walk, this many times what it took is waited for before the next one: at most
    /// 0.05 % of a core goes into it.
    const REST: u32 = 2_000;

    fn has_room(&self) -> bool {
        self.last
            .is_none_or(|(at, cost)| at.elapsed() >= cost * Self::REST)
    }

    fn spend<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let before = processor_time();
        let result = work();
        self.last = Some((Instant::now(), processor_time().saturating_sub(before)));
        result
    }
}

/// The time that this thread was on a processor.
fn processor_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
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

        let both = sampler.sample(Detail::WithBrowser);
        assert!(both.browser_rss.unwrap() > 0, "{both:?}");
        assert!(both.browser_processes.unwrap() > 0, "{both:?}");
    }

    #[test]
    fn a_costly_measure_rests_in_proportion() {
        let ago = |ms| {
            Instant::now()
                .checked_sub(Duration::from_millis(ms))
                .unwrap()
        };
        let budget = |ms, cost_ms| Budget {
            last: Some((ago(ms), Duration::from_millis(cost_ms))),
        };
        assert!(Budget::default().has_room());
        assert!(budget(60_000, 30).has_room());
        assert!(!budget(59_000, 30).has_room());
        assert!(!budget(60_000, 100).has_room());

        let mut budget = Budget::default();
        let spun = budget.spend(|| {
            let until = processor_time() + Duration::from_millis(2);
            while processor_time() < until {}
            7
        });
        assert_eq!(spun, 7);
        assert!(!budget.has_room(), "2 ms of work are 4 s of rest");
    }
}
