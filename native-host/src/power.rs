//! The battery: whether the machine runs on it, and how full it is.

use std::time::{Duration, Instant};

use battery::State;
use battery::units::energy::joule;

/// How long a reading is taken to hold. A battery changes slowly, and asking the firmware for it
/// can take milliseconds.
const HOLDS: Duration = Duration::from_secs(30);

/// What is known of the machine's power.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Power {
    /// Whether it runs on its battery: false on a machine that has none, `None` where the system
    /// does not tell.
    pub on_battery: Option<bool>,
    /// Charge over all batteries, 0 to 100; `None` where there are none.
    pub charge_percent: Option<f64>,
}

/// Reads the batteries now and then.
#[derive(Debug, Default)]
pub struct PowerSensor {
    manager: Option<battery::Manager>,
    last: Option<(Instant, Power)>,
}

impl PowerSensor {
    /// Returns the last reading, or a new one when that is half a minute old.
    pub fn read(&mut self) -> Power {
        if let Some((at, power)) = self.last
            && at.elapsed() < HOLDS
        {
            return power;
        }
        let power = self.measure().unwrap_or_default();
        self.last = Some((Instant::now(), power));
        power
    }

    fn measure(&mut self) -> Option<Power> {
        let manager = match self.manager.take() {
            Some(manager) => manager,
            None => battery::Manager::new().ok()?,
        };
        let batteries = self.manager.insert(manager).batteries().ok()?;
        // A battery that cannot be read is as good as absent.
        Some(summarise(batteries.flatten().map(|battery| Charge {
            is_discharging: battery.state() == State::Discharging,
            energy_joules: f64::from(battery.energy().get::<joule>()),
            full_joules: f64::from(battery.energy_full().get::<joule>()),
        })))
    }
}

/// One battery.
struct Charge {
    is_discharging: bool,
    energy_joules: f64,
    full_joules: f64,
}

/// A machine runs on its batteries when one of them gives power: those with two drain one first
/// while the other rests.
fn summarise(batteries: impl Iterator<Item = Charge>) -> Power {
    let mut on_battery = false;
    let (mut energy, mut full) = (0.0, 0.0);
    for battery in batteries {
        on_battery |= battery.is_discharging;
        energy += battery.energy_joules;
        full += battery.full_joules;
    }
    let charge_percent = (full > 0.0).then(|| {
        // To a tenth: what firmware says below that is noise, and noise is bytes in the log.
        (energy / full * 1_000.0).round().clamp(0.0, 1_000.0) / 10.0
    });
    Power {
        on_battery: Some(on_battery),
        charge_percent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batteries_are_weighed_by_what_they_hold() {
        #[track_caller]
        fn check(batteries: &[(bool, f64, f64)], on_battery: bool, charge: Option<f64>) {
            let batteries =
                batteries
                    .iter()
                    .map(|&(is_discharging, energy_joules, full_joules)| Charge {
                        is_discharging,
                        energy_joules,
                        full_joules,
                    });
            let expect = Power {
                on_battery: Some(on_battery),
                charge_percent: charge,
            };
            assert_eq!(summarise(batteries), expect);
        }
        check(&[], false, None);
        check(&[(true, 50.0, 200.0)], true, Some(25.0));
        check(
            &[(false, 100.0, 100.0), (true, 0.0, 300.0)],
            true,
            Some(25.0),
        );
        check(&[(false, 120.0, 100.0)], false, Some(100.0));
        check(&[(true, 0.0, 0.0)], true, None);
    }
}
