//! Judges what the searches chose, on what they did not see, and tells all that was found.

use std::sync::Arc;

use anyhow::Context as _;
use simulator::pareto;
use simulator::replay::{Frontier, Tally};
use simulator::sweep::{Variant, Version};
use simulator::tune::{Cells, Part, Split, SplitKind, objectives};

use super::bench::Bench;
use super::found::{
    self, HeldOut, Judged, Member, PartTold, PersonTold, Sensitivity, SplitTold, TUNED, TraceTold,
    Tuned,
};
use super::search::Searched;
use super::task::Task;
use super::verdict::Verdict;
use super::{HeldAgainst, whole};
use crate::commands::sweep::thinned;
use crate::policy::NamedPolicy;

/// How many values of a setting its sensitivity is shown at.
const SENSITIVITY_VALUES: usize = 9;

/// How many points of the frontier are written.
const FRONTIER_POINTS: usize = 500;

/// Judges what the searches chose on what they did not see.
pub(super) fn judge(
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
        Some(_) => Verdict::of(on_people.as_ref(), forward.as_ref()),
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
