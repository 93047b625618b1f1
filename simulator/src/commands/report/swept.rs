//! What a sweep found, as figures.

use engine::PolicyDocument;
use serde_json::Value;
use simulator::pareto;
use simulator::replay::{Rates, Sums};

use super::figures::{
    Fact, Kind, Partition, PartitionPoint, Policy, Provenance, Report, Role, Sensitivity,
    SensitivityPoint, frontier, mark_front,
};
use super::source::{Sweep, Swept};
use super::{Words, early_returns, shown_value, unit_of};
use crate::console::count;

/// More values of a setting than this are put together, about as many to each.
const VALUES_MAX: usize = 16;
const BINS: usize = 8;

/// The switch of the focus partition, and the TTLs it works with.
const FOCUS: &str = "focus.enabled";
const TTLS: [&str; 2] = ["ttl_minutes", "focus.out_ttl_minutes"];

pub(super) fn report(sweep: Sweep) -> Report {
    let base = sweep.policies.iter().find(|it| !it.is_variant);
    let base_name = base.map_or("a policy", |it| &it.name).to_owned();
    // The bytes in the background and the user's time are the same for all policies.
    let whole = base.or(sweep.policies.first()).map(|it| &it.sums);
    let (background_gib_h, active_hours) = whole.map_or((0.0, 0.0), |it: &Sums| {
        (it.background_gib_h, it.active_hours)
    });
    let mut policies: Vec<Policy> = sweep.policies.iter().map(policy).collect();
    mark_front(&mut policies);
    let variants: Vec<&Policy> = (policies.iter())
        .filter(|it| it.role == Role::Variant)
        .collect();
    let settings = &sweep.manifest.varied;
    let sensitivity = settings
        .iter()
        .map(|it| sensitivity(it, &variants, &sweep))
        .collect();
    Report {
        type_name: "report",
        of: Kind::Sweep,
        title: format!("Sweep of {base_name}"),
        question: format!(
            "What becomes of {base_name} on {} ({active_hours:.1} hours of the user's time) when {} \
             changed? {} were run.",
            count(sweep.manifest.traces.len() as u64, "trace"),
            match settings.as_slice() {
                [one] => format!("{one} is"),
                all => format!("{} are", all.join(", ")),
            },
            count(variants.len() as u64, "variant")
        ),
        answer: answer(&policies, &base_name),
        varied: settings.clone(),
        partition: partition(&variants, settings),
        sensitivity,
        sensitivity_is: sensitivity_is(&base_name),
        frontier: frontier(&sweep.frontier, background_gib_h, active_hours),
        held_out: Vec::new(),
        evidence: Vec::new(),
        changed: Vec::new(),
        timelines: Vec::new(),
        provenance: provenance(sweep, variants.len(), &base_name, active_hours),
        policies,
    }
}

fn policy(swept: &Swept) -> Policy {
    Policy {
        name: swept.name.clone(),
        policy_hash: swept.hash.clone(),
        role: match swept.is_variant {
            true => Role::Variant,
            false => Role::Reference,
        },
        is_on_front: false,
        settings: match swept.is_variant {
            true => swept.settings.clone(),
            false => serde_json::Map::new(),
        },
        rates: swept.sums.rates(),
    }
}

fn answer(policies: &[Policy], base_name: &str) -> Vec<String> {
    let told = |it: &Rates| {
        format!(
            "{} with {} and {} reloads an hour",
            Words(it.saved_share).percent(),
            early_returns(it),
            Words(it.reloads_per_active_hour).decimal(2)
        )
    };
    let front = policies.iter().filter(|it| it.is_on_front).count();
    let base = policies.iter().find(|it| it.role == Role::Reference);
    let mut sentences = vec![match front {
        0 => {
            "On these traces there is nothing to save, or nobody was there: no variant can be told \
              from another."
                .to_owned()
        }
        1 => "One variant is beaten by no other in both savings and reloads.".to_owned(),
        front => format!("{front} variants are beaten by no other in both savings and reloads."),
    }];
    if let Some(base) = base {
        sentences.push(format!("{base_name} saves {}.", told(&base.rates)));
        let reloads = base.rates.reloads_per_active_hour;
        let early = base.rates.early_return_rate.unwrap_or(0.0);
        let mut as_good = policies.iter().filter(|it| {
            let rates = &it.rates;
            it.is_on_front
                && rates.reloads_per_active_hour <= reloads
                && rates.early_return_rate.unwrap_or(0.0) <= early
                && rates.saved_share > base.rates.saved_share
        });
        let best = as_good.next_back();
        sentences.push(match best {
            Some(best) => format!(
                "With no more reloads and no more early returns than that, {} saves most: {}.",
                best.name,
                told(&best.rates)
            ),
            None => {
                "No variant saves more with no more reloads and no more early returns.".to_owned()
            }
        });
    }
    sentences.push(
        "Nothing was held out: this describes these traces and recommends nothing. Whoever wants to \
         choose uses sim tune, which says how far a choice can be trusted."
            .to_owned(),
    );
    sentences
}

fn sensitivity_is(base_name: &str) -> String {
    format!(
        "Each point is the mean over all variants with that value, whatever the other settings; the \
         shade reaches from the least of them to the most. Early returns are of those that discard \
         anything. Where a setting has more than \
         {VALUES_MAX} values, they are put together in {BINS} groups of neighbours. The upright line \
         is the value in {base_name}."
    )
}

fn sensitivity(setting: &str, variants: &[&Policy], sweep: &Sweep) -> Sensitivity {
    Sensitivity {
        setting: setting.to_owned(),
        unit: unit_of(setting),
        marked: in_base(setting, sweep),
        points: by_value(setting, variants),
    }
}

/// The value in the policy that was varied.
fn in_base(setting: &str, sweep: &Sweep) -> Value {
    let base = Value::Object(sweep.manifest.base.clone());
    let at = |document: &Value| {
        setting
            .split('.')
            .try_fold(document.clone(), |value, name| value.get(name).cloned())
    };
    at(&base)
        .or_else(|| at(&PolicyDocument::default().to_json()))
        .unwrap_or_default()
}

/// The variants by the value of a setting, numbers in order, other values as they come.
fn by_value(setting: &str, variants: &[&Policy]) -> Vec<SensitivityPoint> {
    let mut groups: Vec<(Value, Vec<&Rates>)> = Vec::new();
    for variant in variants {
        let value = variant.settings.get(setting).unwrap_or(&Value::Null);
        match groups.iter_mut().find(|(other, _)| other == value) {
            Some((_, rates)) => rates.push(&variant.rates),
            None => groups.push((value.clone(), vec![&variant.rates])),
        }
    }
    let number = |value: &Value| value.as_f64();
    if groups.iter().all(|(value, _)| number(value).is_some()) {
        groups.sort_by(|(a, _), (b, _)| number(a).partial_cmp(&number(b)).expect("all are finite"));
        if groups.len() > VALUES_MAX {
            let size = groups.len().div_ceil(BINS);
            let bins = groups.chunks(size).map(|bin| {
                let values = bin.iter().filter_map(|(value, _)| number(value));
                let mean = values.sum::<f64>() / bin.len() as f64;
                let rates = bin.iter().flat_map(|(_, rates)| rates.iter().copied());
                (Value::from(rounded(mean)), rates.collect())
            });
            groups = bins.collect();
        }
    }
    let point =
        |(value, rates): (Value, Vec<&Rates>)| SensitivityPoint::of(value, rates.iter().copied());
    groups.into_iter().map(point).collect()
}

/// To as many digits as the values have that a sweep draws.
fn rounded(mean: f64) -> f64 {
    format!("{mean:.3e}").parse().unwrap_or(mean)
}

/// Early returns against savings with and without the focus partition, where that and a TTL were
/// varied. Each side is shown at its best: a mean over settings that mean something on one side
/// alone would compare what nobody would choose.
fn partition(variants: &[&Policy], settings: &[String]) -> Option<Partition> {
    let has = |name: &&str| settings.iter().any(|setting| setting == name);
    TTLS.iter().find(|ttl| has(ttl)).filter(|_| has(&FOCUS))?;
    let side = |is_enabled: bool| {
        let of_side = variants
            .iter()
            .filter(|it| it.settings.get(FOCUS) == Some(&Value::Bool(is_enabled)));
        let points = of_side.filter_map(|it| {
            Some(PartitionPoint {
                settings: it.settings.clone(),
                saved_share: it.rates.saved_share?,
                early_return_rate: it.rates.early_return_rate?,
                reloads_per_active_hour: it.rates.reloads_per_active_hour,
            })
        });
        pareto::places(points, |it| [it.early_return_rate, -it.saved_share])
    };
    Some(Partition {
        with: side(true),
        without: side(false),
    })
}

fn provenance(
    sweep: Sweep,
    variant_count: usize,
    base_name: &str,
    active_hours: f64,
) -> Provenance {
    let manifest = sweep.manifest;
    let differences = manifest.base.iter();
    let differences: Vec<String> = differences
        .map(|(name, value)| format!("{name} = {}", shown_value(value)))
        .collect();
    let base = match differences.as_slice() {
        [] => format!("{base_name}, as the default"),
        some => format!("{base_name}: the default but for {}", some.join(", ")),
    };
    let memory_loop = match manifest.loop_.as_deref() {
        Some("open") => "open: samples of memory are as recorded",
        _ => "closed: samples of memory follow what a policy frees",
    };
    Provenance {
        version: sweep.version,
        seed: manifest.seed.unwrap_or(0),
        traces: manifest.traces,
        active_hours,
        facts: vec![
            Fact::new("Base", base),
            Fact::new("Varied", manifest.varied.join(", ")),
            Fact::new("Loop", memory_loop.to_owned()),
            Fact::new("Variants", variant_count.to_string()),
            Fact::new("Units of work", manifest.unit_count.to_string()),
            Fact::new("Hash of results.jsonl", manifest.results_sha256),
        ],
    }
}
