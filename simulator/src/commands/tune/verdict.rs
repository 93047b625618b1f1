//! Whether what was chosen can be recommended, by what it came to where it was held out.

use simulator::comparison::FEW;

use super::found::HeldOut;

/// What is made of it, and why.
pub(super) struct Verdict {
    pub(super) recommended: bool,
    pub(super) why: String,
}

impl Verdict {
    pub(super) fn no(why: impl Into<String>) -> Self {
        Self {
            recommended: false,
            why: why.into(),
        }
    }

    /// Judges what was chosen. It must keep the limits wherever it was held out, and save more on
    /// others' traces, or where nobody was held out on a later time.
    pub(super) fn of(
        on_held_out_people: Option<&HeldOut>,
        walking_forward: Option<&HeldOut>,
    ) -> Self {
        let Some(held_out) = on_held_out_people.or(walking_forward) else {
            return Self::no("nothing was held out to judge it on");
        };
        let base = &held_out.against[0];
        let (name, evidence) = (&base.name, &base.evidence);
        // Who has no tab in the background adds nothing, and makes no chance smaller.
        let people = evidence.gain.map_or(0, |gain| gain.people);
        if people < FEW {
            return Self::no(format!(
                "it takes {FEW} people with something to save to tell what is better from chance, \
                 and there are {people}"
            ));
        }
        let places = [
            ("on people it was not made for", on_held_out_people),
            ("on a later time", walking_forward),
        ];
        for (place, held_out) in places {
            let excess = held_out.map_or(0.0, |it| it.limits.excess(&it.tuned));
            if excess.is_infinite() {
                return Self::no(format!(
                    "{place} it is not known whether it keeps the limits"
                ));
            }
            if excess > 0.0 {
                let percent = 100.0 * excess;
                return Self::no(format!("{place} it exceeds a limit by {percent:.0} %"));
            }
        }
        match evidence.saved_share {
            Some(estimate) if estimate.low > 0.0 => Self {
                recommended: true,
                why: format!(
                    "where it was held out it saves more than {name} and keeps the limits; the \
                     interval leaves 0 out"
                ),
            },
            Some(estimate) if estimate.value > 0.0 => Self::no(format!(
                "where it was held out it saves more than {name}, but within the noise: the \
                 interval holds 0"
            )),
            Some(_) => Self::no(format!(
                "where it was held out it saves no more than {name}"
            )),
            None => Self::no("where it was held out there is too little to save"),
        }
    }
}

#[cfg(test)]
mod tests {
    use simulator::comparison::Estimate;
    use simulator::replay::{Rates, Tally};
    use simulator::tune::{Evidence, Gain, Limits};

    use super::super::found::Judged;
    use super::*;

    /// What saves something more for so many of twelve people, for certain or not, and needs so
    /// many reloads of 0.1.
    fn held_out(people: usize, low: f64, reloads: f64) -> HeldOut {
        let rates = |reloads| Rates {
            reloads_per_active_hour: Some(reloads),
            ..Tally::default().rates()
        };
        let evidence = Evidence {
            people: 12,
            saved_share: Some(Estimate {
                value: 0.02,
                low,
                high: 0.04,
            }),
            reloads_per_active_hour: None,
            early_return_rate: None,
            high_minutes_per_awake_hour: None,
            gain: Some(Gain { people, more: 6 }),
        };
        HeldOut {
            limits: Limits {
                max_reloads_per_active_hour: Some(0.1),
                ..Limits::default()
            },
            tuned: rates(reloads),
            against: vec![Judged {
                name: "default".to_owned(),
                rates: rates(0.1),
                evidence,
            }],
            gap_saved_share: None,
        }
    }

    #[track_caller]
    fn check(by_person: &HeldOut, forward: &HeldOut, expect: Result<&str, &str>) {
        let Verdict { recommended, why } = Verdict::of(Some(by_person), Some(forward));
        let found = match recommended {
            true => Ok(&*why),
            false => Err(&*why),
        };
        assert_eq!(found, expect);
    }

    #[test]
    fn what_is_recommended_is_borne_out_by_enough_people_and_keeps_the_limits_everywhere() {
        let (good, noisy) = (held_out(12, 0.01, 0.1), held_out(12, -0.01, 0.1));
        let (beyond, few) = (held_out(12, 0.01, 0.12), held_out(9, 0.01, 0.1));
        check(
            &good,
            &noisy,
            Ok(
                "where it was held out it saves more than default and keeps the limits; the \
                 interval leaves 0 out",
            ),
        );
        check(
            &few,
            &good,
            Err(
                "it takes 10 people with something to save to tell what is better from chance, \
                 and there are 9",
            ),
        );
        check(
            &beyond,
            &good,
            Err("on people it was not made for it exceeds a limit by 20 %"),
        );
        check(
            &good,
            &beyond,
            Err("on a later time it exceeds a limit by 20 %"),
        );
        check(
            &noisy,
            &good,
            Err(
                "where it was held out it saves more than default, but within the noise: the \
                 interval holds 0",
            ),
        );
    }
}
