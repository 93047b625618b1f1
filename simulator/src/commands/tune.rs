//! `sim tune`: which settings are better on these traces, and can that be trusted?

mod args;
mod bench;
mod found;
mod policy_file;
mod text;
mod verdict;

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use regex::Regex;
use simulator::pareto;
use simulator::replay::{Frontier, Rates, Tally};
use simulator::sweep::{Dimension, Space, Variant, Version};
use simulator::tune::{
    Cells, Choice, Limits, Part, Plateau, Search, Split, SplitKind, double_steps, neighbours,
    objectives, split, steps,
};

use super::sweep::thinned;
use crate::commands::sweep::Workshop;
use crate::console::Console;
use crate::outcome::Outcome;
use crate::policy::{self, NamedPolicy};
use crate::reading::shown;
use crate::writing::write_whole;

use bench::Bench;
use found::{HeldOut, PartTold, PersonTold};
use verdict::Verdict;

pub(super) use args::TuneArgs;
pub(super) use found::{Changed, Judged, Member, Sensitivity, SplitTold, TUNED, TraceTold, Tuned};
pub(super) use text::lead;

/// What is varied unless something is named: what a policy does most of its work by. With more a
/// search of a few hundred variants finds less: the space grows faster than what it tries.
const USUALLY_VARIED: [&str; 5] = [
    "ttl_minutes=5..240:log",
    "focus.out_ttl_minutes=1..240:log",
    "familiarity_cap=1,2,4,8",
    "pressure.medium_score=10..60",
    "batch_medium=1..4",
];

/// How many of the best candidates have their neighbours looked at.
const CANDIDATES: usize = 6;

/// How many of the best are polished, how far they lie apart in some setting at least, as a share of
/// its range, and in how many steps at most.
const POLISHED: usize = 3;
const APART: f64 = 0.3;
const STEPS: usize = 12;

/// A step that saves less more than this share is none.
const LEAST_GAIN: f64 = 1e-4;

/// Beyond a limit all that is saved counts for nothing.
const FAR_WORSE: f64 = 1e6;

/// How many values of a setting its sensitivity is shown at.
const SENSITIVITY_VALUES: usize = 9;

/// How many points of the frontier are written.
const FRONTIER_POINTS: usize = 500;

/// What the tuned policy is held against, besides the base.
const ORIGINAL: &str = "original-2026";

/// What the tuned policy is always held against.
#[derive(Clone, Copy)]
struct HeldAgainst<T> {
    base: T,
    original: T,
}

/// Everything that the command line says, resolved.
struct Task {
    space: Space,
    base: NamedPolicy,
    original: NamedPolicy,
    others: Vec<NamedPolicy>,
    limits: Limits,
    margin: f64,
    trials: usize,
    population: usize,
    seed: u64,
}

impl Task {
    fn resolve(args: &TuneArgs) -> anyhow::Result<Self> {
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
    fn limits_in_training(&self, of: [Rates; 2]) -> Limits {
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
    fn limits_held_out(&self, of: [Rates; 2]) -> Limits {
        let fewest = of.into_iter().filter_map(|it| it.reloads_per_active_hour);
        let reloads = self.limits.max_reloads_per_active_hour;
        Limits {
            max_reloads_per_active_hour: reloads.or(fewest.min_by(f64::total_cmp)),
            ..self.limits
        }
    }
}

pub(crate) fn run(args: &TuneArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let task = Task::resolve(args)?;
    let pattern = args.person.as_deref().map(Regex::new).transpose();
    let pattern = pattern.context("--person: not a regular expression")?;
    let threads = args.threads.unwrap_or_default().0;
    let mut bench = Bench::open(
        &args.traces,
        pattern.as_ref(),
        args.windows,
        threads,
        Workshop::new(args.cache),
        console,
    )?;
    let splits = split(bench.people.len(), args.folds, args.windows, task.seed)?;
    let base = bench
        .cells(std::slice::from_ref(&task.base.entrant()))?
        .remove(0);
    base.check()?;
    if let Some(limit) = task.limits.max_high_minutes_per_awake_hour
        && base.sum(&whole(&splits)?.training).sums().sampled_hours == 0.0
    {
        bail!(
            "--max-high-minutes-per-hour {limit}: no trace has samples of memory, so nobody knows \
             how long the pressure was HIGH"
        );
    }
    let others = std::iter::once(&task.original).chain(&task.others);
    let others: Vec<_> = others.map(NamedPolicy::entrant).collect();
    let mut others = bench.cells(&others)?;
    let original = others.remove(0);
    let against = HeldAgainst {
        base: &base,
        original: &original,
    };

    let mut searches = Vec::new();
    for (split, number) in splits.iter().zip(1..) {
        let about = format!("search {number} of {}", splits.len());
        // What was chosen elsewhere may have seen what is held out here.
        let known: Vec<Chosen> = match split.kind {
            SplitKind::Whole => (searches.iter())
                .filter_map(|it: &Searched| it.chosen.clone())
                .collect(),
            SplitKind::ByPerson | SplitKind::WalkForward => Vec::new(),
        };
        searches.push(search(&task, split, &known, against, &mut bench, &about)?);
    }
    let tuned = judge(&task, &splits, &searches, against, &others, &mut bench)?;

    fs::create_dir_all(&args.output)
        .with_context(|| format!("cannot make {}", shown(&args.output)))?;
    let mut json = serde_json::to_string(&tuned)?;
    json.push('\n');
    write_whole(&args.output.join("tune.json"), json.as_bytes())?;
    let policy_file = args.output.join("policy.toml");
    match searches
        .last()
        .and_then(|it| it.chosen.as_ref())
        .filter(|_| tuned.recommended)
    {
        Some(chosen) => {
            let text = policy_file::written(&chosen.variant.document, &tuned);
            write_whole(&policy_file, text.as_bytes())?;
        }
        // One of a run before would be taken for this one's.
        None if policy_file.exists() => fs::remove_file(&policy_file)?,
        None => {}
    }
    if args.json {
        console.json(&tuned)?;
    } else {
        text::write(&tuned, &args.output, console)?;
    }
    Ok(match tuned.recommended {
        true => Outcome::Yes,
        false => Outcome::No,
    })
}

/// What a search came to.
struct Searched {
    limits: Limits,
    tried: Vec<(Variant, Arc<Cells>)>,
    chosen: Option<Chosen>,
    /// Where nothing keeps the limits: what comes nearest, by number.
    nearest: Option<usize>,
}

#[derive(Clone)]
struct Chosen {
    variant: Variant,
    cells: Arc<Cells>,
    plateau: Plateau,
}

/// Searches on the training part of a split and chooses. `known` are variants to look at, too.
fn search(
    task: &Task,
    split: &Split,
    known: &[Chosen],
    HeldAgainst { base, original }: HeldAgainst<&Arc<Cells>>,
    bench: &mut Bench,
    about: &str,
) -> anyhow::Result<Searched> {
    let rates = |cells: &Cells| cells.sum(&split.training).rates();
    let limits = task.limits_in_training([base, original].map(|cells| rates(cells)));
    let bar = super::sweep::progress(task.trials as u64, &format!("variants, {about}"));
    let mut search = Search::new(&task.space, task.population, task.seed);
    let mut tried: Vec<(Variant, Arc<Cells>)> = Vec::new();
    while tried.len() < task.trials {
        let asked = search.ask()?;
        let variants: Vec<&Variant> = asked.iter().flatten().collect();
        let cells = bench.cells_of(&variants)?;
        bar.inc(cells.len() as u64);
        let mut answers = cells.iter().map(|cells| {
            let rates = rates(cells);
            (rates, limits.excess(&rates))
        });
        let answers: Vec<_> = asked
            .iter()
            .map(|it| it.as_ref().and_then(|_| answers.next()))
            .collect();
        search.tell(&answers)?;
        let before = tried.len();
        tried.extend(asked.into_iter().flatten().zip(cells));
        if tried.len() == before {
            bail!("no combination of these values is a valid policy");
        }
    }
    bar.finish_and_clear();

    polish(task, known, &mut tried, base, &rates, &limits, bench)?;

    let mut plateaus = Vec::new();
    let kept = best(&tried, CANDIDATES, |cells| {
        let rates = rates(cells);
        (limits.excess(&rates) <= 0.0).then(|| rates.saved_share.unwrap_or(0.0))
    });
    for &index in &kept {
        let around = neighbours(&task.space, &tried[index].0);
        let around = bench.cells_of(&around.iter().collect::<Vec<_>>())?;
        let around: Vec<Rates> = around.iter().map(|cells| rates(cells)).collect();
        plateaus.push(Plateau::new(&rates(&tried[index].1), &around, &limits));
    }
    let chosen = Choice::of(&plateaus).map(|choice| {
        let (variant, cells) = tried[kept[choice.index]].clone();
        Chosen {
            variant,
            cells,
            plateau: choice.plateau,
        }
    });
    let excess = |&index: &usize| limits.excess(&rates(&tried[index].1));
    let nearest = (0..tried.len()).min_by(|a, b| excess(a).total_cmp(&excess(b)));
    Ok(Searched {
        limits,
        nearest: nearest.filter(|_| chosen.is_none()),
        tried,
        chosen,
    })
}

/// Goes on from the best variants, and from the base, a step at a time in one setting or, where that
/// does not help, in two, as long as that makes them better: first to within the limits, then to
/// save more (Hooke and Jeeves 1961). What a search by generations leaves on the way to a limit is
/// mostly this.
fn polish(
    task: &Task,
    known: &[Chosen],
    tried: &mut Vec<(Variant, Arc<Cells>)>,
    base: &Cells,
    rates: &impl Fn(&Cells) -> Rates,
    limits: &Limits,
    bench: &mut Bench,
) -> anyhow::Result<()> {
    let worth = |cells: &Cells| {
        let rates = rates(cells);
        (
            -limits.excess(&rates).max(0.0),
            rates.saved_share.unwrap_or(0.0),
        )
    };
    let better = |one: (f64, f64), other: (f64, f64)| {
        one.0 > other.0 || (one.0 >= other.0 && one.1 > other.1 + LEAST_GAIN)
    };
    let mut starts: Vec<(Variant, (f64, f64))> = Vec::new();
    let in_order = best(tried, tried.len(), |cells| {
        let (excess, saved) = worth(cells);
        Some(excess * FAR_WORSE + saved)
    });
    for index in in_order {
        let (variant, cells) = &tried[index];
        let is_near = |it: &(Variant, _)| task.space.distance(&it.0, variant) < APART;
        if starts.len() < POLISHED && !starts.iter().any(is_near) {
            starts.push((variant.clone(), worth(cells)));
        }
    }
    starts.extend(
        known
            .iter()
            .map(|it| (it.variant.clone(), worth(&it.cells))),
    );
    starts.push((task.space.own_variant(), worth(base)));
    for (mut here, mut worth_here) in starts {
        for _ in 0..STEPS {
            let mut next = None;
            for ways in [steps, double_steps] {
                let around = ways(&task.space, &here);
                let cells = bench.cells_of(&around.iter().collect::<Vec<_>>())?;
                for (variant, cells) in around.iter().zip(&cells) {
                    let worth_there = worth(cells);
                    if better(worth_there, worth_here) {
                        worth_here = worth_there;
                        next = Some(variant.clone());
                    }
                }
                tried.extend(around.into_iter().zip(cells));
                if next.is_some() {
                    break;
                }
            }
            match next {
                Some(next) => here = next,
                None => break,
            }
        }
    }
    Ok(())
}

/// The distinct policies with the highest worth, by number, the best first; those without any are
/// left out.
fn best(
    tried: &[(Variant, Arc<Cells>)],
    count: usize,
    worth: impl Fn(&Cells) -> Option<f64>,
) -> Vec<usize> {
    let all = tried.iter().enumerate();
    let mut all: Vec<(usize, f64)> = all
        .filter_map(|(index, (_, cells))| Some((index, worth(cells)?)))
        .collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut seen = BTreeSet::new();
    let all = all.into_iter().map(|(index, _)| index);
    all.filter(|&index| seen.insert(tried[index].0.document.hash()))
        .take(count)
        .collect()
}

/// The last split, which holds nothing out.
fn whole(splits: &[Split]) -> anyhow::Result<&Split> {
    splits.last().context("the last split is the whole")
}

/// Judges what the searches chose on what they did not see.
fn judge(
    task: &Task,
    splits: &[Split],
    searches: &[Searched],
    against: HeldAgainst<&Arc<Cells>>,
    others: &[Arc<Cells>],
    bench: &mut Bench,
) -> anyhow::Result<Tuned> {
    let whole = whole(splits)?;
    let last = searches.last().context("each split was searched")?;
    // Whoever chose nothing keeps the base.
    let cells_of = |search: &Searched| {
        search
            .chosen
            .as_ref()
            .map_or(against.base.clone(), |it| it.cells.clone())
    };
    let held_out = |kind: SplitKind, of: &dyn Fn(usize) -> Arc<Cells>| -> Vec<Tally> {
        let parts = splits
            .iter()
            .enumerate()
            .filter(|(_, split)| split.kind == kind);
        let tallies = parts.map(|(index, split)| {
            let tallies = of(index).by_person(&split.held_out).collect::<Vec<_>>();
            (split.held_out.people.clone(), tallies)
        });
        by_person(tallies, bench.people.len())
    };
    let told = splits.iter().zip(searches);
    let told = told.map(|(split, search)| split_told(task, split, search, against.base, bench));
    let told: Vec<SplitTold> = told.collect();
    let kinds = [SplitKind::ByPerson, SplitKind::WalkForward];
    let [on_people, forward] = kinds.map(|kind| {
        let tuned = held_out(kind, &|index| cells_of(&searches[index]));
        let compare = |policy: &NamedPolicy, cells: &Arc<Cells>| {
            let theirs = held_out(kind, &|_| cells.clone());
            Judged::new(&policy.name, &theirs, &tuned, task.seed)
        };
        let base = compare(&task.base, against.base);
        let original = compare(&task.original, against.original);
        let others = task.others.iter().zip(others);
        let others = others.map(|(policy, cells)| compare(policy, cells));
        (!base.is_empty()).then(|| HeldOut {
            limits: task.limits_held_out([base.rates, original.rates]),
            tuned: tuned.iter().copied().sum::<Tally>().rates(),
            against: [base, original].into_iter().chain(others).collect(),
            gap_saved_share: found::gap(&told, kind),
        })
    });
    let Verdict { recommended, why } = match last.chosen {
        None => Verdict::no("no variant that was tried keeps the limits"),
        Some(_) => Verdict::of(bench.people.len(), on_people.as_ref(), forward.as_ref()),
    };
    let sensitivity = match &last.chosen {
        Some(chosen) => sensitivity(task, &whole.training, &chosen.variant, bench)?,
        None => Vec::new(),
    };
    let domains = &task.space.base().protected_domains;
    let mut frontier = Frontier::default();
    for foresight in bench.foresee(domains)? {
        frontier = frontier.pooled(&foresight.frontier());
    }
    let points: Vec<_> = frontier.points().collect();
    let sums = against.base.sum(&whole.training).sums();
    let member = |(variant, cells): &(Variant, Arc<Cells>)| {
        Member::new(
            &task.space,
            variant,
            cells.sum(&whole.training).rates(),
            None,
        )
    };
    Ok(Tuned {
        type_name: TUNED.to_owned(),
        version: Version::ours(),
        seed: task.seed,
        base: task.base.name.clone(),
        base_hash: task.base.hash.clone(),
        vary: task
            .space
            .dimensions()
            .iter()
            .map(ToString::to_string)
            .collect(),
        asked_limits: task.limits,
        margin: task.margin,
        variants_tried: bench.policies_run(),
        people: bench
            .people
            .iter()
            .map(|it| PersonTold::new(it, &bench.traces))
            .collect(),
        traces: bench.traces.iter().map(TraceTold::new).collect(),
        windows: whole.training.windows.1,
        recommended,
        why,
        nearest: last.nearest.map(|index| member(&last.tried[index])),
        chosen: last
            .chosen
            .as_ref()
            .map(|it| member(&(it.variant.clone(), it.cells.clone()))),
        changed: last
            .chosen
            .as_ref()
            .map(|it| found::changed(task.space.base(), &it.variant.document)),
        in_training: found::in_training(task, &whole.training, against, others),
        on_held_out_people: on_people,
        walking_forward: forward,
        evaluations: last.tried.iter().map(member).collect(),
        sensitivity,
        frontier: thinned(&points, FRONTIER_POINTS),
        background_gib_h: sums.background_gib_h,
        active_hours: sums.active_hours,
        splits: told,
    })
}

/// Adds up what each person came to; leaves out those who were never held out.
fn by_person(parts: impl Iterator<Item = (Vec<usize>, Vec<Tally>)>, people: usize) -> Vec<Tally> {
    let mut all = vec![None; people];
    for (people, tallies) in parts {
        for (person, tally) in people.into_iter().zip(tallies) {
            let sum: &mut Option<Tally> = &mut all[person];
            *sum = Some(sum.unwrap_or_default() + tally);
        }
    }
    all.into_iter().flatten().collect()
}

/// What a split tells: what was chosen and the front, in training and where it was held out.
fn split_told(
    task: &Task,
    split: &Split,
    search: &Searched,
    base: &Cells,
    bench: &Bench,
) -> SplitTold {
    let rates = |cells: &Cells, part: &Part| cells.sum(part).rates();
    let held_out =
        |cells: &Cells| (!split.held_out.people.is_empty()).then(|| rates(cells, &split.held_out));
    let member = |variant: &Variant, cells: &Cells| {
        Member::new(
            &task.space,
            variant,
            rates(cells, &split.training),
            held_out(cells),
        )
    };
    let front = pareto::front(&search.tried, |(_, cells)| {
        objectives(&rates(cells, &split.training))
    });
    let mut members: Vec<Member> = (front.into_iter())
        .map(|(variant, cells)| member(variant, cells))
        .collect();
    members.sort_by(|a, b| {
        let saved = |it: &Member| it.training.saved_share.unwrap_or(0.0);
        saved(a)
            .total_cmp(&saved(b))
            .then(a.policy_hash.cmp(&b.policy_hash))
    });
    members.dedup_by(|a, b| a.policy_hash == b.policy_hash);
    SplitTold {
        kind: split.kind,
        training: PartTold::new(&split.training, &bench.people),
        held_out: PartTold::new(&split.held_out, &bench.people),
        limits: search.limits,
        tried: search.tried.len(),
        chosen: (search.chosen.as_ref()).map(|it| member(&it.variant, &it.cells)),
        plateau: search.chosen.as_ref().map(|it| it.plateau),
        base: Member::of_policy(&task.base, rates(base, &split.training), held_out(base)),
        front: members,
    }
}

/// What becomes of the chosen policy when one setting alone is changed.
fn sensitivity(
    task: &Task,
    part: &Part,
    chosen: &Variant,
    bench: &mut Bench,
) -> anyhow::Result<Vec<Sensitivity>> {
    let mut all = Vec::new();
    for (place, dimension) in task.space.dimensions().iter().enumerate() {
        let with = |value: serde_json::Value| {
            let mut values = chosen.values.clone();
            values[place] = value;
            let document = task.space.document(&values).ok()?;
            Some(Variant { values, document })
        };
        let variants: Vec<Variant> = dimension
            .across(SENSITIVITY_VALUES)
            .into_iter()
            .filter_map(with)
            .collect();
        let cells = bench.cells_of(&variants.iter().collect::<Vec<_>>())?;
        let points = variants
            .iter()
            .zip(cells)
            .map(|(variant, cells)| found::SensitivityPoint {
                value: variant.values[place].clone(),
                rates: cells.sum(part).rates(),
            });
        all.push(Sensitivity {
            setting: dimension.name().to_owned(),
            chosen: chosen.values[place].clone(),
            points: points.collect(),
        });
    }
    Ok(all)
}
