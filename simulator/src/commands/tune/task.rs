//! What is to be tuned, on what terms: everything that the command line says, resolved.

use simulator::replay::Rates;
use simulator::sweep::{Dimension, Space};
use simulator::tune::Limits;

use super::args::TuneArgs;
use crate::policy::{self, NamedPolicy};

/// What is varied unless something is named: what a policy does most of its work by. With more a
/// search of a few hundred variants finds less: the space grows faster than what it tries.
const USUALLY_VARIED: [&str; 5] = [
    "ttl_minutes=5..240:log",
    "focus.out_ttl_minutes=1..240:log",
    "familiarity_cap=1,2,4,8",
    "pressure.medium_score=10..60",
    "batch_medium=1..4",
];

/// What the tuned policy is held against, besides the base.
const ORIGINAL: &str = "original-2026";

/// A policy to tune, and on what terms.
pub(super) struct Task {
    pub(super) space: Space,
    pub(super) base: NamedPolicy,
    pub(super) original: NamedPolicy,
    pub(super) others: Vec<NamedPolicy>,
    pub(super) limits: Limits,
    pub(super) margin: f64,
    pub(super) trials: usize,
    pub(super) population: usize,
    pub(super) seed: u64,
}

impl Task {
    pub(super) fn resolve(args: &TuneArgs) -> anyhow::Result<Self> {
        let (base, document) = policy::find_ours(&args.base, args.seed, "tune")?;
        let varied = match args.vary.is_empty() {
            true => USUALLY_VARIED.map(str::to_owned).into(),
            false => args.vary.clone(),
        };
        let dimensions = varied.iter().map(|text| Dimension::parse(text));
        let original = policy::find(ORIGINAL, args.seed)?;
        let others = args.against.iter();
        let others = others.map(|name| policy::find(name, args.seed));
        let others = others.collect::<Result<_, _>>()?;
        Ok(Self {
            space: Space::new(document, dimensions.collect::<Result<_, _>>()?)?,
            base,
            original,
            others,
            limits: Limits {
                max_reloads_per_active_hour: args.max_reloads_per_hour,
                max_early_return_rate: args.max_early_returns,
                max_high_minutes_per_awake_hour: args.max_high_minutes_per_hour,
            },
            margin: args.margin,
            trials: args.trials,
            population: args.population,
            seed: args.seed,
        })
    }

    /// The limits of a search that knows what the base and the original came to in training. A
    /// margin is kept to them, since what is at a limit in training is beyond it for half of all
    /// other people.
    pub(super) fn limits_in_training(&self, of: [Rates; 2]) -> Limits {
        let limits = self.limits_held_out(of);
        let with_margin = |limit: Option<f64>| limit.map(|limit| limit * (1.0 - self.margin));
        Limits {
            max_reloads_per_active_hour: with_margin(limits.max_reloads_per_active_hour),
            max_early_return_rate: with_margin(limits.max_early_return_rate),
            max_high_minutes_per_awake_hour: with_margin(limits.max_high_minutes_per_awake_hour),
        }
    }

    /// The limits that must be kept on held-out people. Where no reloads were named there may be as
    /// many as the base or the original needs there, whichever needs fewer.
    pub(super) fn limits_held_out(&self, of: [Rates; 2]) -> Limits {
        let fewest = of.into_iter().filter_map(|it| it.reloads_per_active_hour);
        let reloads = self.limits.max_reloads_per_active_hour;
        Limits {
            max_reloads_per_active_hour: reloads.or(fewest.min_by(f64::total_cmp)),
            ..self.limits
        }
    }
}
