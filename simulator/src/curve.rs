//! The curve score: how many reloads a family of policies takes to save a given share, whatever
//! TTL somebody may have chosen for it.
//!
//! A family is a policy with all its TTLs scaled together, without gate, cooldown or batch. Its
//! savings grow and its reloads with them as the TTLs shrink; where the curve passes a share, the
//! reloads there are read off between the two nearest scales. Two families are compared at equal
//! savings, without anyone's lucky choice of a TTL.

use engine::{Gate, Orchestrator, PolicyDocument, Settings, TtlClock};
use serde::Serialize;

use crate::comparison::Entrant;
use crate::replay::Score;

/// The shares of the background bytes × active time at which reloads are read off.
pub const SHARES: [f64; 3] = [0.7, 0.8, 0.9];

/// The scales run from 1/64 to 22.6 times the family's own TTLs (the last is halfway from 16 to 32),
/// by doublings and halfway between. A TTL that this would take below a minute stays there.
const OCTAVES: std::ops::RangeInclusive<i32> = -6..=4;

/// Policies that differ only in the scale of their TTLs.
#[derive(Clone, Debug)]
pub struct Family {
    /// What it is called.
    pub name: String,
    settings: Settings,
}

impl Family {
    /// The family of a policy of ours.
    pub fn of(name: &str, document: &PolicyDocument) -> Self {
        Self {
            name: name.to_owned(),
            settings: Settings {
                gate: Gate::Always,
                ..document.clone().into()
            },
        }
    }

    /// A flat timer on a clock: no context and no familiarity.
    pub fn flat(clock: TtlClock) -> Self {
        let mut settings = Settings {
            gate: Gate::Always,
            familiarity_cap: 1,
            ttl_clock: clock,
            ..Settings::default()
        };
        settings.focus.enabled = false;
        let name = match clock {
            TtlClock::Active => "flat timer, active clock",
            TtlClock::Awake => "flat timer, awake clock",
            TtlClock::Wall => "flat timer, wall clock",
        };
        Self {
            name: name.to_owned(),
            settings,
        }
    }

    /// Its members, from the shortest TTLs to the longest.
    pub fn members(&self) -> Vec<Entrant> {
        let halves = [1.0, std::f64::consts::SQRT_2];
        let scales = OCTAVES.flat_map(|octave| halves.map(|half| half * 2_f64.powi(octave)));
        let mut documents: Vec<PolicyDocument> = scales.map(|scale| self.scaled(scale)).collect();
        // Below the shortest TTL that a policy may have, scales come to the same.
        documents.dedup();
        let member = |document: PolicyDocument| Entrant {
            name: format!("{} × {}", self.name, document.ttl_minutes),
            protected_domains: document.protected_domains.clone(),
            policy: Box::new(Orchestrator::new(document)),
            is_ticking: true,
        };
        documents.into_iter().map(member).collect()
    }

    fn scaled(&self, scale: f64) -> PolicyDocument {
        let scaled = |minutes: f64| (minutes * scale).clamp(1.0, 10_080.0);
        let mut settings = self.settings.clone();
        settings.ttl_minutes = scaled(settings.ttl_minutes);
        settings.focus.out_ttl_minutes = scaled(settings.focus.out_ttl_minutes);
        PolicyDocument::new(settings).expect("TTLs are kept within their range")
    }
}

/// The curve of a family.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// The family.
    pub name: String,
    /// What each member came to, from the least saved to the most.
    pub points: Vec<CurvePoint>,
    /// The reloads at each of [`SHARES`]; absent where no member saves as much, or none as little.
    pub reloads_at: [Option<f64>; SHARES.len()],
}

/// A member of a family.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CurvePoint {
    /// Of the background bytes × active time.
    pub saved_share: f64,
    /// In GiB·h of the active clock.
    pub saved_gib_h: f64,
    /// How many tabs were needed again.
    pub reloads: u64,
}

impl Curve {
    /// Draws the curve of a family through what its members came to on all traces.
    pub fn new(family: &Family, members: &[Score]) -> Self {
        let point = |score: &Score| {
            score.saved_share.map(|saved_share| CurvePoint {
                saved_share,
                saved_gib_h: score.saved_gib_h,
                reloads: score.reloads,
            })
        };
        let mut points: Vec<CurvePoint> = members.iter().filter_map(point).collect();
        points.sort_by(|a, b| {
            (a.saved_share.total_cmp(&b.saved_share)).then(a.reloads.cmp(&b.reloads))
        });
        Self {
            name: family.name.clone(),
            reloads_at: SHARES.map(|share| reloads_at(&points, share)),
            points,
        }
    }
}

/// Reads the reloads off between the two points around a share.
fn reloads_at(points: &[CurvePoint], share: f64) -> Option<f64> {
    let after = points.partition_point(|point| point.saved_share < share);
    let (before, after) = (points.get(after.checked_sub(1)?)?, points.get(after)?);
    let part = (share - before.saved_share) / (after.saved_share - before.saved_share);
    Some(before.reloads as f64 + part * (after.reloads as f64 - before.reloads as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reloads_are_read_off_between_two_scales() {
        let point = |saved_share: f64, reloads: u64| CurvePoint {
            saved_share,
            saved_gib_h: 0.0,
            reloads,
        };
        let points = [point(0.5, 10), point(0.75, 20), point(0.85, 40)];
        assert_eq!(reloads_at(&points, 0.7).map(f64::round), Some(18.0));
        assert_eq!(reloads_at(&points, 0.8).map(f64::round), Some(30.0));
        assert_eq!(reloads_at(&points, 0.9), None);
        assert_eq!(reloads_at(&points, 0.4), None);
        assert_eq!(reloads_at(&[], 0.7), None);
    }

    #[test]
    fn the_members_of_a_family_run_from_a_minute_to_hours() {
        let members = Family::flat(TtlClock::Active).members();
        assert_eq!(
            members.first().unwrap().name,
            "flat timer, active clock × 1"
        );
        assert_eq!(
            members.last().unwrap().name,
            "flat timer, active clock × 339.4112549695428"
        );
    }
}
