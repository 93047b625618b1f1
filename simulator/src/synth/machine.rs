//! A machine that never was: memory, processor, battery, swap, stalls and sleep, from a seed.
//!
//! What the browser holds comes in; everything else is drawn. Other programs wander about a median
//! and now and then one takes much at once (a build, a call, a game). Memory that does not fit goes
//! to swap, and while it goes, or while little is left, tasks stall: stall time follows pressure
//! and is never drawn. The machine knows no tab and no policy.

use engine::Severity;
use recorder::{Body, Metrics, PressureSignal, SignalSource, Suspended};
use serde::{Deserialize, Serialize};

use super::draw::Draw;
use super::rounding::{whole, whole_ms};

const GIB: f64 = (1_u64 << 30) as f64;
const MIB: f64 = (1_u64 << 20) as f64;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: f64 = 3_600_000.0;

/// The kernel tells memory in pages of this size.
const PAGE_BYTES: f64 = 4_096.0;

/// Over how long `avg10` is an average, in milliseconds.
const STALL_WINDOW_MS: f64 = 10_000.0;

/// The browser's processes are walked no more often than this, as the host does.
const PROCESSES_EVERY_MS: i64 = MINUTE_MS;

/// Processes of a browser without tabs, as seen in Chromium 156: 11 with one tab.
const OWN_PROCESSES: u32 = 10;

/// What each process counts in RSS beyond its share of PSS: a plain tab had 8–10 MB PSS freed and
/// 109–112 MB RSS (Chromium 156, `smaps_rollup` of its tree).
const SHARED_BYTES_A_PROCESS: f64 = 95.0 * MIB;

/// What a machine is drawn from. Shares are of RAM, from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineProfile {
    /// Sizes of RAM in GiB, each with its weight.
    pub ram_gib: Vec<(f64, f64)>,
    /// Share that firmware and kernel keep to themselves.
    pub reserved_share: f64,
    /// Swap space.
    pub swap_share: f64,
    /// What the system and its desktop hold, in GiB.
    pub system_gib: f64,
    /// Median of what other programs hold.
    pub programs_share: f64,
    /// How far that wanders: the deviation of its logarithm.
    pub programs_sigma: f64,
    /// How fast it wanders, in minutes.
    pub programs_minutes: f64,
    /// Hours awake between two programs that take much at once.
    pub burst_every_hours: f64,
    /// Minutes that such a one runs.
    pub burst_minutes: f64,
    /// What it takes.
    pub burst_share: f64,
    /// What it takes of the processor, in percent.
    pub burst_cpu: f64,
    /// Median use of the processor with nobody there, in percent.
    pub rest_cpu: f64,
    /// Median use with somebody there.
    pub working_cpu: f64,
    /// How far that wanders: the deviation of its logarithm.
    pub cpu_sigma: f64,
    /// How fast it wanders, in minutes.
    pub cpu_minutes: f64,
    /// What the browser holds without tabs, in MiB.
    pub browser_mib: f64,
    /// Share free below which tasks begin to stall.
    pub short_share: f64,
    /// How much of the time all tasks stall when some do, at the worst.
    pub full_stall: f64,
    /// How fast memory goes to swap, in MiB a second.
    pub swap_out_mib_s: f64,
    /// How fast it comes back when there is room, in minutes.
    pub swap_back_minutes: f64,
    /// Stall of some tasks, in percent, at which the system says "moderate".
    pub moderate_stall: f64,
    /// Stall of all tasks, in percent, at which it says "critical".
    pub critical_stall: f64,
    /// Seconds between two such signals.
    pub signal_every_s: f64,
    /// Share of machines that have a battery.
    pub laptop_share: f64,
    /// Hours that a full battery lasts.
    pub battery_hours: f64,
    /// Hours until an empty one is full.
    pub charge_hours: f64,
    /// Hours awake on the mains between two stretches on the battery.
    pub mains_hours: f64,
    /// Hours of such a stretch.
    pub unplugged_hours: f64,
    /// Minutes with nobody there after which it sleeps.
    pub sleep_after_minutes: f64,
    /// Seconds between two samples.
    pub sample_every_s: f64,
}

impl Default for MachineProfile {
    /// The machine of a typical person.
    fn default() -> Self {
        #[derive(Deserialize)]
        struct Profile {
            machine: MachineProfile,
        }
        let typical = include_str!("profiles/typical.toml");
        let profile: Profile =
            toml::from_str(typical).expect("the bundled profile is well formed; a test holds it");
        profile.machine
    }
}

/// What the browser holds and does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BrowserLoad {
    /// Memory of the loaded tabs.
    pub tabs_bytes: u64,
    /// Processes of their pages.
    pub renderers: u32,
    /// Whether somebody uses it.
    pub is_used: bool,
}

/// A machine. Between two calls the browser holds what the later one says.
#[derive(Clone, Debug)]
pub struct Machine {
    profile: MachineProfile,
    draw: Draw,
    total_bytes: f64,
    swap_total_bytes: f64,
    now_ms: i64,
    next_sample_ms: i64,
    last_processes_ms: Option<i64>,
    /// Deviations of the logarithms of what other programs hold and of the processor's use, in
    /// units of sigma.
    programs: f64,
    cpu: f64,
    burst: Burst,
    swap_bytes: f64,
    some_stall: f64,
    full_stall: f64,
    last_signal_ms: Option<i64>,
    battery: Option<Battery>,
    decay: Decay,
}

/// A program that takes much at once, running now or to come.
#[derive(Clone, Copy, Debug)]
struct Burst {
    is_running: bool,
    /// Until it ends, or until the next one begins.
    left_ms: f64,
    bytes: f64,
    cpu: f64,
}

#[derive(Clone, Copy, Debug)]
struct Battery {
    /// From 0 to 1.
    charge: f64,
    is_unplugged: bool,
    /// Until it is plugged or unplugged.
    left_ms: f64,
}

/// What is left of deviations and averages after a step. Steps are nearly always as long as the
/// step before, and exponentials are dear.
#[derive(Clone, Copy, Debug, Default)]
struct Decay {
    step_ms: f64,
    programs: f64,
    cpu: f64,
    stall: f64,
    swap: f64,
}

/// How the machine's memory stands at one moment, in bytes.
struct Level {
    available: f64,
    /// What the browser has of it, which what was put out is not part of.
    pss: f64,
}

impl Machine {
    /// Draws a machine that has been up for a while at `t_ms`. All that happens to it comes from
    /// `draw`.
    pub fn new(profile: &MachineProfile, mut draw: Draw, t_ms: i64) -> Self {
        let ram_bytes = draw.choose(&profile.ram_gib) * GIB;
        let total_bytes = in_pages(ram_bytes * (1.0 - profile.reserved_share));
        let battery = draw.happens(profile.laptop_share).then(|| Battery {
            charge: draw.between(0.5, 1.0),
            is_unplugged: false,
            left_ms: draw.exponential(profile.mains_hours * HOUR_MS),
        });
        Self {
            total_bytes,
            swap_total_bytes: in_pages(ram_bytes * profile.swap_share),
            now_ms: t_ms,
            next_sample_ms: t_ms,
            last_processes_ms: None,
            programs: draw.normal(),
            cpu: draw.normal(),
            burst: Burst {
                is_running: false,
                left_ms: draw.exponential(profile.burst_every_hours * HOUR_MS),
                bytes: 0.0,
                cpu: 0.0,
            },
            swap_bytes: 0.0,
            some_stall: 0.0,
            full_stall: 0.0,
            last_signal_ms: None,
            battery,
            decay: Decay::default(),
            profile: profile.clone(),
            draw,
        }
    }

    /// Returns the RAM that the system can give away.
    pub fn total_bytes(&self) -> u64 {
        whole(self.total_bytes)
    }

    /// Returns when the next sample is due, in Unix milliseconds.
    pub fn next_sample_ms(&self) -> i64 {
        self.next_sample_ms
    }

    /// Lets time pass up to `t_ms` and gives every sample and signal that falls before it, each
    /// with its time.
    pub fn pass(&mut self, t_ms: i64, load: BrowserLoad, give: &mut impl FnMut(i64, Body)) {
        while self.next_sample_ms < t_ms {
            let sample_ms = self.next_sample_ms;
            self.sample(sample_ms, load, give);
            self.next_sample_ms =
                sample_ms + whole_ms(self.profile.sample_every_s * 1_000.0).max(1);
        }
    }

    /// Lets time pass up to `t_ms` with nobody there: after a while the machine sleeps, and says
    /// so when it wakes, at `t_ms`.
    pub fn rest(&mut self, t_ms: i64, load: BrowserLoad, give: &mut impl FnMut(i64, Body)) {
        let sleep_ms = self.now_ms + whole_ms(self.profile.sleep_after_minutes * 60_000.0);
        let load = BrowserLoad {
            is_used: false,
            ..load
        };
        self.pass(t_ms.min(sleep_ms), load, give);
        // A nap of less than a minute is none.
        if t_ms - sleep_ms >= MINUTE_MS {
            self.sleep(t_ms, sleep_ms, give);
        } else {
            self.pass(t_ms, load, give);
        }
    }

    /// Sleeps from `from_ms` to `t_ms`: other programs are as they were, what they were doing
    /// stands still, and a long night is spent on the mains.
    fn sleep(&mut self, t_ms: i64, from_ms: i64, give: &mut impl FnMut(i64, Body)) {
        const NIGHT_MS: f64 = 4.0 * HOUR_MS;
        let ms = (t_ms - from_ms) as f64;
        if let Some(battery) = &mut self.battery
            && ms >= NIGHT_MS
        {
            battery.charge = 1.0;
            battery.is_unplugged = false;
            battery.left_ms = self.draw.exponential(self.profile.mains_hours * HOUR_MS);
        }
        (self.some_stall, self.full_stall) = (0.0, 0.0);
        self.now_ms = t_ms;
        self.next_sample_ms = t_ms;
        let ms = t_ms.abs_diff(from_ms);
        give(t_ms, Body::Suspended(Suspended { ms }));
    }

    fn sample(&mut self, t_ms: i64, load: BrowserLoad, give: &mut impl FnMut(i64, Body)) {
        let step_ms = (t_ms - self.now_ms).max(0) as f64;
        self.now_ms = self.now_ms.max(t_ms);
        self.wander(step_ms);
        self.drain(step_ms);
        let level = self.fill(step_ms, load);
        give(t_ms, Body::Metrics(self.metrics(t_ms, &level, load)));
        if let Some(signal) = self.signal(t_ms) {
            give(t_ms, Body::PressureSignal(signal));
        }
    }

    /// Other programs go on: a mean-reverting walk of the logarithm, exact for any step.
    fn wander(&mut self, step_ms: f64) {
        let profile = &self.profile;
        if step_ms.to_bits() != self.decay.step_ms.to_bits() {
            let left_of = |minutes: f64| libm::exp(-step_ms / (minutes * 60_000.0));
            self.decay = Decay {
                step_ms,
                programs: left_of(profile.programs_minutes),
                cpu: left_of(profile.cpu_minutes),
                stall: libm::exp(-step_ms / STALL_WINDOW_MS),
                swap: left_of(profile.swap_back_minutes),
            };
        }
        for (deviation, left) in [
            (&mut self.programs, self.decay.programs),
            (&mut self.cpu, self.decay.cpu),
        ] {
            *deviation = *deviation * left + (1.0 - left * left).sqrt() * self.draw.normal();
        }
        self.burst.left_ms -= step_ms;
        if self.burst.left_ms <= 0.0 {
            self.burst = if self.burst.is_running {
                Burst {
                    is_running: false,
                    left_ms: self.draw.exponential(profile.burst_every_hours * HOUR_MS),
                    bytes: 0.0,
                    cpu: 0.0,
                }
            } else {
                Burst {
                    is_running: true,
                    left_ms: self.draw.exponential(profile.burst_minutes * 60_000.0),
                    bytes: self.draw.exponential(profile.burst_share) * self.total_bytes,
                    cpu: self.draw.exponential(profile.burst_cpu),
                }
            };
        }
    }

    fn drain(&mut self, step_ms: f64) {
        const LOW: f64 = 0.08;
        let Some(battery) = &mut self.battery else {
            return;
        };
        let profile = &self.profile;
        let change = if battery.is_unplugged {
            -step_ms / (profile.battery_hours * HOUR_MS)
        } else {
            step_ms / (profile.charge_hours * HOUR_MS)
        };
        battery.charge = (battery.charge + change).clamp(0.01, 1.0);
        battery.left_ms -= step_ms;
        let is_low = battery.is_unplugged && battery.charge < LOW;
        if battery.left_ms <= 0.0 || is_low {
            battery.is_unplugged = !battery.is_unplugged;
            let hours = if battery.is_unplugged {
                profile.unplugged_hours
            } else {
                profile.mains_hours
            };
            battery.left_ms = self.draw.exponential(hours * HOUR_MS);
        }
    }

    /// Fits what is asked for into memory and swap, and sees who waits for it.
    fn fill(&mut self, step_ms: f64, load: BrowserLoad) -> Level {
        let profile = &self.profile;
        let programs = profile.programs_share
            * self.total_bytes
            * libm::exp(profile.programs_sigma * self.programs);
        let browser = profile.browser_mib * MIB + load.tabs_bytes as f64;
        let wanted = profile.system_gib * GIB + programs + self.burst.bytes + browser;
        // The system keeps some memory for its caches by putting out what is asked for beyond.
        let comfort = self.total_bytes * (1.0 - profile.short_share);
        let excess = (wanted - self.swap_bytes - comfort).max(0.0);
        let room = self.swap_total_bytes - self.swap_bytes;
        let rate = profile.swap_out_mib_s * MIB * step_ms / 1_000.0;
        let put_out = excess.min(rate).min(room).max(0.0);
        if put_out > 0.0 {
            self.swap_bytes += put_out;
        } else {
            let needed = (wanted - comfort).max(0.0);
            self.swap_bytes = needed.max(self.swap_bytes * self.decay.swap);
            self.swap_bytes = self.swap_bytes.min(self.swap_total_bytes).min(wanted);
        }
        let floor = 0.01 * self.total_bytes;
        let available = (self.total_bytes - wanted + self.swap_bytes).max(floor);
        let in_memory = (self.total_bytes - available) / wanted.max(1.0);
        let pss = browser * in_memory.min(1.0);

        // Stalls grow with what is missing of the comfortable share, and with swapping.
        let missing = 1.0 - available / (self.total_bytes - comfort).max(1.0);
        let swapping = if rate > 0.0 { put_out / rate } else { 0.0 };
        let some = 100.0 * (0.8 * missing.max(0.0) + 0.4 * swapping).min(1.0);
        let full = some * profile.full_stall * some / 100.0;
        let left = self.decay.stall;
        self.some_stall = self.some_stall * left + some * (1.0 - left);
        self.full_stall = self.full_stall * left + full * (1.0 - left);
        Level { available, pss }
    }

    fn metrics(&mut self, t_ms: i64, level: &Level, load: BrowserLoad) -> Metrics {
        let profile = &self.profile;
        let median = if load.is_used {
            profile.working_cpu
        } else {
            profile.rest_cpu
        };
        let cpu = median * libm::exp(profile.cpu_sigma * self.cpu) + self.burst.cpu;
        let available = in_pages(level.available);
        let mut metrics = Metrics {
            ram_total: Some(whole(self.total_bytes)),
            ram_used: Some(whole(self.total_bytes - available)),
            ram_available: Some(whole(available)),
            swap_total: Some(whole(self.swap_total_bytes)),
            swap_used: Some(whole(in_pages(self.swap_bytes))),
            cpu: Some(rounded(cpu.clamp(0.1, 100.0), 10.0)),
            on_battery: self.battery.map(|battery| battery.is_unplugged),
            battery: self
                .battery
                .map(|battery| rounded(100.0 * battery.charge, 1.0)),
            psi_some_avg10: Some(rounded(self.some_stall, 100.0)),
            psi_full_avg10: Some(rounded(self.full_stall, 100.0)),
            ..Metrics::default()
        };
        let is_due = |last_ms| t_ms - last_ms >= PROCESSES_EVERY_MS;
        if self.last_processes_ms.is_none_or(is_due) {
            self.last_processes_ms = Some(t_ms);
            let processes = OWN_PROCESSES + load.renderers;
            let shared = f64::from(processes) * SHARED_BYTES_A_PROCESS;
            metrics.browser_rss = Some(whole(in_pages(level.pss + shared)));
            metrics.browser_pss = Some(whole(in_pages(level.pss)));
            metrics.browser_processes = Some(processes);
        }
        metrics
    }

    fn signal(&mut self, t_ms: i64) -> Option<PressureSignal> {
        let severity = if self.full_stall >= self.profile.critical_stall {
            Severity::Critical
        } else if self.some_stall >= self.profile.moderate_stall {
            Severity::Moderate
        } else {
            return None;
        };
        let pause_ms = whole_ms(self.profile.signal_every_s * 1_000.0);
        if self
            .last_signal_ms
            .is_some_and(|last_ms| t_ms - last_ms < pause_ms)
        {
            return None;
        }
        self.last_signal_ms = Some(t_ms);
        Some(PressureSignal {
            source: SignalSource::Psi,
            severity,
        })
    }
}

/// Rounds down to whole pages.
fn in_pages(bytes: f64) -> f64 {
    libm::floor(bytes / PAGE_BYTES) * PAGE_BYTES
}

/// Rounds to so many parts of a unit.
fn rounded(value: f64, parts: f64) -> f64 {
    libm::round(value * parts) / parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> MachineProfile {
        MachineProfile {
            ram_gib: vec![(8.0, 1.0)],
            ..MachineProfile::default()
        }
    }

    fn load(tabs_bytes: u64) -> BrowserLoad {
        BrowserLoad {
            tabs_bytes,
            renderers: 20,
            is_used: true,
        }
    }

    fn day(tabs_bytes: u64, stream: u64) -> Vec<(i64, Body)> {
        let mut bodies = Vec::new();
        let mut machine = Machine::new(&profile(), Draw::new(1, stream), 0);
        machine.pass(8 * 3_600_000, load(tabs_bytes), &mut |t_ms, body| {
            bodies.push((t_ms, body));
        });
        bodies
    }

    fn mean(bodies: &[(i64, Body)], of: impl Fn(&Metrics) -> Option<f64>) -> f64 {
        let values: Vec<f64> = bodies
            .iter()
            .filter_map(|(_, body)| match body {
                Body::Metrics(metrics) => of(metrics),
                _ => None,
            })
            .collect();
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn memory_adds_up_and_stalls_follow_it() {
        let mut stalls = Vec::new();
        for tabs_bytes in [1 << 30, 3 << 30, 5 << 30, 7 << 30, 20 << 30] {
            let bodies = day(tabs_bytes, 0);
            for (_, body) in &bodies {
                let Body::Metrics(metrics) = body else {
                    continue;
                };
                let total = metrics.ram_total.unwrap();
                assert_eq!(
                    total,
                    metrics.ram_used.unwrap() + metrics.ram_available.unwrap()
                );
                assert!(metrics.browser_pss <= metrics.ram_used);
                assert!(metrics.swap_used <= metrics.swap_total);
                assert!(metrics.psi_full_avg10 <= metrics.psi_some_avg10);
                assert!(metrics.psi_some_avg10.unwrap() <= 100.0);
            }
            stalls.push(mean(&bodies, |metrics| metrics.psi_some_avg10));
        }
        assert!(stalls.is_sorted(), "{stalls:?}");
        assert!(stalls[0] < 1.0 && stalls[3] > 20.0, "{stalls:?}");
        let signals = |bodies: &[(i64, Body)]| {
            let is_signal = |(_, body): &&(i64, Body)| matches!(body, Body::PressureSignal(_));
            bodies.iter().filter(is_signal).count()
        };
        assert!(signals(&day(1 << 30, 0)) < signals(&day(7 << 30, 0)));
    }

    #[test]
    fn the_same_seed_is_the_same_machine() {
        assert_eq!(day(3 << 30, 4), day(3 << 30, 4));
        assert_ne!(day(3 << 30, 4), day(3 << 30, 5));
    }

    #[test]
    fn a_machine_that_nobody_uses_goes_to_sleep_and_says_so_when_it_wakes() {
        let mut machine = Machine::new(&profile(), Draw::new(1, 0), 0);
        let mut bodies = Vec::new();
        let mut give = |t_ms, body| bodies.push((t_ms, body));
        machine.pass(60_000, load(1 << 30), &mut give);
        machine.rest(9 * 3_600_000, load(1 << 30), &mut give);
        machine.pass(9 * 3_600_000 + 60_000, load(1 << 30), &mut give);
        let times: Vec<i64> = bodies.iter().map(|(t_ms, _)| *t_ms).collect();
        assert!(times.is_sorted());
        let sleep = bodies
            .iter()
            .find_map(|(t_ms, body)| match body {
                Body::Suspended(suspended) => Some((*t_ms, suspended.ms)),
                _ => None,
            })
            .unwrap();
        let (wake_ms, slept_ms) = (sleep.0, i64::try_from(sleep.1).unwrap());
        assert_eq!(wake_ms, 9 * 3_600_000);
        let is_asleep = |t_ms: &&i64| **t_ms > wake_ms - slept_ms && **t_ms < wake_ms;
        assert_eq!(times.iter().find(is_asleep), None);
        assert!(slept_ms > 8 * 3_600_000);
    }
}
