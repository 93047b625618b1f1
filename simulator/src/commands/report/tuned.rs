//! What a tuning found, as figures.

use simulator::comparison::Estimate;
use simulator::replay::Rates;
use simulator::tune::{Limits, SplitKind};

use super::super::tune::{Judged, Member, Sensitivity as TunedSensitivity, Tuned, lead};
use super::figures::{
    Evidence, Fact, HeldOutFront, Kind, Policy, Provenance, Report, Role, Sensitivity,
    SensitivityPoint, frontier, mark_front,
};
use super::{Words, early_returns, unit_of};
use crate::console::{count, percent};

pub(super) fn report(tuned: Tuned) -> Report {
    let mut policies = policies(&tuned);
    mark_front(&mut policies);
    let sensitivity = tuned.sensitivity.iter().map(sensitivity).collect();
    Report {
        type_name: "report",
        of: Kind::Tune,
        title: format!("Tuning of {}", tuned.base),
        question: question(&tuned),
        answer: answer(&tuned),
        varied: tuned.vary.iter().map(|it| name_of(it).to_owned()).collect(),
        policies,
        frontier: frontier(&tuned.frontier, tuned.background_gib_h, tuned.active_hours),
        held_out: held_out(&tuned),
        sensitivity,
        sensitivity_is:
            "One setting of the chosen policy is changed at a time, all others stay, on \
                         all traces. The upright line is the chosen value."
                .to_owned(),
        partition: None,
        timelines: Vec::new(),
        provenance: provenance(&tuned),
        changed: tuned.changed.unwrap_or_default(),
        evidence: [
            ("On people it was not made for", tuned.on_held_out_people),
            ("On a later time", tuned.walking_forward),
        ]
        .into_iter()
        .filter_map(|(about, held_out)| {
            let held_out = held_out?;
            Some(Evidence {
                about,
                tuned: held_out.tuned,
                against: held_out.against,
            })
        })
        .collect(),
    }
}

/// The setting of `SETTING=VALUES`.
fn name_of(varied: &str) -> &str {
    varied.split_once('=').map_or(varied, |(name, _)| name)
}

fn question(tuned: &Tuned) -> String {
    format!(
        "Which settings of {} save more on {} of {} ({:.1} hours of their time), {}? {} were tried.",
        tuned.base,
        count(tuned.traces.len() as u64, "trace"),
        people(tuned.people.len()),
        tuned.active_hours,
        limits(&tuned.asked_limits, &tuned.base),
        count(tuned.variants_tried as u64, "variant"),
    )
}

fn people(of: usize) -> String {
    match of {
        1 => "1 person".to_owned(),
        of => format!("{of} people"),
    }
}

/// The limits in words.
fn limits(limits: &Limits, base: &str) -> String {
    let reloads = match limits.max_reloads_per_active_hour {
        Some(most) => format!("with at most {most} reloads an hour"),
        None => format!("with no more reloads than {base} or original-2026"),
    };
    let early = limits.max_early_return_rate;
    let high = limits.max_high_minutes_per_awake_hour;
    let others = [
        early.map(|most| format!("at most {} early returns", percent(most))),
        high.map(|most| format!("at most {most} minutes at HIGH in an hour")),
    ];
    let all: Vec<String> = [Some(reloads)]
        .into_iter()
        .chain(others)
        .flatten()
        .collect();
    all.join(", ")
}

fn answer(tuned: &Tuned) -> Vec<String> {
    let verdict = if tuned.recommended {
        "Recommended"
    } else {
        "Not recommended"
    };
    let mut sentences = vec![format!("{verdict}: {}.", tuned.why)];
    for (about, held_out) in [
        ("On people it was not made for", &tuned.on_held_out_people),
        ("On a later time", &tuned.walking_forward),
    ] {
        if let Some(held_out) = held_out {
            let base = held_out.against.iter().take(1);
            sentences.extend(base.map(|base| difference(about, &held_out.tuned, base)));
            sentences.extend(lead(held_out, &tuned.base));
        }
    }
    sentences
}

/// What was chosen against the base: never what is saved without its price.
fn difference(about: &str, tuned: &Rates, base: &Judged) -> String {
    let evidence = &base.evidence;
    let points = |it: Option<Estimate>| {
        it.map_or("not to be compared".to_owned(), |it| {
            let [value, low, high] = [it.value, it.low, it.high].map(|share| 100.0 * share);
            format!("{value:+.1} points [{low:+.1}, {high:+.1}]")
        })
    };
    let reloads = evidence.reloads_per_active_hour;
    let reloads = reloads.map_or("unknown".to_owned(), |it| {
        format!("{:+.2} [{:+.2}, {:+.2}]", it.value, it.low, it.high)
    });
    format!(
        "{about} it saves {} with {} and {} reloads an hour; against {}, saved {}, \
         early returns {}, reloads an hour {reloads}. In brackets: 95 % intervals over {}.",
        Words(tuned.saved_share).percent(),
        early_returns(tuned),
        Words(tuned.reloads_per_active_hour).decimal(2),
        base.name,
        points(evidence.saved_share),
        points(evidence.early_return_rate),
        people(evidence.people),
    )
}

fn policies(tuned: &Tuned) -> Vec<Policy> {
    let policy = |name: String, role, member: &Member| Policy {
        name,
        policy_hash: member.policy_hash.clone(),
        role,
        is_on_front: false,
        settings: member.settings.clone(),
        rates: member.training,
    };
    let references = tuned.in_training.iter();
    let mut all: Vec<Policy> = references
        .map(|it| policy(it.policy.clone().unwrap_or_default(), Role::Reference, it))
        .collect();
    let chosen = tuned.chosen.as_ref().map(|it| ("chosen", it));
    let chosen = chosen.or(tuned
        .nearest
        .as_ref()
        .map(|it| ("nearest to the limits", it)));
    all.extend(chosen.map(|(name, it)| policy(name.to_owned(), Role::Chosen, it)));
    let mut seen: Vec<Option<String>> = chosen.iter().map(|it| it.1.policy_hash.clone()).collect();
    for member in &tuned.evaluations {
        // A search may come back to where it was.
        if !seen.contains(&member.policy_hash) {
            seen.push(member.policy_hash.clone());
            all.push(policy(
                format!("variant {}", seen.len()),
                Role::Variant,
                member,
            ));
        }
    }
    all
}

fn held_out(tuned: &Tuned) -> Vec<HeldOutFront> {
    let has = |kind| tuned.splits.iter().any(|split| split.kind == kind);
    let kind = match has(SplitKind::ByPerson) {
        true => SplitKind::ByPerson,
        false => SplitKind::WalkForward,
    };
    let splits = tuned.splits.iter().filter(|split| split.kind == kind);
    let fronts = splits.map(|split| {
        let (from, to) = split.held_out.windows;
        let about = match kind {
            SplitKind::ByPerson => split.held_out.people.join(", "),
            _ => format!("windows {from} to {}", to.saturating_sub(1)),
        };
        HeldOutFront::new(split, about)
    });
    fronts.collect()
}

fn sensitivity(of: &TunedSensitivity) -> Sensitivity {
    let points = of.points.iter();
    Sensitivity {
        setting: of.setting.clone(),
        unit: unit_of(&of.setting),
        marked: of.chosen.clone(),
        points: points
            .map(|it| SensitivityPoint::of(it.value.clone(), std::iter::once(&it.rates)))
            .collect(),
    }
}

fn provenance(tuned: &Tuned) -> Provenance {
    let splits = |kind| {
        tuned
            .splits
            .iter()
            .filter(|split| split.kind == kind)
            .count()
    };
    let names: Vec<String> = tuned
        .people
        .iter()
        .map(|it| match it.traces.len() {
            1 => it.name.clone(),
            traces => format!("{} ({})", it.name, count(traces as u64, "trace")),
        })
        .collect();
    let mut facts = vec![
        Fact::new(
            "Base",
            match &tuned.base_hash {
                Some(hash) => format!("{}, hash {hash}", tuned.base),
                None => tuned.base.clone(),
            },
        ),
        Fact::new("Varied", tuned.vary.join("; ")),
        Fact::new("Limits", limits(&tuned.asked_limits, &tuned.base)),
        Fact::new(
            "Margin",
            format!("{} below each limit in training", percent(tuned.margin)),
        ),
        Fact::new("People", names.join(", ")),
        Fact::new("Folds of people", splits(SplitKind::ByPerson).to_string()),
        Fact::new("Windows of time", tuned.windows.to_string()),
        Fact::new(
            "Variants tried",
            format!("{}, neighbours among them", tuned.variants_tried),
        ),
    ];
    let whole = tuned.splits.last();
    if let Some(plateau) = whole.and_then(|split| split.plateau) {
        let about = format!(
            "{} of {} neighbours of the chosen one keep the limits; the median of them saves {}",
            plateau.keep_limits,
            plateau.neighbours,
            percent(plateau.saved_share)
        );
        facts.push(Fact::new("Plateau", about));
    }
    Provenance {
        version: tuned.version.clone(),
        seed: tuned.seed,
        traces: tuned.traces.clone(),
        active_hours: tuned.active_hours,
        facts,
    }
}
